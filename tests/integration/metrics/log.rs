//! The log of what is decided.

use crate::world::World;

#[tokio::test]
async fn the_log_says_what_was_decided_and_holds_no_secret() {
    let world = World::with_arguments(&["--log-format", "json"]).await;
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    world.delete("nightly").await;
    world.gone("nightly").await;
    // That the object is gone is seen a little before it is logged.
    world
        .scraped(|scrape| {
            let released = [("result", "Released")];
            scrape.value("docspace_backup_reconciles_total", &released) == Some(1.0)
        })
        .await;
    let log = world.operator.log();
    assert!(!log.contains(&world.key));
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let of_it: Vec<_> = lines
        .filter(|fields| fields["name"] == "nightly" && fields["namespace"] == world.namespace.name())
        .collect();
    let [decided, released] = &of_it[..] else {
        panic!("{log}")
    };
    // All fields are at the top.
    for line in &of_it {
        assert!(line["message"].is_string() && line["level"].is_string() && line["timestamp"].is_string());
        assert!(
            line.as_object()
                .is_some_and(|line| line.values().all(|value| !value.is_object()))
        );
    }
    assert_eq!(decided["reason"], "InSync");
    assert_eq!(decided["operation"], "CreateSchedule");
    assert_eq!(decided["status_code"], 200);
    assert_eq!(decided["fresh"], "NotDueYet");
    assert!(decided["next_look_seconds"].as_u64().is_some_and(|left| left > 0));
    assert_eq!(released["operation"], "DeleteSchedule");
}
