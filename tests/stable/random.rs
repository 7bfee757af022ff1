//! Random stories. A failing story shrinks towards the first of the alternatives.

use docspace_backup_operator::api::{DeletionPolicy, ManagementPolicy};
use proptest::{collection::vec, option, prelude::*};
use simulated_portal::File;

use crate::{
    in_process::{ArchiveSeed, Manifest as Base, STORAGES, Terms, adoptions, terms_with},
    story::{Change, Edit, Fate, Manifest, OBJECTS, Point, Slot, Spelling, StatusFate, Step, Story, Trouble},
};

fn numbers() -> impl Strategy<Value = i32> {
    prop_oneof![4 => 3..=8, 1 => 1..=30]
}

fn terms() -> impl Strategy<Value = Terms> {
    terms_with(numbers())
}

fn archives(most: usize) -> impl Strategy<Value = Vec<ArchiveSeed>> {
    let archive =
        (1..2000_i64, prop::bool::weighted(0.85), 3..5).prop_map(|(hours, scheduled, storage)| ArchiveSeed {
            hours,
            scheduled,
            storage,
            file: File::Present,
            expires: None,
            struck: false,
        });
    vec(archive, 0..=most)
}

fn slots() -> impl Strategy<Value = Slot> {
    let archives = prop_oneof![3 => Just(Vec::new()), 2 => archives(10)];
    (option::weighted(0.4, terms()), archives).prop_map(|(schedule, archives)| Slot { schedule, archives })
}

fn managements() -> impl Strategy<Value = ManagementPolicy> {
    prop_oneof![14 => Just(ManagementPolicy::Enforce), 1 => Just(ManagementPolicy::Observe)]
}

fn deletions() -> impl Strategy<Value = DeletionPolicy> {
    prop_oneof![5 => Just(DeletionPolicy::Delete), 1 => Just(DeletionPolicy::Orphan)]
}

fn spellings() -> impl Strategy<Value = Spelling> {
    prop_oneof![4 => Just(Spelling::Plain), 1 => Just(Spelling::WithPort), 1 => Just(Spelling::Alias)]
}

/// Most objects want the first portal, so that they meet.
fn portals() -> impl Strategy<Value = usize> {
    prop_oneof![5 => Just(0_usize), 1 => Just(1)]
}

fn manifests() -> impl Strategy<Value = Manifest> {
    let base = (
        terms(),
        prop::bool::weighted(0.12),
        portals(),
        adoptions(),
        managements(),
        prop::bool::weighted(0.04),
    );
    let base = base.prop_map(|(terms, dump, portal, adoption, management, suspend)| Base {
        terms,
        dump,
        portal,
        adoption,
        management,
        suspend,
    });
    let interval = prop_oneof![4 => Just(24_i64), 3 => Just(6), 1 => Just(1)];
    (base, spellings(), deletions(), interval).prop_map(|(base, spelling, deletion, interval)| Manifest {
        base,
        spelling,
        deletion,
        interval,
    })
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        8 => (0..2).prop_map(Change::Hour),
        6 => numbers().prop_map(Change::Number),
        2 => (0..STORAGES.len()).prop_map(Change::Storage),
        3 => (0..2_usize).prop_map(Change::Portal),
        1 => spellings().prop_map(Change::Spelling),
        2 => any::<bool>().prop_map(Change::Dump),
        2 => adoptions().prop_map(Change::Adoption),
        2 => managements().prop_map(Change::Management),
        1 => deletions().prop_map(Change::Deletion),
        3 => prop::bool::weighted(0.3).prop_map(Change::Suspend),
    ]
}

fn objects() -> impl Strategy<Value = usize> {
    0..OBJECTS.len()
}

fn by_users() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (objects(), manifests()).prop_map(|(at, manifest)| Edit::Create(at, manifest)),
        3 => objects().prop_map(Edit::Delete),
        1 => objects().prop_map(Edit::DeleteByForce),
        14 => (objects(), changes()).prop_map(|(at, change)| Edit::Change(at, change)),
        3 => objects().prop_map(Edit::Request),
        1 => objects().prop_map(Edit::Restored),
        1 => objects().prop_map(Edit::Wiped),
        1 => objects().prop_map(Edit::Replaced),
        2 => (0..2_usize, 0..2_u8).prop_map(|(namespace, value)| Edit::StorageSecret(namespace, value)),
        1 => portals().prop_map(Edit::KeyRevoked),
        4 => (0..2_usize, portals()).prop_map(|(namespace, portal)| Edit::KeyRenewed(namespace, portal)),
        1 => (0..2_usize, portals()).prop_map(|(namespace, portal)| Edit::KeyLost(namespace, portal)),
    ]
}

