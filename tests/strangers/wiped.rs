//! What is left in memory of a Secret that is gone.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    time::{Duration, Instant},
};

use aho_corasick::AhoCorasick;
use docspace_backup_operator::api::DocSpaceBackupSchedule;
use harness::{API_KEY, DEADLINE, Namespace, Operator, control_plane, nightly, secret, wait_for, wait_gone};
use k8s_openapi::ByteString;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use simulated_portal::{ApiKey, Installation, SimulatedPortal};
use tokio::time::sleep;

use crate::{
    attackers::random,
    limit::{binary, under_limit},
};

/// Connections are closed, and buffers given back, within this time.
const WIPED_AFTER: Duration = Duration::from_secs(60);

/// After an object and its Secrets are gone, neither the key nor the storage secret is in the process's memory, in
/// clear or as Kubernetes encodes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_that_are_gone() {
    let plane = control_plane();
    let client = plane.client().await;
    let namespace = Namespace::create(&client).await;
    let server = SimulatedPortal::start(Installation::default()).await;
    let (key, storage) = (
        server.first().issue_key(ApiKey::named("key")),
        format!("s3-{}", random()),
    );
    let through = under_limit();
    let through: Vec<_> = through.iter().map(String::as_str).collect();
    let kubeconfig = plane.kubeconfig();
    let operator = Operator::start_through(&through, binary(), &kubeconfig, namespace.name(), &[]).await;
    let (secrets, schedules) = (namespace.secrets(&client), namespace.schedules(&client));
    let how = PostParams::default();
    for made in [
        secret(API_KEY, &[("apiKey", &key)]),
        secret("storage", &[("secretaccesskey", &storage)]),
    ] {
        secrets.create(&how, &made).await.expect("the Secret is created");
    }
    let mut object: DocSpaceBackupSchedule = nightly(&server.url());
    let from = json!({"key": "secretaccesskey", "valueFrom": {"secretKeyRef": {"name": "storage", "key": "secretaccesskey"}}});
    let param = serde_json::from_value(from).expect("a parameter");
    object.spec.storage_params.push(param);
    schedules
        .create(&how, &object)
        .await
        .expect("the object is created");
    wait_for(&schedules, "nightly", DEADLINE, |object| {
        let conditions = object.status.iter().flat_map(|status| &status.conditions);
        conditions
            .into_iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
    })
    .await;
    for (what, value) in [("API key", &key), ("storage secret", &storage)] {
        assert!(
            copies(operator.id(), &[value]) > 0,
            "the search does not find the {what} even while it is in use"
        );
    }

    let how = DeleteParams::default();
    schedules
        .delete("nightly", &how)
        .await
        .expect("it may be deleted");
    wait_gone(&schedules, "nightly", DEADLINE).await;
    for name in [API_KEY, "storage"] {
        secrets.delete(name, &how).await.expect("it may be deleted");
    }
    let gone = Instant::now();
    loop {
        let left = copies(operator.id(), &[&key, &storage]);
        if left == 0 {
            println!("Secrets that are gone: wiped after {:.0?}", gone.elapsed());
            return;
        }
        assert!(
            gone.elapsed() < WIPED_AFTER,
            "{left} copies of secrets are in memory {WIPED_AFTER:?} after they were gone"
        );
        sleep(Duration::from_secs(1)).await;
    }
}

/// How often these secrets, or their forms in base64, are in the writable memory of a process.
fn copies(process: u32, secrets: &[&str]) -> usize {
    let encoded = secrets.iter().map(|secret| {
        let value = ByteString((*secret).into());
        serde_json::from_value(json!(value)).expect("Kubernetes writes it as a text")
    });
    let wanted: Vec<String> = secrets
        .iter()
        .map(|secret| (*secret).to_owned())
        .chain(encoded)
        .collect();
    let search = AhoCorasick::new(wanted).expect("few and short");
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).expect("the operator runs");
    let memory = File::open(format!("/proc/{process}/mem")).expect("one's own process may be read");
    let regions = maps.lines().filter_map(writable);
    regions
        .map(|(from, to)| {
            let mut region = Vec::new();
            // A region may be gone by now, or have no pages at its end.
            let _ = read(&memory, from, to, &mut region);
            search.find_iter(&region).count()
        })
        .sum()
}

/// The bounds of a region, where it is readable and writable: `7f00-7f10 rw-p …`.
fn writable(line: &str) -> Option<(u64, u64)> {
    let (bounds, rest) = line.split_once(' ')?;
    let (from, to) = bounds.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    rest.starts_with("rw").then_some((number(from)?, number(to)?))
}

fn read(memory: &File, from: u64, to: u64, region: &mut Vec<u8>) -> io::Result<()> {
    const PIECE: usize = 64 * 1024;
    let mut piece = [0; PIECE];
    let mut at = from;
    while at < to {
        let wanted = usize::try_from(to - at).map_or(PIECE, |left| left.min(PIECE));
        let count = memory.read_at(&mut piece[..wanted], at)?;
        if count == 0 {
            break;
        }
        region.extend_from_slice(&piece[..count]);
        at += count as u64;
    }
    Ok(())
}
