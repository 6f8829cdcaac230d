//! Operations on the life of connections and flows, made of numbers.

use super::acts::Dice;
use super::*;

/// How many kinds of them there are.
pub const KINDS: u8 = 10;

pub async fn op(kind: u8, dice: &mut Dice, workspace: WorkspaceId, model: &Store) -> Op {
    let reader = model.reader(&workspace);
    match kind {
        0 => Op::BuryParent {
            workspace,
            parent: DeletedParentRow {
                id: dice.id(ConnectionId::from_bits),
                name: dice.word().parse().unwrap(),
                app: "crm".parse().unwrap(),
                client: dice.id(ClientId::from_bits),
                deleted_by: dice.id(UserId::from_bits),
                deleted_at: dice.time(),
            },
        },
        1 => adopt(dice, &reader).await,
        2 => {
            let user = dice.id(UserId::from_bits);
            let known = reader.grants_by(&user).await.unwrap();
            let (flow, slot) = match known.first().filter(|_| dice.roll(4) > 0) {
                Some(grant) => (grant.flow.clone(), grant.slot.clone()),
                None => (dice.id(FlowId::from_bits), dice.word().parse().unwrap()),
            };
            Op::DropGrant {
                workspace,
                user,
                flow,
                slot,
            }
        }
        3 => Op::RenewSlot {
            workspace,
            flow: dice.id(FlowId::from_bits),
            slot: dice.word().parse().unwrap(),
        },
        4 => Op::DeleteFlow {
            workspace,
            flow: dice.id(FlowId::from_bits),
            by: dice.id(UserId::from_bits),
            at: dice.time(),
        },
        5 => Op::DeleteClient {
            workspace,
            client: dice.id(ClientId::from_bits),
        },
        6 => Op::ForgetPerson {
            workspace,
            user: dice.id(UserId::from_bits),
        },
        7 => Op::AddRevocation {
            workspace,
            revocation: RevocationRow {
                id: dice.id(RevocationId::from_bits),
                connection: dice.id(ConnectionId::from_bits),
                app: "crm".parse().unwrap(),
                client: dice.id(ClientId::from_bits),
                tries: u32::from(dice.roll(2)),
                next_at: dice.time(),
                until: dice.time(),
                created_at: dice.time(),
            },
        },
        8 => {
            let revocation = dice.id(RevocationId::from_bits);
            let known = reader.revocation(&revocation).await.unwrap();
            let tries = known.map_or(0, |row| row.tries) + u32::from(dice.roll(6) == 0);
            Op::TryRevocation {
                workspace,
                revocation,
                tries,
                next_at: dice.time(),
            }
        }
        _ => Op::EndRevocation {
            workspace,
            revocation: dice.id(RevocationId::from_bits),
        },
    }
}

/// Mostly an orphan and a parent that fits it; where there are none, one of the two.
async fn adopt(dice: &mut Dice, reader: &Reader) -> Op {
    let workspace = reader.workspace().clone();
    let shared = reader.shared_connections().await.unwrap();
    let own = reader.personal_connections(None).await.unwrap();
    let living = |id: &ConnectionId| shared.iter().chain(&own).any(|row| row.id == *id);
    let orphans = || {
        let orphan = |row: &&ConnectionRow| row.parent.as_ref().is_some_and(|id| !living(id));
        own.iter().filter(orphan)
    };
    let fits = orphans().find_map(|row| {
        let new = shared.iter().find(|new| new.client == row.client)?;
        Some((row.id.clone(), new.id.clone()))
    });
    let free = (1..=4).map(ConnectionId::from_bits).find(|id| !living(id));
    match (fits, free) {
        (Some((connection, parent)), _) if dice.roll(4) > 0 => Op::Adopt {
            workspace,
            connection,
            parent,
        },
        (None, Some(id)) if dice.roll(4) > 0 => {
            let orphan = orphans().next();
            let (kind, name) = match orphan {
                Some(_) => (ConnectionKind::Shared, Some("four")),
                None => (ConnectionKind::Personal, None),
            };
            Op::AddConnection {
                workspace,
                connection: ConnectionRow {
                    id,
                    owner: UserId::from_bits(1),
                    client: orphan.map_or(ClientId::from_bits(1), |row| row.client.clone()),
                    parent: orphan.is_none().then(|| ConnectionId::from_bits(9)),
                    made_for: None,
                    ..support::connection(kind, name)
                },
            }
        }
        _ => Op::Adopt {
            workspace,
            connection: dice.id(ConnectionId::from_bits),
            parent: dice.id(ConnectionId::from_bits),
        },
    }
}
