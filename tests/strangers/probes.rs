//! Probes and metrics, as the kubelet and Prometheus ask for them.

use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{error::Elapsed, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

/// The kubelet waits this long by default.
const LIMIT: Duration = Duration::from_secs(1);
const PACE: Duration = Duration::from_millis(200);

/// Asks again and again until it is dropped.
pub struct Probes {
    told: Arc<Mutex<Told>>,
    _task: AbortOnDropHandle<()>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The longest time of an answer.
    pub worst: Duration,
    /// How many were asked for.
    pub asked: usize,
    /// What did not come in time while the control answered, or was no 200.
    pub failures: Vec<String>,
}

type Answer = Result<io::Result<String>, Elapsed>;

impl Told {
    fn take(&mut self, path: &str, took: Duration, answer: Answer, control: &Answer) {
        self.asked += 1;
        self.worst = self.worst.max(took);
        let failure = match answer {
            Ok(Ok(answer)) if answer.starts_with("HTTP/1.0 200 ") => return,
            Ok(Ok(answer)) => answer.lines().next().unwrap_or_default().to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) if control.is_err() => return,
            Err(_) => format!("nothing within {LIMIT:?}"),
        };
        self.failures.push(format!("{path}: {failure}"));
    }
}

impl Probes {
    /// Of the operator whose server has this address, and at the same time of the control at the other one.
    pub fn of(address: String, control: String) -> Self {
        let told = Arc::<Mutex<Told>>::default();
        let shared = told.clone();
        let task = tokio::spawn(async move {
            for path in ["/livez", "/readyz", "/metrics"].into_iter().cycle() {
                let began = Instant::now();
                let asked = async {
                    let answer = timeout(LIMIT, get(&address, path)).await;
                    (began.elapsed(), answer)
                };
                let ((took, answer), control) = tokio::join!(asked, timeout(LIMIT, get(&control, path)));
                shared
                    .lock()
                    .expect("nobody panicked")
                    .take(path, took, answer, &control);
                sleep(PACE).await;
            }
        });
        Self {
            told,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// What came so far.
    pub fn told(&self) -> Told {
        self.told.lock().expect("nobody panicked").clone()
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
