//! The task that holds or awaits the Lease, in rounds with a deadline.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, ResourceExt,
    api::{ObjectMeta, PostParams},
};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    error::chain,
    lease::{
        Term, Times, clock,
        lost::Lost,
        step::{Step, View, step},
    },
};

/// A candidate or leader.
pub struct Candidate {
    leases: Api<Lease>,
    name: String,
    me: String,
    times: Times,
    term: watch::Sender<Option<Term>>,
    /// For a leader: when it sent its last successful renewal.
    renewed: Option<Duration>,
    /// The Lease as last seen, and since when it is unchanged.
    seen: Option<(LeaseSpec, Duration)>,
    /// The last logged trouble, to avoid repetition.
    trouble: Option<String>,
}

impl Candidate {
    /// A new candidate with a unique identity; it publishes its term in `term`.
    pub fn new(leases: Api<Lease>, name: &str, times: Times, term: watch::Sender<Option<Term>>) -> Self {
        Self {
            leases,
            name: name.into(),
            me: identity(),
            times,
            term,
            renewed: None,
            seen: None,
            trouble: None,
        }
    }

    /// Its identity.
    pub fn me(&self) -> &str {
        &self.me
    }

    /// Runs rounds until it must release the Lease, and then releases it.
    ///
    /// # Errors
    /// It lost the lease.
    pub async fn run(mut self, give_up: CancellationToken) -> Result<(), Lost> {
        while !give_up.is_cancelled() {
            // A process that was paused notices the lost lease here, before it asks Kubernetes.
            let left = self.left()?;
            // Two rounds fit into the deadline; the second one uses a new connection.
            let limit = left.min(self.times.renew_deadline / 2);
            let trouble = match timeout(limit, self.round()).await {
                Ok(Ok(())) => None,
                Ok(Err(Error::Lost(lost))) => return Err(lost),
                // Another process was faster; the next read shows which.
                Ok(Err(Error::Kubernetes(kube::Error::Api(status)))) if status.code == 409 => None,
                Ok(Err(Error::Kubernetes(error))) => Some(chain(&error)),
                Err(_) => Some(format!("no answer within {limit:?}")),
            };
            self.report(trouble);
            let wait = self.times.retry_period.min(self.left()?);
            give_up.run_until_cancelled(tokio::time::sleep(wait)).await;
        }
        self.hand_over().await
    }

