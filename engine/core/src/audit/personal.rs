//! What is personal in a record: kept beside the chain as value and salt, present in it only as a commitment.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::audit::Hash;

/// Random bytes that keep a commitment from being guessed; one for each value.
pub type Salt = [u8; 16];

const DOMAIN: &[u8] = b"actas/audit/1/personal";

/// The personal fields of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The login of who did it.
    Actor,
    /// The login of whom it was done for.
    Person,
    /// The name of the external account.
    Account,
    /// The peer's address.
    Ip,
    /// The user agent.
    Agent,
}

impl Field {
    /// All of them, in the order they enter the hash.
    pub const ALL: [Self; 5] = [
        Self::Actor,
        Self::Person,
        Self::Account,
        Self::Ip,
        Self::Agent,
    ];

    /// The name the side table and answers use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Person => "person",
            Self::Account => "account",
            Self::Ip => "ip",
            Self::Agent => "agent",
        }
    }

    /// The field of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }
}

/// A personal value of one record, as the side table has it. Erasing it means deleting it, salt and all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personal {
    /// Which field of the record.
    pub field: Field,
    /// Its salt.
    #[serde(with = "hexed")]
    pub salt: Salt,
    /// The value.
    pub value: String,
}

impl Personal {
    /// What the record holds in place of the value: SHA-256 over domain, field, salt and value, each with its length.
    pub fn commitment(&self) -> Hash {
        let mut hasher = Sha256::new();
        for part in [
            DOMAIN,
            self.field.as_str().as_bytes(),
            &self.salt,
            self.value.as_bytes(),
        ] {
            // A usize always fits into eight bytes.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }
}

/// The commitments of a record, by field. As text, for one column: `actor:HEX person:HEX`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commitments(pub BTreeMap<Field, Hash>);

impl fmt::Display for Commitments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (field, hash)) in self.0.iter().enumerate() {
            let gap = if place == 0 { "" } else { " " };
            write!(f, "{gap}{}:{}", field.as_str(), hex::encode(hash))?;
        }
        Ok(())
    }
}

impl FromStr for Commitments {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut fields = BTreeMap::new();
        for part in text.split_whitespace() {
            let read = part.split_once(':').and_then(|(name, digits)| {
                let mut hash = Hash::default();
                hex::decode_to_slice(digits, &mut hash).ok()?;
                Some((Field::parse(name)?, hash))
            });
            let (field, hash) = read
                .ok_or_else(|| format!("`{part}` is not a commitment of the form field:digest"))?;
            if fields.insert(field, hash).is_some() {
                return Err(format!("two commitments to `{}`", field.as_str()));
            }
        }
        Ok(Self(fields))
    }
}

impl Serialize for Commitments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Commitments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Bytes as hexadecimal digits.
pub(super) mod hexed {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer, const N: usize>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; N];
        hex::decode_to_slice(&text, &mut bytes).map_err(serde::de::Error::custom)?;
        Ok(bytes)
    }
}
