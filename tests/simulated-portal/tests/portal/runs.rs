//! Backup runs that the stories do not cover: outcomes that tests set, delayed runs, and several days in a row.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use simulated_portal::{
    ApiKey, Archive, Installation, Outcome, Pass, Portal, Schedule, SimulatedPortal, Tenant, TenantStatus,
};

use crate::http::Call;

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// A portal at two in the night with a schedule for three.
async fn before_three(installation: Installation) -> (SimulatedPortal, Portal) {
    let server = SimulatedPortal::start(installation).await;
    let portal = server.first();
    server.clock().set(at("2026-11-23T02:00:00Z"));
    portal.set_schedule(Schedule::every_day(3));
    (server, portal)
}

fn dump_at(hour: i32) -> Schedule {
    Schedule {
        dump: true,
        ..Schedule::every_day(hour)
    }
}

fn actions(portal: &Portal) -> Vec<u32> {
    let events = portal.audit_events().into_iter();
    events.map(|event| event.action_id).collect()
}

fn pass_at(server: &SimulatedPortal, time: &str) -> Vec<Pass> {
    server.clock().set(at(time));
    server.run_scheduler()
}

async fn told(portal: &Portal, path: &str) -> Value {
    let key = portal.issue_key(ApiKey::named("test"));
    let call = Call::new("GET", path).header("Host", &portal.host()).key(&key);
    call.send(portal.server()).await.unwrap().json()["response"].clone()
}

async fn progress(portal: &Portal) -> Value {
    told(portal, "backup/getbackupprogress?dump=false").await
}

fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

#[tokio::test]
async fn nights_pass_and_the_cleaner_keeps_as_many_as_are_stored() {
    let (server, portal) = before_three(Installation::default()).await;
    server.live(hours(2));
    assert_eq!(server.clock().now(), at("2026-11-23T04:00:00Z"));
    let last = portal.schedule(false).unwrap().last_backup_time;
    assert_eq!(last, Some(at("2026-11-23T03:07:00Z")));
    let archives = portal.archives(false);
    assert_eq!(archives.len(), 1);
    assert_eq!(archives[0].created_on, at("2026-11-23T03:08:00Z"));
    assert_eq!(archives[0].file_name, "localhost_2026-11-23_03-08-00.tar.gz");

    server.live(hours(9 * 24));
    let (kept, gone): (Vec<_>, Vec<_>) = portal
        .archives(false)
        .into_iter()
        .partition(|archive| !archive.removed);
    assert_eq!((kept.len(), gone.len()), (7, 3));
    let listed = told(&portal, "backup/getbackuphistory?dump=false").await;
    assert_eq!(listed.as_array().unwrap().len(), 7);
    // Archives count though they are gone; one of the ten is of December.
    let to = "backup/getbackupscount?from=2026-11-01T00:00:00Z&to=2026-11-30T23:59:59Z&paid=false";
    assert_eq!(told(&portal, to).await, 8);
}

#[tokio::test]
async fn on_postgresql_an_archive_lasts_until_the_cleaner_comes_and_a_dump_fails() {
    let (server, portal) = before_three(Installation::on_postgresql()).await;
    portal.set_schedule(dump_at(4));
    server.live(SignedDuration::from_mins(70));
    assert!(!portal.archives(false)[0].removed);
    server.live(hours(2));
    assert!(portal.archives(false)[0].removed);
    assert!(portal.archives(true).is_empty());
    assert_eq!(actions(&portal), [5127, 5128, 5127, 5129]);
}

#[tokio::test]
async fn a_run_becomes_what_was_ordered() {
    let (server, portal) = before_three(Installation::default()).await;
    portal.every_run(false, Outcome::Fails("boom".to_owned()));
    portal.next_run(false, Outcome::SucceedsWithWarning("a.docx".to_owned()));
    server.live(hours(2));
    assert_eq!(actions(&portal), [5127, 5128]);
    assert_eq!(progress(&portal).await["warning"], "a.docx");

    server.live(hours(24));
    assert_eq!(actions(&portal), [5127, 5128, 5127, 5129]);
    assert_eq!(progress(&portal).await["error"], "boom");
    assert_eq!(portal.archives(false).len(), 1);

    portal.next_run(false, Outcome::Lost);
    server.live(hours(24));
    assert_eq!(actions(&portal).len(), 4);
    let last = portal.schedule(false).unwrap().last_backup_time;
    assert_eq!(last, Some(at("2026-11-25T03:07:00Z")));
}

#[tokio::test]
async fn a_run_that_hangs_holds_up_the_others_of_its_portal_until_it_ends() {
    let (server, portal) = before_three(Installation::default()).await;
    portal.set_schedule(dump_at(4));
    portal.next_run(false, Outcome::Hangs);
    server.live(hours(3));
    assert_eq!(actions(&portal), [5127]);
    assert_eq!(progress(&portal).await["isCompleted"], false);
    assert_eq!(progress(&portal).await["status"], 1);
    // The dump was dropped.
    assert!(portal.schedule(true).unwrap().last_backup_time.is_some());
    assert!(portal.archives(true).is_empty());

    portal.end_run(false, Outcome::Succeeds);
    assert_eq!(actions(&portal), [5127, 5128]);
    server.live(hours(24));
    assert_eq!(actions(&portal).len(), 6);

    portal.next_run(false, Outcome::Hangs);
    server.live(hours(23));
    assert_eq!(progress(&portal).await["isCompleted"], false);
    server.restart_services();
    assert_eq!(progress(&portal).await, Value::Null);
    portal.end_run(false, Outcome::Succeeds);
    assert_eq!(portal.archives(false).len(), 2);
}

