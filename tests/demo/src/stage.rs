//! The environment of the demo: a Kubernetes API, a simulated server with two portals, the operator, and kubectl.

use std::{
    error::Error,
    fs,
    io::{self, Write},
    os::unix::process::ExitStatusExt,
    panic::resume_unwind,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use harness::{ControlPlane, Namespace, Operator, control_plane};
use simulated_portal::{ApiKey, Installation, Portal, SimulatedPortal, Tenant};
use tokio::signal::unix::{SignalKind, signal};

/// Set when the demo is to end.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

const CRD: &str = "docspacebackupschedules.docspace.onlyoffice.com";

/// The schedule of both portals.
const NIGHTLY: &str = "storageType: Local\n  storageParams:\n    - {key: filePath, value: /app/onlyoffice/data/backup}\n  \
                       cronParams: {period: EveryDay, hour: 3, day: 0}\n  backupsStored: 7\n";

/// All running parts.
pub struct Stage {
    plane: &'static ControlPlane,
    namespace: String,
    /// A DocSpace server.
    pub server: SimulatedPortal,
    /// The portal whose backups work.
    pub sales: Portal,
    /// The portal whose backups do not work.
    pub legal: Portal,
    /// An API key of the sales portal.
    pub sales_key: String,
    /// A file with that key.
    key_file: PathBuf,
    /// The operator's program.
    program: PathBuf,
    // Dropped in this order: an operator that runs would put finalizers back.
    _operator: Operator,
    _visit: Option<Visit>,
}

impl Stage {
    /// Starts all parts, in an own cluster or as a visitor.
    pub async fn set(operator: &Path, visits: bool) -> Self {
        let plane = control_plane();
        let client = plane.client().await;
        let visit = visits.then(|| Visit::begin(plane, operator));
        let namespace = match &visit {
            Some(visit) => visit.namespace.clone(),
            None => Namespace::create(&client).await.name().to_owned(),
        };
        let tenants = vec![Tenant::at("sales.example.com"), Tenant::at("legal.example.com")];
        let server = SimulatedPortal::start_with(Installation::default(), tenants).await;
        let [sales, legal] = <[Portal; 2]>::try_from(server.tenants()).expect("two tenants");
        let sales_key = sales.issue_key(ApiKey::named("backups"));
        let legal_key = legal.issue_key(ApiKey::named("backups"));
        // As the chart starts it.
        let arguments = ["--require-origin-annotation"];
        let program = operator.to_owned();
        let operator = Operator::start(operator, &plane.kubeconfig(), &namespace, &arguments).await;
        let stage = Self {
            plane,
            namespace,
            server,
            sales,
            legal,
            key_file: key_file(plane, &sales_key),
            sales_key,
            program,
            _operator: operator,
            _visit: visit,
        };
        stage.set_key("sales", &stage.sales_key);
        stage.set_key("legal", &legal_key);
        stage
    }

    /// Stops the server's clock at 02:30 UTC of yesterday, so that all later times of the demo are in the past.
    pub fn set_clock(&self) {
        const DAY: u64 = 24 * 60 * 60;
        let clock = self.server.clock();
        let since_midnight = clock.now().as_second().unsigned_abs() % DAY;
        let back = Duration::from_secs(since_midnight + DAY) - Duration::from_secs(150 * 60);
        clock.set(clock.now() - back);
    }

    /// Advances the server's clock; its scheduler and worker run what is due.
    pub fn live(&self, minutes: u64) {
        let time = Duration::from_secs(minutes * 60);
        self.server.live(time.try_into().expect("a time that fits"));
    }

    /// Requests a check of every portal, and waits for it. The demo's clock jumps, which is believed at the second check, so
    /// there is one before it.
    pub fn look(&self, request: &str) {
        let annotation = |request: &str| format!("docspace.onlyoffice.com/requestedAt={request}");
        let before = format!("before-{request}");
        self.kubectl(
            &["annotate", "dsbs", "--all", "--overwrite", &annotation(&before)],
            "",
        );
        self.wait_for_echo(&before);
        self.show(&["annotate", "dsbs", "--all", "--overwrite", &annotation(request)]);
        self.wait_for_echo(request);
    }

    fn wait_for_echo(&self, request: &str) {
        let echo = format!("--for=jsonpath={{.status.lastHandledReconcileAt}}={request}");
        self.kubectl(&["wait", &echo, "dsbs", "--all", "--timeout=30s"], "");
    }

    /// The example request of DocSpace's API documentation.
    pub fn example(&self) -> String {
        let schedule = "storageType: CustomCloud\n  cronParams: {period: EveryDay, hour: 3, day: 0}\n  \
                        backupsStored: 7\n  dump: true\n";
        self.manifest("example", "sales", schedule)
    }

    /// A schedule for each portal, with a directory on its server for archives.
    pub fn sales_and_legal(&self) -> String {
        let (sales, legal) = (self.sales_alone(), self.manifest("legal", "legal", NIGHTLY));
        format!("{sales}---\n{legal}")
    }

    /// That of the sales portal.
    pub fn sales_alone(&self) -> String {
        self.manifest("sales", "sales", NIGHTLY)
    }

    fn manifest(&self, name: &str, portal: &str, schedule: &str) -> String {
        let url = self.server.url();
        format!(
            "apiVersion: docspace.onlyoffice.com/v1alpha1\n\
             kind: DocSpaceBackupSchedule\n\
             metadata:\n  name: {name}\n\
             spec:\n  portal:\n    url: {url}\n    hostHeader: {portal}.example.com\n    \
             apiKeySecretRef: {{name: {portal}-key}}\n  {schedule}"
        )
    }

    /// Puts a key into the portal's Secret, which may be sent to that portal only.
    pub fn set_key(&self, portal: &str, key: &str) {
        let literal = format!("--from-literal=apiKey={key}");
        let name = format!("{portal}-key");
        let create = ["create", "secret", "generic", &name, &literal];
        let secret = self.kubectl(&[&create[..], &["--dry-run=client", "-o=yaml"]].concat(), "");
        self.kubectl(&["apply", "--server-side", "-f", "-"], &secret);
        let origin = format!(
            "docspace.onlyoffice.com/portal-origin={} {portal}.example.com",
            self.server.url()
        );
        self.kubectl(&["annotate", "secret", &name, "--overwrite", &origin], "");
    }

    /// Shows reason and message of the condition BackupFresh.
    pub fn show_freshness(&self) {
        const FRESH: &str = r#".status.conditions[?(@.type=="BackupFresh")]"#;
        let columns =
            format!("-o=custom-columns=NAME:.metadata.name,REASON:{FRESH}.reason,MESSAGE:{FRESH}.message");
        self.show(&["get", "dsbs", &columns]);
    }

    /// Shows the Events of an object in order.
    pub fn show_events(&self, object: &str) {
        self.show(&[
            "get",
            "events",
            &format!("--field-selector=involvedObject.name={object}"),
            "--sort-by=.eventTime",
            "-o=custom-columns=TYPE:.type,REASON:.reason,NOTE:.message",
        ]);
    }

    /// Runs kubectl as a user would, and shows it.
    pub fn show(&self, arguments: &[&str]) {
        self.show_with(arguments, "");
    }

    /// The same with standard input.
    pub fn show_with(&self, arguments: &[&str], stdin: &str) {
        let quoted: Vec<_> = arguments.iter().map(|argument| quoted(argument)).collect();
        println!("$ kubectl {}", quoted.join(" "));
        println!("{}", self.kubectl(arguments, stdin));
    }

    /// Runs the operator's program as kubectl's plugin, with the key of the sales portal, and shows it.
    pub fn show_plugin(&self, arguments: &[&str], stdin: &str) {
        let own = [
            "--allow-loopback-portals",
            "--namespace",
            &self.namespace,
            "--api-key-file",
        ];
        println!(
            "$ kubectl docspace {} {} sales.key",
            arguments.join(" "),
            own.join(" ")
        );
        let mut command = Command::new(&self.program);
        command.args(arguments).args(own).arg(&self.key_file);
        command
            .env("KUBECONFIG", self.plane.kubeconfig())
            .stdin(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut input = child.stdin.take().expect("a pipe");
        // A program that reads nothing closes it.
        let _ = input.write_all(stdin.as_bytes());
        drop(input);
        child.wait().expect("the program ends");
        println!();
    }

    fn kubectl(&self, arguments: &[&str], stdin: &str) -> String {
        let arguments = [&["--namespace", &self.namespace], arguments].concat();
        let output = self.plane.kubectl(&arguments, stdin);
        // A terminal's Ctrl-C also ends kubectl, perhaps before this process has noticed it.
        if INTERRUPTED.load(Ordering::Relaxed) || output.status.signal().is_some() {
            // Without a panic's message; what is dropped cleans up.
            resume_unwind(Box::new("the demo was interrupted"));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {}: {said}", arguments.join(" "));
        String::from_utf8(output.stdout).expect("kubectl prints text")
    }

    /// Keeps everything running until Ctrl-C, with portals that make backups by the real clock.
    pub async fn keep_running(&self) -> Result<(), Box<dyn Error>> {
        self.show_with(&["apply", "-f", "-"], &self.sales_and_legal());
        say("Everything runs until Ctrl-C. In another terminal:");
        println!("export KUBECONFIG={}", self.plane.kubeconfig().display());
        println!(
            "kubectl config set-context --current --namespace {}",
            self.namespace
        );
        println!("kubectl get dsbs --watch");
        println!(
            "\nThe sales portal: {} (Host: {}, Authorization: Bearer {})",
            self.server.url(),
            self.sales.host(),
            self.sales_key
        );
        let mut passes = tokio::time::interval(Duration::from_secs(10));
        let passing = async {
            loop {
                passes.tick().await;
                self.server.run_scheduler();
                self.server.run_worker();
                self.server.run_cleaner();
            }
        };
        tokio::select! {
            () = passing => Ok(()),
            ended = interrupted() => Ok(ended?),
        }
    }
}

/// The demo in somebody else's cluster: its namespace, and the CRD if that was missing. Dropping it takes both away.
struct Visit {
    plane: &'static ControlPlane,
    program: PathBuf,
    namespace: String,
    brings_crd: bool,
}

impl Visit {
    fn begin(plane: &'static ControlPlane, program: &Path) -> Self {
        let crd = plane.kubectl_ok(&["get", "crd", CRD, "--ignore-not-found", "-o=name"], "");
        let create = ["create", "-o=jsonpath={.metadata.name}", "-f", "-"];
        let namespace = "apiVersion: v1\nkind: Namespace\nmetadata:\n  generateName: docspace-demo-\n";
        let visit = Self {
            plane,
            program: program.to_owned(),
            namespace: plane.kubectl_ok(&create, namespace),
            brings_crd: crd.is_empty(),
        };
        println!("Namespace: {}", visit.namespace);
        if visit.brings_crd {
            println!("The CRD comes with the demo and goes with it.");
            plane.apply_crd();
        } else {
            println!("The cluster has the CRD, which stays as it is.");
        }
        visit
    }

    /// Runs kubectl; what fails is said, and the rest goes on.
    fn try_kubectl(&self, arguments: &[&str]) -> String {
        let output = self.plane.kubectl(arguments, "");
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        say("The demo takes away what it brought");
        let namespace = &self.namespace;
        let released = Command::new(&self.program)
            .args(["release", "--objects-only", "--yes", "--namespace", namespace])
            .env("KUBECONFIG", self.plane.kubeconfig())
            .stdout(Stdio::null())
            .status();
        if !released.is_ok_and(|status| status.success()) {
            eprintln!("Objects of namespace {namespace} may keep their finalizers.");
        }
        print!(
            "{}",
            self.try_kubectl(&["delete", "namespace", namespace, "--timeout=90s"])
        );
        if !self.brings_crd {
            return;
        }
        // Without the CRD, other people's objects would go too.
        let others = self
            .plane
            .kubectl(&["get", "dsbs", "--all-namespaces", "-o=name"], "");
        if others.status.success() && others.stdout.is_empty() {
            print!("{}", self.try_kubectl(&["delete", "crd", CRD, "--timeout=30s"]));
        } else {
            eprintln!("The CRD stays, because there are other schedules now: {CRD}");
        }
    }
}

fn key_file(plane: &ControlPlane, key: &str) -> PathBuf {
    let file = plane.folder().join("sales.key");
    fs::write(&file, key).expect("the folder is ours");
    file
}

/// Quotes an argument for a shell.
fn quoted(argument: &str) -> String {
    if argument.contains(['(', '{']) {
        format!("'{argument}'")
    } else {
        argument.into()
    }
}

/// Waits for SIGINT, SIGTERM or SIGHUP.
pub async fn interrupted() -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}

/// Prints the title of the next part.
pub fn say(text: &str) {
    println!("\n# {text}\n");
}
