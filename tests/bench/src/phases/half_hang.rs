//! Half of the portals take calls and never answer: what the others feel of it.

use std::time::Duration;

use docspace_backup_operator::api::DocSpaceBackupSchedule;

use crate::{
    Result,
    stage::Stage,
    table::{Table, percentile},
};

/// The share of the times that is compared.
const P99: f64 = 0.99;
/// The most time that is waited where no portal hangs.
const PATIENCE: Duration = Duration::from_secs(300);
/// How many times the usual is waited for the others: enough to see that the goal is missed.
const OF_USUAL: f64 = 2.1;
/// The least time that is waited for them.
const AT_LEAST: Duration = Duration::from_secs(30);

pub async fn measure(stage: &mut Stage, table: &mut Table) -> Result<()> {
    let others: Vec<DocSpaceBackupSchedule> = stage.objects().iter().step_by(2).cloned().collect();
    let usual = stage.looks("usual", &others, PATIENCE).await?;
    if usual.len() < others.len() {
        return Err("not every look was answered even where no portal hangs".into());
    }
    let usual = percentile(&usual, P99);
    table.info("request to answer where no portal hangs, p99", usual, "ms");

    for number in (1..stage.size).step_by(2) {
        stage.portals.hang(number);
    }
    stage.seen()?;
    let patience = Duration::from_secs_f64(usual / 1000.0 * OF_USUAL).max(AT_LEAST);
    let mut times = stage.looks("half", &others, patience).await?;
    let unanswered = others.len() - times.len();
    // They take longer than this.
    times.resize(others.len(), patience);
    let p99 = percentile(&times, P99);
    table.info(
        "looks of the others that were not answered in time",
        unanswered as f64,
        "",
    );
    table.goal_at_least(
        "request to answer of the others, p99 / where no portal hangs",
        p99 / usual,
        "",
        2.0,
        p99 >= patience.as_secs_f64() * 1000.0,
    );
    stage.report_peaks(table)?;
    Ok(())
}
