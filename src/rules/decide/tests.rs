//! The table of decisions: a situation a row.

use jiff::Timestamp;
use serde_json::json;

use crate::{
    api::{Applied, DeletionPolicy, DocSpaceBackupSchedule, DocSpaceBackupScheduleSpec, ShownSchedule},
    portal::{Address, Archive, Expiry, Failure, PortalError, Progress},
    rules::{
        backup::expected::{Expected, Unexpected},
        credentials::Identity,
        decide::*,
        facts::Bill,
    },
    schedule::{HIDDEN, Held, Param},
};

/// Facts that own what they speak of. As made, an object of daily backups at 3 that was never looked at.
struct Scene {
    object: DocSpaceBackupSchedule,
    applied: Option<Applied>,
    corrections: Option<Tally>,
    removals: Option<Tally>,
    facts: Box<dyn Fn(&mut Facts<'_>)>,
}

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().expect("a time")
}

fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

fn wanted() -> Schedule {
    let spec = Scene::new().object.spec;
    let mut wanted = Schedule::without_secrets(&spec);
    wanted
        .params
        .insert("ssekey".into(), Param::secret("s3cret".into()));
    wanted
}

/// What the portal gives back for [`wanted`], changed as told.
fn held(change: impl FnOnce(&mut Schedule)) -> Option<Held> {
    let mut schedule = wanted();
    schedule
        .params
        .values_mut()
        .for_each(|param| param.secret = false);
    change(&mut schedule);
    Some(Held {
        schedule,
        last_backup_time: None,
    })
}

fn error(failure: Failure) -> PortalError {
    PortalError {
        failure,
        status: None,
        message: "https://p.test: it failed".into(),
        date: None,
        retry_after: None,
    }
}

fn running() -> Asked<Option<Progress>> {
    Asked::Answered(Some(Progress {
        is_completed: false,
        progress: 42,
        error: None,
        warning: None,
        task_id: None,
    }))
}

fn archives(count: usize) -> Vec<Archive> {
    let archive = |number| Archive {
        id: format!("archive {number}"),
        file_name: String::new(),
        storage_type: 5,
        created_on: now(),
        expires: Expiry::Never,
    };
    (0..count).map(archive).collect()
}

impl Scene {
    fn new() -> Self {
        let object = json!({
            "metadata": {"name": "nightly", "namespace": "docspace", "uid": "me", "generation": 1},
            "spec": {
                "portal": {"url": "https://p.test", "apiKeySecretRef": {"name": "key"}},
                "storageType": "ThirdPartyConsumer",
                "storageParams": [
                    {"key": "module", "value": "s3"},
                    {"key": "ssekey", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "sse"}}},
                ],
                "cronParams": {"period": "EveryDay", "hour": 3, "day": 0},
                "backupsStored": 7,
            },
        });
        let object = serde_json::from_value(object).expect("a valid object");
        Self {
            object,
            applied: None,
            corrections: None,
            removals: None,
            facts: Box::new(|_| {}),
        }
    }

    /// Nothing is owned yet; all that can be asked has been answered; the portal holds this.
    fn first_contact(held: Option<Held>) -> Self {
        Self::new().with(move |facts| {
            facts.wanted = Some(Ok(wanted()));
            facts.held = Asked::Answered(held.clone());
            facts.crd_going = Some(Ok(false));
            facts.identity = Some(Identity::default());
            facts.progress = Asked::Answered(None);
            facts.archives = Asked::Answered(Vec::new());
        })
    }

    /// The spec was applied an hour ago.
    fn applied(held: Option<Held>) -> Self {
        let mut scene = Self::first_contact(held).with(|facts| facts.finalizer = true);
        scene.applied = Some(Applied {
            time: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(ago(60)),
            reason: AppliedReason::Created,
            generation: 1,
            uid: "me".into(),
            url: "https://p.test".into(),
            host_header: None,
            schedule: wanted().shown_as_applied(),
        });
        scene
    }

    fn with(mut self, change: impl Fn(&mut Facts<'_>) + 'static) -> Self {
        let before = self.facts;
        self.facts = Box::new(move |facts| {
            before(facts);
            change(facts);
        });
        self
    }

    fn spec(mut self, change: impl FnOnce(&mut DocSpaceBackupScheduleSpec)) -> Self {
        change(&mut self.object.spec);
        self
    }

    /// What was applied was this instead.
    fn had_applied(mut self, change: impl FnOnce(&mut ShownSchedule)) -> Self {
        change(&mut self.applied.as_mut().expect("applied").schedule);
        self
    }

    fn corrected(mut self, minutes_ago: i64) -> Self {
        self.corrections = Some(Tally {
            count: 1,
            last_time: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(ago(minutes_ago)),
        });
        self
    }

    fn deleted(self, minutes_ago: i64) -> Self {
        self.with(move |facts| facts.deleted_at = Some(ago(minutes_ago)))
    }

    fn step(&self) -> Step {
        let mut facts = Facts {
            applied: self.applied.as_ref(),
            same_address: true,
            corrections: self.corrections.as_ref(),
            removals: self.removals.as_ref(),
            write_recorded: true,
            access: Some(Ok(access())),
            ..Facts::new(&self.object.spec, now())
        };
        (self.facts)(&mut facts);
        decide(&facts)
    }
}

