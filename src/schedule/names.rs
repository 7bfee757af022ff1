//! DocSpace's numbers and names of storage types and periods.

use crate::api::{Period, StorageType};

impl StorageType {
    const ALL: [Self; 6] = [
        Self::Documents,
        Self::ThridpartyDocuments,
        Self::CustomCloud,
        Self::Local,
        Self::DataStore,
        Self::ThirdPartyConsumer,
    ];

    /// DocSpace's number of this storage type.
    pub const fn number(self) -> i64 {
        self as i64
    }
}

impl Period {
    const ALL: [Self; 3] = [Self::EveryDay, Self::EveryWeek, Self::EveryMonth];

    /// DocSpace's number of this period.
    pub const fn number(self) -> i64 {
        self as i64
    }
}

/// DocSpace's name of a storage type, or the number if it has none.
pub fn storage_name(number: i64) -> String {
    let known = StorageType::ALL
        .into_iter()
        .find(|known| known.number() == number);
    known.map_or_else(|| number.to_string(), |known| format!("{known:?}"))
}

/// Whether the storage type with this name has a storage. CustomCloud has none, nor have numbers that DocSpace accepts
/// without a name (trap 4).
pub fn can_back_up(storage_type: &str) -> bool {
    StorageType::ALL
        .into_iter()
        .any(|known| known != StorageType::CustomCloud && storage_name(known.number()) == storage_type)
}

/// DocSpace's name of a period, or the number if it has none.
pub fn period_name(number: i64) -> String {
    let known = Period::ALL.into_iter().find(|known| known.number() == number);
    known.map_or_else(|| number.to_string(), |known| format!("{known:?}"))
}

/// The number of a period, the inverse of [`period_name`]; an unused number if the name is unknown.
pub fn period_number(name: &str) -> i64 {
    let known = Period::ALL
        .into_iter()
        .find(|period| period_name(period.number()) == name);
    known.map_or_else(|| name.parse().unwrap_or(-1), Period::number)
}
