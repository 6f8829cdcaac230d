//! The Merkle tree over a chain (RFC 6962 §2.1): its root in a signed checkpoint stands for every record up to there; an inclusion proof shows
//! that one record is among them, a consistency proof that a later tree only adds to an earlier one. A leaf is the hash of a record.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::audit::Hash;
use crate::audit::personal::hexed;

/// How many leaves one [`Block`] has: the tree keeps no smaller parts, they are made again from the records.
pub const BLOCK: u64 = 1 << BLOCK_LEVEL;
const BLOCK_LEVEL: u8 = 8;

/// A whole part of the tree: 2^level leaves, the index-th of that size.
type Place = (u8, u64);

fn leaf(hash: &Hash) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(hash)
        .finalize()
        .into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let hasher = Sha256::new().chain_update([1]);
    hasher
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The root of a tree without leaves.
fn empty() -> Hash {
    Sha256::digest([]).into()
}

/// The right edge of a tree: enough to go on and to say the root, however many leaves there are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frontier {
    size: u64,
    /// The whole parts, largest first: one for each bit of the size.
    parts: Vec<HexHash>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct HexHash(#[serde(with = "hexed")] Hash);

impl Frontier {
    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether it is one: a part for each bit of its size.
    pub fn is_sound(&self) -> bool {
        self.parts.len() == self.size.count_ones() as usize
    }

    /// Adds the hash of the next record; `made` is told of every part that is whole now.
    fn grow(&mut self, hash: &Hash, mut made: impl FnMut(Place, Hash)) {
        let (mut whole, mut place) = (leaf(hash), (0, self.size));
        made(place, whole);
        while place.1 % 2 == 1
            && let Some(left) = self.parts.pop()
        {
            whole = node(&left.0, &whole);
            place = (place.0 + 1, place.1 / 2);
            made(place, whole);
        }
        self.parts.push(HexHash(whole));
        self.size += 1;
    }

    /// Adds the hash of the next record.
    pub fn push(&mut self, hash: &Hash) {
        self.grow(hash, |_, _| ());
    }

    /// The root.
    pub fn root(&self) -> Hash {
        let mut parts = self.parts.iter().rev().map(|part| part.0);
        let last = parts.next();
        last.map_or_else(empty, |last| {
            parts.fold(last, |right, left| node(&left, &right))
        })
    }

    /// Each part with its place.
    fn places(&self) -> impl Iterator<Item = (Place, Hash)> {
        let bits = (0..64_u8).rev().filter(|bit| self.size >> bit & 1 == 1);
        bits.zip(&self.parts)
            .map(|(bit, part)| ((bit, (self.size >> bit) - 1), part.0))
    }
}

/// The parts of one block: made from its records when a proof needs them.
#[derive(Debug, Clone, Default)]
pub struct Block {
    parts: HashMap<Place, Hash>,
}

impl Block {
    /// The block that the leaf number `index` (from 0) is in: the first leaf of it and the one behind its last.
    pub fn range(index: u64) -> (u64, u64) {
        let first = index / BLOCK * BLOCK;
        (first, first.saturating_add(BLOCK))
    }

    /// A block, or what there is of it, from the hashes of its records; `first` is the number of the first of them.
    pub fn of(first: u64, hashes: impl IntoIterator<Item = Hash>) -> Self {
        let mut parts = HashMap::new();
        for (at, hash) in (first..).zip(hashes) {
            let (mut whole, mut place) = (leaf(&hash), (0, at));
            parts.insert(place, whole);
            while place.1 % 2 == 1
                && place.0 < BLOCK_LEVEL
                && let Some(left) = parts.get(&(place.0, place.1 - 1))
            {
                whole = node(left, &whole);
                place = (place.0 + 1, place.1 / 2);
                parts.insert(place, whole);
            }
        }
        Self { parts }
    }
}

/// A tree that proofs are made from. It keeps the parts of whole blocks only.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    edge: Frontier,
    parts: HashMap<Place, Hash>,
}

impl Tree {
    /// A tree that goes on behind what is known by its right edge alone.
    pub fn after(edge: Frontier) -> Self {
        let parts = edge.places().collect();
        Self { edge, parts }
    }

    /// Adds the hash of the next record.
    pub fn push(&mut self, hash: &Hash) {
        let parts = &mut self.parts;
        self.edge.grow(hash, |place, whole| {
            if place.0 >= BLOCK_LEVEL {
                parts.insert(place, whole);
            }
        });
    }

