//! The program: `run` is the controller, `crd` prints the CRD.

use std::{io::IsTerminal, process::ExitCode, sync::Arc, time::Duration};

use clap::Parser;
use docspace_backup_operator::{
    api,
    cli::{Cli, Command, LogFormat, RunArgs},
    controller::{self, Clients, Metrics, Namespaces, Settings, Told, chain},
    portal::{Options, Portals},
    telemetry::{self, Health},
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{Layer, filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// From SIGTERM to the end: a write under way has 8 s of it.
const STOPPING_TAKES: Duration = Duration::from_millis(9500);

/// Kubernetes has this long to answer a request.
const KUBERNETES_ANSWERS: Duration = Duration::from_secs(30);
/// A watch ends after 290 s by itself and is taken up again.
const WATCHES_ARE_RENEWED: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => tokio::runtime::Runtime::new()
            .map_err(Into::into)
            .and_then(|runtime| {
                let result = runtime.block_on(run(*args));
                // Name look-ups are threads that nobody can stop; the end does not wait for them.
                runtime.shutdown_background();
                result
            }),
        Command::Crd => print_crd(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("docspace-backup-operator: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

type Failure = Box<dyn std::error::Error>;

fn print_crd() -> Result<(), Failure> {
    use std::io::Write;
    Ok(std::io::stdout().write_all(api::crd_yaml().as_bytes())?)
}

async fn run(args: RunArgs) -> Result<(), Failure> {
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    start_log(&args);
    let config = kube::Config::infer().await?;
    let namespaces = namespaces(args.all_namespaces, args.namespaces, &config.default_namespace)?;
    let settings = Settings {
        interval: args.interval,
        allowed_origins: args.allowed_origins.into_iter().collect(),
        require_origin_annotation: args.require_origin_annotation,
    };
    let portals = Portals::new(Options {
        allow_loopback: args.allow_loopback_portals,
        proxy_from_env: args.proxy_from_env,
    })?;
    let client = |read_timeout| {
        let mut config = config.clone();
        config.read_timeout = Some(read_timeout);
        kube::Client::try_from(config)
    };
    let clients = Clients {
        requests: client(KUBERNETES_ANSWERS)?,
        watches: client(WATCHES_ARE_RENEWED)?,
    };

    let told = Told {
        metrics: Metrics::default(),
        health: Arc::new(Health::default()),
    };
    let mut registry = telemetry::registry();
    told.metrics.register(&mut registry);
    portals.register(&mut registry);
    let health = told.health.clone();
    let _server = telemetry::listen(args.listen, registry, health.clone()).await?;

    let stop = CancellationToken::new();
    let running = health.watch_over(controller::run(
        clients,
        &namespaces,
        settings,
        portals,
        told,
        stop.clone(),
    ));
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return Ok(ended?),
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    stop.cancel();
    if tokio::time::timeout(STOPPING_TAKES, running).await.is_err() {
        tracing::warn!("what was under way did not end in time; its outcome is looked up at the next start");
    }
    Ok(())
}

/// An empty name, as an empty environment variable gives it, is none.
fn namespaces(all: bool, mut names: Vec<String>, own: &str) -> Result<Namespaces, Failure> {
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    match (all, names.is_empty()) {
        (true, true) => Ok(Namespaces::All),
        (true, false) => {
            Err("--all-namespaces and --namespace (DOCSPACE_BACKUP_NAMESPACE) exclude each other".into())
        }
        (false, true) => Ok(Namespaces::These(vec![own.into()])),
        (false, false) => Ok(Namespaces::These(names)),
    }
}

fn start_log(args: &RunArgs) {
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let log = match args.log_format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => log.json().boxed(),
    };
    // kube would log the whole of an answer that it cannot read, of a Secret, too.
    let filter = args
        .log_level
        .clone()
        .with_target("kube_client::client", LevelFilter::ERROR);
    tracing_subscriber::registry()
        .with(log.with_filter(filter))
        .init();
}
