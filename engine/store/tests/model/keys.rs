//! Acts on the keys of workspaces, made of numbers.

use super::acts::Dice;
use super::*;

/// How many kinds of them there are.
pub const KINDS: u8 = 1;

pub async fn op(dice: &mut Dice, workspace: WorkspaceId, model: &Store) -> Op {
    let check = model.key_check().await.unwrap();
    let reader = model.reader(&workspace);
    let keys = reader.workspace_keys().await.unwrap();
    let active = keys.iter().find(|row| row.state == KeyState::Active);
    let some = |dice: &mut Dice| {
        let at = usize::from(dice.roll(4));
        keys.get(at).map_or_else(String::new, |row| row.id.clone())
    };
    // Mostly the key that stands there.
    let current = check.clone().map_or_else(|| dice.word(), |(id, _)| id);
    let act = match dice.roll(6) {
        0..=2 => KeyOp::Add {
            replaces: match dice.roll(4) {
                0 => None,
                1 => Some(some(dice)),
                _ => active.map(|row| row.id.clone()),
            },
            key: WorkspaceKeyRow {
                id: format!("wk_{}", dice.roll(8)),
                workspace,
                wrapped_by: if dice.roll(5) == 0 {
                    dice.word()
                } else {
                    current
                },
                wrapped: vec![dice.roll(250)],
                state: KeyState::Active,
                created_at: dice.time(),
            },
        },
        3 => {
            let start = (String::new(), String::new());
            let rows = reader.secrets_not_under("", &start, 10).await.unwrap();
            let row = rows.into_iter().nth(usize::from(dice.roll(3)));
            let row = row.unwrap_or_else(|| SecretRow {
                owner: "nobody".to_owned(),
                field: "nothing".to_owned(),
                version: 0,
                kek_id: String::new(),
                wrapped: vec![0],
                sealed: vec![0],
            });
            KeyOp::Rewrap {
                workspace,
                from: match dice.roll(4) {
                    0 => vec![255],
                    _ => row.wrapped.clone(),
                },
                to: SecretRow {
                    kek_id: some(dice),
                    wrapped: vec![dice.roll(250)],
                    ..row
                },
            }
        }
        4 => KeyOp::Drop {
            workspace,
            id: some(dice),
        },
        _ => {
            let to = (dice.word(), vec![dice.roll(250)]);
            let mut keys = model.all_workspace_keys().await.unwrap();
            for key in &mut keys {
                key.wrapped_by.clone_from(&to.0);
                key.wrapped.push(dice.roll(250));
            }
            if dice.roll(4) == 0 {
                keys.pop();
            }
            KeyOp::Master {
                from: check.unwrap_or_else(|| ("none".to_owned(), vec![1])),
                derived: vec![("codes".to_owned(), vec![dice.roll(250)])],
                to,
                keys,
            }
        }
    };
    Op::Keys(act)
}