/// A step in short.
fn short(step: &Step) -> String {
    match step {
        Step::Ask(need) => format!("observe {need:?}"),
        Step::Do(plan) => plan.to_string(),
    }
}

fn access() -> Access {
    Access {
        address: Address::parse("https://p.test", None).expect("an address"),
        key: "key".into(),
        ca: None,
    }
}

fn check(rows: Vec<(&str, Scene, &str)>) {
    let wrong: Vec<_> = rows
        .iter()
        .map(|(name, scene, expected)| (name, short(&scene.step()), expected))
        .filter(|(_, plan, expected)| plan != *expected)
        .map(|(name, plan, expected)| format!("{name}: {plan}, expected {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn earlier_hour(schedule: &mut Schedule) {
    schedule.hour = 5;
}

#[test]
fn facts_are_asked_for_in_order_and_only_when_needed() {
    let absent = || Scene::first_contact(None);
    check(vec![
        ("nothing is known", Scene::new(), "observe Secrets"),
        (
            "the schedule is known",
            Scene::new().with(|f| f.wanted = Some(Ok(wanted()))),
            "observe Schedule",
        ),
        (
            "settings are due",
            absent().with(|f| (f.identity_due, f.identity) = (true, None)),
            "observe Identity",
        ),
        (
            "in sync, settings not due",
            Scene::applied(held(|_| {})).with(|f| f.identity = None),
            "nothing",
        ),
        (
            "settings are read before a write",
            absent().with(|f| f.identity = None),
            "observe Identity",
        ),
        (
            "settings are read before an adoption",
            Scene::first_contact(held(|_| {})).with(|f| f.identity = None),
            "observe Identity",
        ),
        (
            "archives are counted before a write",
            absent().with(|f| f.archives = Asked::NotYet),
            "observe Archives",
        ),
        (
            "archives do not matter when as few are kept already",
            Scene::first_contact(held(earlier_hour)).with(|f| f.archives = Asked::NotYet),
            "write Created",
        ),
        (
            "archives matter when the portal keeps more",
            Scene::first_contact(held(|s| s.backups_stored = 8)).with(|f| f.archives = Asked::NotYet),
            "observe Archives",
        ),
        (
            "progress is read before a correction",
            Scene::applied(held(earlier_hour)).with(|f| f.progress = Asked::NotYet),
            "observe Progress",
        ),
    ]);
}

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
            Scene::applied(held(earlier_hour)).with(|f| f.same_address = false),
            "write Created",
        ),
        (
            "applied elsewhere, Never",
            never(Scene::applied(held(earlier_hour))).with(|f| f.same_address = false),
            "refuse AdoptionRefused",
        ),
        (
            "applied, but without finalizer",
            Scene::applied(held(|_| {})).with(|f| f.finalizer = false),
            "adopt Adopted",
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
            "accepted, and given back otherwise",
            Scene::applied(held(earlier_hour)).with(|f| f.not_converging = true),
            "refuse NotConverging",
        ),
        (
            "a Secret's value, given back otherwise",
            Scene::applied(held(|s| {
                drop(s.params.insert("ssekey".into(), Param::plain("S3CRET")))
            }))
            .with(|f| f.not_converging = true),
            "refuse NotConverging",
        ),
        (
            "not converging, and then changed",
            changed(held(|s| s.hour = 9)).with(|f| f.not_converging = false),
            "write Changed",
        ),
        (
            "not converging is over when it is equal",
            Scene::applied(held(|_| {})).with(|f| f.not_converging = true),
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
fn archives_at_stake() {
    let count = |scene: Scene, count| scene.with(move |f| f.archives = Asked::Answered(archives(count)));
    let unread = |scene: Scene| scene.with(|f| f.archives = Asked::Failed(error(Failure::TimedOut)));
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
            "the history cannot be read",
            unread(absent()),
            "refuse WouldDeleteArchives",
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
            count(lowered(), 9).with(|f| f.same_address = false),
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
            "the status alone tells of it",
            Scene::first_contact(None).with(|f| f.lost_write = LostWrite::Recorded { time: ago(9) }),
            "refuse OutcomeUnknown",
        ),
        (
            "the status alone tells of it, ten minutes later",
            Scene::first_contact(None).with(|f| f.lost_write = LostWrite::Recorded { time: ago(10) }),
            "write Created",
        ),
        (
            "the status alone tells of it, by a clock that is ahead",
            Scene::first_contact(None).with(|f| f.lost_write = LostWrite::Recorded { time: ago(-9) }),
            "refuse OutcomeUnknown",
        ),
        (
            "the status alone tells of it, and the portal's clock stands still",
            Scene::first_contact(None)
                .with(|f| (f.lost_write, f.now) = (LostWrite::Recorded { time: ago(10) }, ago(10))),
            "write Created",
        ),
    ]);
}

