//! When a condition changes.

use super::*;
use crate::rules::drift::Sighting;

#[test]
fn the_time_of_a_transition_changes_only_with_the_status() {
    let transition = |before: &str, time: &str, after: &'static str| {
        let mut ready = condition_json("Ready", before, "Before");
        ready["lastTransitionTime"] = json!(time);
        let mut list = vec![serde_json::from_value(ready).expect("a condition")];
        let mut conditions = Conditions {
            list: &mut list,
            generation: Some(1),
            now: now(),
        };
        conditions.set("Ready", ConditionState::new(after, "After", "what happened"));
        list[0].last_transition_time.0.to_string()
    };
    let (earlier, now) = ("2026-11-24T10:00:00Z", now().to_string());
    assert_eq!(transition("True", earlier, "True"), earlier);
    assert_eq!(transition("True", earlier, "False"), now);
    // The CRD's default is no transition.
    assert_eq!(transition("Unknown", "1970-01-01T00:00:00Z", "Unknown"), now);
}

#[test]
fn a_verified_object_stays_ready_while_a_drift_is_confirmed() {
    // A portal that shows something else at every check does not settle.
    for (changes, expected) in [(0, "T--TT"), (2, "T--TT"), (3, "FT-UT")] {
        let object = good();
        let mut facts = facts(&object);
        facts.held = Asked::Answered(held(5));
        facts.drift.sighting = Some(Sighting {
            held: None,
            at: now(),
            changes,
        });
        let outcome = outcome(Reason::Verifying);
        let report = report(&object, &facts, &outcome, None);
        assert_eq!(letters(&report.status().0), expected, "{changes} changes");
    }
}
