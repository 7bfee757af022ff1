//! `import`: the manifests of the schedules that a portal holds. Applied, they are adopted without a write.

use std::path::Path;

use kube::Resource;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use crate::{
    api::{DocSpaceBackupSchedule, PORTAL_ORIGIN, Period, SHOWN_KEYS},
    cli::ImportArgs,
    error::{BoxError, cannot_read},
    portal::{Access, Address, AllowedOrigin, Ca, Cas, MOST_CAS_OF_NAMESPACE, PortalError, Portals},
    schedule::{Held, Schedule, Storage, period_name},
    secret,
};

/// The key of the API key inside its Secret: the default of `apiKeySecretRef`.
const API_KEY: &str = "apiKey";

/// How the manifests are named.
#[derive(Clone, Debug)]
pub struct Names {
    /// Of the object; that of the dump and the Secrets begin with it.
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

/// Why nothing can be imported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The portal did not answer, or refused.
    #[error(transparent)]
    Portal(#[from] PortalError),
    /// The portal has neither schedule.
    #[error("the portal has no backup schedule")]
    NoSchedule,
}

/// Reads both schedules of a portal. It writes nothing.
///
/// # Errors
/// The portal cannot be read, or has none.
pub async fn import(portals: &Portals, access: &Access, names: &Names) -> Result<Manifests, Error> {
    let portal = portals.portal(access)?;
    let mut held = vec![portal.schedule(false).await?.value];
    let mut manifests = Manifests::default();
    match portal.schedule(true).await {
        Ok(answer) => held.push(answer.value),
        // DocSpace's cloud has no dump.
        Err(error) => manifests
            .notes
            .push(format!("The schedule with dump: true is not known: {error}")),
    }
    let held: Vec<_> = held.into_iter().flatten().collect();
    if held.is_empty() {
        return Err(Error::NoSchedule);
    }
    let writer = Writer {
        address: portal.address(),
        names,
    };
    writer.describe(&held, &mut manifests);
    Ok(manifests)
}

/// The manifests as YAML documents, and what a person has to do.
///
/// # Errors
/// The portal cannot be read, or holds nothing.
pub async fn command(args: ImportArgs) -> Result<(String, Vec<String>), BoxError> {
    let key = secret::from_file(&args.api_key_file)?;
    let namespace = args.namespace.as_deref().unwrap_or_default();
    let access = Access {
        namespace: namespace.into(),
        address: Address::parse(&args.url, args.host_header.as_deref())?,
        key,
        ca: args.ca_file.as_deref().map(ca).transpose()?,
    };
    let names = Names {
        name: args.name,
        namespace: args.namespace,
    };
    let portals = Portals::new(args.portals.into())?;
    let mut manifests = import(&portals, &access, &names).await?;
    if args.ca_file.is_some() {
        let note =
            "The portal has a private CA: put it into a Secret, and name that in spec.portal.caSecretRef";
        manifests.notes.push(note.into());
    }
    let documents: Result<Vec<_>, _> = manifests.documents.iter().map(serde_saphyr::to_string).collect();
    Ok((documents?.join("---\n"), manifests.notes))
}

fn ca(file: &Path) -> Result<Ca, BoxError> {
    let pem = std::fs::read_to_string(file).map_err(cannot_read(file))?;
    let most = MOST_CAS_OF_NAMESPACE / 1024;
    let ca = Cas::default().share("", &pem);
    Ok(ca.ok_or_else(|| format!("{} has more than {most} KiB", file.display()))?)
}

/// Writes manifests for one portal.
struct Writer<'a> {
    address: &'a Address,
    names: &'a Names,
}

