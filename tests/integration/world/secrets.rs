//! The Secrets of a world, and the effects of their changes.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use harness::API_KEY;
use k8s_openapi::ByteString;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::time::sleep;

use super::{World, random};

/// A changed Secret, and the number of leaders that had been ended at that time.
pub type Touched = Mutex<Option<(String, u64)>>;

impl World {
    /// Waits for the effect of a change. A change of a Secret triggers a check only in the process that sees the change, not
    /// in a later leader, so this repeats the change after a change of leader.
    pub(super) async fn comes<T>(&self, wanted: impl Future<Output = T>) -> T {
        let again = async {
            loop {
                sleep(Duration::from_secs(1)).await;
                let touched = self.touched.lock().expect("nobody panicked").clone();
                let secret = touched.filter(|(_, turns)| self.operator.turns() > *turns);
                if let Some((secret, _)) = secret {
                    // The Secret may be deleted.
                    let _ = self.try_annotate(&secret, "touched", &random()).await;
                }
            }
        };
        let came = tokio::select! {
            came = wanted => came,
            () = again => unreachable!("it goes on"),
        };
        self.touched.lock().expect("nobody panicked").take();
        came
    }

    fn changed(&self, secret: &str) {
        *self.touched.lock().expect("nobody panicked") = Some((secret.into(), self.operator.turns()));
    }

    pub async fn set_key(&self, key: &str) {
        self.set_secret(API_KEY, &[("apiKey", key.as_bytes())]).await;
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
        self.changed(name);
    }

    pub async fn annotate_secret(&self, annotation: &str, value: &str) {
        self.annotate(API_KEY, annotation, value).await;
    }

    /// Changes the Secret but not its values, which triggers a check of the portal.
    pub async fn touch_secret(&self) {
        self.touch(API_KEY).await;
    }

    /// The same for another Secret.
    pub async fn touch(&self, secret: &str) {
        self.annotate(secret, "touched", &random()).await;
    }

    async fn annotate(&self, secret: &str, annotation: &str, value: &str) {
        let annotated = self.try_annotate(secret, annotation, value).await;
        annotated.expect("the patch is accepted");
        self.changed(secret);
    }

    async fn try_annotate(&self, secret: &str, annotation: &str, value: &str) -> kube::Result<()> {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: value}}}));
        let api = self.namespace.secrets(&self.client);
        let patched = api.patch(secret, &PatchParams::default(), &patch).await;
        patched.map(drop)
    }

    pub async fn delete_secret(&self, name: &str) {
        let api = self.namespace.secrets(&self.client);
        api.delete(name, &DeleteParams::default())
            .await
            .expect("the deletion is accepted");
    }
}
