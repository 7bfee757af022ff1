//! The operator as users run it: the real binary in a separate process.

use std::{
    env,
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    time::{sleep, timeout},
};

use crate::{DEADLINE, control_plane, http_get};

/// Time limit for the operator to stop; it promises 10 s.
const END: Duration = Duration::from_secs(12);

/// `docspace-backup-operator run` for one namespace. It is killed when this is dropped or the test process ends.
pub struct Operator {
    /// A program and its arguments that become the operator, such as prlimit; empty for none.
    through: Vec<String>,
    binary: PathBuf,
    kubeconfig: PathBuf,
    namespace: String,
    arguments: Vec<String>,
    pod: Option<String>,
    running: Option<Running>,
}

struct Running {
    /// Its standard input takes names of signals; closing it kills the program.
    supervisor: Child,
    signals: ChildStdin,
    id: u32,
    /// Length of the log before this run.
    log_from: usize,
}

impl Operator {
    /// Starts the operator for this namespace, with loopback portals allowed and these additional arguments.
    ///
    /// `binary` is `env!("CARGO_BIN_EXE_docspace-backup-operator")` in an integration test. The operator does not
    /// inherit its own environment variables from the test.
    pub async fn start(
        binary: impl AsRef<Path>,
        kubeconfig: &Path,
        namespace: &str,
        arguments: &[&str],
    ) -> Self {
        Self::start_with(&[], None, binary, kubeconfig, namespace, arguments).await
    }

    /// The same through another program, with its arguments, that prepares the process and then becomes the operator
    /// (exec): prlimit, or unshare.
    pub async fn start_through(
        through: &[&str],
        binary: impl AsRef<Path>,
        kubeconfig: &Path,
        namespace: &str,
        arguments: &[&str],
    ) -> Self {
        Self::start_with(through, None, binary, kubeconfig, namespace, arguments).await
    }

    /// The same with this pod name, which is the prefix of its identity on a Lease.
    pub async fn start_as(
        pod: Option<&str>,
        binary: impl AsRef<Path>,
        kubeconfig: &Path,
        namespace: &str,
        arguments: &[&str],
    ) -> Self {
        Self::start_with(&[], pod, binary, kubeconfig, namespace, arguments).await
    }

