//! The portals as they answer the operator: what they hold, and their troubles.

use std::collections::VecDeque;

use docspace_backup_operator::{
    portal::{Access, Answer, Archive, Credential, Failure, KeyInfo, PortalError, PortalSettings, Progress},
    rules::{
        backup::audit_trail::AuditTrail,
        credentials::Identity,
        facts::{Asked, Bill, Facts},
        plan::Need,
    },
    schedule::{Held, Schedule},
};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use crate::{
    in_process::{HOSTS, Portals, SLOTS},
    story::{Fate, Trouble},
};

/// A write that DocSpace carries out later.
#[derive(Clone, Debug)]
pub struct Late {
    /// When.
    pub at: Timestamp,
    /// The portal that was asked.
    pub portal: usize,
    /// What.
    pub schedule: Schedule,
}

/// The installation and its troubles.
pub struct Installation<'a> {
    /// What it holds.
    pub portals: Portals<'a>,
    /// Each portal's trouble, and when it ends.
    pub troubles: [Option<(Trouble, Timestamp)>; 2],
    /// What becomes of the next writes to each slot.
    pub fates: [VecDeque<Fate>; 3],
    /// Writes that are carried out later.
    pub late: Vec<Late>,
    /// What reads of a slot show instead, and until when.
    pub shown: [Option<(Option<Held>, Timestamp)>; 3],
    /// Until when a backup of each slot runs.
    pub running: [Option<Timestamp>; 3],
    /// The number of the present key of each portal.
    pub keys: [u32; 2],
    /// How far the clock of each portal is ahead.
    pub ahead: [SignedDuration; 2],
    /// Whether it ever was.
    pub clocks_move: bool,
    /// Deletions in the audit trail: the slot, and when.
    pub deletions: Vec<(usize, Timestamp)>,
    /// Whether there is an audit trail.
    pub trail: bool,
    /// The next read of a schedule fails.
    pub next_read_fails: bool,
    /// How many calls were made.
    pub calls: usize,
}

/// The portal that an access leads to.
pub fn portal_of(access: &Access) -> usize {
    let host = access.address.host_header().unwrap_or_default();
    let portal = HOSTS.iter().position(|known| *known == host);
    portal.expect("a portal of the story")
}

/// A text of what a schedule says, secrets included: equal texts are equal schedules.
pub fn text(schedule: &Schedule) -> String {
    let counts = |key: &str| match key {
        "tenantId" => false,
        "folderId" => schedule.storage_type.number() == 0,
        _ => true,
    };
    let mut params: Vec<_> = schedule
        .params
        .iter()
        .filter(|(key, _)| counts(key))
        .map(|(key, param)| format!("{key}={}", param.value.expose_secret()))
        .collect();
    params.sort_unstable();
    format!(
        "{} [{}] at {} keeps {}",
        schedule.storage_type,
        params.join(" "),
        schedule.hour,
        schedule.backups_stored
    )
}

fn failed(failure: Failure, now: Timestamp) -> PortalError {
    let is_docspaces = !matches!(
        failure,
        Failure::Connect | Failure::TimedOut | Failure::NotDocSpace
    );
    PortalError {
        failure,
        status: None,
        message: format!("https://docs.test: {failure:?}"),
        date: is_docspaces.then_some(now),
        retry_after: (failure == Failure::RateLimited).then(|| std::time::Duration::from_secs(1800)),
    }
}

impl Trouble {
    /// How every call fails, if every call does.
    fn failure(self) -> Option<Failure> {
        Some(match self {
            Self::Unreachable => Failure::Connect,
            Self::TimedOut => Failure::TimedOut,
            Self::ServerError => Failure::ServerError,
            Self::Restoring => Failure::PortalUnavailable,
            Self::RateLimited => Failure::RateLimited,
            Self::NotDocSpace => Failure::NotDocSpace,
            Self::HistoryFails | Self::HistoryRefused | Self::Stale | Self::Blank => return None,
        })
    }
}

