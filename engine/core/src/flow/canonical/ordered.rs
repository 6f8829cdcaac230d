//! Maps inside a step whose order people chose. Sorted ones are a map; others a list of maps with one entry each, so that canonical JSON,
//! which sorts keys, keeps their order.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;

use indexmap::IndexMap;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub fn serialize<K, V, S>(map: &IndexMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
where
    K: Serialize + Ord,
    V: Serialize,
    S: Serializer,
{
    if map.keys().is_sorted() {
        serializer.collect_map(map)
    } else {
        serializer.collect_seq(
            map.iter()
                .map(|(key, value)| BTreeMap::from([(key, value)])),
        )
    }
}

pub fn deserialize<'de, K, V, D>(deserializer: D) -> Result<IndexMap<K, V>, D::Error>
where
    K: Deserialize<'de> + Eq + Hash + Ord,
    V: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(Entries(PhantomData))
}

struct Entries<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for Entries<K, V>
where
    K: Deserialize<'de> + Eq + Hash + Ord,
    V: Deserialize<'de>,
{
    type Value = IndexMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map, or a list of maps with one entry each")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut map = IndexMap::new();
        while let Some((key, value)) = access.next_entry()? {
            map.insert(key, value);
        }
        map.sort_keys();
        Ok(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut map = IndexMap::new();
        while let Some(one) = access.next_element::<BTreeMap<K, V>>()? {
            if one.len() != 1 {
                return Err(A::Error::invalid_length(one.len(), &"a map with one entry"));
            }
            map.extend(one);
        }
        Ok(map)
    }
}

/// The same where there may be no map.
pub mod optional {
    use super::{Deserialize, Deserializer, Hash, IndexMap, Serialize, Serializer};

    pub fn serialize<K, V, S>(
        map: &Option<IndexMap<K, V>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error>
    where
        K: Serialize + Ord,
        V: Serialize,
        S: Serializer,
    {
        match map {
            Some(map) => super::serialize(map, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, K, V, D>(deserializer: D) -> Result<Option<IndexMap<K, V>>, D::Error>
    where
        K: Deserialize<'de> + Eq + Hash + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        super::deserialize(deserializer).map(Some)
    }
}
