//! The first contact with a slot, and what refuses before it.

use crate::rules::decide::tests::*;

#[test]
fn first_contact() {
    let never = |scene: Scene| scene.spec(|spec| spec.adoption_policy = AdoptionPolicy::Never);
    let always = |scene: Scene| scene.spec(|spec| spec.adoption_policy = AdoptionPolicy::Always);
    let observe = |scene: Scene| scene.spec(|spec| spec.management_policy = ManagementPolicy::Observe);
    let different = || Scene::first_contact(held(earlier_hour));
    let equal = || Scene::first_contact(held(|_| {}));
    let absent = || Scene::first_contact(None);
    check(vec![
        ("nothing there", absent(), "write Created"),
        ("nothing there, Never", never(absent()), "write Created"),
        ("equal", equal(), "adopt Adopted"),
        ("equal, Never", never(equal()), "adopt Adopted"),
        (
            "equal, crash between finalizer and status",
            equal().with(|f| f.finalizer = true),
            "adopt Adopted",
        ),
        ("different", different(), "write Created"),
        ("different, Always", always(different()), "write Created"),
        ("different, Never", never(different()), "refuse AdoptionRefused"),
        ("equal, observed", observe(equal()), "nothing"),
        ("different, observed", observe(different()), "refuse OutOfSync"),
        ("nothing there, observed", observe(absent()), "refuse OutOfSync"),
        (
            "suspended",
            different().spec(|spec| spec.suspend = true),
            "suspend",
        ),
        (
            "applied elsewhere",
            Scene::applied(held(earlier_hour)).with(moved),
            "write Created",
        ),
        (
            "applied elsewhere, Never",
            never(Scene::applied(held(earlier_hour))).with(moved),
            "refuse AdoptionRefused",
        ),
        (
            "applied, but without finalizer",
            Scene::applied(held(|_| {})).with(|f| f.finalizer = false),
            "nothing",
        ),
    ]);
}

#[test]
fn errors_and_conflicts_refuse() {
    let failing = |failure| {
        Scene::new().with(move |f| {
            f.wanted = Some(Ok(wanted()));
            f.held = Asked::Failed(error(failure));
        })
    };
    let taken = |scene: Scene| scene.with(|f| f.slot = Slot::Taken("DocSpaceBackupSchedule other".into()));
    let missing = Verdict::new(Reason::SecretMissing, "Secret key does not exist");
    check(vec![
        (
            "no Secret",
            Scene::new().with(move |f| f.wanted = Some(Err(missing.clone()))),
            "refuse SecretMissing",
        ),
        (
            "a key that is refused",
            failing(Failure::Unauthorized),
            "refuse Unauthorized",
        ),
        (
            "a portal that is away",
            failing(Failure::PortalUnavailable),
            "refuse PortalUnavailable",
        ),
        (
            "not DocSpace",
            failing(Failure::NotDocSpace),
            "refuse NotDocSpace",
        ),
        (
            "somebody else's slot, before any call",
            taken(Scene::new().with(|f| f.wanted = Some(Ok(wanted())))),
            "refuse Conflict",
        ),
        (
            "somebody else's slot, equal",
            taken(Scene::first_contact(held(|_| {}))),
            "refuse Conflict",
        ),
        (
            "somebody else's slot, observed",
            taken(Scene::first_contact(held(|_| {})))
                .spec(|spec| spec.management_policy = ManagementPolicy::Observe),
            "nothing",
        ),
    ]);
}

#[test]
fn evidence_of_backups_is_read_when_nothing_is_to_be_written() {
    let unread = |held| {
        Scene::applied(held)
            .with(in_force)
            .with(|f| f.progress = Asked::NotYet)
    };
    let equal = || unread(held(|_| {}));
    check(vec![
        ("in sync", equal(), "observe Progress"),
        (
            "a write is refused",
            unread(held(earlier_hour)).corrected(60),
            "observe Progress",
        ),
        (
            "a write comes first",
            unread(held(earlier_hour)).had_applied(|applied| applied.cron_params.hour = 5),
            "write Changed",
        ),
        (
            "the portal does not answer",
            equal().with(|f| f.held = Asked::Failed(error(Failure::TimedOut))),
            "refuse TimedOut",
        ),
        (
            "the portal's clock is in doubt",
            equal().with(|f| {
                f.clock = PortalClock::ahead_by(SignedDuration::ZERO);
                f.clock.hear(now() + SignedDuration::from_hours(1), now());
            }),
            "nothing",
        ),
        (
            "deleted, without our finalizer",
            equal().with(|f| f.finalizer = false).deleted(1),
            "nothing",
        ),
    ]);
}
