//! The result of a check, for people and as JSON.

use std::fmt;

use serde::Serialize;

use crate::{
    api::{DocSpaceBackupSchedule, ShownSchedule, Status, condition},
    check::shown,
    controller::preview::Preview,
    rules::plan::Plan,
    schedule::Schedule,
};

/// What the operator would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Action {
    /// The portal holds the wanted schedule.
    Nothing,
    /// The portal holds the wanted schedule; this object would own it. Nothing is written to the portal.
    Adopt,
    /// Write the schedule to a portal without one.
    Create,
    /// Write the schedule over the portal's.
    Replace,
    /// Delete the portal's schedule, because the object is being deleted.
    Delete,
    /// Change nothing in the portal although something is wanted; the reason says why.
    Refuse,
    /// Make no call, because the object is suspended.
    Suspend,
    /// Leave the schedule in the portal, because the object is being deleted.
    Release,
}

impl Action {
    fn of(plan: &Plan) -> Self {
        match plan {
            Plan::Nothing => Self::Nothing,
            Plan::Adopt(_) => Self::Adopt,
            Plan::Write(write) if write.over.is_none() => Self::Create,
            Plan::Write(_) => Self::Replace,
            Plan::Refuse(_) => Self::Refuse,
            Plan::Suspend => Self::Suspend,
            Plan::Delete { .. } => Self::Delete,
            Plan::Release(_) => Self::Release,
        }
    }

    /// The exit status: 0 if nothing would be written to the portal, 1 if something would, 2 if the operator refuses.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Nothing | Self::Adopt | Self::Suspend | Self::Release => 0,
            Self::Create | Self::Replace | Self::Delete => 1,
            Self::Refuse => 2,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Nothing => "nothing: the portal holds the schedule as the manifest says",
            Self::Adopt => {
                "adopt: the portal holds this schedule, and the object would own it; no write to the portal"
            }
            Self::Create => "create: write the schedule; the portal has none",
            Self::Replace => "replace: write the schedule over the portal's",
            Self::Delete => "delete: the object is being deleted, and the portal's schedule with it",
            Self::Refuse => "refuse: change nothing",
            Self::Suspend => "suspend: make no call to the portal",
            Self::Release => "release: the object is being deleted; the schedule stays in the portal",
        }
    }
}

/// The archives that the portal lists.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Archives {
    /// Their number; absent if they cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<usize>,
    /// How many scheduled archives the portal keeps under the manifest.
    pub kept: i32,
    /// Why they cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The result of a check.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The object, as NAMESPACE/NAME.
    pub object: String,
    /// What the operator would do.
    pub plan: Action,
    /// What differs, a line for each field.
    pub difference: Vec<String>,
    /// The portal's schedule that a write replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<ShownSchedule>,
    /// The archives at stake; absent if the plan does not depend on them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archives: Option<Archives>,
    /// What the operator would warn of.
    pub warnings: Vec<String>,
    /// What the check itself could not find out.
    pub notes: Vec<String>,
    /// Why a schedule may remain in the portal after the deletion of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_behind: Option<String>,
    /// The status that the operator would write. After a write: if the portal accepts and shows the schedule. Absent if the
    /// object is being deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(skip)]
    portal: String,
    #[serde(skip)]
    wanted: String,
}

impl Report {
    /// The report of a preview. `notes` are what the check could not find out.
    pub fn new(object: &DocSpaceBackupSchedule, preview: Preview, notes: Vec<String>) -> Self {
        let Preview { plan, status, .. } = preview;
        let replaces = match &plan {
            Plan::Write(write) => write.over.as_ref().map(|held| held.shown()),
            _ => None,
        };
        let warnings = preview.notes.into_iter().filter(|note| note.warning);
        let archives = preview.archives.map(|archives| Archives {
            kept: object.spec.backups_stored,
            listed: archives.as_ref().ok().copied(),
            error: archives.err().map(|error| error.to_string()),
        });
        let left_behind = match &plan {
            Plan::Delete { left_behind, .. } | Plan::Release(left_behind) => left_behind.clone(),
            _ => None,
        };
        let wanted = Schedule::without_secrets(&object.spec);
        let time_zone = status.as_ref().and_then(|status| status.time_zone.as_deref());
        Self {
            object: shown(object),
            plan: Action::of(&plan),
            difference: preview.difference,
            replaces,
            archives,
            // The conditions tell the rest.
            warnings: warnings
                .map(|note| note.text)
                .filter(|text| !is_told(status.as_ref(), text))
                .collect(),
            notes,
            left_behind,
            portal: object.spec.portal.shown(),
            wanted: wanted.in_words(time_zone),
            status,
        }
    }

