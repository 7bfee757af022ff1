//! Objects that are due; namespaces take turns.

use std::collections::{HashMap, VecDeque};

use crate::controller::key::Key;

/// Objects that are due. However many are of one namespace, the others get their turn.
#[derive(Default)]
pub struct Due {
    turns: VecDeque<Box<str>>,
    of_namespace: HashMap<Box<str>, VecDeque<Key>>,
}

impl Due {
    /// Adds an object.
    pub fn push(&mut self, key: Key) {
        if let Some(queue) = self.of_namespace.get_mut(key.namespace()) {
            return queue.push_back(key);
        }
        self.turns.push_back(key.namespace().into());
        self.of_namespace.insert(key.namespace().into(), [key].into());
    }

    /// Takes out the next object.
    pub fn pop(&mut self) -> Option<Key> {
        let namespace = self.turns.pop_front()?;
        let queue = self.of_namespace.get_mut(&namespace)?;
        let key = queue.pop_front();
        if queue.is_empty() {
            self.of_namespace.remove(&namespace);
        } else {
            self.turns.push_back(namespace);
        }
        key
    }

    /// Whether none is due.
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_take_turns() {
        let mut due = Due::default();
        for (namespace, name) in [("many", "1"), ("many", "2"), ("many", "3"), ("one", "4")] {
            due.push(Key::new(namespace, name));
        }
        let order: Vec<_> = std::iter::from_fn(|| due.pop().map(|key| key.name().to_owned())).collect();
        assert_eq!(order, ["1", "4", "2", "3"]);
        assert!(due.is_empty() && due.of_namespace.is_empty());
    }
}
