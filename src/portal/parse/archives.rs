//! The archives that a portal lists.

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    portal::{
        answer::Content,
        parse::{
            Read,
            fields::{Date, date, id, named, text, time},
            unexpected,
        },
        redact::Redactor,
    },
    schedule::storage_name,
};

/// An archive, as the history lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Its id.
    pub id: String,
    /// Name of its file.
    pub file_name: String,
    /// DocSpace's number of the storage type.
    pub storage_type: i64,
    /// The end of the run that made it.
    pub created_on: Timestamp,
    /// When it is deleted for its age.
    pub expires: Expiry,
}

/// When an archive is deleted for its age, by DocSpace's cleaner, which comes every 15 minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Not at all: year 1 without an offset, as MySQL and MariaDB give it (R 312).
    Never,
    /// When the cleaner comes next: year 1 with an offset, as PostgreSQL gives it. It is meant to be never, but the
    /// cleaner takes it for long past (trap 7, story cleaner-on-postgresql).
    AtNextCleaning,
    /// The first time that the cleaner comes from this time on; a day after its end in DocSpace's temporary store
    /// (trap 4, R 312). Until then it stays listed.
    At(Timestamp),
}

/// `getbackuphistory`. An item that cannot be read spoils the list: archives must not be missed.
pub fn history(content: Content, redactor: &Redactor) -> Read<Vec<Archive>> {
    let Content::Response(Value::Array(items)) = content else {
        return Err(unexpected("the history is no list"));
    };
    items.iter().map(|item| archive(item, redactor)).collect()
}

fn archive(item: &Value, redactor: &Redactor) -> Read<Archive> {
    let fields = item
        .as_object()
        .ok_or_else(|| unexpected("an archive is no object"))?;
    let id = id(fields, "id", redactor).ok_or_else(|| unexpected("an archive has no id"))?;
    let created_on = time(fields, "createdOn")?;
    Ok(Archive {
        id,
        file_name: text(fields, "fileName", redactor).unwrap_or_default(),
        storage_type: named(fields, "storageType", storage_name)?,
        created_on: created_on.ok_or_else(|| unexpected("an archive has no createdOn"))?,
        expires: match date(fields, "expiresOn")? {
            None | Some(Date::Never { has_offset: false }) => Expiry::Never,
            Some(Date::Never { has_offset: true }) => Expiry::AtNextCleaning,
            Some(Date::At(time)) => Expiry::At(time),
        },
    })
}
