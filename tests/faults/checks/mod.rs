//! What holds in every row, whatever fails.

mod secrets;
mod truth;
mod writes;

use std::time::{Duration, Instant};

use harness::{DEADLINE, try_http_get};
use simulated_portal::Request;
use tokio::time::{sleep, timeout};

pub use self::writes::nothing_was_posted;
use crate::{manifest::Manifest, portal::PortalCall, row::Injected, world::World};

/// Metrics are asked for again after this time.
const RETRY: Duration = Duration::from_millis(100);

/// While the operator runs and the object is there: the metrics tell no secret.
pub async fn while_it_is_there(world: &mut World) {
    let began = Instant::now();
    let metrics = loop {
        world.tend().await;
        let operator = world.operator.as_ref().filter(|operator| operator.runs());
        if let Some(operator) = operator {
            let address = operator.address().await;
            match timeout(DEADLINE, try_http_get(&address, "/metrics", "*/*")).await {
                Ok(Ok((_, metrics))) => break metrics,
                // It may have ended just now, as without its Lease.
                Ok(Err(error)) => assert!(began.elapsed() < DEADLINE, "no metrics: {error}"),
                Err(_) => panic!("no metrics in time\n{}", world.shown()),
            }
        }
        sleep(RETRY).await;
    };
    secrets::tells_nothing(world, "the metrics", &metrics);
    knows_the_portal(world);
    writes::no_archive_is_lost(world);
}

/// While the fault lasts: the metrics tell no secret, if an operator serves them.
pub async fn metrics_so_far(world: &World) {
    let Some(operator) = world.operator.as_ref().filter(|operator| operator.runs()) else {
        return;
    };
    let asked = async { try_http_get(&operator.address().await, "/metrics", "*/*").await };
    if let Ok(Ok((_, metrics))) = timeout(DEADLINE, asked).await {
        secrets::tells_nothing(world, "the metrics", &metrics);
    }
}

/// The status has the portal's time zone, without which no backup is expected.
fn knows_the_portal(world: &World) {
    let hides_it = |fault: &Injected| {
        matches!(
            fault,
            Injected::Portal(PortalCall::Connect | PortalCall::Settings, _)
        )
    };
    let object = world.object().expect("the object is there");
    let zone = object
        .status
        .as_ref()
        .and_then(|status| status.time_zone.as_ref());
    assert!(
        zone.is_some() || world.row.faults.iter().any(hides_it),
        "no time zone\n{}",
        world.shown()
    );
}

/// Of the whole story, when the object is gone.
pub async fn at_the_end(world: &mut World) {
    assert_eq!(
        world.front.unknown(),
        Vec::<String>::new(),
        "requests of no known kind"
    );
    let asked = world.server.log().requests();
    let is_known = |request: &Request| PortalCall::CALLS.iter().any(|call| call.is(request));
    let unknown: Vec<_> = asked.iter().filter(|request| !is_known(request)).collect();
    assert!(unknown.is_empty(), "calls of no known kind: {unknown:?}");
    writes::posts_are_few(world);
    writes::nothing_of_others_is_touched(world);
    truth::nobody_lies(world);
    secrets::no_secret_is_told(world).await;
    world.stop().await;
    secrets::log_tells_nothing(world);
}

/// The writes to the portal, for messages.
fn told(world: &World) -> String {
    let requests = world.server.log().requests();
    let writes = requests.iter().filter(|request| request.is_write());
    let lines: Vec<_> = writes
        .map(|request| {
            let wanted = request.body.as_ref().and_then(Manifest::of_body);
            format!(
                "{} {}: {:?}, worked: {:?}, answered: {}, {:?}",
                request.method, request.endpoint, request.status, request.worked, request.answered, wanted
            )
        })
        .collect();
    format!("writes:\n{}\n{}", lines.join("\n"), world.shown())
}
