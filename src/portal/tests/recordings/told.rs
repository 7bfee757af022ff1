//! The content of the recorded answers.

use jiff::{SignedDuration, Timestamp};
use url::form_urlencoded;

use crate::{
    portal::{AuditAction, AuditEvent, Credential, Expiry, tests::recordings::*},
    schedule::Schedule,
};

fn content_of(id: u64) -> Content<'static> {
    let exchange = recorded().into_iter().find(|exchange| exchange.id() == id);
    let exchange = exchange.unwrap_or_else(|| panic!("R {id} is not there"));
    exchange
        .content()
        .unwrap_or_else(|failure| panic!("R {id}: {failure:?}"))
}

fn schedule_of(id: u64) -> Option<Schedule> {
    parse::schedule(content_of(id), &Redactor::of(&Secrets::default()))
        .expect("a schedule")
        .map(|held| held.schedule)
}

#[test]
fn schedules_are_read_as_recorded() {
    for id in [10, 11, 12] {
        assert!(schedule_of(id).is_none(), "R {id}");
    }
    let shown = |id| {
        let schedule = schedule_of(id).unwrap_or_else(|| panic!("R {id}: none"));
        let keys: Vec<&str> = schedule.params.keys().map(String::as_str).collect();
        let words = schedule.in_words(None);
        let keys = keys.join(" ");
        format!(
            "{} {words} {} {} [{keys}]",
            schedule.storage_type.number(),
            schedule.backups_stored,
            schedule.dump
        )
    };
    assert_eq!(shown(13), "2 EveryDay 03:00 7 true [tenantId]");
    assert_eq!(shown(20), "0 EveryDay 03:00 1 false []");
    assert_eq!(shown(161), "0 EveryDay 03:00 7 false [folderId]");
    assert_eq!(shown(173), "3 EveryDay 03:00 7 true [filePath folderId tenantId]");
    assert_eq!(shown(187), "2 EveryDay 03:00 7 false [n o t]");
    assert_eq!(shown(251), "2 EveryWeek Saturday 03:00 7 false []");
    assert_eq!(shown(253), "2 EveryMonth 31 03:00 7 false []");
    assert_eq!(shown(258), "-1 EveryDay 03:00 7 false []");
    let last = |id| {
        let held = parse::schedule(content_of(id), &Redactor::of(&Secrets::default()))
            .expect("a schedule")
            .expect("one");
        held.last_backup_time.map(|time| time.to_string())
    };
    assert_eq!(last(301), None);
    assert_eq!(last(302).as_deref(), Some("2026-11-23T10:05:00Z"));
}

#[test]
fn the_rest_is_read_as_recorded() {
    let archives = parse::history(content_of(312), &Redactor::of(&Secrets::default())).expect("a history");
    assert_eq!(archives.len(), 4);
    assert_eq!(archives[0].id, "00000000-0000-0000-0000-000000000001");
    assert_eq!(
        archives[0].file_name.read(),
        "localhost_2026-11-23_03-10-01.tar.gz"
    );
    let created_on = archives[0].created_on.to_string();
    assert_eq!(
        (archives[0].storage_type, created_on.as_str()),
        (3.into(), "2026-11-23T03:10:00Z")
    );
    let expires: Vec<Expiry> = archives.iter().map(|archive| archive.expires).collect();
    let a_day_later = Expiry::At(archives[1].created_on + SignedDuration::from_hours(24));
    assert_eq!(
        expires,
        [Expiry::Never, a_day_later, Expiry::Never, Expiry::Never]
    );
    assert!(
        parse::history(content_of(310), &Redactor::of(&Secrets::default()))
            .expect("a history")
            .is_empty()
    );

    let progress =
        |id| parse::progress(content_of(id), &Redactor::of(&Secrets::default())).expect("a progress");
    assert!(progress(317).is_none());
    let running = progress(320).expect("one");
    assert_eq!(
        (running.is_completed, running.progress, running.error),
        (false, 42, None)
    );
    assert!(progress(322).expect("one").is_completed);

    let settings = parse::settings(content_of(802), &Redactor::of(&Secrets::default())).expect("settings");
    assert_eq!(settings.time_zone.as_deref(), Some("Europe/Berlin"));
    assert_eq!(
        (settings.version.as_deref(), settings.standalone),
        (Some("3.1.0"), Some(true))
    );
    assert_eq!(settings.alias.as_deref(), Some("localhost"));
    assert_eq!(settings.base_domain.as_deref(), Some("localhost"));
    let of_saas = parse::settings(content_of(840), &Redactor::of(&Secrets::default())).expect("settings");
    assert_eq!(of_saas.base_domain.as_deref(), Some("example.test"));
    for id in [816, 817, 820, 822, 856] {
        assert_eq!(
            parse::mapped_domain(content_of(id), &Redactor::of(&Secrets::default())),
            Ok(None),
            "R {id}"
        );
    }
    assert_eq!(
        parse::settings(content_of(813), &Redactor::of(&Secrets::default()))
            .expect("settings")
            .time_zone,
        None
    );

    let key =
        |id| -> Credential { parse::key(content_of(id), &Redactor::of(&Secrets::default())).expect("a key") };
    assert_eq!(key(429), Credential::SessionToken);
    let Credential::ApiKey(read) = key(447) else {
        panic!("it is an API key")
    };
    assert_eq!((read.name.as_str(), read.may_write), ("globalread", false));
    assert_eq!(read.expires_at, None);
}

