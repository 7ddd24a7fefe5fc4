//! What was used of late, within a number of bytes: two generations, and what is not asked for while the younger one fills up is
//! forgotten.

use std::{collections::HashMap, hash::Hash};

/// A map that forgets.
pub struct Recent<K, V> {
    limit: usize,
    size: fn(&V) -> usize,
    young: HashMap<K, V>,
    young_bytes: usize,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash + Copy, V: Clone> Recent<K, V> {
    /// Holds at most `limit` bytes, as `size` counts them; with 0, nothing.
    pub fn new(limit: usize, size: fn(&V) -> usize) -> Self {
        Self {
            limit,
            size,
            young: HashMap::new(),
            young_bytes: 0,
            old: HashMap::new(),
        }
    }

    /// What was put there, if it is remembered.
    pub fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.put(*key, value.clone());
        Some(value)
    }

    /// Remembers a value.
    pub fn put(&mut self, key: K, value: V) {
        let size = (self.size)(&value);
        self.young_bytes += size;
        if self.young_bytes > self.limit / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = size;
        }
        // What is larger than a generation would make the next one begin with less than nothing to hold.
        if self.young_bytes <= self.limit / 2 {
            self.young.insert(key, value);
        }
    }
}
