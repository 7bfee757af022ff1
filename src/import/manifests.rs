//! Writes the manifests of what a portal holds.

use kube::Resource;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use crate::{
    api::{DocSpaceBackupSchedule, PORTAL_ORIGIN, Period, is_shown_key},
    import::refused::cannot_be_a_manifest,
    portal::{Address, AllowedOrigin},
    schedule::{Held, Schedule, period_name},
};

/// The key of the API key inside its Secret: the default of `apiKeySecretRef`.
const API_KEY: &str = "apiKey";
/// The key of the certificates inside their Secret: the default of `caSecretRef`.
const CA: &str = "ca.crt";

/// The portal, and how its manifests are named.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where the portal is.
    pub address: Address,
    /// The PEM certificates of its private CA; `None` for the public CAs.
    pub ca: Option<String>,
    /// Name of the object; those of the dump and the Secrets begin with it.
    pub name: String,
    /// The namespace; `None` to name none.
    pub namespace: Option<String>,
}

/// What a portal holds, as manifests.
#[derive(Debug, Default)]
pub struct Manifests {
    /// The documents, in the order in which they are to be applied: Secrets first.
    pub documents: Vec<Value>,
    /// What a person has to know or to do.
    pub notes: Vec<String>,
}

impl Target {
    /// The manifests of these schedules. Without one that can be a manifest, only notes.
    pub fn manifests(&self, held: &[Held]) -> Manifests {
        let mut manifests = Manifests::default();
        for Held { schedule, .. } in held {
            match cannot_be_a_manifest(schedule) {
                Some(why) => manifests.notes.push(format!(
                    "The schedule with dump: {} cannot be a manifest: {why}",
                    schedule.dump
                )),
                None => {
                    if manifests.documents.is_empty() {
                        self.connection(&mut manifests);
                    }
                    self.schedule(schedule, &mut manifests);
                }
            }
        }
        manifests
    }

    /// The Secrets that the objects share.
    fn connection(&self, manifests: &mut Manifests) {
        self.to_fill_in(&self.named("api-key"), &[API_KEY.into()], manifests);
        if let Some(pem) = &self.ca {
            manifests
                .documents
                .push(self.secret(&self.named("ca"), &json!({CA: pem})));
        }
    }

    fn named(&self, what: &str) -> String {
        format!("{}-{what}", self.name)
    }

    /// A Secret whose values people fill in.
    fn to_fill_in(&self, name: &str, keys: &[String], manifests: &mut Manifests) {
        let values: Map<_, _> = keys.iter().map(|key| (key.clone(), json!(""))).collect();
        manifests.documents.push(self.secret(name, &values.into()));
        manifests.notes.push(format!(
            "Fill in the values of Secret {name}: {}",
            keys.join(", ")
        ));
    }

    /// A Secret that may be sent to this portal only.
    fn secret(&self, name: &str, values: &Value) -> Value {
        let mut metadata = self.metadata(name);
        metadata["annotations"] = json!({PORTAL_ORIGIN: AllowedOrigin::of(&self.address).to_string()});
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values})
    }

    fn schedule(&self, schedule: &Schedule, manifests: &mut Manifests) {
        let name = if schedule.dump {
            self.named("dump")
        } else {
            self.name.clone()
        };
        let storage = format!("{name}-storage");
        let (params, hidden) = params(schedule, &storage);
        if !hidden.is_empty() {
            self.to_fill_in(&storage, &hidden, manifests);
        }
        manifests.documents.push(self.object(&name, params, schedule));
    }

    fn object(&self, name: &str, params: Vec<Value>, schedule: &Schedule) -> Value {
        let url = self.address.url().as_str().trim_end_matches('/');
        let mut portal = json!({"url": url, "apiKeySecretRef": {"name": self.named("api-key")}});
        if let Some(host) = self.address.host_header() {
            portal["hostHeader"] = json!(host);
        }
        if self.ca.is_some() {
            portal["caSecretRef"] = json!({"name": self.named("ca")});
        }
        let mut cron = json!({"period": period_name(schedule.period), "hour": schedule.hour});
        if schedule.period != Period::EveryDay.number() {
            cron["day"] = json!(schedule.day);
        }
        json!({
            "apiVersion": DocSpaceBackupSchedule::api_version(&()),
            "kind": DocSpaceBackupSchedule::kind(&()),
            "metadata": self.metadata(name),
            "spec": {
                "portal": portal,
                "storageType": schedule.storage_type.to_string(),
                "storageParams": params,
                "cronParams": cron,
                "backupsStored": schedule.backups_stored,
                "dump": schedule.dump,
            },
        })
    }

    fn metadata(&self, name: &str) -> Value {
        let mut metadata = json!({"name": name});
        if let Some(namespace) = &self.namespace {
            metadata["namespace"] = json!(namespace);
        }
        metadata
    }
}

