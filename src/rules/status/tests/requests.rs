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
        time: Time(now()),
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
    assert_eq!(
        report
            .status()
            .0
            .last_request
            .and_then(|request| request.status_code),
        Some(429)
    );
}
