//! Two operators with half of the objects each, by label, beside one operator with all of them.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    Result,
    stage::{FIRST_WRITE, Stage},
    table::Table,
};

/// The number of objects of both shards together.
pub const OBJECTS: usize = 4000;

/// All Ready with one operator.
pub async fn one(stage: &mut Stage, table: &mut Table) -> Result<()> {
    let ready = all_ready(stage, &[&[]], table).await?;
    table.info(ONE, ready.as_secs_f64(), "s");
    Ok(())
}

/// All Ready with two.
pub async fn two(stage: &mut Stage, table: &mut Table) -> Result<()> {
    let shards: [&[&str]; 2] = [
        &["--selector", "shard=a", "--lease-name", "shard-a"],
        &["--selector", "shard=b", "--lease-name", "shard-b"],
    ];
    let ready = all_ready(stage, &shards, table).await?.as_secs_f64();
    table.info("all Ready with two operators", ready, "s");
    let one = table
        .value(ONE, OBJECTS)
        .ok_or("not measured with one operator")?;
    table.info("all Ready with two operators / with one", ready / one, "");
    Ok(())
}

const ONE: &str = "all Ready with one operator";

/// Starts an operator with each of these flags.
async fn all_ready(stage: &mut Stage, flags: &[&[&str]], table: &mut Table) -> Result<Duration> {
    for flags in flags {
        let operator = stage.launch(flags).await;
        stage.attend(operator).await;
    }
    stage.create_secrets().await?;
    sleep(FIRST_WRITE).await;
    let ready = stage.at_once(stage.objects()).await?.all;
    let peaks = stage.processes().into_iter().map(|process| process.peak());
    let peak = peaks.collect::<Result<Vec<_>>>()?.into_iter().fold(0.0, f64::max);
    table.goal(
        format!("peak memory of each, of {}", flags.len()),
        peak,
        "MiB",
        112.0,
    );
    stage.stop().await?;
    Ok(ready)
}
