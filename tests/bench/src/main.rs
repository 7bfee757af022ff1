//! Measures N objects created at once, one more object while these are idle, and a bare client with the same requests in
//! the same run. Only ratios are comparable: absolute times depend on the machine.

mod api_server;
mod bare;
mod figures;
mod portals;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use api_server::Writes;
use bare::Bodies;
use clap::Parser;
use docspace_backup_operator::api::DocSpaceBackupSchedule;
use figures::{Figures, percentile};
use futures::{StreamExt, TryStreamExt, stream};
use harness::{Namespace, Operator, control_plane};
use k8s_openapi::api::events::v1::Event;
use kube::{
    Api, Client, ResourceExt,
    api::PostParams,
    runtime::{WatchStreamExt, watcher, watcher::watch_object},
};
use portals::Portals;

/// The number of objects in one creation batch.
const CREATIONS: usize = 128;
/// The number of additional objects, created one after the other, for the median of a single object.
const FURTHER: usize = 50;
/// Time limit of the whole run.
const DEADLINE: Duration = Duration::from_secs(1800);

/// Measures the operator against the bare client of the same requests.
#[derive(Parser)]
struct Args {
    /// The operator's binary, a release build.
    #[arg(long)]
    operator: PathBuf,
    /// Number of objects created at once.
    #[arg(long, default_value_t = 1000)]
    objects: usize,
    /// Duration of the idle measurement, in seconds.
    #[arg(long, default_value_t = 120)]
    idle: u64,
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let figures = tokio::time::timeout(DEADLINE, measure(&args)).await??;
    let path = Path::new("target/bench").join(format!("{}.json", args.objects));
    figures.write(&path)?;
    print!("{}", figures.table());
    println!("as JSON: {}", path.display());
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "counts are small")]
async fn measure(args: &Args) -> Result<Figures> {
    let plane = control_plane();
    let client = plane.client().await;
    let namespace = Namespace::create(&client).await;
    let portals = Portals::start(args.objects + FURTHER).await;
    let (objects, further) = portals.objects().split_at(args.objects);
    create_secrets(&client, &namespace, &portals).await?;
    let mut figures = Figures::default();
    let count = args.objects as f64;

    let operator = Operator::start(
        &args.operator,
        &plane.kubeconfig(),
        namespace.name(),
        &["--log-level", "error"],
    )
    .await;
    one_more(&client, &namespace, &further[0]).await?;
    figures.take_with_goal("resident with one object", resident(&operator)?, "MiB", 12.0);

    let (writes, calls) = (Writes::counted(&client).await?, portals.calls());
    let cpu = cpu(&operator)?;
    let ready = at_once(&client, &namespace, objects).await?;
    let cpu = self::cpu(&operator)? - cpu;
    let (writes, calls) = (Writes::counted(&client).await? - writes, portals.calls() - calls);
    figures.take("all Ready", ready.all.as_secs_f64(), "s");
    figures.take("objects per second", count / ready.all.as_secs_f64(), "/s");
    figures.take("creation to Ready, p50", percentile(&ready.each, 0.5), "ms");
    figures.take("creation to Ready, p99", percentile(&ready.each, 0.99), "ms");
    figures.take(
        "the operator's own CPU for each object",
        cpu * 1000.0 / count,
        "ms",
    );
    figures.take_with_goal("writes to each object", writes.objects / count, "", 2.0);
    figures.take_with_goal("Events of each object", writes.events / count, "", 1.0);
    figures.take_with_goal("portal calls for each object", calls.all as f64 / count, "", 6.0);
    figures.take_with_goal("of these, writes", calls.writes as f64 / count, "", 1.0);

    let mut singles = Vec::new();
    for object in &further[1..] {
        singles.push(one_more(&client, &namespace, object).await?);
    }
    let single = percentile(&singles, 0.5);
    figures.take("one more object while the others are idle, median", single, "ms");

    let writes = Writes::counted(&client).await?;
    tokio::time::sleep(Duration::from_secs(args.idle)).await;
    let writes = Writes::counted(&client).await? - writes;
    figures.take_with_goal(
        "writes of idle objects and Events",
        writes.objects + writes.events,
        "",
        0.0,
    );
    figures.take_with_goal("resident with all objects", resident(&operator)?, "MiB", 64.0);
    drop(operator);

    let bodies = bodies(&client, &namespace, &objects[0].name_any()).await?;
    let (bare, in_flight) = bare::best(&client, objects, &bodies).await?;
    figures.take("bare client, all", bare.as_secs_f64(), "s");
    figures.take("bare client, best with so many in flight", in_flight as f64, "");
    figures.take_with_goal(
        "all Ready / bare client",
        ready.all.as_secs_f64() / bare.as_secs_f64(),
        "",
        1.3,
    );
    let bare = percentile(&bare::one_by_one(&client, further, &bodies).await?, 0.5)
        + portals.bare_calls(FURTHER).await?;
    figures.take("bare client, one with its portal calls, median", bare, "ms");
    figures.take_with_goal("one more object / bare client", single / bare, "", 3.0);
    Ok(figures)
}

