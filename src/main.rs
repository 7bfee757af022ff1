//! The program: `run` is the controller, `release` removes the finalizers before an uninstall, `check` and `import` are for
//! people.

use std::{
    io::{self, IsTerminal, Write},
    panic::{AssertUnwindSafe, PanicHookInfo},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    thread,
    time::Duration,
};

use clap::CommandFactory;
use clap_complete::Shell;
use docspace_backup_operator::{
    api, check,
    cli::{Cli, Command, ElectionArgs, LogFormat, ReleaseArgs, RunArgs, Scope},
    cluster,
    controller::{self, Clients, Metrics, Namespaces, Requests, Settings, Told},
    error::{BoxError, chain},
    import,
    lease::{self, Campaign, Leadership, Times},
    portal::Portals,
    release::{Release, objection_of_helm},
    telemetry::{self, Health},
};
use futures::FutureExt;
use tikv_jemallocator::Jemalloc;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tower::limit::GlobalConcurrencyLimitLayer;
use tracing_subscriber::{Layer, filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};
use zeroizing_alloc::ZeroAlloc;

/// Time from SIGTERM until unfinished work ends; a write gets 8 s of it.
const STOPPING_TAKES: Duration = Duration::from_secs(9);
/// After that, releasing the lease takes at most this long.
const GIVING_UP_TAKES: Duration = Duration::from_millis(500);

/// Requests to Kubernetes in flight, each on a connection of some 35 KiB. More make the API server no faster.
const REQUESTS_IN_FLIGHT: usize = 32;
/// Read time-out of a watch: the API server ends a watch after 290 s, and it is started again.
const WATCHES_ARE_RENEWED: Duration = Duration::from_secs(300);

/// Zeroes all memory when it is freed, so that no secret outlives its use in a buffer of a library. Below that is
/// jemalloc, with the settings of `.cargo/config.toml`: with musl's own allocator a new object took a fifth more CPU time.
#[global_allocator]
static MEMORY: ZeroAlloc<Jemalloc> = ZeroAlloc(Jemalloc);

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(tell_panic));
    let command = Cli::of_process().command;
    let failure = match &command {
        // Status 1 says that something would be written.
        Command::Check(_) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    };
    carry_out(command).unwrap_or_else(|error| {
        fail(&*error);
        failure
    })
}

