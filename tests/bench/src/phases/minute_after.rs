//! A minute after the creation: what remains in memory, and whether anything is still written.

use std::time::Duration;

use tokio::time::sleep;

use crate::{Result, api_server::Writes, stage::Stage, table::Table};

const MINUTE: Duration = Duration::from_secs(60);

pub async fn measure(stage: &mut Stage, table: &mut Table) -> Result<()> {
    stage.seen()?;
    let process = stage.process()?;
    let (writes, cpu) = (Writes::counted(&stage.client).await?, process.cpu()?);
    sleep(MINUTE).await;
    let (writes, cpu) = (
        Writes::counted(&stage.client).await? - writes,
        process.cpu()? - cpu,
    );
    table.goal("resident", process.resident()?, "MiB", 64.0);
    table.goal("writes to objects", writes.objects, "", 0.0);
    table.goal("Events", writes.events, "", 0.0);
    table.info("CPU", cpu * 1000.0, "ms");
    table.info("open connections to the API server", now(stage)?.0, "");
    table.info("open connections to portals", now(stage)?.1, "");
    stage.report_peaks(table)?;
    Ok(())
}

fn now(stage: &Stage) -> Result<(f64, f64)> {
    let open = stage.connections()?;
    Ok((open.api_server as f64, open.portals as f64))
}
