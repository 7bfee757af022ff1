//! Whether a Secret may be sent to a portal: by its type and its annotation.

use crate::{
    api::PORTAL_ORIGIN,
    controller::settings::OriginPolicy,
    portal::{Address, AllowedOrigin, InvalidOrigin},
    rules::reason::{Reason, Verdict},
};

/// Secrets of these types serve Kubernetes, its nodes or Helm; never a portal.
const NEVER_SENT: [&str; 6] = [
    "kubernetes.io/service-account-token",
    "bootstrap.kubernetes.io/token",
    "helm.sh/release.v1",
    "kubernetes.io/dockercfg",
    "kubernetes.io/dockerconfigjson",
    "kubernetes.io/ssh-auth",
];
/// A certificate with its private key. Certificates are not sent, so it may serve as CA.
const OF_TLS: &str = "kubernetes.io/tls";

/// The longest annotation that is read, in bytes: about 500 origins.
const LONGEST_LIST: usize = 16 * 1024;
/// The longest list that a message repeats, in bytes.
const LONGEST_SHOWN: usize = 512;

/// Refuses Secrets of a type that is never sent.
///
/// # Errors
/// The type, and what to do.
pub fn check_type(name: &str, kind: &str, only_ca: bool) -> Result<(), Verdict> {
    if !NEVER_SENT.contains(&kind) && (kind != OF_TLS || only_ca) {
        return Ok(());
    }
    Err(Verdict::new(
        Reason::SecretInvalid,
        format!(
            "Secret {name} has the type {kind}, which is never sent to a portal; put the value into a Secret of its own, \
             of the type Opaque"
        ),
    ))
}

/// Refuses Secrets that are not meant for the address, given their annotation.
///
/// # Errors
/// What the annotation lacks, and the command that adds it.
pub fn check_origin(
    [namespace, name]: [&str; 2],
    list: Option<&str>,
    address: &Address,
    policy: &OriginPolicy,
) -> Result<(), Verdict> {
    let wanted = AllowedOrigin::of(address);
    let refuse = |why: &str, others: &[AllowedOrigin]| {
        let allow = command([namespace, name], list.is_some(), others, &wanted);
        Err(Verdict::new(
            Reason::OriginNotAllowed,
            format!("Secret {name} {why}; if it is meant for {wanted}, {allow}"),
        ))
    };
    let Some(list) = list else {
        return match policy.require_annotation {
            true => refuse(
                "does not say where it may be sent, which this operator requires",
                &[],
            ),
            false => Ok(()),
        };
    };
    if list.len() > LONGEST_LIST {
        let why =
            format!("has an annotation {PORTAL_ORIGIN} of more than {LONGEST_LIST} bytes, which is not read");
        return refuse(&why, &[]);
    }
    let mut others = Vec::new();
    let mut unread: Option<(usize, InvalidOrigin)> = None;
    for (number, entry) in (1..).zip(list.split(',')) {
        match entry.parse::<AllowedOrigin>() {
            Ok(origin) if origin == wanted => return Ok(()),
            Ok(origin) => others.push(origin),
            // What ends in a comma has no entry behind it.
            Err(_) if entry.trim_ascii().is_empty() => {}
            Err(error) => {
                unread.get_or_insert((number, error));
            }
        }
    }
    let mut why = format!("is not meant for this portal: its annotation {PORTAL_ORIGIN} does not list it");
    // Whoever reads the message may not be allowed to read the Secret, so it tells the number only.
    if let Some((number, error)) = unread {
        why = format!("{why}, and entry {number} of it allows nothing ({error})");
    }
    refuse(&why, &others)
}