/// The time from the creation of an object to Ready.
async fn one_more(
    client: &Client,
    namespace: &Namespace,
    object: &DocSpaceBackupSchedule,
) -> Result<Duration> {
    let api = namespace.schedules(client);
    let mut changes = Box::pin(watch_object(api.clone(), &object.name_any()));
    // The first answer shows that the watch is open, because the object does not exist yet.
    changes.next().await.ok_or("the watch ended")??;
    let start = Instant::now();
    api.create(&PostParams::default(), object).await?;
    while let Some(object) = changes.next().await {
        if object?.as_ref().is_some_and(is_ready) {
            return Ok(start.elapsed());
        }
    }
    Err("the watch ended".into())
}

/// The times until objects became Ready.
struct Ready {
    /// From the first creation to the last Ready.
    all: Duration,
    /// From the creation of each to its Ready.
    each: Vec<Duration>,
}

async fn at_once(
    client: &Client,
    namespace: &Namespace,
    objects: &[DocSpaceBackupSchedule],
) -> Result<Ready> {
    let api = &namespace.schedules(client);
    let mut changes = Box::pin(watcher(api.clone(), watcher::Config::default()).applied_objects());
    let start = Instant::now();
    let create = async {
        let create = |object| async move {
            let created = Instant::now();
            api.create(&PostParams::default(), object)
                .await
                .map(|object| (object.name_any(), created))
        };
        stream::iter(objects)
            .map(create)
            .buffer_unordered(CREATIONS)
            .try_collect::<HashMap<_, _>>()
            .await
    };
    let wanted: Vec<_> = objects.iter().map(ResourceExt::name_any).collect();
    let watch = async {
        let mut ready = HashMap::new();
        while ready.len() < wanted.len() {
            match changes.next().await {
                Some(Ok(object)) if is_ready(&object) && wanted.binary_search(&object.name_any()).is_ok() => {
                    ready.entry(object.name_any()).or_insert_with(Instant::now);
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Box::<dyn std::error::Error>::from(error)),
                None => return Err("the watch ended".into()),
            }
        }
        Ok(ready)
    };
    let (created, ready) = futures::join!(create, watch);
    let (created, ready) = (created?, ready?);
    let all = start.elapsed();
    let each = ready
        .iter()
        .filter_map(|(name, ready)| Some(ready.duration_since(*created.get(name)?)))
        .collect();
    Ok(Ready { all, each })
}

fn is_ready(object: &DocSpaceBackupSchedule) -> bool {
    let conditions = object.status.as_ref().map(|status| &status.conditions);
    conditions.is_some_and(|conditions| {
        conditions
            .iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
    })
}

async fn create_secrets(client: &Client, namespace: &Namespace, portals: &Portals) -> Result<()> {
    let api = namespace.secrets(client);
    let create = |secret| {
        let api = api.clone();
        async move { api.create(&PostParams::default(), &secret).await.map(drop) }
    };
    stream::iter(portals.secrets())
        .map(create)
        .buffer_unordered(CREATIONS)
        .try_collect::<()>()
        .await?;
    Ok(())
}

/// The bodies that the operator wrote for an object; the bare client writes the same.
async fn bodies(client: &Client, namespace: &Namespace, name: &str) -> Result<Bodies> {
    let object = namespace.schedules(client).get(name).await?;
    let events = Api::<Event>::namespaced(client.clone(), namespace.name());
    let events = events.list(&kube::api::ListParams::default()).await?;
    let of_object = |event: &Event| {
        event
            .regarding
            .as_ref()
            .is_some_and(|regarding| regarding.name.as_deref() == Some(name))
    };
    let event = events
        .items
        .into_iter()
        .find(of_object)
        .ok_or("the object has no Event")?;
    Ok(Bodies {
        status: serde_json::to_value(object.status)?,
        event,
    })
}

/// CPU time of the operator so far, in seconds.
fn cpu(operator: &Operator) -> Result<f64> {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{}/stat", operator.id()))?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // Fields 14 and 15 of proc(5), utime and stime; the state is the third.
    let ticks: Vec<f64> = fields
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect::<std::result::Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / TICKS_A_SECOND)
}

/// Resident memory of the operator, in MiB.
fn resident(operator: &Operator) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", operator.id()))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
