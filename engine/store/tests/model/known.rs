//! Acts on who people are and what a workspace has decided.

use actas_core::policies::Policies;

use super::*;

/// How many kinds there are here.
pub const KINDS: u8 = 14;

/// The kind of operation with this number, of the last ones there are; none: it is one of the others.
pub async fn op(dice: &mut Dice, reader: &Reader, kind: u8) -> Option<Op> {
    let workspace = reader.workspace().clone();
    let user = UserId::from_bits(u128::from(dice.roll(3)) + 1);
    let word = ["one", "two", "three"][usize::from(dice.roll(3))].to_owned();
    let name: Name = word.parse().unwrap();
    let at = Time(i64::from(dice.roll(4)) * 10);
    Some(match acts::KINDS - 1 - kind {
        0 => {
            // Mostly the revision that stands there.
            let stands = reader.policies().await.unwrap().revision;
            Op::PutPolicies {
                workspace,
                policies: Policies {
                    unused_after: u32::from(dice.roll(5)),
                    ..Policies::default()
                },
                expect: if dice.roll(4) == 0 { 1 } else { stands },
                by: user,
                at,
            }
        }
        1 => Op::PutRole {
            workspace,
            role: RoleRow {
                name,
                privileges: vec![word],
                updated_by: user,
                updated_at: at,
            },
        },
        2 => Op::DeleteRole { workspace, name },
        3 => Op::EndAccess { workspace, user },
        4 => Op::EraseUser { workspace, user },
        5 => Op::SeeUser {
            workspace,
            user,
            at,
        },
        6 => Op::AddIdentity {
            workspace,
            identity: IdentityRow {
                issuer: "one".to_owned(),
                subject: word,
                user,
                created_at: at,
            },
        },
        7 => Op::PutOidc {
            workspace,
            oidc: OidcRow {
                oidc: Oidc {
                    issuer: "https://id.example".to_owned(),
                    client_id: word,
                    secret: None,
                    title: None,
                    scopes: Vec::new(),
                    groups_claim: None,
                    groups: Default::default(),
                    create: dice.roll(2) == 0,
                    roles: Vec::new(),
                    domains: Vec::new(),
                },
                updated_by: user,
                updated_at: at,
            },
        },
        8 => Op::DropOidc { workspace },
        9 => Op::AddLoginAttempt(LoginAttemptRow {
            state_hash: word,
            workspace,
            browser_hash: ["a", "b"][usize::from(dice.roll(2))].to_owned(),
            issuer: "one".to_owned(),
            target: "home".to_owned(),
            expires_at: Time(at.micros() + 5),
        }),
        10 => Op::UseLoginAttempt {
            workspace,
            state_hash: word,
            browser_hash: ["a", "b"][usize::from(dice.roll(2))].to_owned(),
            now: Time(i64::from(dice.roll(2)) * 10),
        },
        11 => Op::PutHost {
            workspace,
            host: HostRow {
                name,
                host: Host {
                    issuer: "https://host.example".to_owned(),
                    algorithm: "EdDSA".to_owned(),
                    public_key: word,
                    roles: vec!["runner".to_owned()],
                },
                updated_by: user,
                updated_at: at,
            },
        },
        12 => Op::DeleteHost { workspace, name },
        13 => Op::UseOnce {
            workspace,
            hash: word,
            expires_at: Time(at.micros() + 5),
            now: Time(i64::from(dice.roll(4)) * 10),
        },
        _ => return None,
    })
}
