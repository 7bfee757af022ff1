//! Events in the portal of a world, and the requests that it received.

use docspace_backup_operator::{
    api::DocSpaceBackupSchedule,
    portal::{Access, Address, Options, Portals},
};
use simulated_portal::{
    ApiKey, Fault, FaultBody, Installation, Progress, Request, Schedule, SimulatedPortal, Tenant,
};

use super::{World, at, every_day};

impl World {
    /// Advances the clock until then; the portal runs what becomes due.
    pub fn live_until(&self, time: &str) {
        let clock = self.server.clock();
        self.server.live(at(time).duration_since(clock.now()));
    }

    /// Advances the clock until then; the portal runs nothing.
    pub fn sleep_until(&self, time: &str) {
        self.server.clock().set(at(time));
    }

    /// The number of requests that it received.
    pub fn calls(&self) -> u64 {
        self.server.log().total()
    }

    pub fn posts(&self) -> u64 {
        self.server.log().count("POST", "createbackupschedule")
    }

    pub fn deletes(&self) -> u64 {
        self.server.log().count("DELETE", "deletebackupschedule")
    }

    pub fn looks(&self) -> u64 {
        self.server.log().count("GET", "getbackupschedule")
    }

    /// The due times of the stored schedule.
    pub fn cron(&self) -> Option<String> {
        self.portal.schedule(false).map(|schedule| schedule.cron)
    }

    /// Stores the schedule that this object asks for.
    pub fn hold(&self, object: &DocSpaceBackupSchedule) {
        self.portal
            .set_schedule_as_posted(&serde_json::to_value(&object.spec).expect("a spec is JSON"));
    }

    /// A person changes the hour of the stored schedule.
    pub fn somebody_sets_hour(&self, hour: u8) {
        let there = self.portal.schedule(false).expect("a schedule");
        self.portal.set_schedule(Schedule {
            cron: every_day(hour),
            ..there
        });
    }

    /// A person deletes the schedule as the portal's web page does.
    pub async fn somebody_deletes(&self) {
        let options = Options {
            allow_loopback: true,
            ..Options::default()
        };
        let address = Address::parse(&self.server.url(), None).expect("an address");
        let key = self.key.clone().into();
        let portal = Portals::new(options).expect("a client").portal(&Access {
            namespace: "docspace".into(),
            address,
            key,
            ca: None,
        });
        let deleted = portal.expect("a portal").delete_schedule(false).await;
        deleted.expect("the portal takes the deletion");
    }

    /// Expects this number of requests, unless another leader has taken over, which would check again.
    #[track_caller]
    pub fn assert_calls(&self, calls: u64) {
        if self.operator.stays() {
            assert_eq!(self.calls(), calls, "calls to the portal");
        }
    }

    /// Waits until its log fulfils a condition.
    pub async fn seen(&self, wanted: impl FnMut(&[Request]) -> bool) {
        if let Err(error) = self
            .comes(self.server.log().wait_until(self.deadline(), wanted))
            .await
        {
            panic!("{error}{}", self.operator.log());
        }
    }

    /// Waits for a call of this endpoint.
    pub async fn seen_call(&self, endpoint: &str) {
        self.seen(|requests| requests.iter().any(|request| request.is_to(endpoint)))
            .await;
    }

    /// Triggers a check of the portal, and waits for the portal's answer.
    pub async fn look_after(&self, cause: impl AsyncFnOnce(&Self)) {
        let looks = self.looks();
        cause(self).await;
        self.seen(|requests| {
            let answered = |request: &&Request| request.is_to("getbackupschedule") && request.ended.is_some();
            requests.iter().filter(answered).count() as u64 > looks
        })
        .await;
    }

    /// The portal answers every check like this from now on.
    pub fn answer_looks(&self, status: u16, body: &str) {
        self.server.clear_faults();
        self.server
            .order(Fault::answer(status, FaultBody::Text(body.into())).to("getbackupschedule"));
    }

    pub fn set_running(&self, running: bool) {
        self.portal.set_progress(
            false,
            Some(Progress {
                is_completed: !running,
                ..Progress::default()
            }),
        );
    }

    /// A second portal on a separate server that accepts the same key.
    pub async fn another_server() -> (SimulatedPortal, String) {
        let server =
            SimulatedPortal::start_with(Installation::default(), vec![Tenant::at("other.test")]).await;
        let key = server.first().issue_key(ApiKey::named("other"));
        (server, key)
    }
}
