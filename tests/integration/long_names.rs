//! Objects with the longest names that Kubernetes allows.

use crate::world::World;

/// A name of 253 characters with this one where the name of an Event cuts it.
fn longest(separator: &str) -> String {
    let name = format!("{}{separator}{}", "a".repeat(229), "b".repeat(23));
    assert_eq!(name.len(), 253);
    name
}

#[tokio::test]
async fn an_object_whose_name_is_cut_at_a_separator_has_events() {
    let world = World::of_one_process("a leader that ends may lose an Event").await;
    let (dash, dot) = (longest("-"), longest("."));
    world.create(&world.named(&dash)).await;
    world.ready(&dash).await;
    world.event("ScheduleCreated").await;

    let mut unreachable = world.named(&dot);
    unreachable.spec.portal.url = "http://127.0.0.1:9".into();
    world.create(&unreachable).await;
    world.told(&dot, "Unreachable").await;
    world.event("Unreachable").await;
    let names = world.all_events().await.into_iter().map(|event| {
        let regarding = event.regarding.and_then(|object| object.name);
        regarding.expect("an Event is about an object")
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, [dash, dot]);
}
