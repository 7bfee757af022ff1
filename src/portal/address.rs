//! Where a portal is: URL and Host header, in one spelling each.

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use url::{Host, Url};

/// Where a portal is: its URL, and the Host header that selects it there (trap 14).
///
/// Addresses of the same place are equal: schemes and hosts are in lower case; the scheme's default port (in the Host
/// header, too), a trailing slash, and a Host header that only repeats the URL are removed. Clones share the texts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    url: Arc<Url>,
    host_header: Option<Arc<str>>,
}

/// What was read: the URL and the Host header.
type Texts = (String, Option<String>);

/// As many looks run at a time in a namespace, and each reads the same texts some fifty times.
const REMEMBERED: u64 = 128;

thread_local! {
    /// What was read lately, each in the place that its hash gives.
    static LATELY: RefCell<HashMap<u64, (Texts, Address)>> = RefCell::default();
}

/// Why a text is not the address of a portal. Never repeats the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// The scheme is missing or not http(s).
    #[error("the portal's URL must start with https:// or http://")]
    Scheme,
    /// The host is missing or invalid.
    #[error("the portal's URL has no valid host; write it as https://docs.example.com")]
    Host,
    /// The port is invalid.
    #[error("the portal's URL has no valid port; write one from 1 to 65535, or leave it out")]
    Port,
    /// An `@`, which means a user or password.
    #[error("the portal's URL must not contain a user or password (@); the API key belongs in a Secret")]
    User,
    /// A `?`.
    #[error("the portal's URL must not contain a query (?); write only the portal's address")]
    Query,
    /// A `#`.
    #[error("the portal's URL must not contain a fragment (#); write only the portal's address")]
    Fragment,
    /// Blanks, control characters or backslashes.
    #[error("the portal's URL must not contain blanks, control characters or backslashes")]
    Characters,
    /// The Host header is not a host name with an optional port.
    #[error(
        "the Host header must be a host name, with :port where needed, of letters, digits, dots and hyphens \
         (other scripts as xn--…)"
    )]
    HostHeader,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// The URL is not http(s) with a host, or contains more than an address; the Host header is not a host name.
    pub fn parse(url: &str, host_header: Option<&str>) -> Result<Self, InvalidAddress> {
        let mut hash = DefaultHasher::new();
        (url, host_header).hash(&mut hash);
        let place = hash.finish() % REMEMBERED;
        LATELY.with_borrow_mut(|lately| {
            let known = lately.get(&place);
            let is_this = |((its_url, its_header), _): &&(Texts, Self)| {
                its_url == url && its_header.as_deref() == host_header
            };
            if let Some((_, address)) = known.filter(is_this) {
                return Ok(address.clone());
            }
            let address = Self::read(url, host_header)?;
            let texts = (url.into(), host_header.map(Into::into));
            lately.insert(place, (texts, address.clone()));
            Ok(address)
        })
    }

    fn read(url: &str, host_header: Option<&str>) -> Result<Self, InvalidAddress> {
        let url = parse_url(url)?;
        let host_header = host_header
            .map(|host| parse_host_header(url.scheme(), host))
            .transpose()?;
        let host_header = host_header.filter(|host| host != url.authority());
        Ok(Self {
            url: url.into(),
            host_header: host_header.map(Into::into),
        })
    }

    /// `scheme://host[:port]` in lower case, without a default port.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The same place, without the path of its URL.
    pub(super) fn without_path(&self) -> Self {
        let mut address = self.clone();
        Arc::make_mut(&mut address.url).set_path("");
        address
    }

    /// The URL; its path never ends in a slash, except the root path.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The Host header, in lower case, without a default port; `None` if it is the URL's own host.
    pub fn host_header(&self) -> Option<&str> {
        self.host_header.as_deref()
    }

    /// The host name that DocSpace sees, without port: from the Host header, else from the URL.
    pub fn host_name(&self) -> String {
        let url = self.url.host_str().unwrap_or_default();
        let Some(header) = &self.host_header else {
            return url.into();
        };
        without_port(header).into()
    }

    /// The URL of an API call: the portal's URL with this path and these query pairs, encoded.
    pub(super) fn call(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = Url::clone(&self.url);
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/api/2.0/{path}"));
        // Without pairs, the URL must have no `?`.
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// The URL's host.
    pub(super) fn host(&self) -> Option<Host<&str>> {
        self.url.host()
    }
}

