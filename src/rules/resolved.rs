//! What follows from the values of the Secrets.

use crate::{
    api::DocSpaceBackupSchedule,
    rules::{
        facts::Facts,
        memory::{Lost, Memory, Resolved, Written},
    },
};

/// Takes in the resolved Secrets; `secret_versions` of the facts are those of this reconcile.
///
/// Settings and key are due after a change of the spec or of a Secret. A storage Secret counts as changed until the portal
/// shows its new value. An accepted write that the portal has not shown yet counts only if it wrote this schedule.
pub fn take_resolved(
    facts: &mut Facts<'_>,
    memory: &mut Memory,
    object: &DocSpaceBackupSchedule,
    resolved: &Resolved,
    lost: Option<&Lost>,
) {
    let generation = object.metadata.generation.unwrap_or_default();
    let before = memory.resolved.take();
    let is_as_before = before
        .as_ref()
        .is_some_and(|(of, before)| *of == generation && before.versions == resolved.versions);
    facts.identity_due |= !is_as_before;
    memory.secret_changed |= match &before {
        Some((_, before)) => before.wanted.difference(Some(&resolved.wanted)).in_secret,
        None => !has_applied_versions(facts),
    };
    facts.secret_changed = memory.secret_changed;

    let written = Written::of(resolved);
    if memory.accepted_write.is_none() && was_accepted(facts, &written) {
        memory.accepted_write = Some(Box::new(written.clone()));
    }
    let unconfirmed = object
        .status
        .as_ref()
        .and_then(|status| status.unconfirmed.as_ref());
    let is_this = memory.accepted_write.as_deref() == Some(&written);
    facts.unconfirmed = unconfirmed.filter(|_| is_this).cloned();
    take_lost_write(facts, lost, &written);
    memory.resolved = Some((generation, resolved.clone()));
}

/// Takes in the slot's lost write of this process, and whether it wrote this.
pub fn take_lost_write(facts: &mut Facts<'_>, lost: Option<&Lost>, written: &Written) {
    if let Some(lost) = lost {
        facts.lost_write = lost.as_fact(lost.written == *written);
    }
}

/// Whether an earlier process wrote this schedule with the same versions of the Secrets.
fn was_accepted(facts: &Facts<'_>, written: &Written) -> bool {
    let applied = facts.ownership.ours();
    applied.is_some_and(|applied| applied.schedule == written.wanted.shown_as_applied())
        && has_applied_versions(facts)
}

