//! The tree against the definition in RFC 6962, and its proofs against everything but what they prove.

use super::*;
use crate::audit::tree::{BLOCK, Block, Frontier, Tree, extends, includes};

fn hash(n: u64) -> Hash {
    Sha256::digest(n.to_be_bytes()).into()
}

/// The definition itself (RFC 6962 §2.1).
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [one] => Sha256::digest([&[0], one.as_slice()].concat()).into(),
        many => {
            let middle = many.len().next_power_of_two() / 2;
            let (left, right) = many.split_at(middle);
            Sha256::digest([&[1], root(left).as_slice(), &root(right)].concat()).into()
        }
    }
}

fn tree(start: u64, size: u64) -> Tree {
    let mut edge = Frontier::default();
    (0..start).for_each(|n| edge.push(&hash(n)));
    let mut tree = Tree::after(edge);
    (start..size).for_each(|n| tree.push(&hash(n)));
    tree
}

fn block(index: u64, start: u64, size: u64) -> Block {
    let (first, end) = Block::range(index);
    let first = first.max(start);
    Block::of(first, (first..end.min(size)).map(hash))
}

#[test]
fn the_root_is_that_of_the_definition() {
    let leaves: Vec<Hash> = (0..300).map(hash).collect();
    let mut edge = Frontier::default();
    for size in 0..300 {
        assert_eq!(edge.root(), root(&leaves[..size]), "{size}");
        assert!(edge.is_sound());
        edge.push(&leaves[size]);
    }
    let text = serde_json::to_string(&edge).unwrap();
    assert_eq!(serde_json::from_str::<Frontier>(&text).unwrap(), edge);
    // The tree of no leaves, as RFC 6962 has it.
    assert_eq!(
        hex::encode(Frontier::default().root()),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

#[test]
fn every_record_that_is_kept_has_a_proof_and_no_other_record_fits_it() {
    for (start, size) in [
        (0, 1),
        (0, 2),
        (0, 7),
        (0, 8),
        (5, 23),
        (0, 600),
        (300, 777),
        (511, 1100),
    ] {
        let tree = tree(start, size);
        let root = tree.edge().root();
        let step = if size > 100 { 13 } else { 1 };
        for index in (start..size).step_by(step).chain([size - 1]) {
            let proof = tree.inclusion(&block(index, start, size), index).unwrap();
            assert!(
                includes(&root, size, index, &hash(index), &proof),
                "{index} of {size}"
            );
            assert!(!includes(&root, size, index, &hash(index + 1), &proof));
            assert!(!includes(&hash(0), size, index, &hash(index), &proof));
            if index + 1 < size {
                assert!(!includes(&root, size, index + 1, &hash(index), &proof));
            }
            if let Some((_, less)) = proof.split_last() {
                assert!(!includes(&root, size, index, &hash(index), less));
            }
            let more = [proof, vec![hash(1)]].concat();
            assert!(!includes(&root, size, index, &hash(index), &more));
        }
        assert_eq!(tree.inclusion(&block(size, start, size), size), None);
    }
    assert_eq!(
        tree(300, 777).inclusion(&block(3, 300, 777), 3),
        None,
        "it is cut off"
    );
}

#[test]
fn a_later_tree_is_proved_to_add_to_an_earlier_one_and_to_no_other() {
    for (start, size) in [
        (0, 1),
        (0, 9),
        (0, 64),
        (0, 70),
        (3, 41),
        (0, 2 * BLOCK + 3),
        (300, 900),
    ] {
        let tree = tree(start, size);
        let root = tree.edge().root();
        let step = if size > 100 { 29 } else { 1 };
        for old in (start.max(1)..=size).step_by(step) {
            let before = self::tree(0, old).edge().root();
            let proof = tree.consistency(&block(old - 1, start, size), old);
            let Some(proof) = proof else {
                assert!(old <= start, "{old} of {size} behind {start}");
                continue;
            };
            assert!(
                extends((old, &before), (size, &root), &proof),
                "{old} of {size}"
            );
            assert!(!extends((old, &hash(0)), (size, &root), &proof));
            if old < size {
                assert!(!extends((old, &before), (size, &before), &proof));
                assert!(!extends((old + 1, &before), (size, &root), &proof));
                let more = [proof, vec![hash(1)]].concat();
                assert!(!extends((old, &before), (size, &root), &more));
            }
        }
    }
}
