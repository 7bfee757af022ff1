//! A map with several values for a key.

use std::collections::BTreeSet;

/// Several values for a key, all in one tree: most keys have one value, and a set for each would be larger than that.
///
/// The default of a value must be the least one.
#[derive(Debug)]
pub struct Multimap<K, V>(BTreeSet<(K, V)>);

impl<K, V> Default for Multimap<K, V> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<K: Clone + Ord, V: Clone + Default + Ord> Multimap<K, V> {
    /// Adds a value.
    pub fn insert(&mut self, key: K, value: V) {
        self.0.insert((key, value));
    }

    /// Removes a value.
    pub fn remove(&mut self, key: &K, value: &V) {
        self.0.remove(&(key.clone(), value.clone()));
    }

    /// Moves a value from one key to another.
    pub fn relocate(&mut self, value: &V, from: Option<&K>, to: Option<&K>) {
        if from == to {
            return;
        }
        if let Some(from) = from {
            self.remove(from, value);
        }
        if let Some(to) = to {
            self.insert(to.clone(), value.clone());
        }
    }

    /// The values of a key, in order.
    pub fn of<'a>(&'a self, key: &K) -> impl Iterator<Item = &'a V> + use<'a, K, V> {
        let key = key.clone();
        let from = self.0.range((key.clone(), V::default())..);
        from.take_while(move |(other, _)| *other == key)
            .map(|(_, value)| value)
    }

    /// All keys with their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        self.0.iter()
    }

    /// Whether there is no value.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_own_values_in_order() {
        let mut map = Multimap::default();
        for (key, value) in [(2, 1), (1, 3), (1, 0), (3, 0)] {
            map.insert(key, value);
        }
        let of = |map: &Multimap<i32, u32>, key| map.of(&key).copied().collect::<Vec<_>>();
        assert_eq!(
            (of(&map, 1), of(&map, 2), of(&map, 4)),
            (vec![0, 3], vec![1], vec![])
        );
        map.relocate(&3, Some(&1), Some(&2));
        assert_eq!((of(&map, 1), of(&map, 2)), (vec![0], vec![1, 3]));
        map.relocate(&0, Some(&1), None);
        map.relocate(&9, None, None);
        assert_eq!((of(&map, 1), map.iter().count()), (vec![], 3));
        for value in [1, 3] {
            map.remove(&2, &value);
        }
        map.remove(&3, &0);
        assert!(map.is_empty());
    }
}
