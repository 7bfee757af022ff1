//! The steps of a walk. Each starts with a portal that answers correctly and an object that was just checked, so that the
//! only check in progress is the one that the step triggers.

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use jiff::SignedDuration;
use serde_json::json;
use simulated_portal::ApiKey;

use super::{
    portal::{domain, history, key, odd_schedule, progress, redirect, refusals, schedule, settings},
    walk::{FROM_SECRET, Walk},
};
use crate::world::{World, every_day, is_observed, reason};

/// A kind of step.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    AddParam,
    DropParam,
    ChangeValues,
    ChangeKey,
    ChangeHour,
    ChangePolicy,
    ChangeAdoption,
    SomebodyWritesAndIsObserved,
    SomebodyWritesAndIsCorrected,
    CreateAnew,
    RefuseTheWrite,
    EchoOfTheKey,
    EchoOfTheSettings,
    EchoOfABackup,
    EchoOfTheSchedule,
    Redirect,
    Restart,
}

impl Kind {
    pub const ALL: [Self; 17] = [
        Self::AddParam,
        Self::DropParam,
        Self::ChangeValues,
        Self::ChangeKey,
        Self::ChangeHour,
        Self::ChangePolicy,
        Self::ChangeAdoption,
        Self::SomebodyWritesAndIsObserved,
        Self::SomebodyWritesAndIsCorrected,
        Self::CreateAnew,
        Self::RefuseTheWrite,
        Self::EchoOfTheKey,
        Self::EchoOfTheSettings,
        Self::EchoOfABackup,
        Self::EchoOfTheSchedule,
        Self::Redirect,
        Self::Restart,
    ];
}

impl World {
    /// Changes the spec a little, which makes the operator read everything again, and waits for a call of an endpoint.
    async fn asked_again(&self, endpoint: &str) {
        let asked = self.server.log().to("GET", endpoint).len();
        let interval = format!("{}s", fastrand::u32(3600..86_400));
        self.patch("nightly", json!({"spec": {"interval": interval}}))
            .await;
        self.seen(|requests| {
            let answered = requests
                .iter()
                .filter(|request| request.is_to(endpoint) && request.ended.is_some());
            answered.count() > asked
        })
        .await;
    }
}

impl Walk {
    pub(super) async fn make(&mut self, kind: Kind) {
        match kind {
            Kind::AddParam => self.add_param().await,
            Kind::DropParam => self.drop_param().await,
            Kind::ChangeValues => self.change_values().await,
            Kind::ChangeKey => self.change_key().await,
            Kind::ChangeHour => {
                self.another_hour();
                self.apply().await;
            }
            Kind::ChangePolicy => {
                let other = if self.policy == "Enforce" {
                    "Observe"
                } else {
                    "Enforce"
                };
                self.set_policy(other).await;
            }
            Kind::ChangeAdoption => {
                self.adoption = self.rng.choice(["Safe", "Always", "Never"]).expect("three");
                self.apply().await;
            }
            Kind::SomebodyWritesAndIsObserved => self.somebody_writes("Observe").await,
            Kind::SomebodyWritesAndIsCorrected => self.somebody_writes("Enforce").await,
            Kind::CreateAnew => self.create_anew().await,
            Kind::RefuseTheWrite => self.refuse_the_write().await,
            Kind::EchoOfTheKey => {
                self.world.server.order(key(&self.in_use()));
                self.told_of_itself("keys/@self").await;
            }
            Kind::EchoOfTheSettings => {
                let secrets = self.in_use();
                let zone = if self.rng.bool() {
                    "UTC".into()
                } else {
                    secrets.join("/")
                };
                self.world.server.order(settings(&secrets, &zone));
                self.world.server.order(domain(&secrets));
                self.told_of_itself("settings").await;
            }
            Kind::EchoOfABackup => self.echo_of_a_backup().await,
            Kind::EchoOfTheSchedule => self.echo_of_the_schedule().await,
            Kind::Restart => self.world.operator.restart().await,
            Kind::Redirect => {
                let secret = self.one_in_use();
                self.world.server.order(redirect(&secret));
                // DocSpace has answered before, so Ready stays; Synced says what the request met.
                self.world.request("nightly").await;
                let redirected =
                    |object: &DocSpaceBackupSchedule| reason(object, "Synced") == Some("Redirected");
                self.world.wait("nightly", redirected).await;
            }
        }
    }

    async fn add_param(&mut self) {
        let left: Vec<_> = FROM_SECRET
            .into_iter()
            .filter(|key| !self.params.contains(key))
            .collect();
        self.params.extend(self.rng.choice(left));
        self.apply().await;
    }

