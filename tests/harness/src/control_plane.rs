//! A Kubernetes API that ends with the process that started it.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use k8s_openapi::api::{authentication::v1::TokenRequest, core::v1::ServiceAccount};
use kube::{
    Api, Client, Config,
    api::PostParams,
    config::{Cluster, KubeConfigOptions, Kubeconfig},
};

use crate::Audit;

/// Environment variable by which a test process passes its control plane to a child process: folder and programs.
const HANDED_ON: &str = "DOCSPACE_TEST_CONTROL_PLANE";

/// etcd, kube-apiserver and kube-controller-manager (namespaces, garbage collection, aggregated roles), with a separate
/// data folder. They end when this is dropped or the process ends, however it ends.
pub struct ControlPlane {
    /// Holds the pipe: the programs end when it closes. None if another process holds it.
    supervisor: Option<Child>,
    folder: PathBuf,
    programs: PathBuf,
}

/// The control plane that the tests of this process share, with the CRD applied.
///
/// Each test uses its own [`Namespace`](crate::Namespace) and its own [`ControlPlane::client`].
pub fn control_plane() -> &'static ControlPlane {
    static SHARED: LazyLock<ControlPlane> = LazyLock::new(|| {
        if let Ok(places) = env::var(HANDED_ON) {
            return ControlPlane::at(&places, None);
        }
        let started = ControlPlane::start();
        started.apply_crd();
        started
    });
    &SHARED
}

impl ControlPlane {
    /// One that the test need not share, for example because it changes the CRD.
    pub async fn own() -> Self {
        let starts = tokio::task::spawn_blocking(Self::start);
        starts.await.expect("it starts")
    }

    /// Starts the programs and waits until they are ready. Builds them first if they were never built.
    pub fn start() -> Self {
        Self::run("programs/control-plane/run", &[])
    }

    /// The same with a node that has these image archives, so that pods really run. Works only in the namespaces of
    /// `tests/programs/node/within`.
    pub fn with_node(images: &[&Path]) -> Self {
        Self::run("programs/node/run", images)
    }

    fn run(script: &str, arguments: &[&Path]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(script);
        let mut supervisor = Command::new(&script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
        let mut ready = String::new();
        BufReader::new(supervisor.stdout.take().expect("piped"))
            .read_line(&mut ready)
            .expect("the control plane's output is text");
        Self::at(ready.trim(), Some(supervisor))
    }

    fn at(places: &str, supervisor: Option<Child>) -> Self {
        let Some((folder, programs)) = places.split_once(' ') else {
            panic!("the control plane did not start; its reasons are on standard error");
        };
        Self {
            supervisor,
            folder: folder.into(),
            programs: programs.into(),
        }
    }

    /// Makes a test process that is about to start use this control plane. It must have the CRD.
    pub fn hand_on(&self, to: &mut Command) {
        to.env(
            HANDED_ON,
            format!("{} {}", self.folder.display(), self.programs.display()),
        );
    }

    /// The folder of this control plane, deleted with it: for files that need not outlive it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The kubeconfig of an administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// A client with an administrator's rights. Its connections belong to the runtime that creates it,
    /// so every `#[tokio::test]` creates its own.
    pub async fn client(&self) -> Client {
        self.client_of(&self.kubeconfig()).await
    }

    /// A client for this kubeconfig, see [`ControlPlane::kubeconfig_for`].
    pub async fn client_of(&self, kubeconfig: &Path) -> Client {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("the kubeconfig is readable");
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .expect("the kubeconfig is complete");
        Client::try_from(config).expect("a client of the control plane")
    }

    /// A kubeconfig with the token of a service account of this namespace, as its pods have.
    pub async fn kubeconfig_of(&self, client: &Client, namespace: &str, account: &str) -> PathBuf {
        let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
        let token = accounts
            .create_token_request(account, &PostParams::default(), &TokenRequest::default())
            .await
            .expect("the API gives a token");
        let token = token.status.and_then(|status| status.token).expect("a token");
        self.kubeconfig_for(namespace, &token)
    }

    /// A kubeconfig with this token (for example of a service account) and this namespace.
    pub fn kubeconfig_for(&self, namespace: &str, token: &str) -> PathBuf {
        let mut kubeconfig = Kubeconfig::read_from(self.kubeconfig()).expect("the kubeconfig is readable");
        for user in &mut kubeconfig.auth_infos {
            let info = user
                .auth_info
                .as_mut()
                .expect("written by tests/programs/control-plane/run");
            info.token = Some(token.to_owned().into());
        }
        in_namespace(&mut kubeconfig, namespace);
        self.write_kubeconfig(&kubeconfig, namespace)
    }

    /// The kubeconfig of an administrator in this namespace.
    pub fn kubeconfig_in(&self, namespace: &str) -> PathBuf {
        let mut kubeconfig = Kubeconfig::read_from(self.kubeconfig()).expect("the kubeconfig is readable");
        in_namespace(&mut kubeconfig, namespace);
        self.write_kubeconfig(&kubeconfig, namespace)
    }

    /// The address of the API server.
    pub fn address(&self) -> SocketAddr {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig()).expect("the kubeconfig is readable");
        let server = kubeconfig
            .clusters
            .first()
            .and_then(|named| named.cluster.as_ref());
        let server = server.and_then(|cluster| cluster.server.as_deref());
        let address = server.and_then(|server| server.strip_prefix("https://"));
        address
            .and_then(|address| address.parse().ok())
            .expect("written by tests/programs/control-plane/run")
    }