    async fn start_with(
        through: &[&str],
        pod: Option<&str>,
        binary: impl AsRef<Path>,
        kubeconfig: &Path,
        namespace: &str,
        arguments: &[&str],
    ) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).into()).collect();
        let mut operator = Self {
            through: owned(through),
            binary: binary.as_ref().into(),
            kubeconfig: kubeconfig.into(),
            namespace: namespace.into(),
            arguments: owned(arguments),
            pod: pod.map(Into::into),
            running: None,
        };
        operator.restart().await;
        operator
    }

    /// Its process id, for reading its memory usage.
    pub fn id(&self) -> u32 {
        self.running.as_ref().expect("the operator runs").id
    }

    /// Whether it was started and its end was not observed.
    pub fn runs(&self) -> bool {
        self.running.is_some()
    }

    /// The name of its pod, if it has one.
    pub fn pod(&self) -> Option<&str> {
        self.pod.as_deref()
    }

    /// Waits until it takes part in the leader election; from then on it handles SIGTERM.
    pub async fn stands(&self) {
        let from = self.running.as_ref().expect("the operator runs").log_from;
        let identity = format!("identity=\"{}_", self.pod.as_deref().expect("it has a pod"));
        let told = async {
            while !self.log()[from..].contains(&identity) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let told = timeout(DEADLINE, told).await;
        told.unwrap_or_else(|_| panic!("it does not stand; the operator's log:\n{}", self.log()));
    }

    /// The log of all its runs, see [`log_of`].
    pub fn log(&self) -> String {
        log_of(&self.namespace)
    }

    /// Requests this path from its server; returns the HTTP status and body.
    pub async fn get(&self, path: &str) -> (u16, String) {
        self.get_as(path, "*/*").await
    }

    /// The same, accepting these media types.
    pub async fn get_as(&self, path: &str, accept: &str) -> (u16, String) {
        http_get(&self.address().await, path, accept).await
    }

    /// The address of its server, from its log.
    pub async fn address(&self) -> String {
        let from = self.running.as_ref().expect("the operator runs").log_from;
        let told = async {
            loop {
                let log = self.log();
                let served = log[from..]
                    .lines()
                    .find(|line| line.contains("metrics and probes"));
                if let Some((_, port)) = served.and_then(|line| line.split_once("127.0.0.1:")) {
                    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
                    return format!("127.0.0.1:{port}");
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(DEADLINE, told)
            .await
            .unwrap_or_else(|_| panic!("no server; the operator's log:\n{}", self.log()))
    }

    /// Ends it as Kubernetes does, with SIGTERM, and expects exit code 0 within 10 seconds.
    pub async fn stop(&mut self) {
        let status = self.terminate().await;
        assert_eq!(
            status.code(),
            Some(0),
            "the operator's exit code after SIGTERM; its log:\n{}",
            self.log()
        );
    }

    /// Ends it with SIGTERM, within 10 seconds.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM").await;
        self.wait(END).await
    }

    /// Kills it with SIGKILL.
    pub async fn kill(&mut self) {
        self.signal("KILL").await;
        self.wait(END).await;
    }

    /// Starts it again; kills it first if it still runs.
    pub async fn restart(&mut self) {
        if self.running.is_some() {
            self.kill().await;
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log_file(&self.namespace))
            .expect("the control plane's folder is writable");
        let log_from = usize::try_from(log.metadata().expect("a file").len()).expect("not that long");
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("supervise"));
        command
            .args(&self.through)
            .arg(&self.binary)
            .args(["run", "--namespace", &self.namespace, "--allow-loopback-portals"])
            .args(["--listen", "127.0.0.1:0"])
            .args(&self.arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("DOCSPACE_BACKUP_") {
                command.env_remove(name);
            }
        }
        if let Some(pod) = &self.pod {
            command.env("POD_NAME", pod);
        }
        let mut supervisor = command.spawn().expect("tests/harness/supervise runs");
        let mut id = String::new();
        BufReader::new(supervisor.stdout.take().expect("piped"))
            .read_line(&mut id)
            .await
            .expect("tests/harness/supervise prints text");
        self.running = Some(Running {
            signals: supervisor.stdin.take().expect("piped"),
            supervisor,
            id: id
                .trim()
                .parse()
                .expect("tests/harness/supervise prints a process id"),
            log_from,
        });
    }

    /// Sends it a signal by its name: `STOP`, `CONT`, `TERM`.
    pub async fn signal(&mut self, name: &str) {
        let running = self.running.as_mut().expect("the operator runs");
        running
            .signals
            .write_all(format!("{name}\n").as_bytes())
            .await
            .unwrap_or_else(|_| panic!("the operator has ended by itself"));
    }

    /// Whether it runs no more, by itself. From then on it can be started again.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        let running = self.running.as_mut()?;
        let status = running.supervisor.try_wait().expect("a child can be asked")?;
        self.running = None;
        Some(status)
    }

    /// Waits until it exits by itself, and returns its exit status.
    pub async fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let running = self.running.as_mut().expect("the operator runs");
        let status = timeout(deadline, running.supervisor.wait()).await;
        let Ok(status) = status else {
            panic!(
                "the operator has not ended after {deadline:?}; its log:\n{}",
                self.log()
            );
        };
        self.running = None;
        status.expect("a child can be waited for")
    }
}

/// The log of all operators of one namespace.
pub fn log_of(namespace: &str) -> String {
    std::fs::read_to_string(log_file(namespace)).expect("the log is text")
}

pub(crate) fn log_file(namespace: &str) -> PathBuf {
    control_plane().folder().join(format!("operator-{namespace}.log"))
}
