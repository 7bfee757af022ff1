//! The state of the server.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use jiff::Timestamp;

use crate::{
    books::{Archive, AuditEvent, Progress},
    credentials::{ApiKey, Holder, IssuedKey, scrambled, uuid},
    schedule::Schedule,
    tenant::{Installation, Tenant, User},
    worker::{Outcome, Run},
};

/// The records of one slot: of a tenant, or of the installation's dump.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books {
    pub(crate) schedule: Option<Schedule>,
    pub(crate) archives: Vec<Archive>,
    pub(crate) progress: Option<Progress>,
    /// The running backup.
    pub(crate) running: Option<Run>,
    /// The outcomes that tests set for the next run and for every run.
    pub(crate) next_outcome: Option<Outcome>,
    pub(crate) every_outcome: Option<Outcome>,
}

/// A tenant with its data.
#[derive(Clone, Debug)]
pub(crate) struct TenantState {
    /// 1 for the first.
    pub(crate) id: i32,
    pub(crate) tenant: Tenant,
    pub(crate) books: Books,
    pub(crate) events: Vec<AuditEvent>,
    /// Events that are not written yet, while a test holds them.
    pub(crate) held_events: Option<Vec<AuditEvent>>,
    pub(crate) keys: Vec<IssuedKey>,
}

impl TenantState {
    pub(crate) fn user(&self, holder: Holder) -> &User {
        match holder {
            Holder::Owner => &self.tenant.owner,
            Holder::PlainUser => &self.tenant.plain_user,
        }
    }

    pub(crate) fn key_mut(&mut self, token: &str) -> Option<&mut IssuedKey> {
        self.keys.iter_mut().find(|key| key.token == token)
    }
}

/// Number of servers created in this process.
static SERVERS: AtomicU64 = AtomicU64::new(1);

/// The whole server.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) installation: Installation,
    pub(crate) tenants: Vec<TenantState>,
    pub(crate) dump: Books,
    /// Runs that no worker has taken yet.
    pub(crate) queue: Vec<Run>,
    pub(crate) database_down: bool,
    /// A connection that was open when MariaDB went down: the first call fails at once (R 375).
    pub(crate) pooled_connection: bool,
    hosts: HashMap<String, usize>,
    /// Tokens with the tenant that they belong to.
    keys: HashMap<String, usize>,
    sessions: HashMap<String, (usize, Holder)>,
    next_number: u64,
    next_event: u64,
}

impl State {
    pub(crate) fn new(installation: Installation) -> Self {
        Self {
            installation,
            tenants: Vec::new(),
            dump: Books::default(),
            queue: Vec::new(),
            database_down: false,
            pooled_connection: false,
            hosts: HashMap::new(),
            keys: HashMap::new(),
            sessions: HashMap::new(),
            // Keys and ids of two servers differ, as those of two installations do.
            next_number: SERVERS.fetch_add(1, Ordering::Relaxed) << 32,
            next_event: 1,
        }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    pub(crate) fn uuid(&mut self) -> String {
        uuid(self.number())
    }

    /// Adds a tenant; its position in the list determines its id.
    pub(crate) fn add_tenant(&mut self, tenant: Tenant) -> usize {
        let index = self.tenants.len();
        for host in &tenant.hosts {
            self.hosts.insert(host.to_ascii_lowercase(), index);
        }
        let id = i32::try_from(index).unwrap_or(i32::MAX - 1) + 1;
        self.tenants.push(TenantState {
            id,
            tenant,
            books: Books::default(),
            events: Vec::new(),
            held_events: None,
            keys: Vec::new(),
        });
        index
    }

    /// Changes a tenant's configuration.
    pub(crate) fn change_tenant(&mut self, index: usize, change: impl FnOnce(&mut Tenant)) {
        let tenant = &mut self.tenants[index].tenant;
        for host in &tenant.hosts {
            self.hosts.remove(&host.to_ascii_lowercase());
        }
        change(tenant);
        for host in &tenant.hosts {
            self.hosts.insert(host.to_ascii_lowercase(), index);
        }
    }

    /// The tenant that a Host header selects. An unknown Host selects the first tenant of a standalone installation
    /// (R 204), and none on SaaS (R 205).
    pub(crate) fn tenant_of_host(&self, host: &str) -> Option<usize> {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let known = self.hosts.get(&name.to_ascii_lowercase()).copied();
        let first = (self.installation.standalone() && !self.tenants.is_empty()).then_some(0);
        known.or(first)
    }

    pub(crate) fn issue_key(&mut self, index: usize, mut key: ApiKey, now: Timestamp) -> &IssuedKey {
        if key.permissions.iter().any(|name| name == "*") {
            key.permissions.clear();
        }
        let token = format!("sk-{}{}", scrambled(self.number()), scrambled(self.number()));
        let id = self.uuid();
        self.keys.insert(token.clone(), index);
        let keys = &mut self.tenants[index].keys;
        keys.push(IssuedKey {
            key,
            id,
            token,
            created: now,
            last_used: None,
        });
        &keys[keys.len() - 1]
    }

    pub(crate) fn revoke_key(&mut self, token: &str) {
        if let Some(index) = self.keys.remove(token) {
            self.tenants[index].keys.retain(|key| key.token != token);
        }
    }

    pub(crate) fn issue_session(&mut self, index: usize, holder: Holder) -> String {
        let token = format!("ses{}{}=", scrambled(self.number()), scrambled(self.number()));
        self.sessions.insert(token.clone(), (index, holder));
        token
    }

    pub(crate) fn end_session(&mut self, token: &str) {
        self.sessions.remove(token);
    }

    /// The holder of a session token, if it is one of this tenant.
    pub(crate) fn session(&self, index: usize, token: &str) -> Option<Holder> {
        self.sessions
            .get(token)
            .filter(|(tenant, _)| *tenant == index)
            .map(|(_, holder)| *holder)
    }

    /// A key, if it is one of this tenant.
    pub(crate) fn key(&mut self, index: usize, token: &str) -> Option<&mut IssuedKey> {
        self.keys.get(token).filter(|tenant| **tenant == index)?;
        self.tenants[index].key_mut(token)
    }

    /// The records for a call with this `dump`.
    pub(crate) fn books(&mut self, index: usize, dump: bool) -> &mut Books {
        if dump {
            &mut self.dump
        } else {
            &mut self.tenants[index].books
        }
    }

    pub(crate) fn add_event(&mut self, index: usize, mut event: AuditEvent) {
        if let Some(held) = &mut self.tenants[index].held_events {
            held.push(event);
            return;
        }
        if event.id == 0 {
            event.id = self.next_event;
        }
        self.next_event = self.next_event.max(event.id + 1);
        self.tenants[index].events.push(event);
    }

    /// Every stored schedule, the dump's first.
    pub(crate) fn schedules(&self) -> Vec<Schedule> {
        let own = self
            .tenants
            .iter()
            .filter_map(|tenant| tenant.books.schedule.clone());
        self.dump.schedule.clone().into_iter().chain(own).collect()
    }
}
