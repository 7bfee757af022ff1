//! One HTTP exchange: sends a request, reads a bounded answer, and classifies transport failures.

use std::{
    io,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use reqwest::{
    Request, Response, Url,
    header::{DATE, HeaderMap, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE},
};

use crate::portal::{
    Failure,
    answer::{Refusal, Reply},
    body::{Body, NotRead, Room},
    connections::{Connections, cause, causes},
    guard::NotAllowed,
    http_clients::CONNECT_TIMEOUT,
    model::PLAUSIBLE,
    names::Unresolved,
    tls_trouble::tls_trouble,
};

/// The status and the headers of an answer that are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// HTTP status.
    pub status: Option<u16>,
    /// The Date header.
    pub date: Option<Timestamp>,
    /// The Retry-After header: seconds, or a date, which is taken relative to the Date header.
    pub retry_after: Option<Duration>,
}

impl Head {
    fn of(response: &Response) -> Self {
        let date = header(response.headers(), &DATE).and_then(http_date);
        let retry_after = header(response.headers(), &RETRY_AFTER).and_then(|text| retry_after(text, date));
        Self {
            status: Some(response.status().as_u16()),
            date,
            retry_after,
        }
    }
}

/// Sends the request, and reads an answer of at most `max_body` bytes into the room of this namespace. All that counts
/// within the request's time limit.
pub async fn exchange(
    connections: &Connections,
    request: Request,
    max_body: usize,
    (room, namespace): (&Room, &str),
) -> (Head, Result<Reply, Refusal>) {
    let url = request.url().clone();
    let limit = request.timeout().copied().unwrap_or(Duration::MAX);
    let began = Instant::now();
    let mut response = match connections.send(request).await {
        Ok(response) => response,
        Err(error) => return (Head::default(), Err(failed(&error, limit))),
    };
    let head = Head::of(&response);
    // They may be large, too.
    let headers = std::mem::take(response.headers_mut());
    let redirect = redirect_target(&url, &headers);
    let asks_for_login = asks_for_login(&headers);
    drop(headers);
    let left = limit.saturating_sub(began.elapsed());
    let reply = match room.read(namespace, &mut response, max_body, left).await {
        Ok(Body { bytes, share }) => Ok(Reply {
            status: head.status.unwrap_or_default(),
            redirect,
            asks_for_login,
            body: bytes,
            share,
        }),
        Err(NotRead::TooLarge) => Err(too_large(&response, max_body)),
        Err(NotRead::NoRoom) => Err(Refusal::new(Failure::TimedOut, Room::none_within(limit))),
        Err(NotRead::Failed(error)) => Err(failed(&error, limit)),
    };
    (head, reply)
}

fn too_large(response: &Response, max_body: usize) -> Refusal {
    let status = response.status().as_u16();
    let size = max_body >> 10;
    let text = format!(
        "HTTP {status}: the answer exceeds {size} KiB, more than DocSpace ever sends; check portal.url and \
         portal.hostHeader"
    );
    Refusal::new(Failure::NotDocSpace, text)
}

fn header<'a>(headers: &'a HeaderMap, name: &reqwest::header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Only plausible dates are accepted.
fn http_date(text: &str) -> Option<Timestamp> {
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
    date.ok().filter(|date| PLAUSIBLE.contains(date))
}

fn retry_after(text: &str, date: Option<Timestamp>) -> Option<Duration> {
    match text.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => http_date(text)?.duration_since(date?).try_into().ok(),
    }
}

/// The origin of a redirect's target if it differs from the portal's. Path and query may hold secrets.
fn redirect_target(url: &Url, headers: &HeaderMap) -> Option<String> {
    // A longer one is no address that a portal may have.
    const MOST: usize = 2048;
    let location = header(headers, &LOCATION).filter(|location| location.len() <= MOST)?;
    let target = url.join(location).ok()?;
    let origin = target.origin();
    (origin.is_tuple() && origin != url.origin()).then(|| origin.ascii_serialization())
}

/// Whether a challenge names a scheme that DocSpace does not offer to a Bearer key.
fn asks_for_login(headers: &HeaderMap) -> bool {
    const SCHEMES: [&str; 5] = ["basic", "digest", "negotiate", "ntlm", "kerberos"];
    let challenges = headers.get_all(WWW_AUTHENTICATE).iter();
    challenges
        .filter_map(|challenge| challenge.to_str().ok())
        .flat_map(|challenges| challenges.split(','))
        .filter_map(|challenge| challenge.split_whitespace().next())
        .any(|scheme| SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme)))
}

