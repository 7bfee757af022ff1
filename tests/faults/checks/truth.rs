//! What the status says is so, or was a moment ago.

use std::time::{Duration, Instant};

use simulated_portal::{Change, Request};

use super::{told, writes::is_carried_out};
use crate::{
    manifest::Manifest,
    portal::{PortalCall, PortalFault},
    row::Injected,
    world::{World, condition_is, is_ready},
};

/// A version of the object is seen at most this long after it was written, also on a busy machine.
const IS_SEEN_WITHIN: Duration = Duration::from_secs(2);

/// Ready and BackupFresh are True only where the portal could have shown why. BackupFresh is never False, since the backup
/// comes in time.
pub fn nobody_lies(world: &World) {
    let mut writes = world.server.log().writes_carried_out();
    writes.retain(|write| write.method == "POST");
    // No backup comes, or the operator learns late that this night has passed.
    let unclear = world.row.faults.iter().any(|fault| {
        matches!(
            fault,
            Injected::Portal(PortalCall::OtherSchedule, _)
                | Injected::Portal(_, PortalFault::Changed(Change::Dated(_) | Change::WithoutDate))
        )
    });
    for (at, version) in world.seen.all() {
        let Some(object) = version else { continue };
        if is_ready(&object) {
            let spec = &object.spec;
            let wanted = (spec.cron_params.hour, spec.backups_stored);
            let held = held_lately(&writes, at).any(|held| (held.hour, held.stored) == wanted);
            assert!(
                held,
                "Ready at hour {}, which the portal did not hold\n{}",
                wanted.0,
                told(world)
            );
        }
        if unclear {
            continue;
        }
        assert!(
            !condition_is(&object, "BackupFresh", "True") || is_listed_twice(world, at),
            "BackupFresh without an archive that was listed twice\n{}",
            told(world)
        );
        assert!(
            !condition_is(&object, "BackupFresh", "False"),
            "a false alarm of a backup\n{}",
            told(world)
        );
    }
}

/// What the portal held at a time, or shortly before.
fn held_lately(writes: &[Request], at: Instant) -> impl Iterator<Item = Manifest> {
    let worked_by =
        move |write: &&Request, time: Instant| write.worked_at.is_some_and(|worked| worked <= time);
    let by_then = writes.iter().filter(|write| worked_by(write, at)).count();
    let shortly_before = at.checked_sub(IS_SEEN_WITHIN).unwrap_or(at);
    let before = writes
        .iter()
        .filter(|write| worked_by(write, shortly_before))
        .count();
    let lately = &writes[before.saturating_sub(1)..by_then];
    lately
        .iter()
        .filter_map(|write| Manifest::of_body(write.body.as_ref()?))
}

/// Whether the portal has listed the archives after the backup and again half an hour later by its clock.
fn is_listed_twice(world: &World, at: Instant) -> bool {
    let Some((night, steps)) = world.steps.split_first() else {
        return false;
    };
    let lists = world.server.log().to("GET", "getbackuphistory");
    let listed = |from: Instant, to: Instant| {
        lists.iter().any(|list| {
            is_carried_out(list)
                && list.answered
                && list.started >= from
                && list.ended.is_some_and(|end| end <= to)
        })
    };
    steps
        .iter()
        .any(|step| listed(*night, *step) && listed(*step, at))
}
