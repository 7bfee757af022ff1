//! Probes and metrics, as the kubelet and Prometheus ask for them.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{error::Elapsed, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::verdict::TIMES;

/// The chart's `timeoutSeconds` of both probes. Prometheus waits longer for metrics.
const LIMIT: Duration = Duration::from_secs(5);
/// An answer that takes longer counts as none.
const LONGEST: Duration = Duration::from_secs(20);
const PACE: Duration = Duration::from_millis(200);

/// Asks again and again until it is dropped or [told][Probes::told].
pub struct Probes {
    last: CancellationToken,
    task: AbortOnDropHandle<Told>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The longest time of an answer.
    pub worst: Duration,
    /// How many were asked for.
    pub asked: usize,
    /// Answers that were no 200, and those that were missing or too late while the control's was not.
    pub failures: Vec<String>,
}

/// An answer, and how long it took.
struct Answer {
    took: Duration,
    result: Result<io::Result<String>, Elapsed>,
}

impl Answer {
    async fn to(address: &str, path: &str) -> Self {
        let began = Instant::now();
        let result = timeout(LONGEST, get(address, path)).await;
        Self {
            took: began.elapsed(),
            result,
        }
    }
}

impl Told {
    fn take(&mut self, path: &str, answer: &Answer, control: &Answer) {
        self.asked += 1;
        self.worst = self.worst.max(answer.took);
        let is_late = answer.took > LIMIT && answer.took > TIMES * control.took;
        let failure = match &answer.result {
            Ok(Ok(text)) if !text.starts_with("HTTP/1.0 200 ") => {
                text.lines().next().unwrap_or_default().into()
            }
            Ok(Ok(_)) if is_late => format!("{:.1?}, at the control {:.1?}", answer.took, control.took),
            Ok(Err(error)) => error.to_string(),
            Err(_) if control.result.is_ok() => format!("nothing within {LONGEST:?}"),
            Ok(Ok(_)) | Err(_) => return,
        };
        self.failures.push(format!("{path}: {failure}"));
    }
}

impl Probes {
    /// Asks the operator whose server has this address, and at the same time the control at the other one.
    pub fn of(address: String, control: String) -> Self {
        let last = CancellationToken::new();
        let is_last = last.clone();
        let task = tokio::spawn(async move {
            let mut told = Told::default();
            for path in ["/livez", "/readyz", "/metrics"].into_iter().cycle() {
                let (answer, control) = tokio::join!(Answer::to(&address, path), Answer::to(&control, path));
                told.take(path, &answer, &control);
                if is_last.is_cancelled() {
                    break;
                }
                sleep(PACE).await;
            }
            told
        });
        Self {
            last,
            task: AbortOnDropHandle::new(task),
        }
    }

    /// Waits for the answers that are under way, and tells what came of all. To be called once.
    pub async fn told(&mut self) -> Told {
        self.last.cancel();
        (&mut self.task).await.expect("nobody panicked")
    }
}

/// The whole answer.
pub async fn get(address: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
