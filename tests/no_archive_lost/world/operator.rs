//! The operator's part: one reconcile, and the check of the property at its POST.

use std::collections::BTreeSet;

use docspace_backup_operator::{
    api::{AdoptionPolicy, AppliedReason, DocSpaceBackupScheduleSpec, Tally},
    portal::{Access, Address, Failure, PortalError, Progress},
    rules::{
        credentials::Identity,
        decide::{CONTEST_WINDOW, decide},
        drift::Sighting,
        facts::{Asked, Facts},
        lost_write::LostWrite,
        ownership::Ownership,
        plan::{Need, Plan, Step},
        reason::Reason,
    },
};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::World;
use crate::{
    in_process::HOSTS,
    story::{Look, Post},
};

impl World<'_> {
    /// One reconcile.
    ///
    /// # Errors
    /// The story so far, if it leads to a POST that deletes archives without permission.
    pub fn operator_looks(&mut self, look: &Look) -> Result<(), String> {
        self.portals.wait(look.minutes);
        let plan = self.plan(look);
        self.tell(format!(
            "    after {} min the operator decides: {plan}",
            look.minutes
        ));
        match plan {
            Plan::Write(write) => {
                self.judge(write.reason)?;
                self.write(write.reason, look.post);
            }
            Plan::Adopt(reason) => self.record(reason),
            Plan::Refuse(verdict) if verdict.reason == Reason::WouldDeleteArchives => self.count_spared(),
            _ => {}
        }
        self.corrections = self
            .corrections
            .take()
            .filter(|tally| self.portals.now().duration_since(tally.last_time.0) < CONTEST_WINDOW);
        Ok(())
    }

    /// Calls `decide` and fetches what it asks for, until it returns a plan.
    fn plan(&self, look: &Look) -> Plan {
        let (spec, now) = (self.manifest.spec(), self.portals.now());
        let mut facts = Facts {
            ownership: match &self.applied {
                None => Ownership::None,
                Some(applied) if self.same_address() => Ownership::Ours(applied),
                Some(applied) => Ownership::Elsewhere(applied),
            },
            corrections: self.corrections.as_ref(),
            finalizer: self.finalizer,
            requested: look.requested,
            lost_write: self
                .unknown_since
                .map_or(LostWrite::None, |since| LostWrite::Ours {
                    since,
                    reason: AppliedReason::Changed,
                    is_wanted: true,
                }),
            write_recorded: true,
            secret_changed: true,
            ..Facts::new(&spec, now)
        };
        loop {
            match decide(&facts) {
                Step::Ask(need) => self.learn(&mut facts, need, look),
                Step::Do(plan) => return plan,
            }
        }
    }

    fn learn(&self, facts: &mut Facts<'_>, need: Need, look: &Look) {
        match need {
            Need::Secrets => {
                facts.wanted = Some(Ok(self.manifest.wanted()));
                facts.access = Some(Ok(access(&self.manifest.spec())));
            }
            Need::Schedule => {
                let held = self.portals.held(self.slot());
                // An earlier check showed the same: a correction needs two.
                facts.drift.sighting = Some(Sighting {
                    held: held.as_ref().map(|held| held.schedule.digest()),
                    at: facts.local_now - SignedDuration::from_mins(1),
                    changes: 0,
                });
                facts.held = Asked::Answered(held);
            }
            Need::Identity => facts.identity = Some(Identity::default()),
            Need::Progress => facts.progress = Asked::Answered(look.running.then(running)),
            Need::Archives if look.history => {
                facts.archives = Asked::Answered(self.portals.history(self.slot()))
            }
            Need::Archives => facts.archives = Asked::Failed(no_history()),
            Need::Events
            | Need::OtherSchedule
            | Need::Deletion
            | Need::Bill
            | Need::CrdState
            | Need::Access => {
                unreachable!("without a schedule in force and a deletion, nobody asks for {need:?}")
            }
        }
    }

    fn same_address(&self) -> bool {
        let host = self
            .applied
            .as_ref()
            .and_then(|applied| applied.host_header.as_deref());
        host == Some(HOSTS[self.manifest.portal])
    }

    /// Checks the property at a POST.
    fn judge(&mut self, reason: AppliedReason) -> Result<(), String> {
        let [with, without] = self.with_and_without();
        let cost: Vec<_> = with.difference(&without).cloned().collect();
        let kinds = [
            AppliedReason::Created,
            AppliedReason::Changed,
            AppliedReason::Corrected,
        ];
        for (count, kind) in self.seen.posts.iter_mut().zip(kinds) {
            *count += usize::from(kind == reason);
        }
        if cost.is_empty() {
            return Ok(());
        }
        if self.manifest.adoption == AdoptionPolicy::Always {
            self.seen.costly_by_policy += 1;
        } else if self.lowered() {
            self.seen.costly_by_number += 1;
        } else {
            self.tell(format!(
                "The POST costs {}, and nobody said that it may",
                cost.join(", ")
            ));
            return Err(format!("a story with a bad end:\n{}\n", self.told.join("\n")));
        }
        Ok(())
    }

    fn count_spared(&mut self) {
        let [with, without] = self.with_and_without();
        self.seen.spared += usize::from(!with.is_subset(&without));
    }

    fn with_and_without(&self) -> [BTreeSet<String>; 2] {
        self.portals
            .with_and_without(self.manifest.portal, &self.manifest.wanted())
    }

    /// The manifest has a lower number than the one that this object last applied to this portal.
    fn lowered(&self) -> bool {
        let number = i64::from(self.manifest.terms.number);
        let applied = self.applied.as_ref().filter(|_| self.same_address());
        applied.is_some_and(|applied| applied.schedule.backups_stored > number)
    }

    fn write(&mut self, reason: AppliedReason, post: Post) {
        self.finalizer = true;
        self.tell(format!("    the POST is: {post:?}"));
        if matches!(post, Post::Done | Post::Unseen) {
            self.portals.post(self.manifest.portal, &self.manifest.wanted());
        }
        match post {
            Post::Done => self.record(reason),
            Post::Refused => {}
            Post::Lost | Post::Unseen => self.unknown_since = Some(self.portals.now()),
        }
    }

    /// The object owns the slot, with the schedule of the manifest.
    fn record(&mut self, reason: AppliedReason) {
        self.finalizer = true;
        self.unknown_since = None;
        self.applied = Some(self.applied_now(reason, &self.manifest));
        let before = self.corrections.take().map_or(0, |tally| tally.count);
        self.corrections = (reason == AppliedReason::Corrected).then(|| Tally {
            count: before + 1,
            last_time: Time(self.portals.now()),
        });
    }
}

fn running() -> Progress {
    Progress {
        is_completed: false,
        progress: 0,
        error: None,
        warning: None,
        task_id: None,
    }
}

fn no_history() -> PortalError {
    PortalError {
        failure: Failure::ServerError,
        status: Some(500),
        message: "https://docs.test: it failed".into(),
        date: None,
        retry_after: None,
    }
}

fn access(spec: &DocSpaceBackupScheduleSpec) -> Access {
    Access {
        namespace: "docspace".into(),
        address: Address::parse(&spec.portal.url, spec.portal.host_header.as_deref()).expect("an address"),
        key: "key".to_owned().into(),
        ca: None,
    }
}
