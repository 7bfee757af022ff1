//! Where Secrets may go: an entry of a Secret's annotation, or of `--allowed-origin`.

use std::{fmt, str::FromStr};

use crate::portal::{Address, InvalidAddress};

/// An origin that Secrets may be sent to, with the Host header that goes with it: `https://docs.example.com`, or
/// `http://router.docspace.svc:8092 docs.example.com`. Without a Host header, it allows none.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AllowedOrigin(Address);

/// Why a text is not an allowed origin. Never repeats the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    /// More follows than a Host header.
    #[error(
        "it has more than two words; write an origin and, after a blank, the Host header; a comma separates entries"
    )]
    Words,
    /// A path.
    #[error("an origin has no path; write https://host or https://host:port")]
    Path,
    /// The URL or the Host header is invalid.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
}

impl AllowedOrigin {
    /// The entry that allows this address.
    pub fn of(address: &Address) -> Self {
        Self(address.without_path())
    }
}

impl FromStr for AllowedOrigin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let mut words = text.split_ascii_whitespace();
        let (url, host) = (words.next().unwrap_or_default(), words.next());
        if words.next().is_some() {
            return Err(InvalidOrigin::Words);
        }
        let address = Address::parse(url, host)?;
        // Not of the parsed URL: there, `https://host/a/..` has no path.
        let after = url.split_once("://").map_or("", |(_, after)| after);
        if after.strip_suffix('/').unwrap_or(after).contains('/') {
            return Err(InvalidOrigin::Path);
        }
        Ok(Self(address))
    }
}

/// As it is written: consists of letters, digits and `.:/-_[]`, with a blank before the Host header.
impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin())?;
        match self.0.host_header() {
            Some(host) => write!(f, " {host}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(entry: &str, url: &str, host: Option<&str>) -> bool {
        let address = Address::parse(url, host).expect("an address");
        entry.parse() == Ok(AllowedOrigin::of(&address))
    }

    #[test]
    fn it_allows_its_origin_and_host_only() {
        let (router, docs) = ("http://router.docspace.svc:8092", "docs.example.com");
        assert!(allows(&format!(" {router}  {docs}\n"), router, Some(docs)));
        assert!(allows(
            "HTTP://Router.docspace.svc:8092/ DOCS.example.com",
            router,
            Some(docs)
        ));
        assert!(allows(
            "https://docs.example.com:443",
            "https://docs.example.com/sub",
            None
        ));
        assert!(allows(
            "https://docs.example.com docs.example.com",
            "https://docs.example.com",
            None
        ));
        for entry in [
            router.to_owned(),
            format!("http://router.docspace.svc {docs}"),
            format!("https://router.docspace.svc:8092 {docs}"),
            format!("{router} other.example.com"),
            format!("{router} {docs}:81"),
        ] {
            assert!(!allows(&entry, router, Some(docs)), "{entry}");
        }
        assert!(!allows(&format!("{router} {docs}"), router, None));
        assert!(!allows(
            "https://docs.example.com.evil.test",
            "https://docs.example.com",
            None
        ));
    }

    #[test]
    fn what_is_more_or_less_than_an_origin_and_a_host_is_none() {
        use InvalidAddress::{Characters, Fragment, HostHeader, Query, Scheme, User};
        use InvalidOrigin::{Address, Path, Words};
        for (text, error) in [
            ("", Address(Scheme)),
            ("docs.example.com", Address(Scheme)),
            ("https://docs.example.com/portal", Path),
            ("https://docs.example.com//", Path),
            ("https://docs.example.com/.", Path),
            ("https://docs.example.com/a/..", Path),
            ("https://docs.example.com/portal docs.example.com", Path),
            ("https://docs.example.com?", Address(Query)),
            ("https://docs.example.com#a", Address(Fragment)),
            ("https://user@docs.example.com", Address(User)),
            ("https://docs.example.com\u{a0}a", Address(Characters)),
            ("https://docs.example.com https://a", Address(HostHeader)),
            ("https://docs.example.com a/b", Address(HostHeader)),
            ("https://a b c", Words),
        ] {
            assert_eq!(text.parse::<AllowedOrigin>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn it_is_shown_as_it_is_written() {
        for text in [
            "https://docs.example.com",
            "http://router:8092 docs.example.com:81",
            "http://[fd12::1]:8092",
        ] {
            let origin: AllowedOrigin = text.parse().expect("an origin");
            assert_eq!(origin.to_string(), text);
        }
    }
}
