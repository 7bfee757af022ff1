//! The resource, as the API server takes it.

use harness::{DEADLINE, Namespace, control_plane, nightly, wait_for};
use kube::{ResourceExt, api::PostParams};

#[tokio::test]
async fn nobody_takes_a_new_object_for_a_good_one() {
    let client = control_plane().client().await;
    let namespace = Namespace::create(&client).await;
    let schedules = namespace.schedules(&client);
    let created = schedules
        .create(
            &PostParams::default(),
            &nightly("https://yourportal.onlyoffice.com"),
        )
        .await
        .expect("the API server takes it");
    let stored = wait_for(&schedules, &created.name_any(), DEADLINE, |object| {
        object.status.is_some()
    })
    .await;
    let status = stored.status.unwrap_or_default();
    assert_eq!(status.observed_generation, Some(-1));
}
