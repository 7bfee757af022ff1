//! Which evidence is asked for, and when.

mod known;

use crate::{
    portal::{Archive, Progress},
    rules::{
        backup::{
            audit_trail::AuditTrail,
            next_question::next_question,
            tests::{
                evidence::{archive, error, held, run, spec},
                *,
            },
        },
        facts::{Asked, Facts},
        plan::Need,
    },
};

/// A check with these answers so far; `None` is not asked yet.
#[derive(Default)]
struct So {
    record: Record,
    queued: Option<&'static str>,
    progress: Option<Option<Progress>>,
    archives: Option<Vec<Archive>>,
    events: Option<Option<AuditTrail>>,
    other: bool,
    requested: bool,
    saas: bool,
}

fn asked(now: &str, so: So) -> Option<Need> {
    let spec = spec();
    let facts = Facts {
        held: Asked::Answered(Some(held(so.queued.map(at)))),
        progress: so.progress.into(),
        archives: so.archives.into(),
        events: so.events.into(),
        other: so.other.then_some(None).into(),
        requested: so.requested,
        is_saas: so.saas,
        ..Facts::new(&spec, at(now))
    };
    next_question(&expected(), &so.record, &facts)
}

/// The history and the progress were read at these times.
fn read(history: Option<&str>, progress: Option<&str>) -> Record {
    let seen = Seen {
        history_at: history.map(at),
        progress_asked_at: progress.map(at),
        progress_at: progress.map(at),
        ..Seen::default()
    };
    Record {
        seen,
        last_backup: backup(YESTERDAY),
        ..Record::default()
    }
}

#[test]
fn while_nothing_is_awaited_little_is_asked() {
    let idle = |history, progress| So {
        record: read(history, progress),
        queued: Some("2026-11-23T03:07:00Z"),
        ..So::default()
    };
    let recent = Some("2026-11-23T11:00:00Z");
    let noon = "2026-11-23T12:00:00Z";
    assert_eq!(asked(noon, idle(recent, recent)), None);
    assert_eq!(
        asked(noon, idle(recent, None)),
        Some(Need::Progress),
        "after a start"
    );
    assert_eq!(
        asked(noon, idle(None, recent)),
        Some(Need::Archives),
        "after a start"
    );
    assert_eq!(
        asked("2026-11-23T17:00:00Z", idle(recent, recent)),
        Some(Need::Archives),
        "six hours later"
    );
    assert_eq!(asked("2026-11-23T16:59:00Z", idle(recent, recent)), None);
    assert_eq!(
        asked(
            noon,
            So {
                requested: true,
                ..idle(recent, recent)
            }
        ),
        Some(Need::Archives)
    );
    let mut listed_once = idle(recent, recent);
    listed_once.record.candidate = candidate("2026-11-23T11:30:00Z");
    assert_eq!(
        asked(noon, listed_once),
        Some(Need::Archives),
        "half an hour later"
    );
    // What was queued before the schedule came into force, or by a clock that was ahead, is not awaited.
    let friday = Some("2026-11-20T11:00:00Z");
    for queued in ["2026-11-20T03:07:00Z", "2036-01-01T00:00:00Z"] {
        let mut so = So {
            queued: Some(queued),
            ..idle(friday, friday)
        };
        so.record.last_backup = None;
        assert_eq!(asked("2026-11-20T12:00:00Z", so), None, "{queued}");
    }
    let mut missing = idle(recent, recent);
    missing.record.seen.missing_since = Some(at(noon));
    assert_eq!(
        asked(noon, missing),
        Some(Need::Archives),
        "a further read must confirm it"
    );
    // Shortly before the next run, once.
    let ten_to = "2026-11-24T02:50:00Z";
    assert_eq!(
        asked(ten_to, idle(Some("2026-11-24T02:00:00Z"), recent)),
        Some(Need::Progress)
    );
    assert_eq!(
        asked(
            ten_to,
            idle(Some("2026-11-24T02:00:00Z"), Some("2026-11-24T02:45:00Z"))
        ),
        None
    );
    // The trail shows who made an archive that is not recorded.
    let listed = |id| So {
        archives: Some(vec![archive(id, YESTERDAY)]),
        ..idle(None, recent)
    };
    assert_eq!(asked(noon, listed("another")), Some(Need::Events));
    assert_eq!(asked(noon, listed(YESTERDAY)), None);
    assert_eq!(
        asked(
            noon,
            So {
                saas: true,
                ..listed(YESTERDAY)
            }
        ),
        Some(Need::Bill)
    );
}

