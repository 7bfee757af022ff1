//! Stops the operator and removes its finalizer from every object, so that the objects can be deleted without it. The
//! portals keep their schedules. The order prevents an operator from adding a finalizer again:
//!
//! 1. as the chart's Job: ask Helm whether the release is being uninstalled,
//! 2. scale the Deployment to zero,
//! 3. wait until its pods have terminated,
//! 4. remove the finalizer, repeatedly until no object carries it.
//!
//! Steps that are already done do not fail, so the command can be run again. For objects in namespaces that the operator
//! no longer watches, it goes on: steps 2 and 3 are left out.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod, Secret},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    core::{ParseExpressionError, Selector},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    controller::{Metadata, Namespaces, PAGE, finalizer},
    rules::ownership::has_finalizer,
};

/// Pause between two checks of a condition.
const PAUSE: Duration = Duration::from_millis(500);
/// The same where an operator runs on: it would put a finalizer back within this time.
const LONG_PAUSE: Duration = Duration::from_secs(3);
/// The status of a Helm release, from before its pre-delete hooks run until it is gone.
const UNINSTALLING: &str = "uninstalling";

/// What to stop and to release.
#[derive(Clone, Debug)]
pub struct Release {
    /// The namespace of the operator's Deployment.
    pub operator_namespace: String,
    /// The name of the operator's Deployment; `None` to stop no operator.
    pub deployment: Option<String>,
    /// The labels of its objects; the default selects all.
    pub selector: Selector,
    /// The namespaces of its objects.
    pub namespaces: Namespaces,
    /// Maximum time for all steps together.
    pub timeout: Duration,
}

/// Why objects may still carry the finalizer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request to Kubernetes failed.
    #[error("cannot {what}")]
    Kubernetes {
        /// The request.
        what: String,
        /// The answer.
        source: kube::Error,
    },
    /// The operator's pods cannot be identified.
    #[error("cannot read the Deployment's selector")]
    Selector(#[source] ParseExpressionError),
    /// The operator may still be running.
    #[error(
        "the pods of Deployment {deployment} did not terminate within {} s, so nothing was released; still running: {}",
        timeout.as_secs(), pods.join(", ")
    )]
    PodsStay {
        /// As NAMESPACE/NAME.
        deployment: String,
        /// Their names.
        pods: Vec<String>,
        /// Time waited.
        timeout: Duration,
    },
    /// Some objects could not be changed.
    #[error("not released: {}", .0.join("; "))]
    NotReleased(Vec<String>),
}

fn cannot(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Error {
    let what = what.into();
    move |source| Error::Kubernetes { what, source }
}

/// Whether the error says that the resource does not exist.
fn is_absent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Why Helm wants nothing released; `None` while it uninstalls this release. Helm keeps one record of each revision, as a
/// Secret or, with another storage driver, as a ConfigMap. The labels say it all.
///
/// # Errors
/// The records cannot be listed.
pub async fn objection_of_helm(
    client: &Client,
    namespace: &str,
    release: &str,
) -> Result<Option<String>, Error> {
    let mut records = records::<Secret>(client, namespace, release).await?;
    records.extend(self::records::<ConfigMap>(client, namespace, release).await?);
    Ok(match records.into_iter().max() {
        Some((_, status)) if status == UNINSTALLING => None,
        Some((revision, status)) => Some(format!(
            "Helm's record of release {namespace}/{release}, revision {revision}, says {status:?}, not {UNINSTALLING:?}"
        )),
        None => Some(format!("Helm has no record of release {namespace}/{release}")),
    })
}

/// The revisions of a Helm release, each with its status.
async fn records<K>(client: &Client, namespace: &str, release: &str) -> Result<Vec<(u32, String)>, Error>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let of_release = ListParams::default().labels(&format!("owner=helm,name={release}"));
    let kind = K::plural(&());
    let list = Api::<K>::namespaced(client.clone(), namespace)
        .list_metadata(&of_release)
        .await
        .map_err(cannot(format!(
            "list Helm's records of release {release} among the {kind}"
        )))?;
    let records = list.items.iter().filter_map(|record| {
        let label = |name: &str| record.labels().get(name);
        Some((label("version")?.parse().ok()?, label("status")?.clone()))
    });
    Ok(records.collect())
}

impl Release {
    /// Says what it does, for somebody who has not agreed yet.
    pub fn explain(&self) -> String {
        let place = match &self.namespaces {
            Namespaces::All => "of all namespaces".into(),
            Namespaces::These(names) => format!("in namespace {}", names.join(", ")),
        };
        let which = match self.selector.selects_all() {
            true => String::new(),
            false => format!(" with the labels {}", self.selector),
        };
        let stop = match &self.deployment {
            Some(name) => format!(
                "scale Deployment {}/{name} to zero and then ",
                self.operator_namespace
            ),
            None => String::new(),
        };
        format!(
            "this would {stop}remove the operator's finalizer from every DocSpaceBackupSchedule{which} {place}; their portals \
             keep their schedules, and nobody checks the backups any more. Nothing was done; add --yes to do it"
        )
    }

