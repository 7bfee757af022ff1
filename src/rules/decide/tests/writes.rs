//! Writes, and what prevents them.

use super::*;

fn other_secret() -> Scene {
    Scene::applied(held(|s| {
        drop(s.params.insert("ssekey".into(), Param::plain("old")))
    }))
}

#[test]
fn changes_of_the_manifest() {
    let changed = |held| Scene::applied(held).had_applied(|applied| applied.cron_params.hour = 5);
    check(vec![
        ("as applied", Scene::applied(held(|_| {})), "nothing"),
        (
            "the portal holds the old",
            changed(held(earlier_hour)),
            "write Changed",
        ),
        (
            "the portal holds the new: a restart came between",
            changed(held(|_| {})),
            "adopt Changed",
        ),
        (
            "the portal differs, too",
            changed(held(|s| s.hour = 9)),
            "write Changed",
        ),
        ("the portal holds nothing", changed(None), "write Changed"),
        (
            "changed within a day of a correction",
            changed(held(earlier_hour)).corrected(1),
            "write Changed",
        ),
        (
            "changed while a backup runs",
            changed(held(earlier_hour)).with(|f| f.progress = running()),
            "write Changed",
        ),
        (
            "changed, and observed now",
            changed(held(earlier_hour)).spec(|spec| spec.management_policy = ManagementPolicy::Observe),
            "refuse OutOfSync",
        ),
        (
            "a storage Secret changed",
            other_secret().with(|f| f.secret_changed = true),
            "write Changed",
        ),
        (
            "somebody changed a value that is kept in a Secret",
            other_secret(),
            "write Corrected",
        ),
        ("and again", other_secret().corrected(60), "refuse Contested"),
        (
            "what DocSpace adds is no difference",
            Scene::applied(held(|s| {
                s.params.insert("tenantId".into(), Param::plain("1"));
                s.params.insert("folderId".into(), Param::plain("/backups"));
            })),
            "nothing",
        ),
        (
            "another key is",
            Scene::applied(held(|s| drop(s.params.insert("acl".into(), Param::plain("x"))))),
            "write Corrected",
        ),
        (
            "accepted, and returned differently",
            Scene::applied(held(earlier_hour)).with(never_shown),
            "refuse NotConverging",
        ),
        (
            "a Secret's value, returned differently",
            Scene::applied(held(|s| {
                drop(s.params.insert("ssekey".into(), Param::plain("S3CRET")))
            }))
            .with(never_shown),
            "refuse NotConverging",
        ),
        (
            "not converging, and then changed",
            changed(held(|s| s.hour = 9)).with(|f| f.unconfirmed = None),
            "write Changed",
        ),
        (
            "not converging is over when it is equal",
            Scene::applied(held(|_| {})).with(never_shown),
            "nothing",
        ),
    ]);
}

#[test]
fn drift() {
    let drift = || Scene::applied(held(earlier_hour));
    let gone = || Scene::applied(None);
    check(vec![
        ("changed by somebody", drift(), "write Corrected"),
        ("removed by somebody", gone(), "write Corrected"),
        (
            "a backup is running",
            drift().with(|f| f.progress = running()),
            "refuse BackupRunning",
        ),
        (
            "progress cannot be read",
            drift().with(|f| f.progress = Asked::Failed(error(Failure::ServerError))),
            "refuse ServerError",
        ),
        ("again within the day", drift().corrected(60), "refuse Contested"),
        (
            "removed within the day",
            gone().corrected(23 * 60),
            "refuse Contested",
        ),
        ("again after a day", drift().corrected(24 * 60), "write Corrected"),
        (
            "again, and asked for",
            drift().corrected(60).with(|f| f.requested = true),
            "write Corrected",
        ),
        (
            "again, and back as it was",
            Scene::applied(held(|_| {})).corrected(60),
            "nothing",
        ),
    ]);
}

#[test]
fn a_refused_history_is_told_with_its_status() {
    let refused = PortalError {
        status: Some(403),
        ..error(Failure::UserNotAllowed)
    };
    let scene = Scene::first_contact(None).with(move |f| f.archives = Asked::Failed(refused.clone()));
    let Step::Do(Plan::Refuse(verdict)) = scene.step() else {
        panic!("it writes or asks")
    };
    assert_eq!(
        (verdict.reason, verdict.status),
        (Reason::WouldDeleteArchives, Some(403))
    );
}

