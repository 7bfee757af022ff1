use super::*;

fn reference(used: Use) -> Reference<'static> {
    Reference {
        name: "s",
        key: "k",
        used,
    }
}

/// What is read of this value, or the message.
fn read(used: Use, value: &[u8]) -> Result<String, String> {
    let base64 = serde_json::to_value(ByteString(value.to_vec())).expect("JSON");
    let text = reference(used).text(base64.as_str().expect("a text"), |text| Ok(text.to_owned()));
    text.map_err(|verdict| verdict.message)
}

fn refused(used: Use, value: &[u8], why: &str) {
    let message = format!("Key k of Secret s {why}; write the Secret again");
    assert_eq!(read(used, value), Err(message));
}

#[test]
fn a_value_loses_its_line_end_and_nothing_else() {
    assert_eq!(read(Use::Param, b"sk-1\r\n"), Ok("sk-1".into()));
    assert_eq!(read(Use::Param, b" a b "), Ok(" a b ".into()));
    assert_eq!(read(Use::Key, b" sk-1 \n"), Ok("sk-1".into()));
    refused(Use::Param, b"\n", "is empty");
    refused(Use::Ca, b"", "is empty");
    refused(Use::Param, b"\xff", "is not UTF-8 text");
    refused(Use::Key, b"sk\x07a", "contains control characters");
}

#[test]
fn a_value_has_its_longest() {
    for (used, longest, why) in [
        (Use::Param, 1024, "has more than 1024 characters"),
        (Use::Key, 4 * 1024, "has more than 4 KiB"),
        (Use::Ca, 256 * 1024, "has more than 256 KiB"),
    ] {
        let fits = "x".repeat(longest);
        assert_eq!(read(used, format!("{fits}\r\n").as_bytes()), Ok(fits.clone()));
        refused(used, format!("{fits}x").as_bytes(), why);
        refused(used, &vec![0xff; 1024 * 1024], why);
    }
    assert_eq!(
        read(Use::Param, "ä".repeat(1024).as_bytes()),
        Ok("ä".repeat(1024))
    );
    refused(
        Use::Param,
        "ä".repeat(1025).as_bytes(),
        "has more than 1024 characters",
    );
    refused(
        Use::Param,
        "😀".repeat(1025).as_bytes(),
        "has more than 1024 characters",
    );
}

/// Nothing is decoded of a value that is too long: this one is no base64.
#[test]
fn a_value_that_is_too_long_is_refused_before_it_is_copied() {
    let long = "!".repeat(1024 * 1024);
    let refused = reference(Use::Param)
        .text(&long, |_| Ok(()))
        .expect_err("too long");
    assert!(refused.message.contains("1024 characters"), "{}", refused.message);
    let short = reference(Use::Param)
        .text("!", |_| Ok(()))
        .expect_err("no base64");
    assert!(short.message.contains("base64"), "{}", short.message);
}
