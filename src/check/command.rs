//! The command `check`: reads the files, writes the reports.

use std::{
    io::{self, Read},
    path::Path,
};

use kube::{Client, core::Selector};

use crate::{
    check::{Check, Report, objects},
    cli::{CheckArgs, Output},
    cluster,
    controller::Settings,
    error::{BoxError, cannot_read},
    portal::Portals,
    rules::retry::LONGEST_INTERVAL,
    secret,
};

/// Checks what the flags name. Returns the reports as text, and the exit status: the largest of all objects.
///
/// # Errors
/// An object cannot be checked.
pub async fn command(args: CheckArgs) -> Result<(String, u8), BoxError> {
    let key = args.api_key_file.as_deref().map(secret::from_file).transpose()?;
    let (client, default_namespace) = match cluster::config().await {
        Ok(mut config) => {
            config.read_timeout = Some(cluster::ANSWERS_WITHIN);
            let namespace = config.default_namespace.clone();
            (Some(Client::try_from(config)?), namespace)
        }
        Err(_) => (None, "default".into()),
    };
    let namespace = args.namespace.unwrap_or(default_namespace);
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
    let mut reports = Vec::new();
    for name in &args.names {
        reports.push(check.named(&namespace, name).await?);
    }
    if let Some(file) = &args.file {
        let text = read(file).map_err(cannot_read(file))?;
        let invalid = |error| format!("{}: {error}", file.display());
        for object in objects(&text, &namespace).map_err(invalid)? {
            reports.push(check.manifest(object).await?);
        }
    }
    let status = reports.iter().map(Report::exit_status).max().unwrap_or_default();
    let text = match args.output {
        Output::Text => texts(&reports),
        Output::Json => serde_json::to_string_pretty(&reports)? + "\n",
    };
    Ok((text, status))
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
