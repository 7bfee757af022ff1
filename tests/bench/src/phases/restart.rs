//! A restart with all objects, with a short interval so that a whole one can be measured: how soon a new object is Ready,
//! how evenly the portals are called, and then an interval in which nothing happens.

use std::time::{Duration, Instant};

use simulated_portal::Log;
use tokio::time::interval;

use crate::{Result, api_server::Writes, stage::Stage, table::Table};

/// The interval between looks in these phases, as the flag has it.
pub const FLAG: &str = "2m";
/// The same.
pub const INTERVAL: Duration = Duration::from_secs(120);
/// How often calls are counted.
const STEP: Duration = Duration::from_millis(500);
/// The time whose calls count as a burst.
const BURST: Duration = Duration::from_secs(10);

pub async fn measure(stage: &mut Stage, table: &mut Table) -> Result<()> {
    let writes = Writes::counted(&stage.client).await?;
    let start = Instant::now();
    let mut operator = None;
    let launch = async { operator = Some(stage.launch(&["--interval", FLAG]).await) };
    let counts = tokio::spawn(counted(stage.portals.log(), start + INTERVAL));
    let (leads, (_, ready)) = futures::try_join!(stage.leads(), stage.one_more(stage.last(), launch))?;
    stage.attend(operator.ok_or("not launched")?).await;
    table.info(
        "start of the process to its lead",
        (leads - start).as_secs_f64(),
        "s",
    );
    let lead_to_ready = ready.saturating_duration_since(leads).as_secs_f64();
    table.goal(
        "lead to Ready of an object created at the start",
        lead_to_ready,
        "s",
        5.0,
    );

    let counts = counts.await?;
    let (first, last) = (counts[0], counts[counts.len() - 1]);
    let window = (BURST.as_secs_f64() / STEP.as_secs_f64()) as usize;
    let busiest = counts.windows(window + 1).map(|few| few[window] - few[0]).max();
    let mean = (last - first) as f64 / (counts.len() - 1) as f64 * window as f64;
    let name = format!("portal calls in the busiest 10 s / their mean over an interval of {FLAG}");
    table.goal(name, busiest.unwrap_or_default() as f64 / mean, "", 3.0);
    let writes = Writes::counted(&stage.client).await? - writes;
    table.info("writes to objects in this interval", writes.objects, "");
    table.info("Events in this interval", writes.events, "");
    stage.report_peaks(table)?;
    Ok(())
}

/// The number of portal calls so far, at each step until `end`.
async fn counted(log: Log, end: Instant) -> Vec<u64> {
    let mut counts = Vec::new();
    let mut ticks = interval(STEP);
    while Instant::now() < end {
        ticks.tick().await;
        counts.push(log.total());
    }
    counts
}
