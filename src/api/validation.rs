//! CEL rules beyond types, ranges and lengths. Each has a message that says what to write instead.
//!
//! A rule runs only after the schema has been checked. Every list and text needs a maximum: without one, the API server
//! rejects the CRD because the estimated cost of the rules is too high.

use kube::core::{Reason, Rule};

use crate::api::SHOWN_KEYS;

fn rule(cel: impl Into<String>, message: &str) -> Rule {
    Rule::new(cel).message(message)
}

/// `dump` selects one of the two schedules of a portal, so it is immutable once `status.applied` is set.
pub(super) fn dump_stays() -> Rule {
    rule(
        "!has(oldSelf.status) || !has(oldSelf.status.applied) || self.spec.dump == oldSelf.spec.dump",
        "dump cannot change once status.applied is set, because it selects a different schedule of the portal; \
         delete this object (set deletionPolicy: Orphan first to keep its schedule in the portal) and create a new one",
    )
    .field_path(".spec.dump")
    .reason(Reason::FieldValueForbidden)
}

/// A storage type requires a parameter with this key.
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

/// A storage type requires the parameter's value, `p.value`, to fulfil a condition. A reference is not checked.
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
     storageType Documents needs a storageParams item with key folderId and the number of a folder of \
     the portal as its value, for example {key: folderId, value: 42}";

/// `Documents` requires folderId.
pub(super) fn documents_have_folder() -> Rule {
    param_needed("Documents", "folderId", DOCUMENTS_FOLDER)
}

/// Its folderId must be the number of a folder.
pub(super) fn documents_folder_is_number() -> Rule {
    param_value(
        "Documents",
        "folderId",
        "type(p.value) == int ? p.value > 0 : p.value.matches('^[1-9][0-9]{0,9}$')",
        DOCUMENTS_FOLDER,
    )
}

const THIRDPARTY_FOLDER: &str = "\
     storageType ThridpartyDocuments needs a storageParams item with key folderId and the text id of a folder of a \
     connected cloud as its value, for example {key: folderId, value: sbox-12-|backups}; for a folder with a numeric id, \
     use storageType Documents";

/// `ThridpartyDocuments` requires folderId.
pub(super) fn thirdparty_has_folder() -> Rule {
    param_needed("ThridpartyDocuments", "folderId", THIRDPARTY_FOLDER)
}

/// Its folderId must be a text that is not a number.
pub(super) fn thirdparty_folder_is_text() -> Rule {
    param_value(
        "ThridpartyDocuments",
        "folderId",
        "type(p.value) == string && !p.value.matches('^[0-9]*$')",
        THIRDPARTY_FOLDER,
    )
}

const LOCAL_PATH: &str = "\
     storageType Local needs a storageParams item with key filePath and a directory on the server as its \
     value (at most 255 characters), for example {key: filePath, value: /app/onlyoffice/backup}";

/// `Local` requires filePath.
pub(super) fn local_has_path() -> Rule {
    param_needed("Local", "filePath", LOCAL_PATH)
}

/// Its filePath must not be longer than DocSpace accepts.
pub(super) fn local_path_has_length() -> Rule {
    param_value(
        "Local",
        "filePath",
        "type(p.value) == string && size(p.value) >= 1 && size(p.value) <= 255",
        LOCAL_PATH,
    )
}

const CONSUMER_MODULE: &str = "\
     storageType ThirdPartyConsumer needs a storageParams item with key module and the name of a storage in lower \
     case as its value, for example {key: module, value: s3}; DocSpace supports s3, googlecloud and rackspace";

/// `ThirdPartyConsumer` requires module.
pub(super) fn consumer_has_module() -> Rule {
    param_needed("ThirdPartyConsumer", "module", CONSUMER_MODULE)
}

/// Its module must be in lower case: DocSpace accepts `S3` but then finds no such storage.
pub(super) fn consumer_module_is_lower_case() -> Rule {
    param_value(
        "ThirdPartyConsumer",
        "module",
        "type(p.value) == string && p.value.matches('^[^A-Z ]+$')",
        CONSUMER_MODULE,
    )
}

/// DocSpace sets tenantId itself and rejects requests that contain it.
pub(super) fn param_is_not_tenant() -> Rule {
    rule(
        "self != 'tenantId'",
        "DocSpace sets tenantId itself and rejects it in requests; remove this parameter",
    )
}

/// A key must not be empty or contain whitespace.
pub(super) fn param_has_key() -> Rule {
    rule(
        r"self.matches('^[^\\s]+$')",
        "must be the name of a parameter, without whitespace, for example folderId, filePath, module, bucket or region",
    )
}

