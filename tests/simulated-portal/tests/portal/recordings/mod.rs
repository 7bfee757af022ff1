//! The contract: every exchange that was recorded from the real server is sent to the simulated portal, and
//! must give the same. `RECORDINGS=<folder>` replays other files of the same form.

mod audit_trail;
mod cleaner;
mod compare;
mod credentials;
mod due;
mod exchange;
mod setting;

use std::{collections::BTreeMap, env, path::PathBuf};

use exchange::{Exchange, Recording};
use setting::Setting;
use simulated_portal::SimulatedPortal;

/// Why an exchange is not replayed.
type Reason = (&'static str, fn(&Exchange) -> bool);

/// The only reasons, each with the property of the recording that tells.
const NOT_REPLAYED: [Reason; 3] = [
    (
        "the rate limiter counts requests that are not in the recording",
        |exchange| exchange.response.status == 429,
    ),
    (
        "the router's own page for a service that is down or hangs",
        |exchange| {
            exchange.response.body == "<HTML error page>" && exchange.request.path.starts_with("/api/")
        },
    ),
    ("lists keys whose making is not in the recording", |exchange| {
        exchange.request.method == "GET" && exchange.request.path == "/api/2.0/keys"
    }),
];

fn folder() -> PathBuf {
    let own = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../recordings"));
    env::var_os("RECORDINGS").map_or_else(own, PathBuf::from)
}

#[tokio::test]
async fn recordings_are_what_the_simulated_portal_does() {
    let (mut replayed, mut from_answer, mut other_kinds) = (0, 0, 0);
    let mut skipped: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for file in exchange::files(&folder()) {
        let Recording::Exchanges(exchanges) = Recording::read(&file) else {
            other_kinds += 1;
            continue;
        };
        for (index, exchange) in exchanges.iter().enumerate() {
            if let Some((reason, _)) = NOT_REPLAYED.iter().find(|(_, applies)| applies(exchange)) {
                *skipped.entry(reason).or_default() += 1;
                continue;
            }
            let setting = Setting::of(&exchanges, index);
            replayed += 1;
            from_answer += usize::from(setting.from_answer);
            if let Err(difference) = replay(exchange, &setting).await {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                failures.push(format!("{name} {} {}: {difference}", exchange.id, exchange.name));
            }
        }
    }
    println!("{replayed} exchanges replayed ({from_answer} with books that only the answer tells of)");
    for (reason, count) in &skipped {
        println!("{count} skipped: {reason}");
    }
    println!("{other_kinds} files of another kind");
    assert!(replayed > 0, "nothing was replayed from {}", folder().display());
    assert!(
        failures.is_empty(),
        "{} of {replayed} differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// Sends a recorded request to a server in the recorded state. Two things are not recorded: whether a
/// connection to MariaDB was still open when it went down, and whether the body was sent with blanks (bytes in
/// messages tell). One way of both must give the recorded answer.
async fn replay(exchange: &Exchange<'_>, setting: &Setting) -> Result<(), String> {
    let open: &[bool] = if exchange.server.database_down {
        &[true, false]
    } else {
        &[false]
    };
    let ways = open
        .iter()
        .flat_map(|open| exchange.request.texts().into_iter().map(|body| (*open, body)));
    let mut first = None;
    for (open, body) in ways {
        match replay_once(exchange, setting, open, body).await {
            Ok(()) => return Ok(()),
            Err(difference) => drop(first.get_or_insert(difference)),
        }
    }
    Err(first.unwrap_or_default())
}

async fn replay_once(
    exchange: &Exchange<'_>,
    setting: &Setting,
    connection_open: bool,
    body: Option<String>,
) -> Result<(), String> {
    let server: SimulatedPortal = setting.server().await;
    if exchange.server.database_down {
        server.take_database_down(connection_open);
    }
    let call = credentials::filled_in(exchange.request.call(body), &server);
    let answer = call
        .send(&server)
        .await
        .map_err(|error| format!("no answer: {error}"))?;
    compare::answer(exchange, &answer)?;
    if let Some(rows) = &exchange.schedules_after {
        compare::rows(rows, &server.schedules())?;
    }
    Ok(())
}
