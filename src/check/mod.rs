//! `check`: what would the operator do? It observes and decides as the operator does, and writes nothing anywhere.

mod command;
mod manifests;
mod report;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, hash_map::Entry},
    io,
};

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
    client::Body,
};

use crate::{
    api::DocSpaceBackupSchedule,
    controller::{
        self, Guarded, Key, Settings,
        preview::{Surroundings, preview},
    },
    portal::{Address, AllowedOrigin, Portals},
    secret::SharedSecret,
};

pub use crate::check::{
    command::command,
    manifests::{Belongs, InvalidManifest, objects},
    report::{Action, Report},
};

/// What a check needs.
pub struct Check {
    /// The client of the Kubernetes API; `None` if there is no cluster.
    pub client: Option<Client>,
    /// Creates portal clients.
    pub portals: Portals,
    /// The operator's settings.
    pub settings: Settings,
    /// Used instead of the key in the objects' Secrets.
    pub key: Option<SharedSecret>,
    /// Whether objects of all namespaces may own a portal's schedule, or those of the object's namespace only.
    pub all_namespaces: bool,
}

/// Why a check failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kubernetes refuses the manifest.
    #[error("Kubernetes refuses {object}: {message}")]
    Refused {
        /// As NAMESPACE/NAME.
        object: String,
        /// Its answer.
        message: String,
    },
    /// A request to Kubernetes failed.
    #[error("cannot {what}")]
    Kubernetes {
        /// The request.
        what: String,
        /// The answer.
        source: kube::Error,
    },
    /// The check ended early.
    #[error("cannot check {object}")]
    Check {
        /// As NAMESPACE/NAME.
        object: String,
        /// Why.
        source: controller::Error,
    },
    /// There is no cluster to read the object from.
    #[error(
        "there is no cluster: neither a kubeconfig nor a pod's service account is found; give --file and --api-key-file"
    )]
    NoCluster,
    /// One key is not for the portals of strangers whose manifests are checked beside.
    #[error(
        "the objects are of several portals ({}), and the key of --api-key-file would go to each; check them one by one, \
         or list the portals with --allowed-origin", .0.join(", ")
    )]
    SeveralPortals(Vec<String>),
}

fn cannot(what: String) -> impl FnOnce(kube::Error) -> Error {
    |source| Error::Kubernetes { what, source }
}

fn shown(object: &DocSpaceBackupSchedule) -> String {
    let namespace = object.namespace().unwrap_or_default();
    format!("{namespace}/{}", object.name_any())
}

const KEY_OF_A_FILE: &str = "The key is from a file, so it is not known whether the object's Secret holds it, and whether \
     that may be sent to this portal";

/// The operator may write the status between the read and the dry run: so often it is tried again.
const CONFLICTS: usize = 3;

/// What was listed, and why it was not, by namespace; of all without one.
type Listed = HashMap<Option<String>, (Vec<Guarded>, Option<String>)>;

/// An object to check.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The object as Kubernetes would have it.
    pub object: DocSpaceBackupSchedule,
    /// What the check could not find out.
    pub notes: Vec<String>,
}

impl Subject {
    /// Without an answer of the API server, an object has no uid, by which objects are told apart.
    fn gets_uid(&mut self, number: usize) {
        let uid = &mut self.object.metadata.uid;
        uid.get_or_insert_with(|| format!("object {number} of this check"));
    }
}

