//! Parses requests as the server's binder does, with the same error messages.

use jiff::Timestamp;

use crate::{
    call::Call,
    exception::{Exception, Refusal},
    json::{Fault, Kind, Node, parse},
    schedule::CronParams,
};

/// The body of createbackupschedule.
#[derive(Debug)]
pub(crate) struct ScheduleBody<'a> {
    storage_type: Option<i32>,
    storage_params: Option<Vec<Option<Param<'a>>>>,
    backups_stored: Option<i32>,
    /// None if the field is missing or null: the server fails later because of it (R 130).
    pub(crate) cron_params: Option<CronParams>,
    pub(crate) dump: bool,
}

/// An item of storageParams; null counts as missing.
#[derive(Debug, Default)]
struct Param<'a> {
    key: Option<Node<'a>>,
    value: Option<Node<'a>>,
}

impl ScheduleBody<'_> {
    /// Default: Documents (R 52).
    pub(crate) fn storage_type(&self) -> i32 {
        self.storage_type.unwrap_or(0)
    }

    /// Default: 1 (R 120).
    pub(crate) fn backups_stored(&self) -> i32 {
        self.backups_stored.unwrap_or(1)
    }

    /// The parameters as a dictionary: a null value causes a null reference error (R 183), a repeated key an argument
    /// error (R 184).
    pub(crate) fn storage_params(&self) -> Result<Vec<(String, String)>, Exception> {
        let mut params: Vec<(String, String)> = Vec::new();
        for item in self.storage_params.iter().flatten() {
            let item = item.as_ref().ok_or_else(Exception::null_reference)?;
            let part = |node: &Option<Node>| node.as_ref().map(text_of).ok_or_else(Exception::null_reference);
            let (key, value) = (part(&item.key)?, part(&item.value)?);
            add_param(&mut params, key, value)?;
        }
        Ok(params)
    }
}

/// Adds to a dictionary that rejects repeated keys (R 184, 185).
pub(crate) fn add_param(
    params: &mut Vec<(String, String)>,
    key: String,
    value: String,
) -> Result<(), Exception> {
    if params.iter().any(|(known, _)| *known == key) {
        return Err(Exception::argument(format!(
            "An item with the same key has already been added. Key: {key}"
        )));
    }
    params.push((key, value));
    Ok(())
}

/// A value of any type as a text: `True` for true, JSON as it was sent for objects (R 186).
fn text_of(node: &Node) -> String {
    match &node.kind {
        Kind::Text(text) => text.clone(),
        Kind::Bool(true) => "True".to_owned(),
        Kind::Bool(false) => "False".to_owned(),
        _ => node.raw.to_owned(),
    }
}

/// A body of an accepted media type; it must not be empty or null (R 137).
fn body<'a>(call: &'a Call) -> Result<(&'a str, Node<'a>), Refusal> {
    let media_type = call.header("content-type").unwrap_or_default();
    let media_type = media_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let read = matches!(media_type.as_str(), "application/json" | "text/json")
        || (media_type.starts_with("application/") && media_type.ends_with("+json"));
    if !read {
        return Err(Refusal::UnsupportedMediaType);
    }
    let empty = || Refusal::Invalid {
        field: String::new(),
        message: "A non-empty request body is required.".to_owned(),
    };
    let text = std::str::from_utf8(&call.body).map_err(|_| empty())?;
    if text.is_empty() {
        return Err(empty());
    }
    let node = parse(text).map_err(|fault| invalid(text, fault))?;
    if matches!(node.kind, Kind::Null) {
        return Err(empty());
    }
    Ok((text, node))
}

/// The message for a fault in a body, with line and byte.
fn invalid(text: &str, fault: Fault) -> Refusal {
    let Fault { message, path, place } = fault;
    let before = &text[..place.min(text.len())];
    let line = before.matches('\n').count();
    let column = place - before.rfind('\n').map_or(0, |end| end + 1);
    let message = format!("{message} Path: {path} | LineNumber: {line} | BytePositionInLine: {column}.");
    Refusal::Invalid { field: path, message }
}