fn fail(error: &(dyn std::error::Error + 'static)) {
    eprintln!("docspace-backup-operator: {}", chain(error));
}

fn carry_out(command: Command) -> Result<ExitCode, BoxError> {
    match command {
        Command::Run(args) => block_on(run(*args))?,
        Command::Crd => print(api::crd_yaml().as_bytes())?,
        Command::Release(args) => block_on(release(args))?,
        Command::Check(args) => {
            let results = block_on(check::command(args))?;
            print(results.text.as_bytes())?;
            results.errors.iter().for_each(|error| fail(&**error));
            return Ok(ExitCode::from(results.status));
        }
        Command::Import(args) => {
            let (manifests, notes) = block_on(import::command(args))?;
            print(manifests.as_bytes())?;
            notes.iter().for_each(|note| eprintln!("{note}"));
        }
        Command::Completion { shell } => print(&completion(shell))?,
        Command::Version => {
            print(concat!("docspace-backup-operator ", env!("CARGO_PKG_VERSION"), "\n").as_bytes())?
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The script, which completes the name that this program was called by.
fn completion(shell: Shell) -> Vec<u8> {
    let path = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let name = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), name, &mut script);
    script
}

/// Says where the program panicked. The panic's own text may hold a piece of a secret. If it was in the reconcile of an
/// object, that tells the object.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map(ToString::to_string);
    if tracing::dispatcher::has_been_set() {
        tracing::error!(at, "the operator has a fault: it panicked");
    } else {
        eprintln!(
            "docspace-backup-operator has a fault: it panicked at {}",
            at.unwrap_or_default()
        );
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, BoxError>>) -> Result<T, BoxError> {
    let runtime = runtime()?;
    let result = runtime.block_on(AssertUnwindSafe(work).catch_unwind());
    // Names of the Kubernetes API are looked up in threads that cannot be cancelled; the program does not wait for them.
    runtime.shutdown_background();
    result.unwrap_or_else(|_| Err("the program ends because of a fault of its own".into()))
}

/// One thread: two took a third more CPU time for each object, to wake each other.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// A thread for what must not wait for objects: the lease is renewed and probes are answered however busy the other is.
fn aside() -> io::Result<Handle> {
    let runtime = runtime()?;
    let handle = runtime.handle().clone();
    let forever = move || runtime.block_on(std::future::pending::<()>());
    thread::Builder::new().name("lease".into()).spawn(forever)?;
    Ok(handle)
}

/// Prints a line. Work goes on when nobody reads it.
fn tell(line: &dyn std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a text. A reader that wants no more of it is no failure.
fn print(text: &[u8]) -> Result<(), BoxError> {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

async fn run(args: RunArgs) -> Result<(), BoxError> {
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    start_log(&args);
    let times = args.election.times()?;
    let config = cluster::config().await?;
    let selector = args.scope.selector.clone();
    let namespaces = namespaces(args.scope, &config.default_namespace)?;
    let settings = Settings {
        selector,
        interval: args.interval,
        origins: args.origins.into(),
    };
    if let Some(selector) = settings.labels() {
        tracing::info!(selector, "only objects whose labels match are handled");
    }
    let aside = aside()?;
    let (mut campaign, leadership) = {
        let _in = aside.enter();
        stand(&args.election, times, &config)?
    };
    let portals = Portals::written_by(args.portals.into(), leadership.clone())?;
    let leading = leadership.clone();
    let client = move |read_timeout, in_flight| {
        let mut config = config.clone();
        config.read_timeout = Some(read_timeout);
        lease::client(config, &leading, in_flight)
    };
    let in_flight = GlobalConcurrencyLimitLayer::new(REQUESTS_IN_FLIGHT);
    let clients = Clients {
        watches: client(WATCHES_ARE_RENEWED, None)?,
        requests: Requests::new(move || client(cluster::ANSWERS_WITHIN, Some(in_flight.clone())))?,
    };

    let told = Told {
        metrics: Metrics::default(),
        health: Arc::new(Health::default()),
    };
    let registry = telemetry::registry(|registry| {
        told.metrics.register(registry);
        told.health.register(registry);
        portals.register(registry);
        leadership.register(registry);
    });
    let health = told.health.clone();
    let server = telemetry::listen(args.listen, registry, health.clone());
    let _server = aside.spawn(server).await??;

    let stop = CancellationToken::new();
    let running = health.watch_over(controller::run(
        clients,
        &namespaces,
        settings,
        portals,
        leadership.clone(),
        told,
        stop.clone(),
    ));
    let work = async {
        tokio::pin!(running);
        tokio::select! {
            ended = &mut running => return Some(ended),
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
        tokio::time::timeout(STOPPING_TAKES, running).await.ok()
    };
    let ended = tokio::select! {
        ended = work => ended,
        lost = campaign.lost() => return Err(lost.into()),
    };
    let Some(ended) = ended else {
        // The lease is not released, so the next leader waits until this work has ended, too.
        tracing::warn!("unfinished work did not end in time; the next start checks its outcome");
        return Ok(());
    };
    if tokio::time::timeout(GIVING_UP_TAKES, campaign.give_up())
        .await
        .is_err()
    {
        tracing::warn!("the lease was not released in time; the next leader waits until it expires");
    }
    Ok(ended?)
}

/// Takes part in the leader election, if it is enabled.
fn stand(
    args: &ElectionArgs,
    times: Option<Times>,
    config: &kube::Config,
) -> Result<(Campaign, Leadership), BoxError> {
    let Some(times) = times else {
        return Ok(Campaign::none());
    };
    let mut config = config.clone();
    // Each request for the Lease has a deadline, and the election itself repeats it.
    config.default_retry = false;
    let own = config.default_namespace.clone();
    let given = args.lease_namespace.as_deref().filter(|name| !name.is_empty());
    let client = kube::Client::try_from(config)?;
    Ok(Campaign::start(
        client,
        given.unwrap_or(&own),
        &args.lease_name,
        times,
    ))
}

async fn release(args: ReleaseArgs) -> Result<(), BoxError> {
    let mut config = cluster::config().await?;
    config.read_timeout = Some(cluster::ANSWERS_WITHIN);
    let named = args.scope.namespaces.iter().any(|name| !name.is_empty());
    if args.objects_only && !named {
        return Err(
            "--objects-only needs --namespace: the namespaces that the operator no longer watches".into(),
        );
    }
    let release = Release {
        selector: args.scope.selector.clone(),
        namespaces: namespaces(args.scope, &config.default_namespace)?,
        operator_namespace: config.default_namespace.clone(),
        deployment: args.deployment,
        timeout: args.timeout,
    };
    let helm_release = args.helm_release.filter(|name| !name.is_empty());
    if helm_release.is_none() && !args.yes {
        return Err(release.explain().into());
    }
    let client = kube::Client::try_from(config)?;
    if let Some(name) = helm_release
        && let Some(objection) = objection_of_helm(&client, &release.operator_namespace, &name).await?
    {
        return print(
            format!("{objection}: nothing is stopped or released; by hand, --yes does it\n").as_bytes(),
        );
    }
    Ok(release.run(&client, |step| tell(&step)).await?)
}

/// Ignores an empty name: an empty environment variable gives one.
fn namespaces(scope: Scope, own: &str) -> Result<Namespaces, BoxError> {
    let (all, mut names) = (scope.all_namespaces, scope.namespaces);
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    match (all, names.is_empty()) {
        (true, true) => Ok(Namespaces::All),
        (true, false) => {
            Err("--all-namespaces and --namespace (DOCSPACE_BACKUP_NAMESPACE) exclude each other; use only one of them".into())
        }
        (false, true) => Ok(Namespaces::These(vec![own.into()])),
        (false, false) => Ok(Namespaces::These(names)),
    }
}

fn start_log(args: &RunArgs) {
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let log = match args.log_format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).boxed(),
        // Fields name the object; there are no spans.
        LogFormat::Json => log
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed(),
    };
    // kube would log the complete body of an answer that it cannot parse, even that of a Secret, and each of many
    // failures of a watch, which the operator logs when they begin.
    let filter = args
        .log_level
        .clone()
        .with_target("kube_client::client", LevelFilter::ERROR)
        .with_target("kube_runtime::watcher", LevelFilter::ERROR)
        // It would log what strangers' DNS servers send; a failed look-up is told as the portal's failure.
        .with_target("hickory_proto", LevelFilter::OFF);
    tracing_subscriber::registry()
        .with(log.with_filter(filter))
        .init();
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{catch_unwind, set_hook, take_hook},
        sync::{Arc, Mutex, PoisonError},
    };

    use super::*;

    /// Held by each test that panics: the hook belongs to the process, and a panic of a thread without a log would
    /// make `tracing` skip the hook's line for all threads.
    static PANICS: Mutex<()> = Mutex::new(());

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_one_line_of_the_log_without_its_text() {
        let _alone = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
        let log = Log::default();
        let writer = log.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer.with_ansi(false));
        let hook = take_hook();
        set_hook(Box::new(tell_panic));
        let ended = tracing::subscriber::with_default(subscriber, || catch_unwind(|| panic!("sk-a-secret")));
        set_hook(hook);
        assert!(ended.is_err());
        let log = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("text");
        assert_eq!(log.lines().count(), 1, "{log}");
        for told in ["ERROR", "it panicked", "src/main.rs:"] {
            assert!(log.contains(told), "{log}");
        }
        assert!(!log.contains("sk-a-secret"), "{log}");
    }

    #[test]
    fn a_panic_outside_of_a_reconcile_ends_the_program_with_a_message() {
        let _alone = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = block_on::<()>(async { panic!("sk-a-secret") });
        let error = chain(&*ended.expect_err("it panicked"));
        assert_eq!(error, "the program ends because of a fault of its own");
    }
}