    /// Runs all steps and reports each of them.
    ///
    /// # Errors
    /// Objects may still carry the finalizer.
    pub async fn run(&self, client: &Client, tell: impl Fn(String)) -> Result<(), Error> {
        let deadline = Instant::now() + self.timeout;
        let pause = match &self.deployment {
            Some(deployment) => {
                self.end_operator(client, deployment, deadline, &tell).await?;
                PAUSE
            }
            None => LONG_PAUSE,
        };
        let scopes = match &self.namespaces {
            Namespaces::All => vec![Api::all(client.clone())],
            Namespaces::These(names) => names
                .iter()
                .map(|name| Api::namespaced(client.clone(), name))
                .collect(),
        };
        let mut released = BTreeSet::new();
        let mut trouble = Vec::new();
        for api in &scopes {
            let objects = (api, &self.selector);
            trouble.extend(release_all(client, objects, (pause, deadline), &mut released, &tell).await?);
        }
        if !trouble.is_empty() {
            return Err(Error::NotReleased(trouble));
        }
        tell(match released.len() {
            0 => "no object carries the finalizer: nothing to release".into(),
            1 => "1 object released; its portal keeps its schedule".into(),
            n => format!("{n} objects released; their portals keep their schedules"),
        });
        Ok(())
    }

    async fn end_operator(
        &self,
        client: &Client,
        deployment: &str,
        deadline: Instant,
        tell: &impl Fn(String),
    ) -> Result<(), Error> {
        let name = format!("{}/{deployment}", self.operator_namespace);
        let deployments = Api::<Deployment>::namespaced(client.clone(), &self.operator_namespace);
        let found = deployments
            .get_opt(deployment)
            .await
            .map_err(cannot(format!("read Deployment {name}")))?;
        let Some(found) = found else {
            tell(format!("there is no Deployment {name}: nothing to stop"));
            return Ok(());
        };
        match deployments
            .patch_scale(deployment, &PatchParams::default(), &scale_to_none(&found))
            .await
        {
            Ok(_) => tell(format!("Deployment {name} is scaled to zero")),
            Err(error) if is_absent(&error) => tell(format!("Deployment {name} no longer exists")),
            Err(error) => return Err(cannot(format!("scale Deployment {name} to zero"))(error)),
        }

        let pods = Api::<Pod>::namespaced(client.clone(), &self.operator_namespace);
        let own = ListParams::default()
            .labels_from(&Selector::try_from(found.spec.selector).map_err(Error::Selector)?);
        loop {
            let listed = pods
                .list(&own)
                .await
                .map_err(cannot(format!("list the pods of Deployment {name}")))?;
            let running: Vec<_> = listed
                .iter()
                .filter(|pod| runs(pod))
                .map(|pod| pod.name_any())
                .collect();
            if running.is_empty() {
                tell("its pods have terminated".into());
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Error::PodsStay {
                    deployment: name,
                    pods: running,
                    timeout: self.timeout,
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Scales this Deployment only, not one that was created again under its name.
pub fn scale_to_none(deployment: &Deployment) -> Patch<Value> {
    Patch::Merge(json!({"metadata": {"uid": deployment.metadata.uid}, "spec": {"replicas": 0}}))
}

/// A pod that has ended, for example by eviction, may stay listed for a long time.
fn runs(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

/// Passes over the objects until none carries the finalizer; the next pass handles objects that changed meanwhile.
/// Returns the objects that could not be released, and why.
async fn release_all(
    client: &Client,
    (api, selector): (&Api<Metadata>, &Selector),
    (pause, deadline): (Duration, Instant),
    released: &mut BTreeSet<String>,
    tell: &impl Fn(String),
) -> Result<Vec<String>, Error> {
    loop {
        let mut refused = Vec::new();
        let mut found = false;
        let mut piece = ListParams::default().labels_from(selector).limit(PAGE);
        loop {
            let list = match api.list(&piece).await {
                Ok(list) => list,
                Err(error) if is_absent(&error) => {
                    tell("the cluster has no CRD of DocSpaceBackupSchedule: nothing to release".into());
                    return Ok(Vec::new());
                }
                Err(error) => return Err(cannot("list the objects")(error)),
            };
            for object in &list.items {
                if !has_finalizer(object.metadata.finalizers.as_ref()) {
                    continue;
                }
                found = true;
                let name = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
                match release(client, object).await {
                    Ok(()) => {
                        tell(format!("{name} is released"));
                        released.insert(name);
                    }
                    // Changed or deleted meanwhile: the next pass handles it.
                    Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => {}
                    Err(error) => refused.push(format!("{name}: {error}")),
                }
            }
            match list.metadata.continue_ {
                Some(token) if !token.is_empty() => piece = piece.continue_token(&token),
                _ => break,
            }
        }
        if !found {
            return Ok(Vec::new());
        }
        if !refused.is_empty() {
            return Ok(refused);
        }
        if Instant::now() >= deadline {
            return Ok(vec![
                "objects keep getting the finalizer back: an operator still watches them; stop it, or take their namespace \
                 from those that it watches, and run this command again"
                    .into(),
            ]);
        }
        tokio::time::sleep(pause).await;
    }
}

/// Uses the metadata alone, so that an object whose spec cannot be parsed is released, too.
async fn release(client: &Client, object: &Metadata) -> Result<(), kube::Error> {
    let api = Api::namespaced(
        client.clone(),
        object.metadata.namespace.as_deref().unwrap_or_default(),
    );
    finalizer::remove(&api, &object.metadata).await.map(drop)
}
