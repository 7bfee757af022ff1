//! Namespaces and names.

use std::{fmt, sync::Arc};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;

use crate::api::DocSpaceBackupSchedule;

/// Namespace and name of an object or a Secret; clones share the text.
///
/// The default has neither, and is the least in order.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// Neither a namespace nor a name contains it.
const BETWEEN: char = '/';

impl Key {
    /// The key of this name in this namespace.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self(format!("{namespace}{BETWEEN}{name}").into())
    }

    /// The key of an object.
    pub fn of(object: &impl Resource) -> Self {
        let metadata = object.meta();
        let [namespace, name] =
            [&metadata.namespace, &metadata.name].map(|text| text.as_deref().unwrap_or_default());
        Self::new(namespace, name)
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        self.0.split_once(BETWEEN).unwrap_or_default().0
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.0.split_once(BETWEEN).unwrap_or_default().1
    }

    /// A reference for Events to the `DocSpaceBackupSchedule` of this key.
    pub fn reference(&self, uid: &str) -> ObjectReference {
        ObjectReference {
            api_version: Some(DocSpaceBackupSchedule::api_version(&()).into()),
            kind: Some(DocSpaceBackupSchedule::kind(&()).into()),
            namespace: Some(self.namespace().into()),
            name: Some(self.name().into()),
            uid: Some(uid.into()),
            ..ObjectReference::default()
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_namespace_and_a_name() {
        let key = Key::new("docspace", "nightly.backup");
        assert_eq!((key.namespace(), key.name()), ("docspace", "nightly.backup"));
        assert!(Key::default() < Key::new("", "") && Key::new("", "") < key);
        assert_eq!((Key::default().namespace(), Key::default().name()), ("", ""));
    }
}
