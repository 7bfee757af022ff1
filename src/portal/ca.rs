//! Private CAs, which many objects share.

use std::{
    collections::{HashMap, hash_map::RandomState},
    fmt,
    hash::{BuildHasher, Hash},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use crate::shares::{Share, Shares};

/// The most that the private CAs of one namespace may have together, in bytes.
pub const MOST_CAS_OF_NAMESPACE: usize = 1024 * 1024;

/// The certificates (PEM) of a private CA, or a server's own; cheap to clone.
#[derive(Clone)]
pub struct Ca {
    text: Arc<Text>,
    /// Counts the text in its namespace while the CA is used there.
    _counted: Option<Arc<Share>>,
}

/// Behind a pointer of its own: what still refers to a text that nobody uses holds no text.
#[derive(Debug)]
struct Text(Box<str>);

/// Which CA it is, without keeping it.
#[derive(Clone, Debug)]
pub struct CaId(Weak<Text>);

impl Ca {
    /// The PEM text.
    pub fn pem(&self) -> &str {
        &self.text.0
    }

    /// Which one it is.
    pub fn id(&self) -> CaId {
        CaId(Arc::downgrade(&self.text))
    }
}

impl CaId {
    /// Whether it is this CA.
    pub fn is(&self, ca: &Ca) -> bool {
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(&ca.text))
    }

    /// Whether anybody uses it.
    pub fn is_used(&self) -> bool {
        self.0.strong_count() > 0
    }
}

/// A CA that is not shared.
impl From<&str> for Ca {
    fn from(pem: &str) -> Self {
        Self {
            text: Arc::new(Text(pem.into())),
            _counted: None,
        }
    }
}

impl PartialEq for Ca {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.text, &other.text) || self.pem() == other.pem()
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a CA of {} bytes", self.pem().len())
    }
}

/// The private CAs in use: equal ones are one copy, whoever uses them, and those of a namespace have at most
/// [`MOST_CAS_OF_NAMESPACE`] together.
#[derive(Debug)]
pub struct Cas {
    bytes: Shares,
    digests: RandomState,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By digest.
    texts: HashMap<u64, Weak<Text>>,
    /// By namespace and digest.
    counted: HashMap<(Box<str>, u64), Weak<Share>>,
}

impl Default for Cas {
    fn default() -> Self {
        Self {
            bytes: Shares::new(usize::MAX, MOST_CAS_OF_NAMESPACE),
            digests: RandomState::new(),
            known: Mutex::default(),
        }
    }
}

impl Cas {
    /// The CA with this PEM text, for an object of this namespace; `None` if the namespace would use too much.
    pub fn share(&self, namespace: &str, pem: &str) -> Option<Ca> {
        let digest = self.digests.hash_one(pem);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let of_namespace = (namespace.into(), digest);
        let text = known.texts.get(&digest).and_then(Weak::upgrade);
        // Another text may have the same digest.
        let text = text.filter(|text| *text.0 == *pem);
        let counted = known.counted.get(&of_namespace).and_then(Weak::upgrade);
        if let (Some(text), Some(counted)) = (&text, &counted) {
            return Some(Ca {
                text: text.clone(),
                _counted: Some(counted.clone()),
            });
        }
        let counted = Arc::new(self.bytes.try_acquire(namespace, pem.len())?);
        let text = text.unwrap_or_else(|| Arc::new(Text(pem.into())));
        keep(&mut known.texts, digest, &text);
        keep(&mut known.counted, of_namespace, &counted);
        Some(Ca {
            text,
            _counted: Some(counted),
        })
    }
}

/// Adds an entry; from time to time, entries that nobody uses are dropped.
fn keep<K: Eq + Hash, V>(entries: &mut HashMap<K, Weak<V>>, key: K, value: &Arc<V>) {
    if entries.len() == entries.capacity() {
        entries.retain(|_, entry| entry.strong_count() > 0);
    }
    entries.insert(key, Arc::downgrade(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ones_are_one_copy_until_nobody_uses_it() {
        let cas = Cas::default();
        let pem = "x".repeat(256 * 1024);
        let all: Vec<_> = (0..300)
            .map(|number| cas.share(&format!("ns-{}", number % 2), &pem).expect("room"))
            .collect();
        assert!(all.iter().all(|ca| Arc::ptr_eq(&ca.text, &all[0].text)));
        let id = all[0].id();
        assert!(id.is(&all[299]) && id.is_used());
        drop(all);
        assert!(!id.is_used());
        assert!(
            !id.is(&cas.share("ns-0", &pem).expect("room")),
            "it is another copy"
        );
    }

    #[test]
    fn those_of_a_namespace_are_bounded_together() {
        let cas = Cas::default();
        let pem = |number: usize| number.to_string().repeat(256 * 1024);
        let mut used: Vec<_> = (0..4).map(|number| cas.share("ns", &pem(number))).collect();
        assert!(used.iter().all(Option::is_some));
        assert_eq!(cas.share("ns", &pem(4)), None);
        assert!(cas.share("ns", &pem(3)).is_some(), "it is in use");
        assert!(cas.share("other", &pem(4)).is_some());
        used.pop();
        assert!(cas.share("ns", &pem(4)).is_some());
    }

    #[test]
    fn those_that_nobody_uses_leave_nothing() {
        let cas = Cas::default();
        for number in 0..10_000 {
            let _ = cas.share("ns", &number.to_string());
        }
        let known = cas.known.lock().expect("unpoisoned");
        assert!(known.texts.len() < 10 && known.counted.len() < 10, "{known:?}");
    }

    #[test]
    fn a_debug_print_has_no_text() {
        assert_eq!(format!("{:?}", Ca::from("abc")), "a CA of 3 bytes");
    }
}
