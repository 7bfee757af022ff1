//! Reads the Secrets that an object names, checks that they may be sent to its portal, and resolves its schedule.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, Client, ResourceExt};

use crate::{
    api::{DocSpaceBackupScheduleSpec, PORTAL_ORIGIN, SHOWN_KEYS, SecretVersion},
    controller::settings::OriginPolicy,
    portal::{Access, Address},
    rules::{
        memory::Resolved,
        reason::{Reason, Verdict},
    },
    schedule::{Param, Schedule},
};

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

/// The longest API key, in characters.
const LONGEST_KEY: usize = 4 * 1024;
/// The longest CA, in characters.
const LONGEST_CA: usize = 256 * 1024;
/// The longest storage parameter, as in a manifest.
const LONGEST_PARAM: usize = 1024;

/// The names of the Secrets that the spec refers to.
pub fn names(spec: &DocSpaceBackupScheduleSpec) -> impl Iterator<Item = &str> {
    let portal = &spec.portal;
    let params = spec
        .storage_params
        .iter()
        .filter_map(|param| param.value_from.as_ref());
    std::iter::once(portal.api_key_secret_ref.name.as_str())
        .chain(
            portal
                .ca_secret_ref
                .iter()
                .map(|reference| reference.name.as_str()),
        )
        .chain(params.map(|from| from.secret_key_ref.name.as_str()))
}

/// Where the values of the storage parameters from Secrets come from, by parameter.
pub fn of_storage(spec: &DocSpaceBackupScheduleSpec, resolved: &Resolved) -> Vec<SecretVersion> {
    let params = spec.storage_params.iter();
    let versions = params.filter_map(|param| {
        let reference = &param.value_from.as_ref()?.secret_key_ref;
        Some(SecretVersion {
            param: param.key.clone(),
            name: reference.name.clone(),
            key: reference.key.clone(),
            resource_version: resolved.versions.get(&reference.name)?.clone(),
        })
    });
    let mut versions: Vec<_> = versions.collect();
    versions.sort_by(|one, other| one.param.cmp(&other.param));
    versions
}

/// Reads an object's Secrets, each once.
pub struct Reader<'a> {
    namespace: String,
    secrets: Api<Secret>,
    spec: &'a DocSpaceBackupScheduleSpec,
    origins: &'a OriginPolicy,
    address: Address,
    read: BTreeMap<String, Secret>,
}

impl<'a> Reader<'a> {
    /// A reader for an object of this namespace.
    ///
    /// # Errors
    /// The URL or Host header is invalid, or the operator may not send anything there.
    pub fn new(
        client: Client,
        namespace: &str,
        spec: &'a DocSpaceBackupScheduleSpec,
        origins: &'a OriginPolicy,
    ) -> Result<Self, Verdict> {
        let address = Address::parse(&spec.portal.url, spec.portal.host_header.as_deref())
            .map_err(|error| Verdict::new(Reason::InvalidAddress, error.to_string()))?;
        if !origins.allowed.is_empty() && !origins.allowed.contains(&address.origin()) {
            return Err(Verdict::new(
                Reason::OriginNotAllowed,
                format!(
                    "The operator's --allowed-origin does not list {}; add it there, or correct portal.url",
                    address.origin()
                ),
            ));
        }
        Ok(Self {
            namespace: namespace.into(),
            secrets: Api::namespaced(client, namespace),
            spec,
            origins,
            address,
            read: BTreeMap::new(),
        })
    }

    /// The key and the CA alone.
    ///
    /// # Errors
    /// A Secret is missing, invalid, meant for another portal, or cannot be read.
    pub async fn access(&mut self) -> Result<Access, Error> {
        let reference = &self.spec.portal.api_key_secret_ref;
        let key = self
            .value(&reference.name, &reference.key, LONGEST_KEY)
            .await?
            .trim()
            .to_owned();
        if key.chars().any(char::is_control) {
            return Err(invalid(&reference.name, &reference.key, "contains control characters").into());
        }
        let ca = match &self.spec.portal.ca_secret_ref {
            Some(reference) => Some(self.value(&reference.name, &reference.key, LONGEST_CA).await?),
            None => None,
        };
        Ok(Access {
            namespace: self.namespace.clone(),
            address: self.address.clone(),
            key: key.into(),
            ca,
        })
    }

    /// Everything that the spec refers to.
    ///
    /// # Errors
    /// As [`Self::access`].
    pub async fn resolve(mut self) -> Result<Resolved, Error> {
        self.check_params()?;
        let access = self.access().await?;
        let mut params = BTreeMap::new();
        for param in &self.spec.storage_params {
            let value = match (&param.value, &param.value_from) {
                (_, Some(from)) => {
                    let reference = &from.secret_key_ref;
                    let value = self.value(&reference.name, &reference.key, LONGEST_PARAM).await?;
                    Param::secret(value.into())
                }
                (Some(value), None) => Param::plain(value.to_string()),
                (None, None) => continue,
            };
            params.insert(param.key.clone(), value);
        }
        let versions = self
            .read
            .into_iter()
            .map(|(name, secret)| (name, secret.resource_version().unwrap_or_default()));
        Ok(Resolved {
            access,
            wanted: Schedule::new(self.spec, params),
            versions: versions.collect(),
        })
    }

