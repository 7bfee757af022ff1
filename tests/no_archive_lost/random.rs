//! Random stories. A failing story shrinks towards the first of the alternatives.

use docspace_backup_operator::api::ManagementPolicy;
use proptest::{collection::vec, option, prelude::*};
use simulated_portal::File;

use crate::{
    in_process::{ArchiveSeed, Manifest, STORAGES, Terms, adoptions, terms_with},
    story::{Edit, Look, Post, Slot, Step, Story},
};

fn numbers() -> impl Strategy<Value = i32> {
    prop_oneof![4 => 1..=8, 1 => 1..=30]
}

fn terms() -> impl Strategy<Value = Terms> {
    terms_with(numbers())
}

/// Scheduled archives have a storage; the comment at the head of `main.rs` says why.
fn archives(most: usize) -> impl Strategy<Value = Vec<ArchiveSeed>> {
    let file = prop_oneof![8 => Just(File::Present), 1 => Just(File::Missing), 1 => Just(File::NoStorage)];
    let expires =
        prop_oneof![6 => Just(None), 2 => Just(Some(None)), 1 => (-9..9_i64).prop_map(|at| Some(Some(at)))];
    let archive = (
        1..2000_i64,
        prop::bool::weighted(0.85),
        0..6,
        file,
        expires,
        prop::bool::weighted(0.1),
    );
    let archive = archive.prop_map(|(hours, scheduled, storage, file, expires, struck)| ArchiveSeed {
        hours,
        scheduled: scheduled && storage != 2 && file != File::NoStorage,
        storage,
        file,
        expires,
        struck,
    });
    vec(archive, 0..=most)
}

fn slots() -> impl Strategy<Value = Slot> {
    let archives = prop_oneof![4 => archives(10), 1 => archives(34)];
    (option::weighted(0.7, terms()), archives).prop_map(|(schedule, archives)| Slot { schedule, archives })
}

fn managements() -> impl Strategy<Value = ManagementPolicy> {
    prop_oneof![9 => Just(ManagementPolicy::Enforce), 1 => Just(ManagementPolicy::Observe)]
}

fn manifests() -> impl Strategy<Value = Manifest> {
    let suspend = prop::bool::weighted(0.05);
    let parts = (
        terms(),
        any::<bool>(),
        0..2_usize,
        adoptions(),
        managements(),
        suspend,
    );
    parts.prop_map(|(terms, dump, portal, adoption, management, suspend)| Manifest {
        terms,
        dump,
        portal,
        adoption,
        management,
        suspend,
    })
}

fn edits() -> impl Strategy<Value = Edit> {
    let by_others = prop_oneof![
        1 => Just(Edit::Nothing),
        2 => terms().prop_map(Edit::Theirs),
        2 => numbers().prop_map(Edit::TheirNumber),
        2 => Just(Edit::Removed),
        2 => archives(6).prop_map(Edit::Archives),
        2 => (1..4_usize).prop_map(Edit::Runs),
        1 => Just(Edit::Cleaner),
    ];
    let by_user = prop_oneof![
        4 => numbers().prop_map(Edit::Number),
        2 => (0..2).prop_map(Edit::Hour),
        2 => (0..STORAGES.len()).prop_map(Edit::Storage),
        1 => (0..2_u8).prop_map(Edit::Secret),
        1 => (0..2_usize).prop_map(Edit::Portal),
        1 => any::<bool>().prop_map(Edit::Dump),
        1 => adoptions().prop_map(Edit::Adoption),
        1 => managements().prop_map(Edit::Management),
        1 => prop::bool::weighted(0.3).prop_map(Edit::Suspend),
        1 => any::<bool>().prop_map(|finalizer| Edit::Restored { finalizer }),
    ];
    prop_oneof![by_others, by_user]
}

fn looks() -> impl Strategy<Value = Look> {
    let minutes = prop_oneof![3 => Just(15), 1 => Just(2), 2 => Just(25 * 60)];
    let unlikely = || prop::bool::weighted(0.1);
    let post = prop_oneof![
        12 => Just(Post::Done),
        1 => Just(Post::Refused),
        1 => Just(Post::Lost),
        1 => Just(Post::Unseen),
    ];
    let parts = (minutes, unlikely(), unlikely(), prop::bool::weighted(0.85), post);
    parts.prop_map(|(minutes, requested, running, history, post)| Look {
        minutes,
        requested,
        running,
        history,
        post,
    })
}

/// Random stories.
pub fn stories() -> impl Strategy<Value = Story> {
    let steps = vec(
        (edits(), looks()).prop_map(|(edit, look)| Step { edit, look }),
        1..10,
    );
    let applied = option::weighted(0.5, (terms(), 0..2_usize));
    let slots = [slots(), slots(), slots()];
    let parts = (
        any::<bool>(),
        slots,
        manifests(),
        applied,
        prop::bool::weighted(0.8),
        steps,
    );
    parts.prop_map(|(postgresql, slots, manifest, applied, finalizer, steps)| Story {
        postgresql,
        slots,
        manifest,
        applied,
        finalizer,
        steps,
    })
}
