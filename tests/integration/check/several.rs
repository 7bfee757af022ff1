//! Several objects at once, and objects that are being deleted.

use docspace_backup_operator::api::{DeletionPolicy, DocSpaceBackupSchedule};
use harness::{Namespace, control_plane};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{check, run};
use crate::world::{Setup, World, is_ready, ready_reason_is};

fn yaml(objects: &[&DocSpaceBackupSchedule]) -> String {
    let documents: Vec<_> = objects
        .iter()
        .map(|object| serde_saphyr::to_string(object).expect("YAML"))
        .collect();
    documents.join("---\n")
}

fn plans(reports: &[Value]) -> Vec<&str> {
    reports
        .iter()
        .map(|report| report["plan"].as_str().expect("a plan"))
        .collect()
}

/// One of them may write. Which one the operator lets write depends on their UIDs.
#[tokio::test]
async fn objects_of_one_file_see_each_other() {
    let mut world = Setup::default().idle().await;
    let namespace = world.namespace.name().to_owned();
    let mut second = world.nightly_at(22);
    second.metadata.name = Some("second".into());
    let manifests = yaml(&[&world.nightly(), &second]);
    let arguments = ["-f", "-", "-n", &namespace, "-o", "json"];
    let said = check(&arguments, &manifests).await;
    let reports = said.reports();
    let mut told = plans(&reports);
    told.sort_unstable();
    assert_eq!(
        (said.code, told),
        (Some(2), vec!["Create", "Refuse"]),
        "{}",
        said.text
    );

    control_plane().kubectl_ok(&["apply", "-n", &namespace, "-f", "-"], &manifests);
    world.operator.start(&[]).await;
    let handled = |object: &DocSpaceBackupSchedule| is_ready(object) || ready_reason_is(object, "Conflict");
    let [first, second] = [
        world.wait("nightly", handled).await,
        world.wait("second", handled).await,
    ];
    assert_ne!(is_ready(&first), is_ready(&second));
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn what_fails_does_not_hide_the_others() {
    let world = World::with_ready_nightly().await;
    let namespace = world.namespace.name().to_owned();
    let mut wrong = world.named("wrong");
    wrong.spec.backups_stored = 31;
    let manifests = yaml(&[&wrong, &world.nightly()]);
    let no_object = "apiVersion: docspace.onlyoffice.com/v1alpha1\nkind: DocSpaceBackupSchedule\nspec: 7\n";
    let said = check(
        &["-f", "-", "-n", &namespace, "-o", "json"],
        &format!("{manifests}---\n{no_object}"),
    )
    .await;
    assert_eq!(said.code, Some(2));
    assert_eq!(plans(&said.reports()), ["Nothing"]);
    for told in ["Kubernetes refuses", "document 3", "/wrong"] {
        assert!(said.errors.contains(told), "{}", said.errors);
    }

    let said = check(&["missing", "nightly", "-n", &namespace], "").await;
    assert_eq!(said.code, Some(2));
    assert!(said.text.contains("plan        nothing"), "{}", said.text);
    assert!(said.errors.contains("/missing"), "{}", said.errors);

    // As `kubectl get -o yaml` prints it.
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [world.get("nightly").await]});
    let said = check(&["-f", "-"], &list.to_string()).await;
    assert_eq!(said.code, Some(0), "{}{}", said.text, said.errors);
}

#[tokio::test]
async fn a_kubeconfig_that_is_broken_is_told() {
    let world = Setup::default().idle().await;
    let file = control_plane()
        .folder()
        .join(format!("{}.broken", world.namespace));
    let (manifest, key) = (yaml(&[&world.nightly()]), world.key_file());
    for (text, told) in [
        (
            "users:\n- name: me\n  user:\n    token: a-secret\n   x: {\n",
            "line 5",
        ),
        (
            "apiVersion: v1\nkind: Config\ncurrent-context: elsewhere\n",
            "context",
        ),
    ] {
        std::fs::write(&file, text).expect("the folder is ours");
        let file = file.display().to_string();
        let said = run(Some(&file), &["-f", "-", "--api-key-file", &key], &manifest).await;
        assert_eq!(said.code, Some(2));
        assert!(
            said.text.is_empty() && said.errors.contains(told) && !said.errors.contains("a-secret"),
            "{text}: {}",
            said.errors
        );
    }
    let said = run(
        Some("/does/not/exist"),
        &["-f", "-", "--api-key-file", &key],
        &manifest,
    )
    .await;
    assert!(
        said.code == Some(2) && said.errors.contains("/does/not/exist"),
        "{}",
        said.errors
    );
}

/// The Secret may forbid what the key in the file can do.
#[tokio::test]
async fn a_key_of_a_file_says_nothing_about_the_secret() {
    let world = Setup::default().idle().await;
    let other = Namespace::create(&world.client).await;
    let key = world.key_file();
    let said = check(
        &["-f", "-", "-n", other.name(), "--api-key-file", &key],
        &yaml(&[&world.nightly()]),
    )
    .await;
    assert_eq!(said.code, Some(1), "{}{}", said.text, said.errors);
    assert!(
        said.text.contains("note        The key is from a file"),
        "{}",
        said.text
    );
}

#[tokio::test]
async fn a_deletion_tells_what_it_leaves() {
    for (policy, plan, code, refused) in [
        (DeletionPolicy::Delete, "Delete", 1, None),
        (DeletionPolicy::Orphan, "Release", 0, None),
        (DeletionPolicy::Delete, "Refuse", 2, Some("Unauthorized")),
    ] {
        let mut world = Setup::default().idle().await;
        let mut object = world.nightly();
        object.spec.deletion_policy = policy;
        world.operator.start(&[]).await;
        world.create(&object).await;
        world.ready("nightly").await;
        world.operator.stop().await;
        world.delete("nightly").await;
        if refused.is_some() {
            world.portal.revoke_key(&world.key);
        }
        let namespace = world.namespace.name().to_owned();
        let said = check(&["nightly", "-n", &namespace, "-o", "json"], "").await;
        let report = said.report();
        assert_eq!(report["plan"], plan, "{report:#}");
        assert_eq!(said.code, Some(code), "{report:#}");
        match refused {
            None => assert!(report["status"].is_null(), "no object, no status: {report:#}"),
            Some(reason) => assert!(report["status"].to_string().contains(reason), "{report:#}"),
        }
        assert_eq!((world.posts(), world.deletes()), (1, 0));
        assert_eq!(world.get("nightly").await.name_any(), "nightly");
    }
}
