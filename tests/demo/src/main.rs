//! What the operator does, shown with kubectl's own output: a schedule that is accepted and can never make a backup, a
//! night after which one portal has a proven backup and another's is overdue, a schedule that somebody changes, and a
//! wrong key.

mod stage;

use std::{error::Error, path::PathBuf};

use clap::Parser;
use simulated_portal::{Outcome, Schedule};

use crate::stage::{Stage, say};

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
    say("Starting etcd, kube-apiserver, a simulated server with two portals, and the operator");
    let stage = Stage::set(&args.operator).await;
    if args.keep_running {
        return stage.keep_running().await;
    }
    stage.set_clock();
    accepted_and_useless(&stage);
    a_night(&stage);
    drift(&stage);
    wrong_key(&stage);
    say("What happened at the sales portal");
    stage.show_events("sales");
    say("That was all; it ends by itself. To keep it running: make up");
    Ok(())
}

fn accepted_and_useless(stage: &Stage) {
    say("The request that DocSpace's API documentation gives as its example, as a manifest");
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
        "Accepted, with status 200; the portal holds it. Yet no backup will ever come of it, so FRESH is False:",
    );
    stage.show(&["get", "dsbs"]);
    stage.show_freshness();
    say("Deletion takes the schedule away from the portal");
    stage.show(&["delete", "dsbs/example"]);
    println!(
        "The server now holds {} schedules.",
        stage.server.schedules().len()
    );
}

fn a_night(stage: &Stage) {
    say(
        "Two portals, at half past two in the night; both are to make a backup at 3.\n\
         # At the legal portal every run is lost: its API works, its backup service does not.\n\
         # (The server's clock was set back to yesterday for this, hence the Event ClockSkew below.)",
    );
    stage.legal.every_run(false, Outcome::Lost);
    let manifest = stage.sales_and_legal();
    stage.show_with(&["apply", "-f", "-"], &manifest);
    stage.show(&["wait", "--for=condition=Ready", "dsbs", "--all", "--timeout=30s"]);
    stage.show(&["get", "dsbs"]);

    say("A quarter past three. A look is asked for here; by itself the operator looks every 15 minutes");
    stage.live(45);
    stage.look("03:15");
    stage.show_freshness();

    say("Half an hour later the archive is still there: the backup is proved");
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
        "Five past five: more than two hours (backupDeadline) after it was due, the legal portal's backup is overdue",
    );
    stage.live(80);
    stage.look("05:05");
    stage.show(&["get", "dsbs"]);
    stage.show_freshness();
    stage.show_events("legal");
}

fn drift(stage: &Stage) {
    say("Somebody changes the sales portal's schedule, to 5 o'clock. At the next look it is put back");
    stage.sales.set_schedule(Schedule::every_day(5));
    stage.look("05:06");
    stage.show(&["get", "dsbs/sales"]);
}

fn wrong_key(stage: &Stage) {
    say("A wrong key in the sales portal's Secret");
    stage.set_key("sales", "sk-0000-mistyped");
    stage.show(&["wait", "--for=condition=Stalled", "dsbs/sales", "--timeout=30s"]);
    stage.show(&["get", "dsbs/sales"]);
    say("The right one again");
    stage.set_key("sales", &stage.sales_key);
    stage.show(&["wait", "--for=condition=Ready", "dsbs/sales", "--timeout=30s"]);
}