fn durations() -> impl Strategy<Value = i64> {
    prop_oneof![1..60_i64, 60..1200_i64, 1200..14400_i64]
}

fn troubles() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        Just(Trouble::Unreachable),
        Just(Trouble::TimedOut),
        Just(Trouble::ServerError),
        Just(Trouble::Restoring),
        Just(Trouble::RateLimited),
        Just(Trouble::NotDocSpace),
        Just(Trouble::HistoryFails),
        Just(Trouble::HistoryRefused),
        Just(Trouble::Stale),
        Just(Trouble::Blank),
    ]
}

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![
        2 => Just(Fate::Refused),
        2 => Just(Fate::Lost),
        2 => Just(Fate::Unseen),
        2 => Just(Fate::UnseenTwice),
        4 => (1..328_i64).prop_map(Fate::Late),
        1 => Just(Fate::Ignored),
        2 => (1..50_i64).prop_map(Fate::Shadowed),
        2 => Just(Fate::Blind),
    ]
}

/// The installation's slots: the dump's is the third.
fn places() -> impl Strategy<Value = usize> {
    prop_oneof![6 => Just(0_usize), 1 => Just(1), 1 => Just(2)]
}

fn by_portals() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (places(), terms()).prop_map(|(slot, terms)| Edit::Theirs(slot, terms)),
        1 => (places(), numbers()).prop_map(|(slot, number)| Edit::TheirNumber(slot, number)),
        4 => (places(), any::<bool>()).prop_map(|(slot, by_person)| Edit::Removed { slot, by_person }),
        2 => (places(), 1..4_u8).prop_map(|(slot, times)| Edit::Quota(slot, times)),
        1 => (places(), archives(6)).prop_map(|(slot, archives)| Edit::Archives(slot, archives)),
        1 => Just(Edit::Cleaner),
        3 => (places(), durations()).prop_map(|(slot, lasts)| Edit::Running(slot, lasts)),
        5 => (portals(), troubles(), durations()).prop_map(|(portal, trouble, lasts)| {
            Edit::Trouble(portal, trouble, lasts)
        }),
        1 => (portals(), -7_200..7_200_i64).prop_map(|(portal, ahead)| Edit::ClockOff(portal, ahead)),
    ]
}

fn by_kubernetes() -> impl Strategy<Value = Edit> {
    let point = prop_oneof![
        Just(Point::BeforeWrite),
        Just(Point::AfterWrite),
        Just(Point::AfterStatus)
    ];
    let status = prop_oneof![
        Just(StatusFate::Taken),
        Just(StatusFate::Refused),
        Just(StatusFate::Unseen)
    ];
    prop_oneof![
        2 => Just(Edit::Restart),
        2 => point.prop_map(Edit::Crash),
        2 => vec(status, 1..4).prop_map(Edit::Status),
    ]
}

fn edits() -> impl Strategy<Value = Edit> {
    prop_oneof![
        1 => Just(Edit::Nothing),
        8 => by_users(),
        6 => by_portals(),
        3 => by_kubernetes(),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let wait = prop_oneof![
        3 => Just(0_i64),
        3 => 1..30_i64,
        3 => 30..900_i64,
        2 => 900..14_400_i64,
        1 => 80_000..100_000_i64,
    ];
    // What becomes of a write is settled before the event that may cause it.
    let fate = option::weighted(0.3, (places(), fates()));
    (fate, edits(), wait).prop_map(|(fate, edit, wait)| Step { fate, edit, wait })
}

/// Random stories.
pub fn stories() -> impl Strategy<Value = Story> {
    let object = |weight| option::weighted(weight, manifests());
    let objects = [object(0.9), object(0.6), object(0.3), object(0.5)];
    let slots = [slots(), slots(), slots()];
    let parts = (
        prop::bool::weighted(0.2),
        any::<bool>(),
        slots,
        objects,
        vec(steps(), 1..20),
        prop_oneof![4 => Just(1_i64), 1 => Just(7)],
        any::<u64>(),
        0..30_i64,
    );
    parts.prop_map(
        |(postgresql, trail, slots, objects, steps, rest, chance, day)| Story {
            day,
            rest,
            postgresql,
            trail,
            slots,
            objects,
            steps,
            chance,
        },
    )
}
