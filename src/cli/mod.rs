//! The command line. Every flag of a command that runs in a pod has an environment variable, `DOCSPACE_BACKUP_…`.

mod tools;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, builder::FalseyValueParser};
use clap_complete::Shell;
use kube::core::Selector;
use tracing_subscriber::filter::Targets;

use crate::{
    api::parse_duration,
    controller::OriginPolicy,
    lease::Times,
    portal::{AllowedOrigin, Options},
    rules::retry::{LONGEST_INTERVAL, SHORTEST_INTERVAL},
    selector,
};

pub use crate::cli::tools::{CheckArgs, ImportArgs, Output};

/// Keeps backup schedules of ONLYOFFICE DocSpace portals equal to their Kubernetes manifests and verifies that they
/// produce backups.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controller. It finds the cluster as kubectl does: by KUBECONFIG, or by the pod's service account.
    Run(Box<RunArgs>),
    /// Print the CustomResourceDefinition as YAML.
    Crd,
    /// Remove the operator's finalizer from objects: from all, before an uninstall, or from those of namespaces that it no
    /// longer watches. The portals keep their schedules.
    Release(ReleaseArgs),
    /// Say what the operator would do to a portal, and write nothing anywhere. Exit status: 0 if nothing would be written to
    /// the portal, 1 if something would, 2 if the operator would refuse or the check failed.
    Check(CheckArgs),
    /// Print the manifests of the schedules that a portal holds. Applied, they are adopted without a write to the portal.
    Import(ImportArgs),
    /// Print the script that completes this command in a shell.
    Completion {
        /// The shell.
        shell: Shell,
    },
    /// Print the version.
    Version,
}

/// The name of this program as a plugin of kubectl.
const PLUGIN: &str = "kubectl-docspace";

impl Cli {
    /// Parses the command line, or prints what is wrong with it and exits with status 2. By the name `kubectl-docspace` the
    /// program is the plugin `kubectl docspace`.
    pub fn of_process() -> Self {
        let mut words = std::env::args_os().peekable();
        let path = words.peek().map(PathBuf::from).unwrap_or_default();
        let matches = Self::called(&path).get_matches_from(words);
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// The command as the program at this path shows it.
    pub fn called(path: &Path) -> clap::Command {
        let is_plugin = path.file_stem().is_some_and(|name| name == PLUGIN);
        let command = <Self as CommandFactory>::command();
        if is_plugin {
            command.name("kubectl docspace").bin_name("kubectl docspace")
        } else {
            command
        }
    }
}

/// Where Secrets may be sent.
#[derive(Args, Clone, Debug)]
pub struct OriginArgs {
    /// Origin that Secrets may be sent to, as https://HOST or https://HOST:PORT, followed by a blank and the hostHeader where
    /// one is used; repeatable, or separated by commas. Default: any origin and hostHeader.
    #[arg(
        long = "allowed-origin",
        value_name = "URL [HOST]",
        env = "DOCSPACE_BACKUP_ALLOWED_ORIGIN",
        value_delimiter = ','
    )]
    pub allowed_origins: Vec<AllowedOrigin>,

    /// Reject Secrets without the annotation docspace.onlyoffice.com/portal-origin. The chart sets this flag.
    #[arg(long, env = "DOCSPACE_BACKUP_REQUIRE_ORIGIN_ANNOTATION", value_parser = FalseyValueParser::new())]
    pub require_origin_annotation: bool,
}

impl From<OriginArgs> for OriginPolicy {
    fn from(args: OriginArgs) -> Self {
        Self {
            allowed: args.allowed_origins.into_iter().collect(),
            require_annotation: args.require_origin_annotation,
        }
    }
}

/// How portals are called.
#[derive(Args, Clone, Copy, Debug)]
pub struct PortalArgs {
    /// Allow portals at loopback addresses; for tests and the demo.
    #[arg(long, env = "DOCSPACE_BACKUP_ALLOW_LOOPBACK_PORTALS", value_parser = FalseyValueParser::new())]
    pub allow_loopback_portals: bool,

    /// Connect to portals through the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY define. Without this flag, the
    /// operator ignores these variables for portals.
    #[arg(long, env = "DOCSPACE_BACKUP_PROXY_FROM_ENV", value_parser = FalseyValueParser::new())]
    pub proxy_from_env: bool,
}

impl From<PortalArgs> for Options {
    fn from(args: PortalArgs) -> Self {
        Self {
            allow_loopback: args.allow_loopback_portals,
            proxy_from_env: args.proxy_from_env,
        }
    }
}

/// The watched namespaces, and which of their objects.
#[derive(Args, Debug)]
pub struct Scope {
    /// Namespace to watch; repeatable. Default: the namespace that the operator runs in.
    #[arg(
        long = "namespace",
        value_name = "NAME",
        env = "DOCSPACE_BACKUP_NAMESPACE",
        value_delimiter = ','
    )]
    pub namespaces: Vec<String>,

    /// Watch all namespaces.
    #[arg(long, env = "DOCSPACE_BACKUP_ALL_NAMESPACES", value_parser = FalseyValueParser::new())]
    pub all_namespaces: bool,

    /// Only objects whose labels match, written as for kubectl -l: shard=a, shard in (a,b), shard notin (a,b), !shard.
    /// Default: all objects.
    #[arg(
        long,
        value_name = "LABELS",
        env = "DOCSPACE_BACKUP_SELECTOR",
        default_value = "",
        hide_default_value = true,
        value_parser = selector::parse
    )]
    pub selector: Selector,
}