    /// The exit status of a check with this result.
    pub fn exit_status(&self) -> u8 {
        self.plan.exit_status()
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let status = self.status.as_ref();
        let time_zone = status.and_then(|status| status.time_zone.as_deref());
        let mut lines = vec![("object", self.object.clone()), ("portal", self.portal())];
        if let Some(valid) = condition(status, "CredentialsValid") {
            lines.push(("key", self.key(&valid.status, &valid.message)));
        }
        lines.push(("wanted", self.wanted.clone()));
        lines.push(("plan", self.plan.words().into()));
        if self.plan == Action::Refuse
            && let Some(ready) = condition(status, "Ready")
        {
            lines.push(("reason", format!("{}: {}", ready.reason, ready.message)));
        }
        if let Some(replaced) = &self.replaces {
            lines.push(("replaces", replaced.in_words(time_zone)));
        }
        lines.extend(self.difference.iter().map(|line| ("difference", line.clone())));
        if let Some(archives) = &self.archives {
            lines.push(("archives", archives.to_string()));
        }
        let next = status.and_then(|status| status.next_backup_time.as_ref());
        if let Some(next) = next {
            lines.push(("next start", format!("{} (UTC)", next.0.strftime("%F %H:%M"))));
        }
        if let Some(fresh) = condition(status, "BackupFresh") {
            lines.push(("backups", format!("{}: {}", fresh.reason, fresh.message)));
        }
        if let Some(why) = &self.left_behind {
            lines.push((
                "left behind",
                format!("a schedule may remain in the portal: {why}"),
            ));
        }
        lines.extend(self.warnings.iter().map(|text| ("warning", text.clone())));
        lines.extend(self.notes.iter().map(|text| ("note", text.clone())));
        lines
    }

    fn portal(&self) -> String {
        let mut words = vec![self.portal.clone()];
        let status = self.status.as_ref();
        if let Some(portal) = status.and_then(|status| status.portal.as_ref()) {
            let version = portal
                .version
                .as_ref()
                .map(|version| format!("DocSpace {version}"));
            words.extend(version);
            words.extend(
                portal
                    .standalone
                    .map(|own| if own { "standalone" } else { "in the cloud" }.into()),
            );
        }
        let zone = status.and_then(|status| status.time_zone.as_ref());
        words.extend(zone.map(|zone| format!("time zone {zone}")));
        words.join(", ")
    }

    fn key(&self, valid: &str, message: &str) -> String {
        let valid = match valid {
            "True" => "valid",
            "False" => "not valid",
            _ => "not known",
        };
        let mut words = format!("{valid}: {message}");
        let key = self.status.as_ref().and_then(|status| status.api_key.as_ref());
        if let Some(key) = key {
            let name = &key.name;
            words = format!("{words}; its name is {name}");
            let end = key.expires_at.as_ref().map(|end| end.0.strftime("%F"));
            words = format!(
                "{words}; it {}",
                end.map_or("does not expire".into(), |end| format!("expires on {end}"))
            );
        }
        words
    }
}

/// Whether a condition has this message.
fn is_told(status: Option<&Status>, text: &str) -> bool {
    let conditions = status.map_or(&[][..], |status| &status.conditions);
    conditions.iter().any(|condition| condition.message == text)
}

impl fmt::Display for Archives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.listed, &self.error) {
            (Some(listed), _) => write!(
                f,
                "the portal lists {listed}; it keeps the newest {} scheduled ones",
                self.kept
            ),
            (None, error) => write!(f, "unknown: {}", error.as_deref().unwrap_or_default()),
        }
    }
}

impl fmt::Display for Report {
    /// A line for each fact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines()
            .iter()
            .try_for_each(|(label, text)| writeln!(f, "{label:<11} {text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::reason::{Reason, Verdict};

    #[test]
    fn archives_that_cannot_be_read_are_told() {
        let error = Some("history: HTTP 500".into());
        let unknown = Archives {
            listed: None,
            kept: 7,
            error,
        };
        assert_eq!(unknown.to_string(), "unknown: history: HTTP 500");
    }

    #[test]
    fn the_exit_status_says_whether_something_would_be_written() {
        let refuse = Plan::Refuse(Verdict::new(Reason::Conflict, "taken"));
        for (plan, status) in [
            (Plan::Nothing, 0),
            (Plan::Suspend, 0),
            (Plan::Release(None), 0),
            (refuse, 2),
        ] {
            assert_eq!(Action::of(&plan).exit_status(), status, "{plan}");
        }
    }
}
