//! A secret text that is shared rather than copied.

use std::{path::Path, sync::Arc};

use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

use crate::error::cannot_read;

/// A secret text; cheap to clone. All clones are one copy, which is wiped when the last of them goes.
#[derive(Clone, Debug, Default)]
pub struct SharedSecret(Arc<SecretString>);

impl ExposeSecret<str> for SharedSecret {
    fn expose_secret(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<&str> for SharedSecret {
    fn from(text: &str) -> Self {
        Self(Arc::new(text.into()))
    }
}

impl From<String> for SharedSecret {
    fn from(text: String) -> Self {
        Self(Arc::new(text.into()))
    }
}

/// The API key in a file, without the blanks and line ends around it.
///
/// # Errors
/// The file cannot be read, or holds no key.
pub fn from_file(file: &Path) -> Result<SharedSecret, String> {
    let text = std::fs::read_to_string(file).map_err(cannot_read(file))?;
    let text = Zeroizing::new(text);
    match text.trim() {
        "" => Err(format!("{} is empty; write the API key into it", file.display())),
        key => Ok(key.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_are_one_copy_and_nothing_prints_it() {
        let secret = SharedSecret::from("sk-1");
        let clone = secret.clone();
        assert!(std::ptr::eq(secret.expose_secret(), clone.expose_secret()));
        assert!(!format!("{secret:?}").contains("sk-1"));
    }
}
