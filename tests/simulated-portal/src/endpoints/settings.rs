//! GET settings and GET portal.

use jiff::{
    Timestamp,
    tz::{Offset, TimeZone},
};
use serde_json::{Value, json};

use crate::{
    books::NEVER,
    credentials::Holder,
    routes::{Context, Outcome},
    state::{State, TenantState},
    tenant::{Database, Tenant},
};

/// The portal's settings: much for who is known, little and no time zone for anybody else (R 800, 801).
pub(crate) fn settings(context: &mut Context) -> Outcome {
    let known = context.caller.anybody()?.is_some();
    let tenant = &context.state.tenants[context.tenant];
    let mut body = common(context.state, tenant);
    let more = if known {
        for_known(&tenant.tenant, context.now)
    } else {
        for_unknown(&tenant.tenant)
    };
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    Ok(Some(body))
}

fn common(state: &State, tenant: &TenantState) -> Value {
    let installation = &state.installation;
    let standalone = installation.standalone();
    let usual_domain = if standalone { "localhost" } else { "example.test" };
    json!({
        "trustedDomainsType": 0,
        "culture": "en-US",
        "greetingSettings": "Web Office",
        "enableAdmMess": false,
        "docSpace": true,
        "standalone": standalone,
        "isAmi": false,
        "baseDomain": installation.base_domain.as_deref().unwrap_or(usual_domain),
        "version": installation.version,
        "recaptchaType": 0,
        "tenantStatus": tenant.tenant.status as u8,
        "tenantAlias": tenant.tenant.alias,
        "displayAbout": true,
        "cookieSettingsEnabled": false,
        "limitedAccessSpace": tenant.tenant.limited_access_space,
        "limitedAccessDevToolsForUsers": false,
        "logoText": "ONLYOFFICE",
        "externalDbEnabled": false,
    })
}

fn for_known(tenant: &Tenant, now: Timestamp) -> Value {
    let (zone, zone_name) = zone_of(tenant);
    let offset = zone.to_offset(now);
    json!({
        "timezone": zone_name,
        "utcOffset": offset_text(offset),
        "utcHoursOffset": offset_hours(offset),
        "trustedDomains": [],
        "ownerId": tenant.owner.id,
        "nameSchemaId": "common",
        "debugInfo": true,
        "socketUrl": "/socket.io",
        "zendeskKey": "",
        "tagManagerId": "",
        "displayBanners": true,
        "aiEnabled": true,
        "invitationLimit": i32::MAX,
        "maxImageUploadSize": 5_242_880,
        "defaultFolderType": 14,
        "firebase": {"apiKey": "", "authDomain": "", "projectId": "", "storageBucket": "", "messagingSenderId": "",
            "appId": "", "measurementId": "", "databaseURL": ""},
        "domainValidator": {"regex": "^[a-z0-9]([a-z0-9-]){1,61}[a-z0-9]$", "minLength": 3, "maxLength": 63},
        "userNameRegex": "^[\\p{L}\\p{M}' \\-]+$",
        "plugins": {"enabled": true, "upload": true, "delete": true},
        "deepLink": {"androidPackageName": "com.onlyoffice.documents", "url": "oodocuments://openfile",
            "iosPackageId": "944896972"},
        "formGallery": {"path": "/api/oforms/", "domain": "https://cmsoforms.onlyoffice.com", "ext": ".pdf",
            "uploadPath": "/api/upload", "uploadDomain": "https://templates.onlyoffice.com", "uploadExt": ".pdf",
            "uploadDashboard": "/dashboard/api"},
        "externalResources": {"api": {}, "common": {}, "integrations": {}, "site": {}, "socialNetworks": {}},
    })
}

fn for_unknown(tenant: &Tenant) -> Value {
    json!({
        "utcOffset": "00:00:00",
        "utcHoursOffset": 0,
        "ownerId": "00000000-0000-0000-0000-000000000000",
        "enabledJoin": false,
        "thirdpartyEnable": false,
        "wizardToken": format!("type=Wizard&key=533165264361.SIMULATED&uid={}", tenant.owner.id),
        "recaptchaPublicKey": "",
        "debugInfo": false,
        "displayBanners": false,
        "aiEnabled": false,
        "maxImageUploadSize": 0,
        "defaultFolderType": 0,
    })
}

