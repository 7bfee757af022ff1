//! What the API server refuses beyond types, ranges and lengths: rules in CEL, each with a message that says what to
//! write instead.
//!
//! A rule runs only where the schema holds; a list or text without a maximum makes a rule too expensive to be taken.

use kube::core::{Reason, Rule};

use crate::api::SHOWN_KEYS;

fn rule(cel: impl Into<String>, message: &str) -> Rule {
    Rule::new(cel).message(message)
}

/// `dump` names one of the two schedules that a portal has: it stays what it was once `status.applied` is there.
pub(super) fn dump_stays() -> Rule {
    rule(
        "!has(oldSelf.status) || !has(oldSelf.status.applied) || self.spec.dump == oldSelf.spec.dump",
        "dump cannot change any more, because it names another schedule than the one in the portal (status.applied); \
         delete this object, with deletionPolicy: Orphan to leave its schedule in the portal, and create one anew",
    )
    .field_path(".spec.dump")
    .reason(Reason::FieldValueForbidden)
}

/// A storage type has a parameter of that key.
fn param_needed(storage: &str, key: &str, message: &str) -> Rule {
    rule(
        format!(
            "self.storageType != '{storage}' || \
             has(self.storageParams) && self.storageParams.exists(p, p.key == '{key}')"
        ),
        message,
    )
    .field_path(".storageParams")
}

/// The value of a storage type's parameter, `p.value`, is as wanted, where there is one.
fn param_value(storage: &str, key: &str, wanted: &str, message: &str) -> Rule {
    rule(
        format!(
            "self.storageType != '{storage}' || !has(self.storageParams) || \
             self.storageParams.all(p, p.key != '{key}' || !has(p.value) || ({wanted}))"
        ),
        message,
    )
    .field_path(".storageParams")
}

const DOCUMENTS_FOLDER: &str = "\
     storageType Documents needs a storageParams item with key folderId and, as its value, the number of \
     a folder of the portal, for example {key: folderId, value: 42}";

/// `Documents` has a folderId.
pub(super) fn documents_have_folder() -> Rule {
    param_needed("Documents", "folderId", DOCUMENTS_FOLDER)
}

/// Its folderId is the number of a folder.
pub(super) fn documents_folder_is_number() -> Rule {
    param_value(
        "Documents",
        "folderId",
        "type(p.value) == int ? p.value > 0 : p.value.matches('^[1-9][0-9]{0,9}$')",
        DOCUMENTS_FOLDER,
    )
}

const THIRDPARTY_FOLDER: &str = "\
     storageType ThridpartyDocuments needs a storageParams item with key folderId and, as its value, the \
     text that names a folder of a connected cloud, for example {key: folderId, value: sbox-12-|backups}; \
     for a folder with a number, write storageType Documents";

/// `ThridpartyDocuments` has a folderId.
pub(super) fn thirdparty_has_folder() -> Rule {
    param_needed("ThridpartyDocuments", "folderId", THIRDPARTY_FOLDER)
}

/// Its folderId is a text that is no number.
pub(super) fn thirdparty_folder_is_text() -> Rule {
    param_value(
        "ThridpartyDocuments",
        "folderId",
        "type(p.value) == string && !p.value.matches('^[0-9]*$')",
        THIRDPARTY_FOLDER,
    )
}

const LOCAL_PATH: &str = "\
     storageType Local needs a storageParams item with key filePath and, as its value, a directory of the \
     server of at most 255 characters, for example {key: filePath, value: /app/onlyoffice/data/backup}";

/// `Local` has a filePath.
pub(super) fn local_has_path() -> Rule {
    param_needed("Local", "filePath", LOCAL_PATH)
}

/// Its filePath is as long as DocSpace takes it.
pub(super) fn local_path_has_length() -> Rule {
    param_value(
        "Local",
        "filePath",
        "type(p.value) == string && size(p.value) >= 1 && size(p.value) <= 255",
        LOCAL_PATH,
    )
}

const CONSUMER_MODULE: &str = "\
     storageType ThirdPartyConsumer needs a storageParams item with key module and, as its value, the \
     name of a storage in lower case, for example {key: module, value: s3}; DocSpace knows s3, \
     googlecloud and rackspace";

/// `ThirdPartyConsumer` has a module.
pub(super) fn consumer_has_module() -> Rule {
    param_needed("ThirdPartyConsumer", "module", CONSUMER_MODULE)
}

/// Its module is in lower case: DocSpace accepts `S3`, and finds no such storage.
pub(super) fn consumer_module_is_lower_case() -> Rule {
    param_value(
        "ThirdPartyConsumer",
        "module",
        "type(p.value) == string && p.value.matches('^[^A-Z ]+$')",
        CONSUMER_MODULE,
    )
}

/// DocSpace sets tenantId itself, and refuses it.
pub(super) fn param_is_not_tenant() -> Rule {
    rule(
        "self != 'tenantId'",
        "DocSpace sets tenantId itself and refuses it from others; leave it out",
    )
}

