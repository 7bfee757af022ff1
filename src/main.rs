//! The program: `run` is the controller, `crd` prints the CRD, `release` lets the objects go without it.

use std::{io::IsTerminal, process::ExitCode, time::Duration};

use clap::Parser;
use docspace_backup_operator::{
    api,
    cli::{Cli, Command, LogFormat, ReleaseArgs, RunArgs, Scope},
    controller::{self, Namespaces, Settings, chain},
    portal::{Options, Portals},
    release::Release,
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
        Command::Run(args) => block_on(run(*args)),
        Command::Crd => print_crd(),
        Command::Release(args) => block_on(release(args)),
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

fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    let result = runtime.block_on(work);
    // Name look-ups are threads that nobody can stop; the end does not wait for them.
    runtime.shutdown_background();
    result
}

fn print_crd() -> Result<(), Failure> {
    use std::io::Write;
    Ok(std::io::stdout().write_all(api::crd_yaml().as_bytes())?)
}

async fn run(args: RunArgs) -> Result<(), Failure> {
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    start_log(&args);
    let config = kube::Config::infer().await?;
    let namespaces = namespaces(args.scope, &config.default_namespace)?;
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
    let (client, watches) = (client(KUBERNETES_ANSWERS)?, client(WATCHES_ARE_RENEWED)?);

    let stop = CancellationToken::new();
    let running = controller::run(client, watches, &namespaces, settings, portals, stop.clone());
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

async fn release(args: ReleaseArgs) -> Result<(), Failure> {
    let mut config = kube::Config::infer().await?;
    config.read_timeout = Some(KUBERNETES_ANSWERS);
    let release = Release {
        namespaces: namespaces(args.scope, &config.default_namespace)?,
        operator_namespace: config.default_namespace.clone(),
        deployment: args.deployment,
        timeout: args.timeout,
    };
    let client = kube::Client::try_from(config)?;
    Ok(release.run(&client, |step| println!("{step}")).await?)
}

/// An empty name, as an empty environment variable gives it, is none.
fn namespaces(scope: Scope, own: &str) -> Result<Namespaces, Failure> {
    let (all, mut names) = (scope.all_namespaces, scope.namespaces);
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
