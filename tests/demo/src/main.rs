//! A demo of the operator with kubectl's own output: what a portal holds, and what the operator would do; an accepted schedule that can never produce a backup; a night after
//! which one portal has a confirmed backup and another portal's backup is overdue; drift; and a wrong key.

mod stage;

use std::{error::Error, path::PathBuf, sync::atomic::Ordering};

use clap::Parser;
use simulated_portal::{Outcome, Schedule};

use crate::stage::{INTERRUPTED, Stage, interrupted, say};

/// Demonstrates the operator.
#[derive(Parser)]
struct Args {
    /// The operator's binary.
    #[arg(long)]
    operator: PathBuf,
    /// Keep everything running until Ctrl-C.
    #[arg(long)]
    keep_running: bool,
    /// The cluster is somebody else's: use a namespace of its own, and leave nothing behind.
    #[arg(long)]
    visit: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    say(match args.visit {
        true => "Starting a simulated server with two portals, and the operator, beside the cluster",
        false => "Starting etcd, kube-apiserver, a simulated server with two portals, and the operator",
    });
    // The demo then ends at its next step, and cleans up.
    tokio::spawn(async {
        if interrupted().await.is_ok() {
            INTERRUPTED.store(true, Ordering::Relaxed);
        }
    });
    let stage = Stage::set(&args.operator, args.visit).await;
    if args.keep_running {
        return stage.keep_running().await;
    }
    stage.set_clock();
    look_first(&stage);
    accepted_and_useless(&stage);
    a_night(&stage);
    drift(&stage);
    wrong_key(&stage);
    say("The Events of the sales portal");
    stage.show_events("sales");
    say("End of the demo; everything stops now. To keep it running, use: make up");
    Ok(())
}

fn look_first(stage: &Stage) {
    say(
        "Before the first write. Somebody has made a schedule in the sales portal: what does the portal hold? The Secrets \
         are to be filled in",
    );
    stage.sales.set_schedule(Schedule::every_day(22));
    stage.show_plugin(
        &[
            "import",
            "--url",
            &stage.server.url(),
            "--host-header",
            "sales.example.com",
        ],
        "",
    );
    say("What would the operator do with our own manifest? This writes nothing");
    let manifest = stage.sales_alone();
    stage.show_plugin(&["check", "-f", "-"], &manifest);
    say("That person deletes the schedule; the sales portal is empty");
    stage.sales.remove_schedule(false);
}

fn accepted_and_useless(stage: &Stage) {
    say("The example request of DocSpace's API documentation, as a manifest");
    let manifest = stage.example();
    print!("{manifest}");
    stage.show_with(&["apply", "-f", "-"], &manifest);
    stage.show(&["wait", "--for=condition=Ready", "dsbs/example", "--timeout=30s"]);
    stage.show(&[
        "get",
        "dsbs",
        "-o=custom-columns=NAME:.metadata.name,HTTP:.status.lastRequest.statusCode,SAID:.status.lastRequest.message",
    ]);
    say(
        "DocSpace accepted it with status 200, and the portal holds it. It can never produce a backup, so FRESH is False:",
    );
    stage.show(&["get", "dsbs"]);
    stage.show_freshness();
    say("Deleting the object deletes the schedule from the portal");
    stage.show(&["delete", "dsbs/example"]);
    println!(
        "The server now holds {} schedules.",
        stage.server.schedules().len()
    );
}

fn a_night(stage: &Stage) {
    say("Two portals at 02:30; both have a backup due at 03:00.\n\
         # The legal portal loses every run: its API works, but its backup service does not.\n\
         # (For this demo the server's clock is set to yesterday, so the Events below include ClockSkew.)");
    stage.legal.every_run(false, Outcome::Lost);
    let manifest = stage.sales_and_legal();
    stage.show_with(&["apply", "-f", "-"], &manifest);
    stage.show(&["wait", "--for=condition=Ready", "dsbs", "--all", "--timeout=30s"]);
    stage.show(&["get", "dsbs"]);

    say("03:15. The demo requests a check here; otherwise the operator checks every 15 minutes");
    stage.live(45);
    stage.look("03:15");
    stage.show_freshness();

    say("03:45. The portal still lists the archive after 30 minutes: the backup is confirmed");
    stage.live(30);
    stage.look("03:45");
    stage.show(&[
        "wait",
        "--for=condition=BackupFresh",
        "dsbs/sales",
        "--timeout=30s",
    ]);
    stage.show(&["get", "dsbs"]);

    say(
        "05:05, more than two hours (backupDeadline) after the due time: the legal portal's backup is overdue, as two \
         checks show",
    );
    stage.live(80);
    stage.look("05:05");
    stage.show(&[
        "wait",
        "--for=condition=BackupFresh=False",
        "dsbs/legal",
        "--timeout=60s",
    ]);
    stage.show(&["get", "dsbs"]);
    stage.show_freshness();
    stage.show_events("legal");
}

fn drift(stage: &Stage) {
    say(
        "Somebody changes the sales portal's schedule to 05:00. A check after 10 seconds shows the same, and corrects it",
    );
    stage.sales.set_schedule(Schedule::every_day(5));
    stage.look("05:06");
    stage.show(&[
        "wait",
        "--for=jsonpath={.status.corrections.count}=1",
        "dsbs/sales",
        "--timeout=60s",
    ]);
    stage.show(&["get", "dsbs/sales"]);
}

fn wrong_key(stage: &Stage) {
    say("A wrong key in the sales portal's Secret");
    stage.set_key("sales", "sk-0000-mistyped");
    stage.show(&["wait", "--for=condition=Stalled", "dsbs/sales", "--timeout=30s"]);
    stage.show(&["get", "dsbs/sales"]);
    say("The right key again");
    stage.set_key("sales", &stage.sales_key);
    stage.show(&["wait", "--for=condition=Ready", "dsbs/sales", "--timeout=30s"]);
}
