//! status.lastRequest.

use super::*;

#[test]
fn an_outcome_is_unknown_until_the_portal_shows_it() {
    let mut object = good();
    let status = object.status.as_mut().expect("a status");
    status.last_request = Some(LastRequest {
        operation: Operation::CreateSchedule,
        time: Time(now()),
        url: None,
        host_header: None,
        dump: false,
        status_code: Some(502),
        message: "".into(),
        outcome_unknown: true,
    });
    let facts = facts(&object);
    for (reason, unknown) in [(Reason::ProxyError, true), (Reason::InSync, false)] {
        let outcome = outcome(reason);
        let report = report(&object, &facts, &outcome, failures(0, 1));
        let request = report.status().0.last_request.expect("it is kept");
        assert_eq!(request.outcome_unknown, unknown, "{reason}");
    }
}

#[test]
fn a_write_that_failed_is_told_at_once() {
    let object = good();
    let facts = facts(&object);
    let request = LastRequest {
        operation: Operation::CreateSchedule,
        time: Time(now() + SignedDuration::from_millis(500)),
        url: None,
        host_header: None,
        dump: false,
        status_code: Some(429),
        message: "".into(),
        outcome_unknown: false,
    };
    let outcome = Kept {
        request: Some(request),
        ..outcome(Reason::RateLimited)
    };
    let report = report(&object, &facts, &outcome, failures(0, 1));
    assert_eq!(letters(&report.status().0), "FT-UT");
    let told = report.status().0.last_request.expect("it is told");
    assert_eq!(
        (told.status_code, told.time),
        (Some(429), Time(now())),
        "in whole seconds"
    );
}

#[test]
fn docspace_has_answered_where_something_of_it_is_in_the_status() {
    let answered = |generation, status| has_answered_before(&object(generation, status));
    let accepted = |generation: i64| {
        let mut valid = condition_json("CredentialsValid", "True", "Accepted");
        valid["observedGeneration"] = json!(generation);
        json!({"conditions": [valid]})
    };
    let in_force = |url: &str| {
        json!({"inForce": {
            "since": "2026-11-24T10:00:00Z", "schedule": "EveryDay 03:00 UTC", "storageType": "Local", "url": url,
        }})
    };
    let schedule = json!({
        "storageType": "Local", "cronParams": {"period": "EveryDay", "hour": 3, "day": 0}, "backupsStored": 7,
        "dump": false,
    });
    let applied = |url: &str| {
        json!({"applied": {
            "time": "2026-11-24T10:00:00Z", "reason": "Created", "generation": 1, "uid": "me", "url": url,
            "schedule": schedule,
        }})
    };
    let ready = json!({"observedGeneration": 1, "conditions": [condition_json("Ready", "True", "InSync")]});
    for (generation, status, expected) in [
        (1, json!({}), false),
        (1, accepted(1), true),
        (2, accepted(1), false),
        (1, ready.clone(), true),
        (2, ready, false),
        (1, in_force("https://p.test"), true),
        (1, in_force("https://q.test"), false),
        (1, applied("https://p.test"), true),
        (1, applied("https://q.test"), false),
    ] {
        assert_eq!(
            answered(generation, status.clone()),
            expected,
            "{generation} {status}"
        );
    }
}
