//! All portals take calls and never answer, also during a restart.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{Result, phases::restart::FLAG, stage::Stage, table::Table};

/// How long is looked on, before the restart and after it.
const HANG: Duration = Duration::from_secs(45);

pub async fn before_restart(stage: &mut Stage, table: &mut Table) -> Result<()> {
    stage.portals.hang_all();
    stage.seen()?;
    stage.looks("all", &[], Duration::ZERO).await?;
    sleep(HANG).await;
    report(stage, table)
}

pub async fn restart(stage: &mut Stage, table: &mut Table) -> Result<()> {
    let start = Instant::now();
    stage.stop().await?;
    table.goal("SIGTERM to the end", start.elapsed().as_secs_f64(), "s", 10.0);
    let operator = stage.launch(&["--interval", FLAG]).await;
    stage.attend(operator).await;
    stage.ready().await?;
    sleep(HANG).await;
    report(stage, table)?;
    stage.stop().await
}

fn report(stage: &Stage, table: &mut Table) -> Result<()> {
    let seen = stage.report_peaks(table)?;
    table.goal("holders of the Lease", seen.leaders.len() as f64, "", 1.0);
    table.info("slowest probe", seen.slowest_probe.as_secs_f64() * 1000.0, "ms");
    Ok(())
}
