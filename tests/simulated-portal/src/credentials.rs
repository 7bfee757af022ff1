//! API keys and session tokens, and what they allow.

use jiff::Timestamp;

/// Whose credentials they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Holder {
    /// The portal's owner, who may edit its settings.
    #[default]
    Owner,
    /// A user who may not: 403 as AuthorizingException (R 195).
    PlainUser,
}

/// An API key to issue.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Its name.
    pub name: String,
    /// Its permissions; none at all means every one, as does `*`, which is stored as none (R 446).
    pub permissions: Vec<String>,
    /// When it ends; keys made in DocSpace live at most 365 days, keys of old may have no end.
    pub expires_at: Option<Timestamp>,
    /// Whether it is switched on.
    pub active: bool,
    /// Whose it is.
    pub holder: Holder,
}

impl ApiKey {
    /// A key of the owner with every permission and no end.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            permissions: Vec::new(),
            expires_at: None,
            active: true,
            holder: Holder::Owner,
        }
    }

    /// The same with these permissions.
    pub fn with_permissions(self, permissions: &[&str]) -> Self {
        Self {
            permissions: permissions.iter().map(|name| (*name).to_owned()).collect(),
            ..self
        }
    }

    /// The same of a plain user.
    pub fn of_plain_user(self) -> Self {
        Self {
            holder: Holder::PlainUser,
            ..self
        }
    }

    /// The same with an end.
    pub fn expiring(self, at: Timestamp) -> Self {
        Self {
            expires_at: Some(at),
            ..self
        }
    }

    /// The same, switched off.
    pub fn inactive(self) -> Self {
        Self {
            active: false,
            ..self
        }
    }
}

/// An issued key as the portal keeps it.
#[derive(Clone, Debug)]
pub(crate) struct IssuedKey {
    pub(crate) key: ApiKey,
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) created: Timestamp,
    pub(crate) last_used: Option<Timestamp>,
}

impl IssuedKey {
    /// Whether the key is good at an instant (R 416, 417).
    pub(crate) fn is_good(&self, now: Timestamp) -> bool {
        self.key.active && self.key.expires_at.is_none_or(|end| end > now)
    }

    /// Whether its permissions cover a call to anything but the key itself. There is none just for backups
    /// (R 487): only the global ones count, and the one to write also reads (R 419–422, 471).
    pub(crate) fn covers(&self, reading: bool) -> bool {
        let permissions = &self.key.permissions;
        permissions.is_empty()
            || permissions
                .iter()
                .any(|name| matches!(name.as_str(), "*" | "*:write") || (reading && name == "*:read"))
    }

    pub(crate) fn postfix(&self) -> &str {
        &self.token[self.token.len() - 4..]
    }
}

/// Every permission that a key may have (R 485).
pub(crate) const PERMISSIONS: [&str; 11] = [
    "*",
    "*:read",
    "*:write",
    "accounts:read",
    "accounts:write",
    "accounts.self:read",
    "accounts.self:write",
    "files:read",
    "files:write",
    "rooms:read",
    "rooms:write",
];

/// A text of 32 digits that looks random and never repeats, for keys, tokens and ids.
pub(crate) fn scrambled(number: u64) -> String {
    let mix = |seed: u64| {
        let mut bits = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    };
    format!("{:016x}{:016x}", mix(number + 1), mix(!number))
}

/// A UUID made of such a text.
pub(crate) fn uuid(number: u64) -> String {
    let digits = scrambled(number);
    format!(
        "{}-{}-4{}-a{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[13..16],
        &digits[17..20],
        &digits[20..]
    )
}
