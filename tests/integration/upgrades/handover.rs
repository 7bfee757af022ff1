//! One replica of the operator after another, as a rolling update starts and ends them.

use std::{path::PathBuf, time::Instant};

use harness::{DEADLINE, Operator, wait_for};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;

use super::stage::Stage;
use crate::world::{
    replicas::{ELECTION, holder},
    rights::ACCOUNT,
};

/// A replica of the operator.
pub struct Replica {
    /// Its pod: its identity on the Lease begins so.
    pub pod: &'static str,
    /// Its program.
    pub program: PathBuf,
}

impl Replica {
    /// Starts it, and waits until it leads.
    pub async fn begins(&self, stage: &Stage) -> Operator {
        let operator = self.stands_by(stage).await;
        self.leads(stage).await;
        operator
    }

    /// Starts it while another one leads, ends that, and waits until this one leads; tells since when it is alone.
    pub async fn takes_over(&self, mut from: Operator, stage: &Stage) -> (Operator, Instant) {
        let operator = self.stands_by(stage).await;
        from.stop().await;
        let since = Instant::now();
        self.leads(stage).await;
        (operator, since)
    }

    async fn stands_by(&self, stage: &Stage) -> Operator {
        let arguments: Vec<_> = ELECTION.split(' ').collect();
        let world = &stage.world;
        let (kubeconfig, namespace) = (world.operator.kubeconfig(), world.namespace.name());
        let operator =
            Operator::start_as(Some(self.pod), &self.program, kubeconfig, namespace, &arguments).await;
        operator.stands().await;
        operator
    }

    async fn leads(&self, stage: &Stage) {
        let mine = |lease: &Lease| holder(lease).starts_with(&format!("{}_", self.pod));
        wait_for(&leases(stage), ACCOUNT, DEADLINE, mine).await;
    }
}

/// The Lease is in the namespace of the objects.
pub fn leases(stage: &Stage) -> Api<Lease> {
    Api::namespaced(stage.world.client.clone(), stage.world.namespace.name())
}