    /// A parameter that the status shows must not come from a Secret. The current CRD refuses it; an older one did not.
    fn check_params(&self) -> Result<(), Verdict> {
        let is_shown = |key: &str| SHOWN_KEYS.iter().any(|shown| shown.eq_ignore_ascii_case(key));
        let mut params = self.spec.storage_params.iter();
        match params.find(|param| param.value_from.is_some() && is_shown(&param.key)) {
            None => Ok(()),
            Some(param) => Err(Verdict::new(
                Reason::InvalidObject,
                format!(
                    "spec.storageParams: the value of {} comes from a Secret (valueFrom), but the status shows this value; \
                     write it as value",
                    param.key
                ),
            )),
        }
    }

    async fn value(&mut self, name: &str, key: &str, longest: usize) -> Result<String, Error> {
        if !self.read.contains_key(name) {
            let found = self.secrets.get_opt(name).await;
            let found = found.map_err(|source| Error::Kubernetes {
                name: name.into(),
                source,
            })?;
            let secret = found.ok_or_else(|| {
                Verdict::new(
                    Reason::SecretMissing,
                    format!("Secret {name} does not exist; create it in the object's namespace"),
                )
            })?;
            self.check_origin(name, &secret)?;
            self.read.insert(name.into(), secret);
        }
        let value = self
            .read
            .get(name)
            .and_then(|secret| secret.data.as_ref()?.get(key));
        let value = value.ok_or_else(|| {
            Verdict::new(
                Reason::SecretMissing,
                format!("Secret {name} has no key {key}; add the key, or correct the reference"),
            )
        })?;
        Ok(text(name, key, value, longest)?)
    }

    /// Checks that the Secret may be sent to this portal.
    fn check_origin(&self, name: &str, secret: &Secret) -> Result<(), Verdict> {
        let origin = match self.address.host_header() {
            Some(host) => format!("{} {host}", self.address.origin()),
            None => self.address.origin(),
        };
        let refuse = |message| Err(Verdict::new(Reason::OriginNotAllowed, message));
        match secret.annotations().get(PORTAL_ORIGIN) {
            Some(list) if list.split(',').any(|entry| is_entry_for(entry, &origin)) => Ok(()),
            Some(_) => refuse(format!(
                "Secret {name} is not meant for {origin}: its annotation {PORTAL_ORIGIN} does not list this origin; add \
                 it there, or correct portal.url"
            )),
            None if self.origins.require_annotation => refuse(format!(
                "Secret {name} does not say where it may be sent, which this operator requires; annotate it with \
                 {PORTAL_ORIGIN}: {origin}"
            )),
            None => Ok(()),
        }
    }
}

/// Whether an entry of the annotation allows the origin; an entry is an origin, with a blank and the Host header if
/// used.
fn is_entry_for(entry: &str, origin: &str) -> bool {
    let mut words = entry.split_whitespace();
    let parsed = words
        .next()
        .and_then(|url| Address::parse(url, words.next()).ok());
    parsed.is_some_and(|address| match address.host_header() {
        Some(host) => format!("{} {host}", address.origin()) == origin,
        None => address.origin() == origin,
    })
}

/// The text of a value, without the line end that `kubectl create secret --from-file` keeps.
fn text(name: &str, key: &str, value: &ByteString, longest: usize) -> Result<String, Verdict> {
    let text = std::str::from_utf8(&value.0).map_err(|_| invalid(name, key, "is not UTF-8 text"))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.chars().count() > longest {
        return Err(invalid(name, key, &format!("has more than {longest} characters")));
    }
    if text.trim().is_empty() {
        Err(invalid(name, key, "is empty"))
    } else {
        Ok(text.into())
    }
}

fn invalid(name: &str, key: &str, what: &str) -> Verdict {
    Verdict::new(
        Reason::SecretInvalid,
        format!("Key {key} of Secret {name} {what}; write the Secret again"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_entry_counts_for_that_origin_and_host_only() {
        let origin = "http://router.docspace.svc:8092 docs.example.com";
        assert!(is_entry_for(
            " http://router.docspace.svc:8092  docs.example.com",
            origin
        ));
        assert!(is_entry_for(
            "HTTP://Router.docspace.svc:8092/ DOCS.example.com",
            origin
        ));
        assert!(!is_entry_for("http://router.docspace.svc:8092", origin));
        assert!(!is_entry_for(
            "http://router.docspace.svc docs.example.com",
            origin
        ));
        assert!(is_entry_for(
            "https://docs.example.com:443",
            "https://docs.example.com"
        ));
        assert!(!is_entry_for(
            "https://docs.example.com.evil.test",
            "https://docs.example.com"
        ));
        assert!(!is_entry_for("", "https://docs.example.com"));
    }

    #[test]
    fn a_value_loses_its_line_end_and_nothing_else() {
        let read =
            |bytes: &[u8]| text("s", "k", &ByteString(bytes.to_vec()), 5).map_err(|verdict| verdict.message);
        assert_eq!(read(b"sk-1\r\n"), Ok("sk-1".into()));
        assert_eq!(read(b" a b "), Ok(" a b ".into()));
        assert_eq!(
            read(b"\n"),
            Err("Key k of Secret s is empty; write the Secret again".into())
        );
        assert_eq!(
            read(b"123456"),
            Err("Key k of Secret s has more than 5 characters; write the Secret again".into())
        );
        assert_eq!(
            read(b"\xff"),
            Err("Key k of Secret s is not UTF-8 text; write the Secret again".into())
        );
    }
}
