//! Reads the Secrets that an object names, checks that they may be sent to its portal, and resolves its schedule.

mod permission;
mod read;
mod versions;

use std::collections::{BTreeMap, btree_map::Entry};

use k8s_openapi::ByteString;
use kube::Client;
use serde::{Deserialize, de::value::StrDeserializer};
use vecmap::VecMap;

use crate::{
    api::{DocSpaceBackupScheduleSpec, SecretVersion, is_shown_key},
    controller::settings::OriginPolicy,
    portal::{Access, Address, AllowedOrigin, Ca, Cas, MOST_CAS_OF_NAMESPACE},
    rules::{
        memory::Resolved,
        reason::{Reason, Verdict},
    },
    schedule::{Param, Schedule},
    secret::SharedSecret,
    shares::Shares,
};

pub use crate::controller::secrets::versions::Versions;

/// Why Secrets could not be resolved: a verdict for the user, or a failure of Kubernetes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user must correct something.
    #[error("{}", .0.message)]
    Refused(Verdict),
    /// The API server did not answer or refused.
    #[error("cannot read Secret {name}")]
    Kubernetes {
        /// Name of the Secret.
        name: String,
        /// The failure.
        source: kube::Error,
    },
}

impl From<Verdict> for Error {
    fn from(verdict: Verdict) -> Self {
        Self::Refused(verdict)
    }
}

/// What all reads of Secrets share.
#[derive(Debug)]
pub struct Limits {
    places: Shares,
    cas: Cas,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            places: read::places(),
            cas: Cas::default(),
        }
    }
}

/// What a value from a Secret is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    /// The API key.
    Key,
    /// The CA, which is not sent.
    Ca,
    /// A storage parameter.
    Param,
}

impl Use {
    /// The longest value, in bytes.
    const fn longest(self) -> usize {
        match self {
            Self::Key => 4 * 1024,
            Self::Ca => 256 * 1024,
            Self::Param => 4 * LONGEST_PARAM,
        }
    }
}

/// The longest storage parameter, in characters, as in a manifest.
const LONGEST_PARAM: usize = 1024;
/// Line ends and blanks around a value count up to this many bytes.
const AROUND: usize = 16;

/// A reference of a spec to a value in a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reference<'a> {
    name: &'a str,
    key: &'a str,
    used: Use,
}

impl<'a> Reference<'a> {
    fn of_key(spec: &'a DocSpaceBackupScheduleSpec) -> Self {
        let reference = &spec.portal.api_key_secret_ref;
        Self {
            name: &reference.name,
            key: &reference.key,
            used: Use::Key,
        }
    }

    fn of_ca(spec: &'a DocSpaceBackupScheduleSpec) -> Option<Self> {
        let reference = spec.portal.ca_secret_ref.as_ref()?;
        Some(Self {
            name: &reference.name,
            key: &reference.key,
            used: Use::Ca,
        })
    }

    /// Those of storage parameters, each with its parameter.
    fn of_params(spec: &'a DocSpaceBackupScheduleSpec) -> impl Iterator<Item = (&'a str, Self)> {
        spec.storage_params.iter().filter_map(|param| {
            let reference = &param.value_from.as_ref()?.secret_key_ref;
            let reference = Self {
                name: &reference.name,
                key: &reference.key,
                used: Use::Param,
            };
            Some((param.key.as_str(), reference))
        })
    }

    fn all(spec: &'a DocSpaceBackupScheduleSpec) -> impl Iterator<Item = Self> {
        let params = Self::of_params(spec).map(|(_, reference)| reference);
        std::iter::once(Self::of_key(spec))
            .chain(Self::of_ca(spec))
            .chain(params)
    }

    fn invalid(&self, what: &str) -> Verdict {
        let Self { name, key, .. } = self;
        Verdict::new(
            Reason::SecretInvalid,
            format!("Key {key} of Secret {name} {what}; write the Secret again"),
        )
    }

