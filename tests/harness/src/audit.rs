//! The requests of service accounts to the Kubernetes API, from its audit log.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use serde_json::Value;

/// Prefix of a copy's file name.
const KEPT: &str = "audit-of-another-";

/// A right: API group, resource (with its subresource) and verb.
pub type Asked = (String, String, String);

/// The audit log of a control plane, from some position on.
#[derive(Clone, Debug)]
pub struct Audit {
    folder: PathBuf,
    from: u64,
}

impl Audit {
    pub(crate) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.into(),
            from: 0,
        }
    }

    /// Only the requests from now on.
    #[must_use]
    pub fn from_now_on(mut self) -> Self {
        self.from = self.log().metadata().map_or(0, |log| log.len());
        self
    }

    fn log(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    /// Copies the log into the folder of another control plane, whose log then includes it.
    pub(crate) fn keep(&self, folder: &Path) {
        let copy = folder.join(format!("{KEPT}{:08x}.log", fastrand::u32(..)));
        // There may be no requests and so no file.
        let _ = fs::copy(self.log(), copy);
    }

    fn kept(&self) -> impl Iterator<Item = PathBuf> {
        let files = fs::read_dir(&self.folder).expect("the control plane's folder is there");
        let files = files.map(|file| file.expect("it can be read"));
        files
            .filter(|file| file.file_name().to_string_lossy().starts_with(KEPT))
            .map(|file| file.path())
    }

    /// The rights used by accounts whose full name ends with `NAMESPACE:NAME` or `:NAME`.
    pub fn used(&self, account: &str) -> BTreeSet<Asked> {
        let used = self.events(account, "allow");
        let resource = used.filter_map(|event| {
            let object = event.get("objectRef")?;
            let text = |field: &str| object[field].as_str().map(str::to_owned);
            let resource = text("resource")?;
            let resource = match text("subresource") {
                Some(subresource) => format!("{resource}/{subresource}"),
                None => resource,
            };
            let verb = event["verb"].as_str()?.to_owned();
            Some((text("apiGroup").unwrap_or_default(), resource, verb))
        });
        resource.collect()
    }

    /// Requests denied for lack of rights. A rejection by admission does not count: the rights were sufficient.
    pub fn refused(&self, account: &str) -> Vec<String> {
        self.events(account, "forbid")
            .map(|event| {
                let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
                format!("{} {}", text("verb"), text("requestURI"))
            })
            .collect()
    }

    fn events(&self, account: &str, decision: &str) -> impl Iterator<Item = Value> {
        let mut log = File::open(self.log()).expect("the audit log is there");
        log.seek(SeekFrom::Start(self.from)).expect("it is a file");
        let kept = self.kept().map(|log| File::open(log).expect("it is there"));
        let decided = format!("\"authorization.k8s.io/decision\":\"{decision}\"");
        std::iter::once(log)
            .chain(kept)
            .flat_map(|log| BufReader::new(log).lines())
            .map(|line| line.expect("the audit log is text"))
            .filter(move |line| line.contains(&decided))
            // The last line may be incomplete.
            .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
            .filter(move |event| {
                let name = event["user"]["username"].as_str();
                name.is_some_and(|name| name.ends_with(account))
            })
    }
}

/// The rights that these roles grant but nobody used.
pub fn unused<'a>(roles: impl IntoIterator<Item = &'a Value>, used: &BTreeSet<Asked>) -> Vec<Asked> {
    let texts = |list: &Value| -> Vec<String> {
        let list = list.as_array().into_iter().flatten();
        list.filter_map(|text| text.as_str().map(Into::into)).collect()
    };
    let mut unused = Vec::new();
    for rule in roles
        .into_iter()
        .flat_map(|role| role["rules"].as_array().into_iter().flatten())
    {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    let right = (group.clone(), resource.clone(), verb);
                    if !used.contains(&right) {
                        unused.push(right);
                    }
                }
            }
        }
    }
    unused
}