/// A parameter has either a value or a reference to one.
pub(super) fn param_has_one_value() -> Rule {
    rule(
        "has(self.value) != has(self.valueFrom)",
        "set either value or valueFrom, not both; store a secret in a Secret and refer to it by valueFrom.secretKeyRef",
    )
}

/// What status shows instead of a value is no value: somebody copied it from there.
pub(super) fn param_is_not_hidden() -> Rule {
    rule(
        "!has(self.value) || type(self.value) != string || self.value != '(hidden)'",
        "(hidden) is what status shows instead of this value; write the value itself, or store it in a Secret and refer \
         to it by valueFrom.secretKeyRef",
    )
}

/// Status shows these values, so they must not come from a Secret: a user who may edit objects but not read Secrets
/// would otherwise see the secret.
pub(super) fn shown_param_is_no_secret() -> Rule {
    let keys = SHOWN_KEYS.map(|key| format!("'{}'", key.to_ascii_lowercase()));
    rule(
        format!(
            "!has(self.valueFrom) || !(self.key.lowerAscii() in [{}])",
            keys.join(", ")
        ),
        "status shows the values of folderId, filePath, module, bucket and region, so they cannot come from a Secret; \
         use value instead of valueFrom",
    )
}

/// EveryWeek requires a day of the week.
pub(super) fn day_of_week() -> Rule {
    rule(
        "self.period != 'EveryWeek' || has(self.day) && self.day >= 1 && self.day <= 7",
        "period EveryWeek needs a day from 1 (Sunday) to 7 (Saturday)",
    )
    .field_path(".day")
}

/// EveryMonth requires a day of the month.
pub(super) fn day_of_month() -> Rule {
    rule(
        "self.period != 'EveryMonth' || has(self.day) && self.day >= 1",
        "period EveryMonth needs a day from 1 to 31",
    )
    .field_path(".day")
}

/// The URL must be a possible address of a portal. `url_is_no_more_than_address` rejects anything beyond the address.
pub(super) fn url_is_address() -> Rule {
    rule(
        format!(
            "isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != '' && {}",
            r"!self.matches('[\\s\\\\]')"
        ),
        "must be the address of a portal: https:// or http:// and a host, for example https://docs.example.com",
    )
}

/// No user, query or fragment; `url()` has no getter for user and fragment.
pub(super) fn url_is_no_more_than_address() -> Rule {
    rule(
        "!self.matches('[@?#]')",
        "must be only the address, without user or password (@), query (?) or fragment (#); put the API key into a \
         Secret (apiKeySecretRef)",
    )
}

/// The port must be valid. `url()` has a getter for it, but no maximum length, which would make the rule too expensive.
pub(super) fn url_port_exists() -> Rule {
    port_exists("^[^/]*//[^/]*", "(/|$)")
}

/// A number between `before:` and `after` must be a valid port.
fn port_exists(before: &str, after: &str) -> Rule {
    const PORT: &str = "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]";
    rule(
        format!("!self.matches('{before}:[0-9]+{after}') || self.matches('{before}:({PORT}){after}')"),
        "the port must be 1 to 65535, or omitted",
    )
}

/// The Host header must be a host with an optional port.
pub(super) fn host_header_is_host() -> Rule {
    rule(
        r"self.matches('^([A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?|\\[[0-9A-Fa-f:.]+\\])(:[0-9]+)?$')",
        "must be a host name of letters, digits, '-' and '.', with an optional :port, for example docs.example.com; \
         without https:// and without a path",
    )
}

/// Its port must be valid.
pub(super) fn host_header_port_exists() -> Rule {
    port_exists("", "$")
}

/// A duration as Go and kubectl write it, within bounds. CEL's own parser would also accept `22 ns`.
fn duration(least: &str, most: &str, message: &str) -> Rule {
    rule(
        format!(
            "self.matches('^([0-9]{{1,6}}([.][0-9]{{1,3}})?(h|m|s|ms))+$') && \
             duration(self) >= duration('{least}') && duration(self) <= duration('{most}')"
        ),
        message,
    )
}

/// How often the operator checks the portal.
pub(super) fn interval_range() -> Rule {
    duration(
        "1m",
        "24h",
        "must be a duration from 1m to 24h, for example 15m or 1h30m",
    )
}

/// How long after its due time an archive may appear.
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
        "must be the name of a Secret in the same namespace: lower-case letters, digits, '-' and '.'; it starts and ends \
         with a letter or digit",
    )
}

/// A key inside a Secret.
pub(super) fn secret_key() -> Rule {
    rule(
        "self.matches('^[-._a-zA-Z0-9]+$')",
        "must be a key inside the Secret: letters, digits, '-', '_' and '.'",
    )
}