const ACTIONS: [AuditAction; 7] = [
    AuditAction::BackupStarted,
    AuditAction::BackupCompleted,
    AuditAction::BackupFailed,
    AuditAction::ScheduledBackupStarted,
    AuditAction::ScheduledBackupCompleted,
    AuditAction::ScheduledBackupFailed,
    AuditAction::ScheduledBackupDeleted,
];

/// The action and the time in this path; the first ones if repeated, as in DocSpace (R 531).
fn asked_for(path: &str) -> (Option<AuditAction>, Timestamp) {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let value = |name| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|pair| pair.0 == name).map(|pair| pair.1.into_owned())
    };
    let action = value("action").and_then(|text| {
        let mut actions = ACTIONS.into_iter();
        actions.find(|action| text == action.name() || text == (*action as i64).to_string())
    });
    let from = value("from").and_then(|text| text.parse().ok());
    (action, from.unwrap_or(Timestamp::UNIX_EPOCH))
}

#[test]
fn the_trail_is_read_where_it_is_to_be_had() {
    let (mut trails, mut others) = (0, 0);
    for exchange in recorded() {
        let name = &exchange.name;
        let Call::Events = exchange.call else { continue };
        let Ok(content) = exchange.content() else { continue };
        let items = exchange.answer["body"]["response"].as_array().expect("a list");
        let (action, from) = asked_for(&exchange.path);
        // Without a requested action, any will do: no such recording has only one kind of events.
        let events = parse::events(content, action.unwrap_or(AuditAction::BackupStarted), from).expect(name);
        // R 590 to 592 are from a SaaS without the trail.
        let is_trail = !(590..=592).contains(&exchange.id()) && (action.is_some() || items.is_empty());
        assert_eq!(events.is_some(), is_trail, "{name}");
        match events {
            None => others += 1,
            Some(events) => {
                trails += 1;
                assert_eq!(events.len(), items.len(), "{name}");
            }
        }
    }
    assert!(trails >= 20 && others >= 20, "{trails} {others}");
}

