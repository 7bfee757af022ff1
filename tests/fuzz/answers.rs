//! Answers of a portal, from the bytes to the status: any body for any call, with any HTTP status.

use std::{fs, path::Path, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use simulated_portal::{ApiKey, Fault, FaultBody, Installation, SimulatedPortal};

use crate::{
    budget::{Budget, alone},
    mutate::fuzz,
    operator::Operator,
};

/// Of two reconciles with all their calls, and of the simulated portal.
const BUDGET: Budget = Budget {
    bytes: 16 * 1024 * 1024,
    time: Duration::from_millis(60),
};
/// The largest status that a portal can cause, in bytes of JSON.
const LARGEST_STATUS: usize = 16 * 1024;
const CALLS: [&str; 7] = [
    "backup/getbackupschedule",
    "backup/getbackuphistory",
    "backup/getbackupprogress",
    "settings",
    "keys/@self",
    "security/audit/events/filter",
    "backup/createbackupschedule",
];
const STATUSES: [u16; 12] = [200, 200, 200, 200, 400, 401, 402, 403, 404, 429, 500, 502];

/// The bodies of all recorded answers, each with a first byte that chooses a call and a second that chooses a status.
fn recorded() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let mut bodies = Vec::new();
    for file in fs::read_dir(folder)
        .expect("recordings")
        .map(|file| file.expect("a file").path())
    {
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a text");
        let recordings: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
        for recording in recordings {
            let (path, response) = (&recording["request"]["path"], &recording["response"]);
            let path = path.as_str().unwrap_or_default();
            let call = CALLS
                .iter()
                .position(|call| path.contains(call))
                .unwrap_or_default();
            let status = response["status"].as_u64().unwrap_or(200);
            let status = STATUSES
                .iter()
                .position(|known| u64::from(*known) == status)
                .unwrap_or_default();
            let mut body = vec![
                u8::try_from(call).expect("small"),
                u8::try_from(status).expect("small"),
            ];
            body.extend(response["body"].to_string().into_bytes());
            bodies.push(body);
        }
    }
    bodies.sort();
    bodies.dedup();
    bodies
}

#[test]
fn any_answer_becomes_a_small_status_without_a_secret() {
    let _alone = alone();
    let valid = recorded();
    assert!(valid.len() > 50, "{} recorded answers", valid.len());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let _within = runtime.enter();
    let server = runtime.block_on(SimulatedPortal::start(Installation::default()));
    let key = server.first().issue_key(ApiKey::named("operator"));
    let noon: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
    server.clock().set(noon);
    let schedule = json!({
        "storageType": "ThirdPartyConsumer", "backupsStored": 7,
        "storageParams": [{"key": "module", "value": "s3"}, {"key": "bucket", "value": "backups"}],
        "cronParams": {"period": "EveryDay", "hour": 3},
    });
    fuzz("answers", &valid, |input| {
        let [call, status, body @ ..] = input else { return };
        let call = CALLS[usize::from(*call) % CALLS.len()];
        let status = STATUSES[usize::from(*status) % STATUSES.len()];
        // What a portal was sent, it may send back.
        let body = String::from_utf8_lossy(body).replace("api", &key);
        let mut operator = Operator::new(&server.url(), &key, &schedule);
        BUDGET.check(|| {
            server.order(Fault::answer(status, FaultBody::Text(body.clone())).to(call));
            runtime.block_on(operator.look(noon));
            runtime.block_on(operator.look(noon));
            server.clear_faults();
        });
        let status = serde_json::to_string(&operator.object.status).expect("it is serialised");
        assert!(
            status.len() <= LARGEST_STATUS,
            "a status of {} bytes",
            status.len()
        );
        assert!(!status.contains(&key), "the status holds the key");
    });
}
