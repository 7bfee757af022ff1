//! A cluster with a node, a portal beside it, and the actions of the test.

use std::{
    env, fs,
    net::Ipv4Addr,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use docspace_backup_operator::api::{DocSpaceBackupSchedule, PORTAL_ORIGIN, REQUESTED_AT};
use harness::{ControlPlane, DEADLINE, helm, http_get, wait_for, wait_gone};
use jiff::Timestamp;
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use simulated_portal::{ApiKey, Installation, SimulatedPortal, Tenant};

/// The namespace of the release and its objects.
pub const NAMESPACE: &str = "docspace";
/// The operator's release; its Deployment and Lease have the same name.
const LEASE: &str = OPERATOR.name;
/// The object of `deploy/samples/example-of-the-api.yaml`.
pub const EXAMPLE: &str = "example";
/// A pod has 15 s to terminate.
pub const POD_DEADLINE: Duration = Duration::from_secs(60);
/// The node's address, at which pods reach the portal; see tests/programs/node/run.
const NODE: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);

/// The releases that Helm installs.
pub struct Release {
    name: &'static str,
    chart: &'static str,
}

pub const OPERATOR: Release = Release {
    name: "docspace-backup-operator",
    chart: helm::OPERATOR,
};
pub const SCHEDULES: Release = Release {
    name: "docspace-backups",
    chart: helm::SCHEDULES,
};
pub const UMBRELLA: Release = Release {
    name: "umbrella",
    chart: helm::UMBRELLA,
};

pub struct Cluster {
    client: Client,
    pub portal: SimulatedPortal,
    plane: ControlPlane,
}