    async fn drop_param(&mut self) {
        let first = self.rng.choice(&self.params).copied();
        // One parameter stays, so that a change of its Secret triggers a check.
        if let Some(key) = first.filter(|_| self.params.len() > 1) {
            self.params.remove(key);
        }
        self.apply().await;
    }

    async fn change_values(&mut self) {
        for key in FROM_SECRET {
            if self.rng.bool() {
                self.new_value(key);
            }
        }
        // Only values that the manifest uses cause a check.
        self.store_values().await;
        self.world.look_after(async |world| world.check_now().await).await;
    }

    async fn change_key(&mut self) {
        let key = self.world.portal.issue_key(ApiKey::named("another"));
        self.new_key(key);
        self.world.set_key(&self.key).await;
        let is_used = |request: &simulated_portal::Request| request.token() == Some(&self.key);
        self.world.seen(|requests| requests.iter().any(is_used)).await;
    }

    /// A value that neither the manifest nor the portal has.
    fn another_hour(&mut self) {
        let cron = self.world.cron();
        let taken = |hour: u8| hour == self.hour || cron.as_ref() == Some(&every_day(hour));
        let free: Vec<_> = (0..24).filter(|hour| !taken(*hour)).collect();
        self.hour = self.rng.choice(free).expect("there are hours");
    }

    async fn set_policy(&mut self, policy: &'static str) {
        self.policy = policy;
        self.apply().await;
        self.settle().await;
    }

    async fn somebody_writes(&mut self, policy: &'static str) {
        self.set_policy(policy).await;
        self.hold_secrets();
        assert!(self.holds_secrets());
        self.world.look_after(async |world| world.check_now().await).await;
        self.settle().await;
        if policy == "Observe" {
            assert!(self.holds_secrets(), "it is left as it is");
            self.world.told("nightly", "OutOfSync").await;
            // Some values in the portal are no longer in any Secret.
            self.change_values().await;
            self.settle().await;
            self.change_key().await;
            self.settle().await;
        }
    }

    /// The portal must not hold an old secret: the new object could not know that it is one.
    async fn create_anew(&mut self) {
        self.world.delete("nightly").await;
        self.world.gone("nightly").await;
        match self.rng.u8(..3) {
            0 => self.hold_wanted(),
            1 => self.hold_secrets(),
            _ => self.world.portal.remove_schedule(false),
        }
        self.world.create(&self.object()).await;
        self.world.wait("nightly", is_observed).await;
    }

    async fn refuse_the_write(&mut self) {
        self.another_hour();
        (self.policy, self.adoption) = ("Enforce", "Always");
        let refusals = refusals(&self.in_use());
        self.world
            .server
            .order(self.rng.choice(refusals).expect("there are some"));
        let posts = self.world.server.log().posts().len();
        self.apply().await;
        self.world
            .seen(|requests| {
                let ended = |request: &&simulated_portal::Request| {
                    request.is_to("createbackupschedule") && request.ended.is_some()
                };
                requests.iter().filter(ended).count() > posts
            })
            .await;
        let object = self.world.wait("nightly", is_observed).await;
        if object
            .status
            .is_some_and(|status| status.lost_request().is_some())
        {
            // The write was carried out in the end; otherwise the operator writes nothing for ten minutes.
            self.hold_wanted();
            self.settle().await;
            self.world.ready("nightly").await;
        }
    }

    /// The operator has fetched settings and key, and fetches them again once the portal answers correctly.
    async fn told_of_itself(&self, endpoint: &str) {
        Box::pin(self.world.asked_again(endpoint)).await;
        self.world.request_at_once("nightly").await;
        self.world.server.clear_faults();
        Box::pin(self.world.asked_again(endpoint)).await;
    }

    /// A backup became due and was queued; the portal lists its archive again at a later check.
    async fn echo_of_a_backup(&mut self) {
        if self.world.cron().is_none() {
            self.hold_wanted();
            self.settle().await;
        }
        let secrets = self.in_use();
        let clock = self.world.server.clock();
        clock.advance(SignedDuration::from_hours(26));
        let now = clock.now();
        self.world.portal.set_last_backup_time(false, Some(now));
        self.world.server.order(progress(&secrets));
        if self.rng.bool() {
            let made = now.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            self.world.server.order(history(&secrets, &made));
        }
        for _ in 0..3 {
            self.world.request_at_once("nightly").await;
            clock.advance(SignedDuration::from_mins(40));
        }
    }

    async fn echo_of_the_schedule(&mut self) {
        let secrets = self.in_use();
        let (hour, is_odd) = (self.rng.i32(0..24), self.rng.u8(..4) == 0);
        self.world.server.order(match is_odd {
            true => odd_schedule(&secrets),
            false => schedule(&secrets, hour),
        });
        self.world.look_after(async |world| world.check_now().await).await;
        if !is_odd {
            self.world.request_at_once("nightly").await;
        }
    }
}
