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
    /// Every period.
    pub const ALL: [Self; 3] = [Self::EveryDay, Self::EveryWeek, Self::EveryMonth];

    /// DocSpace's number of this period.
    pub const fn number(self) -> i64 {
        self as i64
    }
}

/// A storage type as a portal may hold it: DocSpace accepts numbers that have no name (R 42–44).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// One that a manifest can name.
    Known(StorageType),
    /// Another number.
    Other(i64),
}

impl Storage {
    /// The storage type that a status shows by this name or number.
    pub fn shown(text: &str) -> Self {
        let known = StorageType::ALL
            .into_iter()
            .find(|known| Self::Known(*known).to_string() == text);
        known.map_or_else(|| Self::Other(text.parse().unwrap_or(i64::MIN)), Self::Known)
    }

    /// DocSpace's number.
    pub fn number(self) -> i64 {
        match self {
            Self::Known(known) => known.number(),
            Self::Other(number) => number,
        }
    }

    /// Whether it has a storage. CustomCloud has none, nor have numbers without a name (trap 4).
    pub fn can_back_up(self) -> bool {
        !matches!(self, Self::Known(StorageType::CustomCloud) | Self::Other(_))
    }
}

impl From<i64> for Storage {
    fn from(number: i64) -> Self {
        let known = StorageType::ALL
            .into_iter()
            .find(|known| known.number() == number);
        known.map_or(Self::Other(number), Self::Known)
    }
}

impl std::fmt::Display for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(known) => write!(f, "{known:?}"),
            Self::Other(number) => write!(f, "{number}"),
        }
    }
}

/// DocSpace's name of a storage type, or the number if it has none.
pub fn storage_name(number: i64) -> String {
    Storage::from(number).to_string()
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
    known.map_or_else(|| name.parse().unwrap_or(i64::MIN), Period::number)
}
