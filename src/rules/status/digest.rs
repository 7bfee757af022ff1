//! Notices that somebody changed a status.

use std::{
    hash::{DefaultHasher, Hasher},
    io,
};

use crate::api::Status;

/// A digest of a status.
pub fn digest(status: Option<&Status>) -> u64 {
    let mut digest = Digest::default();
    // Cannot fail: a status always serialises, and a digest takes all.
    let _ = serde_json::to_writer(&mut digest, &status);
    digest.0.finish()
}

/// The digest of what is written into it: a text of the whole would be as large as the status.
#[derive(Default)]
struct Digest(DefaultHasher);

impl io::Write for Digest {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.0.write(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
