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

    #[test]
    fn the_key_in_a_file_is_read_without_the_blanks_around_it() {
        let file = std::env::temp_dir().join(format!("key-{:016x}", fastrand::u64(..)));
        let read = |text: &str| {
            std::fs::write(&file, text).expect("the folder is writable");
            from_file(&file).map(|key| key.expose_secret().to_owned())
        };
        assert_eq!(read(" sk-1\r\n"), Ok("sk-1".into()));
        let said = read(" \n").expect_err("it holds no key");
        assert!(said.contains("is empty"), "{said}");
        std::fs::remove_file(&file).expect("it is there");
        let said = from_file(&file).expect_err("it is gone");
        assert!(said.contains("cannot read"), "{said}");
    }
}
