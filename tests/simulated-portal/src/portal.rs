//! The API for tests: the server and its portals.

use std::{net::Ipv4Addr, sync::Arc};

use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::{
    binding,
    books::{Archive, AuditEvent, Progress},
    call::Call,
    clock::Clock,
    credentials::{ApiKey, Holder},
    door::Door,
    faults::{Fault, FaultId},
    log::Log,
    schedule::{DUMP_TENANT, Schedule},
    server::{Core, Running},
    state::State,
    tenant::{Installation, Tenant},
    tls::Tls,
};

/// A running server. Clones share it; it stops when the last one, and the last [`Portal`], is dropped.
#[derive(Clone, Debug)]
pub struct SimulatedPortal {
    running: Arc<Running>,
}

impl SimulatedPortal {
    /// Starts a server on a port of 127.0.0.1, with one tenant that answers to `portal.test` and, where it is
    /// standalone, to any unknown Host.
    pub async fn start(installation: Installation) -> Self {
        Self::start_with(installation, vec![Tenant::at("portal.test")]).await
    }

    /// The same with these tenants instead.
    pub async fn start_with(installation: Installation, tenants: Vec<Tenant>) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, installation, tenants).await
    }

    /// The same on a port of this address.
    pub async fn start_at(address: Ipv4Addr, installation: Installation, tenants: Vec<Tenant>) -> Self {
        let listener = TcpListener::bind((address, 0)).await.expect("a port");
        let tls = installation
            .tls_names
            .as_deref()
            .map(|names| Tls::new(names, installation.certificate, installation.only_tls12));
        let mut state = State::new(installation);
        for tenant in tenants {
            state.add_tenant(tenant);
        }
        Self {
            running: Arc::new(Running::start(listener, tls, state)),
        }
    }

    fn core(&self) -> &Core {
        &self.running.core
    }

    pub(crate) fn with_state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.core().state.lock().unwrap())
    }

    /// `http://127.0.0.1:12345`, or `https://…` over TLS.
    pub fn url(&self) -> String {
        let scheme = if self.running.ca_pem.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.running.address)
    }

    /// The port alone, for addresses with another name.
    pub fn port(&self) -> u16 {
        self.running.address.port()
    }

    /// The certificate of the authority that the server's is from, or the server's own; only over TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.running.ca_pem.as_deref()
    }

    /// Adds a tenant.
    pub fn add_tenant(&self, tenant: Tenant) -> Portal {
        let index = self.with_state(|state| state.add_tenant(tenant));
        Portal {
            server: self.clone(),
            index,
        }
    }

    /// The first tenant.
    pub fn first(&self) -> Portal {
        Portal {
            server: self.clone(),
            index: 0,
        }
    }

    /// Every tenant.
    pub fn tenants(&self) -> Vec<Portal> {
        let count = self.with_state(|state| state.tenants.len());
        (0..count)
            .map(|index| Portal {
                server: self.clone(),
                index,
            })
            .collect()
    }

    /// Changes what all tenants share, TLS excepted.
    pub fn change(&self, change: impl FnOnce(&mut Installation)) {
        self.with_state(|state| change(&mut state.installation));
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.core().clock
    }

    /// The log of requests.
    pub fn log(&self) -> &Log {
        &self.core().log
    }

    /// Orders a fault.
    pub fn order(&self, fault: Fault) -> FaultId {
        self.core().faults.order(fault)
    }

    /// How many requests a fault has affected; 0 once it is cleared.
    pub fn hits(&self, fault: FaultId) -> u64 {
        self.core().faults.hits(fault)
    }

    /// Clears a fault; requests that it holds go on.
    pub fn clear_fault(&self, fault: FaultId) {
        self.core().faults.clear(|id| id == fault);
    }

    /// Clears every fault; requests that they hold go on.
    pub fn clear_faults(&self) {
        self.core().faults.clear(|_| true);
    }

    /// From now on, connections fare like this; the present ones end.
    pub fn set_door(&self, door: Door) {
        self.core().door.set(door);
    }

    /// How many connections have not been let in.
    pub fn turned_away(&self) -> u64 {
        self.core().door.turned_away()
    }

    /// Takes the database down. Calls then fail with a misleading 403 (PostgreSQL, R 371) or hang for minutes
    /// and may still be carried out when it comes back (MariaDB, R 376), but for the first one where a
    /// connection was open (R 375).
    pub fn take_database_down(&self, with_open_connection: bool) {
        self.with_state(|state| {
            state.database_down = true;
            state.pooled_connection = with_open_connection;
        });
    }

    /// Brings the database up again.
    pub fn bring_database_up(&self) {
        self.with_state(|state| state.database_down = false);
        self.core().database_up.notify_waiters();
    }

    /// Every stored schedule, the dump's first.
    pub fn schedules(&self) -> Vec<Schedule> {
        self.with_state(|state| state.schedules())
    }
}