/// For messages: the origin, and the Host header if there is one.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.origin())?;
        match &self.host_header {
            Some(host) => write!(f, " (Host {host})"),
            None => Ok(()),
        }
    }
}

fn parse_url(text: &str) -> Result<Url, InvalidAddress> {
    // Url accepts or silently drops these; the CRD refuses them.
    for (character, error) in [
        ('@', InvalidAddress::User),
        ('?', InvalidAddress::Query),
        ('#', InvalidAddress::Fragment),
        ('\\', InvalidAddress::Characters),
    ] {
        if text.contains(character) {
            return Err(error);
        }
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(InvalidAddress::Characters);
    }
    let after = |scheme: &str| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            .then(|| &text[scheme.len()..])
    };
    let rest = after("https://")
        .or_else(|| after("http://"))
        .ok_or(InvalidAddress::Scheme)?;
    // Url would skip further slashes and take the next part for the host.
    if rest.starts_with('/') {
        return Err(InvalidAddress::Host);
    }
    let mut url = Url::parse(text).map_err(|error| match error {
        url::ParseError::InvalidPort => InvalidAddress::Port,
        _ => InvalidAddress::Host,
    })?;
    // Url takes quotes, commas and the like, which no name has; messages quote hosts in commands.
    if !url.host_str().is_some_and(|host| host.chars().all(is_of_a_host)) {
        return Err(InvalidAddress::Host);
    }
    if url.port() == Some(0) {
        return Err(InvalidAddress::Port);
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Whether the character may be in a host, with a port or in brackets.
fn is_of_a_host(c: char) -> bool {
    c.is_ascii_alphanumeric() || ".-_:[]".contains(c)
}

/// The Host header in lower case, with its port only if it is not the default of the scheme.
fn parse_host_header(scheme: &str, text: &str) -> Result<String, InvalidAddress> {
    if text.is_empty() || !text.chars().all(is_of_a_host) {
        return Err(InvalidAddress::HostHeader);
    }
    let as_url = Url::parse(&format!("{scheme}://{text}/")).map_err(|_| InvalidAddress::HostHeader)?;
    if as_url.host().is_none() || as_url.port() == Some(0) {
        return Err(InvalidAddress::HostHeader);
    }
    let name = without_port(text).to_ascii_lowercase();
    Ok(match as_url.port() {
        Some(port) => format!("{name}:{port}"),
        None => name,
    })
}

/// A host without the port behind it.
fn without_port(host: &str) -> &str {
    host.rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str, host: Option<&str>) -> Address {
        Address::parse(url, host).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn what_was_read_lately_is_the_answer_to_the_same_texts_only() {
        // More than are remembered, so that some share a place.
        for number in 0..2 * REMEMBERED {
            let url = format!("http://{number}.test");
            for host in [None, Some("b.test")] {
                for _ in 0..2 {
                    assert_eq!(parsed(&url, host), Address::read(&url, host).expect("an address"));
                }
                assert_eq!(
                    Address::parse("no address", host),
                    Err(InvalidAddress::Characters)
                );
            }
        }
        LATELY.with_borrow(|lately| assert!(lately.keys().all(|place| *place < REMEMBERED)));
    }

    #[test]
    fn one_place_has_one_spelling() {
        let portal = parsed("https://docs.example.com", None);
        for same in [
            "HTTPS://Docs.Example.COM/",
            "https://docs.example.com:443",
            "https://docs.example.com//",
        ] {
            assert_eq!(parsed(same, None), portal, "{same}");
        }
        assert_eq!(
            parsed("https://docs.example.com", Some("DOCS.example.com")),
            portal
        );
        assert_ne!(
            parsed("https://docs.example.com", Some("other.example.com")),
            portal
        );
        assert_ne!(parsed("http://docs.example.com", None), portal);
        assert_eq!(
            parsed("http://0x7f.1:8092", None).origin(),
            "http://127.0.0.1:8092"
        );
        assert_eq!(
            parsed("https://MÜNCHEN.example", None).origin(),
            "https://xn--mnchen-3ya.example"
        );
    }

    #[test]
    fn a_default_port_in_the_host_header_is_no_other_place() {
        for (url, host, header) in [
            ("https://docs.example.com", "docs.example.com:443", None),
            ("https://docs.example.com:443", "Docs.Example.com:0443", None),
            ("http://docs.example.com", "docs.example.com:80", None),
            ("https://docs.example.com:8443", "docs.example.com:08443", None),
            ("https://router", "docs.example.com:443", Some("docs.example.com")),
            ("https://router", "docs.example.com:", Some("docs.example.com")),
            (
                "http://router:8092",
                "docs.example.com:80",
                Some("docs.example.com"),
            ),
            ("http://router:8092", "[fd12::1]:80", Some("[fd12::1]")),
            ("http://router:8092", "[fd12::1]", Some("[fd12::1]")),
            // The default of another scheme selects another place.
            (
                "http://router",
                "docs.example.com:443",
                Some("docs.example.com:443"),
            ),
            (
                "https://router",
                "docs.example.com:80",
                Some("docs.example.com:80"),
            ),
            ("https://router:8443", "router", Some("router")),
        ] {
            assert_eq!(parsed(url, Some(host)).host_header(), header, "{url} {host}");
            assert_eq!(parsed(url, Some(host)), parsed(url, header), "{url} {host}");
        }
        let portal = parsed("https://router", Some("docs.example.com:8443"));
        assert_eq!(portal.host_name(), "docs.example.com");
    }

    #[test]
    fn it_is_shown_and_called_without_its_parts_mixed_up() {
        let portal = parsed("http://router.docspace.svc:8092/sub/", Some("Docs.Example.com"));
        assert_eq!(portal.host_header(), Some("docs.example.com"));
        assert_eq!(portal.origin(), "http://router.docspace.svc:8092");
        assert_eq!(
            portal.to_string(),
            "http://router.docspace.svc:8092 (Host docs.example.com)"
        );
        assert_eq!(
            portal
                .call("backup/getbackupschedule", &[("dump", "true")])
                .as_str(),
            "http://router.docspace.svc:8092/sub/api/2.0/backup/getbackupschedule?dump=true"
        );
        assert_eq!(
            parsed("https://x", None).call("settings", &[]).as_str(),
            "https://x/api/2.0/settings"
        );
    }

    #[test]
    fn what_is_asked_arrives_as_it_was_meant() {
        let pairs = [("from", "2026-11-21T04:00:01+01:00"), ("a&b", "1 = ä%2B#?")];
        let url = parsed("https://x/sub", None).call("filter", &pairs);
        assert_eq!(
            url.as_str(),
            "https://x/sub/api/2.0/filter?from=2026-11-21T04%3A00%3A01%2B01%3A00&a%26b=1+%3D+%C3%A4%252B%23%3F"
        );
        let arrived: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        assert_eq!(arrived, pairs.map(|(name, value)| (name.into(), value.into())));
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        use InvalidAddress::{Characters, Fragment, Host, HostHeader, Port, Query, Scheme, User};
        for (url, error) in [
            ("ftp://x", Scheme),
            ("x.example.com", Scheme),
            ("https:x", Scheme),
            ("", Scheme),
            ("https://", Host),
            ("https:///x", Host),
            ("https://[::1", Host),
            ("https://a..%zz", Host),
            ("https://a'b", Host),
            ("https://a,b", Host),
            ("https://$(a)", Host),
            ("https://x:99999", Port),
            ("https://x:0", Port),
            ("https://user:secret@x", User),
            ("https://x/?", Query),
            ("https://x/#a", Fragment),
            ("https:\\\\x", Characters),
            ("https://x /", Characters),
            ("https://x\n", Characters),
        ] {
            assert_eq!(Address::parse(url, None), Err(error), "{url}");
        }
        for host in [
            "",
            "a b",
            "a/b",
            "a\r\nX: y",
            "münchen.de",
            "a:99999",
            "a:0",
            "user@a",
            "a?b",
        ] {
            assert_eq!(
                Address::parse("https://x", Some(host)),
                Err(HostHeader),
                "{host:?}"
            );
        }
    }
}
