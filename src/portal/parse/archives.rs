//! The archives that a portal lists.

use serde_json::Value;

use crate::{
    portal::{
        Archive, Expiry,
        answer::{Content, Read, unexpected},
        parse::fields::{Date, date, id, named, text, time},
        redact::Redactor,
    },
    schedule::storage_name,
};

/// `getbackuphistory`. An unreadable item makes the whole list an error, because no archive may be missed.
pub fn history(content: Content, redactor: &Redactor) -> Read<Vec<Archive>> {
    let Content::Response(Value::Array(items)) = content else {
        return Err(unexpected("the history is not a list"));
    };
    items.iter().map(|item| archive(item, redactor)).collect()
}

fn archive(item: &Value, redactor: &Redactor) -> Read<Archive> {
    let fields = item
        .as_object()
        .ok_or_else(|| unexpected("an archive is not an object"))?;
    let id = id(fields, "id", redactor).ok_or_else(|| unexpected("an archive has no id"))?;
    let created_on = time(fields, "createdOn")?;
    Ok(Archive {
        id,
        file_name: text(fields, "fileName", redactor).unwrap_or_default(),
        storage_type: named(fields, "storageType", storage_name)?.into(),
        created_on: created_on.ok_or_else(|| unexpected("an archive has no createdOn"))?,
        expires: match date(fields, "expiresOn")? {
            None | Some(Date::Never { has_offset: false }) => Expiry::Never,
            Some(Date::Never { has_offset: true }) => Expiry::AtNextCleaning,
            Some(Date::At(time)) => Expiry::At(time),
        },
    })
}
