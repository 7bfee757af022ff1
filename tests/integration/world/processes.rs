//! The operator of a world: one process, or two that are stopped or killed repeatedly.

use std::path::{Path, PathBuf};

use harness::{Operator, log_of};

use super::{OPERATOR, replicas::Replicas};

/// The operator of a world.
pub struct Processes {
    kubeconfig: PathBuf,
    namespace: String,
    one: Option<Operator>,
    /// Used instead if there are two processes.
    replicas: Option<Replicas>,
}

impl Processes {
    /// No process runs yet.
    pub fn new(kubeconfig: &Path, namespace: &str, replicas: Option<Replicas>) -> Self {
        Self {
            kubeconfig: kubeconfig.into(),
            namespace: namespace.into(),
            one: None,
            replicas,
        }
    }

    /// Starts it with these arguments.
    pub async fn start(&mut self, arguments: &[&str]) {
        match &mut self.replicas {
            Some(replicas) => replicas.start(&self.kubeconfig, &self.namespace, arguments).await,
            None => self.one = Some(self.another(arguments).await),
        }
    }

    /// An additional process.
    pub async fn another(&self, arguments: &[&str]) -> Operator {
        Operator::start(OPERATOR, &self.kubeconfig, &self.namespace, arguments).await
    }

    /// The kubeconfig of its account.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// It uses this kubeconfig from now on.
    pub fn set_kubeconfig(&mut self, kubeconfig: PathBuf) {
        self.kubeconfig = kubeconfig;
    }

    /// The one process.
    pub fn only(&self) -> &Operator {
        self.one.as_ref().expect("a test of one process that runs")
    }

    /// The one process.
    pub fn only_mut(&mut self) -> &mut Operator {
        self.one.as_mut().expect("a test of one process that runs")
    }

    /// The log of all processes.
    pub fn log(&self) -> String {
        log_of(&self.namespace)
    }

    /// Ends it with SIGTERM, and expects exit code 0 within 10 seconds.
    pub async fn stop(&mut self) {
        match &mut self.replicas {
            Some(replicas) => replicas.stop().await,
            None => self.only_mut().stop().await,
        }
    }

    /// Kills it with SIGKILL.
    pub async fn kill(&mut self) {
        match &mut self.replicas {
            Some(replicas) => replicas.kill().await,
            None => self.only_mut().kill().await,
        }
    }

    /// Starts it again; kills it first if it still runs.
    pub async fn restart(&mut self) {
        match &mut self.replicas {
            Some(replicas) => replicas.restart().await,
            None => self.only_mut().restart().await,
        }
    }

    /// The number of leaders that were ended; always 0 with one process.
    pub fn turns(&self) -> u64 {
        self.replicas.as_ref().map_or(0, Replicas::turns)
    }

    /// Whether it is a single process that only the test ends.
    pub fn stays(&self) -> bool {
        self.replicas.is_none()
    }

    /// Fails if the task that ends the leaders has failed.
    pub fn check(&self) {
        if let Some(replicas) = &self.replicas {
            replicas.check();
        }
    }
}
