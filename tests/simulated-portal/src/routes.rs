//! From a request to an answer: routing, tenant, caller, state of the portal, endpoint.

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    answer::Answer,
    authorization::{Caller, caller},
    call::Call,
    endpoints::{audit, history, keys, schedule, settings},
    exception::{Exception, Refusal},
    state::State,
    tenant::{Database, TenantStatus},
};

/// The endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    CreateSchedule,
    GetSchedule,
    DeleteSchedule,
    History,
    Progress,
    StartBackup,
    BackupsCount,
    ServiceState,
    KeysSelf,
    Keys,
    CreateKey,
    KeyPermissions,
    Settings,
    Portal,
    AuditFilter,
    AuditLast,
}

const ROUTES: [(&str, &str, Route); 16] = [
    ("POST", "backup/createbackupschedule", Route::CreateSchedule),
    ("GET", "backup/getbackupschedule", Route::GetSchedule),
    ("DELETE", "backup/deletebackupschedule", Route::DeleteSchedule),
    ("GET", "backup/getbackuphistory", Route::History),
    ("GET", "backup/getbackupprogress", Route::Progress),
    ("POST", "backup/startbackup", Route::StartBackup),
    ("GET", "backup/getbackupscount", Route::BackupsCount),
    ("GET", "backup/getservicestate", Route::ServiceState),
    ("GET", "keys/@self", Route::KeysSelf),
    ("GET", "keys", Route::Keys),
    ("POST", "keys", Route::CreateKey),
    ("GET", "keys/permissions", Route::KeyPermissions),
    ("GET", "settings", Route::Settings),
    ("GET", "portal", Route::Portal),
    ("GET", "security/audit/events/filter", Route::AuditFilter),
    ("GET", "security/audit/events/last", Route::AuditLast),
];

/// The part of a path after the version, in lower case: the name of an endpoint for the log and for faults.
pub(crate) fn endpoint_of(path: &str) -> String {
    let path = path.to_ascii_lowercase();
    let path = path.strip_suffix('/').unwrap_or(&path);
    path.strip_prefix("/api/2.0/").unwrap_or(path).to_owned()
}

/// The page that nginx gives when nothing answers behind it (R 958).
pub(crate) const BAD_GATEWAY: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center>\
                                      <h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.22.1</center>\r\n\
                                      </body>\r\n</html>\r\n";

/// Finds the route of a path in any case (R 200); other versions and suffixes are none (R 201–203), another
/// verb is 405 (R 199).
fn route_of(state: &State, call: &Call) -> Result<Route, Answer> {
    let mut endpoint = endpoint_of(&call.path);
    if state.installation.router {
        // nginx finds its way by a path without doubled slashes, and passes on the one that was sent (R 957).
        if !single_slashes(&call.path).starts_with("/api/") {
            return Err(Answer::of_type(502, "text/html", BAD_GATEWAY));
        }
        if let Some(rest) = endpoint
            .strip_prefix("portal/")
            .filter(|rest| rest.contains("backup"))
        {
            endpoint = format!("backup/{rest}");
        }
    }
    let known: Vec<_> = ROUTES.iter().filter(|(_, path, _)| *path == endpoint).collect();
    if known.is_empty() {
        return Err(Answer::empty(404));
    }
    let found = known.iter().find(|(method, ..)| *method == call.method);
    found.map(|(.., route)| *route).ok_or_else(|| {
        let allowed: Vec<&str> = known.iter().map(|(method, ..)| *method).collect();
        Answer::empty(405).with("Allow", &allowed.join(", "))
    })
}

fn single_slashes(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    format!("/{}", parts.join("/"))
}

/// A call on its way through the server.
pub(crate) struct Context<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) tenant: usize,
    pub(crate) caller: Caller,
    pub(crate) call: &'a Call,
    pub(crate) now: Timestamp,
}

/// The result of an endpoint: the value of `response`, if any.
pub(crate) type Outcome = Result<Option<Value>, Refusal>;

