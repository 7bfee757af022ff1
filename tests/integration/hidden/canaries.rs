//! Every version of the objects of a world, and the search for secrets in all output.

use std::fmt::Write;

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use futures::{StreamExt, pin_mut};
use kube::{
    Api, ResourceExt,
    api::DynamicObject,
    core::ApiResource,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use crate::world::{World, random};

/// An annotation that only marks a version.
const MARK: &str = "example.com/last";

/// All versions of the objects of a world, without their specs.
pub struct Versions {
    seen: watch::Receiver<Vec<Value>>,
    watch: JoinHandle<()>,
}

impl Drop for Versions {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Versions {
    /// Starts recording. Objects are recorded as stored, including fields that this program does not know.
    pub fn of(world: &World) -> Self {
        let resource = ApiResource::erase::<DocSpaceBackupSchedule>(&());
        let namespace = world.namespace.name();
        let api = Api::<DynamicObject>::namespaced_with(world.client.clone(), namespace, &resource);
        let (tell, seen) = watch::channel(Vec::new());
        let watch = tokio::spawn(async move {
            let versions = watcher(api, watcher::Config::default()).touched_objects();
            pin_mut!(versions);
            while let Some(version) = versions.next().await {
                let version = version.expect("objects can be watched");
                let version = json!({"metadata": version.metadata, "status": version.data["status"]});
                tell.send_modify(|seen| seen.push(version));
            }
        });
        Self { seen, watch }
    }

    /// All recorded versions up to now. The object must still exist.
    pub async fn all(&self, world: &World) -> Vec<Value> {
        let mark = random();
        world
            .patch("nightly", json!({"metadata": {"annotations": {MARK: mark}}}))
            .await;
        let mut seen = self.seen.clone();
        let marked = |version: &Value| version["metadata"]["annotations"][MARK] == mark;
        let all = seen.wait_for(|seen| seen.last().is_some_and(marked));
        let all = timeout(harness::DEADLINE, all).await.expect("a change in time");
        all.expect("the watch goes on").clone()
    }

    /// Searches all output of a world for these secrets, ignoring the case of letters.
    pub async fn assert_none_of(&self, secrets: &[String], world: &World, told: &str) {
        let mut all = String::new();
        for version in self.all(world).await {
            writeln!(all, "an object: {version}").expect("a text");
        }
        for event in world.all_events().await {
            assert!(event.name_any().starts_with("nightly"), "{event:?}");
            writeln!(all, "an Event: {}", json!(event)).expect("a text");
        }
        for line in world.operator.log().lines() {
            writeln!(all, "the log: {line}").expect("a text");
        }
        // With two operators, the leader changes all the time.
        if world.operator.stays() {
            let (code, metrics) = world.operator.only().get("/metrics").await;
            assert_eq!(code, 200);
            for line in metrics.lines() {
                writeln!(all, "the metrics: {line}").expect("a text");
            }
        }
        for line in all.lines() {
            for secret in secrets {
                if let Some(found) = around(line, secret) {
                    let (source, _) = line.split_once(':').expect("each line tells where it is from");
                    panic!("{told}: {secret} came out in {source}: {found}\nthe whole of it: {line}");
                }
            }
        }
    }
}

/// The position of a secret in a text, ignoring the case of letters.
fn around<'a>(text: &'a str, secret: &str) -> Option<&'a str> {
    let found = text.to_ascii_lowercase().find(&secret.to_ascii_lowercase())?;
    let (from, to) = (found.saturating_sub(200), (found + 200).min(text.len()));
    Some(text.get(from..to).unwrap_or(text))
}
