//! Where Secrets may go: their annotation, the operator's list, and types that are never sent.

use std::fs;

use docspace_backup_operator::api::{DocSpaceBackupSchedule, PORTAL_ORIGIN};
use harness::{API_KEY, control_plane};
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::world::{Setup, World, condition, is_ready, message, ready_reason_is, rights::ACCOUNT};

const HOST: &str = "docs.example.com";

/// The operator of `deploy/install.yaml`, as far as Secrets are concerned.
async fn world_of_the_manifest() -> World {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/install.yaml");
    let manifest = fs::read_to_string(path).expect("a manifest");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&manifest).expect("YAML");
    let deployment = documents.iter().find(|document| document["kind"] == "Deployment");
    let container = &deployment.expect("a Deployment")["spec"]["template"]["spec"]["containers"][0];
    let arguments = container["args"].as_array().expect("a list").iter();
    let arguments: Vec<_> = arguments
        .filter_map(Value::as_str)
        .filter(|argument| argument.contains("origin"))
        .collect();
    assert_eq!(arguments, ["--require-origin-annotation"]);
    World::with_arguments(&arguments).await
}

/// An object that takes its key, its CA and a parameter from three Secrets, and sets a Host.
async fn with_three_secrets(world: &World) -> DocSpaceBackupSchedule {
    world
        .set_secret("portal-ca", &[("ca.crt", b"not read for http")])
        .await;
    world.set_secret("s3", &[("sse", b"s3cret")]).await;
    let mut object = world.nightly();
    object.spec.portal.host_header = Some(HOST.into());
    object.spec.portal.ca_secret_ref =
        serde_json::from_value(json!({"name": "portal-ca"})).expect("a reference");
    let from_secret = json!({"key": "ssekey", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "sse"}}});
    let param = serde_json::from_value(from_secret).expect("a parameter");
    object.spec.storage_params.push(param);
    object
}

impl World {
    /// Waits until this Secret is not allowed to go to the portal.
    async fn not_allowed(&self, secret: &str) -> DocSpaceBackupSchedule {
        let about = format!("Secret {secret} ");
        self.wait("nightly", |object| {
            ready_reason_is(object, "OriginNotAllowed") && message(object, "Ready").starts_with(&about)
        })
        .await
    }

    /// Runs the command of a refusal as it is written.
    fn run_command_of(&self, object: &DocSpaceBackupSchedule) {
        let told = message(object, "Ready");
        let (_, command) = told.split_once("run: kubectl ").expect(told);
        let (words, quoted) = command.split_once("='").expect(command);
        let list = quoted.strip_suffix('\'').expect(command);
        assert!(!list.contains('\''), "{command}");
        let mut arguments: Vec<_> = words.split(' ').map(ToOwned::to_owned).collect();
        let annotation = arguments.last_mut().expect("the annotation");
        annotation.push_str(&format!("={list}"));
        control_plane().kubectl_ok(&arguments, "");
    }

    async fn origins_of(&self, secret: &str) -> Option<String> {
        let secret = self.namespace.secrets(&self.client).get(secret).await;
        let annotations = secret.expect("it is there").metadata.annotations;
        annotations?.remove(PORTAL_ORIGIN)
    }
}

#[tokio::test]
async fn the_manifest_requires_the_annotation_and_a_refusal_says_the_command() {
    let world = world_of_the_manifest().await;
    world.create(&with_three_secrets(&world).await).await;
    for secret in [API_KEY, "portal-ca", "s3"] {
        let object = world.not_allowed(secret).await;
        assert!(condition(&object, "Stalled").is_some() && world.calls() == 0);
        world.run_command_of(&object);
        let written = format!("{} {HOST}", world.server.url());
        assert_eq!(world.origins_of(secret).await, Some(written));
    }
    world.ready("nightly").await;
}

#[tokio::test]
async fn what_the_annotation_lists_already_stays_except_what_allows_nothing() {
    let world = World::new().await;
    let portal = world.server.url();
    let list = format!("https://elsewhere.example.com a.example.com, {portal}/portal, {portal} {HOST},");
    world.annotate_secret(PORTAL_ORIGIN, &list).await;
    world.create(&world.nightly()).await;
    let object = world.not_allowed(API_KEY).await;
    let told = message(&object, "Ready");
    assert!(told.contains("entry 2 of it allows nothing"), "{told}");
    assert_eq!(world.calls(), 0);
    world.run_command_of(&object);
    let written = format!("https://elsewhere.example.com a.example.com, {portal} {HOST}, {portal}");
    assert_eq!(world.origins_of(API_KEY).await, Some(written));
    world.ready("nightly").await;
}

