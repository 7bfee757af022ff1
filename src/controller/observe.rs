//! Step 1, observe: learns the facts that `decide` asks for, each at most once in a reconcile.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{DocSpaceBackupSchedule, ManagementPolicy},
    controller::{
        context::Context,
        discovery::crd_is_going,
        error::Error,
        fetch::fetch,
        index::SlotGuard,
        key::Key,
        metrics::KubeOperation,
        secrets::{self, Reader},
        turns::{unless_crowded, unless_slow},
    },
    error::chain,
    portal::{Access, Credential, Portal, PortalError},
    rules::{
        facts::{Asked, Facts},
        lost_write::LostWrite,
        memory::{Lost, Memory, Resolved, Trigger, Written},
        ownership::enforces,
        plan::Need,
        reason::{Reason, Verdict},
        recall::recall,
        resolved::{take_lost_write, take_resolved},
    },
    schedule::Schedule,
};

/// An object waits at most this long for the check of objects that may have precedence.
const OTHERS_GO_FIRST: Duration = Duration::from_secs(60);

/// One reconcile's view of an object and its portal.
pub struct Observation<'a> {
    pub(super) context: &'a Context,
    /// The object; its status may be one that Kubernetes has not taken yet.
    pub(super) object: &'a DocSpaceBackupSchedule,
    /// The object as Kubernetes has it.
    pub(super) actual: &'a DocSpaceBackupSchedule,
    pub(super) memory: &'a mut Memory,
    /// The facts for `decide`.
    pub facts: Facts<'a>,
    /// Set once the Secrets are known.
    portal: Option<Portal>,
    /// Held once the portal is known by its key, because another object may reach it at another address.
    portal_lock: Option<SlotGuard>,
    /// Cancelled when a held lock must not be waited for.
    crowded: &'a CancellationToken,
}

