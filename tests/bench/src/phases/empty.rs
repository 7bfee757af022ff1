//! The operator without an object, before and after the Secrets of all objects are there.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    Result,
    stage::{FIRST_WRITE, Stage},
    table::Table,
};

/// The time in which memory settles.
const SETTLES: Duration = Duration::from_secs(5);

pub async fn measure(stage: &mut Stage, table: &mut Table) -> Result<()> {
    let start = Instant::now();
    let operator = stage.launch(&[]).await;
    stage.attend(operator).await;
    stage.ready().await?;
    sleep(SETTLES).await;
    table.goal("resident, no Secret", stage.process()?.resident()?, "MiB", 12.0);
    stage.create_secrets().await?;
    sleep(SETTLES).await;
    let resident = stage.process()?.resident()?;
    table.info("resident, a Secret for each object to come", resident, "MiB");
    sleep_until(start + FIRST_WRITE).await;
    Ok(())
}