#[test]
fn events_are_read_as_recorded() {
    let events = |id, action, from: &str| -> Vec<AuditEvent> {
        let from = from.parse().expect("a time");
        let events = parse::events(content_of(id), action, from).expect("events");
        events.unwrap_or_else(|| panic!("R {id}: no trail"))
    };
    let deleted = events(507, AuditAction::ScheduledBackupDeleted, "2026-11-23T21:13:00Z");
    let targets: Vec<_> = deleted.iter().map(|event| event.target).collect();
    assert_eq!(targets, [Some(-1), Some(-1), Some(1), Some(1)]);
    assert_eq!(deleted[0].date.to_string(), "2026-11-23T21:14:04.171022Z");
    let failed = events(503, AuditAction::ScheduledBackupFailed, "2026-11-23T21:13:00Z");
    assert!(failed.iter().all(|event| event.target.is_none()));
    assert!(events(500, AuditAction::ScheduledBackupFailed, "2026-11-23T21:13:00Z").is_empty());

    // The same instants, by the clocks of UTC, Berlin and New York.
    let dates = |id| -> Vec<Timestamp> {
        let exchange = recorded().into_iter().find(|exchange| exchange.id() == id);
        let mut answer = exchange.expect("an exchange").answer;
        let mut failed: Vec<_> = answer["body"]["response"]
            .as_array_mut()
            .map(std::mem::take)
            .expect("a list");
        failed.retain(|event| event["actionId"] == 5129);
        let failed = raw(&failed.into());
        let content = Content::Response(&failed);
        let events = parse::events(content, AuditAction::ScheduledBackupFailed, Timestamp::UNIX_EPOCH);
        let events = events.expect("events").expect("a trail");
        events.into_iter().map(|event| event.date).collect()
    };
    assert_eq!(dates(538)[0].to_string(), "2026-11-22T23:30:00Z");
    assert_eq!((dates(550), dates(558)), (dates(538), dates(538)));
}

/// The good answers of the stories: file, call, path, and content.
fn told_in_stories() -> Vec<(String, Call, String, Content<'static>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/stories");
    let mut told = Vec::new();
    for file in fs::read_dir(directory).expect("tests/recordings/stories") {
        let path = file.expect("an entry").path();
        let story: Value = serde_json::from_slice(&fs::read(&path).expect("a file")).expect("JSON");
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        // One is a table of rows.
        for step in story["steps"].as_array().into_iter().flatten() {
            let result = &step["result"];
            let text = |field: &str| result[field].as_str().unwrap_or_default();
            let Some(call) = call(text("method"), text("path")) else {
                continue;
            };
            let reply = reply(&result["status"], result["response"].to_string());
            match classify(call, reply, &Redactor::of(&Secrets::default())) {
                Ok(content) => told.push((name.to_string(), call, text("path").to_owned(), content)),
                Err(refusal) => assert_eq!(refusal.failure, Failure::PlanNotAllowed, "{name}: {refusal:?}"),
            }
        }
    }
    told
}

#[test]
fn stories_are_read_as_recorded() {
    let told = told_in_stories();
    assert!(told.len() > 50, "only {}", told.len());
    let mut expiries: Vec<(String, Expiry)> = Vec::new();
    for (story, call, path, content) in told {
        let at = format!("{story}, {path}");
        match call {
            Call::History => {
                let archives = parse::history(content, &Redactor::of(&Secrets::default())).expect(&at);
                expiries.extend(archives.iter().map(|archive| (story.clone(), archive.expires)));
            }
            Call::Events => {
                let (action, from) = asked_for(&path);
                let events = parse::events(content, action.unwrap_or(AuditAction::BackupStarted), from);
                let events = events.expect(&at);
                assert!(events.is_some() || action.is_none(), "{at}");
            }
            _ => read(call, content).expect(&at),
        }
    }
    let of = |story: &str| -> Vec<Expiry> {
        let of = expiries.iter().filter(|(name, _)| name == story);
        of.map(|(_, expiry)| *expiry).collect()
    };
    assert_eq!(of("cleaner-on-postgresql"), [Expiry::AtNextCleaning]);
    let never = |expiry: &Expiry| *expiry == Expiry::Never;
    let at_a_time = |expiry: &Expiry| matches!(expiry, Expiry::At(_));
    let (mariadb, data_store) = (of("cleaner-on-mariadb"), of("datastore-expired"));
    assert!(!mariadb.is_empty() && mariadb.iter().all(never), "{mariadb:?}");
    assert!(
        data_store.len() > 3 && data_store.iter().all(at_a_time),
        "{data_store:?}"
    );
}