/// The flags of `release`.
#[derive(Args, Debug)]
pub struct ReleaseArgs {
    /// Name of the operator's Deployment, which is stopped first, in the namespace that this command runs in; outside a
    /// cluster, in the namespace of the current kubeconfig context.
    #[arg(
        long,
        value_name = "NAME",
        env = "DOCSPACE_BACKUP_DEPLOYMENT",
        required_unless_present = "objects_only"
    )]
    pub deployment: Option<String>,

    /// Stop no operator: for objects in namespaces that it no longer watches. Needs --namespace.
    #[arg(long, env = "DOCSPACE_BACKUP_OBJECTS_ONLY", value_parser = FalseyValueParser::new(), conflicts_with_all = ["deployment", "all_namespaces"])]
    pub objects_only: bool,

    /// Do it. Without this flag, the command only says what it would do.
    #[arg(long, env = "DOCSPACE_BACKUP_YES", value_parser = FalseyValueParser::new())]
    pub yes: bool,

    /// Do it only while Helm uninstalls this release, according to Helm's record in the namespace that this command runs
    /// in; for the chart's Job.
    #[arg(
        long,
        value_name = "NAME",
        env = "DOCSPACE_BACKUP_HELM_RELEASE",
        conflicts_with = "yes"
    )]
    pub helm_release: Option<String>,

    /// Where the objects are.
    #[command(flatten)]
    pub scope: Scope,

    /// How long to wait for the operator's pods to terminate, 1s to 1h.
    #[arg(long, value_name = "DURATION", env = "DOCSPACE_BACKUP_TIMEOUT", default_value = "2m", value_parser = timeout)]
    pub timeout: Duration,
}

/// The flags of `run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Where the objects are.
    #[command(flatten)]
    pub scope: Scope,

    /// How often the operator checks a portal, 1m to 24h, unless the object sets spec.interval.
    #[arg(long, value_name = "DURATION", env = "DOCSPACE_BACKUP_INTERVAL", default_value = "15m", value_parser = interval)]
    pub interval: Duration,

    /// Where Secrets may be sent.
    #[command(flatten)]
    pub origins: OriginArgs,

    /// How portals are called.
    #[command(flatten)]
    pub portals: PortalArgs,

    /// Leader election.
    #[command(flatten)]
    pub election: ElectionArgs,

    /// Address of the server for metrics and probes (/metrics, /livez, /readyz). With port 0, the log shows the port.
    #[arg(
        long,
        value_name = "ADDR",
        env = "DOCSPACE_BACKUP_LISTEN",
        default_value = "0.0.0.0:8080"
    )]
    pub listen: SocketAddr,

    /// Log format.
    #[arg(long, value_enum, env = "DOCSPACE_BACKUP_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// Log level: error, warn, info, debug or trace, or a list such as info,kube=debug.
    #[arg(
        long,
        value_name = "LEVEL",
        env = "DOCSPACE_BACKUP_LOG_LEVEL",
        default_value = "info"
    )]
    pub log_level: Targets,
}

/// The flags of leader election.
#[derive(Args, Debug)]
pub struct ElectionArgs {
    /// Elect one leader among several operators by a Lease; the others stand by.
    #[arg(long, env = "DOCSPACE_BACKUP_LEADER_ELECTION", value_parser = FalseyValueParser::new())]
    pub leader_election: bool,

    /// Name of the Lease.
    #[arg(
        long,
        value_name = "NAME",
        env = "DOCSPACE_BACKUP_LEASE_NAME",
        default_value = "docspace-backup-operator"
    )]
    pub lease_name: String,

    /// Namespace of the Lease. Default: the namespace that the operator runs in.
    #[arg(long, value_name = "NAME", env = "DOCSPACE_BACKUP_LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// How long a lease is valid after its renewal, up to 1h.
    #[arg(long, value_name = "DURATION", env = "DOCSPACE_BACKUP_LEASE_DURATION", default_value = "15s", value_parser = positive)]
    pub lease_duration: Duration,

    /// A leader that cannot renew its lease for this long exits. No write to a portal takes longer. A new leader waits this
    /// long before its first write, unless the previous leader released the lease.
    #[arg(long, value_name = "DURATION", env = "DOCSPACE_BACKUP_RENEW_DEADLINE", default_value = "10s", value_parser = positive)]
    pub renew_deadline: Duration,

    /// How often the operator checks and renews the Lease.
    #[arg(long, value_name = "DURATION", env = "DOCSPACE_BACKUP_RETRY_PERIOD", default_value = "2s", value_parser = positive)]
    pub retry_period: Duration,
}

impl ElectionArgs {
    /// The times of the election; none without an election.
    ///
    /// # Errors
    /// The times contradict each other.
    pub fn times(&self) -> Result<Option<Times>, String> {
        self.leader_election
            .then(|| Times::new(self.lease_duration, self.renew_deadline, self.retry_period))
            .transpose()
    }
}

/// Log format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A readable line for each event.
    Text,
    /// A JSON object for each event.
    Json,
}

fn positive(text: &str) -> Result<Duration, String> {
    let parsed = parse_duration(text)?;
    if parsed.is_negative() {
        return Err("must not be negative; write for example 15m".into());
    }
    Ok(parsed.into())
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = positive(text)?;
    let allowed = SHORTEST_INTERVAL..=LONGEST_INTERVAL;
    if allowed.contains(&interval) {
        Ok(interval)
    } else {
        Err("must be 1m to 24h".into())
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = positive(text)?;
    let allowed = Duration::from_secs(1)..=Duration::from_secs(3600);
    if allowed.contains(&timeout) {
        Ok(timeout)
    } else {
        Err("must be 1s to 1h".into())
    }
}

#[cfg(test)]
mod tests;
