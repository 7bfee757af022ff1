//! A Kubernetes that takes no status from the operator.

use std::time::Duration;

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use harness::{DEADLINE, control_plane};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::world::{World, rights::ACCOUNT};

/// What the operator is told.
pub const REFUSED: &str = "no status today";

/// A policy that takes no status from the operator.
pub struct NoStatus<'a> {
    world: &'a World,
    manifest: String,
}

impl<'a> NoStatus<'a> {
    /// From now on, in the namespace of this world, which has `nightly`.
    pub async fn of(world: &'a World) -> Self {
        let namespace = world.namespace.name();
        let name = format!("no-status.{namespace}");
        let policy = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": ["docspace.onlyoffice.com"], "apiVersions": ["v1alpha1"],
                    "operations": ["UPDATE"], "resources": ["docspacebackupschedules/status"],
                }]},
                "validations": [{
                    "expression": format!("!request.userInfo.username.endsWith(':{ACCOUNT}')"),
                    "message": REFUSED,
                    "reason": "Forbidden",
                }],
            },
        });
        let own = json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace]});
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": {"matchExpressions": [own]}},
            },
        });
        let manifest = format!("---\n{policy}\n---\n{binding}\n");
        control_plane().kubectl_ok(&["apply", "-f", "-"], &manifest);
        let this = Self { world, manifest };
        this.takes_effect().await;
        this
    }

    /// The policy takes effect some time after it was applied.
    async fn takes_effect(&self) {
        let account = self.world.operator.kubeconfig();
        let client = control_plane().client_of(account).await;
        let api: Api<DocSpaceBackupSchedule> = self.world.namespace.schedules(&client);
        let dry = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({"status": {"difference": ["dry"]}}));
        let refused = async {
            while api.patch_status("nightly", &dry, &patch).await.is_ok() {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(DEADLINE, refused).await.expect("it takes effect");
    }

    /// The operator may write a status again.
    pub fn ends(self) {
        control_plane().kubectl_ok(&["delete", "--wait", "-f", "-"], &self.manifest);
    }
}