/// A value of the wrong type.
fn unfit(node: &Node, path: &str, type_name: &str) -> Fault {
    let message = format!("The JSON value could not be converted to {type_name}.");
    Fault {
        message,
        path: path.to_owned(),
        place: node.place(),
    }
}

const SCHEDULE: &str = "ASC.Data.Backup.ApiModels.BackupScheduleDto";
const BACKUP: &str = "ASC.Data.Backup.ApiModels.BackupDto";
const CRON: &str = "ASC.Data.Backup.ApiModels.Cron";
const PARAM: &str = "ASC.Api.Collections.ItemKeyValuePair`2[System.Object,System.Object]";
const PARAMS: &str = "System.Collections.Generic.IEnumerable`1[ASC.Api.Collections.ItemKeyValuePair`2[System.Object,\
                      System.Object]]";
const STORAGE_TYPE: &str = "System.Nullable`1[ASC.Data.Backup.Contracts.BackupStorageType]";
const PERIOD: &str = "System.Nullable`1[ASC.Data.Backup.Services.BackupPeriod]";
const INT: &str = "System.Int32";
const NULLABLE_INT: &str = "System.Nullable`1[System.Int32]";
const BOOL: &str = "System.Boolean";

const STORAGE_TYPES: [&str; 6] = [
    "documents",
    "thridpartydocuments",
    "customcloud",
    "local",
    "datastore",
    "thirdpartyconsumer",
];
const PERIODS: [&str; 3] = ["everyday", "everyweek", "everymonth"];

/// Reads the body of createbackupschedule.
pub(crate) fn schedule_body<'a>(call: &'a Call) -> Result<ScheduleBody<'a>, Refusal> {
    read_body(call, SCHEDULE)
}

/// Reads the body of startbackup: the same without cronParams and backupsStored.
pub(crate) fn backup_body<'a>(call: &'a Call) -> Result<ScheduleBody<'a>, Refusal> {
    read_body(call, BACKUP)
}

fn read_body<'a>(call: &'a Call, type_name: &str) -> Result<ScheduleBody<'a>, Refusal> {
    let (text, node) = body(call)?;
    read_schedule(node, type_name).map_err(|fault| invalid(text, fault))
}

/// Names match in any case (R 151), unknown names are ignored (R 150), and the last of repeated names counts (R 152).
fn read_schedule<'a>(node: Node<'a>, type_name: &str) -> Result<ScheduleBody<'a>, Fault> {
    let mut read = ScheduleBody {
        storage_type: None,
        storage_params: None,
        backups_stored: None,
        cron_params: None,
        dump: false,
    };
    for (name, value) in fields(node, "$", type_name)? {
        let path = format!("$.{name}");
        match name.to_ascii_lowercase().as_str() {
            "storagetype" => read.storage_type = enumeration(&value, &path, STORAGE_TYPE, &STORAGE_TYPES)?,
            "storageparams" => read.storage_params = params(value, &path)?,
            "backupsstored" if type_name == SCHEDULE => {
                read.backups_stored = nullable(&value, |value| int(value, &path, NULLABLE_INT))?;
            }
            "cronparams" if type_name == SCHEDULE => read.cron_params = cron(value, &path)?,
            "dump" => {
                let Kind::Bool(dump) = value.kind else {
                    return Err(unfit(&value, &path, BOOL));
                };
                read.dump = dump;
            }
            _ => {}
        }
    }
    Ok(read)
}

fn fields<'a>(node: Node<'a>, path: &str, type_name: &str) -> Result<Vec<(String, Node<'a>)>, Fault> {
    match node.kind {
        Kind::Object(fields) => Ok(fields),
        _ => Err(unfit(&node, path, type_name)),
    }
}

fn nullable<T>(node: &Node, read: impl FnOnce(&Node) -> Result<T, Fault>) -> Result<Option<T>, Fault> {
    if matches!(node.kind, Kind::Null) {
        Ok(None)
    } else {
        read(node).map(Some)
    }
}

/// Numbers may come as texts (R 71), but not as fractions (R 78).
fn int(node: &Node, path: &str, type_name: &str) -> Result<i32, Fault> {
    let number = match &node.kind {
        Kind::Number(digits) => digits.parse().ok(),
        Kind::Text(text) => text.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| unfit(node, path, type_name))
}