impl Check {
    /// An object of the cluster.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn named(&self, namespace: &str, name: &str) -> Result<Subject, Error> {
        let client = self.client.clone().ok_or(Error::NoCluster)?;
        let api: Api<DocSpaceBackupSchedule> = Api::namespaced(client, namespace);
        let what = format!("read dsbs {namespace}/{name}");
        let object = api.get(name).await.map_err(cannot(what))?;
        let notes = Vec::new();
        Ok(Subject { object, notes })
    }

    /// What a manifest would be if it were applied: with the status of the object in the cluster, validated in a dry run
    /// by the API server, if it can be asked.
    ///
    /// # Errors
    /// Kubernetes refuses the manifest, or does not answer.
    pub async fn manifest(&self, manifest: DocSpaceBackupSchedule) -> Result<Subject, Error> {
        let (object, unvalidated) = self.applied(manifest).await?;
        let note = unvalidated.map(|why| format!("Kubernetes did not validate the manifest: {why}"));
        let notes = note.into_iter().collect();
        Ok(Subject { object, notes })
    }

    /// The text says why the manifest could not be validated.
    async fn applied(
        &self,
        manifest: DocSpaceBackupSchedule,
    ) -> Result<(DocSpaceBackupSchedule, Option<String>), Error> {
        for _ in 0..CONFLICTS {
            match self.applied_once(manifest.clone()).await {
                Err(Error::Kubernetes {
                    source: kube::Error::Api(status),
                    ..
                }) if status.code == 409 => {}
                result => return result,
            }
        }
        self.applied_once(manifest).await
    }

    async fn applied_once(
        &self,
        manifest: DocSpaceBackupSchedule,
    ) -> Result<(DocSpaceBackupSchedule, Option<String>), Error> {
        let Some(client) = self.client.clone() else {
            return Ok((manifest, Some("there is no cluster".into())));
        };
        let (namespace, name) = (manifest.namespace().unwrap_or_default(), manifest.name_any());
        let api: Api<DocSpaceBackupSchedule> = Api::namespaced(client.clone(), &namespace);
        let live = match api.get_opt(&name).await {
            Err(kube::Error::Api(status)) if status.code == 403 => {
                return Ok((manifest, Some(status.message)));
            }
            live => live.map_err(cannot(format!("read dsbs {namespace}/{name}")))?,
        };
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let is_there = live.is_some();
        let object = match live {
            Some(live) => with_spec(live, manifest),
            None => manifest,
        };
        let validated = match is_there {
            true => api.replace(&name, &dry_run, &object).await,
            false => api.create(&dry_run, &object).await,
        };
        match validated {
            Ok(object) => Ok((object, None)),
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => Err(Error::Refused {
                object: shown(&object),
                message: status.message,
            }),
            Err(kube::Error::Api(status)) if status.code == 403 => Ok((object, Some(status.message))),
            Err(kube::Error::Api(status)) if status.code == 404 => {
                let namespaces: Api<Namespace> = Api::all(client);
                let why = match namespaces.get_opt(&namespace).await {
                    Ok(None) => format!("there is no namespace {namespace}"),
                    _ => "the cluster has no CRD DocSpaceBackupSchedule".into(),
                };
                Ok((object, Some(why)))
            }
            Err(error) => Err(cannot(format!("validate {}", shown(&object)))(error)),
        }
    }

    /// Makes sure that a key that is given goes to one portal, or to those that are allowed.
    ///
    /// # Errors
    /// The objects name several portals.
    pub fn sends_its_key_to_one(&self, subjects: &[Subject]) -> Result<(), Error> {
        if self.key.is_none() || !self.settings.origins.allowed.is_empty() {
            return Ok(());
        }
        let portals = subjects.iter().map(|subject| &subject.object.spec.portal);
        let addresses =
            portals.filter_map(|portal| Address::parse(&portal.url, portal.host_header.as_deref()).ok());
        let origins: BTreeSet<_> = addresses
            .map(|address| AllowedOrigin::of(&address).to_string())
            .collect();
        match origins.len() {
            0 | 1 => Ok(()),
            _ => Err(Error::SeveralPortals(origins.into_iter().collect())),
        }
    }

    /// Checks each of them as if all were applied.
    pub async fn all(&self, mut subjects: Vec<Subject>) -> Vec<Result<Report, Error>> {
        for (number, subject) in subjects.iter_mut().enumerate() {
            subject.gets_uid(number);
        }
        let mut listed = Listed::default();
        let mut reports = Vec::new();
        for at in 0..subjects.len() {
            let result = self.one(at, &mut subjects, &mut listed).await;
            reports.push(result);
        }
        reports
    }

    async fn one(&self, at: usize, subjects: &mut [Subject], listed: &mut Listed) -> Result<Report, Error> {
        let Subject { object, mut notes } = subjects[at].clone();
        if self.key.is_some() {
            notes.push(KEY_OF_A_FILE.into());
        }
        let there = Surroundings {
            client: self.client.clone().unwrap_or_else(no_cluster),
            others: self.others(&object, subjects, listed, &mut notes).await?,
            settings: self.settings.clone(),
            portals: self.portals.clone(),
            key: self.key.clone(),
        };
        let preview = preview(&object, there).await.map_err(|source| Error::Check {
            object: shown(&object),
            source,
        })?;
        // What the next ones find.
        if let Some(status) = &preview.status {
            subjects[at].object.status = Some(status.clone());
        }
        Ok(Report::new(&object, preview, notes))
    }

    /// The other objects that the operator handles: those of the cluster, and those that are checked with this one.
    async fn others(
        &self,
        object: &DocSpaceBackupSchedule,
        subjects: &[Subject],
        listed: &mut Listed,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Guarded>, Error> {
        let namespace = object.namespace().unwrap_or_default();
        let scope = (!self.all_namespaces).then_some(&namespace);
        let (there, note) = match listed.entry(scope.cloned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(self.list(scope).await?),
        };
        notes.extend(note.clone());
        let are_checked: HashSet<_> = subjects.iter().map(|subject| Key::of(&subject.object)).collect();
        let there = there
            .iter()
            .filter(|other| !are_checked.contains(&Key::of(*other)));
        let checked = subjects.iter().map(|subject| &subject.object).filter(|other| {
            Key::of(*other) != Key::of(object)
                && (self.all_namespaces || other.namespace().as_ref() == Some(&namespace))
        });
        let checked = checked.cloned().map(Guarded::from);
        Ok(there.cloned().chain(checked).collect())
    }

    /// The objects of a namespace, or of all. The text says why they are not known.
    async fn list(&self, namespace: Option<&String>) -> Result<(Vec<Guarded>, Option<String>), Error> {
        let Some(client) = self.client.clone() else {
            let note = "Other objects of the portal are not known: there is no cluster";
            return Ok((Vec::new(), Some(note.into())));
        };
        let api: Api<Guarded> = match namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        };
        let params = ListParams {
            label_selector: self.settings.labels(),
            ..ListParams::default()
        };
        match api.list(&params).await {
            Ok(list) => Ok((list.items, None)),
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {
                let note = format!("Other objects of the portal are not known: {}", status.message);
                Ok((Vec::new(), Some(note)))
            }
            Err(error) => Err(cannot("list the other objects".into())(error)),
        }
    }
}

/// The object of the cluster with the spec of the manifest, whose annotations and labels are added.
fn with_spec(live: DocSpaceBackupSchedule, manifest: DocSpaceBackupSchedule) -> DocSpaceBackupSchedule {
    let mut object = live;
    if object.spec != manifest.spec {
        object.spec = manifest.spec;
        // As Kubernetes counts.
        object.metadata.generation = object.metadata.generation.map(|generation| generation + 1);
    }
    let add = |to: &mut Option<BTreeMap<_, _>>, more: Option<BTreeMap<String, String>>| {
        to.get_or_insert_default().extend(more.unwrap_or_default());
    };
    add(&mut object.metadata.annotations, manifest.metadata.annotations);
    add(&mut object.metadata.labels, manifest.metadata.labels);
    object
}

/// A client that answers each request with an error.
fn no_cluster() -> Client {
    let refuse = |_: http::Request<Body>| async {
        Err::<http::Response<Body>, _>(io::Error::new(io::ErrorKind::NotConnected, "there is no cluster"))
    };
    Client::new(tower::service_fn(refuse), "default")
}
