//! `import`: the manifests of the schedules that a portal holds. Applied, they are adopted without a write.

mod manifests;
mod refused;

use std::path::Path;

use crate::{
    cli::ImportArgs,
    error::{BoxError, cannot_read},
    portal::{Access, Address, Cas, PortalError, Portals},
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
    let pem = args.ca_file.as_deref().map(certificates).transpose()?;
    let ca = match &pem {
        Some(pem) => Some(Cas::default().share("", pem).ok_or("the CAs are too large")?),
        None => None,
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

/// The certificates of a file, and nothing else that it may hold, such as a private key.
fn certificates(file: &Path) -> Result<String, BoxError> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let text = std::fs::read_to_string(file).map_err(cannot_read(file))?;
    let sections = text.split(BEGIN).skip(1).map(|section| section.split_once(END));
    let sections: Option<Vec<_>> = sections.map(|section| Some(section?.0.trim())).collect();
    let is_base64 = |section: &&str| {
        let is_part =
            |byte: u8| byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || b"+/=".contains(&byte);
        section.bytes().all(is_part)
    };
    match sections {
        Some(sections) if !sections.is_empty() && sections.iter().all(is_base64) => {
            let sections = sections
                .iter()
                .map(|section| format!("{BEGIN}\n{section}\n{END}\n"));
            Ok(sections.collect())
        }
        _ => Err(format!("{} holds no certificate (PEM)", file.display()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_of_a_file_are_printed() {
        let file = std::env::temp_dir().join(format!("ca-{:016x}.pem", fastrand::u64(..)));
        let read = |text: &str| {
            std::fs::write(&file, text).expect("the folder is writable");
            certificates(&file).map_err(|error| error.to_string())
        };
        let (key, one) = (
            "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
            "-----BEGIN CERTIFICATE-----\nMIIB+/=\n-----END CERTIFICATE-----\n",
        );
        assert_eq!(
            read(&format!("{key}# of the issuer\n{one}{one}{key}")),
            Ok(format!("{one}{one}"))
        );
        let open = "-----BEGIN CERTIFICATE-----\nMIIB\n";
        for text in ["", "any text", key, open, &format!("{open}{key}{one}")] {
            let said = read(text).expect_err(text);
            assert!(
                said.contains("no certificate") && !said.contains("c2VjcmV0"),
                "{said}"
            );
        }
        std::fs::remove_file(&file).expect("it is there");
    }
}
