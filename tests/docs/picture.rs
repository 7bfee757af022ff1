//! The picture of Ready and BackupFresh names what the code has: conditions, reasons, and which status goes with which.

use std::collections::BTreeMap;

use docspace_backup_operator::api;
use serde_json::Value;

use crate::{
    block_after, read,
    tables::{BACKUP_FRESH, PENDING, READY},
    variants,
};

const PAGE: &str = "docs/conditions.md";
const HEADING: &str = "## From apply to proof";
/// The way of a schedule that works, as the picture's lines have it from top to bottom.
const WAY: [&str; 6] = [
    "Pending",
    "NotDueYet",
    "Running",
    "Confirming",
    "InSync",
    "BackupFound",
];

/// The status of each reason of BackupFresh, from `const fn status`.
fn statuses() -> BTreeMap<String, String> {
    let (file, name) = BACKUP_FRESH;
    let source = read(file);
    let (_, body) = source.split_once("fn status(self)").expect("the function");
    let (body, _) = body.split_once("\n    }").expect("its end");
    let (mut statuses, mut waiting) = (BTreeMap::new(), Vec::new());
    for arm in body.split("Self::").skip(1) {
        let end = arm.find(|c: char| !c.is_alphanumeric()).unwrap_or(arm.len());
        waiting.push(arm[..end].to_owned());
        if let Some((_, status)) = arm.split_once("=> \"") {
            let (status, _) = status.split_once('"').expect("a literal");
            statuses.extend(waiting.drain(..).map(|reason| (reason, status.to_owned())));
        }
    }
    assert_eq!(statuses.len(), variants(file, name).len());
    statuses
}

/// Ready as the CRD gives it to a new object.
fn ready_of_a_new_object() -> (String, String) {
    let crd = serde_json::to_value(api::crd()).expect("JSON");
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let conditions = schema["properties"]["status"]["default"]["conditions"].as_array();
    let mut conditions = conditions.expect("a default").iter();
    let ready = conditions
        .find(|condition| condition["type"] == "Ready")
        .expect("Ready");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&ready["reason"]), text(&ready["status"]))
}

#[test]
fn it_has_the_codes_names_and_statuses() {
    let page = read(PAGE);
    let picture = block_after(&page, HEADING);
    let mut known = statuses();
    known.extend([ready_of_a_new_object(), ("InSync".into(), "True".into())]);
    let words: Vec<_> = picture.split_whitespace().collect();
    let mut seen = Vec::new();
    for pair in words.windows(2).filter(|pair| known.contains_key(pair[1])) {
        assert_eq!(pair[0], known[pair[1]], "{}", pair[1]);
        seen.push(pair[1]);
    }
    // What looks like a name is one.
    let (ready, fresh) = (
        variants(READY.0, READY.1),
        variants(BACKUP_FRESH.0, BACKUP_FRESH.1),
    );
    for word in &words {
        let capitals = word.chars().filter(char::is_ascii_uppercase).count();
        let looks_like_a_name = capitals >= 2 && word.chars().all(char::is_alphabetic);
        let is_one = ready.iter().chain(&fresh).any(|name| name == word);
        assert!(
            !looks_like_a_name || is_one || [PENDING, "BackupFresh"].contains(word),
            "{word} is no reason"
        );
    }
    let way: Vec<_> = seen.iter().filter(|name| WAY.contains(name)).collect();
    assert_eq!(way.first().map(|name| **name), Some("Pending"));
    let mut rest = way.into_iter().peekable();
    for name in WAY {
        while rest.next_if(|next| **next != name).is_some() {}
        assert!(rest.next().is_some(), "{name} is missing, or comes too early");
    }
}

/// The section says of every reason of BackupFresh where it belongs.
#[test]
fn no_reason_of_backup_fresh_is_left_out() {
    let page = read(PAGE);
    let (_, section) = page.split_once(HEADING).expect("the section");
    let (section, _) = section.split_once("\n## ").expect("the next one");
    for reason in variants(BACKUP_FRESH.0, BACKUP_FRESH.1) {
        assert!(section.contains(&reason), "{reason}");
    }
}
