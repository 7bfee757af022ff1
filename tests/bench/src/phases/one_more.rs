//! One more object while the others are idle, and its own calls made bare, one after the other.

use crate::{
    Result, bare,
    stage::{FURTHER, Stage},
    table::{Table, percentile},
};

/// The number of idle objects that the goal is for.
const GOAL_FOR: usize = 1000;

pub async fn measure(stage: &mut Stage, table: &mut Table) -> Result<()> {
    let calls = stage.portals.by_kind();
    let mut times = Vec::new();
    for object in stage.further() {
        times.push(stage.one_more(object, async {}).await?.0);
    }
    let calls = stage.portals.by_kind().since(&calls);
    let single = percentile(&times, 0.5);
    let bodies = bare::bodies(stage).await?;
    let writes = percentile(
        &bare::one_by_one(&stage.client, stage.further(), &bodies).await?,
        0.5,
    );
    let portal = stage.portals.bare_calls(FURTHER, &calls).await?;
    table.info("creation to Ready, median", single, "ms");
    table.info("its calls of the API server made bare, median", writes, "ms");
    table.info("its portal calls made bare, median", portal, "ms");
    let (name, ratio) = (
        "creation to Ready / its own calls made bare",
        single / (writes + portal),
    );
    if stage.size <= GOAL_FOR {
        table.goal(name, ratio, "", 2.0);
    } else {
        table.info(name, ratio, "");
    }
    Ok(())
}