/// Names in any case, integers, digits in a text; any integer will do (R 42–50).
fn enumeration(node: &Node, path: &str, type_name: &str, names: &[&str]) -> Result<Option<i32>, Fault> {
    let number = match &node.kind {
        Kind::Null => return Ok(None),
        Kind::Number(digits) => digits.parse().ok(),
        Kind::Text(text) => {
            let text = text.trim().to_ascii_lowercase();
            let place = names
                .iter()
                .position(|name| *name == text)
                .and_then(|place| i32::try_from(place).ok());
            place.or_else(|| text.parse().ok())
        }
        _ => None,
    };
    number.map(Some).ok_or_else(|| unfit(node, path, type_name))
}

fn params<'a>(node: Node<'a>, path: &str) -> Result<Option<Vec<Option<Param<'a>>>>, Fault> {
    let items = match node.kind {
        Kind::Null => return Ok(None),
        Kind::Array(items) => items,
        _ => return Err(unfit(&node, path, PARAMS)),
    };
    let param = |(index, item): (usize, Node<'a>)| {
        if matches!(item.kind, Kind::Null) {
            return Ok(None);
        }
        let mut param = Param::default();
        for (name, value) in fields(item, &format!("{path}[{index}]"), PARAM)? {
            let value = (!matches!(value.kind, Kind::Null)).then_some(value);
            match name.to_ascii_lowercase().as_str() {
                "key" => param.key = value,
                "value" => param.value = value,
                _ => {}
            }
        }
        Ok(Some(param))
    };
    items
        .into_iter()
        .enumerate()
        .map(param)
        .collect::<Result<_, _>>()
        .map(Some)
}

/// Missing fields are zero (R 81, 106, 132). A null hour is an error (R 80), a null day is not (R 107).
fn cron(node: Node, path: &str) -> Result<Option<CronParams>, Fault> {
    if matches!(node.kind, Kind::Null) {
        return Ok(None);
    }
    let mut cron = CronParams {
        period: 0,
        hour: 0,
        day: 0,
    };
    for (name, value) in fields(node, path, CRON)? {
        let path = format!("{path}.{name}");
        match name.to_ascii_lowercase().as_str() {
            "period" => cron.period = enumeration(&value, &path, PERIOD, &PERIODS)?.unwrap_or(0),
            "hour" => cron.hour = int(&value, &path, INT)?,
            "day" => cron.day = nullable(&value, |value| int(value, &path, NULLABLE_INT))?.unwrap_or(0),
            _ => {}
        }
    }
    Ok(Some(cron))
}

/// The query parameter `dump`; default false (R 12, 19).
pub(crate) fn dump_of(call: &Call) -> Result<bool, Refusal> {
    flag(call, "Dump")
}

/// A flag of the query; messages name it as the model does.
pub(crate) fn flag(call: &Call, name: &str) -> Result<bool, Refusal> {
    let Some(text) = call.query(name) else {
        return Ok(false);
    };
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(bad_query(name, text, name)),
    }
}

/// A value of the query that cannot be read; `title` is its name in the model (R 19, 512, 515).
pub(crate) fn bad_query(field: &str, text: &str, title: &str) -> Refusal {
    let message = if text.is_empty() {
        "The value '' is invalid.".to_owned()
    } else {
        format!("The value '{text}' is not valid for {title}.")
    };
    Refusal::Invalid {
        field: field.to_owned(),
        message,
    }
}

/// An instant of the query: seconds and an offset are required (R 539–544); an empty value counts as absent (R 581).
pub(crate) fn instant(call: &Call, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let text = call.query(name).unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || Refusal::Invalid {
        field: name.to_owned(),
        message: "The input was not valid.".to_owned(),
    };
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let rest = shape.strip_prefix("0000-00-00T00:00:00").ok_or_else(wrong)?;
    let fraction = rest
        .strip_prefix('.')
        .map_or(rest, |digits| digits.trim_start_matches('0'));
    if !matches!(fraction, "Z" | "+00:00" | "-00:00") {
        return Err(wrong());
    }
    text.parse().map(Some).map_err(|_| wrong())
}
