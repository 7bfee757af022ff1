//! The contract: every recorded story, played against the simulated portal, goes as it was recorded.
//! `RECORDINGS=<folder>` plays other stories of the same form.

use stories::{Story, recordings};

#[tokio::test]
async fn recordings_of_stories_go_the_same_on_the_simulated_portal() {
    let (mut stories, mut steps, mut requests) = (0, 0, 0);
    let mut failures = Vec::new();
    for story in Story::all(&recordings()) {
        stories += 1;
        let mut play = story.begin().await;
        loop {
            match play.next_step().await {
                Ok(None) => break,
                Ok(Some(step)) => {
                    steps += 1;
                    requests += step.requests;
                    let of =
                        |difference| format!("{} {}. {}: {difference}", play.name(), step.number, step.text);
                    failures.extend(step.differences.into_iter().map(of));
                }
                Err(error) => {
                    failures.push(format!("{}: {error}", play.name()));
                    break;
                }
            }
        }
    }
    println!("{stories} stories, {steps} steps, {requests} requests");
    assert!(steps > 0, "no stories in {}", recordings().display());
    assert!(
        failures.is_empty(),
        "{} differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