impl Installation<'_> {
    /// The time.
    pub fn now(&self) -> Timestamp {
        self.portals.now()
    }

    /// The date in a portal's answers.
    pub fn date(&self, portal: usize) -> Timestamp {
        self.now() + self.ahead[portal]
    }

    /// What the slot really holds.
    pub fn held(&self, slot: usize) -> Option<Held> {
        self.portals.held(SLOTS[slot])
    }

    /// The same as a text.
    pub fn text(&self, slot: usize) -> Option<String> {
        self.held(slot).map(|held| text(&held.schedule))
    }

    /// Whether what the slot shows may differ from what it holds.
    pub fn misleads(&self, slot: usize) -> bool {
        let now = self.now();
        self.shown[slot].as_ref().is_some_and(|(_, until)| now < *until)
            || self
                .troubles
                .iter()
                .flatten()
                .any(|(trouble, until)| now < *until && matches!(trouble, Trouble::Blank | Trouble::Stale))
    }

    /// Whether a history cannot be read.
    pub fn hides_archives(&self) -> bool {
        let mut troubles = self.troubles.iter().flatten();
        troubles.any(|(trouble, until)| self.now() < *until && *trouble == Trouble::HistoryRefused)
    }

    fn trouble(&self, portal: usize) -> Option<Trouble> {
        let (trouble, until) = self.troubles[portal]?;
        (self.now() < until).then_some(trouble)
    }

    /// The part of every call: the way to the portal, and the key.
    fn call(&mut self, access: &Access) -> Result<usize, PortalError> {
        self.calls += 1;
        let portal = portal_of(access);
        let now = self.date(portal);
        if let Some(failure) = self.trouble(portal).and_then(Trouble::failure) {
            return Err(failed(failure, now));
        }
        let key = access.key.expose_secret();
        if *key != key_text(portal, self.keys[portal]) {
            return Err(failed(Failure::Unauthorized, now));
        }
        Ok(portal)
    }

    fn answer<T>(&self, portal: usize, value: T) -> Answer<T> {
        Answer {
            value,
            date: Some(self.date(portal)),
            room: None,
        }
    }

    /// `GET getbackupschedule`.
    pub fn schedule(&mut self, access: &Access, dump: bool) -> Result<Answer<Option<Held>>, PortalError> {
        let portal = self.call(access)?;
        if std::mem::take(&mut self.next_read_fails) {
            return Err(failed(Failure::TimedOut, self.date(portal)));
        }
        let slot = if dump { 2 } else { portal };
        let now = self.now();
        let shown = self.shown[slot].as_ref().filter(|(_, until)| now < *until);
        let held = match (shown, self.trouble(portal)) {
            (_, Some(Trouble::Blank)) => None,
            (Some((held, _)), _) => held.clone(),
            (None, _) => self.held(slot),
        };
        Ok(self.answer(portal, held))
    }

    /// `POST createbackupschedule`.
    pub fn create(&mut self, access: &Access, schedule: &Schedule) -> Result<Answer<()>, PortalError> {
        let portal = self.call(access)?;
        let (slot, now) = (if schedule.dump { 2 } else { portal }, self.now());
        let fate = self.fates[slot].pop_front();
        let before = self.held(slot);
        match fate {
            Some(Fate::Refused | Fate::Lost | Fate::Ignored) => {}
            Some(Fate::Late(after)) => self.late.push(Late {
                at: now + SignedDuration::from_secs(after),
                portal,
                schedule: schedule.clone(),
            }),
            _ => self.portals.post(portal, schedule),
        }
        match fate {
            Some(Fate::Shadowed(lasts)) => {
                self.shown[slot] = Some((before, now + SignedDuration::from_secs(lasts)));
            }
            Some(Fate::UnseenTwice | Fate::Blind) => self.next_read_fails = true,
            _ => {}
        }
        match fate {
            Some(Fate::Refused) => Err(failed(Failure::Rejected, self.date(portal))),
            Some(Fate::Lost | Fate::Unseen | Fate::UnseenTwice | Fate::Late(_)) => {
                Err(failed(Failure::TimedOut, self.date(portal)))
            }
            _ => Ok(self.answer(portal, ())),
        }
    }

    /// `DELETE deletebackupschedule`.
    pub fn delete(&mut self, access: &Access, dump: bool) -> Result<Answer<()>, PortalError> {
        let portal = self.call(access)?;
        let (slot, now) = (if dump { 2 } else { portal }, self.date(portal));
        let fate = self.fates[slot].pop_front();
        // A deletion takes no time.
        if !matches!(fate, Some(Fate::Refused | Fate::Lost | Fate::Ignored)) {
            self.remove(slot, true);
        }
        match fate {
            Some(Fate::Refused) => Err(failed(Failure::UserNotAllowed, now)),
            Some(Fate::Lost | Fate::Unseen | Fate::Late(_)) => Err(failed(Failure::TimedOut, now)),
            Some(Fate::UnseenTwice) => {
                self.next_read_fails = true;
                Err(failed(Failure::TimedOut, now))
            }
            _ => Ok(self.answer(portal, ())),
        }
    }

    /// Removes a schedule; the audit trail shows it if the API did it.
    pub fn remove(&mut self, slot: usize, by_api: bool) {
        self.portals.remove(SLOTS[slot]);
        if by_api {
            self.deletions.push((slot, self.date(SLOTS[slot].0)));
        }
    }

    /// `GET getbackuphistory`.
    fn history(&mut self, access: &Access, dump: bool) -> Result<Answer<Vec<Archive>>, PortalError> {
        let portal = self.call(access)?;
        match self.trouble(portal) {
            Some(Trouble::HistoryFails) => Err(failed(Failure::ServerError, self.date(portal))),
            Some(Trouble::HistoryRefused) => Err(failed(Failure::UserNotAllowed, self.date(portal))),
            _ => {
                let slot = if dump { 2 } else { portal };
                Ok(self.answer(portal, self.portals.history(SLOTS[slot])))
            }
        }
    }

    fn identity(&mut self, access: &Access, facts: &mut Facts<'_>) -> Identity {
        let called = self.call(access);
        let called = facts.take_time(called.map(|portal| self.answer(portal, portal)));
        let Ok(portal) = called else {
            return Identity {
                is_to_be_repeated: true,
                ..Identity::default()
            };
        };
        Identity {
            settings: Some(PortalSettings {
                time_zone: Some("UTC".into()),
                version: Some("3.7.2".into()),
                standalone: Some(true),
                alias: Some(HOSTS[portal].into()),
                base_domain: Some("test".into()),
            }),
            credential: Some(Credential::ApiKey(KeyInfo {
                id: format!("id of {}", key_text(portal, self.keys[portal])),
                name: "operator".into(),
                may_write: true,
                expires_at: None,
            })),
            is_to_be_repeated: false,
            mapped_domain: None,
        }
    }

    /// Learns a fact from the portal, as `controller::fetch` does.
    pub fn fetch(&mut self, access: &Access, need: Need, facts: &mut Facts<'_>) {
        let dump = facts.spec.dump;
        let slot = if dump { 2 } else { portal_of(access) };
        match need {
            Need::Schedule => {
                let answer = self.schedule(access, dump);
                facts.take_held(answer);
            }
            Need::Identity => facts.identity = Some(self.identity(access, facts)),
            Need::Progress => {
                let called = self.call(access);
                let progress = called.map(|portal| self.answer(portal, self.progress(slot)));
                let progress = facts.take_time(progress);
                facts.record.seen.progress_asked_at = Some(facts.now);
                if let Ok(progress) = &progress {
                    facts.record.absorb_progress(progress.as_ref(), facts.now);
                }
                facts.progress = progress.into();
            }
            Need::Archives => {
                let answer = self.history(access, dump);
                facts.archives = facts.take_time(answer).into();
            }
            Need::Events => {
                facts.events = self
                    .call(access)
                    .map(|_| self.trail.then(AuditTrail::default))
                    .into();
            }
            Need::OtherSchedule => {
                let answer = self.schedule(access, !dump);
                facts.other = facts.take_time(answer).into();
            }
            Need::Deletion => {
                let since = facts.ownership.ours().map_or(facts.now, |applied| applied.time.0);
                let shows = self.deletions.iter().any(|(of, at)| *of == slot && *at >= since);
                facts.deleted = self.call(access).map(|_| self.trail.then_some(shows)).into();
            }
            Need::Bill => facts.bill = Asked::Answered(Bill { free: 2, paid: false }),
            // These come from Kubernetes.
            Need::CrdState | Need::Secrets | Need::Access => {}
        }
    }

    fn progress(&self, slot: usize) -> Option<Progress> {
        self.running[slot].filter(|until| self.now() < *until)?;
        Some(Progress {
            is_completed: false,
            progress: 0,
            error: None,
            warning: None,
            task_id: Some("run".into()),
        })
    }
}

/// The text of a portal's key.
pub fn key_text(portal: usize, number: u32) -> String {
    format!("sk-{portal}-{number}")
}
