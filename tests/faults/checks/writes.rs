//! Writes to the portal, and what they leave.

use simulated_portal::{Portal, Request, Schedule};

use super::told;
use crate::{
    manifest::Manifest,
    portal::{PortalCall, PortalFault},
    row::{Begins, Injected},
    world::World,
};

/// As long as a portal seems to hold a schedule, it is deleted again, with growing pauses.
const MOST_DELETIONS: usize = 6;

/// At most one write for a change that the portal carries out, and none while another may still land.
pub fn posts_are_few(world: &World) {
    let posts = world.server.log().posts();
    let carried_out = posts.iter().filter(|post| is_carried_out(post)).count();
    assert!(
        carried_out <= world.wanted.len(),
        "more writes than changes\n{}",
        told(world)
    );
    let fails = |fault: &Injected| matches!(fault, Injected::Portal(..) | Injected::Kill(..));
    if !world.row.faults.iter().any(fails) {
        let at_once = world.server.log().most_at_once(Request::is_write);
        assert!(at_once <= 1, "{at_once} writes at once\n{}", told(world));
    }
    let of = |post: &Request| Manifest::of_body(post.body.as_ref().expect("a body of JSON"));
    for (at, post) in posts.iter().enumerate() {
        let wanted = of(post).expect("a schedule with the storage's value");
        // The operator sees the object and the Secret in any order.
        let hour = world.wanted.iter().any(|other| other.hour == wanted.hour);
        let key = world
            .wanted
            .iter()
            .any(|other| other.storage_key == wanted.storage_key);
        let stored = world.wanted.iter().any(|other| other.stored == wanted.stored);
        assert!(hour && key && stored, "nobody wanted {wanted:?}\n{}", told(world));
        let carried_out = posts
            .iter()
            .filter(|other| is_carried_out(other) && of(other).as_ref() == Some(&wanted))
            .count();
        assert!(
            carried_out <= 1,
            "the same schedule was written twice\n{}",
            told(world)
        );
        let Some(next) = posts.get(at + 1) else { continue };
        let landed = is_carried_out(post) && post.worked_at.is_some_and(|at| at <= next.started);
        let mut excuses = world.may_write_again.iter();
        let excused = excuses.any(|at| (post.started..=next.started).contains(at));
        let settled = landed || is_accepted(world, post) || is_refused(world, post) || excused;
        assert!(settled, "a write while another may still land\n{}", told(world));
    }
}

/// Whether the portal showed another schedule than that of the object when it was deleted. Then the operator must leave
/// it, and says so.
pub fn is_left_behind(world: &World) -> bool {
    let other = Injected::Portal(PortalCall::Schedule, PortalFault::OtherHost);
    world.row.begins == Begins::Deletion && world.row.faults.contains(&other)
}

/// Whether the portal has carried it out, whatever answer was sent.
pub fn is_carried_out(write: &Request) -> bool {
    write.worked == Some(200)
}

/// Whether the answer to a write told that it was carried out, although it was not.
fn is_accepted(world: &World, post: &Request) -> bool {
    let accepted = Injected::Portal(PortalCall::Create, PortalFault::Accepted);
    post.answered && post.status == Some(200) && world.row.faults.contains(&accepted)
}

/// Whether the answer to a write told for certain that it was not carried out.
fn is_refused(world: &World, post: &Request) -> bool {
    let mut faults = world.row.faults.iter();
    post.answered
        && faults.any(|fault| matches!(fault, Injected::Portal(PortalCall::Create, fault) if fault.refuses()))
}

/// One deletion after the user's, which takes the object's own schedule. Nobody else's schedule or archive is touched.
pub fn nothing_of_others_is_touched(world: &World) {
    let left = world.portal.schedule(false);
    assert_eq!(
        left.is_some(),
        is_left_behind(world),
        "the object's schedule\n{}",
        told(world)
    );
    let others = &world.others;
    for (of, dump, before) in [
        (&world.portal, true, &others.dump),
        (&others.portal, false, &others.schedule),
    ] {
        let now = of.schedule(dump).expect("a schedule of others");
        let before = Schedule {
            last_backup_time: now.last_backup_time,
            ..before.clone()
        };
        assert_eq!(now, before);
        cleans_up(world, of, dump, now.backups_stored);
    }
    let deletes = world.server.log().deletes();
    assert!(
        !deletes.iter().any(Request::is_of_dump),
        "a deletion of others' schedule"
    );
    let deleted_at = world.deleted_at.expect("the user deleted the object");
    assert!(
        deletes.iter().all(|delete| delete.started >= deleted_at),
        "a deletion before the user's\n{}",
        told(world)
    );
    let done: Vec<_> = deletes.iter().filter(|delete| is_carried_out(delete)).collect();
    let earlier = Injected::Portal(PortalCall::Schedule, PortalFault::Stale);
    let expected = match (is_left_behind(world), world.row.faults.contains(&earlier)) {
        (true, _) => 0..=0,
        (_, true) => 1..=MOST_DELETIONS,
        _ => 1..=1,
    };
    assert!(
        expected.contains(&done.len()),
        "{} deletions\n{}",
        done.len(),
        told(world)
    );
}

/// The portal's cleaner deletes what the manifest no longer keeps, and nothing else.
pub fn no_archive_is_lost(world: &World) {
    cleans_up(world, &world.portal, false, world.manifest.stored);
}

/// The cleaner deletes only what is more than the number that is kept; the oldest ones.
fn cleans_up(world: &World, portal: &Portal, dump: bool, kept: i32) {
    world.server.run_cleaner();
    let mut archives = portal.archives(dump);
    archives.sort_by_key(|archive| std::cmp::Reverse(archive.created_on));
    let kept = usize::try_from(kept).expect("a count");
    for (at, archive) in archives.iter().enumerate() {
        assert_eq!(
            archive.removed,
            at >= kept,
            "{kept} are kept of {archives:?}\n{}",
            told(world)
        );
    }
}

/// Where archives are at stake, nothing is written before the user consents.
pub fn nothing_was_posted(world: &World) {
    assert_eq!(
        world.server.log().posts().len(),
        0,
        "archives are at stake\n{}",
        told(world)
    );
}
