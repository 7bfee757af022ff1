//! Whether the API server offers the CRD.

use kube::Client;

use crate::{
    api::DocSpaceBackupSchedule,
    error::chain,
    rules::reason::{Reason, Verdict},
};

/// Whether the API server offers `create` for the objects; `None` if it does not know them. A CRD that is being deleted
/// offers every verb except `create`.
///
/// # Errors
/// The API server did not answer.
pub async fn crd_offers_create(client: &Client) -> Result<Option<bool>, kube::Error> {
    use kube::Resource;
    let version = DocSpaceBackupSchedule::api_version(&());
    let plural = DocSpaceBackupSchedule::plural(&());
    match client.list_api_group_resources(&version).await {
        Ok(list) => {
            let found = list
                .resources
                .into_iter()
                .find(|resource| resource.name == plural);
            Ok(found.map(|resource| resource.verbs.iter().any(|verb| verb == "create")))
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the CRD is being deleted. It stays known until its objects are gone: an API server that does not know it has
/// just started.
///
/// # Errors
/// The API server did not tell.
pub async fn crd_is_going(client: &Client) -> Result<bool, Verdict> {
    let why = match crd_offers_create(client).await {
        Ok(Some(offers)) => return Ok(!offers),
        Ok(None) => "it does not know the CRD at present".into(),
        Err(error) => chain(&error),
    };
    let message = format!("Kubernetes did not answer whether the CRD is being deleted: {why}");
    Err(Verdict::new(Reason::Unreachable, message))
}
