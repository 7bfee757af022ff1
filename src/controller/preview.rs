//! What a reconcile would do: it observes and decides as a reconcile does, and writes nothing anywhere.

use std::collections::HashMap;

use kube::Client;
use tokio::sync::{mpsc::unbounded_channel, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{DocSpaceBackupSchedule, Status, condition},
    controller::{
        context::{Begin, Context, pace},
        error::Error,
        index::Source,
        metrics::Metrics,
        observe::Observation,
        requests::Requests,
        settings::Settings,
        watched::Guarded,
    },
    portal::{PortalError, Portals},
    rules::{
        decide::decide,
        facts::{Asked, Facts},
        memory::Memory,
        note::Note,
        outcome::{Kept, in_sync, suspended},
        plan::{Plan, Step},
        summary::summary,
    },
    schedule::Held,
    secret::SharedSecret,
};

/// Where a preview looks.
pub struct Surroundings {
    /// The client of the Kubernetes API, for Secrets.
    pub client: Client,
    /// The other objects that the operator handles: one of them may own the portal's schedule.
    pub others: Vec<Guarded>,
    /// The settings.
    pub settings: Settings,
    /// Creates portal clients.
    pub portals: Portals,
    /// Used instead of the key in the object's Secret.
    pub key: Option<SharedSecret>,
}

/// What a reconcile would do.
#[derive(Debug)]
pub struct Preview {
    /// The plan.
    pub plan: Plan,
    /// What differs between manifest and portal, a line for each field; empty also if that is unknown.
    pub difference: Vec<String>,
    /// The archives that the portal lists; `None` if the plan does not depend on them.
    pub archives: Option<Result<usize, PortalError>>,
    /// The status that the operator would write. After a write: if the portal accepts and shows the schedule. `None` if
    /// the object would be gone.
    pub status: Option<Status>,
    /// The Events that it would publish with it.
    pub notes: Vec<Note>,
}

/// Previews the reconcile of an object.
///
/// # Errors
/// Kubernetes did not answer. A portal's failure is a plan: to change nothing and to report it.
pub async fn preview(object: &DocSpaceBackupSchedule, there: Surroundings) -> Result<Preview, Error> {
    let context = context(there)?;
    context.index.file(Guarded::from(object.clone()), Source::Watch);
    let (mut memory, never) = (Memory::default(), CancellationToken::new());
    let trigger = context.trigger(object);
    let mut observation = Observation::new(&context, [object, object], &mut memory, (&trigger, &never));
    let plan = loop {
        match decide(&observation.facts) {
            Step::Ask(need) => observation.learn(need).await?,
            Step::Do(plan) => break plan,
        }
    };
    let Observation {
        mut facts, memory, ..
    } = observation;
    let difference = difference(&facts);
    let archives = match &facts.archives {
        Asked::NotYet => None,
        Asked::Answered(archives) => Some(Ok(archives.len())),
        Asked::Failed(error) => Some(Err(error.clone())),
    };
    let kept = foretell(&plan, &mut facts);
    let pace = pace(context.interval(object));
    let summary = summary(object, &facts, &kept, memory, pace);
    let is_gone = match &plan {
        Plan::Delete { .. } | Plan::Release(_) => true,
        // It is deleted, and our finalizer is gone already.
        Plan::Nothing => object.metadata.deletion_timestamp.is_some(),
        _ => false,
    };
    Ok(Preview {
        plan,
        difference,
        archives,
        status: (!is_gone).then_some(summary.status),
        notes: summary.notes,
    })
}

/// A context that knows the other objects, and starts nothing.
fn context(there: Surroundings) -> kube::Result<Context> {
    let Surroundings { client, others, .. } = there;
    let (wakes, _) = unbounded_channel();
    let (_, filled) = watch::channel(false);
    let context = Context {
        given_key: there.key,
        ..Context::from(Begin {
            requests: Requests::new(move || Ok(client.clone()))?,
            settings: there.settings,
            portals: there.portals,
            metrics: Metrics::default(),
            wakes,
            listed: HashMap::new(),
            filled,
            stop: CancellationToken::new(),
        })
    };
    for other in others {
        context.index.file(other.clone(), Source::Watch);
        // As if this process had read its portal: the claim of another namespace counts only then.
        if let Ok(other) = &other.object
            && condition(other.status.as_ref(), "CredentialsValid")
                .is_some_and(|valid| valid.status == "True")
        {
            context.index.accept(other);
        }
    }
    Ok(context)
}

fn difference(facts: &Facts<'_>) -> Vec<String> {
    match (&facts.wanted, &facts.held) {
        (Some(Ok(wanted)), Asked::Answered(held)) => {
            wanted.difference(held.as_ref().map(|held| &held.schedule)).lines
        }
        _ => Vec::new(),
    }
}

/// What a reconcile reports once it has carried out the plan, without a failure on the way.
fn foretell(plan: &Plan, facts: &mut Facts<'_>) -> Kept {
    match plan {
        Plan::Refuse(verdict) => Kept::of(verdict.clone()),
        Plan::Suspend => Kept::of(suspended()),
        Plan::Adopt(reason) => Kept {
            applied: Some(*reason),
            ..Kept::of(in_sync())
        },
        Plan::Write(write) => {
            facts.held = Asked::Answered(Some(Held {
                schedule: write.wanted.clone(),
                last_backup_time: None,
            }));
            Kept {
                applied: Some(write.reason),
                replaced: write.over.clone(),
                ..Kept::of(in_sync())
            }
        }
        // A deletion leaves no status.
        Plan::Nothing | Plan::Delete { .. } | Plan::Release(_) => Kept::of(in_sync()),
    }
}