/// Whether the values from Secrets come from the same keys and versions as those of the applied schedule. Other versions
/// may have the same values.
fn has_applied_versions(facts: &Facts<'_>) -> bool {
    let applied = facts.ownership.ours();
    applied.is_some_and(|applied| applied.secrets == facts.secret_versions)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    use super::*;
    use crate::{
        api::{Applied, AppliedReason, SecretVersion},
        portal::{Access, Address, Ca},
        rules::{facts::Slot, lost_write::LostWrite, recall::recall, sample},
        schedule::{Param, Schedule},
    };

    fn now() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().expect("a time")
    }

    /// One that was applied with the Secret in this version.
    fn object(generation: i64, applied: Option<&str>) -> DocSpaceBackupSchedule {
        let metadata = json!({"name": "nightly", "uid": "me", "generation": generation});
        let mut object = sample::object(
            &metadata,
            &json!({"unconfirmed": {"acceptedTime": now(), "checks": 1}}),
        );
        let applied = applied.map(|version| Applied {
            time: Time(now()),
            reason: AppliedReason::Created,
            generation: 1,
            uid: "me".into(),
            url: object.spec.portal.url.clone(),
            host_header: None,
            schedule: resolved(&object, version, "one").wanted.shown_as_applied(),
            secrets: vec![from_secret(version)],
        });
        let status = object.status.as_mut().expect("a status");
        status.applied = applied;
        object
    }

    fn from_secret(version: &str) -> SecretVersion {
        SecretVersion {
            param: "secret".into(),
            name: "storage".into(),
            key: "value".into(),
            resource_version: version.into(),
        }
    }

    /// The Secret in this version, with this value.
    fn resolved(object: &DocSpaceBackupSchedule, version: &str, value: &str) -> Resolved {
        let secret = Param::secret(value.to_owned().into());
        Resolved {
            access: Access {
                namespace: "docspace".into(),
                address: Address::parse("https://p.test", None).expect("an address"),
                key: "sk".into(),
                ca: None,
            },
            wanted: Schedule::new(&object.spec, [("secret".into(), secret)].into_iter().collect()),
            versions: [(String::from("storage"), version.to_owned())]
                .into_iter()
                .collect(),
        }
    }

    #[test]
    fn one_value_that_differs_is_enough() {
        let object = object(1, None);
        let before = resolved(&object, "1", "one");
        assert!(before.has_values_of(&resolved(&object, "2", "one")));
        let changes: [fn(&mut Resolved); 3] = [
            |now| now.access.address = Address::parse("https://q.test", None).expect("an address"),
            |now| now.access.key = "another".into(),
            |now| now.access.ca = Some(Ca::from("another")),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut now = before.clone();
            change(&mut now);
            assert!(!before.has_values_of(&now), "change {number}");
        }
        assert!(!before.has_values_of(&resolved(&object, "1", "two")));
    }

    /// What a reconcile of the object knows with the Secret in this version.
    fn take<'a>(
        memory: &mut Memory,
        object: &'a DocSpaceBackupSchedule,
        (version, value): (&str, &str),
        lost: Option<&Lost>,
    ) -> Facts<'a> {
        let mut facts = recall(object, memory, Slot::Free, now());
        facts.identity_due = false;
        facts.secret_versions = vec![from_secret(version)];
        take_resolved(
            &mut facts,
            memory,
            object,
            &resolved(object, version, value),
            lost,
        );
        facts
    }

    #[test]
    fn a_change_of_the_spec_or_of_a_secret_makes_settings_and_key_due() {
        for (generation, version, due) in [(1, "v1", false), (2, "v1", true), (1, "v2", true)] {
            let memory = &mut Memory::default();
            let [before, after] = [1, generation].map(|generation| object(generation, Some("v1")));
            let facts = take(memory, &before, ("v1", "one"), None);
            assert!(facts.identity_due, "nothing was resolved before");
            let facts = take(memory, &after, (version, "one"), None);
            assert_eq!(facts.identity_due, due, "{generation} {version}");
        }
    }

    #[test]
    fn a_secret_counts_as_changed_until_the_portal_shows_its_new_value() {
        for (applied, version, changed) in [
            (Some("v1"), "v1", false),
            (Some("v1"), "v2", true),
            (None, "v1", true),
        ] {
            let memory = &mut Memory::default();
            let object = object(1, applied);
            let facts = take(memory, &object, (version, "one"), None);
            assert_eq!(
                facts.secret_changed, changed,
                "a new process, {applied:?}, {version}"
            );
        }
        for (next, changed) in [(("v2", "one"), false), (("v2", "two"), true)] {
            let memory = &mut Memory::default();
            let object = object(1, Some("v1"));
            take(memory, &object, ("v1", "one"), None);
            let facts = take(memory, &object, next, None);
            assert_eq!(facts.secret_changed, changed, "{next:?}");
            let facts = take(memory, &object, next, None);
            assert_eq!(facts.secret_changed, changed, "{next:?}, at the next check");
            memory.shows_wanted();
            assert!(!take(memory, &object, next, None).secret_changed);
        }
    }

    #[test]
    fn an_accepted_write_counts_if_it_wrote_this() {
        // Another process made it: the versions tell.
        for (applied, version, counts) in [
            (Some("v1"), "v1", true),
            (Some("v1"), "v2", false),
            (None, "v1", false),
        ] {
            let object = object(1, applied);
            let facts = take(&mut Memory::default(), &object, (version, "one"), None);
            assert_eq!(facts.unconfirmed.is_some(), counts, "{applied:?} {version}");
        }
        let mut other = object(1, Some("v1"));
        other.spec.cron_params.hour = 5;
        let facts = take(&mut Memory::default(), &other, ("v1", "one"), None);
        assert_eq!(facts.unconfirmed, None, "the spec is another one");
        // This process made it: the values tell.
        let object = object(1, None);
        let looked = &mut Memory::default();
        assert!(looked.would_write().is_none(), "its Secrets are not known yet");
        take(looked, &object, ("v1", "one"), None);
        let written = looked.would_write().expect("its Secrets are known");
        for (value, counts) in [("one", true), ("two", false)] {
            let memory = &mut Memory {
                accepted_write: Some(Box::new(written.clone())),
                ..Memory::default()
            };
            let facts = take(memory, &object, ("v2", value), None);
            assert_eq!(facts.unconfirmed.is_some(), counts, "{value}");
        }
    }

    #[test]
    fn a_lost_write_tells_whether_it_wrote_this() {
        let object = object(1, None);
        let lost = Lost {
            by: Some("me".into()),
            since: now(),
            reason: AppliedReason::Created,
            written: Written::of(&resolved(&object, "v1", "one")),
        };
        let facts = |value, lost| take(&mut Memory::default(), &object, ("v1", value), lost).lost_write;
        assert_eq!(facts("one", None), LostWrite::None);
        for (value, is_wanted) in [("one", true), ("two", false)] {
            let ours = LostWrite::Ours {
                since: now(),
                reason: AppliedReason::Created,
                is_wanted,
            };
            assert_eq!(facts(value, Some(&lost)), ours);
        }
    }
}
