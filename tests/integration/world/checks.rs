//! Checks without another cause than the test's wish, and the effects of changes.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use docspace_backup_operator::{api::DocSpaceBackupSchedule, rules::clock::TOLERANCE};
use jiff::{SignedDuration, Timestamp};
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    runtime::wait::await_condition,
};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{World, at, random};

/// What was changed last, until its effect has come.
pub type Changed = Mutex<Option<Change>>;

/// A change that triggers a check.
#[derive(Clone, Copy)]
pub struct Change {
    /// The number of leaders that had been ended.
    turns: u64,
    /// It was only a wish for a check, at this time.
    wished: Option<Instant>,
}

/// The portal's clock at the last check that the operator believed.
pub type Believed = Mutex<Option<Timestamp>>;

/// A check of a portal that answers takes less.
const CHECK: Duration = Duration::from_secs(4);
/// The start of a mark in status.difference, which triggers a check.
const MARK: &str = "check ";

/// The object as the operator left it: a mark that came while it wrote the status stays until the next check.
pub fn without_mark(mut object: DocSpaceBackupSchedule) -> DocSpaceBackupSchedule {
    if let Some(status) = &mut object.status {
        status.difference.retain(|line| !line.starts_with(MARK));
    }
    object
}

/// Triggers a check of an object, without another effect: it writes a mark into a field of the status that the check
/// restores. Returns the mark.
pub async fn mark(api: &Api<DocSpaceBackupSchedule>, name: &str) -> kube::Result<String> {
    let mark = format!("{MARK}{}", random());
    let patch = Patch::Merge(json!({"status": {"difference": [mark]}}));
    api.patch_status(name, &PatchParams::default(), &patch).await?;
    Ok(mark)
}

impl World {
    /// Waits for the effect of a change. A change of a Secret triggers a check only in the process that sees the change, not
    /// in a later leader, so this triggers a check after a change of leader. A wish for a check is lost if the check before
    /// writes its status over it, so this repeats it.
    pub(super) async fn comes<T>(&self, wanted: impl Future<Output = T>) -> T {
        // It may have been another leader that saw the change.
        let change = *self.changed.lock().expect("nobody panicked");
        let mut turns = change.map_or_else(|| self.operator.turns(), |change| change.turns);
        let again = async {
            loop {
                sleep(Duration::from_secs(1)).await;
                let change = *self.changed.lock().expect("nobody panicked");
                let wished = change.and_then(|change| change.wished);
                if self.operator.turns() > turns || wished.is_some_and(|wished| wished.elapsed() > CHECK) {
                    turns = self.operator.turns();
                    self.poke().await;
                }
            }
        };
        let came = tokio::select! {
            came = wanted => came,
            () = again => unreachable!("it goes on"),
        };
        self.changed.lock().expect("nobody panicked").take();
        came
    }

    pub(super) fn changed(&self, wished: Option<Instant>) {
        let turns = self.operator.turns();
        *self.changed.lock().expect("nobody panicked") = Some(Change { turns, wished });
    }

    /// Triggers a check of every object, without another effect.
    pub async fn check_now(&self) {
        Box::pin(self.believe_clock()).await;
        Box::pin(self.poke()).await;
    }

    /// Lets the operator check `nightly` some seconds before this time, with the portal's clock. Its own clock reaches the
    /// time without another answer of the portal.
    pub async fn shortly_before(&self, time: &str) -> DocSpaceBackupSchedule {
        const SHORTLY: SignedDuration = SignedDuration::from_secs(6);
        self.server.clock().set(at(time) - SHORTLY);
        self.request("nightly").await
    }

    /// Waits until `nightly` and the other object, which has just replaced its schedule, have contested it: each puts the
    /// other's right once, and `nightly`, whose schedule is replaced again, gives up.
    pub async fn contested_by(&self, other: &str) {
        self.check("nightly").await;
        self.event("ScheduleCorrected").await;
        self.check(other).await;
        self.seen(|requests| requests.iter().filter(|request| request.method == "POST").count() == 4)
            .await;
        self.ready(other).await;
        self.check("nightly").await;
        self.stalled("nightly", "Contested").await;
    }

    /// Triggers a check of this object only.
    pub async fn check(&self, name: &str) {
        self.believe_clock().await;
        self.poke_one(name).await;
    }

    /// The operator believes what the portal's clock shows first.
    pub(super) fn first_hears_clock(&self) {
        let mut believed = self.believed.lock().expect("nobody panicked");
        believed.get_or_insert(self.server.clock().now());
    }

    /// Whether the portal's clock has jumped since this was asked last.
    pub(super) fn clock_jumped(&self) -> bool {
        let now = self.server.clock().now();
        let before = self.believed.lock().expect("nobody panicked").replace(now);
        before.is_some_and(|before| now.duration_since(before).abs() > TOLERANCE)
    }

    /// How many further checks may be needed until a clock that jumped is believed: two checks of one process are.
    pub(super) fn further_checks(&self, jumped: bool) -> u32 {
        const MANY: u32 = 10;
        if jumped && !self.operator.stays() { MANY } else { 0 }
    }

    /// Whether the operator believes the portal's clock, according to the status.
    pub(super) fn is_believed_by(&self, object: &DocSpaceBackupSchedule) -> bool {
        // The clock may stand still, while the operator's runs.
        const SINCE: SignedDuration = SignedDuration::from_secs(5);
        let status = object.status.as_ref();
        let told = status.and_then(|status| status.clock_offset_seconds);
        let told = SignedDuration::from_secs(told.unwrap_or_default());
        let ahead = self.server.clock().now().duration_since(Timestamp::now());
        (ahead - told).abs() <= TOLERANCE + SINCE
    }

    /// Lets the operator see the portal's clock twice if it jumped: it does not believe the first time.
    pub async fn believe_clock(&self) {
        if !self.clock_jumped() {
            return;
        }
        self.check_once().await;
        for _ in 0..self.further_checks(true) {
            let objects = self.schedules().list(&ListParams::default()).await;
            let objects = objects.expect("the objects are listed");
            if objects.iter().all(|object| self.is_believed_by(object)) {
                break;
            }
            self.check_once().await;
        }
    }

    /// Triggers a check of every object, and waits until it is done.
    async fn check_once(&self) {
        for (name, mark) in self.poke().await {
            let checked = |object: Option<&DocSpaceBackupSchedule>| {
                let status = object.and_then(|object| object.status.as_ref());
                status.is_none_or(|status| !status.difference.contains(&mark))
            };
            // A suspended object is not checked, nor one whose portal fails.
            let _ = timeout(CHECK, await_condition(self.schedules(), &name, checked)).await;
        }
    }

    /// Marks every object; returns their names and marks.
    async fn poke(&self) -> Vec<(String, String)> {
        // Some tests have objects that cannot be parsed.
        let objects = self.schedules().list_metadata(&ListParams::default()).await;
        let mut marked = Vec::new();
        for object in objects.expect("the objects are listed") {
            let name = object.name_any();
            if let Some(mark) = self.poke_one(&name).await {
                marked.push((name, mark));
            }
        }
        marked
    }

    /// Marks an object, which may be gone.
    async fn poke_one(&self, name: &str) -> Option<String> {
        let mark = mark(&self.schedules(), name).await.ok();
        self.changed(Some(Instant::now()));
        mark
    }
}