    /// The same kubeconfig with this address of a proxy to the API server.
    pub fn kubeconfig_by(&self, kubeconfig: &Path, address: SocketAddr) -> PathBuf {
        self.kubeconfig_with(kubeconfig, |cluster| {
            cluster.server = Some(format!("https://{address}"));
        })
    }

    /// The same kubeconfig with changed clusters.
    pub fn kubeconfig_with(&self, kubeconfig: &Path, change: impl Fn(&mut Cluster)) -> PathBuf {
        let mut kubeconfig = Kubeconfig::read_from(kubeconfig).expect("the kubeconfig is readable");
        for cluster in &mut kubeconfig.clusters {
            let cluster = cluster.cluster.as_mut();
            change(cluster.expect("written by tests/programs/control-plane/run"));
        }
        self.write_kubeconfig(&kubeconfig, "changed")
    }

    /// The requests of service accounts to this control plane.
    pub fn audit(&self) -> Audit {
        Audit::of(&self.folder)
    }

    fn write_kubeconfig(&self, kubeconfig: &Kubeconfig, name: &str) -> PathBuf {
        let path = self
            .folder
            .join(format!("kubeconfig-{name}-{:08x}", fastrand::u32(..)));
        let text = serde_saphyr::to_string(kubeconfig).expect("a kubeconfig is YAML");
        fs::write(&path, text).expect("the control plane's folder is writable");
        path
    }

    /// Runs kubectl as administrator with this standard input, and returns its output.
    pub fn kubectl<Argument: AsRef<str>>(&self, arguments: &[Argument], stdin: &str) -> Output {
        let mut kubectl = Command::new(self.programs.join("kubectl"))
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            // A cache of one control plane must not be used for the next one at the same port.
            .arg("--cache-dir")
            .arg(self.kubectl_cache())
            .args(arguments.iter().map(AsRef::as_ref))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl runs");
        let mut input = kubectl.stdin.take().expect("piped");
        let stdin = stdin.to_owned();
        let writer = thread::spawn(move || {
            // If kubectl did not read its input to the end, its own output says why.
            let _ = input.write_all(stdin.as_bytes());
        });
        let output = kubectl.wait_with_output().expect("kubectl ends");
        writer.join().expect("writing does not panic");
        output
    }

    /// Runs kubectl, expects it to succeed, and returns its standard output.
    #[track_caller]
    pub fn kubectl_ok<Argument: AsRef<str>>(&self, arguments: &[Argument], stdin: &str) -> String {
        let output = self.kubectl(arguments, stdin);
        let arguments: Vec<_> = arguments.iter().map(AsRef::as_ref).collect();
        assert!(
            output.status.success(),
            "kubectl {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("kubectl prints text")
    }

    /// Applies the CRD of `crds` and waits until the API server serves and explains it.
    pub fn apply_crd(&self) {
        let crd = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../crds/docspacebackupschedules.yaml"
        );
        self.kubectl_ok(&["apply", "--server-side", "-f", crd], "");
        // The condition Established is set a moment before the API server serves the resource and its documentation, and
        // kubectl would cache the earlier answer.
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let _ = fs::remove_dir_all(self.kubectl_cache());
            let output = self.kubectl(&["explain", "dsbs"], "");
            if output.status.success() && self.kubectl(&["get", "dsbs"], "").status.success() {
                break;
            }
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                Instant::now() < deadline,
                "the API does not know the CRD after 30 seconds: {said}"
            );
        }
    }

    fn kubectl_cache(&self) -> PathBuf {
        self.folder.join("kubectl-cache")
    }
}

fn in_namespace(kubeconfig: &mut Kubeconfig, namespace: &str) {
    for context in &mut kubeconfig.contexts {
        let context = context
            .context
            .as_mut()
            .expect("written by tests/programs/control-plane/run");
        context.namespace = Some(namespace.into());
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        let audit = self.audit();
        let Some(supervisor) = &mut self.supervisor else {
            return;
        };
        // If another process owns the shared control plane, that process also checks the requests to this one.
        if let Ok(places) = env::var(HANDED_ON) {
            audit.keep(&Self::at(&places, None).folder);
        }
        drop(supervisor.stdin.take());
        // A failure to stop is no reason to fail a test: the pipe is closed, and the programs wait only for that.
        let _ = supervisor.wait();
    }
}
