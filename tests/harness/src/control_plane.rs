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
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::Audit;

/// Where a test process finds the control plane of the one that started it: folder and programs.
const HANDED_ON: &str = "DOCSPACE_TEST_CONTROL_PLANE";

/// etcd, kube-apiserver and kube-controller-manager (namespaces, garbage collection), with a data folder of
/// their own. They end when this is dropped or the process ends, however it ends.
pub struct ControlPlane {
    /// Holds the pipe whose end is the programs' end; none where another process holds it.
    supervisor: Option<Child>,
    folder: PathBuf,
    programs: PathBuf,
}

/// The control plane that the tests of this process share, with the CRD in place.
///
/// A test keeps to a [`Namespace`](crate::Namespace) of its own and makes its own [`ControlPlane::client`].
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
    /// Starts the programs and waits until they are ready. Builds them first where that was never done.
    pub fn start() -> Self {
        Self::run("programs/control-plane/run", &[])
    }

    /// The same with a node that has these images, as archives: pods really run. Only within the namespaces of
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

    /// Makes this the control plane of a test process that is about to be started. It must have the CRD.
    pub fn hand_on(&self, to: &mut Command) {
        to.env(
            HANDED_ON,
            format!("{} {}", self.folder.display(), self.programs.display()),
        );
    }

    /// The folder that goes with this control plane: for files that need not outlive it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The kubeconfig of an administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// A client with an administrator's rights. Its connections belong to the runtime that it is made in,
    /// so every `#[tokio::test]` makes its own.
    pub async fn client(&self) -> Client {
        self.client_of(&self.kubeconfig()).await
    }

    /// A client as this kubeconfig says, see [`ControlPlane::kubeconfig_for`].
    pub async fn client_of(&self, kubeconfig: &Path) -> Client {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("the kubeconfig is readable");
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .expect("the kubeconfig is complete");
        Client::try_from(config).expect("a client of the control plane")
    }

    /// A kubeconfig of a service account of this namespace, as a pod of it has one.
    pub async fn kubeconfig_of(&self, client: &Client, namespace: &str, account: &str) -> PathBuf {
        let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
        let token = accounts
            .create_token_request(account, &PostParams::default(), &TokenRequest::default())
            .await
            .expect("the API gives a token");
        let token = token.status.and_then(|status| status.token).expect("a token");
        self.kubeconfig_for(namespace, &token)
    }

    /// A kubeconfig that carries this token (of a service account, say) and this namespace.
    pub fn kubeconfig_for(&self, namespace: &str, token: &str) -> PathBuf {
        let mut kubeconfig = Kubeconfig::read_from(self.kubeconfig()).expect("the kubeconfig is readable");
        for user in &mut kubeconfig.auth_infos {
            let info = user
                .auth_info
                .as_mut()
                .expect("written by tests/programs/control-plane/run");
            info.token = Some(token.to_owned().into());
        }
        for context in &mut kubeconfig.contexts {
            let context = context
                .context
                .as_mut()
                .expect("written by tests/programs/control-plane/run");
            context.namespace = Some(namespace.into());
        }
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

    /// The same kubeconfig, leading to the API server by way of this address.
    pub fn kubeconfig_by(&self, kubeconfig: &Path, address: SocketAddr) -> PathBuf {
        let mut kubeconfig = Kubeconfig::read_from(kubeconfig).expect("the kubeconfig is readable");
        for cluster in &mut kubeconfig.clusters {
            let cluster = cluster
                .cluster
                .as_mut()
                .expect("written by tests/programs/control-plane/run");
            cluster.server = Some(format!("https://{address}"));
        }
        self.write_kubeconfig(&kubeconfig, &address.port().to_string())
    }

    /// What service accounts have asked of this control plane.
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

    /// Runs kubectl as administrator with this standard input, and gives what it printed.
    pub fn kubectl<Argument: AsRef<str>>(&self, arguments: &[Argument], stdin: &str) -> Output {
        let mut kubectl = Command::new(self.programs.join("kubectl"))
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            // What it learns of one control plane must not be believed of the next at the same port.
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
            // A kubectl that did not read to the end says itself why.
            let _ = input.write_all(stdin.as_bytes());
        });
        let output = kubectl.wait_with_output().expect("kubectl ends");
        writer.join().expect("writing does not panic");
        output
    }

    /// Runs kubectl, expects it to succeed, and gives what it printed on standard output.
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

    /// Applies the CRD and waits until the API serves and explains it.
    pub fn apply_crd(&self) {
        self.kubectl_ok(
            &["apply", "--server-side", "-f", "-"],
            &docspace_backup_operator::api::crd_yaml(),
        );
        self.kubectl_ok(
            &[
                "wait",
                "crd/docspacebackupschedules.docspace.onlyoffice.com",
                "--for=condition=Established",
                "--timeout=30s",
            ],
            "",
        );
        // Established comes a moment before the API and its documentation have it, and kubectl keeps what it was
        // told before that.
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

impl Drop for ControlPlane {
    fn drop(&mut self) {
        let audit = self.audit();
        let Some(supervisor) = &mut self.supervisor else {
            return;
        };
        // Where the shared one is another process's, that reads what was asked of this one, too.
        if let Ok(places) = env::var(HANDED_ON) {
            audit.keep(&Self::at(&places, None).folder);
        }
        drop(supervisor.stdin.take());
        // Its end is not worth failing a test for: the pipe is closed, and that is all it waits for.
        let _ = supervisor.wait();
    }
}
