//! The Secrets of a world.

use std::collections::BTreeMap;

use harness::{API_KEY, control_plane};
use k8s_openapi::ByteString;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::World;

impl World {
    pub async fn set_key(&self, key: &str) {
        self.set_secret(API_KEY, &[("apiKey", key.as_bytes())]).await;
    }

    /// A file with the key.
    pub fn key_file(&self) -> String {
        let file = control_plane().folder().join(format!("{}.key", self.namespace));
        std::fs::write(&file, format!("{}\n", self.key)).expect("the folder is ours");
        file.display().to_string()
    }

    pub async fn set_secret(&self, name: &str, data: &[(&str, &[u8])]) {
        let api = self.namespace.secrets(&self.client);
        let data: BTreeMap<String, ByteString> = data
            .iter()
            .map(|(key, value)| ((*key).into(), ByteString(value.to_vec())))
            .collect();
        let mut secret = harness::secret(name, &[]);
        secret.data = Some(data);
        match api.create(&PostParams::default(), &secret).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {
                api.replace(name, &PostParams::default(), &secret)
                    .await
                    .map(drop)
                    .expect("the Secret is replaced");
            }
            result => drop(result.expect("the Secret is created")),
        }
        self.changed(None);
    }

    pub async fn annotate_secret(&self, annotation: &str, value: &str) {
        self.annotate(API_KEY, annotation, value).await;
    }

    async fn annotate(&self, secret: &str, annotation: &str, value: &str) {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: value}}}));
        let api = self.namespace.secrets(&self.client);
        let patched = api.patch(secret, &PatchParams::default(), &patch).await;
        patched.expect("the patch is accepted");
        self.changed(None);
    }

    pub async fn delete_secret(&self, name: &str) {
        let api = self.namespace.secrets(&self.client);
        api.delete(name, &DeleteParams::default())
            .await
            .expect("the deletion is accepted");
    }
}
