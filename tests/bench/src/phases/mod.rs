//! What is measured, in this order.

mod all_hang;
mod at_once;
mod empty;
mod half_hang;
mod idle;
mod minute_after;
mod one_more;
mod restart;
mod shards;

use std::{panic::AssertUnwindSafe, path::Path, time::Duration};

use futures::FutureExt;
use tokio::time::timeout;

use crate::{Result, stage::Stage, table::Table};

/// Time limit of a phase.
const DEADLINE: Duration = Duration::from_secs(900);

/// The ratio that compares two sizes.
const TO_BARE: &str = "all Ready / bare client";

/// Runs all phases with this number of objects.
pub async fn all(mut stage: Stage, table: &mut Table) {
    let stage = &mut stage;
    run("1. No object", stage, table, empty::measure).await;
    run("2. All created at once", stage, table, at_once::measure).await;
    run("3. One more object", stage, table, one_more::measure).await;
    run(
        "4. A minute after the creation",
        stage,
        table,
        minute_after::measure,
    )
    .await;
    run("The bare client", stage, table, at_once::compare).await;
    run("5. A restart", stage, table, restart::measure).await;
    run("6. An idle interval", stage, table, idle::measure).await;
    run("7. Half of the portals hang", stage, table, half_hang::measure).await;
    run("8. All portals hang", stage, table, all_hang::before_restart).await;
    run(
        "9. All portals hang at a restart",
        stage,
        table,
        all_hang::restart,
    )
    .await;
}

/// Compares one operator with two that share the objects.
pub async fn shards(program: &Path, table: &mut Table) {
    let stage = &mut Stage::new(shards::OBJECTS, program).await;
    run("10. Shards", stage, table, shards::one).await;
    let stage = &mut Stage::new(shards::OBJECTS, program).await;
    run("10. Shards", stage, table, shards::two).await;
}

/// A phase that fails, by an error, a panic or its deadline, is noted; the next one is tried.
async fn run(
    phase: &'static str,
    stage: &mut Stage,
    table: &mut Table,
    measure: impl AsyncFnOnce(&mut Stage, &mut Table) -> Result<()>,
) {
    table.begin(phase, stage.size);
    let measured = AssertUnwindSafe(measure(stage, table)).catch_unwind();
    match timeout(DEADLINE, measured).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => table.failed(&error.to_string()),
        Ok(Err(_)) => table.failed("it panicked; the message is above"),
        Err(_) => table.failed(&format!("it took longer than {DEADLINE:?}")),
    }
}

/// Compares the largest number of objects with the smallest.
pub fn compare(sizes: &[usize], table: &mut Table) {
    let (Some(least), Some(most)) = (sizes.iter().min(), sizes.iter().max()) else {
        return;
    };
    if least == most {
        return;
    }
    table.begin("Growth", *most);
    match (table.value(TO_BARE, *least), table.value(TO_BARE, *most)) {
        (Some(few), Some(many)) => {
            let name = format!("{TO_BARE}, with {most} objects / with {least}");
            table.goal(name, many / few, "", 1.1);
        }
        _ => table.failed("a ratio is missing"),
    }
}