/// How to allow the origin. The other entries are repeated: they are origins in the same namespace, and say no secret.
fn command(
    [namespace, name]: [&str; 2],
    is_annotated: bool,
    others: &[AllowedOrigin],
    wanted: &AllowedOrigin,
) -> String {
    let all: Vec<_> = others.iter().chain([wanted]).map(ToString::to_string).collect();
    let list = all.join(", ");
    if list.len() > LONGEST_SHOWN {
        return format!("add that to its annotation {PORTAL_ORIGIN}; entries are separated by commas");
    }
    let overwrite = if is_annotated { " --overwrite" } else { "" };
    format!("run: kubectl annotate secret {name} -n {namespace}{overwrite} {PORTAL_ORIGIN}='{list}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [&str; 2] = ["docspace", "key"];

    /// The message of the refusal to send it to https://docs.example.com.
    fn refused(list: Option<&str>) -> Option<String> {
        let address = Address::parse("https://docs.example.com/sub", None).expect("an address");
        let policy = OriginPolicy {
            require_annotation: true,
            ..OriginPolicy::default()
        };
        let verdict = check_origin(SECRET, list, &address, &policy).err()?;
        assert_eq!(verdict.reason, Reason::OriginNotAllowed);
        assert!(!verdict.message.contains('\n'), "{}", verdict.message);
        Some(verdict.message)
    }

    #[test]
    fn one_entry_suffices() {
        for list in [
            "https://docs.example.com",
            "https://docs.example.com/",
            " https://a.example.com,\nHTTPS://docs.example.com:443 ,",
            "https://docs.example.com/sub, no origin, https://docs.example.com",
        ] {
            assert_eq!(refused(Some(list)), None, "{list}");
        }
    }

    #[test]
    fn an_entry_that_cannot_be_read_allows_nothing_and_is_named_by_its_number() {
        for (list, words) in [
            (
                "https://docs.example.com/sub",
                "entry 1 of it allows nothing (an origin has no path",
            ),
            (
                "https://a.example.com, https://u:s3cret@docs.example.com",
                "entry 2 of it allows nothing",
            ),
            (
                "https://docs.example.com a b",
                "entry 1 of it allows nothing (it has more than two words",
            ),
            (",https://docs.example.com?", "entry 2 of it allows nothing"),
        ] {
            let told = refused(Some(list)).expect(list);
            assert!(told.contains(words), "{told}");
            assert!(!told.contains("s3cret"), "{told}");
        }
    }

    #[test]
    fn a_refusal_says_the_command() {
        assert_eq!(
            refused(None).expect("refused"),
            "Secret key does not say where it may be sent, which this operator requires; if it is meant for \
             https://docs.example.com, run: kubectl annotate secret key -n docspace \
             docspace.onlyoffice.com/portal-origin='https://docs.example.com'"
        );
        let told = refused(Some("http://router:80/ a.example.com,, https://b/x")).expect("refused");
        assert!(
            told.ends_with(
                "run: kubectl annotate secret key -n docspace --overwrite \
                 docspace.onlyoffice.com/portal-origin='http://router a.example.com, https://docs.example.com'"
            ),
            "{told}"
        );
        let many = (0..100)
            .map(|n| format!("https://{n}.example.com"))
            .collect::<Vec<_>>()
            .join(",");
        let told = refused(Some(&many)).expect("refused");
        assert!(
            told.ends_with("entries are separated by commas") && told.len() < 1024,
            "{told}"
        );
    }

    #[test]
    fn a_list_of_any_length_is_refused_quickly() {
        let told = refused(Some(&"https://docs.example.com,".repeat(10_000))).expect("refused");
        assert!(
            told.contains("16384 bytes") && told.contains("--overwrite"),
            "{told}"
        );
    }

    #[test]
    fn without_the_requirement_a_secret_without_annotation_may_go_anywhere() {
        let address = Address::parse("https://docs.example.com", None).expect("an address");
        let check = |list| check_origin(SECRET, list, &address, &OriginPolicy::default());
        assert!(check(None).is_ok());
        assert!(check(Some("")).is_err() && check(Some("https://a")).is_err());
    }

    #[test]
    fn some_types_are_never_sent() {
        for kind in NEVER_SENT {
            assert!(
                check_type("key", kind, false).is_err() && check_type("key", kind, true).is_err(),
                "{kind}"
            );
        }
        let refused = check_type("key", OF_TLS, false).expect_err("a private key");
        assert_eq!(refused.reason, Reason::SecretInvalid);
        assert!(check_type("key", OF_TLS, true).is_ok());
        for kind in ["", "Opaque", "kubernetes.io/basic-auth", "example.com/own"] {
            assert!(check_type("key", kind, false).is_ok(), "{kind}");
        }
    }
}
