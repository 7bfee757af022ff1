//! Waits for objects: each ends with its condition or its deadline.

use std::{fmt::Debug, fs, pin::pin, time::Duration};

use futures::StreamExt;
use kube::{Api, Resource, runtime::watcher::watch_object};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use crate::operator::log_file;

/// A deadline that a healthy run meets easily, even on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Watches an object until it fulfils a condition, and returns it.
pub async fn wait_for<K>(api: &Api<K>, name: &str, deadline: Duration, wanted: impl Fn(&K) -> bool) -> K
where
    K: Resource + Clone + Debug + DeserializeOwned + Serialize + Send + 'static,
{
    watch(api, name, deadline, |object| object.is_some_and(&wanted))
        .await
        .expect("only an object is wanted")
}

/// Watches until the object no longer exists.
pub async fn wait_gone<K>(api: &Api<K>, name: &str, deadline: Duration)
where
    K: Resource + Clone + Debug + DeserializeOwned + Serialize + Send + 'static,
{
    watch(api, name, deadline, |object| object.is_none()).await;
}

async fn watch<K>(
    api: &Api<K>,
    name: &str,
    deadline: Duration,
    wanted: impl Fn(Option<&K>) -> bool,
) -> Option<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Serialize + Send + 'static,
{
    let mut last = None;
    let mut trouble = None;
    let found = timeout(deadline, async {
        let mut changes = pin!(watch_object(api.clone(), name));
        loop {
            match changes.next().await.expect("a watch does not end") {
                Ok(object) if wanted(object.as_ref()) => return object,
                Ok(object) => last = object,
                Err(error) => trouble = Some(error.to_string()),
            }
        }
    })
    .await;
    found.unwrap_or_else(|_| {
        let trouble = trouble
            .map(|error| format!("the watch failed: {error}\n"))
            .unwrap_or_default();
        let log = api.namespace().map(log_tail).unwrap_or_default();
        panic!(
            "{name} is not as wanted after {deadline:?}; last seen:\n{}{trouble}{log}",
            shown(last.as_ref())
        );
    })
}

/// The object without bookkeeping fields, for failure messages.
fn shown<K: Serialize>(object: Option<&K>) -> String {
    let Some(object) = object else {
        return "no such object\n".into();
    };
    let mut object = serde_json::to_value(object).expect("an object is JSON");
    if let Some(metadata) = object
        .get_mut("metadata")
        .and_then(|metadata| metadata.as_object_mut())
    {
        metadata.remove("managedFields");
    }
    serde_saphyr::to_string(&object).expect("JSON is YAML")
}

fn log_tail(namespace: &str) -> String {
    const LINES: usize = 40;
    let Ok(log) = fs::read_to_string(log_file(namespace)) else {
        return "no operator has run in its namespace\n".into();
    };
    let lines: Vec<_> = log.lines().collect();
    let tail = &lines[lines.len().saturating_sub(LINES)..];
    format!("the operator's log ends with:\n{}\n", tail.join("\n"))
}
