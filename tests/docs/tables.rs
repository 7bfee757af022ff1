//! The tables name every reason, Event and flag that a user can meet, and no other. What they say of metrics is compared
//! with the program by the integration tests, and with alerts and dashboard by the tests of the chart.

use std::collections::BTreeSet;

use clap::CommandFactory;
use docspace_backup_operator::{api, cli::Cli};
use serde_json::Value;

use crate::{block_after, files, has_extension, read, variants};

/// Where the reasons of Ready are, and those of BackupFresh.
pub const READY: (&str, &str) = ("src/rules/reason.rs", "Reason");
pub const BACKUP_FRESH: (&str, &str) = ("src/rules/backup/reason.rs", "Freshness");
/// The reason of Ready that the CRD itself gives.
pub const PENDING: &str = "Pending";

const CONDITIONS: &str = "docs/conditions.md";
const OPERATIONS: &str = "docs/operations.md";

/// The rows of a page's tables, each below its header.
fn rows(page: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let (mut rows, mut header) = (Vec::new(), None);
    for line in read(page).lines() {
        let Some(inner) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            header = None;
            continue;
        };
        let cells: Vec<_> = inner.split('|').map(|cell| cell.trim().to_owned()).collect();
        match &header {
            None => header = Some(cells),
            Some(_) if inner.chars().all(|c| "-| ".contains(c)) => {}
            Some(header) => rows.push((header.clone(), cells)),
        }
    }
    rows
}

/// The names in a column of the tables whose first columns have this title.
fn named(page: &str, title: &str, column: usize) -> BTreeSet<String> {
    let rows = rows(page);
    let cells = rows
        .iter()
        .filter(|(header, _)| header[0] == title)
        .map(|(_, cells)| cells[column].clone());
    cells
        .flat_map(|cell| cell.split(", ").map(ToOwned::to_owned).collect::<Vec<_>>())
        .collect()
}

fn assert_same(page: &str, named: &BTreeSet<String>, there_are: impl IntoIterator<Item = String>) {
    let there_are: BTreeSet<_> = there_are.into_iter().collect();
    let (missing, gone) = (&there_are - named, named - &there_are);
    assert!(missing.is_empty(), "{page} does not name {missing:?}");
    assert!(
        gone.is_empty(),
        "{page} names {gone:?}, which the code does not have"
    );
}

/// The sources of the program, without its tests.
fn sources() -> String {
    let sources = files("src", |file| {
        let is_test = file.file_stem().is_some_and(|name| name == "tests");
        !is_test && has_extension(file, "rs")
    });
    sources.into_iter().map(read).collect()
}

/// The first arguments of these calls, where they are literals.
fn literals(before: &str) -> Vec<String> {
    let sources = sources();
    let rest = sources.split(before).skip(1);
    let text = rest.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    let found: Vec<_> = text.map(Into::into).collect();
    assert!(!found.is_empty(), "nothing begins with {before}");
    found
}

#[test]
fn reasons_of_ready() {
    let (file, name) = READY;
    let reasons = variants(file, name);
    assert!(reasons.len() > 30, "{reasons:?}");
    let there_are = reasons.into_iter().chain([PENDING.into()]);
    assert_same(CONDITIONS, &named(CONDITIONS, "Ready's reason", 0), there_are);
}

#[test]
fn reasons_of_backup_fresh() {
    let (file, name) = BACKUP_FRESH;
    let named = named(CONDITIONS, "BackupFresh", 1);
    assert_same(CONDITIONS, &named, variants(file, name));
}

#[test]
fn reasons_of_credentials_valid() {
    let described = ["Accepted", "ExpiresSoon", "Expired", "SecretMissing"];
    let there_are = literals("AtFault(").into_iter().chain(described.map(Into::into));
    assert_same(CONDITIONS, &named(CONDITIONS, "CredentialsValid", 1), there_are);
}

#[test]
fn events() {
    let there_are = ["Note::normal(", "Note::warning("].map(literals).concat();
    assert_same(CONDITIONS, &named(CONDITIONS, "Event", 0), there_are);
}

/// Whether a row of this table names the flag, with this default.
fn has_flag(command: &str, flag: &str, default: Option<&str>) -> bool {
    let title = format!("flag of `{command}`");
    rows(OPERATIONS).iter().any(|(header, cells)| {
        let names = header[0] == title && cells[0].split(", ").any(|name| name == flag);
        names && default.is_none_or(|default| cells[1] == default)
    })
}

