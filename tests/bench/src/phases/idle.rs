//! An interval in which nothing happens but looks.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    Result,
    api_server::Writes,
    phases::restart::{FLAG, INTERVAL},
    stage::Stage,
    table::Table,
};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The interval by default, which the day is calculated with.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(15 * 60);

pub async fn measure(stage: &mut Stage, table: &mut Table) -> Result<()> {
    stage.seen()?;
    let process = stage.process()?;
    let (writes, calls) = (Writes::counted(&stage.client).await?, stage.portals.calls());
    let cpu = process.cpu()?;
    sleep(INTERVAL).await;
    let cpu = process.cpu()? - cpu;
    let calls = (stage.portals.calls() - calls).all as f64;
    let writes = Writes::counted(&stage.client).await? - writes;
    table.goal("writes to objects", writes.objects, "", 0.0);
    table.goal("Events", writes.events, "", 0.0);
    let looks = DAY.as_secs_f64() / DEFAULT_INTERVAL.as_secs_f64();
    let each = calls / stage.size as f64;
    let name = format!("portal calls of each in an interval of {FLAG}, × {looks} as in a day of 15m");
    table.goal(name, each * looks, "", 200.0);
    table.info("CPU for each portal call", cpu * 1000.0 / calls, "ms");
    table.info("resident", process.resident()?, "MiB");
    stage.report_peaks(table)?;
    Ok(())
}
