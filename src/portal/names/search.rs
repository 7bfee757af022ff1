//! Under which absolute names a host is looked up, and in which order.

use hickory_proto::rr::Name;

/// The absolute names to ask for a host. The next one is asked only if the one before does not exist.
///
/// A host with a dot is asked as it is first: else whoever has the namespace `example` could answer for
/// `docs.example.com`, as a service of the cluster. A host without a dot is asked with the domains of the search list
/// first, and one that ends in a dot without them. `ndots` of resolv.conf plays no part.
pub fn names(host: &str, search: &[String]) -> Vec<Name> {
    let as_it_is = absolute(host);
    let is_absolute = host.ends_with('.');
    let host = host.trim_end_matches('.');
    // Reserved as the one that never exists (RFC 6761).
    if host == "invalid" || host.ends_with(".invalid") {
        return Vec::new();
    }
    if is_absolute {
        return as_it_is.into_iter().collect();
    }
    let searched = search.iter().map(|domain| absolute(&format!("{host}.{domain}")));
    let mut names: Vec<_> = if host.contains('.') {
        std::iter::once(as_it_is).chain(searched).flatten().collect()
    } else {
        searched.chain([as_it_is]).flatten().collect()
    };
    // A search list may contain the root.
    let mut known = Vec::new();
    names.retain(|name| {
        let is_new = !known.contains(name);
        known.push(name.clone());
        is_new
    });
    names
}

/// `None` for what is no name: too long, or with an empty part.
fn absolute(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text.trim_end_matches('.')).ok()?;
    name.set_fqdn(true);
    (!name.is_root()).then_some(name)
}
