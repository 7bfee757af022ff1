//! All objects created at once: how long until all are Ready, and what that takes; then the bare client.

use crate::{
    Result,
    api_server::Writes,
    bare,
    phases::TO_BARE,
    stage::Stage,
    table::{Table, percentile},
};

const ALL_READY: &str = "all Ready";

pub async fn measure(stage: &mut Stage, table: &mut Table) -> Result<()> {
    let count = stage.size as f64;
    stage.seen()?;
    let process = stage.process()?;
    let (writes, calls) = (Writes::counted(&stage.client).await?, stage.portals.calls());
    let cpu = process.cpu()?;
    let ready = stage.at_once(stage.objects()).await?;
    let cpu = process.cpu()? - cpu;
    let writes = Writes::counted(&stage.client).await? - writes;
    let calls = stage.portals.calls() - calls;
    table.info(ALL_READY, ready.all.as_secs_f64(), "s");
    table.info("objects a second", count / ready.all.as_secs_f64(), "");
    table.info("creation to Ready, p50", percentile(&ready.each, 0.5), "ms");
    table.info("creation to Ready, p99", percentile(&ready.each, 0.99), "ms");
    table.goal("own CPU for each object", cpu * 1000.0 / count, "ms", 1.5);
    table.goal("writes to each object", writes.objects / count, "", 2.0);
    table.goal("Events of each object", writes.events / count, "", 1.0);
    table.goal("portal calls for each object", calls.all as f64 / count, "", 6.0);
    table.goal("of these, writes", calls.writes as f64 / count, "", 1.0);
    stage.report_peaks(table)?;
    Ok(())
}

/// Ends the operator, so that nothing else asks the API server.
pub async fn compare(stage: &mut Stage, table: &mut Table) -> Result<()> {
    stage.stop().await?;
    let bodies = bare::bodies(stage).await?;
    let (bare, in_flight) = bare::best(&stage.client, stage.objects(), &bodies).await?;
    table.info("bare client, all", bare.as_secs_f64(), "s");
    table.info("bare client, objects in flight", in_flight as f64, "");
    let ready = table.value(ALL_READY, stage.size).ok_or("not all became Ready")?;
    table.goal(TO_BARE, ready / bare.as_secs_f64(), "", 1.2);
    Ok(())
}
