//! The program: `run` is the controller, `crd` prints the CRD.

use std::{io::IsTerminal, process::ExitCode, time::Duration};

use clap::Parser;
use docspace_backup_operator::{
    api,
    cli::{Cli, Command, LogFormat, RunArgs},
    controller::{self, Namespaces, Settings, chain},
    portal::{Options, Portals},
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// From SIGTERM to the end: a write under way has 8 s of it.
const STOPPING_TAKES: Duration = Duration::from_millis(9500);

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run(*args).await,
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
    let namespaces = match (args.all_namespaces, args.namespaces) {
        (true, _) => Namespaces::All,
        (false, names) if names.is_empty() => Namespaces::These(vec![config.default_namespace.clone()]),
        (false, mut names) => {
            names.sort();
            names.dedup();
            Namespaces::These(names)
        }
    };
    let settings = Settings {
        interval: args.interval,
        allowed_origins: args.allowed_origins.into_iter().collect(),
        require_origin_annotation: args.require_origin_annotation,
    };
    let portals = Portals::new(Options {
        allow_loopback: args.allow_loopback_portals,
        proxy_from_env: args.proxy_from_env,
    })?;
    let client = kube::Client::try_from(config)?;

    let stop = CancellationToken::new();
    let running = controller::run(client, &namespaces, settings, portals, stop.clone());
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

fn start_log(args: &RunArgs) {
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let log = match args.log_format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => log.json().boxed(),
    };
    tracing_subscriber::registry()
        .with(log.with_filter(args.log_level.clone()))
        .init();
}
