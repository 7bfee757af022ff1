//! What the operator does, shown with kubectl's own output: a schedule that is made, changed by somebody and put back,
//! a wrong key that is told and a right one that heals, and a deletion that takes the schedule away.

use std::{error::Error, path::PathBuf};

use clap::Parser;
use harness::{ControlPlane, Namespace, Operator, control_plane};
use simulated_portal::{ApiKey, Installation, Schedule, SimulatedPortal};

const KEY: &str = "docspace-api-key";
const COLUMNS: &str = "-o=custom-columns=NAME:.metadata.name,SCHEDULE:.status.schedule,HTTP:.status.lastRequest.statusCode,\
                       SAID:.status.lastRequest.message";

/// Shows the operator at work.
#[derive(Parser)]
struct Args {
    /// The operator's binary.
    #[arg(long)]
    operator: PathBuf,
    /// Keep it running until Ctrl-C.
    #[arg(long)]
    keep_running: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    say("Starting etcd, kube-apiserver, a simulated portal and the operator");
    let demo = Demo::start(&args).await;
    if args.keep_running {
        return demo.keep_running().await;
    }
    demo.creation();
    demo.drift();
    demo.wrong_key();
    demo.deletion();
    say("That was all; it ends by itself. To keep it running: make up");
    Ok(())
}

struct Demo {
    plane: &'static ControlPlane,
    namespace: String,
    portal: SimulatedPortal,
    key: String,
    _operator: Operator,
}

impl Demo {
    async fn start(args: &Args) -> Self {
        let plane = control_plane();
        let client = plane.client().await;
        let namespace = Namespace::create(&client).await.name().to_owned();
        let portal = SimulatedPortal::start(Installation::default()).await;
        let key = portal.first().issue_key(ApiKey::named("backups"));
        let operator = Operator::start(&args.operator, &plane.kubeconfig(), &namespace, &[]).await;
        let demo = Self {
            plane,
            namespace,
            portal,
            key,
            _operator: operator,
        };
        demo.set_key(&demo.key);
        demo
    }

    fn creation(&self) {
        say("The page's example as a manifest: every day at 3, seven archives kept, a full dump");
        let manifest = self.manifest();
        print!("{manifest}");
        self.show(&["apply", "-f", "-"], &manifest);
        self.show(
            &["wait", "--for=condition=Ready", "dsbs/nightly", "--timeout=30s"],
            "",
        );
        self.show(&["get", "dsbs"], "");
        self.show(&["get", "dsbs", COLUMNS], "");
    }

    fn drift(&self) {
        say(
            "Somebody changes the schedule in the portal, to 5 o'clock. At the next look (asked for here) it is put back",
        );
        self.portal.first().set_schedule(Schedule {
            dump: true,
            ..Schedule::every_day(5)
        });
        self.show(
            &[
                "annotate",
                "dsbs/nightly",
                "docspace.onlyoffice.com/requestedAt=now",
            ],
            "",
        );
        let echo = "--for=jsonpath={.status.lastHandledReconcileAt}=now";
        self.show(&["wait", echo, "dsbs/nightly", "--timeout=30s"], "");
        self.show(
            &[
                "get",
                "events",
                "--field-selector=reason=ScheduleCorrected",
                "-o=custom-columns=REASON:.reason,NOTE:.message",
            ],
            "",
        );
        self.show(&["get", "dsbs"], "");
    }

    fn wrong_key(&self) {
        say("A wrong key in the Secret");
        self.set_key("sk-0000-mistyped");
        self.show(
            &["wait", "--for=condition=Stalled", "dsbs/nightly", "--timeout=30s"],
            "",
        );
        self.show(&["get", "dsbs"], "");
        say("The right one again");
        self.set_key(&self.key);
        self.show(
            &["wait", "--for=condition=Ready", "dsbs/nightly", "--timeout=30s"],
            "",
        );
        self.show(&["get", "dsbs"], "");
    }

    fn deletion(&self) {
        say("Deletion takes the schedule away");
        self.show(&["delete", "dsbs/nightly"], "");
        let left = self.portal.schedules();
        say(&format!("The portal now holds {} schedules", left.len()));
        self.show(
            &[
                "get",
                "events",
                "-o=custom-columns=TYPE:.type,REASON:.reason",
                "--sort-by=.metadata.creationTimestamp",
            ],
            "",
        );
    }

    async fn keep_running(&self) -> Result<(), Box<dyn Error>> {
        self.show(&["apply", "-f", "-"], &self.manifest());
        say("It runs until Ctrl-C. In another terminal:");
        println!("export KUBECONFIG={}", self.plane.kubeconfig().display());
        println!(
            "kubectl config set-context --current --namespace {}",
            self.namespace
        );
        println!("kubectl get dsbs --watch");
        println!(
            "\nThe portal: {} (Authorization: Bearer {})",
            self.portal.url(),
            self.key
        );
        Ok(tokio::signal::ctrl_c().await?)
    }

    fn manifest(&self) -> String {
        format!(
            "apiVersion: docspace.onlyoffice.com/v1alpha1\n\
             kind: DocSpaceBackupSchedule\n\
             metadata:\n  name: nightly\n\
             spec:\n  portal:\n    url: {}\n    apiKeySecretRef: {{name: {KEY}}}\n  \
             storageType: CustomCloud\n  cronParams: {{period: EveryDay, hour: 3, day: 0}}\n  backupsStored: 7\n  dump: true\n",
            self.portal.url()
        )
    }

    fn set_key(&self, key: &str) {
        let literal = format!("--from-literal=apiKey={key}");
        let arguments = [
            "create",
            "secret",
            "generic",
            KEY,
            &literal,
            "--dry-run=client",
            "-o=yaml",
        ];
        let secret = self.plane.kubectl_ok(&arguments, "");
        self.plane.kubectl_ok(
            &[
                "apply",
                "--server-side",
                "--namespace",
                &self.namespace,
                "-f",
                "-",
            ],
            &secret,
        );
    }

    /// Runs kubectl as a user would, and shows it.
    fn show(&self, arguments: &[&str], stdin: &str) {
        println!("$ kubectl {}", arguments.join(" "));
        let arguments: Vec<_> = ["--namespace", &self.namespace]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        println!("{}", self.plane.kubectl_ok(&arguments, stdin));
    }
}

fn say(text: &str) {
    println!("\n# {text}\n");
}