#[test]
fn deletion() {
    let owner = |held| Scene::applied(held).deleted(1);
    let mine = || owner(held(|_| {}));
    let failing = |minutes| {
        Scene::applied(None)
            .deleted(minutes)
            .with(|f| f.held = Asked::Failed(error(Failure::TimedOut)))
    };
    let missing = |minutes| {
        let verdict = Verdict::new(Reason::SecretMissing, "Secret key does not exist");
        Scene::applied(None)
            .deleted(minutes)
            .with(move |f| f.access = Some(Err(verdict.clone())))
    };
    check(vec![
        ("without our finalizer", Scene::new().deleted(1), "nothing"),
        ("as applied", mine(), "delete"),
        ("nothing there", owner(None), "release"),
        (
            "changed by somebody",
            owner(held(earlier_hour)),
            "release, left behind",
        ),
        (
            "a Secret's value cannot be compared, and need not be",
            owner(held(|s| {
                drop(s.params.insert("ssekey".into(), Param::plain("old")))
            })),
            "delete",
        ),
        (
            "never applied, outcome known",
            Scene::new().deleted(1).with(|f| f.finalizer = true),
            "release",
        ),
        (
            "never applied, outcome not known",
            Scene::new()
                .deleted(1)
                .with(|f| (f.finalizer, f.write_recorded) = (true, false)),
            "release, left behind",
        ),
        (
            "somebody else's slot",
            mine().with(|f| f.slot = Slot::Taken("another".into())),
            "release, left behind",
        ),
        (
            "applied elsewhere",
            mine().with(|f| f.same_address = false),
            "release, left behind",
        ),
        (
            "suspended",
            mine().spec(|spec| spec.suspend = true),
            "release, left behind",
        ),
        (
            "observed",
            mine().spec(|spec| spec.management_policy = ManagementPolicy::Observe),
            "release, left behind",
        ),
        (
            "orphaned",
            mine().spec(|spec| spec.deletion_policy = DeletionPolicy::Orphan),
            "release, left behind",
        ),
        (
            "the CRD goes",
            mine().with(|f| f.crd_going = Some(Ok(true))),
            "release, left behind",
        ),
        (
            "whether the CRD goes is asked first",
            mine().with(|f| f.crd_going = None),
            "observe CrdState",
        ),
        (
            "then for the key",
            mine().with(|f| (f.access, f.held) = (None, Asked::NotYet)),
            "observe Access",
        ),
        (
            "then for the schedule",
            mine().with(|f| f.held = Asked::NotYet),
            "observe Schedule",
        ),
        ("the portal cannot be reached", failing(4), "refuse TimedOut"),
        (
            "the portal cannot be reached for five minutes",
            failing(5),
            "release, left behind",
        ),
        ("the Secret is gone", missing(4), "refuse SecretMissing"),
        (
            "the Secret is gone for five minutes",
            missing(5),
            "release, left behind",
        ),
    ]);
}

