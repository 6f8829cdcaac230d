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
        1 => {
            // Mostly an orphan, if there is one, and a parent that fits it.
            let shared = reader.shared_connections().await.unwrap();
            let own = reader.personal_connections(None).await.unwrap();
            let fits = own.iter().find_map(|row| {
                let orphan = row.parent.as_ref().is_some_and(|parent| {
                    !shared.iter().chain(&own).any(|other| other.id == *parent)
                });
                let new = shared.iter().find(|new| new.client == row.client);
                new.filter(|_| orphan)
                    .map(|new| (row.id.clone(), new.id.clone()))
            });
            let random = (
                dice.id(ConnectionId::from_bits),
                dice.id(ConnectionId::from_bits),
            );
            let (connection, parent) = fits.filter(|_| dice.roll(4) > 0).unwrap_or(random);
            Op::Adopt {
                workspace,
                connection,
                parent,
            }
        }
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
