//! The one story that every row tells: an object comes, is changed and goes, and its Secret is rotated. Somewhere in it,
//! the fault begins and ends.

use std::time::Duration;

use crate::{
    checks,
    portal::PortalCall,
    row::{Begins, Injected, Kind, Row},
    world::{World, reason},
};

/// Without a fault, everything is done within this time.
const WITHOUT_A_FAULT: Duration = Duration::from_secs(90);
/// What a row showed.
#[derive(Clone, Debug)]
pub struct Told {
    /// How many requests each fault met.
    pub hits: Vec<u64>,
    /// From its end until all was as the manifest says.
    pub recovered: Duration,
}

/// Tells the story of a row; fails where it is not as promised.
pub async fn tell(row: &Row) -> Told {
    let world = World::of(row).await;
    match (row.kind, row.kills()) {
        (Kind::AtStake, _) => tell_with_archives_at_stake(world).await,
        (_, true) => {
            let (world, told) = tell_in_steps(world).await;
            assert_eq!(world.killed, 1, "kills\n{}", world.shown());
            told
        }
        (_, false) => tell_with_a_fault(world).await,
    }
}

/// The same story with time for each change, so that its writes can be counted. The operator is killed at one of them.
pub async fn tell_in_steps(mut world: World) -> (World, Told) {
    world.fail();
    world.start().await;
    world.create().await;
    let within = world.row.recovers_within();
    let mut recovered = world.settles(within).await;
    world.is_quiet().await;
    world.change_hour(5).await;
    recovered = recovered.max(world.settles(within).await);
    world.is_quiet().await;
    world.rotate_storage().await;
    recovered = recovered.max(world.settles(within).await);
    world.is_quiet().await;
    checks::while_it_is_there(&mut world).await;
    world.delete().await;
    recovered = recovered.max(world.goes(within).await);
    world.is_quiet().await;
    checks::at_the_end(&mut world).await;
    let told = Told {
        hits: vec![world.killed],
        recovered,
    };
    (world, told)
}

/// The portal keeps more archives than the manifest says, so nothing may be written until the user consents.
async fn tell_with_archives_at_stake(mut world: World) -> Told {
    let row = &world.row.clone();
    let is_of_writes = |fault: &Injected| matches!(fault, Injected::Portal(PortalCall::Create, _));
    let of_writes = row.faults.iter().any(is_of_writes);
    world.fail();
    world.start().await;
    world.create().await;
    let mut hits = Vec::new();
    if !of_writes {
        hits = world.outlasts_the_fault().await;
    }
    let refuses = |world: &World| {
        world
            .object()
            .is_some_and(|object| reason(&object) == "WouldDeleteArchives")
    };
    let recovered = world
        .comes_to("archives are at stake", row.recovers_within(), refuses)
        .await;
    world.is_quiet().await;
    checks::nothing_was_posted(&world);
    world.keep_archives().await;
    if of_writes {
        hits = world.outlasts_the_fault().await;
    }
    let settled = world.settles(row.recovers_within()).await;
    world.is_quiet().await;
    checks::while_it_is_there(&mut world).await;
    world.delete().await;
    world.goes(row.recovers_within()).await;
    world.is_quiet().await;
    checks::at_the_end(&mut world).await;
    let recovered = recovered.max(settled);
    Told { hits, recovered }
}

async fn tell_with_a_fault(mut world: World) -> Told {
    let row = &world.row.clone();
    if row.begins == Begins::Start {
        world.fail();
    }
    world.start().await;
    world.create().await;
    if row.begins != Begins::Start {
        world.settles(WITHOUT_A_FAULT).await;
    }
    let mut told = None;
    if row.begins == Begins::Ready {
        world.fail();
    }
    match row.begins {
        Begins::Deletion => {
            world.change().await;
            world.settles(WITHOUT_A_FAULT).await;
        }
        Begins::Night => {
            world.change().await;
            world.settles(WITHOUT_A_FAULT).await;
            // Or the operator would take a write from before the night for one of the morning.
            world.is_quiet().await;
            told = Some(world.sees_a_night().await);
        }
        Begins::Start | Begins::Ready => {
            let hits = world.lives_with_the_fault().await;
            let recovered = world.settles(row.recovers_within()).await;
            told = Some(Told { hits, recovered });
        }
    }
    world.rests().await;
    checks::while_it_is_there(&mut world).await;
    if row.begins == Begins::Deletion {
        world.fail();
    }
    world.delete().await;
    let hits = match row.begins {
        Begins::Deletion => world.outlasts_the_fault().await,
        _ => Vec::new(),
    };
    let gone = world.goes(row.recovers_within()).await;
    world.is_quiet().await;
    checks::at_the_end(&mut world).await;
    told.unwrap_or(Told {
        hits,
        recovered: gone,
    })
}