impl Writer<'_> {
    fn describe(&self, held: &[Held], manifests: &mut Manifests) {
        let key = format!("{}-api-key", self.names.name);
        self.secret(&key, &[API_KEY], manifests);
        for Held { schedule, .. } in held {
            let name = match schedule.dump {
                true => format!("{}-dump", self.names.name),
                false => self.names.name.clone(),
            };
            if let Some(why) = cannot_be_a_manifest(schedule) {
                let dump = schedule.dump;
                manifests.notes.push(format!(
                    "The schedule with dump: {dump} cannot be a manifest: {why}"
                ));
                continue;
            }
            let storage = format!("{name}-storage");
            let params = schedule.counting_params();
            let hidden: Vec<_> = params.keys().copied().filter(|key| is_hidden(key)).collect();
            if !hidden.is_empty() {
                self.secret(&storage, &hidden, manifests);
            }
            let object = self.object(&name, [&key, &storage], schedule);
            manifests.documents.push(object);
        }
    }

    /// A Secret whose values people fill in.
    fn secret(&self, name: &str, keys: &[&str], manifests: &mut Manifests) {
        let mut metadata = self.metadata(name);
        metadata["annotations"] = json!({PORTAL_ORIGIN: AllowedOrigin::of(self.address).to_string()});
        let values: Map<_, _> = keys.iter().map(|key| ((*key).into(), json!(""))).collect();
        manifests.notes.push(format!(
            "Fill in the values of Secret {name}: {}",
            keys.join(", ")
        ));
        manifests
            .documents
            .push(json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}));
    }

    fn object(&self, name: &str, [key, storage]: [&str; 2], schedule: &Schedule) -> Value {
        let url = self.address.url().as_str().trim_end_matches('/');
        let mut portal = json!({"url": url, "apiKeySecretRef": {"name": key}});
        if let Some(host) = self.address.host_header() {
            portal["hostHeader"] = json!(host);
        }
        let params: Vec<_> = schedule
            .counting_params()
            .into_iter()
            .map(|(key, param)| match is_hidden(key) {
                true => json!({"key": key, "valueFrom": {"secretKeyRef": {"name": storage, "key": key}}}),
                false => json!({"key": key, "value": param.value.expose_secret()}),
            })
            .collect();
        json!({
            "apiVersion": DocSpaceBackupSchedule::api_version(&()),
            "kind": DocSpaceBackupSchedule::kind(&()),
            "metadata": self.metadata(name),
            "spec": {
                "portal": portal,
                "storageType": schedule.storage_type.to_string(),
                "storageParams": params,
                "cronParams": {
                    "period": period_name(schedule.period),
                    "hour": schedule.hour,
                    "day": schedule.day,
                },
                "backupsStored": schedule.backups_stored,
                "dump": schedule.dump,
            },
        })
    }

    fn metadata(&self, name: &str) -> Value {
        let mut metadata = json!({"name": name});
        if let Some(namespace) = &self.names.namespace {
            metadata["namespace"] = json!(namespace);
        }
        metadata
    }
}

/// Whether a value comes from a Secret: whatever is not known to be harmless.
fn is_hidden(key: &str) -> bool {
    !SHOWN_KEYS.contains(&key)
}

/// Why no manifest is equal to the schedule.
fn cannot_be_a_manifest(schedule: &Schedule) -> Option<String> {
    let period = Period::ALL.iter().any(|known| known.number() == schedule.period);
    match schedule.storage_type {
        Storage::Other(number) => Some(format!("its storageType is {number}, which has no name")),
        Storage::Known(_) if !period => Some(format!("its period is {}, which has no name", schedule.period)),
        Storage::Known(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Param;

    fn written(change: impl Fn(&mut Schedule)) -> Manifests {
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
        let address = Address::parse("http://router.docspace.svc:8092", Some("docs.example.com"));
        let names = Names {
            name: "taken".into(),
            namespace: None,
        };
        let writer = Writer {
            address: &address.expect("an address"),
            names: &names,
        };
        let mut manifests = Manifests::default();
        let held = Held {
            schedule,
            last_backup_time: None,
        };
        writer.describe(&[held], &mut manifests);
        manifests
    }

    #[test]
    fn a_secret_may_go_to_this_portal_only() {
        let documents = written(|_| {}).documents;
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
    fn what_no_manifest_can_name_is_told() {
        for (manifests, told) in [
            (
                written(|schedule| schedule.storage_type = 6.into()),
                "its storageType is 6",
            ),
            (written(|schedule| schedule.period = 3), "its period is 3"),
        ] {
            assert_eq!(manifests.documents.len(), 1, "the Secret");
            let notes = manifests.notes.join(" ");
            assert!(notes.contains(told), "{notes}");
        }
    }
}
