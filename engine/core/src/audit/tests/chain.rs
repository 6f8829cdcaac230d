//! The chain itself.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

pub(super) fn draft(n: u128) -> Draft {
    Draft {
        workspace: WorkspaceId::from_bits(1),
        at: Time(1_795_180_000_000_000),
        actor: Actor::User {
            id: UserId::from_bits(n),
            login: "ana".into(),
        },
        person: Some((UserId::from_bits(n), "ana".into())),
        connection: Some(ConnectionId::from_bits(n)),
        account: Some("ana@sandbox".into()),
        rule: Some(Rule::Invoker),
        record: Some(("Opportunity".into(), format!("op_{n}"))),
        entry: "cli".into(),
        action: "step.succeeded".into(),
        object: Object {
            kind: "run".into(),
            id: RunId::from_bits(n).to_string(),
            version: Some("3".into()),
        },
        flow: Some("new-opportunity".into()),
        run: Some(RunId::from_bits(n)),
        step: Some("create".into()),
        outcome: "ok".into(),
        reason: None,
        ip: Some("127.0.0.1".into()),
        agent: None,
    }
}

pub(super) type Chain = Vec<(Record, Vec<Personal>)>;

fn chain(length: u64) -> Chain {
    let mut byte = 0;
    let mut salt = || {
        byte += 1;
        [byte; 16]
    };
    let mut prev = GENESIS;
    (1..=length)
        .map(|seq| {
            let linked = link(&draft(seq.into()), seq, prev, &mut salt);
            prev = linked.0.hash;
            linked
        })
        .collect()
}

fn verify(chain: &Chain) -> Result<Verifier, Broken> {
    let mut verifier = Verifier::new(WorkspaceId::from_bits(1));
    for (record, personal) in chain {
        verifier.push(record, personal)?;
    }
    Ok(verifier)
}

fn check(tamper: impl FnOnce(&mut Chain), expect: Expect) {
    let mut chain = chain(5);
    assert!(verify(&chain).is_ok(), "the chain was right before");
    tamper(&mut chain);
    let found = verify(&chain).map_or_else(|broken| broken.to_string(), |_| "right".into());
    expect.assert_eq(&found);
}

#[test]
fn an_edited_record_is_named() {
    check(
        |c| c[2].0.outcome = "refused".into(),
        expect!["record 3 was altered: its fields do not give its hash"],
    );
}

#[test]
fn an_edited_record_with_a_new_hash_is_found_by_the_next_one() {
    check(
        |c| {
            c[2].0.outcome = "refused".into();
            c[2].0.hash = c[2].0.computed_hash();
        },
        expect![
            "record 4 was not written behind record 3 as that now is (one of the two was replaced)"
        ],
    );
}

#[test]
fn a_deleted_record_is_named() {
    check(
        |c| drop(c.remove(2)),
        expect!["record 3 is missing: after 2 comes 4 (it was deleted)"],
    );
    check(
        |c| drop(c.remove(0)),
        expect!["record 1 is missing: after 0 comes 2 (it was deleted)"],
    );
}

#[test]
fn an_inserted_record_is_named() {
    check(
        |c| c.insert(3, c[2].clone()),
        expect!["record 3 stands behind record 3 (it was inserted or the order changed)"],
    );
}

#[test]
fn swapped_records_are_found_also_when_their_numbers_are_swapped_back() {
    check(
        |c| c.swap(1, 2),
        expect!["record 2 is missing: after 1 comes 3 (it was deleted)"],
    );
    check(
        |c| {
            c.swap(1, 2);
            (c[1].0.seq, c[2].0.seq) = (2, 3);
        },
        expect!["record 2 was altered: its fields do not give its hash"],
    );
}

#[test]
fn a_record_of_another_workspace_is_named() {
    check(
        |c| c[1].0.workspace = WorkspaceId::from_bits(2),
        expect!["record 2 belongs to the chain of another workspace"],
    );
}

