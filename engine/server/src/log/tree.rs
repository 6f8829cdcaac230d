//! The tree over a log, made from what is stored.

use actas_core::audit::tree::{Block, Frontier, Tree};
use actas_store::Reader;

use crate::log::LogError;

/// How many hashes are read at once.
const BATCH: u32 = 10_000;

/// The edge of the tree where the log begins: of nothing, or of what was let go.
///
/// # Errors
/// If the store is away.
pub async fn first_edge(reader: &Reader) -> Result<Frontier, LogError> {
    let start = reader.audit_start().await?;
    Ok(start.map(|row| row.start.edge).unwrap_or_default())
}

/// Goes on to a number of records, telling of each hash.
pub(super) async fn walk(
    reader: &Reader,
    mut behind: u64,
    upto: u64,
    mut each: impl FnMut(&[u8; 32]),
) -> Result<(), LogError> {
    while behind < upto {
        let hashes = reader.audit_hashes(behind, upto, BATCH).await?;
        if hashes.is_empty() {
            return Err(LogError::NotWhole(behind));
        }
        hashes.iter().for_each(&mut each);
        behind += hashes.len() as u64;
    }
    Ok(())
}

/// The tree over the first so many records.
///
/// # Errors
/// If the store is away, or there are not as many.
pub async fn tree(reader: &Reader, size: u64) -> Result<Tree, LogError> {
    let mut tree = Tree::after(first_edge(reader).await?);
    walk(reader, tree.edge().size(), size, |hash| tree.push(hash)).await?;
    Ok(tree)
}

/// The block with the leaf number `index` (from 0) of a tree of so many records, as far as it is kept.
///
/// # Errors
/// If the store is away.
pub async fn block(reader: &Reader, index: u64, size: u64) -> Result<Block, LogError> {
    let cut = first_edge(reader).await?.size();
    let (first, end) = Block::range(index);
    let (first, mut hashes) = (first.max(cut), Vec::new());
    walk(reader, first, end.min(size), |hash| hashes.push(*hash)).await?;
    Ok(Block::of(first, hashes))
}
