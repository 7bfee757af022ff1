//! The command line. Every flag has an environment variable, `DOCSPACE_BACKUP_…`.

use std::{net::SocketAddr, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum, builder::FalseyValueParser};
use kube::core::Selector;
use tracing_subscriber::filter::Targets;

use crate::{
    api::parse_duration,
    lease::Times,
    portal::AllowedOrigin,
    rules::retry::{LONGEST_INTERVAL, SHORTEST_INTERVAL},
    selector,
};

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

    /// Allow portals at loopback addresses; for tests and the demo.
    #[arg(long, env = "DOCSPACE_BACKUP_ALLOW_LOOPBACK_PORTALS", value_parser = FalseyValueParser::new())]
    pub allow_loopback_portals: bool,

    /// Connect to portals through the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY define. Without this flag, the
    /// operator ignores these variables for portals.
    #[arg(long, env = "DOCSPACE_BACKUP_PROXY_FROM_ENV", value_parser = FalseyValueParser::new())]
    pub proxy_from_env: bool,

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
mod tests {
    use super::*;

    #[test]
    fn every_flag_has_an_environment_variable() {
        use clap::CommandFactory;
        let cli = Cli::command();
        let flags: Vec<_> = ["run", "release"]
            .iter()
            .flat_map(|name| cli.find_subcommand(name).expect("a command").get_arguments())
            .filter(|flag| flag.get_id() != "help")
            .collect();
        assert!(flags.len() >= 22);
        for flag in flags {
            let variable = flag
                .get_env()
                .unwrap_or_else(|| panic!("{} has none", flag.get_id()));
            let long = flag
                .get_long()
                .expect("a long name")
                .to_uppercase()
                .replace('-', "_");
            assert_eq!(
                variable.to_str(),
                Some(format!("DOCSPACE_BACKUP_{long}").as_str())
            );
        }
    }

    #[test]
    fn an_interval_is_a_duration_within_bounds() {
        assert_eq!(interval("90s"), Ok(Duration::from_secs(90)));
        for text in ["", "15", "59s", "25h", "-15m", "22 ns", "99999999999999999999h"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_timeout_is_a_duration_within_bounds() {
        assert_eq!(timeout("90s"), Ok(Duration::from_secs(90)));
        for text in ["", "15", "0s", "999ms", "-1m", "61m"] {
            assert!(timeout(text).is_err(), "{text}");
        }
    }

    #[test]
    fn release_stops_a_deployment_or_says_that_it_stops_none() {
        let accepted =
            |flags: &[&str]| Cli::try_parse_from([&["operator", "release"], flags].concat()).is_ok();
        assert!(accepted(&["--deployment=operator"]));
        assert!(accepted(&["--objects-only", "--namespace=b"]));
        assert!(!accepted(&["--namespace=b"]));
        assert!(!accepted(&["--objects-only", "--deployment=operator"]));
        assert!(!accepted(&["--objects-only", "--all-namespaces"]));
        assert!(!accepted(&[
            "--deployment=operator",
            "--yes",
            "--helm-release=operator"
        ]));
    }

    #[test]
    fn a_selector_is_read_at_the_start() {
        let parsed = |value: &str| Cli::try_parse_from(["operator", "run", "--selector", value]);
        // As an empty environment variable.
        for value in ["", "shard in (a,b),!test"] {
            assert!(parsed(value).is_ok(), "{value}");
        }
        let said = parsed("shard in a").expect_err("no selector").to_string();
        assert!(
            said.contains("'--selector <LABELS>'") && said.contains("write for example"),
            "{said}"
        );
    }

    /// What the flag allows, in order.
    fn allowed(values: &[&str]) -> Option<Vec<String>> {
        let flags = values.iter().map(|value| format!("--allowed-origin={value}"));
        let words = ["operator", "run"].map(Into::into).into_iter().chain(flags);
        let Command::Run(args) = Cli::try_parse_from(words).ok()?.command else {
            return None;
        };
        Some(args.allowed_origins.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_allowed_origin_is_an_entry_as_in_the_annotation() {
        let (docs, router) = (
            "https://docs.example.com",
            "http://router.docspace.svc:8092 docs.example.com",
        );
        let both = Some(vec![docs.to_owned(), router.to_owned()]);
        assert_eq!(allowed(&["HTTPS://Docs.example.com:443/", router]), both);
        // As in the environment variable.
        assert_eq!(allowed(&[&format!("{docs}, {router}")]), both);
        // An empty one would mean any origin.
        for wrong in [
            "",
            " ",
            "https://docs.example.com,",
            "https://docs.example.com/portal",
            "docs.example.com",
        ] {
            assert_eq!(allowed(&[wrong]), None, "{wrong}");
        }
    }
}