#[tokio::test]
async fn a_secret_goes_only_where_it_was_meant_to_go() {
    let world = World::new().await;
    world
        .annotate_secret(PORTAL_ORIGIN, "https://elsewhere.example.com")
        .await;
    world.create(&world.nightly()).await;
    world.stalled("nightly", "OriginNotAllowed").await;
    assert_eq!(world.calls(), 0);
    let list = format!("https://elsewhere.example.com, {}", world.server.url());
    world.annotate_secret(PORTAL_ORIGIN, &list).await;
    world.ready("nightly").await;
    // Another Host is another portal of the same server.
    world
        .patch("nightly", json!({"spec": {"portal": {"hostHeader": HOST}}}))
        .await;
    world.stalled("nightly", "OriginNotAllowed").await;
    let list = format!("{} {HOST}", world.server.url());
    world.annotate_secret(PORTAL_ORIGIN, &list).await;
    world.ready("nightly").await;
}

/// An object that sets a Host, and an operator that allows this, given the portal's URL.
async fn with_host_and_allowed(allowed: impl Fn(&str) -> String) -> World {
    let mut world = Setup::default().idle().await;
    let allowed = allowed(&world.server.url());
    world.operator.start(&["--allowed-origin", &allowed]).await;
    let mut object = world.nightly();
    object.spec.portal.host_header = Some(HOST.into());
    world.create(&object).await;
    world
}

#[tokio::test]
async fn an_origin_that_the_operator_allows_allows_no_host() {
    let elsewhere = "https://docs.example.com";
    for allowed in [elsewhere, "URL", "URL other.example.com"] {
        let world = with_host_and_allowed(|url| allowed.replace("URL", url)).await;
        let object = world.stalled("nightly", "OriginNotAllowed").await;
        let told = message(&object, "Ready");
        let wanted = format!("does not list {} {HOST};", world.server.url());
        assert!(told.contains(&wanted) && world.calls() == 0, "{told}");
    }
    let world = with_host_and_allowed(|url| format!("{elsewhere}, {url} {HOST}")).await;
    world.ready("nightly").await;
}

#[tokio::test]
async fn some_types_of_secrets_are_never_sent() {
    let world = World::new().await;
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    let calls = world.calls();
    let key = world.key.as_str();
    // Kubernetes requires these keys.
    let types = [
        ("kubernetes.io/service-account-token", "token"),
        ("bootstrap.kubernetes.io/token", "token-id"),
        ("helm.sh/release.v1", "release"),
        ("kubernetes.io/dockerconfigjson", ".dockerconfigjson"),
        ("kubernetes.io/ssh-auth", "ssh-privatekey"),
        ("kubernetes.io/tls", "tls.key"),
    ];
    for (number, (kind, own)) in types.into_iter().enumerate() {
        let name = format!("typed-{number}");
        let values = [("apiKey", key), (own, "{}"), ("tls.crt", "x"), ("ca.crt", "x")];
        let mut secret = harness::secret(&name, &values);
        secret.type_ = Some(kind.into());
        let account = [("kubernetes.io/service-account.name".into(), ACCOUNT.into())];
        secret.metadata.annotations = Some(account.into());
        let secrets = world.namespace.secrets(&world.client);
        let created = secrets.create(&PostParams::default(), &secret).await;
        created.unwrap_or_else(|error| panic!("{kind}: {error}"));

        let param = json!({"key": "ssekey", "valueFrom": {"secretKeyRef": {"name": name, "key": "apiKey"}}});
        let module = json!({"key": "module", "value": "s3"});
        let key_from = |name: &str| json!({"name": name, "key": "apiKey"});
        let mut uses = vec![
            json!({"portal": {"apiKeySecretRef": key_from(&name), "caSecretRef": null}}),
            json!({"portal": {"apiKeySecretRef": key_from(API_KEY)}, "storageParams": [module, param]}),
        ];
        let only_module = json!([module]);
        let as_ca = json!({"portal": {"caSecretRef": {"name": name}}, "storageParams": only_module});
        let may_be_ca = kind == "kubernetes.io/tls";
        if !may_be_ca {
            uses.push(as_ca.clone());
        }
        for used in uses {
            world.patch("nightly", json!({"spec": used})).await;
            let object = world.stalled("nightly", "SecretInvalid").await;
            let told = message(&object, "Ready");
            assert!(
                told.contains(&format!("Secret {name} has the type {kind}")),
                "{used}: {told}"
            );
        }
        world.assert_calls(calls);
        if may_be_ca {
            world.patch("nightly", json!({"spec": as_ca})).await;
            world.wait("nightly", is_ready).await;
        }
    }
}
