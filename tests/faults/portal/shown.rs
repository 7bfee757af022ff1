//! The names of calls and faults in the table.

use std::fmt;

use simulated_portal::Change;

use super::{PortalCall, PortalFault};

impl fmt::Display for PortalCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "portal's connection",
            Self::Schedule => "GET schedule",
            Self::OtherSchedule => "GET other schedule",
            Self::Create => "POST schedule",
            Self::Delete => "DELETE schedule",
            Self::History => "GET history",
            Self::Progress => "GET progress",
            Self::Settings => "GET settings",
            Self::Key => "GET key",
            Self::Events => "GET audit trail",
            Self::BackupsCount => "GET backups' count",
            Self::ServiceState => "GET service state",
            Self::Portal => "GET portal",
        })
    }
}

impl fmt::Display for PortalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::RetryAfter => f.write_str("429 with Retry-After"),
            Self::Error(status, kind) => write!(f, "{status} {kind}"),
            Self::Problem(status) => write!(f, "{status} ProblemDetails"),
            Self::Html(status) => write!(f, "{status} with a page"),
            Self::Login => f.write_str("401 of a proxy"),
            Self::Json(text) => write!(f, "200 {text}"),
            Self::Empty => f.write_str("200 without a body"),
            Self::Huge => f.write_str("200 with 2 MiB"),
            Self::Deep => f.write_str("200 with 20,000 brackets"),
            Self::Redirect(status) => write!(f, "redirect {status}"),
            Self::OtherHost => f.write_str("another portal's answer"),
            Self::OtherKey => f.write_str("the key unknown"),
            Self::Stale => f.write_str("an earlier answer"),
            Self::Accepted => f.write_str("success without effect"),
            Self::Changed(Change::Doubled) => f.write_str("answer doubled"),
            Self::Changed(Change::ByteOrderMark) => f.write_str("byte order mark"),
            Self::Changed(Change::Gzip) => f.write_str("gzip unasked"),
            Self::Changed(Change::CalledHtml) => f.write_str("called HTML"),
            Self::Changed(Change::CalledNothing) => f.write_str("without a content type"),
            Self::Changed(Change::Dated(by)) if by.is_negative() => f.write_str("clock a day behind"),
            Self::Changed(Change::Dated(_)) => f.write_str("clock a day ahead"),
            Self::Changed(Change::WithoutDate) => f.write_str("Date is no date"),
            Self::Truncated => f.write_str("answer cut off"),
            Self::ResetBefore => f.write_str("reset before the effect"),
            Self::ResetAfter => f.write_str("reset after the effect"),
            Self::Slow => f.write_str("slow"),
            Self::BlackHole => f.write_str("black hole"),
            Self::Late => f.write_str("black hole, late effect"),
            Self::Door(door) => write!(f, "TLS, {}", format!("{door:?}").to_lowercase()),
        }
    }
}