impl Cluster {
    /// With the image loaded, and a namespace that enforces Pod Security `restricted`.
    pub async fn start() -> Self {
        let image =
            env::var_os("DOCSPACE_IMAGE").expect("DOCSPACE_IMAGE names the image's archive: make e2e");
        let start = move || ControlPlane::with_node(&[Path::new(&image)]);
        let plane = tokio::task::spawn_blocking(start).await.expect("it starts");
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        });
        plane.kubectl_ok(&["create", "-f", "-"], &namespace.to_string());
        let portal =
            SimulatedPortal::start_at(NODE, Installation::default(), vec![Tenant::at("portal.test")]);
        Self {
            client: plane.client().await,
            portal: portal.await,
            plane,
        }
    }

    /// Runs Helm and waits until its resources are ready or deleted.
    pub fn helm(&self, command: &str, release: &Release, values: Option<&Value>) {
        let chart = helm::path(release.chart).to_string_lossy().into_owned();
        let mut arguments = vec![command, release.name, "--wait", "--timeout", "90s"];
        if command != "uninstall" {
            arguments.push(&chart);
        }
        helm::on(&self.plane, NAMESPACE, &arguments, values)
            .unwrap_or_else(|said| panic!("helm {command} {}: {said}", release.name));
    }

    /// Runs the release's tests; returns what Helm and they said.
    pub fn helm_test(&self, release: &Release) -> String {
        let arguments = ["test", release.name, "--logs", "--timeout", "60s"];
        helm::on(&self.plane, NAMESPACE, &arguments, None)
            .unwrap_or_else(|said| panic!("helm test {}: {said}", release.name))
    }

    /// Runs kubectl in the namespace; returns its standard output and standard error.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str], stdin: &str) -> (String, String) {
        let arguments = [&["--namespace", NAMESPACE], arguments].concat();
        let output = self.plane.kubectl(&arguments, stdin);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (said, complained) = (text(&output.stdout), text(&output.stderr));
        assert!(
            output.status.success(),
            "kubectl {}: {complained}",
            arguments.join(" ")
        );
        (said, complained)
    }

    /// With the commands of the README.
    pub fn create_secret(&self, name: &str, portal: &SimulatedPortal) {
        let key = portal.first().issue_key(ApiKey::named("operator"));
        let key = format!("--from-literal=apiKey={key}");
        self.kubectl(&["create", "secret", "generic", name, &key], "");
        let origin = format!("{PORTAL_ORIGIN}={}", portal.url());
        self.kubectl(&["annotate", "secret", name, &origin], "");
    }

    /// A portal with a certificate of a private authority, which is in the ConfigMap `portal-ca`.
    pub async fn private_portal(&self) -> SimulatedPortal {
        let installation = Installation::default().with_tls(&[&NODE.to_string()]);
        let portal = SimulatedPortal::start_at(NODE, installation, vec![Tenant::at("portal.test")]).await;
        let ca = portal.ca_pem().expect("a portal over TLS");
        let ca = format!("--from-literal=ca.crt={ca}");
        self.kubectl(&["create", "configmap", "portal-ca", &ca], "");
        portal
    }

    /// From now on, pods run as this user unless they name one, as in OpenShift's restricted-v2.
    pub fn assign_user(&self, user: u32) {
        let name = json!({"name": "user-of-the-namespace"});
        let (version, kind) = ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy");
        let assign = format!(
            "Object{{spec: Object.spec{{securityContext: Object.spec.securityContext{{runAsUser: {user}}}}}}}"
        );
        let policy = json!({
            "apiVersion": version, "kind": kind, "metadata": name,
            "spec": {
                "matchConstraints": {"resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]},
                ]},
                "matchConditions": [{"name": "none-named", "expression": "!has(object.spec.securityContext.runAsUser)"}],
                "reinvocationPolicy": "Never",
                "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": assign}}],
            },
        });
        let binding = json!({
            "apiVersion": version, "kind": format!("{kind}Binding"), "metadata": name,
            "spec": {"policyName": name["name"]},
        });
        self.kubectl(&["create", "-f", "-"], &helm::yaml([&policy, &binding]));
        // The API server takes a moment to apply a new policy.
        let assigned = format!("runAsUser: {user}\n");
        let probe = [
            "run",
            "probe",
            "--image=none",
            "--namespace=default",
            "--dry-run=server",
            "-o",
            "yaml",
        ];
        let deadline = Instant::now() + DEADLINE;
        while !self.kubectl(&probe, "").0.contains(&assigned) {
            assert!(Instant::now() < deadline, "pods do not run as {user}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Applies the sample for this portal; returns kubectl's warnings.
    pub fn apply_example(&self) -> String {
        let sample = helm::read("deploy/samples/example-of-the-api.yaml");
        let example = sample.replace("https://yourportal.onlyoffice.com", &self.portal.url());
        assert!(example != sample, "the sample names another portal");
        self.kubectl(&["apply", "-f", "-"], &example).1
    }

    pub fn schedules(&self) -> Api<DocSpaceBackupSchedule> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Waits until the portal holds the schedule of this object.
    pub async fn ready(&self, name: &str) {
        wait_for(&self.schedules(), name, DEADLINE, |object| {
            let conditions = object.status.iter().flat_map(|status| &status.conditions);
            let mut ready = conditions.filter(|condition| condition.type_ == "Ready");
            ready.any(|condition| condition.status == "True")
        })
        .await;
    }

    /// Requests a check of the portal now, and waits until it is done.
    pub async fn look(&self) -> DocSpaceBackupSchedule {
        let now = Timestamp::now().to_string();
        let patch = Patch::Merge(json!({"metadata": {"annotations": {REQUESTED_AT: now}}}));
        self.schedules()
            .patch(EXAMPLE, &PatchParams::default(), &patch)
            .await
            .expect("the patch is accepted");
        wait_for(&self.schedules(), EXAMPLE, DEADLINE, |object| {
            let status = object.status.as_ref();
            status.is_some_and(|status| status.last_handled_reconcile_at.as_ref() == Some(&now))
        })
        .await
    }

    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    async fn running(&self, pod: &str) {
        wait_for(&self.pods(), pod, POD_DEADLINE, |pod| {
            let status = pod.status.as_ref();
            status.is_some_and(|status| status.phase.as_deref() == Some("Running"))
        })
        .await;
    }

    async fn list_pods(&self) -> Vec<Pod> {
        let pods = self.pods().list(&ListParams::default()).await;
        pods.expect("pods can be listed").items
    }

    /// Waits until there are no pods: those of a Job end after it.
    pub async fn no_pods(&self) {
        for pod in self.list_pods().await {
            wait_gone(&self.pods(), &pod.name_any(), POD_DEADLINE).await;
        }
    }

    /// The operator's pods that are not terminating.
    pub async fn operator_pods(&self) -> Vec<Pod> {
        let stays = |pod: &Pod| {
            let component = pod.labels().get("app.kubernetes.io/component");
            pod.metadata.deletion_timestamp.is_none()
                && component.is_some_and(|component| component == "operator")
        };
        self.list_pods().await.into_iter().filter(stays).collect()
    }

    fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Waits until one of the operator's pods leads; returns its identity in the Lease and the pod's name.
    pub async fn leader(&self) -> (String, String) {
        let pods: Vec<_> = self
            .operator_pods()
            .await
            .iter()
            .map(ResourceExt::name_any)
            .collect();
        let leads = |lease: &Lease| pods.iter().find(|pod| holder(lease).starts_with(*pod)).cloned();
        let lease = wait_for(&self.leases(), LEASE, POD_DEADLINE, |lease| {
            leads(lease).is_some()
        })
        .await;
        (holder(&lease), leads(&lease).expect("it was waited for"))
    }

    /// Waits until a different pod leads. Expects that it does not wait before its first write, because the lease was
    /// released, and that it checks the portal and writes nothing.
    pub async fn handed_over(&self, cause: &str, before: &str, caused: Timestamp) {
        let other = |lease: &Lease| ![before, ""].contains(&holder(lease).as_str());
        let lease = wait_for(&self.leases(), LEASE, POD_DEADLINE, other).await;
        let since = lease.spec.and_then(|spec| spec.acquire_time).expect("a time").0;
        let took = since.duration_since(caused).as_secs_f64();
        self.look().await;
        self.portal_has_had(1, 0, cause);
        let (_, pod) = self.leader().await;
        // The kubelet gives no log of a pod that it does not know to run yet, as a new leader's may be.
        self.running(&pod).await;
        let (log, _) = self.kubectl(&["logs", &pod], "");
        let leads = log.lines().find(|line| line.contains("leading; writes begin"));
        let leads = leads.unwrap_or_else(|| panic!("{pod} does not tell that it leads:\n{log}"));
        assert!(leads.contains("\"wait\":\"0ns\""), "{cause}: {leads}");
        eprintln!("{cause}: a new leader after {took:.1} s");
    }

    /// Expects this total number of POSTs and DELETEs, and that the portal holds the example's schedule.
    #[track_caller]
    pub fn portal_has_had(&self, posts: usize, deletes: usize, after: &str) {
        let log = self.portal.log();
        let writes = (log.posts().len(), log.deletes().len());
        assert_eq!(writes, (posts, deletes), "POST and DELETE after {after}");
        let schedule = self.portal.first().schedule(true);
        assert!(schedule.is_some(), "the schedule after {after}");
    }
}

impl Drop for Cluster {
    /// Prints the state and the logs of the pods when the test fails.
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        for arguments in [
            &["get", "pods,jobs,leases,dsbs", "--output", "wide"][..],
            &["get", "events"],
            &[
                "logs",
                "--all-containers",
                "--prefix",
                "--selector",
                "app.kubernetes.io/name=docspace-backup-operator",
            ],
        ] {
            let arguments = [&["--namespace", NAMESPACE], arguments].concat();
            let output = self.plane.kubectl(&arguments, "");
            let text = [output.stdout, output.stderr].concat();
            eprintln!(
                "kubectl {}\n{}",
                arguments.join(" "),
                String::from_utf8_lossy(&text)
            );
        }
    }
}

fn holder(lease: &Lease) -> String {
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
    holder.unwrap_or_default()
}

/// The answer of this pod's operator, with HTTP status 200.
pub async fn ask(pod: &Pod, path: &str) -> String {
    let address = pod.status.as_ref().and_then(|status| status.pod_ip.as_ref());
    let address = format!("{}:8080", address.expect("an address"));
    let (status, body) = http_get(&address, path, "*/*").await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// Linux' status of the only process that runs this program.
pub fn process_status(program: &str) -> String {
    let processes = fs::read_dir("/proc").expect("/proc is there");
    let runs = |folder: &Path| fs::read_link(folder.join("exe")).is_ok_and(|exe| exe == Path::new(program));
    let mut found = processes
        .flatten()
        .map(|entry| entry.path())
        .filter(|folder| runs(folder));
    let (first, second) = (found.next(), found.next());
    assert!(second.is_none(), "{program} runs twice");
    let status = first.expect("it runs").join("status");
    fs::read_to_string(status).expect("it still runs")
}
