//! Faults to order, and the database that is down.

use std::time::{Duration, Instant};

use crate::http::Call;
use jiff::Timestamp;
use serde_json::json;
use simulated_portal::{
    ApiKey, Fault, FaultBody, Holder, Installation, Portal, Request, SimulatedPortal, Tenant, TenantStatus,
};

const SOON: Duration = Duration::from_secs(10);

async fn with_key() -> (SimulatedPortal, Portal, String) {
    let server = SimulatedPortal::start(Installation::default()).await;
    let portal = server.first();
    let key = portal.issue_key(ApiKey::named("test"));
    (server, portal, key)
}

fn get(key: &str) -> Call {
    Call::new("GET", "backup/getbackupschedule").key(key)
}

fn post(key: &str) -> Call {
    let body = json!({"storageType": "DataStore", "cronParams": {"hour": 3}});
    Call::new("POST", "backup/createbackupschedule")
        .json(body)
        .key(key)
}

#[tokio::test]
async fn answers_are_replaced_for_the_next_requests_of_a_kind() {
    let (server, portal, key) = with_key().await;
    server.order(Fault::bad_gateway().to("createbackupschedule").times(1));
    assert_eq!(get(&key).send(&server).await.unwrap().status, 200);
    let answer = post(&key).send(&server).await.unwrap();
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (502, Some("text/html"))
    );
    assert!(portal.schedule(false).is_none());
    assert_eq!(post(&key).send(&server).await.unwrap().status, 200);

    let fault = server.order(Fault::too_many_requests(Some(86399)).method("GET"));
    for _ in 0..3 {
        let answer = get(&key).send(&server).await.unwrap();
        assert_eq!(
            (answer.status, answer.header("retry-after"), answer.body.len()),
            (429, Some("86399"), 0)
        );
    }
    server.clear_fault(fault);
    assert_eq!(get(&key).send(&server).await.unwrap().status, 200);

    server.order(Fault::bad_gateway().dated(Timestamp::UNIX_EPOCH).times(1));
    assert_eq!(
        get(&key).send(&server).await.unwrap().header("date"),
        Some("Thu, 01 Jan 1970 00:00:00 GMT")
    );

    server.order(Fault::redirect(302, "https://login.example.com/").times(1));
    assert_eq!(
        get(&key).send(&server).await.unwrap().header("location"),
        Some("https://login.example.com/")
    );
    server.order(Fault::answer(200, FaultBody::Huge(3_000_000)).times(1));
    assert!(get(&key).send(&server).await.unwrap().body.len() > 3_000_000);
    server.order(Fault::answer(200, FaultBody::EmptyObject).times(1));
    assert_eq!(get(&key).send(&server).await.unwrap().body, "{}");
}

#[tokio::test]
async fn a_portal_fails_while_another_does_not() {
    let (server, _, key) = with_key().await;
    let other = server.add_tenant(Tenant::at("second.test"));
    server.order(Fault::answer(503, FaultBody::Empty).of(&other));
    assert_eq!(get(&key).send(&server).await.unwrap().status, 200);
    assert_eq!(
        get(&key)
            .header("Host", "second.test")
            .send(&server)
            .await
            .unwrap()
            .status,
        503
    );
}

