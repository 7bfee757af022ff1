//! The bare client: only the requests that an object needs, with the same bodies. One watch is open, as in the operator;
//! there is no portal.

use std::time::{Duration, Instant};

use docspace_backup_operator::api::{DocSpaceBackupSchedule, FINALIZER};
use futures::{StreamExt, TryStreamExt, stream};
use harness::{API_KEY, Namespace};
use k8s_openapi::api::events::v1::Event;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};

use crate::{Result, stage::Stage};

/// Numbers of objects in flight; the best result counts.
const IN_FLIGHT: [usize; 3] = [8, 32, 128];

/// The bodies that the operator sent for an object.
#[derive(Clone)]
pub struct Bodies {
    /// The status of an object that is Ready.
    pub status: Value,
    /// The Event for a created object.
    pub event: Event,
}

/// The bodies that the operator wrote for the first of the further objects; the bare client writes the same.
pub async fn bodies(stage: &Stage) -> Result<Bodies> {
    let name = stage.further()[0].name_any();
    let object = stage.schedules().get(&name).await?;
    let events = Api::<Event>::namespaced(stage.client.clone(), stage.namespace.name());
    let of_object = ListParams::default().fields(&format!("regarding.name={name}"));
    let event = events.list(&of_object).await?.items.pop();
    Ok(Bodies {
        status: serde_json::to_value(object.status)?,
        event: event.ok_or("the object has no Event")?,
    })
}

/// The best time for this number of objects created at once, and the number in flight.
pub async fn best(
    client: &Client,
    objects: &[DocSpaceBackupSchedule],
    bodies: &Bodies,
) -> Result<(Duration, usize)> {
    let mut times = Vec::new();
    for in_flight in IN_FLIGHT {
        times.push((at_once(client, objects, bodies, in_flight).await?, in_flight));
    }
    Ok(times.into_iter().min().unwrap_or_default())
}

async fn at_once(
    client: &Client,
    objects: &[DocSpaceBackupSchedule],
    bodies: &Bodies,
    in_flight: usize,
) -> Result<Duration> {
    let namespace = prepared(client).await?;
    let watch = tokio::spawn(
        watcher(
            namespace.schedules::<DocSpaceBackupSchedule>(client),
            watcher::Config::default(),
        )
        .applied_objects()
        .for_each(|_| async {}),
    );
    let start = Instant::now();
    stream::iter(objects)
        .map(Ok)
        .try_for_each_concurrent(in_flight, |object| one(client, &namespace, object, bodies))
        .await?;
    let time = start.elapsed();
    watch.abort();
    Ok(time)
}

/// The times of this number of objects, created one after the other.
pub async fn one_by_one(
    client: &Client,
    objects: &[DocSpaceBackupSchedule],
    bodies: &Bodies,
) -> Result<Vec<Duration>> {
    let namespace = prepared(client).await?;
    let mut times = Vec::new();
    for object in objects {
        let start = Instant::now();
        one(client, &namespace, object, bodies).await?;
        times.push(start.elapsed());
    }
    Ok(times)
}

async fn prepared(client: &Client) -> Result<Namespace> {
    let namespace = Namespace::create(client).await;
    let secret = harness::secret(API_KEY, &[("apiKey", "sk-0123456789abcdef0123456789abcdef")]);
    namespace
        .secrets(client)
        .create(&PostParams::default(), &secret)
        .await?;
    Ok(namespace)
}

async fn one(
    client: &Client,
    namespace: &Namespace,
    object: &DocSpaceBackupSchedule,
    bodies: &Bodies,
) -> Result<()> {
    let api = namespace.schedules(client);
    let name = object.name_any();
    let params = PatchParams::default();
    let created = api.create(&PostParams::default(), object).await?;
    namespace.secrets(client).get(API_KEY).await?;
    let finalizer =
        json!({"metadata": {"resourceVersion": created.resource_version(), "finalizers": [FINALIZER]}});
    api.patch(&name, &params, &Patch::Merge(finalizer)).await?;
    api.patch_status(&name, &params, &Patch::Merge(json!({"status": bodies.status})))
        .await?;
    let event = Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.0123456789abcdef")),
            namespace: Some(namespace.name().into()),
            ..ObjectMeta::default()
        },
        regarding: Some(created.object_ref(&())),
        ..bodies.event.clone()
    };
    Api::<Event>::namespaced(client.clone(), namespace.name())
        .create(&PostParams::default(), &event)
        .await?;
    Ok(())
}