#[test]
fn an_awaited_archive_is_looked_for_cheapest_first() {
    let waiting = |so: So| So {
        record: read(Some("2026-11-24T02:00:00Z"), Some("2026-11-24T02:50:00Z")),
        ..so
    };
    let queued = |so: So| {
        waiting(So {
            queued: Some("2026-11-24T03:07:00Z"),
            ..so
        })
    };
    let idle = || Some(None);
    let now = "2026-11-24T03:15:00Z";
    assert_eq!(
        asked(now, waiting(So::default())),
        Some(Need::Progress),
        "not queued"
    );
    let nothing_runs = |so| So {
        progress: idle(),
        ..so
    };
    assert_eq!(
        asked(now, nothing_runs(waiting(So::default()))),
        None,
        "no history for nothing"
    );
    assert_eq!(asked(now, queued(So::default())), Some(Need::Progress));
    let under_way = || {
        queued(So {
            progress: Some(Some(run("run", None, false))),
            ..So::default()
        })
    };
    // For as long as it may take, its archive is not there.
    for now in [now, "2026-11-24T03:37:00Z", "2026-11-24T04:59:59Z"] {
        assert_eq!(asked(now, under_way()), None, "{now}");
    }
    assert_eq!(
        asked("2026-11-24T05:00:00Z", under_way()),
        Some(Need::Archives),
        "at its deadline"
    );
    assert_eq!(
        asked(now, nothing_runs(queued(So::default()))),
        None,
        "its run may not have begun"
    );
    let later = "2026-11-24T03:37:00Z";
    assert_eq!(
        asked(later, nothing_runs(queued(So::default()))),
        Some(Need::Archives),
        "half an hour after it was queued"
    );
    // A run has ended since.
    let over = |so: So| {
        let mut so = nothing_runs(queued(so));
        so.record.seen.over_at = Some(at(now));
        so
    };
    assert_eq!(asked(now, over(So::default())), Some(Need::Archives));
    let found = || Some(vec![archive("new", "2026-11-24T03:10:00Z")]);
    let with_found = || {
        over(So {
            archives: found(),
            ..So::default()
        })
    };
    assert_eq!(asked(now, with_found()), Some(Need::Events));
    assert_eq!(
        asked(
            now,
            So {
                events: Some(None),
                ..with_found()
            }
        ),
        None
    );
    let empty = over(So {
        archives: Some(vec![]),
        ..So::default()
    });
    assert_eq!(asked(now, empty), None, "nothing to tell apart");
    // The trail may tell later that it was the schedule's own.
    let of_a_person = |created_on| {
        let mut so = over(So {
            archives: Some(vec![archive("new", created_on)]),
            ..So::default()
        });
        so.record.seen.manual = ["new".to_owned()].into();
        asked(now, so)
    };
    assert_eq!(of_a_person("2026-11-24T03:10:00Z"), Some(Need::Events));
    assert_eq!(
        of_a_person("2026-11-24T02:50:00Z"),
        None,
        "it is not the awaited one"
    );
}

#[test]
fn a_listed_archive_is_looked_for_once_more_after_half_an_hour() {
    let record = || Record {
        candidate: candidate("2026-11-24T03:10:00Z"),
        ..read(Some("2026-11-24T03:10:00Z"), Some("2026-11-24T03:10:00Z"))
    };
    let so = || So {
        record: record(),
        queued: Some("2026-11-24T03:07:00Z"),
        ..So::default()
    };
    assert_eq!(asked("2026-11-24T03:39:59Z", so()), None);
    assert_eq!(asked("2026-11-24T03:40:00Z", so()), Some(Need::Archives));
}

