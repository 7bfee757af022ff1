//! keys/@self, and as much of the keys' administration as the recordings show.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    authorization::Caller,
    books::date,
    credentials::{ApiKey, IssuedKey, PERMISSIONS},
    exception::{Exception, Refusal},
    routes::{Context, Outcome},
    state::TenantState,
    tenant::Database,
};

/// A key's own data; with a session token the server falls over itself (R 429, 438).
pub(crate) fn own(context: &mut Context) -> Outcome {
    let Caller::Key { token, .. } = &context.caller else {
        return Err(Exception::null_reference().into());
    };
    let database = context.state.installation.database;
    let tenant = &context.state.tenants[context.tenant];
    let key = tenant.keys.iter().find(|key| key.token == *token);
    Ok(key.map(|key| shown(tenant, key, database, &hidden(key))))
}

/// Every key of the portal.
pub(crate) fn list(context: &mut Context) -> Outcome {
    let database = context.state.installation.database;
    let tenant = &context.state.tenants[context.tenant];
    Ok(Some(
        tenant
            .keys
            .iter()
            .map(|key| shown(tenant, key, database, &hidden(key)))
            .collect(),
    ))
}

/// The permissions that there are (R 485).
pub(crate) fn permissions() -> Outcome {
    Ok(Some(json!(PERMISSIONS)))
}

/// Makes a key (R 486, 487), which PostgreSQL cannot (R 908).
pub(crate) fn create(context: &mut Context) -> Outcome {
    let holder = context.caller.somebody()?;
    let body: Value = serde_json::from_slice(&context.call.body).map_err(|_| Refusal::Invalid {
        field: String::new(),
        message: "A non-empty request body is required.".to_owned(),
    })?;
    let permissions: Vec<String> = body["permissions"]
        .as_array()
        .map(|names| {
            names
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default();
    if !permissions
        .iter()
        .all(|name| PERMISSIONS.contains(&name.as_str()))
    {
        return Err(Exception::argument("Permissions are not valid.").into());
    }
    let database = context.state.installation.database;
    if database == Database::PostgreSql {
        return Err(Exception::database_update().into());
    }
    let days = body["expiresInDays"].as_i64();
    let key = ApiKey {
        name: body["name"].as_str().unwrap_or_default().to_owned(),
        permissions,
        expires_at: days.map(|days| context.now + SignedDuration::from_hours(24 * days)),
        active: true,
        holder,
    };
    let issued = context.state.issue_key(context.tenant, key, context.now).clone();
    let tenant = &context.state.tenants[context.tenant];
    Ok(Some(shown(tenant, &issued, database, &issued.token)))
}

fn hidden(key: &IssuedKey) -> String {
    format!("sk-***{}", key.postfix())
}

fn shown(tenant: &TenantState, key: &IssuedKey, database: Database, secret: &str) -> Value {
    let user = tenant.user(key.key.holder);
    let mut shown = json!({
        "id": key.id,
        "name": key.key.name,
        "key": secret,
        "keyPostfix": key.postfix(),
        "permissions": key.key.permissions,
        "createOn": date(database, key.created),
        "createBy": {
            "id": user.id,
            "displayName": user.display_name,
            "hasAvatar": false,
            "isAnonim": false,
        },
        "isActive": key.key.active,
    });
    let mut add = |name: &str, time: Option<Timestamp>| {
        if let Some(time) = time {
            shown[name] = json!(date(database, time));
        }
    };
    add("lastUsed", key.last_used);
    add("expiresAt", key.key.expires_at);
    shown
}
