//! Where Secrets may go, by default, and that whoever follows the docs gets Secrets that may go to their portals.

use std::{collections::BTreeSet, fs};

use clap::Parser;
use docspace_backup_operator::{
    api::{DocSpaceBackupSchedule, PORTAL_ORIGIN},
    cli::{Cli, Command, RunArgs},
    portal::{Address, AllowedOrigin},
};
use harness::{Namespace, control_plane, nightly, secret};
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::helm::{OPERATOR, documents, of_kind, path, read, template};

/// What the program reads of the arguments that the chart gives it.
fn run_args(values: &Value) -> RunArgs {
    let rendered = documents(&template(OPERATOR, "operator", "docspace", values).expect("it renders"));
    let container = &of_kind(&rendered, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0];
    let arguments = container["args"].as_array().expect("a list").iter();
    let line = ["operator"]
        .into_iter()
        .chain(arguments.filter_map(Value::as_str));
    match Cli::try_parse_from(line).expect("the program takes them").command {
        Command::Run(args) => *args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_annotation_is_required_unless_the_values_say_otherwise() {
    let default = run_args(&json!({}));
    assert!(default.origins.require_origin_annotation && default.origins.allowed_origins.is_empty());
    let off = run_args(&json!({"operator": {"requireOriginAnnotation": false}}));
    assert!(!off.origins.require_origin_annotation);
    assert!(read("deploy/install.yaml").contains("- --require-origin-annotation\n"));
}

#[test]
fn allowed_origins_arrive_as_they_are_written() {
    let origins = [
        "https://docs.example.com",
        "http://router.docspace.svc:8092 docs.example.com",
        "http://[fd12::1]:80",
    ];
    let args = run_args(&json!({"operator": {"allowedOrigins": origins}}));
    let written: Result<Vec<AllowedOrigin>, _> = origins.iter().map(|origin| origin.parse()).collect();
    assert_eq!(args.origins.allowed_origins, written.expect("origins"));
}

fn origin_of(object: &DocSpaceBackupSchedule) -> AllowedOrigin {
    let portal = &object.spec.portal;
    let address = Address::parse(&portal.url, portal.host_header.as_deref());
    AllowedOrigin::of(&address.expect("an address"))
}

/// The README creates the Secret of the samples that do not say where theirs may go.
#[test]
fn the_secrets_of_the_samples_may_go_to_their_portals() {
    let readme = read("README.md");
    let told = |text: &str, origin: &AllowedOrigin| {
        let origin = origin.to_string();
        let mut after = text.split(PORTAL_ORIGIN).skip(1);
        after.any(|after| {
            after
                .trim_start_matches([':', '=', ' ', '\''])
                .starts_with(&origin)
        })
    };
    let mut portals = 0;
    for entry in fs::read_dir(path("deploy/samples")).expect("a folder") {
        let file = entry.expect("an entry").path();
        let text = fs::read_to_string(&file).expect("text");
        let documents = documents(&text);
        let (secrets, objects): (Vec<_>, Vec<_>) = documents
            .into_iter()
            .partition(|document| document["kind"] == "Secret");
        for object in objects {
            let object: DocSpaceBackupSchedule = serde_json::from_value(object).expect("a schedule");
            let origin = origin_of(&object);
            assert!(
                told(&text, &origin) || told(&readme, &origin),
                "{}: {origin}",
                file.display()
            );
            for secret in &secrets {
                let list = secret["metadata"]["annotations"][PORTAL_ORIGIN].as_str();
                assert_eq!(list, Some(&*origin.to_string()), "{}", file.display());
            }
            portals += 1;
        }
    }
    assert!(portals > 5);
}

/// The command before an upgrade, as it is written.
#[tokio::test]
async fn the_docs_list_the_secrets_to_annotate() {
    let page = read("docs/operations.md");
    let (_, section) = page
        .split_once("## Upgrade to required annotations")
        .expect("a section");
    let (_, command) = section
        .split_once("kubectl get dsbs -A -o custom-columns=")
        .expect("a command");
    let (columns, _) = command.split_once("```").expect("its end");
    let columns: String = columns.chars().filter(|c| !"'\\\n".contains(*c)).collect();

    let plane = control_plane();
    let client = plane.client().await;
    let namespace = Namespace::create(&client).await;
    let mut object: DocSpaceBackupSchedule = nightly("https://docs.example.com/sub");
    object.spec.portal.host_header = Some("sales.example.com".into());
    object.spec.portal.ca_secret_ref = serde_json::from_value(json!({"name": "portal-ca"})).expect("a CA");
    for (param, name) in [("sse", "s3"), ("ssekey", "kms")] {
        let from = json!({"key": param, "valueFrom": {"secretKeyRef": {"name": name, "key": "a"}}});
        object
            .spec
            .storage_params
            .push(serde_json::from_value(from).expect("a parameter"));
    }
    let created = namespace
        .schedules(&client)
        .create(&PostParams::default(), &object)
        .await;
    created.expect("the object is accepted");
    let columns = format!("custom-columns={columns}");
    let listed = plane.kubectl_ok(&["get", "dsbs", "-n", namespace.name(), "-o", &columns], "");
    let words: BTreeSet<_> = listed.lines().nth(1).expect("a row").split([' ', ',']).collect();
    for word in [
        namespace.name(),
        "https://docs.example.com/sub",
        "sales.example.com",
        "docspace-api-key",
        "portal-ca",
        "s3",
        "kms",
    ] {
        assert!(words.contains(word), "{word} is not in\n{listed}");
    }

    let (_, command) = section
        .split_once("kubectl annotate secret NAME -n NAMESPACE ")
        .expect("a command");
    let (annotation, _) = command.split_once('\n').expect("its end");
    let key = secret("docspace-api-key", &[]);
    let created = namespace
        .secrets(&client)
        .create(&PostParams::default(), &key)
        .await;
    created.expect("the Secret is created");
    let annotation = annotation.replace('\'', "");
    plane.kubectl_ok(
        &[
            "annotate",
            "secret",
            "docspace-api-key",
            "-n",
            namespace.name(),
            &annotation,
        ],
        "",
    );
    let annotated = namespace
        .secrets(&client)
        .get("docspace-api-key")
        .await
        .expect("it is there");
    assert_eq!(
        annotated.metadata.annotations.expect("some")[PORTAL_ORIGIN],
        "https://docs.example.com"
    );
}
