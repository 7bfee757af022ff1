//! Entries of the annotation that says where a Secret may go, and of `--allowed-origin`.

use std::time::Duration;

use docspace_backup_operator::portal::{Address, AllowedOrigin};

use crate::{
    budget::{Budget, alone},
    mutate::fuzz,
};

const BUDGET: Budget = Budget {
    bytes: 2 * 1024 * 1024,
    time: Duration::from_millis(10),
};

#[test]
fn an_entry_allows_what_it_says_and_nothing_else() {
    let _alone = alone();
    let valid = [
        "https://docs.example.com",
        " HTTPS://docs.example.com:443/ ,http://router.docspace.svc:8092  docs.example.com",
        "http://[fd12::1]:8092 docs.example.com:81,https://docs.example.com/portal",
        "https://user:secret@docs.example.com?a#b",
    ];
    let docs = AllowedOrigin::of(&Address::parse("https://docs.example.com", None).expect("an address"));
    fuzz("origins", &valid, |input| {
        let text = String::from_utf8_lossy(input);
        BUDGET.check(|| {
            for entry in text.split(',') {
                let Ok(allowed) = entry.parse::<AllowedOrigin>() else {
                    continue;
                };
                let shown = allowed.to_string();
                assert_eq!(shown.parse().as_ref(), Ok(&allowed), "{shown}");
                // A message repeats it within quotes, as an argument of a command.
                let is_plain = |c: char| c.is_ascii_alphanumeric() || ".:/-_[] ".contains(c);
                assert!(shown.chars().all(is_plain), "{shown:?}");
                if allowed == docs {
                    let said = entry.trim().to_ascii_lowercase();
                    assert!(said.starts_with("https:"), "{entry:?}");
                }
            }
        });
    });
}
