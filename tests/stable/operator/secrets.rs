//! The Secrets that an object names, as the controller reads them.

use docspace_backup_operator::{
    api::{DocSpaceBackupSchedule, SecretVersion},
    controller::Key,
    portal::{Access, Address},
    rules::{
        memory::{Memory, Resolved},
        reason::{Reason, Verdict},
    },
    schedule::{Param, Schedule},
};

use crate::{claims::portal_of, installation::key_text, kubernetes::Kubernetes};

/// The versions of the Secrets that the object names.
pub fn versions(kubernetes: &Kubernetes, object: &DocSpaceBackupSchedule) -> Vec<Option<String>> {
    let key = Key::of(object);
    let access = kubernetes.key(key.namespace(), portal_of(object));
    let access = access.map(|(_, version)| version.to_string());
    let params = &object.spec.storage_params;
    let from_secret = params.iter().any(|param| param.value.is_none());
    let storage = from_secret.then(|| Some(kubernetes.storage(key.namespace()).1.to_string()));
    [access].into_iter().chain(storage).collect()
}

/// What the Secrets have, or the verdict on them.
pub fn resolve(kubernetes: &Kubernetes, object: &DocSpaceBackupSchedule) -> Result<Resolved, Verdict> {
    let (key, portal) = (Key::of(object), portal_of(object));
    let missing = || Verdict::new(Reason::SecretMissing, "The Secret with the key is missing");
    let (number, version) = kubernetes.key(key.namespace(), portal).ok_or_else(missing)?;
    let spec = &object.spec;
    let address = Address::parse(&spec.portal.url, spec.portal.host_header.as_deref());
    let mut wanted = Schedule::without_secrets(spec);
    let mut versions = vec![(format!("key-{portal}"), version.to_string())];
    let (value, version) = kubernetes.storage(key.namespace());
    wanted.params.entry("ssekey".into()).and_modify(|param| {
        *param = Param::secret(format!("secret {value}").into());
        versions.push(("s3".into(), version.to_string()));
    });
    Ok(Resolved {
        access: Access {
            namespace: key.namespace().into(),
            address: address.expect("an address"),
            key: key_text(portal, number).into(),
            ca: None,
        },
        wanted,
        versions: versions.into_iter().collect(),
    })
}

/// Whether these are the present versions of the Secrets.
pub fn has_versions(kubernetes: &Kubernetes, object: &DocSpaceBackupSchedule, of: &Resolved) -> bool {
    let (namespace, portal) = (Key::of(object), portal_of(object));
    let key = kubernetes.key(namespace.namespace(), portal);
    of.versions.iter().all(|(name, version)| {
        let now = match &**name {
            "s3" => Some(kubernetes.storage(namespace.namespace()).1),
            _ => key.map(|(_, version)| version),
        };
        now.is_some_and(|now| now.to_string() == *version)
    })
}

/// Where the values of the storage parameters come from.
pub fn of_storage(resolved: &Resolved) -> Vec<SecretVersion> {
    let version = resolved.versions.get("s3");
    let version = version.map(|version| SecretVersion {
        param: "ssekey".into(),
        name: "s3".into(),
        key: "sse".into(),
        resource_version: version.clone(),
    });
    version.into_iter().collect()
}

/// Whether the Secrets have the values of the last check. Then their new versions are remembered.
pub fn has_same_secrets(
    kubernetes: &Kubernetes,
    object: &DocSpaceBackupSchedule,
    memory: &mut Memory,
) -> bool {
    let generation = object.metadata.generation.unwrap_or_default();
    match (&mut memory.resolved, resolve(kubernetes, object)) {
        (Some((of, before)), Ok(now)) if *of == generation && before.has_values_of(&now) => {
            before.versions = now.versions;
            true
        }
        _ => false,
    }
}
