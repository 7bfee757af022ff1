//! The archives that a portal lists.

use crate::{
    portal::{
        Archive, Expiry,
        answer::{Content, Read, unexpected},
        json::objects,
        parse::fields::{Date, Field},
        redact::Redactor,
    },
    schedule::storage_name,
};

/// A longer history is none. DocSpace keeps up to 30 scheduled archives of a portal, beside what people make by hand.
const MOST_ARCHIVES: usize = 5_000;

/// `getbackuphistory`. An unreadable item makes the whole list an error, because no archive may be missed.
pub fn history(content: Content, redactor: &Redactor) -> Read<Vec<Archive>> {
    const NAMES: [&str; 5] = ["id", "fileName", "storageType", "createdOn", "expiresOn"];
    let no_list = || unexpected("the history is no list of objects");
    let Content::Response(list) = content else {
        return Err(no_list());
    };
    let mut archives = Vec::new();
    let read = objects(list, &NAMES, |values| {
        if archives.len() == MOST_ARCHIVES {
            return Err(unexpected(
                "the history has more archives than DocSpace ever keeps",
            ));
        }
        archives.push(archive(Field::with(NAMES, values), redactor)?);
        Ok(())
    });
    read.map_err(|refusal| refusal.unwrap_or_else(no_list))?;
    archives.shrink_to_fit();
    Ok(archives)
}

fn archive(fields: [Field; 5], redactor: &Redactor) -> Read<Archive> {
    let [id, file_name, storage_type, created_on, expires_on] = fields;
    let id = id
        .id(redactor)
        .ok_or_else(|| unexpected("an archive has no id"))?;
    let created_on = created_on.time()?;
    Ok(Archive {
        id,
        file_name: file_name.unread(redactor),
        storage_type: storage_type.named(storage_name)?.into(),
        created_on: created_on.ok_or_else(|| unexpected("an archive has no createdOn"))?,
        expires: match expires_on.date()? {
            None | Some(Date::Never { has_offset: false }) => Expiry::Never,
            Some(Date::Never { has_offset: true }) => Expiry::AtNextCleaning,
            Some(Date::At(time)) => Expiry::At(time),
        },
    })
}