/// The commands that have flags.
const COMMANDS: [&str; 4] = ["run", "release", "check", "import"];

#[test]
fn flags() {
    let cli = Cli::command();
    let mut known = BTreeSet::new();
    for command in COMMANDS {
        let arguments = cli.find_subcommand(command).expect("a command").get_arguments();
        for (argument, long) in arguments.filter_map(|argument| Some((argument, argument.get_long()?))) {
            if long == "help" {
                continue;
            }
            let flag = format!("`--{long}`");
            let shows_default = argument.get_action().takes_values() && !argument.is_hide_default_value_set();
            let default = argument.get_default_values().first().filter(|_| shows_default);
            let default = default.map(|default| default.to_str().expect("a text"));
            assert!(
                has_flag(command, &flag, default),
                "{OPERATIONS} does not name {flag} of {command} with its default {default:?}"
            );
            known.insert(flag);
        }
    }
    let named = COMMANDS.map(|command| named(OPERATIONS, &format!("flag of `{command}`"), 0));
    let named = named.into_iter().flatten().collect();
    assert_same(OPERATIONS, &named, known);
}

/// The columns are the CRD's, and what the operator says there is what it says now.
#[test]
fn the_output_of_kubectl_in_the_readme() {
    let readme = read("README.md");
    let output = block_after(&readme, "After the first night");
    let crd = api::crd();
    let columns = crd.spec.versions[0].additional_printer_columns.iter().flatten();
    let shown = columns.filter(|column| column.priority.is_none_or(|priority| priority == 0));
    let titles: Vec<_> = ["NAME".into()]
        .into_iter()
        .chain(shown.map(|column| column.name.to_uppercase()))
        .collect();
    let cells = |line: &str| -> Vec<String> {
        let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        cells.map(Into::into).collect()
    };
    let sources = sources();
    let mut messages = 0;
    for line in output
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('$'))
    {
        let cells = cells(line);
        if line.starts_with("NAME") {
            assert_eq!(cells, titles);
        } else {
            let message = &cells[cells.len() - 2];
            assert!(
                sources.contains(message.as_str()),
                "the operator does not say: {message}"
            );
            messages += 1;
        }
    }
    assert_eq!(messages, 2);
    let check = block_after(&readme, "`check` said before");
    let plan = check.lines().find_map(|line| line.strip_prefix("plan "));
    let plan = plan.expect("a plan").trim();
    assert!(sources.contains(plan), "check does not say: {plan}");
}

/// Followed literally, the README's commands put the sample where the operator of its installation watches.
#[test]
fn the_first_schedule_in_the_readme() {
    let readme = read("README.md");
    let (_, section) = readme.split_once("## Install").expect("a section");
    let (section, _) = section.split_once("## Documentation").expect("the next one");
    assert!(section.contains("helm install docspace-backup-operator deploy/helm/docspace-backup-operator"));
    assert!(section.contains("--namespace docspace --create-namespace"));

    let (_, manifest) = section.split_once("```yaml\n").expect("a manifest");
    let (manifest, _) = manifest.split_once("```").expect("its end");
    let manifest: Value = serde_saphyr::from_str(manifest).expect("YAML");
    let sample: Value = serde_saphyr::from_str(&read("deploy/samples/nightly.yaml")).expect("YAML");
    assert_eq!(manifest["spec"], sample["spec"]);
    assert_eq!(manifest["metadata"]["namespace"], "docspace");

    let section = section.replace("\\\n", " ");
    // The key may go to the portal of the sample.
    let created = section
        .find("kubectl create secret generic docspace-api-key")
        .expect("a Secret");
    let url = sample["spec"]["portal"]["url"].as_str().expect("a URL");
    let annotated = format!("{}={url}\n", api::PORTAL_ORIGIN);
    assert!(section[created..].contains("kubectl annotate secret docspace-api-key"));
    assert!(section[created..].contains(&annotated), "{annotated}");

    let commands: Vec<_> = section.split("kubectl ").skip(1).collect();
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        let end = command.find(['`', '\n']).unwrap_or(command.len());
        let command = &command[..end];
        // The manifest says its namespace; `explain` has none.
        let needs_none = ["apply -f nightly.yaml", "explain "]
            .iter()
            .any(|start| command.starts_with(start));
        assert!(needs_none || command.contains("-n docspace"), "kubectl {command}");
    }
}