#[test]
fn altered_added_and_exchanged_side_values_are_named() {
    check(
        |c| c[1].1[0].value = "ben".into(),
        expect!["record 2 has another personal value `actor` than when it was written"],
    );
    check(
        |c| c[1].1[2].salt = [9; 16],
        expect!["record 2 has another personal value `account` than when it was written"],
    );
    check(
        |c| {
            let (left, right) = c.split_at_mut(2);
            std::mem::swap(&mut left[1].1, &mut right[0].1);
        },
        expect!["record 2 has another personal value `actor` than when it was written"],
    );
    check(
        |c| {
            c[1].1.push(Personal {
                field: Field::Agent,
                salt: [0; 16],
                value: "curl".into(),
            });
        },
        expect!["record 2 never had a personal value `agent` (it was added)"],
    );
    check(
        |c| {
            let again = c[1].1[0].clone();
            c[1].1.push(again);
        },
        expect!["record 2 has two personal values `actor`"],
    );
}

/// Links a record behind a chain.
pub(super) fn add(chain: &mut Chain, draft: &Draft) {
    let (last, _) = chain.last().unwrap();
    let linked = link(draft, last.seq + 1, last.hash, &mut || [99; 16]);
    chain.push(linked);
}

/// Ben (200) did something for Ana, who is the person of record 2, from which everything of hers is erased; then it is recorded.
pub(super) fn erased_chain() -> Chain {
    let (mut chain, ana, ben) = (chain(4), UserId::from_bits(2), UserId::from_bits(200));
    let ben = || Actor::User {
        id: ben.clone(),
        login: "ben".into(),
    };
    let mut other = draft(2);
    other.actor = ben();
    add(&mut chain, &other);
    for (record, personal) in &mut chain {
        personal.retain(|kept| record.whose(kept.field) != Some(&ana));
    }
    let mut erasure = draft(200);
    erasure.actor = ben();
    erasure.action = ERASED.into();
    erasure.object = Object {
        kind: "user".into(),
        id: ana.to_string(),
        version: None,
    };
    add(&mut chain, &erasure);
    add(&mut chain, &draft(7));
    chain
}

fn check_end(tamper: impl FnOnce(&mut Chain), expect: Expect) {
    let mut chain = erased_chain();
    let end = |chain: &Chain| verify(chain).and_then(|v| v.check_missing());
    assert_eq!(end(&chain), Ok(()), "the chain was right before");
    tamper(&mut chain);
    let found = end(&chain).map_or_else(|broken| broken.to_string(), |()| "right".into());
    expect.assert_eq(&found);
}

/// Writes a record anew, and all records behind it: what somebody with the database in their hands could do.
fn forge(chain: &mut Chain, from: usize, change: impl FnOnce(&mut Record)) {
    change(&mut chain[from].0);
    for at in from..chain.len() {
        chain[at].0.prev = at
            .checked_sub(1)
            .map_or(GENESIS, |before| chain[before].0.hash);
        chain[at].0.hash = chain[at].0.computed_hash();
    }
}

#[test]
fn values_of_an_erased_person_are_missing_rightly_and_those_of_others_stay() {
    let chain = erased_chain();
    let fields = |at: usize| {
        chain[at]
            .1
            .iter()
            .map(|kept| kept.field)
            .collect::<Vec<_>>()
    };
    assert_eq!(fields(1), []);
    // Where Ben came from is his, though he did it for Ana.
    assert_eq!(fields(4), [Field::Actor, Field::Ip]);
    let verifier = verify(&chain).unwrap();
    assert_eq!((verifier.erased(), verifier.check_missing()), (6, Ok(())));
}

#[test]
fn a_value_that_is_missing_without_an_erasure_of_its_person_is_named() {
    check_end(
        |c| drop(c[3].1.remove(2)),
        expect![
            "record 4 has lost its personal value `account`, and no later record says that usr_00000000000000000000000004 was erased (it was deleted)"
        ],
    );
    check_end(
        |c| c[4].1.retain(|kept| kept.field != Field::Ip),
        expect![
            "record 5 has lost its personal value `ip`, and no later record says that usr_00000000000000000000000068 was erased (it was deleted)"
        ],
    );
    // Behind the erasure it accounts for nothing, not even of the same person.
    check_end(
        |c| {
            let mut later = draft(2);
            later.account = None;
            add(c, &later);
            c[7].1.retain(|kept| kept.field != Field::Person);
        },
        expect![
            "record 8 has lost its personal value `person`, and no later record says that usr_00000000000000000000000002 was erased (it was deleted)"
        ],
    );
}