/// A key is there, and has no blanks around it.
pub(super) fn param_has_key() -> Rule {
    rule(
        r"self.matches('^[^\\s]+$')",
        "must be the name of a parameter without blanks, for example folderId, filePath, module, bucket or region",
    )
}

/// A parameter has a value or a reference to one.
pub(super) fn param_has_one_value() -> Rule {
    rule(
        "has(self.value) != has(self.valueFrom)",
        "write either value or valueFrom, and not both; a secret belongs into valueFrom.secretKeyRef",
    )
}

/// A value that is shown comes from no Secret: whoever may edit objects, but not read Secrets, would see it.
pub(super) fn shown_param_is_no_secret() -> Rule {
    let keys = SHOWN_KEYS.map(|key| format!("'{}'", key.to_ascii_lowercase()));
    rule(
        format!(
            "!has(self.valueFrom) || !(self.key.lowerAscii() in [{}])",
            keys.join(", ")
        ),
        "status shows the values of folderId, filePath, module, bucket and region, so they cannot come from a Secret; \
         write value instead of valueFrom",
    )
}

/// EveryWeek has the day that it needs.
pub(super) fn day_of_week() -> Rule {
    rule(
        "self.period != 'EveryWeek' || has(self.day) && self.day >= 1 && self.day <= 7",
        "period EveryWeek needs a day from 1 (Sunday) to 7 (Saturday)",
    )
    .field_path(".day")
}

/// EveryMonth has the day that it needs.
pub(super) fn day_of_month() -> Rule {
    rule(
        "self.period != 'EveryMonth' || has(self.day) && self.day >= 1",
        "period EveryMonth needs a day from 1 to 31",
    )
    .field_path(".day")
}

/// A URL that a portal can have. What it carries beyond an address has a rule of its own.
pub(super) fn url_is_address() -> Rule {
    rule(
        format!(
            "isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != '' && {}",
            r"!self.matches('[\\s\\\\]')"
        ),
        "must be the address of a portal, https:// or http:// and a host, for example https://docs.example.com",
    )
}

/// No user, query or fragment; `url()` has no getter for the first and the last.
pub(super) fn url_is_no_more_than_address() -> Rule {
    rule(
        "!self.matches('[@?#]')",
        "must be an address alone, without user or password (@), query (?) and fragment (#); the API key belongs \
         into a Secret (apiKeySecretRef)",
    )
}

/// A port that there is. `url()` could tell it, but not how long it is at most, which makes a rule too expensive.
pub(super) fn url_port_exists() -> Rule {
    port_exists("^[^/]*//[^/]*", "(/|$)")
}

/// Where there is a number between `before:` and `after`, it is a port.
fn port_exists(before: &str, after: &str) -> Rule {
    const PORT: &str = "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]";
    rule(
        format!("!self.matches('{before}:[0-9]+{after}') || self.matches('{before}:({PORT}){after}')"),
        "the port must be 1 to 65535, or left out",
    )
}

/// A Host header is a host, with a port where needed.
pub(super) fn host_header_is_host() -> Rule {
    rule(
        r"self.matches('^([A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?|\\[[0-9A-Fa-f:.]+\\])(:[0-9]+)?$')",
        "must be a host name, with :port where needed, of letters, digits, '-' and '.', for example docs.example.com; \
         no https://, and no path",
    )
}

/// Its port is one that there is.
pub(super) fn host_header_port_exists() -> Rule {
    port_exists("", "$")
}

/// A duration as Go and kubectl write it, within bounds. CEL's own reading also takes `22 ns`.
fn duration(least: &str, most: &str, message: &str) -> Rule {
    rule(
        format!(
            "self.matches('^([0-9]{{1,6}}([.][0-9]{{1,3}})?(h|m|s|ms))+$') && \
             duration(self) >= duration('{least}') && duration(self) <= duration('{most}')"
        ),
        message,
    )
}

/// How often the portal is looked at.
pub(super) fn interval_range() -> Rule {
    duration(
        "1m",
        "24h",
        "must be a duration from 1m to 24h, for example 15m or 1h30m",
    )
}

/// How long a backup may take to appear.
pub(super) fn deadline_range() -> Rule {
    duration(
        "30m",
        "168h",
        "must be a duration from 30m to 168h (7 days), for example 2h or 1h30m",
    )
}

/// The name of a Secret.
pub(super) fn secret_name() -> Rule {
    rule(
        "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
        "must be the name of a Secret in the same namespace: lower case letters, digits, '-' and '.', with a \
         letter or digit at both ends",
    )
}

/// A key inside a Secret.
pub(super) fn secret_key() -> Rule {
    rule(
        "self.matches('^[-._a-zA-Z0-9]+$')",
        "must be a key inside the Secret: letters, digits, '-', '_' and '.'",
    )
}