    /// The text of a value, without the line end that `kubectl create secret --from-file` keeps, passed on without a
    /// copy. One that is too long is not even decoded.
    fn text<T>(&self, base64: &str, pass: impl FnOnce(&str) -> Result<T, Verdict>) -> Result<T, Verdict> {
        let longest = self.used.longest();
        let too_long = || match self.used {
            Use::Param => self.invalid(&format!("has more than {LONGEST_PARAM} characters")),
            Use::Key | Use::Ca => self.invalid(&format!("has more than {} KiB", longest / 1024)),
        };
        if base64.len() / 4 * 3 > longest + AROUND {
            return Err(too_long());
        }
        let bytes = ByteString::deserialize(StrDeserializer::<serde::de::value::Error>::new(base64));
        let ByteString(bytes) = bytes.map_err(|_| self.invalid("is not base64"))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| self.invalid("is not UTF-8 text"))?;
        let text = match self.used {
            Use::Key => text.trim(),
            Use::Ca | Use::Param => text.trim_end_matches(['\r', '\n']),
        };
        if text.trim().is_empty() {
            return Err(self.invalid("is empty"));
        }
        if self.used == Use::Key && text.chars().any(char::is_control) {
            return Err(self.invalid("contains control characters"));
        }
        if text.len() > longest || (self.used == Use::Param && text.chars().count() > LONGEST_PARAM) {
            return Err(too_long());
        }
        pass(text)
    }
}

/// The names of the Secrets that the spec refers to.
pub fn names(spec: &DocSpaceBackupScheduleSpec) -> impl Iterator<Item = &str> {
    Reference::all(spec).map(|reference| reference.name)
}

/// Where the values of the storage parameters from Secrets come from, by parameter.
pub fn of_storage(spec: &DocSpaceBackupScheduleSpec, resolved: &Resolved) -> Vec<SecretVersion> {
    let versions = Reference::of_params(spec).filter_map(|(param, Reference { name, key, .. })| {
        Some(SecretVersion {
            param: param.into(),
            name: name.into(),
            key: key.into(),
            resource_version: resolved.versions.get(name)?.clone(),
        })
    });
    let mut versions: Vec<_> = versions.collect();
    versions.sort_by(|one, other| one.param.cmp(&other.param));
    versions
}

/// Reads an object's Secrets, each once.
pub struct Reader<'a> {
    client: Client,
    namespace: &'a str,
    spec: &'a DocSpaceBackupScheduleSpec,
    origins: &'a OriginPolicy,
    limits: &'a Limits,
    address: Address,
    /// The resourceVersions of the Secrets that were read.
    versions: BTreeMap<&'a str, String>,
    /// What they have of what the spec names.
    values: BTreeMap<Reference<'a>, Result<SharedSecret, Verdict>>,
    ca: Option<Result<Ca, Verdict>>,
}

impl<'a> Reader<'a> {
    /// A reader for an object of this namespace.
    ///
    /// # Errors
    /// The URL or Host header is invalid, or the operator may not send anything there.
    pub fn new(
        client: Client,
        namespace: &'a str,
        spec: &'a DocSpaceBackupScheduleSpec,
        origins: &'a OriginPolicy,
        limits: &'a Limits,
    ) -> Result<Self, Verdict> {
        let address = Address::parse(&spec.portal.url, spec.portal.host_header.as_deref())
            .map_err(|error| Verdict::new(Reason::InvalidAddress, error.to_string()))?;
        let wanted = AllowedOrigin::of(&address);
        if !origins.allowed.is_empty() && !origins.allowed.contains(&wanted) {
            return Err(Verdict::new(
                Reason::OriginNotAllowed,
                format!(
                    "The operator's --allowed-origin does not list {wanted}; add it there, or correct portal.url and \
                     portal.hostHeader"
                ),
            ));
        }
        Ok(Self {
            client,
            namespace,
            spec,
            origins,
            limits,
            address,
            versions: BTreeMap::new(),
            values: BTreeMap::new(),
            ca: None,
        })
    }

    /// The same with this key instead of the one in the Secret, which is then not read for it.
    pub fn with_key(mut self, key: Option<&SharedSecret>) -> Self {
        if let Some(key) = key {
            self.values.insert(Reference::of_key(self.spec), Ok(key.clone()));
        }
        self
    }

    /// The key and the CA alone.
    ///
    /// # Errors
    /// A Secret is missing, invalid, meant for another portal, or cannot be read.
    pub async fn access(&mut self) -> Result<Access, Error> {
        let key = self.value(Reference::of_key(self.spec)).await?;
        if let Some(reference) = Reference::of_ca(self.spec) {
            self.read(reference.name).await?;
        }
        Ok(Access {
            namespace: self.namespace.into(),
            address: self.address.clone(),
            key,
            ca: self.ca.clone().transpose()?,
        })
    }

