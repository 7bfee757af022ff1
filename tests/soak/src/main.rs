//! A soak: the operator works for an hour while portals fail and hang by turns, the leader is ended every minute, Secrets are
//! rotated, and objects are edited, deleted and created again. The report says what that did to memory, descriptors and
//! the other objects.
//!
//! The objects are in two shards. Two operators share the first one by leader election, and the leader is ended; the
//! operator of the second one lives for the whole run, so that a leak would show.
//!
//! In the first sixth of the run no portal fails: what is measured then is normal.

mod disturb;
mod judge;
mod object;
mod objects;
mod operators;
mod plot;
mod report;
mod samples;
mod waits;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::Parser;
use tokio::time::{Instant, sleep_until};

use crate::{disturb::Disturber, judge::Ending, objects::Objects, operators::Operators, samples::Samples};

/// Lets the operator work while portals fail, objects and keys change, and leaders end.
#[derive(Parser)]
struct Args {
    /// The operator's program, as the image has it: what deploy/image/program prints.
    #[arg(long)]
    operator: PathBuf,
    /// The number of objects.
    #[arg(long, default_value_t = 1000)]
    objects: usize,
    /// How long it lasts, without the start and the end, in seconds.
    #[arg(long, default_value_t = 3600)]
    seconds: u64,
    /// Seed of what happens when. Default: a new one.
    #[arg(long)]
    seed: Option<u64>,
    /// The folder for the report and its plot.
    #[arg(long, default_value = "target/soak")]
    folder: PathBuf,
}

/// A goal that is missed is no error, but a run that cannot go on is.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The share of the run in which no portal fails.
const NORMAL: u32 = 6;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}: repeat with --seed {seed}");
    let objects = Arc::new(Objects::create(args.objects).await?);
    let operators = Arc::new(Operators::start(&args.operator, &objects).await);
    objects.all_settle(Duration::from_secs(300)).await?;

    let (start, lasts) = (Instant::now(), Duration::from_secs(args.seconds));
    let samples = Samples::begin(operators.clone(), start);
    let disturber = Disturber {
        objects: objects.clone(),
        operators: operators.clone(),
        samples: samples.clone(),
        seed,
        starts: start,
        lasts,
    };
    let mut happened = disturber.run().await;
    sleep_until(start + lasts).await;
    objects.clear_faults();
    let settled = objects.all_settle(judge::SETTLES_WITHIN).await;
    let rests_from = start.elapsed();
    let rest = objects.rest(judge::rest(lasts)).await;

    // An hour's report is written whatever went wrong.
    let shown = objects.shown().await;
    let ended = operators.all_run().await.err();
    let failures = ended.iter().chain(shown.as_ref().err());
    happened.failures.extend(failures.map(ToString::to_string));
    let metrics = operators.metrics().await;
    if let Err(error) = &metrics {
        happened
            .failures
            .push(format!("the metrics of shard b cannot be read: {error}"));
    }
    let ending = Ending {
        settled,
        rests_from,
        rest,
        recoveries: objects.recoveries(start),
        told: [
            operators.log(),
            metrics.unwrap_or_default(),
            shown.unwrap_or_default(),
        ]
        .concat(),
    };
    let verdict = judge::verdict(&objects, &samples.taken(), &happened, &ending, lasts);
    let text = report::text(&args.operator, args.objects, lasts, seed, &happened, &verdict)?;
    report::write(&args.folder, &text, &plot::svg(&samples.taken(), lasts / NORMAL)?)?;
    print!("{text}");
    operators.stop().await;
    Ok(if verdict.iter().all(|row| row.is_met()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
