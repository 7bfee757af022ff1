//! Plays the recorded stories of DocSpace (`tests/recordings/stories`) against the simulated portal step by step, so that
//! a test can check the server after each step, as the operator would.
//!
//! ```no_run
//! # async fn example() {
//! use std::path::Path;
//! use stories::Story;
//!
//! let story = Story::open(Path::new("tests/recordings/stories/repost.json"));
//! let mut play = story.begin().await;
//! while let Some(step) = play.next_step().await.expect("a step that is understood") {
//!     // Differences between the recording and the step's requests, passes and rows.
//!     assert_eq!(step.differences, Vec::<String>::new());
//!     // The server as the step left it: over HTTP, with a key or a session of portal.test's owner …
//!     println!("{}. {} at {}: {} {}", step.number, step.text, step.at, play.server().url(), play.key());
//!     // … or directly.
//!     assert!(play.server().first().schedule(false).is_some());
//! }
//! # }
//! ```
//!
//! The actions of a step come from its recorded result (requests with their answers, passes of the scheduler and the
//! cleaner, runs), from its text, and from rows that neither explains, which were put into the database by hand. A step
//! without a known action is an error and is never skipped.

mod act;
mod compare;
mod deed;
mod file;
mod http;
mod play;
mod rows;
mod tables;
mod told;
mod words;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

pub use play::{Play, Step};
use serde_json::Value;

use file::{File, RecordedStep};

/// A recorded story.
#[derive(Clone, Debug)]
pub struct Story {
    name: String,
    on_mariadb: bool,
    steps: Vec<RecordedStep>,
}

impl Story {
    /// Reads a story from its file.
    ///
    /// # Panics
    /// The file is not a story.
    pub fn open(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Self::read(&name, &text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Reads a story from a text.
    ///
    /// # Errors
    /// The text has another form, or unknown fields.
    pub fn read(name: &str, text: &str) -> Result<Self, String> {
        let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
        Ok(Self {
            name: name.to_owned(),
            on_mariadb: file.on_mariadb(name),
            steps: file.into_steps()?,
        })
    }

    /// Every story in a folder of recordings and its subfolders: each file that is neither a list of exchanges nor a
    /// table of times.
    ///
    /// # Panics
    /// A file cannot be read.
    pub fn all(folder: &Path) -> Vec<Self> {
        let stories = files(folder).into_iter().filter(|path| is_story(path));
        stories.map(|path| Self::open(&path)).collect()
    }

    /// The name of its file.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The folder of recordings: `RECORDINGS`, or by default the project's own.
pub fn recordings() -> PathBuf {
    let own = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../recordings"));
    env::var_os("RECORDINGS").map_or_else(own, PathBuf::from)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    found.sort();
    found
}

fn is_story(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let read: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let is_table = read.get("columns").is_some() && read.get("rows").is_some();
    read.is_object() && !is_table
}
