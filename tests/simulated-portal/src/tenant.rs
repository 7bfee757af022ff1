//! The configuration of the installation and its tenants; users call a tenant a portal.

use std::{collections::BTreeMap, time::Duration};

use crate::tls::Certificate;

/// How DocSpace is hosted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// On your own server: an unknown Host selects the first tenant (R 204), and dumps are allowed.
    #[default]
    Standalone,
    /// The vendor's cloud: an unknown Host is 401 (R 205), no dumps (R 3), no Local (R 357), plans count (R 4).
    Saas,
}

/// The database behind the installation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Database {
    /// MySQL or MariaDB: dates carry no Z, seconds only.
    #[default]
    MariaDb,
    /// Dates end in Z; API keys cannot be made (R 908) and the cleaner deletes too much (story
    /// cleaner-on-postgresql).
    PostgreSql,
}

/// The state of a tenant, with DocSpace's own numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum TenantStatus {
    /// In use.
    #[default]
    Active = 0,
    /// 404 as ProblemDetails.
    Suspended = 1,
    /// 404 as ProblemDetails (R 337).
    RemovePending = 2,
    /// 403 as ProblemDetails (R 338).
    Transfering = 3,
    /// 403 as ProblemDetails (R 339).
    Restoring = 4,
    /// Answers normally (R 340).
    Migrated = 5,
    /// 403 as ProblemDetails (R 341).
    Encryption = 6,
}

impl TenantStatus {
    /// The status with DocSpace's number.
    pub fn from_number(number: u64) -> Option<Self> {
        let all = [
            Self::Active,
            Self::Suspended,
            Self::RemovePending,
            Self::Transfering,
            Self::Restoring,
            Self::Migrated,
            Self::Encryption,
        ];
        all.into_iter().find(|status| *status as u64 == number)
    }
}

/// A folder that a schedule of storageType Documents or ThridpartyDocuments may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// Archives may be written there.
    Writable,
    /// There is no right to write, or it is a root of rooms: 403 (R 164). A folder that is not listed: 404
    /// (R 163).
    NotWritable,
}

/// The configuration that all tenants of a server share.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Standalone or SaaS.
    pub mode: Mode,
    /// Which database it runs on.
    pub database: Database,
    /// Entries of `web:hide-settings`; `AutoBackup` forbids schedules (R 362).
    pub hidden_settings: Vec<String>,
    /// The version that GET settings tells (from a file, may be stale).
    pub version: String,
    /// The base domain that GET settings tells; none is `localhost` standalone (R 800) and `example.test` on SaaS.
    pub base_domain: Option<String>,
    /// How long a call retries while MariaDB is down (327 s in R 376).
    pub database_retries: Duration,
    /// How long a POST or DELETE takes before it is carried out.
    pub writes_take: Duration,
    /// Whether the nginx router is in front: it accepts `/api` in lower case only (R 958), and `portal/…backup…` as
    /// another path of the backup API (R 956).
    pub router: bool,
    /// Close each connection after its answer, unannounced, so that a second request on it gets none. Not over TLS.
    pub closes_connections: bool,
    /// Serve TLS with a certificate for these names from a CA created for the test.
    pub tls_names: Option<Vec<String>>,
    /// Which certificate, over TLS.
    pub certificate: Certificate,
    /// Over TLS, speak version 1.2 only.
    pub only_tls12: bool,
}

impl Default for Installation {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            database: Database::default(),
            hidden_settings: Vec::new(),
            version: "3.1.0".to_owned(),
            base_domain: None,
            database_retries: Duration::from_secs(327),
            writes_take: Duration::ZERO,
            router: false,
            closes_connections: false,
            tls_names: None,
            certificate: Certificate::default(),
            only_tls12: false,
        }
    }
}

impl Installation {
    /// A standalone installation on PostgreSQL.
    pub fn on_postgresql() -> Self {
        Self {
            database: Database::PostgreSql,
            ..Self::default()
        }
    }

    /// The vendor's cloud, which runs on MySQL.
    pub fn saas() -> Self {
        Self {
            mode: Mode::Saas,
            ..Self::default()
        }
    }

    /// The same, over TLS with a certificate for these names.
    pub fn with_tls(self, names: &[&str]) -> Self {
        Self {
            tls_names: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            ..self
        }
    }

    pub(crate) fn standalone(&self) -> bool {
        self.mode == Mode::Standalone
    }

    pub(crate) fn hides(&self, setting: &str) -> bool {
        self.hidden_settings.iter().any(|hidden| hidden == setting)
    }
}

/// One portal, as configured.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The Host names that select it, without a port.
    pub hosts: Vec<String>,
    /// The alias; every fresh standalone installation has `localhost`.
    pub alias: String,
    /// The stored time zone: IANA or Windows; none and unknown ones count as UTC (R 801, 808).
    pub time_zone: Option<String>,
    /// Active, suspended, restoring, …
    pub status: TenantStatus,
    /// Forbids dumps (R 206).
    pub limited_access_space: bool,
    /// SaaS: the plan has automatic backup (else 402, R 4).
    pub paid: bool,
    /// SaaS: the tariff has run out, so that GET and POST answer 402 (story tariff-run-out).
    pub tariff_ran_out: bool,
    /// SaaS: the plan has the audit feature (else every filter is ignored, R 590).
    pub audit: bool,
    /// Whether paid backups are switched on (getservicestate): those beyond the free ones are then charged for
    /// instead of refused.
    pub paid_backup_service: bool,
    /// SaaS: how many backups a month are free; none is no limit. A schedule that falls due beyond them is removed
    /// (story quota-used-up).
    pub free_backups: Option<u32>,
    /// A custom domain; GET portal shows it to administrators as `mappedDomain`.
    pub mapped_domain: Option<String>,
    /// Folders by id; 5 and `sbox-1` can be written to, 6 and 7 not, as in the recordings.
    pub folders: BTreeMap<String, Folder>,
    /// The portal's owner, who may edit its settings.
    pub owner: User,
    /// A user who may not edit them.
    pub plain_user: User,
}

/// A person of a portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// A UUID.
    pub id: String,
    /// First and last name with a blank between.
    pub display_name: String,
}

impl Default for Tenant {
    fn default() -> Self {
        let folders = [
            ("5", Folder::Writable),
            ("sbox-1", Folder::Writable),
            ("6", Folder::NotWritable),
            ("7", Folder::NotWritable),
        ];
        Self {
            hosts: Vec::new(),
            alias: "localhost".to_owned(),
            time_zone: None,
            status: TenantStatus::Active,
            limited_access_space: false,
            paid: true,
            tariff_ran_out: false,
            audit: true,
            paid_backup_service: false,
            free_backups: None,
            mapped_domain: None,
            folders: folders.map(|(id, folder)| (id.to_owned(), folder)).into(),
            owner: User {
                id: "66faa6e4-f133-11ea-b126-00ffeec8b4ef".to_owned(),
                display_name: "Administrator ".to_owned(),
            },
            plain_user: User {
                id: "11111111-1111-1111-1111-111111111111".to_owned(),
                display_name: "Plain User".to_owned(),
            },
        }
    }
}

impl Tenant {
    /// A tenant that answers to a Host.
    pub fn at(host: &str) -> Self {
        Self {
            hosts: vec![host.to_owned()],
            ..Self::default()
        }
    }

    /// The same in a time zone.
    pub fn in_zone(self, zone: &str) -> Self {
        Self {
            time_zone: Some(zone.to_owned()),
            ..self
        }
    }
}
