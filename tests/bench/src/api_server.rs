//! Counters of the API server itself.

use std::ops::Sub;

use kube::Client;

/// Requests that write, from `apiserver_request_total`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writes {
    /// Patches and updates of schedules, including status; the benchmark itself creates the objects.
    pub objects: f64,
    /// Events created or patched.
    pub events: f64,
}

impl Writes {
    /// The current counters.
    pub async fn counted(client: &Client) -> kube::Result<Self> {
        let request = http::Request::get("/metrics")
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        let metrics = client.request_text(request).await?;
        let lines = || {
            metrics
                .lines()
                .filter(|line| line.starts_with("apiserver_request_total{"))
        };
        let sum = |resource: &str, verbs: &[&str]| {
            let resource = format!("resource=\"{resource}\"");
            let counts = |line: &&str| {
                line.contains(&resource)
                    && verbs
                        .iter()
                        .any(|verb| line.contains(&format!("verb=\"{verb}\"")))
            };
            let value = |line: &str| {
                line.rsplit(' ')
                    .next()
                    .and_then(|value| value.parse::<f64>().ok())
            };
            lines().filter(counts).filter_map(value).sum()
        };
        Ok(Self {
            objects: sum("docspacebackupschedules", &["PATCH", "PUT", "APPLY"]),
            events: sum("events", &["POST", "PATCH", "PUT", "APPLY"]),
        })
    }
}

impl Sub for Writes {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            objects: self.objects - before.objects,
            events: self.events - before.events,
        }
    }
}
