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
    while !metrics_tell_nothing(world).await {
        assert!(
            began.elapsed() < DEADLINE,
            "no metrics in time\n{}",
            world.shown()
        );
        // It may have ended just now, as without its Lease.
        world.tend().await;
        sleep(RETRY).await;
    }
    knows_the_portal(world);
    writes::no_archive_is_lost(world);
}

/// The metrics tell no secret; gives whether an operator serves them.
pub async fn metrics_tell_nothing(world: &World) -> bool {
    let Some(operator) = world.operator.as_ref().filter(|operator| operator.runs()) else {
        return false;
    };
    let asked = async { try_http_get(&operator.address().await, "/metrics", "*/*").await };
    let Ok(Ok((_, metrics))) = timeout(DEADLINE, asked).await else {
        return false;
    };
    secrets::tells_nothing(world, "the metrics", &metrics);
    true
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