/// One portal on a server: a tenant.
#[derive(Clone, Debug)]
pub struct Portal {
    server: SimulatedPortal,
    pub(crate) index: usize,
}

impl Portal {
    pub(crate) fn with_state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        self.server.with_state(work)
    }

    /// The server that it is on.
    pub fn server(&self) -> &SimulatedPortal {
        &self.server
    }

    /// The tenant's id, 1 for the first.
    pub fn tenant_id(&self) -> i32 {
        self.with_state(|state| state.tenants[self.index].id)
    }

    /// The first Host name that leads to it.
    pub fn host(&self) -> String {
        self.with_state(|state| {
            state.tenants[self.index]
                .tenant
                .hosts
                .first()
                .cloned()
                .unwrap_or_default()
        })
    }

    /// Changes its configuration, such as its status.
    pub fn change(&self, change: impl FnOnce(&mut Tenant)) {
        self.with_state(|state| state.change_tenant(self.index, change));
    }

    /// Issues an API key (on PostgreSQL too, where DocSpace itself cannot) and gives it in full: `sk-…`.
    pub fn issue_key(&self, key: ApiKey) -> String {
        let now = self.server.clock().now();
        self.with_state(|state| state.issue_key(self.index, key, now).token.clone())
    }

    /// Changes a key: switches it off, narrows its permissions, lets it expire.
    pub fn change_key(&self, token: &str, change: impl FnOnce(&mut ApiKey)) {
        self.with_state(|state| {
            if let Some(key) = state.tenants[self.index].key_mut(token) {
                change(&mut key.key);
            }
        });
    }

    /// The id of a key, as GET keys/@self shows it.
    pub fn key_id(&self, token: &str) -> Option<String> {
        self.with_state(|state| {
            let key = state.tenants[self.index].key_mut(token)?;
            Some(key.id.clone())
        })
    }

    /// Deletes a key.
    pub fn revoke_key(&self, token: &str) {
        self.with_state(|state| state.revoke_key(token));
    }

    /// Issues a session token.
    pub fn issue_session(&self, holder: Holder) -> String {
        self.with_state(|state| state.issue_session(self.index, holder))
    }

    /// Ends a session.
    pub fn end_session(&self, token: &str) {
        self.with_state(|state| state.end_session(token));
    }

    /// The stored schedule: the portal's own, or the one that makes dumps.
    pub fn schedule(&self, dump: bool) -> Option<Schedule> {
        self.with_state(|state| state.books(self.index, dump).schedule.clone())
    }

    /// Replaces the stored schedule, as another person might. Fills in the tenant's id, also in the parameters of a dump.
    pub fn set_schedule(&self, mut schedule: Schedule) {
        self.with_state(|state| {
            let id = state.tenants[self.index].id;
            let dump = schedule.dump;
            schedule.tenant_id = if dump { DUMP_TENANT } else { id };
            if dump {
                let posted_by = schedule.storage_params.entry("tenantId".to_owned());
                posted_by.or_insert_with(|| id.to_string());
            }
            state.books(self.index, dump).schedule = Some(schedule);
        });
    }

    /// Removes a schedule without a trace, as the scheduler does when the quota is used up.
    pub fn remove_schedule(&self, dump: bool) {
        self.with_state(|state| state.books(self.index, dump).schedule = None);
    }

    /// Stores the schedule in a body of createbackupschedule without any check, as if another person had POSTed it.
    ///
    /// # Panics
    /// When the body cannot be read.
    pub fn set_schedule_as_posted(&self, body: &Value) {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let call = Call::new(
            String::new(),
            String::new(),
            None,
            headers,
            body.to_string().into(),
            false,
        );
        let body = binding::schedule_body(&call).expect("a body that can be read");
        let params = body.storage_params().expect("parameters with values");
        let storage_type = body.storage_type();
        let needs = ["folderId", "folderId", "", "filePath"];
        let needed = usize::try_from(storage_type)
            .ok()
            .and_then(|number| needs.get(number));
        let storage_base_path = needed.and_then(|key| params.iter().find(|(known, _)| known == key));
        let storage_base_path = storage_base_path.map(|(_, value)| value.clone());
        self.set_schedule(Schedule {
            tenant_id: 0,
            dump: body.dump,
            storage_type,
            storage_base_path,
            storage_params: params.into_iter().collect(),
            cron: body.cron_params.expect("cronParams").to_string(),
            backups_stored: body.backups_stored(),
            last_backup_time: None,
        });
    }

    /// Sets the time when the last run was queued.
    pub fn set_last_backup_time(&self, dump: bool, time: Option<Timestamp>) {
        self.with_state(|state| {
            if let Some(schedule) = &mut state.books(self.index, dump).schedule {
                schedule.last_backup_time = time;
            }
        });
    }

    /// Adds the record of an archive of the portal or of the dump.
    pub fn add_archive(&self, dump: bool, archive: Archive) {
        self.with_state(|state| state.books(self.index, dump).archives.push(archive));
    }

    /// Changes the record of an archive: its file is lost, or the record is removed.
    pub fn change_archive(&self, dump: bool, id: &str, change: impl FnOnce(&mut Archive)) {
        self.with_state(|state| {
            let archives = &mut state.books(self.index, dump).archives;
            if let Some(archive) = archives.iter_mut().find(|archive| archive.id == id) {
                change(archive);
            }
        });
    }

    /// Every archive that ever had a record, including removed ones.
    pub fn archives(&self, dump: bool) -> Vec<Archive> {
        self.with_state(|state| state.books(self.index, dump).archives.clone())
    }

    /// Sets the progress of the running or last run; none simulates a restart.
    pub fn set_progress(&self, dump: bool, progress: Option<Progress>) {
        self.with_state(|state| state.books(self.index, dump).progress = progress);
    }

    /// Adds an event of a run, or of any known action, to the audit trail: now, by the owner.
    pub fn add_event(&self, action_id: u32) {
        let date = self.server.clock().now();
        self.with_state(|state| {
            let owner = &state.tenants[self.index].tenant.owner;
            let event = AuditEvent {
                id: 0,
                date,
                user: owner.display_name.trim().to_owned(),
                user_id: owner.id.clone(),
                action_id,
                target: None,
                ip: None,
                page: None,
            };
            state.add_event(self.index, event);
        });
    }

    /// Adds an event with all its fields to the audit trail.
    pub fn add_audit_event(&self, event: AuditEvent) {
        self.with_state(|state| state.add_event(self.index, event));
    }

    /// Holds the events from now on: DocSpace writes them with a delay.
    pub fn hold_events(&self) {
        self.with_state(|state| {
            state.tenants[self.index].held_events.get_or_insert_default();
        });
    }

    /// Writes the events that are held; the next ones are written at once.
    pub fn write_held_events(&self) {
        self.with_state(|state| {
            let held = state.tenants[self.index].held_events.take();
            for event in held.unwrap_or_default() {
                state.add_event(self.index, event);
            }
        });
    }

    /// The audit trail, in the order in which it was written.
    pub fn audit_events(&self) -> Vec<AuditEvent> {
        self.with_state(|state| state.tenants[self.index].events.clone())
    }
}
