//! Objects that tests start from.

use std::{collections::BTreeMap, fmt};

use k8s_openapi::{
    ByteString, NamespaceResourceScope,
    api::core::v1::{Namespace as KubeNamespace, Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, Resource, api::PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The name of the Secret that [`nightly`] takes its API key from; the key inside it is `apiKey`.
pub const API_KEY: &str = "docspace-api-key";

/// A namespace for one test. It is not deleted: it ends with the control plane.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Creates a namespace with a unique name.
    pub async fn create(client: &Client) -> Self {
        let name = format!("test-{:016x}", fastrand::u64(..));
        let namespace = KubeNamespace {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                ..ObjectMeta::default()
            },
            ..KubeNamespace::default()
        };
        Api::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .expect("the namespace is created");
        Self { name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The schedules in it, as the caller's type.
    pub fn schedules<Schedule>(&self, client: &Client) -> Api<Schedule>
    where
        Schedule: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(client.clone(), &self.name)
    }

    /// The Secrets in it.
    pub fn secrets(&self, client: &Client) -> Api<Secret> {
        Api::namespaced(client.clone(), &self.name)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

/// A Secret with these keys and values.
pub fn secret(name: &str, data: &[(&str, &str)]) -> Secret {
    let data: BTreeMap<_, _> = data
        .iter()
        .map(|(key, value)| ((*key).into(), ByteString((*value).into())))
        .collect();
    Secret {
        metadata: ObjectMeta {
            name: Some(name.into()),
            ..ObjectMeta::default()
        },
        data: Some(data),
        ..Secret::default()
    }
}

/// `nightly`: every day at 3 into a bucket whose storage is configured in the portal, seven archives kept. Tests change
/// the fields that they test.
pub fn nightly<Schedule: DeserializeOwned>(url: &str) -> Schedule {
    schedule(
        url,
        json!({
            "storageType": "ThirdPartyConsumer",
            "storageParams": [{"key": "module", "value": "s3"}, {"key": "bucket", "value": "backups"}],
            "cronParams": {"period": "EveryDay", "hour": 3, "day": 0},
            "backupsStored": 7,
            "dump": false,
        }),
    )
}

/// `nightly` with the request body that the API's documentation gives as its example, field for field.
pub fn from_api_docs<Schedule: DeserializeOwned>(url: &str) -> Schedule {
    schedule(
        url,
        json!({
            "storageType": "CustomCloud",
            "cronParams": {"period": "EveryDay", "hour": 3, "day": 0},
            "backupsStored": 7,
            "dump": true,
        }),
    )
}

fn schedule<Schedule: DeserializeOwned>(url: &str, mut spec: Value) -> Schedule {
    spec["portal"] = json!({"url": url, "apiKeySecretRef": {"name": API_KEY, "key": "apiKey"}});
    let object = json!({"metadata": {"name": "nightly"}, "spec": spec});
    serde_json::from_value(object).expect("a valid object")
}