/// Answers a call.
pub(crate) fn answer(state: &mut State, call: &Call, now: Timestamp) -> Answer {
    let route = match route_of(state, call) {
        Ok(route) => route,
        Err(answer) => return answer,
    };
    let Some(tenant) = state.tenant_of_host(call.host()) else {
        return Answer::empty(401);
    };
    if let Some(answer) = database_answer(state, call) {
        return answer;
    }
    let caller = caller(state, tenant, call, now);
    let basic = caller == Caller::Basic { well_formed: true };
    let mut context = Context {
        state,
        tenant,
        caller,
        call,
        now,
    };
    match handle(&mut context, route) {
        Ok(response) => Answer::success(fields_asked_for(call, response), call.link()),
        Err(Refusal::Status(401)) if basic => Answer::empty(401).with("WWW-Authenticate", "Basic"),
        Err(refusal) => refusal.answer(call.link()),
    }
}

/// The effect of a database that is down: none for a call without authorization, which ends earlier (R 372). The
/// minutes that a call hangs on MariaDB are simulated elsewhere.
pub(crate) fn database_answer(state: &mut State, call: &Call) -> Option<Answer> {
    if !state.database_down || (call.header("authorization").is_none() && call.header("cookie").is_none()) {
        return None;
    }
    let exception = match state.installation.database {
        Database::PostgreSql => Exception::postgresql_down(),
        Database::MariaDb if std::mem::take(&mut state.pooled_connection) => Exception::mariadb_lost(),
        Database::MariaDb => Exception::mariadb_down(),
    };
    Some(Refusal::from(exception).answer(call.link()))
}

fn handle(context: &mut Context, route: Route) -> Outcome {
    match route {
        Route::Settings => context.caller.anybody().map(drop)?,
        Route::KeysSelf => context.caller.somebody_whatever_the_permissions().map(drop)?,
        _ => context.caller.somebody().map(drop)?,
    }
    demand_portal_state(context, route)?;
    match route {
        Route::CreateSchedule => schedule::create(context),
        Route::GetSchedule => schedule::get(context),
        Route::DeleteSchedule => schedule::delete(context),
        Route::History => history::history(context),
        Route::Progress => history::progress(context),
        Route::StartBackup => history::start_backup(context),
        Route::BackupsCount => history::backups_count(context),
        Route::ServiceState => history::service_state(context),
        Route::KeysSelf => keys::own(context),
        Route::Keys => keys::list(context),
        Route::CreateKey => keys::create(context),
        Route::KeyPermissions => keys::permissions(),
        Route::Settings => settings::settings(context),
        Route::Portal => settings::portal(context),
        Route::AuditFilter => audit::filter(context),
        Route::AuditLast => audit::last(context),
    }
}

/// Suspended, migrating or unpaid portals reject calls (R 337–341, story tariff-run-out). While a portal is being
/// restored, settings, the portal's data and keys/@self still answer.
fn demand_portal_state(context: &Context, route: Route) -> Result<(), Refusal> {
    let tenant = &context.state.tenants[context.tenant].tenant;
    let about_itself = matches!(route, Route::Settings | Route::Portal | Route::KeysSelf);
    match tenant.status {
        TenantStatus::Suspended if route == Route::Settings => {}
        TenantStatus::Suspended | TenantStatus::RemovePending => return Err(Refusal::Problem(404)),
        TenantStatus::Transfering | TenantStatus::Restoring | TenantStatus::Encryption if !about_itself => {
            return Err(Refusal::Problem(403));
        }
        _ => {}
    }
    let free_of_charge = matches!(
        route,
        Route::StartBackup
            | Route::Progress
            | Route::BackupsCount
            | Route::ServiceState
            | Route::Settings
            | Route::Portal
    );
    if tenant.tariff_ran_out && !context.state.installation.standalone() && !free_of_charge {
        return Err(Refusal::Problem(402));
    }
    Ok(())
}

/// `?fields=a,b` keeps just these fields of an answer (R 20).
fn fields_asked_for(call: &Call, response: Option<Value>) -> Option<Value> {
    let Some(fields) = call.query("fields").filter(|fields| !fields.is_empty()) else {
        return response;
    };
    let wanted = |name: &String| {
        fields
            .split(',')
            .any(|field| field.trim().eq_ignore_ascii_case(name))
    };
    let mut response = response?;
    let items = match &mut response {
        Value::Array(items) => items.as_mut_slice(),
        one => std::slice::from_mut(one),
    };
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        item.retain(|name, _| wanted(name));
    }
    Some(response)
}
