//! `import`: the manifests of the schedules that a portal holds. Applied, they are adopted without a write.

mod manifests;
mod refused;

use crate::{
    cli::ImportArgs,
    error::{BoxError, cannot_read},
    portal::{Access, Address, Cas, MOST_CAS_OF_NAMESPACE, PortalError, Portals},
    secret,
};

pub use crate::import::manifests::{Manifests, Target};

/// Why nothing can be imported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The portal did not answer, or refused.
    #[error(transparent)]
    Portal(#[from] PortalError),
    /// The portal has no schedule that the key may read.
    #[error("the portal has no backup schedule{}", .unknown.as_deref().unwrap_or_default())]
    NoSchedule {
        /// Why that of the dump is not known, if it is not.
        unknown: Option<String>,
    },
}

/// Reads both schedules of a portal. It writes nothing.
///
/// # Errors
/// The portal cannot be read, or has none.
pub async fn import(portals: &Portals, access: &Access, target: &Target) -> Result<Manifests, Error> {
    let portal = portals.portal(access)?;
    let own = portal.schedule(false).await?.value;
    let (dump, unknown) = match portal.schedule(true).await {
        Ok(answer) => (answer.value, None),
        // DocSpace's cloud has no dump, and only some keys may read it.
        Err(error) if error.failure.is_lasting_refusal() => (None, Some(error.message)),
        Err(error) => return Err(error.into()),
    };
    let held: Vec<_> = own.into_iter().chain(dump).collect();
    if held.is_empty() {
        let unknown = unknown.map(|why| format!("; that with dump: true is not known: {why}"));
        return Err(Error::NoSchedule { unknown });
    }
    let mut manifests = target.manifests(&held);
    let unknown = unknown.map(|why| format!("The schedule with dump: true is not known: {why}"));
    manifests.notes.extend(unknown);
    Ok(manifests)
}

/// The manifests as YAML documents, and what a person has to do.
///
/// # Errors
/// The portal cannot be read, or holds nothing.
pub async fn command(args: ImportArgs) -> Result<(String, Vec<String>), BoxError> {
    let key = secret::from_file(&args.api_key_file)?;
    let address = Address::parse(&args.url, args.host_header.as_deref())?;
    let ca_file = args.ca_file.as_deref();
    let pem = ca_file
        .map(|file| std::fs::read_to_string(file).map_err(cannot_read(file)))
        .transpose()?;
    let ca = match (&pem, ca_file) {
        (Some(pem), Some(file)) => {
            let most = MOST_CAS_OF_NAMESPACE / 1024;
            let ca = Cas::default().share("", pem);
            Some(ca.ok_or_else(|| format!("{} has more than {most} KiB", file.display()))?)
        }
        _ => None,
    };
    let access = Access {
        namespace: args.namespace.as_deref().unwrap_or_default().into(),
        address: address.clone(),
        key,
        ca,
    };
    let target = Target {
        address,
        ca: pem,
        name: args.name,
        namespace: args.namespace,
    };
    let portals = Portals::new(args.portals.into())?;
    let manifests = import(&portals, &access, &target).await?;
    if manifests.documents.is_empty() {
        return Err(manifests.notes.join("; ").into());
    }
    let documents: Result<Vec<_>, _> = manifests.documents.iter().map(serde_saphyr::to_string).collect();
    Ok((documents?.join("---\n"), manifests.notes))
}
