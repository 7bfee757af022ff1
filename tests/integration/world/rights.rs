//! The chart's RBAC from `deploy/install.yaml`, applied to the namespaces of a test.

use std::{fs, sync::LazyLock};

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        core::v1::ServiceAccount,
        rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    },
};
use kube::{Api, Client, Resource, api::PostParams};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// The operator's ServiceAccount.
pub const ACCOUNT: &str = "docspace-backup-operator";

/// The namespaces where the operator may manage objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched<'a> {
    /// In these namespaces: a Role in each.
    These(&'a [&'a str]),
    /// Everywhere: a ClusterRole.
    All,
}

/// The operator's Roles: one for its Lease, one for the watched namespace.
pub fn roles() -> impl Iterator<Item = &'static Value> {
    of_kind("Role")
}

fn of_kind(kind: &str) -> impl Iterator<Item = &'static Value> {
    static MANIFEST: LazyLock<Vec<Value>> = LazyLock::new(|| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/install.yaml");
        let manifest = fs::read_to_string(path).expect("a manifest");
        serde_saphyr::from_multiple(&manifest).expect("it is YAML")
    });
    MANIFEST.iter().filter(move |document| document["kind"] == kind)
}

/// Creates the account and the rights of an operator in this namespace.
pub async fn grant(client: &Client, home: &str, watched: Watched<'_>) {
    for account in of_kind("ServiceAccount") {
        create_in::<ServiceAccount>(client, home, account).await;
    }
    let is_lease = |document: &Value| document["metadata"]["name"] == format!("{ACCOUNT}-lease");
    let bindings = || of_kind("RoleBinding").map(|binding| bound_to(home, binding));
    for role in roles().filter(|role| is_lease(role)) {
        create_in::<Role>(client, home, role).await;
    }
    for binding in bindings().filter(is_lease) {
        create_in::<RoleBinding>(client, home, &binding).await;
    }
    let Watched::These(namespaces) = watched else {
        return grant_everywhere(client, home).await;
    };
    for namespace in namespaces {
        may_watch(client, home, namespace).await;
    }
}

/// Gives an existing operator account the rights in another namespace.
pub async fn may_watch(client: &Client, home: &str, namespace: &str) {
    for role in roles().filter(|role| role["metadata"]["name"] == ACCOUNT) {
        create_in::<Role>(client, namespace, role).await;
    }
    for binding in of_kind("RoleBinding").filter(|binding| binding["metadata"]["name"] == ACCOUNT) {
        create_in::<RoleBinding>(client, namespace, &bound_to(home, binding)).await;
    }
}

/// The same rights that the chart creates for `clusterWide`.
async fn grant_everywhere(client: &Client, home: &str) {
    let name = format!("{ACCOUNT}.{home}");
    let role = roles().find(|role| role["metadata"]["name"] == ACCOUNT);
    let role = json!({"metadata": {"name": name}, "rules": role.expect("a Role")["rules"]});
    create(&Api::<ClusterRole>::all(client.clone()), role).await;
    let binding = json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": home}],
    });
    create(&Api::<ClusterRoleBinding>::all(client.clone()), binding).await;
}

fn bound_to(home: &str, binding: &Value) -> Value {
    let mut binding = binding.clone();
    for subject in binding["subjects"].as_array_mut().into_iter().flatten() {
        subject["namespace"] = json!(home);
    }
    binding
}

async fn create_in<K>(client: &Client, namespace: &str, document: &Value)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let mut document = document.clone();
    document["metadata"]["namespace"] = json!(namespace);
    create(&Api::<K>::namespaced(client.clone(), namespace), document).await;
}

async fn create<K>(api: &Api<K>, document: Value)
where
    K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let object = serde_json::from_value(document).expect("a document of its kind");
    api.create(&PostParams::default(), &object)
        .await
        .expect("the rights are created");
}