    /// How long it may continue without a renewal.
    fn left(&self) -> Result<Duration, Lost> {
        let ago = self.renewed_ago().unwrap_or_default();
        match self.times.renew_deadline.checked_sub(ago) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err(Lost::NotRenewed(ago)),
        }
    }

    fn renewed_ago(&self) -> Option<Duration> {
        self.renewed.map(|renewed| clock::now().saturating_sub(renewed))
    }

    /// Reads the Lease and does the next step.
    async fn round(&mut self) -> Result<(), Error> {
        let lease = self.leases.get_opt(&self.name).await?;
        let unchanged_for = self.note(lease.as_ref());
        let view = View {
            me: &self.me,
            lease: lease.as_ref().and_then(|lease| lease.spec.as_ref()),
            unchanged_for,
            renewed_ago: self.renewed_ago(),
        };
        let step = step(view, &self.times);
        match (step, lease) {
            (Step::End(lost), _) => Err(Error::Lost(lost)),
            (Step::Wait, _) => Ok(()),
            (Step::Create, None) => self.hold(None, false).await,
            // The Lease exists, with an empty spec.
            (Step::Create, Some(lease)) => self.hold(Some(lease), false).await,
            (Step::Take { given_up }, lease) => self.hold(lease, given_up).await,
            (Step::Renew, lease) => self.hold(lease, false).await,
        }
    }

    /// Remembers the Lease, and returns for how long it is unchanged.
    fn note(&mut self, lease: Option<&Lease>) -> Duration {
        let now = clock::now();
        let Some(spec) = lease.and_then(|lease| lease.spec.as_ref()) else {
            self.seen = None;
            return Duration::ZERO;
        };
        if let Some((seen, since)) = &self.seen
            && seen == spec
        {
            return now.saturating_sub(*since);
        }
        let holder = |spec: &LeaseSpec| spec.holder_identity.clone().unwrap_or_default();
        let before = self.seen.replace((spec.clone(), now));
        let leader = holder(spec);
        if !leader.is_empty()
            && leader != self.me
            && before.is_none_or(|(before, _)| holder(&before) != leader)
        {
            tracing::info!(leader, "another operator leads; standing by");
        }
        Duration::ZERO
    }

    /// Writes itself into the Lease, if the Lease is unchanged.
    async fn hold(&mut self, lease: Option<Lease>, given_up: bool) -> Result<(), Error> {
        let before = lease
            .as_ref()
            .and_then(|lease| lease.spec.clone())
            .unwrap_or_default();
        let now = Some(MicroTime(Timestamp::now()));
        let same = before.holder_identity.as_ref() == Some(&self.me);
        let spec = LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: Some(whole_seconds(self.times.duration)),
            acquire_time: if same { before.acquire_time } else { now.clone() },
            renew_time: now,
            lease_transitions: Some(
                before
                    .lease_transitions
                    .unwrap_or(-1)
                    .saturating_add(i32::from(!same)),
            ),
            ..LeaseSpec::default()
        };
        let sent = clock::now();
        let written = self.write(lease, spec).await?;
        self.note(Some(&written));

        let begins = match *self.term.borrow() {
            Some(term) => term.begins,
            None if given_up => sent,
            None => sent + self.times.renew_deadline,
        };
        if self.renewed.replace(sent).is_none() {
            let wait = begins.saturating_sub(sent);
            tracing::info!(identity = self.me, ?wait, "leading; writes begin after the wait");
        }
        let ends = sent + self.times.duration;
        self.term.send_replace(Some(Term { begins, ends }));
        Ok(())
    }

    async fn write(&self, lease: Option<Lease>, spec: LeaseSpec) -> Result<Lease, kube::Error> {
        match lease {
            Some(mut lease) => {
                debug_assert!(lease.resource_version().is_some());
                lease.spec = Some(spec);
                self.leases
                    .replace(&self.name, &PostParams::default(), &lease)
                    .await
            }
            None => {
                let lease = Lease {
                    metadata: ObjectMeta {
                        name: Some(self.name.clone()),
                        ..ObjectMeta::default()
                    },
                    spec: Some(spec),
                };
                self.leases.create(&PostParams::default(), &lease).await
            }
        }
    }

    /// Releases the Lease at once.
    async fn hand_over(self) -> Result<(), Lost> {
        self.term.send_replace(None);
        if self.renewed.is_none() {
            return Ok(());
        }
        let handed_over = async {
            let lease = self.leases.get(&self.name).await?;
            let Some(spec) = &lease.spec else { return Ok(()) };
            if spec.holder_identity.as_ref() != Some(&self.me) {
                return Ok(());
            }
            let spec = LeaseSpec {
                holder_identity: Some(String::new()),
                lease_duration_seconds: Some(1),
                renew_time: Some(MicroTime(Timestamp::now())),
                ..spec.clone()
            };
            self.write(Some(lease), spec).await.map(drop)
        };
        match handed_over.await {
            Ok(()) => tracing::info!("the lease is released"),
            Err(error) => {
                tracing::warn!(error = chain(&error), "cannot release the lease");
                return Err(Lost::Failed);
            }
        }
        Ok(())
    }

    /// Logs trouble with the Lease when it begins, changes and ends.
    fn report(&mut self, trouble: Option<String>) {
        if self.trouble == trouble {
            return;
        }
        match &trouble {
            Some(trouble) => tracing::warn!(lease = self.name, trouble, "cannot read or renew the Lease"),
            None => tracing::info!(lease = self.name, "the Lease can be read and renewed again"),
        }
        self.trouble = trouble;
    }
}

/// Why a round fails or ends the task.
#[derive(Debug)]
enum Error {
    Lost(Lost),
    Kubernetes(kube::Error),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kubernetes(error)
    }
}

/// The name of the pod or machine, with a suffix unique to this process.
fn identity() -> String {
    let host = std::env::var("POD_NAME")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
    format!("{host}_{:016x}", fastrand::u64(..))
}

/// Rounded up, because Kubernetes has no fractions: others should rather wait too long.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    seconds.try_into().unwrap_or(i32::MAX)
}
