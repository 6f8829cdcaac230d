//! Operations on what stands beside an audit log, made of numbers.

use actas_core::audit::export::Start;
use actas_core::audit::tree::Frontier;

use super::acts::Dice;
use super::*;

/// How many kinds of them there are.
pub const KINDS: u8 = 6;

/// The edge of a tree of so many records; which they are is not asked.
fn edge(size: u64) -> Frontier {
    let mut edge = Frontier::default();
    (0..size).for_each(|_| edge.push(&[7; 32]));
    edge
}

pub async fn op(kind: u8, dice: &mut Dice, workspace: WorkspaceId, model: &Store) -> Op {
    let reader = model.reader(&workspace);
    let last = reader.audit_checkpoint(Time(i64::MAX)).await.unwrap();
    let last = last.map_or(0, |row| row.edge.size());
    let act = match kind {
        0 => LogAct::MakeKey(SecretRow {
            owner: "audit".to_owned(),
            field: "signing_key".to_owned(),
            version: 1,
            kek_id: dice.word(),
            wrapped: vec![1],
            sealed: vec![2],
        }),
        1 => LogAct::AddCheckpoint(CheckpointRow {
            edge: edge(last + u64::from(dice.roll(4))),
            note: dice.word(),
            // Over several days.
            made_at: Time(i64::from(dice.roll(5)) * 40_000_000_000),
            sent: dice.roll(2) == 0,
        }),
        2 => LogAct::Sent(last.saturating_sub(u64::from(dice.roll(3)))),
        3 => LogAct::Cut(AuditStartRow {
            start: Start {
                seq: last.saturating_sub(u64::from(dice.roll(3))),
                hash: [3; 32],
                edge: edge(1),
            },
            note: dice.word(),
            cut_at: dice.time(),
        }),
        4 => LogAct::Drop(u64::from(dice.roll(9))),
        _ => {
            let since = reader.audit_reviews(1).await.unwrap();
            let since = since.first().map_or(0, |row| row.upto);
            LogAct::Review(ReviewRow {
                upto: since + u64::from(dice.roll(3)),
                since: since + u64::from(dice.roll(5) == 0),
                by: UserId::from_bits(u128::from(dice.roll(3)) + 1),
                note: dice.word(),
                at: dice.time(),
            })
        }
    };
    Op::Log { workspace, act }
}