#[test]
fn past_its_deadline_everything_is_asked_once_and_then_each_hour() {
    let late = |history, progress, settled: bool| {
        let mut record = read(Some(history), Some(progress));
        record.seen.settled = settled.then(|| at(DUE));
        So {
            record,
            ..So::default()
        }
    };
    let none = || Some(None);
    let deadline = "2026-11-24T05:00:00Z";
    let first = || late("2026-11-24T03:40:00Z", "2026-11-24T04:50:00Z", false);
    assert_eq!(asked(deadline, first()), Some(Need::Archives));
    let empty = || So {
        progress: none(),
        archives: Some(vec![]),
        ..first()
    };
    assert_eq!(asked(deadline, empty()), Some(Need::Events));
    assert_eq!(
        asked(
            deadline,
            So {
                events: Some(None),
                ..empty()
            }
        ),
        Some(Need::OtherSchedule)
    );
    assert_eq!(
        asked(
            deadline,
            So {
                events: Some(None),
                other: true,
                ..empty()
            }
        ),
        None
    );
    let settled = || late("2026-11-24T05:00:00Z", "2026-11-24T05:00:00Z", true);
    assert_eq!(asked("2026-11-24T05:59:00Z", settled()), None);
    assert_eq!(asked("2026-11-24T06:00:00Z", settled()), Some(Need::Progress));
    assert_eq!(
        asked(
            "2026-11-24T06:00:00Z",
            So {
                progress: none(),
                ..settled()
            }
        ),
        Some(Need::Archives)
    );
    let again = So {
        progress: none(),
        archives: Some(vec![]),
        ..settled()
    };
    assert_eq!(asked("2026-11-24T06:00:00Z", again), None);
}

#[test]
fn a_history_that_fails_is_asked_for_again_after_half_an_hour() {
    let failing = |record: &Record, requested| {
        let spec = spec();
        let facts = Facts {
            held: Asked::Answered(Some(held(Some(at("2026-11-24T03:07:00Z"))))),
            progress: Asked::Failed(error()),
            requested,
            ..Facts::new(&spec, at(NOON))
        };
        next_question(&expected(), record, &facts)
    };
    let mut record = read(None, None);
    assert_eq!(
        failing(&record, false),
        Some(Need::Archives),
        "whatever the progress says"
    );
    record.seen.history_failed_at = Some(at("2026-11-24T11:31:00Z"));
    assert_eq!(failing(&record, false), None);
    assert_eq!(failing(&record, true), Some(Need::Archives), "asked for");
    record.seen.history_failed_at = Some(at("2026-11-24T11:30:00Z"));
    assert_eq!(failing(&record, false), Some(Need::Archives));
    record.seen.history_failed_at = Some(at("2036-01-01T00:00:00Z"));
    assert_eq!(
        failing(&record, false),
        Some(Need::Archives),
        "the portal's clock was wrong"
    );
}

#[test]
fn a_deadline_longer_than_the_period_is_looked_after_too() {
    let expected = Expected {
        deadline: SignedDuration::from_hours(24),
        ..expected()
    };
    let asked = |history: Option<&str>, now: &str| {
        let spec = spec();
        let facts = Facts {
            held: Asked::Answered(Some(held(None))),
            progress: Asked::Answered(None),
            ..Facts::new(&spec, at(now))
        };
        next_question(&expected, &read(history, Some(now)), &facts)
    };
    // Yesterday's was confirmed, so the next deadline is tonight's, tomorrow at three.
    assert_eq!(asked(Some("2026-11-25T02:30:00Z"), "2026-11-25T02:59:00Z"), None);
    assert_eq!(
        asked(Some("2026-11-25T02:30:00Z"), "2026-11-25T03:00:00Z"),
        Some(Need::Archives)
    );
    assert_eq!(asked(Some("2026-11-25T03:00:00Z"), "2026-11-25T03:15:00Z"), None);
}
