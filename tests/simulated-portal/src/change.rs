//! What happens to a good answer on its way back.

use jiff::SignedDuration;

use crate::{
    answer::Answer,
    clock::{Clock, http_date},
};

/// A change of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The body comes twice.
    Doubled,
    /// A byte order mark precedes the body.
    ByteOrderMark,
    /// The body is compressed, which nobody asked for.
    Gzip,
    /// The content type is HTML's.
    CalledHtml,
    /// There is no content type.
    CalledNothing,
    /// The Date is later by this much, or earlier.
    Dated(SignedDuration),
    /// The Date is no date.
    WithoutDate,
}

impl Change {
    pub(crate) fn of(self, mut answer: Answer, clock: &Clock) -> Answer {
        match self {
            Self::Doubled => answer.body = [answer.body.clone(), answer.body].concat().into(),
            Self::ByteOrderMark => answer.body = [b"\xef\xbb\xbf", &*answer.body].concat().into(),
            Self::Gzip => {
                answer.body = gzip(&answer.body).into();
                return answer.with("Content-Encoding", "gzip");
            }
            Self::CalledHtml | Self::CalledNothing => {
                answer.headers.retain(|(name, _)| name != "Content-Type");
                if self == Self::CalledHtml {
                    return answer.with("Content-Type", "text/html");
                }
            }
            Self::Dated(by) => return answer.with("Date", &http_date(clock.now() + by)),
            Self::WithoutDate => return answer.with("Date", "yesterday"),
        }
        answer
    }
}

/// A gzip file whose only block is stored as it is (RFC 1951, 3.2.4; RFC 1952).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("answers are short");
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    file.extend(length.to_le_bytes());
    file.extend((!length).to_le_bytes());
    file.extend(bytes);
    file.extend(crc32(bytes).to_le_bytes());
    file.extend(u32::from(length).to_le_bytes());
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc));
    !bytes.iter().fold(u32::MAX, byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_gzip() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
