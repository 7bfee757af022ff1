//! Helm and its rendered manifests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;

use crate::ControlPlane;

/// The operator's chart.
pub const OPERATOR: &str = "deploy/helm/docspace-backup-operator";
/// The chart of schedules.
pub const SCHEDULES: &str = "deploy/helm/docspace-backup-schedules";
/// A chart that has both as dependencies, with the schedules disabled.
pub const UMBRELLA: &str = "tests/chart/umbrella";

/// A file or folder of the repository.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// The content of a file of the repository.
pub fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Path of a program that this script of the repository builds, unless it is already built.
///
/// # Panics
/// The build fails; standard error shows why.
pub fn built(script: &str, program: &str) -> PathBuf {
    let built = Command::new(path(script))
        .stderr(std::process::Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("{script} does not run: {error}"));
    assert!(
        built.status.success(),
        "{program} is not built; standard error says why"
    );
    Path::new(String::from_utf8(built.stdout).expect("a path").trim()).join(program)
}

fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| built("tests/programs/helm/build", "helm"));
    &PROGRAM
}

/// Runs Helm with these values and without the user's own settings; returns its output or its error message.
fn run(command: &mut Command, values: &Value) -> Result<String, String> {
    let values_file =
        std::env::temp_dir().join(format!("docspace-chart-values-{:016x}.json", fastrand::u64(..)));
    fs::write(&values_file, values.to_string()).expect("the folder is writable");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HELM_") {
            command.env_remove(name);
        }
    }
    let output = command
        .arg("--values")
        .arg(&values_file)
        .output()
        .expect("Helm runs");
    fs::remove_file(&values_file).expect("it is there");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr) + &text(&output.stdout))
    }
}

/// Runs `helm lint` on a chart.
///
/// # Errors
/// Helm's error message.
pub fn lint(chart: &str, values: &Value) -> Result<String, String> {
    run(
        Command::new(program())
            .args(["lint", "--strict"])
            .arg(path(chart)),
        values,
    )
}

/// The chart's manifests.
///
/// # Errors
/// Helm's error message.
pub fn template(chart: &str, release: &str, namespace: &str, values: &Value) -> Result<String, String> {
    let mut helm = Command::new(program());
    helm.args(["template", release, "--namespace", namespace])
        .arg(path(chart));
    run(&mut helm, values)
}

/// Runs a Helm command on a cluster: `install`, `upgrade` and so on.
///
/// # Errors
/// Helm's error message.
pub fn on(
    plane: &ControlPlane,
    namespace: &str,
    arguments: &[&str],
    values: Option<&Value>,
) -> Result<String, String> {
    let mut helm = Command::new(program());
    helm.args(arguments)
        .args(["--namespace", namespace])
        .env("KUBECONFIG", plane.kubeconfig())
        .env("HELM_CACHE_HOME", plane.folder().join("helm"))
        .env("HELM_CONFIG_HOME", plane.folder().join("helm"))
        .env("HELM_DATA_HOME", plane.folder().join("helm"));
    match values {
        Some(values) => run(&mut helm, values),
        None => {
            let output = helm.output().expect("Helm runs");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            if output.status.success() {
                Ok(said)
            } else {
                Err(said + &String::from_utf8_lossy(&output.stderr))
            }
        }
    }
}

/// Parses the documents of a YAML text.
pub fn documents(yaml: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).expect("it is YAML");
    documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect()
}

/// The documents of one kind.
pub fn of_kind<'a>(documents: &'a [Value], kind: &str) -> Vec<&'a Value> {
    documents
        .iter()
        .filter(|document| document["kind"] == kind)
        .collect()
}

/// Formats documents as YAML.
pub fn yaml<'a>(documents: impl IntoIterator<Item = &'a Value>) -> String {
    // Each document is JSON, and JSON is valid YAML.
    documents
        .into_iter()
        .map(|document| format!("---\n{document}\n"))
        .collect()
}