/// Classifies a transport failure. Library texts with times, numbers or addresses are left out: messages stay constant.
fn failed(error: &reqwest::Error, limit: Duration) -> Refusal {
    let refusal = Refusal::new;
    if !error.is_connect() {
        // Includes TLS alerts after the handshake, because the request has been sent by then.
        if error.is_timeout() {
            return refusal(
                Failure::TimedOut,
                format!(
                    "no complete answer within {} s; check DocSpace, its database and the network",
                    limit.as_secs()
                ),
            );
        }
        return refusal(
            Failure::Interrupted,
            "the connection was lost before the answer was complete; check DocSpace, its proxies and the network".into(),
        );
    }
    if let Some(text) = proxy_trouble(error) {
        return refusal(Failure::Connect, text);
    }
    if let Some(tls) = cause::<rustls::Error>(error) {
        return refusal(
            Failure::Tls,
            format!("no secure connection: {}", tls_trouble(tls)),
        );
    }
    if cause::<NotAllowed>(error).is_some() {
        return refusal(Failure::AddressNotAllowed, NOT_ALLOWED.into());
    }
    if let Some(&unresolved) = cause::<Unresolved>(error) {
        return refusal(Failure::Resolve, why_unresolved(unresolved).into());
    }
    if error.is_timeout() {
        return refusal(
            Failure::Connect,
            format!(
                "no connection within {} s; check portal.url, the network and network policies",
                CONNECT_TIMEOUT.as_secs()
            ),
        );
    }
    refusal(
        Failure::Connect,
        format!(
            "cannot connect{}; check portal.url, and that DocSpace runs there",
            why(error)
        ),
    )
}

fn why_unresolved(unresolved: Unresolved) -> &'static str {
    match unresolved {
        Unresolved::NoSuchName => "the host name does not exist; check portal.url and DNS",
        Unresolved::NoAddress => "the host name has no address; check portal.url and DNS",
        Unresolved::Failed => {
            "DNS failed to look up the host name; check portal.url, and the log of the DNS server"
        }
        Unresolved::NoAnswer => {
            "DNS did not answer in time; check portal.url, the DNS server and network policies"
        }
    }
}

/// What DNS or the system says, behind a colon.
fn why(error: &reqwest::Error) -> String {
    if let Some(unresolved) = cause::<Unresolved>(error) {
        return format!(": {unresolved}");
    }
    cause::<io::Error>(error).map_or(String::new(), |error| format!(": {}", error.kind()))
}

/// Why a proxy of the environment makes no connection to the portal; `None` if no proxy is at fault. The library's type
/// is not public, and tells no status but 407.
fn proxy_trouble(error: &reqwest::Error) -> Option<String> {
    let texts = causes(error).map(ToString::to_string);
    let tunnel = texts.filter_map(|text| text.strip_prefix("tunnel error: ").map(str::to_owned));
    Some(match tunnel.last()?.as_str() {
        "proxy authorization required" => {
            "the proxy asks for a login (HTTP 407); put user and password into the operator's HTTPS_PROXY, or except the \
             portal's host in NO_PROXY"
                .into()
        }
        "failed to create underlying connection" => {
            format!(
                "cannot connect to the proxy{}; check the operator's HTTPS_PROXY, and that the proxy runs there",
                why(error)
            )
        }
        "unsuccessful" => "the proxy refuses to connect to the portal; check the proxy's rules and its log, or except the \
                           portal's host in NO_PROXY"
            .into(),
        _ => "the proxy does not answer as a proxy; check the operator's HTTPS_PROXY".into(),
    })
}

/// For an address that is never a portal.
pub const NOT_ALLOWED: &str = "the host is a loopback, link-local, cloud metadata, multicast or unspecified address, \
                               which is never a portal; set portal.url to the portal's real address";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_by_the_portals_clock() {
        let date = http_date("Tue, 24 Nov 2026 03:00:00 GMT");
        assert_eq!(
            date.map(|date| date.to_string()).as_deref(),
            Some("2026-11-24T03:00:00Z")
        );
        for odd in [
            "Fri, 31 Dec 9999 23:59:59 GMT",
            "Sat, 01 Jan 1000 00:00:00 GMT",
            "today",
        ] {
            assert_eq!(http_date(odd), None, "{odd}");
        }
        assert_eq!(retry_after("86399", None), Some(Duration::from_secs(86399)));
        assert_eq!(
            retry_after("Tue, 24 Nov 2026 03:02:00 GMT", date),
            Some(Duration::from_secs(120))
        );
        assert_eq!(retry_after("Tue, 24 Nov 2026 02:00:00 GMT", date), None);
        assert_eq!(retry_after("-1", date), None);
        assert_eq!(retry_after("soon", date), None);
    }
}