#[test]
fn only_an_erasure_of_exactly_that_person_accounts_for_it() {
    fn named(tamper: impl FnOnce(&mut Chain)) {
        check_end(
            tamper,
            expect![
                "record 2 has lost its personal value `actor`, and no later record says that usr_00000000000000000000000002 was erased (it was deleted)"
            ],
        );
    }
    named(|c| {
        forge(c, 5, |record| {
            record.object.id = UserId::from_bits(3).to_string();
        });
    });
    named(|c| forge(c, 5, |record| record.object.kind = "connection".into()));
    named(|c| forge(c, 5, |record| record.outcome = "refused".into()));
    named(|c| c.truncate(5));
}

#[test]
fn a_beginning_that_was_let_go_needs_a_record_that_says_so() {
    let mut chain = chain(5);
    let (seq, hash) = (chain[2].0.seq, chain[2].0.hash);
    let verify = |chain: &Chain| {
        let mut verifier = Verifier::behind_cut(WorkspaceId::from_bits(1), seq, hash);
        for (record, personal) in &chain[3..] {
            verifier.push(record, personal)?;
        }
        verifier.check_missing()
    };
    let missing = "record 3 and all before it are missing, and no record says that they were let go as `audit.cut` does (they were deleted)";
    assert_eq!(verify(&chain).unwrap_err().to_string(), missing);
    let mut cut = draft(9);
    cut.action = CUT.into();
    cut.object = Object {
        kind: "audit".into(),
        id: "3".into(),
        version: Some(hex::encode(hash)),
    };
    add(&mut chain, &cut);
    assert_eq!(verify(&chain), Ok(()));
    for change in [
        |object: &mut Object| object.id = "4".into(),
        |object: &mut Object| object.version = Some(hex::encode(GENESIS)),
        |object: &mut Object| object.version = None,
    ] {
        let mut other = chain.clone();
        forge(&mut other, 5, |record| change(&mut record.object));
        assert_eq!(verify(&other).unwrap_err().to_string(), missing);
    }
}

#[test]
fn a_value_of_somebody_unknown_cannot_be_erased() {
    let mut draft = draft(1);
    (draft.actor, draft.person) = (Actor::Anonymous, None);
    let (record, _) = link(&draft, 1, GENESIS, &mut || [1; 16]);
    let found = verify(&vec![(record, Vec::new())]).map(drop).unwrap_err();
    expect!["record 1 has lost its personal value `account`, which belongs to nobody who could be erased (it was deleted)"]
        .assert_eq(&found.to_string());
}

#[test]
fn missing_personal_values_leave_the_chain_right_and_are_counted() {
    let mut chain = chain(5);
    chain[1].1.clear();
    chain[3].1.retain(|kept| kept.field != Field::Account);
    assert_eq!(verify(&chain).unwrap().erased(), 5);
}

#[test]
fn a_tail_that_was_cut_off_is_seen_against_the_head() {
    let chain = chain(5);
    let head = chain[4].0.hash;
    let cut = verify(&chain[..3].to_vec()).unwrap();
    expect![
        "record 4 is missing: the chain ends here and should end with 5 (the tail was cut off)"
    ]
    .assert_eq(&cut.check_head(5, head).unwrap_err().to_string());
    assert_eq!(verify(&chain).unwrap().check_head(5, head), Ok(()));
    expect!["record 5 is not the one that the head names (it was replaced)"].assert_eq(
        &verify(&chain)
            .unwrap()
            .check_head(5, GENESIS)
            .unwrap_err()
            .to_string(),
    );
    expect!["record 5 is not known: the chain should end with 4 (it was added)"].assert_eq(
        &verify(&chain)
            .unwrap()
            .check_head(4, chain[3].0.hash)
            .unwrap_err()
            .to_string(),
    );
}

#[test]
fn verification_may_begin_at_a_checkpoint() {
    let chain = chain(5);
    let mut verifier = Verifier::after(WorkspaceId::from_bits(1), 3, chain[2].0.hash);
    for (record, personal) in &chain[3..] {
        verifier.push(record, personal).unwrap();
    }
    assert_eq!(verifier.head(), (5, chain[4].0.hash));
}

#[test]
fn the_format_is_fixed_to_the_byte() {
    let (record, _) = chain(1).remove(0);
    expect!["0be09aebc627e6739fcd3fab58cbb951e1de5d8fbf78fcf067fac166fa1bad8f"]
        .assert_eq(&hex::encode(record.hash));
}