#[test]
fn archives_at_stake() {
    let count = |scene: Scene, count| scene.with(move |f| f.archives = Asked::Answered(archives(count)));
    let unread = |scene: Scene| scene.with(|f| f.archives = Asked::Failed(error(Failure::UserNotAllowed)));
    let always = |scene: Scene| scene.spec(|spec| spec.adoption_policy = AdoptionPolicy::Always);
    let keeps = |stored| Scene::first_contact(held(move |s| s.backups_stored = stored));
    let lowered =
        || Scene::applied(held(|s| s.backups_stored = 9)).had_applied(|applied| applied.backups_stored = 9);
    let raised =
        || Scene::applied(held(|s| s.backups_stored = 5)).had_applied(|applied| applied.backups_stored = 5);
    let absent = || Scene::first_contact(None);
    check(vec![
        ("as many as are kept", count(absent(), 7), "write Created"),
        (
            "one more than are kept",
            count(absent(), 8),
            "refuse WouldDeleteArchives",
        ),
        ("one more, Always", count(always(absent()), 8), "write Created"),
        (
            "the history is refused for good",
            unread(absent()),
            "refuse WouldDeleteArchives",
        ),
        (
            "the history cannot be read for now",
            absent().with(|f| f.archives = Asked::Failed(error(Failure::Proxy))),
            "refuse ProxyError",
        ),
        (
            "the history cannot be read, Always",
            unread(always(absent())),
            "write Created",
        ),
        (
            "the portal keeps more, and has them",
            count(keeps(9), 8),
            "refuse WouldDeleteArchives",
        ),
        (
            "the portal keeps more, and has none",
            count(keeps(9), 7),
            "write Created",
        ),
        (
            "the portal keeps fewer already",
            count(keeps(6), 9),
            "write Created",
        ),
        (
            "this change lowers the number",
            count(lowered(), 9),
            "write Changed",
        ),
        (
            "this change lowers it, the history cannot be read",
            unread(lowered()),
            "write Changed",
        ),
        ("this change raises it", count(raised(), 20), "write Changed"),
        (
            "this change does not touch it, somebody raised it",
            count(
                Scene::applied(held(|s| s.backups_stored = 9))
                    .had_applied(|applied| applied.cron_params.hour = 5),
                9,
            ),
            "refuse WouldDeleteArchives",
        ),
        (
            "a correction of a raised number",
            count(Scene::applied(held(|s| s.backups_stored = 9)), 9),
            "refuse WouldDeleteArchives",
        ),
        (
            "a schedule that is gone, with too many archives",
            count(Scene::applied(None), 8),
            "refuse WouldDeleteArchives",
        ),
        (
            "lowered for another portal is no leave for this one",
            count(lowered(), 9).with(moved),
            "refuse WouldDeleteArchives",
        ),
    ]);
}

fn lost(minutes: i64, is_wanted: bool) -> LostWrite {
    LostWrite::Ours {
        since: ago(minutes),
        reason: AppliedReason::Corrected,
        is_wanted,
    }
}

#[test]
fn an_unknown_outcome_waits() {
    let unknown = |scene: Scene, minutes| scene.with(move |f| f.lost_write = lost(minutes, true));
    check(vec![
        (
            "nothing to be seen of it",
            unknown(Scene::first_contact(None), 9),
            "refuse OutcomeUnknown",
        ),
        (
            "ten minutes later",
            unknown(Scene::first_contact(None), 10),
            "write Created",
        ),
        (
            "the manifest is again as the portal is",
            unknown(Scene::applied(held(|_| {})), 1).with(|f| f.lost_write = lost(1, false)),
            "nothing",
        ),
        (
            "it was carried out",
            unknown(Scene::first_contact(held(|_| {})), 1),
            "adopt Corrected",
        ),
        (
            "the manifest changed meanwhile",
            unknown(
                Scene::applied(held(earlier_hour)).had_applied(|applied| applied.cron_params.hour = 5),
                1,
            ),
            "refuse OutcomeUnknown",
        ),
        (
            "only the status records it",
            Scene::first_contact(None).with(|f| f.lost_write = LostWrite::Recorded { time: ago(9) }),
            "refuse OutcomeUnknown",
        ),
        (
            "only the status records it, ten minutes later",
            Scene::first_contact(None).with(|f| f.lost_write = LostWrite::Recorded { time: ago(10) }),
            "write Created",
        ),
        (
            "only the status records it, by a clock that is ahead",
            Scene::first_contact(None).with(|f| f.lost_write = LostWrite::Recorded { time: ago(-9) }),
            "refuse OutcomeUnknown",
        ),
        (
            "only the status records it, and the portal's clock stands still",
            Scene::first_contact(None)
                .with(|f| (f.lost_write, f.now) = (LostWrite::Recorded { time: ago(10) }, ago(10))),
            "write Created",
        ),
        (
            "only the status records it, and the portal's clock is far ahead",
            Scene::first_contact(None)
                .with(|f| (f.lost_write, f.now) = (LostWrite::Recorded { time: ago(9) }, ago(-180))),
            "refuse OutcomeUnknown",
        ),
    ]);
}