#[test]
fn hidden_values_hide_only_themselves() {
    let mut applied = wanted().shown_as_applied();
    assert!(
        applied
            .storage_params
            .iter()
            .any(|param| param.key == "ssekey" && param.value == HIDDEN)
    );
    let there = held(|_| {}).expect("held").schedule;
    assert!(there.is_as_applied(&applied));
    applied.storage_params.retain(|param| param.key != "ssekey");
    assert!(!there.is_as_applied(&applied));
}

#[test]
fn a_schedule_that_is_gone_was_removed_by_somebody_or_by_the_portal() {
    // Applied an hour ago, at 11; due at 3 every day, so it is due at once; gone at noon.
    let gone = || {
        let mut scene = Scene::applied(None).with(|f| {
            f.seen_last_backup_time = Some(None);
            f.deleted = Asked::Answered(Some(false));
            f.expected = Ok(Expected {
                since: ago(60),
                times: crate::schedule::timetable::Times::new((&wanted()).into(), "UTC")
                    .expect("UTC is known"),
                storage_type: "ThirdPartyConsumer".into(),
                deadline: SignedDuration::from_hours(2),
            });
        });
        scene.removals = None;
        scene
    };
    let ran = || gone().with(|f| f.seen_last_backup_time = Some(Some(ago(30))));
    let again = |days: i64| {
        let mut scene = gone();
        scene.removals = Some(Tally {
            count: 1,
            last_time: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(ago(days * 24 * 60)),
        });
        scene
    };
    let unknown = |f: &mut Facts<'_>| f.deleted = Asked::Answered(None);
    let bill = |f: &mut Facts<'_>| f.bill = Asked::Answered(Bill { free: 2, paid: false });
    check(vec![
        ("came due, nobody deleted it", gone(), "write Recreated"),
        (
            "came due, the trail is asked first",
            gone().with(|f| f.deleted = Asked::NotYet),
            "observe Deletion",
        ),
        (
            "came due, somebody deleted it",
            gone().with(|f| f.deleted = Asked::Answered(Some(true))),
            "write Corrected",
        ),
        ("came due, no trail", gone().with(unknown), "write Recreated"),
        (
            "came due, the trail fails",
            gone().with(|f| f.deleted = Asked::Failed(error(Failure::ServerError))),
            "refuse ServerError",
        ),
        (
            "had run, so it is not due",
            ran().with(|f| f.deleted = Asked::NotYet),
            "write Corrected",
        ),
        (
            "the zone is not known",
            gone().with(|f| f.expected = Err(Unexpected::ZoneUnknown)),
            "write Corrected",
        ),
        (
            "a backup is running",
            ran().with(|f| f.progress = running()),
            "refuse BackupRunning",
        ),
        ("again this month, why", again(2), "observe Bill"),
        ("again this month", again(2).with(bill), "refuse RemovedByPortal"),
        (
            "again this month, the bill cannot be read",
            again(2).with(|f| f.bill = Asked::Failed(error(Failure::ServerError))),
            "refuse RemovedByPortal",
        ),
        (
            "again this month, asked for",
            again(2).with(|f| f.requested = true),
            "write Recreated",
        ),
        ("again the month after", again(25), "write Recreated"),
        (
            "stalled so, and looked at again",
            again(2)
                .with(|f| (f.removed_by_portal, f.seen_last_backup_time) = (true, None))
                .with(bill),
            "refuse RemovedByPortal",
        ),
        (
            "stalled so, and the month is over",
            again(25).with(|f| (f.removed_by_portal, f.seen_last_backup_time) = (true, None)),
            "write Recreated",
        ),
        (
            "stalled so, and the manifest changed",
            again(2).with(bill).had_applied(|a| a.cron_params.hour = 5),
            "write Changed",
        ),
        (
            "it would cost archives",
            gone().with(|f| (f.archives, f.events) = (Asked::Answered(archives(8)), Asked::Answered(None))),
            "refuse WouldDeleteArchives",
        ),
    ]);
    let message = |bill| match again(2).with(move |f| f.bill = Asked::Answered(bill)).step() {
        Step::Do(Plan::Refuse(verdict)) => verdict.message,
        plan => panic!("{plan:?}"),
    };
    assert!(message(Bill { free: 2, paid: false }).contains("(2 were made) and paid backup is off"));
    assert!(message(Bill { free: 0, paid: true }).contains("no means to pay"));
}