/// The zone of a portal: IANA names, Windows names as IANA ones (R 807), UTC for anything else (R 801, 808).
pub(crate) fn zone_of(tenant: &Tenant) -> (TimeZone, String) {
    let stored = tenant.time_zone.as_deref().unwrap_or("UTC");
    let name = WINDOWS_ZONES
        .iter()
        .find(|(windows, _)| *windows == stored)
        .map_or(stored, |(_, iana)| iana);
    match TimeZone::get(name) {
        Ok(zone) => (zone, name.to_owned()),
        Err(_) => (TimeZone::UTC, "UTC".to_owned()),
    }
}

/// Some of Windows' names of zones.
const WINDOWS_ZONES: [(&str, &str); 8] = [
    ("W. Europe Standard Time", "Europe/Berlin"),
    ("Central European Standard Time", "Europe/Warsaw"),
    ("GMT Standard Time", "Europe/London"),
    ("Eastern Standard Time", "America/New_York"),
    ("Pacific Standard Time", "America/Los_Angeles"),
    ("Tokyo Standard Time", "Asia/Tokyo"),
    ("India Standard Time", "Asia/Kolkata"),
    ("E. South America Standard Time", "America/Sao_Paulo"),
];

/// `-03:30:00` (R 805).
fn offset_text(offset: Offset) -> String {
    let seconds = offset.seconds();
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.abs();
    format!(
        "{sign}{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Hours, as a whole number where they are one (R 803, 805).
fn offset_hours(offset: Offset) -> Value {
    let seconds = offset.seconds();
    if seconds % 3600 == 0 {
        json!(seconds / 3600)
    } else {
        json!(f64::from(seconds) / 3600.0)
    }
}

/// The portal's data: for its administrator (R 816), with mostly defaults for a plain user (R 817).
pub(crate) fn portal(context: &mut Context) -> Outcome {
    let holder = context.caller.somebody()?;
    let database = context.state.installation.database;
    let TenantState { id, tenant, .. } = &context.state.tenants[context.tenant];
    if holder == Holder::PlainUser {
        return Ok(Some(json!({
            "calls": false,
            "creationDateTime": NEVER,
            "tenantId": id,
            "industry": 0,
            "lastModified": NEVER,
            "ownerId": "00000000-0000-0000-0000-000000000000",
            "spam": false,
            "status": 0,
            "statusChangeDate": NEVER,
            "trustedDomainsType": 0,
            "version": 0,
            "versionChanged": NEVER,
        })));
    }
    // Fixed-width columns of PostgreSQL come with their blanks (R 856).
    let (created, modified, language) = match database {
        Database::MariaDb => ("2021-03-09T17:46:59", "2026-11-23T21:27:45", "en-US"),
        Database::PostgreSql => (
            "2021-03-09T17:46:59.097431Z",
            "2026-11-23T21:27:55.45598Z",
            "en-US     ",
        ),
    };
    let mut body = json!({
        "tenantAlias": tenant.alias,
        "calls": true,
        "creationDateTime": created,
        "tenantId": id,
        "industry": 0,
        "language": language,
        "lastModified": modified,
        "name": "Web Office",
        "ownerId": tenant.owner.id,
        "spam": false,
        "status": tenant.status as u8,
        "statusChangeDate": context.now.strftime("%Y-%m-%dT%H:%M:%S.%7fZ").to_string(),
        "timeZone": tenant.time_zone.as_deref().unwrap_or("UTC"),
        "trustedDomains": [],
        "trustedDomainsType": 0,
        "version": 2,
        "versionChanged": NEVER,
    });
    if let Some(domain) = &tenant.mapped_domain {
        body["mappedDomain"] = json!(domain);
    }
    Ok(Some(body))
}
