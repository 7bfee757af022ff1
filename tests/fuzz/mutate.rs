//! Inputs made from valid ones.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant},
};

use fastrand::Rng;

/// The longest input, in bytes.
const LONGEST: usize = 64 * 1024;
/// Pieces that parsers have stumbled over.
const PIECES: [&str; 44] = [
    "",
    "\0",
    "\"",
    "'",
    "\\",
    "\\u0000",
    "\\ud800",
    "\\udfff\\ud800",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "-",
    "-0",
    "1e999",
    "9223372036854775808",
    "-9223372036854775809",
    "0001-01-01T00:00:00",
    "9999-12-31T23:59:60Z",
    "-009999-01-02T00:00:00Z",
    "%00",
    "%2e%2e/",
    "//",
    "/",
    "@",
    "?",
    "#",
    ":0",
    ":65536",
    "[::]",
    "[::ffff:",
    "0x7f.1",
    "xn--",
    " ",
    "\t\r\n",
    "\u{202e}",
    "\u{e0041}",
    "\u{feff}",
    "ß",
    "\u{1d11e}",
];

/// Checks mutated inputs: 2,000, or as many as fit into `DOCSPACE_FUZZ_SECONDS`. `DOCSPACE_TEST_SEED` repeats a run.
pub fn fuzz(target: &str, valid: &[impl AsRef<[u8]>], mut check: impl FnMut(&[u8])) {
    let seed = variable("DOCSPACE_TEST_SEED").unwrap_or_else(|| fastrand::u64(..));
    let limit = variable("DOCSPACE_FUZZ_SECONDS").map(Duration::from_secs);
    let mut random = Rng::with_seed(seed);
    let began = Instant::now();
    for run in 0_u64.. {
        if limit.map_or(run >= 2_000, |limit| began.elapsed() >= limit) {
            println!("{target}: {run} inputs, seed {seed}");
            return;
        }
        let input = match usize::try_from(run).ok().and_then(|run| valid.get(run)) {
            Some(valid) => valid.as_ref().to_vec(),
            None => mutated(&mut random, valid),
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&input))) {
            eprintln!("{target}, seed {seed}, input {run}: {}", input.escape_ascii());
            resume_unwind(panic);
        }
    }
}

fn variable(name: &str) -> Option<u64> {
    Some(
        env::var(name)
            .ok()?
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

fn mutated(random: &mut Rng, valid: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut input = chosen(random, valid).to_vec();
    for _ in 0..random.usize(1..8) {
        let (from, to) = range(random, input.len());
        match random.u8(0..7) {
            0 => drop(input.drain(from..to)),
            1 => {
                let piece = random.choice(PIECES).unwrap_or_default();
                let times = 1 << random.u32(0..6);
                input.splice(from..to, piece.repeat(times).into_bytes());
            }
            2 => {
                let copy = input[from..to].repeat(1 << random.u32(0..8));
                input.splice(from..from, copy);
            }
            3 => input[from..to]
                .iter_mut()
                .for_each(|byte| *byte ^= 1 << random.u8(0..8)),
            4 => input[from..to].fill_with(|| random.u8(..)),
            5 => input[from..to].fill_with(|| random.u8(b' '..=b'~')),
            _ => {
                let other = chosen(random, valid);
                let (start, end) = range(random, other.len());
                input.splice(from..to, other[start..end].iter().copied());
            }
        }
        input.truncate(LONGEST);
    }
    input
}

fn chosen<'v>(random: &mut Rng, valid: &'v [impl AsRef<[u8]>]) -> &'v [u8] {
    random.choice(valid).map(AsRef::as_ref).unwrap_or_default()
}

/// A random range, mostly a short one.
fn range(random: &mut Rng, length: usize) -> (usize, usize) {
    let from = random.usize(0..=length);
    let most = if random.u8(0..8) == 0 { length } else { 16 };
    (from, (from + random.usize(0..=most)).min(length))
}
