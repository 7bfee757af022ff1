//! The calls that read evidence of backups, on the wire.

use super::*;

fn envelope(response: &str) -> String {
    let body = format!(r#"{{"response":{response},"count":1,"status":0,"statusCode":200}}"#);
    http("200 OK", "", &body)
}

#[tokio::test]
async fn events_are_asked_for_by_name_and_by_a_time_in_utc() {
    let event = r#"[{"date":"2026-11-21T04:00:01.0000000+01:00","actionId":5130,"target":["-1","1"]}]"#;
    let (url, server) = serve(envelope(event)).await;
    let from = "2026-11-21T04:00:01.9+01:00".parse().expect("a time");
    let answer = portal_at(&url, None)
        .events(AuditAction::ScheduledBackupDeleted, from)
        .await;
    let events = answer.expect("an answer").value.expect("a trail");
    assert_eq!(
        events,
        [AuditEvent {
            date: "2026-11-21T03:00:01Z".parse().expect("a time"),
            target: Some(-1),
        }]
    );
    let request = server.await.expect("a request");
    let line = "GET /api/2.0/security/audit/events/filter?action=ScheduledBackupDeleted\
                &from=2026-11-21T03%3A00%3A01Z&count=100 HTTP/1.1\r\n";
    assert!(request.starts_with(line), "{request}");
}

#[tokio::test]
async fn backups_of_the_month_and_the_service_are_asked_for() {
    let (url, server) = serve(envelope("\"2\"")).await;
    let answer = portal_at(&url, None).free_backups_this_month().await;
    assert_eq!(answer.expect("an answer").value, 2);
    let request = server.await.expect("a request");
    assert!(request.starts_with("GET /api/2.0/backup/getbackupscount?paid=false HTTP/1.1\r\n"));

    for (state, is_on) in [(r#"{"enabled":true}"#, true), (r#"{"enabled":false}"#, false)] {
        let (url, server) = serve(envelope(state)).await;
        let answer = portal_at(&url, None).paid_backup_is_on().await;
        assert_eq!(answer.expect("an answer").value, is_on);
        let request = server.await.expect("a request");
        assert!(request.starts_with("GET /api/2.0/backup/getservicestate HTTP/1.1\r\n"));
    }
}

#[tokio::test]
async fn a_mapped_domain_is_one_only_where_it_is_named() {
    for (portal, domain) in [
        (
            r#"{"tenantId":1,"mappedDomain":"docs.example.com"}"#,
            Some("docs.example.com"),
        ),
        (r#"{"tenantId":1,"mappedDomain":""}"#, None),
        (r#"{"tenantId":1,"mappedDomain":null}"#, None),
        (r#"{"tenantId":1}"#, None),
    ] {
        let (url, server) = serve(envelope(portal)).await;
        let answer = portal_at(&url, None).mapped_domain().await;
        assert_eq!(answer.expect("an answer").value.as_deref(), domain, "{portal}");
        let request = server.await.expect("a request");
        assert!(request.starts_with("GET /api/2.0/portal HTTP/1.1\r\n"));
    }
}

#[tokio::test]
async fn a_key_that_may_not_ask_is_told_so() {
    async fn refused<T: std::fmt::Debug>(ask: impl AsyncFnOnce(&Portal) -> Result<Answer<T>, PortalError>) {
        let (url, _server) = serve(http("403 Forbidden", "", "")).await;
        let error = ask(&portal_at(&url, None)).await.expect_err("403");
        assert_eq!(
            (error.failure, error.status),
            (Failure::KeyNotAllowed, Some(403)),
            "{error}"
        );
    }
    let from = Timestamp::UNIX_EPOCH;
    refused(async |portal| portal.events(AuditAction::BackupStarted, from).await).await;
    refused(async |portal| portal.free_backups_this_month().await).await;
    refused(async |portal| portal.paid_backup_is_on().await).await;
    refused(async |portal| portal.mapped_domain().await).await;
}
