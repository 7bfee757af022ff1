//! Names as Kubernetes gives them to objects. A name that is none may lead to another URL than it seems: it ends at `#`.

/// The longest name of an object, in characters.
pub const LONGEST_SUBDOMAIN: usize = 253;
/// The longest name of a namespace, in characters.
const LONGEST_LABEL: usize = 63;

/// Whether this is the name of a namespace: at most 63 lower-case letters, digits and `-`; it starts and ends with a letter
/// or digit.
pub fn is_label(text: &str) -> bool {
    text.len() <= LONGEST_LABEL && is_part(text)
}

/// Whether this is the name of an object: labels of any length with `.` between them, at most 253 characters.
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= LONGEST_SUBDOMAIN && text.split('.').all(is_part)
}

fn is_part(text: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [text.bytes().next(), text.bytes().last()];
    ends.iter().all(|end| end.is_some_and(is_alphanumeric))
        && text.bytes().all(|byte| is_alphanumeric(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects_and_namespaces() {
        for name in ["nightly", "docs.example.com", "1", &"n".repeat(253)] {
            assert!(is_subdomain(name), "{name}");
        }
        for name in [
            "",
            "Nightly",
            "-a",
            "a-",
            "a..b",
            ".a",
            "a_b",
            "a/b",
            "a#",
            "a?b",
            "..",
            "ä",
            &"n".repeat(254),
        ] {
            assert!(!is_subdomain(name) && !is_label(name), "{name}");
        }
        assert!(is_label(&"n".repeat(63)));
        assert!(!is_label("a.b") && !is_label(&"n".repeat(64)));
    }
}