#[test]
fn a_record_never_exceeds_its_limit_and_shortens_instead() {
    let long = "ä".repeat(9_000);
    let mut draft = draft(1);
    draft.actor = Actor::User {
        id: UserId::from_bits(1),
        login: long.clone(),
    };
    draft.person = Some((UserId::from_bits(1), long.clone()));
    draft.account = Some(long.clone());
    draft.record = Some((long.clone(), long.clone()));
    draft.object = Object {
        kind: long.clone(),
        id: long.clone(),
        version: Some(long.clone()),
    };
    for field in [&mut draft.entry, &mut draft.action, &mut draft.outcome] {
        field.clone_from(&long);
    }
    for field in [
        &mut draft.flow,
        &mut draft.step,
        &mut draft.reason,
        &mut draft.ip,
        &mut draft.agent,
    ] {
        *field = Some(long.clone());
    }
    let (record, personal) = link(&draft, u64::MAX, [255; 32], &mut || [7; 16]);
    assert!(record.canonical().len() <= MAX_RECORD_BYTES);
    assert!(personal.iter().all(|kept| kept.value.len() <= 256));
    assert!(record.step.unwrap().ends_with("ä…"));
}

#[test]
fn neither_record_nor_commitments_hold_a_personal_value() {
    let (record, _) = chain(1).remove(0);
    let text = serde_json::to_string(&record).unwrap();
    for value in ["ana", "127.0.0.1"] {
        assert!(!text.contains(value), "{value} in {text}");
    }
}

#[test]
fn a_record_and_its_commitments_are_read_back_as_they_were() {
    for (record, personal) in chain(2) {
        let text = serde_json::to_string(&(&record, &personal)).unwrap();
        let again: (Record, Vec<Personal>) = serde_json::from_str(&text).unwrap();
        assert_eq!(again, (record.clone(), personal));
        let commitments: Commitments = record.commitments.to_string().parse().unwrap();
        assert_eq!(commitments, record.commitments);
    }
    assert!("actor:12".parse::<Commitments>().is_err());
}

#[test]
fn the_view_shows_what_was_done_and_names_what_was_erased() {
    let (record, mut personal) = chain(1).remove(0);
    personal.retain(|kept| kept.field != Field::Ip);
    expect![[r#"
        {
          "account": "ana@sandbox",
          "action": "step.succeeded",
          "actor": {
            "id": "usr_00000000000000000000000001",
            "login": "ana",
            "type": "user"
          },
          "agent": null,
          "at": "2026-11-20T13:06:40.000000Z",
          "connection": "con_00000000000000000000000001",
          "entry": "cli",
          "erased": [
            "ip"
          ],
          "flow": "new-opportunity",
          "hash": "0be09aebc627e6739fcd3fab58cbb951e1de5d8fbf78fcf067fac166fa1bad8f",
          "ip": null,
          "object": {
            "id": "run_00000000000000000000000001",
            "type": "run",
            "version": "3"
          },
          "outcome": "ok",
          "person": {
            "id": "usr_00000000000000000000000001",
            "login": "ana"
          },
          "prev": "0000000000000000000000000000000000000000000000000000000000000000",
          "reason": null,
          "record": {
            "id": "op_1",
            "type": "Opportunity"
          },
          "rule": "invoker",
          "run": "run_00000000000000000000000001",
          "seq": 1,
          "step": "create"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&view(&record, &personal)).unwrap());
}

proptest! {
    #[test]
    fn no_change_of_any_stored_byte_goes_unnoticed(place in 0usize..5, at in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let mut chain = chain(5);
        let mut text = serde_json::to_vec(&chain[place]).unwrap();
        let at = at.index(text.len());
        text[at] ^= flip;
        // What can no longer be read is noticed by whoever reads it.
        if let Ok(changed) = serde_json::from_slice::<(Record, Vec<Personal>)>(&text) {
            let same = changed == chain[place];
            chain[place] = changed;
            let found = verify(&chain).and_then(|verifier| verifier.check_missing());
            prop_assert_eq!(found.is_ok(), same);
            if let Err(broken) = found {
                let named = broken.seq;
                prop_assert!(named >= 1 && named <= place as u64 + 2, "{}", broken);
            }
        }
    }
}
