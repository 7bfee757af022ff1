//! A simulated DocSpace server for tests, demo and benchmark: the part that backup schedules use, in-process, over real
//! HTTP. Its behaviour was recorded from DocSpace-server 3.7.2: `R 47` names the recording in `tests/recordings` that
//! proves a fact, and `story …` names a file in `tests/recordings/stories`.
//!
//! ```no_run
//! # async fn example() {
//! use std::time::Duration;
//! use simulated_portal::{ApiKey, Fault, Installation, Schedule, SimulatedPortal, Tenant};
//!
//! // One tenant, `portal.test`. A standalone server answers any unknown Host, such as 127.0.0.1, as this tenant.
//! let server = SimulatedPortal::start(Installation::default()).await;
//! let portal = server.first();
//! let key = portal.issue_key(ApiKey::named("operator").with_permissions(&["*"]));
//! // … point the operator at server.url() with the key …
//! let posts = server.log().wait_until(Duration::from_secs(5), |seen| seen.iter().any(|request| {
//!     request.method == "POST" && request.token() == Some(&key) && request.status == Some(200)
//! }));
//! posts.await.unwrap();
//! assert_eq!(portal.schedule(false).unwrap().cron, "0 0 3 ? * *");
//!
//! // Somebody else changes the schedule; the next POST is carried out, but its answer is lost.
//! portal.set_schedule(Schedule::every_day(5));
//! server.order(Fault::lost_answer().to("createbackupschedule").times(1));
//!
//! // Another tenant on the same server, selected by Host; and a server with TLS for any names.
//! let second = server.add_tenant(Tenant::at("second.test").in_zone("Europe/Berlin"));
//! let secure = SimulatedPortal::start(Installation::default().with_tls(&["localhost"])).await;
//! let authority = secure.ca_pem();
//! # let _ = (second, authority);
//! # }
//! ```
//!
//! It also simulates backups: when a test asks for it, the scheduler, worker and cleaner do what DocSpace's do at the
//! stopped clock, one by one (`run_scheduler`, `run_worker`, `run_cleaner`) or as the clock advances (`live`).
//!
//! ```no_run
//! # async fn example() {
//! use jiff::SignedDuration;
//! use simulated_portal::{Installation, Outcome, SimulatedPortal};
//!
//! let server = SimulatedPortal::start(Installation::default()).await;
//! let portal = server.first();
//! server.clock().set("2026-11-23T02:00:00Z".parse().unwrap());
//! // … the operator POSTs a schedule for 3 o'clock …
//! server.live(SignedDuration::from_hours(24));
//! // The scheduler ran at 03:07, the worker a minute later: getbackuphistory has an archive, and the audit trail has
//! // its start and end.
//! assert_eq!(portal.archives(false).len(), 1);
//! assert_eq!(portal.audit_events().len(), 2);
//!
//! // The next night's run fails; getbackupprogress shows the error until the next run starts.
//! portal.next_run(false, Outcome::Fails("No space left on device".to_owned()));
//! server.live(SignedDuration::from_hours(24));
//! # }
//! ```

mod answer;
mod authorization;
mod backups;
mod binding;
mod books;
mod call;
mod change;
mod cleaner;
mod clock;
mod credentials;
mod cron;
mod door;
mod endpoints;
mod exception;
mod faults;
mod json;
mod log;
mod portal;
mod routes;
mod schedule;
mod scheduler;
mod server;
mod socket;
mod state;
mod tenant;
mod tls;
mod worker;

pub use books::{Archive, AuditEvent, Expiry, File, Progress};
pub use change::Change;
pub use clock::Clock;
pub use credentials::{ApiKey, Holder};
pub use door::Door;
pub use faults::{Fault, FaultBody, FaultId};
pub use log::{Keep, Log, Request, TimedOut};
pub use portal::{Portal, SimulatedPortal};
pub use schedule::{DUMP_TENANT, Schedule};
pub use scheduler::Pass;
pub use socket::Socket;
pub use tenant::{Database, Folder, Installation, Mode, Tenant, TenantStatus, User};
pub use tls::Certificate;
pub use worker::Outcome;
