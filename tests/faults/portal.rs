//! The portal's side of the matrix.

use std::{fmt, time::Duration};

/// A call of DocSpace's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortalCall {}

/// What goes wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortalFault {}

impl PortalFault {
    /// How long it lasts, at least.
    pub fn lasts(self, _: PortalCall) -> Duration {
        match self {}
    }
}

impl fmt::Display for PortalCall {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl fmt::Display for PortalFault {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
