//! Answers of a portal that repeat all secrets in every text field.

use serde_json::{Map, Value, json};
use simulated_portal::{Fault, FaultBody};

/// The keys whose values are shown.
pub const SHOWN: [&str; 5] = ["folderId", "filePath", "module", "bucket", "region"];

fn success(response: Value) -> Fault {
    let count = response.as_array().map_or(1, Vec::len);
    let body = json!({"response": response, "count": count, "links": [], "status": 0, "statusCode": 200});
    Fault::answer(200, FaultBody::Json(body))
}

/// Rejections of a write in DocSpace's wording, with these secrets in them.
pub fn refusals(secrets: &[String]) -> Vec<Fault> {
    let text = secrets.join(" ");
    let wrapped = |status: u16, kind: &str| {
        let error = json!({"message": format!("Access denied {text}"), "type": kind, "stack": text});
        let body = json!({"status": 1, "statusCode": status, "error": error});
        Fault::answer(status, FaultBody::Json(body))
    };
    let problem_of = |kind: &str, status: u16, title: &str, errors: &Value| json!({"type": kind, "title": title, "status": status, "traceId": text, "errors": errors});
    let problem = |status: u16, title: &str, errors: Value| {
        Fault::answer(status, FaultBody::Json(problem_of(&text, status, title, &errors)))
    };
    // Of DocSpace's form, so that its words are repeated.
    let kind = "https://tools.ietf.org/html/rfc9110#section-15.5.1";
    let bare = |status: u16, errors: &Value| {
        Fault::answer(status, FaultBody::Json(problem_of(kind, status, &text, errors)))
    };
    let wrapped_problem = |errors: &Value| {
        let body = json!({"response": problem_of(kind, 400, &text, errors), "count": 1, "status": 0, "statusCode": 400});
        Fault::answer(400, FaultBody::Json(body))
    };
    let errors: Map<String, Value> = secrets
        .iter()
        .map(|secret| (format!("$.{secret}"), json!([format!("{text} Path: {secret}")])))
        .collect();
    let errors = Value::Object(errors);
    let refusals = [
        wrapped_problem(&errors),
        wrapped_problem(&Value::Null),
        bare(400, &errors),
        bare(500, &Value::Null),
        wrapped(500, "System.Exception"),
        wrapped(500, "System.FormatException"),
        wrapped(500, &text),
        wrapped(402, "ASC.Core.Billing.BillingException"),
        wrapped(403, "System.Security.SecurityException"),
        wrapped(404, "System.IO.DirectoryNotFoundException"),
        problem(400, "t", errors),
        problem(400, &text, Value::Null),
        problem(500, &text, Value::Null),
        Fault::answer(400, FaultBody::Text(text.clone())),
        Fault::answer(502, FaultBody::Text(format!("<html>{text}</html>"))),
    ];
    refusals
        .into_iter()
        .map(|fault| fault.to("createbackupschedule").method("POST").times(1))
        .collect()
}

/// The answer of keys/@self.
pub fn key(secrets: &[String]) -> Fault {
    let text = secrets.join(" ");
    let permissions: Vec<_> = secrets.iter().chain([&text]).collect();
    success(
        json!({"id": text, "name": text, "key": text, "keyPostfix": text, "permissions": permissions,
                   "isActive": true, "createBy": {"displayName": text}}),
    )
    .to("keys/@self")
}

/// The answer of settings.
pub fn settings(secrets: &[String], time_zone: &str) -> Fault {
    let text = secrets.join(".");
    success(
        json!({"timezone": time_zone, "version": text, "tenantAlias": text, "baseDomain": text,
                   "standalone": true, "culture": text, "ownerId": text}),
    )
    .to("settings")
}

/// The custom domain of the portal.
pub fn domain(secrets: &[String]) -> Fault {
    success(json!({"mappedDomain": secrets.join(".")})).to("portal")
}

/// One archive, made at this time.
pub fn history(secrets: &[String], created_on: &str) -> Fault {
    let text = secrets.join(" ");
    success(
        json!([{"id": text, "fileName": text, "storageType": 5, "createdOn": created_on,
                    "expiresOn": "0001-01-01T00:00:00"}]),
    )
    .to("getbackuphistory")
}

/// A run that is over.
pub fn progress(secrets: &[String]) -> Fault {
    let text = secrets.join(" ");
    success(
        json!({"isCompleted": true, "progress": 100, "error": text, "warning": text, "link": text,
                   "tenantId": 1, "status": 2, "taskId": text}),
    )
    .to("getbackupprogress")
}

/// A schedule with secrets under every key, and as keys.
pub fn schedule(secrets: &[String], hour: i32) -> Fault {
    let text = secrets.join(" ");
    let mut params = Map::new();
    for key in SHOWN {
        params.insert(key.into(), json!(format!("a {text}")));
    }
    for secret in secrets {
        params.insert(secret.clone(), json!(secret));
        params.insert(format!("region {secret}"), json!(text));
    }
    success(
        json!({"storageType": 5, "storageParams": params, "storageBasePath": text,
                   "cronParams": {"period": 0, "hour": hour, "day": 0, "name": text},
                   "backupsStored": 7, "lastBackupTime": null, "dump": false, "owner": text}),
    )
    .to("getbackupschedule")
}

/// The same with secrets in fields that are not texts.
pub fn odd_schedule(secrets: &[String]) -> Fault {
    let text = secrets.join(" ");
    success(json!({"storageType": text, "storageParams": {}, "cronParams": {"period": text, "hour": text}}))
        .to("getbackupschedule")
}

/// A redirect to a host whose name is a secret.
pub fn redirect(secret: &str) -> Fault {
    Fault::redirect(302, &format!("https://{secret}.example.com/{secret}")).to("getbackupschedule")
}
