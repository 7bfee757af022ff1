//! Whether the API server offers the CRD.

use kube::Client;

use crate::api::DocSpaceBackupSchedule;

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