#[tokio::test]
async fn a_person_starts_a_backup_and_the_scheduled_one_behind_it_is_dropped() {
    let (server, portal) = before_three(Installation::default()).await;
    let key = portal.issue_key(ApiKey::named("test"));
    let body = json!({"storageType": "Local", "storageParams": [{"key": "filePath", "value": "/backups"}]});
    let post = Call::new("POST", "backup/startbackup").json(body).key(&key);
    let queued = post.send(&server).await.unwrap().json()["response"].clone();
    assert_eq!(queued["status"], 0);
    // Once more changes nothing while it waits.
    assert_eq!(post.send(&server).await.unwrap().json()["response"], queued);
    assert_eq!(pass_at(&server, "2026-11-23T03:07:00Z").len(), 1);
    server.run_worker();
    assert_eq!(actions(&portal), [5041, 5125]);
    let archives = portal.archives(false);
    assert_eq!(archives.len(), 1);
    assert_eq!(json!(archives[0].id), queued["taskId"]);
    assert!(!archives[0].scheduled);

    portal.start_backup(false);
    portal.next_run(false, Outcome::Fails("boom".to_owned()));
    portal.hold_events();
    server.run_worker();
    assert_eq!(actions(&portal), [5041, 5125]);
    portal.write_held_events();
    assert_eq!(actions(&portal), [5041, 5125, 5041, 5126]);
}

#[tokio::test]
async fn nothing_runs_on_a_portal_that_is_not_active() {
    for status in [TenantStatus::Suspended, TenantStatus::Restoring] {
        let (server, portal) = before_three(Installation::default()).await;
        portal.change(|tenant| tenant.status = status);
        assert_eq!(pass_at(&server, "2026-11-23T03:07:00Z"), []);
        assert_eq!(portal.schedule(false).unwrap().last_backup_time, None);
        portal.change(|tenant| tenant.status = TenantStatus::Active);
        assert_eq!(server.run_scheduler().len(), 1);
    }
}

#[tokio::test]
async fn beyond_the_free_backups_a_schedule_goes_or_costs() {
    for (paid_service, own) in [(false, 0), (true, 2)] {
        let (server, portal) = before_three(Installation::saas()).await;
        portal.change(|tenant| {
            tenant.free_backups = Some(1);
            tenant.paid_backup_service = paid_service;
        });
        portal.set_schedule(Schedule {
            storage_type: 4,
            ..Schedule::every_day(3)
        });
        // Last month's does not count.
        portal.add_archive(false, Archive::scheduled("old", at("2026-10-31T23:59:59Z")));
        server.live(hours(3 * 24));
        let archives = portal.archives(false);
        let paid = archives.iter().filter(|archive| archive.paid).count();
        assert_eq!((archives.len(), paid), (2 + own, own));
        assert_eq!(portal.schedule(false).is_some(), paid_service);
        // The removal left no event.
        assert!(!actions(&portal).contains(&5130));
        let count = told(&portal, "backup/getbackupscount?paid=true").await;
        assert_eq!(count, own);
    }
}

#[tokio::test]
async fn a_dump_keeps_utc_and_runs_for_the_portal_that_posted_last() {
    let (server, portal) = before_three(Installation::default()).await;
    portal.remove_schedule(false);
    let second = server.add_tenant(Tenant::at("second.test").in_zone("Asia/Tokyo"));
    portal.set_schedule(dump_at(3));
    second.set_schedule(dump_at(3));
    second.set_schedule(Schedule::every_day(13));
    let passes = pass_at(&server, "2026-11-23T03:07:00Z");
    let dump = Pass::Queued {
        tenant_id: 2,
        dump: true,
        storage_type: 3,
        paid: false,
    };
    assert_eq!(passes, [dump]);
    server.run_worker();
    assert_eq!((actions(&portal).len(), actions(&second).len()), (0, 2));
    assert_eq!(
        portal.archives(true)[0].file_name,
        "workspace_2026-11-23_03-07-00.tar.gz"
    );
    // 13:00 in Tokyo.
    assert_eq!(pass_at(&server, "2026-11-23T03:59:00Z"), []);
    assert!(!second.is_due(false));
    assert_eq!(pass_at(&server, "2026-11-23T04:00:00Z").len(), 1);
}

#[tokio::test]
async fn domains_are_told() {
    let (server, portal) = before_three(Installation::default()).await;
    let settings = told(&portal, "settings").await;
    assert_eq!(settings["baseDomain"], "localhost");
    assert_eq!(told(&portal, "portal").await.get("mappedDomain"), None);

    server.change(|installation| installation.base_domain = Some("docs.test".to_owned()));
    portal.change(|tenant| tenant.mapped_domain = Some("files.test".to_owned()));
    assert_eq!(told(&portal, "settings").await["baseDomain"], "docs.test");
    assert_eq!(told(&portal, "portal").await["mappedDomain"], "files.test");
}
