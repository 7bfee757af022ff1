//! Texts of a portal, which may echo the key.

use std::time::Duration;

use docspace_backup_operator::{
    portal::{Redactor, Secrets},
    secret::SharedSecret,
    text::{MAX_BYTES, MAX_CHARS},
};

use crate::{
    budget::{Budget, alone},
    mutate::fuzz,
};

const BUDGET: Budget = Budget {
    bytes: 1024 * 1024,
    time: Duration::from_millis(10),
};
/// The separator of the key and the text.
const BETWEEN: char = '|';

#[test]
fn a_text_is_one_short_line_without_the_key() {
    let _alone = alone();
    let key = "sk-0123456789abcdef0123456789abcdef";
    let valid = [
        format!("{key}|The storage refused {key}, in\r\nline 7"),
        format!("{key}|{}{key}", "x ".repeat(2048)),
        format!("{key}|sk-0123456789\u{200b}abcdef0123456789\u{202e}abcdef \u{e0041}"),
        "a b|Access\ta \n b denied".to_owned(),
    ];
    fuzz("texts", &valid, |input| {
        let input = String::from_utf8_lossy(input);
        let (key, text) = input.split_once(BETWEEN).unwrap_or(("", &input));
        let secrets = Secrets::of_key(&SharedSecret::from(key));
        let mut told = Vec::new();
        BUDGET.check(|| {
            let redactor = Redactor::of(&secrets);
            told = vec![redactor.clean(text), redactor.name(text), redactor.id(text)];
        });
        for told in told {
            assert!(
                told.len() <= MAX_BYTES && told.chars().count() <= MAX_CHARS,
                "{} bytes",
                told.len()
            );
            assert!(
                !told
                    .chars()
                    .any(|c| c.is_control() || ('\u{e0000}'..='\u{e007f}').contains(&c))
            );
            // Shorter ones may be a part of the mark, or of an id by chance.
            let is_found = told.to_ascii_lowercase().contains(&key.to_ascii_lowercase());
            assert!(key.len() < 16 || !is_found, "{told}");
        }
    });
}