    /// Its right edge.
    pub fn edge(&self) -> &Frontier {
        &self.edge
    }

    /// Proves that the leaf number `index` (from 0) is in it; `block` is the one with that leaf. None if it is not, or not known any more.
    pub fn inclusion(&self, block: &Block, index: u64) -> Option<Vec<Hash>> {
        let parts = self.looking(block);
        let (mut proof, mut from, mut to) = (Vec::new(), 0, self.edge.size);
        if index >= to {
            return None;
        }
        while to - from > 1 {
            let middle = from + split(to - from);
            if index < middle {
                proof.push(parts.root(middle, to)?);
                to = middle;
            } else {
                proof.push(parts.root(from, middle)?);
                from = middle;
            }
        }
        proof.reverse();
        Some(proof)
    }

    /// Proves that it only adds to its first `size` leaves; `block` is the one with the last of them. None if it is smaller, or they are not
    /// known any more.
    pub fn consistency(&self, block: &Block, size: u64) -> Option<Vec<Hash>> {
        let parts = self.looking(block);
        let (mut proof, mut from, mut to) = (Vec::new(), 0, self.edge.size);
        if size > to || size == 0 {
            return None;
        }
        while size < to {
            let middle = from + split(to - from);
            if size <= middle {
                proof.push(parts.root(middle, to)?);
                to = middle;
            } else {
                proof.push(parts.root(from, middle)?);
                from = middle;
            }
        }
        if from > 0 {
            proof.push(parts.root(from, to)?);
        }
        proof.reverse();
        Some(proof)
    }

    fn looking<'a>(&'a self, block: &'a Block) -> Parts<'a> {
        Parts {
            tree: &self.parts,
            block: &block.parts,
            edge: self.edge.places().collect(),
        }
    }
}

/// Where the parts of a tree are found.
struct Parts<'a> {
    tree: &'a HashMap<Place, Hash>,
    block: &'a HashMap<Place, Hash>,
    edge: HashMap<Place, Hash>,
}

impl Parts<'_> {
    fn get(&self, place: Place) -> Option<Hash> {
        let found = self.tree.get(&place).or_else(|| self.block.get(&place));
        if let Some(found) = found.or_else(|| self.edge.get(&place)) {
            return Some(*found);
        }
        // A part over the place where an old prefix was cut off is made of what was kept of both sides.
        let below = place.0.checked_sub(1)?;
        let left = self.get((below, place.1 * 2))?;
        Some(node(&left, &self.get((below, place.1 * 2 + 1))?))
    }

    fn root(&self, from: u64, to: u64) -> Option<Hash> {
        let leaves = to - from;
        if leaves.is_power_of_two() {
            // At most 63.
            let level = leaves.trailing_zeros() as u8;
            return self.get((level, from >> level));
        }
        let middle = from + split(leaves);
        Some(node(&self.root(from, middle)?, &self.root(middle, to)?))
    }
}

/// The largest power of two below a number of leaves that is more than one.
fn split(leaves: u64) -> u64 {
    1 << (63 - (leaves - 1).leading_zeros())
}

/// Whether a proof shows that the record with this hash is the leaf number `index` (from 0) of a tree (RFC 9162 §2.1.3.2).
pub fn includes(root: &Hash, size: u64, index: u64, hash: &Hash, proof: &[Hash]) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut made) = (index, size - 1, leaf(hash));
    for part in proof {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            made = node(part, &made);
            while at % 2 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            made = node(&made, part);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && made == *root
}

/// Whether a proof shows that a tree only adds to an earlier one (RFC 9162 §2.1.4.2).
pub fn extends(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size == new_size {
        return proof.is_empty() && old_root == new_root;
    }
    if old_size == 0 || old_size > new_size {
        return false;
    }
    let mut parts = proof.iter();
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    let first = if old_size.is_power_of_two() {
        Some(old_root)
    } else {
        parts.next()
    };
    let Some(first) = first else { return false };
    while at % 2 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut made_old, mut made_new) = (*first, *first);
    for part in parts {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            made_old = node(part, &made_old);
            made_new = node(part, &made_new);
            while at % 2 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            made_new = node(&made_new, part);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && made_old == *old_root && made_new == *new_root
}
