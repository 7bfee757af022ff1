//! The command `check`: reads the files, writes the reports.

use std::{
    io::{self, Read},
    path::Path,
};

use kube::{Client, core::Selector};

use crate::{
    check::{Belongs, Check, Report, objects},
    cli::{CheckArgs, Output},
    cluster,
    controller::Settings,
    error::{BoxError, cannot_read},
    portal::Portals,
    rules::retry::LONGEST_INTERVAL,
    secret,
};

/// The results of a check.
#[derive(Debug, Default)]
pub struct Results {
    /// The reports, for the standard output.
    pub text: String,
    /// What could not be checked.
    pub errors: Vec<BoxError>,
    /// The exit status: the largest of all objects.
    pub status: u8,
}

/// The exit status of what cannot be checked.
const FAILED: u8 = 2;

/// Checks what the flags name. An object that cannot be checked does not hide the others.
///
/// # Errors
/// There is nothing to check.
pub async fn command(args: CheckArgs) -> Result<Results, BoxError> {
    let key = args.api_key_file.as_deref().map(secret::from_file).transpose()?;
    let (client, default_namespace) = match cluster::config_if_any().await? {
        Some(mut config) => {
            config.read_timeout = Some(cluster::ANSWERS_WITHIN);
            let namespace = config.default_namespace.clone();
            (Some(Client::try_from(config)?), namespace)
        }
        None => (None, "default".into()),
    };
    let namespace = args.namespace.as_deref().unwrap_or(&default_namespace);
    let check = Check {
        client,
        portals: Portals::new(args.portals.into())?,
        settings: Settings {
            selector: Selector::default(),
            // No next check is told.
            interval: LONGEST_INTERVAL,
            origins: args.origins.into(),
        },
        key,
        all_namespaces: args.all_namespaces,
    };
    let mut results = Results::default();
    let mut subjects = Vec::new();
    for name in &args.names {
        subjects.extend(results.of(check.named(namespace, name).await));
    }
    if let Some(file) = &args.file {
        let text = read(file).map_err(cannot_read(file))?;
        let invalid = |error| format!("{}: {error}", file.display());
        let belongs = Belongs {
            only: args.namespace.as_deref(),
            by_default: &default_namespace,
        };
        for object in objects(&text, belongs).map_err(invalid)? {
            let object = object.map_err(invalid);
            if let Some(object) = results.of(object) {
                subjects.extend(results.of(check.manifest(object).await));
            }
        }
    }
    check.sends_its_key_to_one(&subjects)?;
    let reports = check.all(subjects).await;
    let reports: Vec<_> = reports
        .into_iter()
        .filter_map(|report| results.of(report))
        .collect();
    let statuses = reports.iter().map(Report::exit_status);
    results.status = statuses.fold(results.status, u8::max);
    results.text = match args.output {
        Output::Text => texts(&reports),
        Output::Json => serde_json::to_string_pretty(&reports)? + "\n",
    };
    Ok(results)
}

impl Results {
    fn of<T>(&mut self, result: Result<T, impl Into<BoxError>>) -> Option<T> {
        result
            .map_err(|error| {
                self.errors.push(error.into());
                self.status = FAILED;
            })
            .ok()
    }
}

fn texts(reports: &[Report]) -> String {
    let texts: Vec<_> = reports.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

fn read(file: &Path) -> io::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(file)
}