/// The parameters of the manifest, and the keys of the Secret with this name whose values they refer to.
fn params(schedule: &Schedule, secret: &str) -> (Vec<Value>, Vec<String>) {
    let mut hidden = Vec::new();
    let params = schedule.counting_params().into_iter();
    let params = params.map(|(key, param)| {
        let value = param.value.expose_secret();
        // An empty value tells nothing, and no Secret may hold it.
        if is_shown_key(key) || value.is_empty() {
            return json!({"key": key, "value": value});
        }
        let place = secret_key(key, hidden.len());
        hidden.push(place.clone());
        json!({"key": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": place}}})
    });
    (params.collect(), hidden)
}

/// The key inside a Secret for a parameter: its own, if Kubernetes accepts that, or else a substitute. A key that looks like
/// a substitute gets one, too, so that no two are equal.
fn secret_key(key: &str, number: usize) -> String {
    let is_valid = key
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if is_valid && !key.starts_with('.') && !key.starts_with("value-") {
        key.into()
    } else {
        format!("value-{number}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Param, Storage};

    fn target() -> Target {
        Target {
            address: Address::parse("http://router.docspace.svc:8092", Some("docs.example.com"))
                .expect("an address"),
            ca: None,
            name: "taken".into(),
            namespace: None,
        }
    }

    fn written(target: &Target, change: impl Fn(&mut Schedule)) -> Manifests {
        let mut schedule = Schedule {
            storage_type: Storage::from(5),
            params: [("module".to_owned(), Param::plain("s3"))].into_iter().collect(),
            period: 0,
            hour: 3,
            day: 0,
            backups_stored: 7,
            dump: false,
        };
        change(&mut schedule);
        target.manifests(&[Held {
            schedule,
            last_backup_time: None,
        }])
    }

    fn with_param(key: &'static str, value: &'static str) -> Manifests {
        written(&target(), |schedule| {
            schedule.params.insert(key.into(), Param::plain(value));
        })
    }

    #[test]
    fn a_secret_may_go_to_this_portal_only() {
        let documents = written(&target(), |_| {}).documents;
        let [secret, object] = &documents[..] else {
            panic!("{documents:?}")
        };
        assert_eq!(
            secret["metadata"]["annotations"][PORTAL_ORIGIN],
            "http://router.docspace.svc:8092 docs.example.com"
        );
        assert_eq!(object["spec"]["portal"]["hostHeader"], "docs.example.com");
        assert_eq!(object["spec"]["portal"]["url"], "http://router.docspace.svc:8092");
        assert_eq!(object["metadata"], json!({"name": "taken"}));
        let object: DocSpaceBackupSchedule = serde_json::from_value(object.clone()).expect("an object");
        assert_eq!(object.spec.backups_stored, 7);
    }

    #[test]
    fn a_private_ca_comes_with_its_secret() {
        let target = Target {
            ca: Some("PEM".into()),
            ..target()
        };
        let documents = written(&target, |_| {}).documents;
        let [key, ca, object] = &documents[..] else {
            panic!("{documents:?}")
        };
        assert_eq!(ca["metadata"]["annotations"], key["metadata"]["annotations"]);
        assert_eq!(ca["stringData"], json!({"ca.crt": "PEM"}));
        assert_eq!(
            object["spec"]["portal"]["caSecretRef"]["name"],
            ca["metadata"]["name"]
        );
    }

    #[test]
    fn a_schedule_that_no_manifest_can_say_leaves_a_note_only() {
        let manifests = written(&target(), |schedule| schedule.backups_stored = 31);
        assert!(manifests.documents.is_empty());
        assert!(
            manifests.notes.join("").contains("cannot be a manifest"),
            "{manifests:?}"
        );
    }

    #[test]
    fn hidden_values_have_keys_that_a_secret_may_have() {
        for (key, place) in [
            ("ssekey", "ssekey"),
            ("sse:key", "value-0"),
            ("schlüssel", "value-0"),
            ("..", "value-0"),
            ("value-7", "value-0"),
        ] {
            let documents = with_param(key, "hush").documents;
            let [_, secret, object] = &documents[..] else {
                panic!("{documents:?}")
            };
            assert_eq!(secret["stringData"], json!({place: ""}));
            let params = object["spec"]["storageParams"].as_array().expect("a list");
            let param = params.iter().find(|param| param["key"] == key);
            assert_eq!(
                param.expect("the parameter")["valueFrom"]["secretKeyRef"]["key"],
                place
            );
        }
        // In clear: the API server refuses a reference for a key that differs by case only; an empty value is no secret.
        for (key, value) in [("Bucket", "b"), ("ssekey", "")] {
            let documents = with_param(key, value).documents;
            assert_eq!(documents.len(), 2, "{documents:?}");
        }
    }
}