#[tokio::test]
async fn an_answer_is_lost_after_the_work_was_done() {
    let (server, portal, key) = with_key().await;
    server.order(Fault::reset().times(1));
    post(&key).send(&server).await.unwrap_err();
    assert!(portal.schedule(false).is_none());

    server.order(Fault::lost_answer().to("createbackupschedule").times(1));
    post(&key).send(&server).await.unwrap_err();
    assert!(portal.schedule(false).is_some());
    let posts = server.log().posts();
    assert_eq!((posts[1].status, posts[1].answered), (Some(200), false));

    server.order(Fault::truncated().times(1));
    get(&key).send(&server).await.unwrap_err();
    assert_eq!(get(&key).send(&server).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_hanging_request_is_carried_out_when_its_caller_has_left() {
    let (server, portal, key) = with_key().await;
    server.order(Fault::hang().method("POST"));
    let gone = tokio::time::timeout(Duration::from_millis(100), post(&key).send(&server)).await;
    assert!(gone.is_err());
    server
        .log()
        .wait_until(SOON, |seen| seen[0].ended.is_some())
        .await
        .unwrap();
    assert!(portal.schedule(false).is_none());

    let caller = tokio::spawn({
        let (server, key) = (server.clone(), key.clone());
        async move { post(&key).send(&server).await }
    });
    server
        .log()
        .wait_until(SOON, |seen| seen.len() == 2)
        .await
        .unwrap();
    assert_eq!(server.log().in_flight(), 1);
    server.clear_faults();
    assert_eq!(caller.await.unwrap().unwrap().status, 200);
    assert!(portal.schedule(false).is_some());
}

#[tokio::test]
async fn delays_overlap_and_the_log_tells() {
    let (server, _, key) = with_key().await;
    server.order(Fault::delay(Duration::from_millis(200)));
    let began = Instant::now();
    let call = get(&key);
    let (first, second) = tokio::join!(call.send(&server), call.send(&server));
    assert_eq!((first.unwrap().status, second.unwrap().status), (200, 200));
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert_eq!(
        (server.log().most_in_flight(), server.log().most_at_once(|_| true)),
        (2, 2)
    );
}

#[tokio::test]
async fn writes_that_take_their_time_are_carried_out_after_it_and_the_log_tells_which_meet() {
    let (server, portal, key) = with_key().await;
    server.change(|installation| installation.writes_take = Duration::from_millis(200));
    let (write, look) = (post(&key), get(&key));
    let looked = async {
        let answer = look.send(&server).await;
        assert!(portal.schedule(false).is_none(), "a look takes no time");
        answer
    };
    let (first, second, looked) = tokio::join!(write.send(&server), write.send(&server), looked);
    for answer in [first, second, looked] {
        assert_eq!(answer.unwrap().status, 200);
    }
    assert!(portal.schedule(false).is_some());
    let of_slot = |request: &Request| request.is_write() && !request.is_of_dump();
    let of_dump = |request: &Request| request.is_write() && request.is_of_dump();
    let log = server.log();
    assert_eq!((log.most_at_once(of_slot), log.most_at_once(of_dump)), (2, 0));
}

#[tokio::test]
async fn with_mariadb_down_calls_hang_and_may_still_be_carried_out() {
    let (server, portal, key) = with_key().await;
    server.take_database_down(true);
    let first = get(&key).send(&server).await.unwrap();
    assert_eq!(
        (
            first.status,
            first.body.contains("Failed to read the result set.")
        ),
        (500, true)
    );

    let gone = tokio::time::timeout(Duration::from_millis(100), post(&key).send(&server)).await;
    assert!(gone.is_err());
    let caller = tokio::spawn({
        let (server, key) = (server.clone(), key.clone());
        async move { get(&key).send(&server).await }
    });
    server
        .log()
        .wait_until(SOON, |seen| seen.len() == 3)
        .await
        .unwrap();
    server.bring_database_up();
    assert_eq!(caller.await.unwrap().unwrap().status, 200);
    assert!(portal.schedule(false).is_some());

    server.change(|installation| installation.database_retries = Duration::from_millis(10));
    server.take_database_down(false);
    assert!(
        get(&key)
            .send(&server)
            .await
            .unwrap()
            .body
            .contains("RetryLimitExceeded")
    );
}

#[tokio::test]
async fn portals_are_suspended_restored_and_run_out_of_money() {
    let server = SimulatedPortal::start(Installation::saas()).await;
    let portal = server.first();
    let token = portal.issue_session(Holder::Owner);
    let status = async |path: &str| {
        Call::new("GET", path)
            .header("Authorization", &token)
            .send(&server)
            .await
            .unwrap()
            .status
    };
    portal.change(|tenant| tenant.status = TenantStatus::Suspended);
    assert_eq!(status("backup/getbackupschedule").await, 404);
    portal.change(|tenant| tenant.status = TenantStatus::Restoring);
    assert_eq!(
        (status("backup/getbackupschedule").await, status("settings").await),
        (403, 200)
    );
    portal.change(|tenant| tenant.status = TenantStatus::Active);
    portal.change(|tenant| tenant.tariff_ran_out = true);
    assert_eq!(
        (
            status("backup/getbackupschedule").await,
            status("backup/getbackupprogress").await
        ),
        (402, 200)
    );
    let unknown = Call::new("GET", "settings").header("Host", "nobody.other.test");
    assert_eq!(unknown.send(&server).await.unwrap().status, 401);
}
