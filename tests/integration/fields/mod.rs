//! Every field of the spec: each value at and beyond its limits, and a change from each to each.
//!
//! 1. The fields and their limits come from the schema of the CRD; a table adds what it does not say. A field without
//!    values fails.
//! 2. The API server is asked which values it takes.
//! 3. An object that is Ready walks from each value to each other one. Each step ends Ready, with the portal's schedule
//!    equal to the spec, or not Ready, with a message that names the field or the value.
//! 4. At each value, refused ones are tried.
//!
//! `cargo test --test integration fields:: -- --nocapture` prints a line of figures for each field.

mod circuit;
mod held;
mod known;
mod metadata;
mod outcome;
mod policies;
mod report;
mod schema;
mod unknown;
mod walk;

use futures::{StreamExt, stream};
use harness::API_KEY;
use simulated_portal::{ApiKey, Installation, SimulatedPortal};

use self::{
    held::Values,
    known::Known,
    report::Line,
    schema::{Field, fields},
    walk::Walk,
};
use crate::world::{Setup, World, at};

/// The address of a portal, where only the names of rows matter.
const ANYWHERE: &str = "http://127.0.0.1:80";

#[test]
fn every_field_has_values_and_every_row_a_field() {
    let table = Known::table(ANYWHERE);
    let fields = fields();
    let walks: Vec<_> = fields
        .iter()
        .flat_map(|field| {
            Known::of(&table, &field.path)
                .into_iter()
                .map(move |row| (field, row))
        })
        .collect();
    let derived = walks
        .iter()
        .map(|(field, (_, known))| field.derived(known, ANYWHERE));
    let mut wrong: Vec<_> = derived.filter_map(Result::err).collect();
    let walked = |name: &&String| walks.iter().any(|(_, (walked, _))| walked == *name);
    let lost = table.keys().filter(|name| !walked(name));
    wrong.extend(lost.map(|name| format!("{name} is no field")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The part of the spec that a test walks.
fn part_of(field: &Field) -> &'static str {
    let parts = [
        "portal.caSecretRef",
        "portal",
        "storageParams",
        "storage",
        "cronParams",
    ];
    parts
        .into_iter()
        .find(|part| field.path.starts_with(part))
        .unwrap_or_default()
}

async fn walk_part(part: &str) {
    /// Fields that are walked at a time.
    const AT_ONCE: usize = 3;
    let table = Known::table(ANYWHERE);
    let fields = fields().into_iter().filter(|field| part_of(field) == part);
    let walks = fields.flat_map(|field| {
        let names = Known::of(&table, &field.path).into_iter().map(|(name, _)| name);
        names.map(move |name| walk_field(field.clone(), name))
    });
    let walked: Vec<_> = stream::iter(walks).buffer_unordered(AT_ONCE).collect().await;
    let mut wrong = Vec::new();
    for (line, errors) in walked {
        println!("{line}");
        wrong.extend(errors);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn walk_field(field: Field, name: String) -> (Line, Vec<String>) {
    let installation = match part_of(&field) {
        "portal.caSecretRef" => Installation::default().with_tls(&["127.0.0.1"]),
        _ => Installation::default(),
    };
    let setup = Setup::default().installation(installation);
    let world = setup
        .of_one_process("it counts the calls of each change")
        .start(&[])
        .await;
    // No backup comes due meanwhile.
    world.server.clock().set(at("11-23 12:00"));
    if part_of(&field) == "cronParams" {
        // Some hours never start there, or not all year.
        let zone = Some("America/New_York".into());
        world.portal.change(|tenant| tenant.time_zone = zone);
    }
    let secrets = prepare(&world).await;
    let known = Known::of(&Known::table(&world.server.url()), &field.path);
    let row = known.into_iter().find(|(found, _)| *found == name);
    let row = row.expect("the table has it for any portal");
    Walk::of(&world, &secrets, &field, &row).await.go().await
}

/// Creates the Secrets that the values name, and returns those of storages.
async fn prepare(world: &World) -> Values {
    let longest = longest_name();
    let other = world.portal.issue_key(ApiKey::named("other"));
    let large = "x".repeat(5000);
    let key = world.key.as_bytes();
    let own = world.server.ca_pem().unwrap_or("none").as_bytes();
    let odd: [(&str, &[u8]); 4] = [
        ("empty", b""),
        ("binary", b"\xff\xfe"),
        ("lines", b"a\nb"),
        ("large", large.as_bytes()),
    ];
    let keys = [
        ("apiKey", key),
        ("wrong", b"sk-wrong"),
        ("unicode", "sk-é".as_bytes()),
    ];
    let mut keys = [&odd[..], &keys].concat();
    keys.push((&longest, other.as_bytes()));
    world.set_secret(API_KEY, &keys).await;
    world
        .set_secret("other-key", &[("apiKey", other.as_bytes())])
        .await;
    world
        .set_secret(&longest, &[("apiKey", key), ("ca.crt", own)])
        .await;

    let foreign = Installation::default().with_tls(&["127.0.0.1"]);
    let foreign = SimulatedPortal::start(foreign).await;
    let foreign = foreign.ca_pem().expect("it uses TLS").as_bytes();
    let mut cas = [&odd[..], &[("ca.crt", own), ("foreign", foreign)]].concat();
    cas.push((&longest, own));
    world.set_secret("ca", &cas).await;

    let storage: [(&str, &[u8]); 3] = [("sse", b"one"), ("same", b"one"), ("other", b"another")];
    let mut storage = [&odd[..], &storage].concat();
    storage.push((&longest, b"longest"));
    world.set_secret("storage", &storage).await;
    let text = |(key, value): &(&str, &[u8])| {
        let value = String::from_utf8_lossy(value).into_owned();
        (("storage".to_owned(), (*key).to_owned()), value)
    };
    storage.iter().map(text).collect()
}

/// The longest name of a Secret, and of a key inside it.
fn longest_name() -> String {
    "k".repeat(253)
}

#[tokio::test]
async fn portal() {
    walk_part("portal").await;
}

#[tokio::test]
async fn private_ca() {
    walk_part("portal.caSecretRef").await;
}

#[tokio::test]
async fn storage() {
    walk_part("storage").await;
}

#[tokio::test]
async fn params_of_storage() {
    walk_part("storageParams").await;
}

#[tokio::test]
async fn cron() {
    walk_part("cronParams").await;
}

#[tokio::test]
async fn everything_else() {
    walk_part("").await;
}