    /// Everything that the spec refers to.
    ///
    /// # Errors
    /// As [`Self::access`].
    pub async fn resolve(mut self) -> Result<Resolved, Error> {
        self.check_params()?;
        let access = self.access().await?;
        let mut params = VecMap::new();
        for param in &self.spec.storage_params {
            if let Some(value) = &param.value {
                params.insert(param.key.clone(), Param::plain(value.to_string()));
            }
        }
        for (param, reference) in Reference::of_params(self.spec) {
            let value = self.value(reference).await?;
            params.insert(param.into(), Param::secret(value));
        }
        let versions = self.versions.into_iter();
        Ok(Resolved {
            access,
            wanted: Schedule::new(self.spec, params),
            versions: versions.map(|(name, version)| (name.into(), version)).collect(),
        })
    }

    /// A parameter that the status shows must not come from a Secret. The current CRD refuses it; an older one did not.
    fn check_params(&self) -> Result<(), Verdict> {
        match Reference::of_params(self.spec).find(|(param, _)| is_shown_key(param)) {
            None => Ok(()),
            Some((param, _)) => Err(Verdict::new(
                Reason::InvalidObject,
                format!(
                    "spec.storageParams: the value of {param} comes from a Secret (valueFrom), but the status shows this \
                     value; write it as value"
                ),
            )),
        }
    }

    async fn value(&mut self, reference: Reference<'a>) -> Result<SharedSecret, Error> {
        if !self.values.contains_key(&reference) {
            self.read(reference.name).await?;
        }
        let value = self.values.get(&reference).cloned();
        Ok(value.unwrap_or_else(|| Err(missing(reference)))?)
    }

    /// Reads a Secret once, and keeps what the spec names of it.
    async fn read(&mut self, name: &'a str) -> Result<(), Error> {
        if self.versions.contains_key(name) {
            return Ok(());
        }
        let answer = read::read(&self.client, self.namespace, name, &self.limits.places).await;
        let kubernetes = |source| Error::Kubernetes {
            name: name.into(),
            source,
        };
        let answer = answer.map_err(kubernetes)?.ok_or_else(|| {
            Verdict::new(
                Reason::SecretMissing,
                format!("Secret {name} does not exist; create it in the object's namespace"),
            )
        })?;
        let named = || Reference::all(self.spec).filter(|reference| reference.name == name);
        let keys: Vec<_> = named().map(|reference| reference.key).collect();
        let content = answer.parse(&keys).map_err(kubernetes)?;
        permission::check_type(
            name,
            &content.kind,
            named().all(|reference| reference.used == Use::Ca),
        )?;
        let origins = content.origins.as_deref();
        permission::check_origin([self.namespace, name], origins, &self.address, self.origins)?;
        for reference in named() {
            let base64 = content.values.get(reference.key).map(|value| &**value);
            let base64 = base64.ok_or_else(|| missing(reference));
            if reference.used == Use::Ca {
                self.ca = Some(base64.and_then(|base64| self.shared_ca(reference, base64)));
            } else if let Entry::Vacant(entry) = self.values.entry(reference) {
                entry.insert(base64.and_then(|base64| reference.text(base64, |text| Ok(text.into()))));
            }
        }
        self.versions.insert(name, content.version);
        Ok(())
    }

    fn shared_ca(&self, reference: Reference<'_>, base64: &str) -> Result<Ca, Verdict> {
        reference.text(base64, |pem| {
            self.limits.cas.share(self.namespace, pem).ok_or_else(|| {
                Verdict::new(
                    Reason::SecretInvalid,
                    format!(
                        "Key {} of Secret {}: the CAs that the objects of this namespace use have more than {} KiB \
                         together; use fewer or smaller ones",
                        reference.key,
                        reference.name,
                        MOST_CAS_OF_NAMESPACE / 1024
                    ),
                )
            })
        })
    }
}

fn missing(Reference { name, key, .. }: Reference<'_>) -> Verdict {
    Verdict::new(
        Reason::SecretMissing,
        format!("Secret {name} has no key {key}; add the key, or correct the reference"),
    )
}

#[cfg(test)]
mod tests;