impl<'a> Observation<'a> {
    /// Starts with the facts from status and memory.
    pub fn new(
        context: &'a Context,
        [object, actual]: [&'a DocSpaceBackupSchedule; 2],
        memory: &'a mut Memory,
        (trigger, crowded): (&Trigger, &'a CancellationToken),
    ) -> Self {
        let mut facts = recall(object, memory, trigger.slot.clone(), Timestamp::now());
        // A deletion concerns the object's own writes only.
        if facts.lost_write == LostWrite::None && facts.deletion.is_none() {
            facts.lost_write = context.index.recorded_lost_write(object);
        }
        let lost = lost_write(context, object).map(|lost| lost.as_fact(false));
        facts.lost_write = lost.unwrap_or(facts.lost_write);
        Self {
            context,
            object,
            actual,
            memory,
            facts,
            portal: None,
            portal_lock: None,
            crowded,
        }
    }

    /// Learns a fact.
    ///
    /// # Errors
    /// Kubernetes did not answer, or the operator is stopping. A portal's failure is a fact, not an error.
    pub async fn learn(&mut self, need: Need) -> Result<(), Error> {
        match need {
            Need::CrdState => {
                self.facts.crd_going = Some(crd_is_going(&self.context.client()).await);
            }
            Need::Secrets => self.learn_secrets().await?,
            Need::Access => self.learn_access().await?,
            need => self.learn_from_portal(need).await?,
        }
        Ok(())
    }

    async fn learn_secrets(&mut self) -> Result<(), Error> {
        let generation = self.object.metadata.generation.unwrap_or_default();
        // Objects that wait for this check need the current key, even if the watch lags behind.
        let awaited = !self.context.index.waiting(&Key::of(self.object)).is_empty();
        let fresh = self.memory.resolved.as_ref().filter(|(of, resolved)| {
            !awaited
                && *of == generation
                && resolved.versions.iter().all(|(name, version)| {
                    self.context.secret_version(self.object, name).as_ref() == Some(version)
                })
        });
        let resolved = match fresh {
            Some((_, resolved)) => Ok(resolved.clone()),
            None => self.read_secrets().await,
        };
        self.memory.is_resolved = resolved.is_ok();
        self.facts.wanted = Some(match resolved {
            Ok(resolved) => {
                self.facts.secret_versions = secrets::of_storage(&self.object.spec, &resolved);
                let lost = lost_write(self.context, self.object);
                take_resolved(
                    &mut self.facts,
                    self.memory,
                    self.object,
                    &resolved,
                    lost.as_ref(),
                );
                let wanted = resolved.wanted.clone();
                let connected = self.connect(&resolved.access, Some(&wanted));
                self.facts.access = connected.is_ok().then_some(Ok(resolved.access));
                connected.map(|()| wanted)
            }
            Err(secrets::Error::Refused(verdict)) => Err(verdict),
            Err(secrets::Error::Kubernetes {
                name,
                source: kube::Error::Api(status),
            }) if status.code == 403 => {
                let message = format!(
                    "The operator may not read Secret {name}; grant it that right ({})",
                    status.message
                );
                Err(Verdict::new(Reason::SecretMissing, message))
            }
            Err(error @ secrets::Error::Kubernetes { .. }) => return Err(error.into()),
        });
        Ok(())
    }

    async fn read_secrets(&self) -> Result<Resolved, secrets::Error> {
        let read = reader(self.context, self.object)?.resolve().await;
        self.counted(read)
    }

    /// Counts failures of Kubernetes.
    fn counted<T>(&self, read: Result<T, secrets::Error>) -> Result<T, secrets::Error> {
        if let Err(secrets::Error::Kubernetes { source, .. }) = &read {
            self.context.metrics.refused(KubeOperation::Secret, source);
        }
        read
    }

    /// Whether the Secrets have the values that the last check used, although their versions differ. Then the new
    /// versions are remembered.
    pub async fn has_same_secrets(
        context: &Context,
        object: &DocSpaceBackupSchedule,
        memory: &mut Memory,
    ) -> bool {
        let generation = object.metadata.generation.unwrap_or_default();
        let read = match reader(context, object) {
            Ok(reader) => reader.resolve().await.ok(),
            Err(_) => None,
        };
        match (&mut memory.resolved, read) {
            (Some((of, before)), Some(now)) if *of == generation && before.has_values_of(&now) => {
                // The values stay, because others share them.
                before.versions = now.versions;
                true
            }
            _ => false,
        }
    }

    /// For a deletion: if the Secret is already gone, uses the access that the portal accepted last.
    async fn learn_access(&mut self) -> Result<(), Error> {
        let remembered = self.memory.resolved.as_ref();
        let remembered = remembered.map(|(_, resolved)| resolved.wanted.clone());
        let mut reader = reader(self.context, self.object);
        let access = match &mut reader {
            Ok(reader) => {
                let access = reader.access().await;
                self.counted(access)
            }
            Err(verdict) => Err(verdict.clone().into()),
        };
        let unread = match access {
            Ok(access) => {
                // The storage secrets are needed only to hide them in answers; the deletion works without.
                let wanted = match (remembered, reader) {
                    (None, Ok(reader)) => {
                        let resolved = reader.resolve().await;
                        self.counted(resolved).ok().map(|resolved| resolved.wanted)
                    }
                    (remembered, _) => remembered,
                };
                let connected = self.connect(&access, wanted.as_ref());
                if let Some(wanted) = wanted {
                    let written = Written::new(&wanted, &access.address);
                    take_lost_write(
                        &mut self.facts,
                        lost_write(self.context, self.object).as_ref(),
                        &written,
                    );
                    self.facts.wanted = Some(Ok(wanted));
                }
                self.facts.access = Some(connected.map(|()| access));
                return Ok(());
            }
            Err(secrets::Error::Refused(verdict)) => verdict,
            // A deletion must not be blocked by a failure of Kubernetes.
            Err(error) => Verdict::new(Reason::SecretMissing, chain(&error)),
        };
        let accepted = self
            .memory
            .accepted
            .clone()
            .filter(|_| unread.reason == Reason::SecretMissing);
        self.facts.access = Some(match accepted {
            Some(accepted) => self.connect(&accepted, remembered.as_ref()).map(|()| accepted),
            None => Err(unread),
        });
        Ok(())
    }

    /// Connects to the portal. The secrets of `wanted` are hidden in its answers.
    fn connect(&mut self, access: &Access, wanted: Option<&Schedule>) -> Result<(), Verdict> {
        let portal = self.open(access, wanted);
        self.portal = Some(portal.map_err(|error| Verdict::from(&error))?);
        let accepted = self.memory.accepted.as_ref();
        self.facts.key_exchanged =
            accepted.is_some_and(|accepted| accepted.key.expose_secret() != access.key.expose_secret());
        let former = self.context.index.uses_key(self.object, &access.key);
        self.context.wake(former);
        self.facts.slot = self.context.index.standing(self.object);
        Ok(())
    }

    /// Reads from the portal; dropped when the operator is stopping.
    async fn learn_from_portal(&mut self, need: Need) -> Result<(), Error> {
        let Some(portal) = self.portal.clone() else {
            // Reading them connects to the portal, or gives the verdict.
            return self.learn_secrets().await;
        };
        let read = unless_slow(self.crowded, fetch(&portal, need, &mut self.facts));
        let read = self.context.stop.run_until_cancelled(read).await;
        read.ok_or(Error::Stopping)?.ok_or(Error::Crowded)?;
        match need {
            Need::Schedule if matches!(self.facts.held, Asked::Answered(_)) => {
                let access = self.facts.access.as_ref();
                self.memory.accepted = access.and_then(|access| access.as_ref().ok()).cloned();
                self.context.wake(self.context.index.accept(self.object));
            }
            Need::Identity => self.recognize().await?,
            _ => {}
        }
        Ok(())
    }

    /// Two addresses with the same key are one portal with one slot.
    async fn recognize(&mut self) -> Result<(), Error> {
        let identity = self.facts.identity.as_ref();
        let Some(Credential::ApiKey(key)) = identity.and_then(|identity| identity.credential.as_ref()) else {
            return Ok(());
        };
        let lock = self.context.index.recognize(self.object, &key.id);
        // Observers need no lock: they write nothing.
        if enforces(&self.object.spec) {
            let lock = unless_crowded(self.crowded, lock.lock()).await;
            self.portal_lock = Some(lock.ok_or(Error::Crowded)?);
        }
        self.facts.slot = self.context.index.standing(self.object);
        self.recall_lost_write();
        Ok(())
    }

    /// Recalls a lost write of others to this portal.
    fn recall_lost_write(&mut self) {
        // A deletion concerns the object's own writes only.
        if self.facts.lost_write == LostWrite::None && self.facts.deletion.is_none() {
            let index = &self.context.index;
            let ours = index.lost_write(self.object).map(|lost| lost.as_fact(false));
            self.facts.lost_write = ours.unwrap_or_else(|| index.recorded_lost_write(self.object));
        }
    }

    /// Waits, for a limited time, until this process has checked objects that may have precedence on the slot.
    ///
    /// # Errors
    /// Others must be checked first.
    pub fn let_others_go_first(&mut self) -> Result<(), Error> {
        let spec = &self.object.spec;
        if spec.suspend || spec.management_policy == ManagementPolicy::Observe {
            return Ok(());
        }
        let others = self.context.index.wait_for_others(self.object);
        if others.is_empty() {
            return Ok(());
        }
        let since = *self
            .memory
            .lets_others_go_first_since
            .get_or_insert_with(Instant::now);
        let left = OTHERS_GO_FIRST.saturating_sub(since.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        // The key is read again later, so that the status records it: other processes rely on the status.
        self.context.index.unrecognize(self.object);
        self.context.wake(others.into_iter().collect());
        Err(Error::OthersFirst(left))
    }

    /// The portal for this access.
    ///
    /// # Errors
    /// The access cannot be used.
    pub(super) fn portal(&self, access: &Access) -> Result<Portal, PortalError> {
        match &self.portal {
            Some(portal) => Ok(portal.clone()),
            None => {
                let wanted = self.facts.wanted.as_ref();
                self.open(access, wanted.and_then(|wanted| wanted.as_ref().ok()))
            }
        }
    }

    /// A portal client that hides the secrets of `wanted` in answers.
    fn open(&self, access: &Access, wanted: Option<&Schedule>) -> Result<Portal, PortalError> {
        let portal = self.context.portals.portal(access)?;
        Ok(match wanted {
            Some(wanted) => portal.without_secrets_of(wanted),
            None => portal,
        })
    }
}

/// The write of this process to the object's slot with an unknown outcome; for a deletion, only the object's own.
fn lost_write(context: &Context, object: &DocSpaceBackupSchedule) -> Option<Lost> {
    let deleting = object.metadata.deletion_timestamp.is_some();
    let lost = context.index.lost_write(object);
    lost.filter(|lost| !deleting || lost.by == object.metadata.uid)
}

/// A reader of the Secrets that the object names.
fn reader<'a>(context: &'a Context, object: &'a DocSpaceBackupSchedule) -> Result<Reader<'a>, Verdict> {
    let reader = Reader::new(
        context.client(),
        object.metadata.namespace.as_deref().unwrap_or_default(),
        &object.spec,
        &context.settings.origins,
        &context.secret_limits,
    )?;
    Ok(reader.with_key(context.given_key.as_ref()))
}
