//! Single changes to logs, by the hundred thousand: every one is found, and the record that is named is the one. What stands before a change was
//! found right once already; so that there can be so many, each search goes on from there.

use super::chain::{Chain, add, draft};
use super::*;
use crate::audit::verify::values_of;

/// Numbers that look random and are the same for everybody (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }
}

/// A log with what a real one has: people, steps, refusals, and somebody who was erased from it.
struct Log {
    chain: Chain,
    /// The state before each record.
    before: Vec<Verifier>,
    head: (u64, Hash),
}

const ERASED_PERSON: u128 = 3;

impl Log {
    fn new(length: usize, dice: &mut Dice) -> Self {
        let mut chain: Chain = vec![link(&draft(1), 1, GENESIS, &mut || [1; 16])];
        let erasure = length / 2 + dice.roll(length / 4);
        while chain.len() < length {
            let person = dice.roll(7) as u128 + 1;
            let mut next = draft(person);
            match dice.roll(4) {
                0 => (next.actor, next.account, next.rule) = (Actor::Engine, None, None),
                1 => {
                    (next.outcome, next.reason) = ("refused".into(), Some("wrong_password".into()));
                }
                _ => next.agent = Some("a browser".into()),
            }
            if chain.len() == erasure {
                let gone = UserId::from_bits(ERASED_PERSON);
                for (record, personal) in &mut chain {
                    personal.retain(|kept| record.whose(kept.field) != Some(&gone));
                }
                next = draft(1);
                next.action = ERASED.into();
                (next.object.kind, next.object.id) = ("user".into(), gone.to_string());
            }
            add(&mut chain, &next);
        }
        let mut verifier = Verifier::new(WorkspaceId::from_bits(1));
        let before = chain.iter().map(|(record, personal)| {
            let before = verifier.clone();
            verifier.push(record, personal).unwrap();
            before
        });
        let before = before.collect();
        let (last, _) = chain.last().unwrap();
        let head = (last.seq, last.hash);
        assert_eq!(
            verifier.check_head(head.0, head.1),
            Ok(()),
            "it is right before"
        );
        assert!(verifier.erased() > 0, "somebody was erased");
        Self {
            chain,
            before,
            head,
        }
    }

    /// What is found if from a place on other records stand in the place of some.
    fn found(&self, at: usize, instead: &Chain, of: usize) -> Option<u64> {
        let mut verifier = self.before[at].clone();
        let all = instead
            .iter()
            .chain(&self.chain[(at + of).min(self.chain.len())..]);
        for (record, personal) in all {
            if let Err(broken) = verifier.push(record, personal) {
                return Some(broken.seq);
            }
        }
        let end = verifier.check_head(self.head.0, self.head.1);
        end.err().map(|broken| broken.seq)
    }

    /// One change; gives what should be named and what was, and what was done.
    fn mutate(&self, dice: &mut Dice) -> (Option<u64>, Option<u64>, &'static str) {
        let at = dice.roll(self.chain.len());
        let seq = at as u64 + 1;
        let last = at + 1 == self.chain.len();
        let one = |entry: (Record, Vec<Personal>)| self.found(at, &vec![entry], 1);
        let (mut record, mut personal) = self.chain[at].clone();
        let (expected, found, what) = match dice.roll(16) {
            0..6 => {
                let what = edit(&mut record, dice);
                (seq, one((record, personal)), what)
            }
            6 => {
                let (mut other, commitments) = (record.clone(), record.commitments.clone());
                while other == record || other.commitments != commitments {
                    other = record.clone();
                    edit(&mut other, dice);
                }
                record = other;
                record.hash = record.computed_hash();
                // Two records do not fit together; the later one is named, with both in the message. The last one does not fit the head.
                let named = if last || values_of(&record, &personal).is_err() {
                    seq
                } else {
                    seq + 1
                };
                (named, one((record, personal)), "edited with a new hash")
            }
            7 => (seq, self.found(at, &Vec::new(), 1), "deleted"),
            8 => {
                let twice = vec![self.chain[at].clone(), self.chain[at].clone()];
                (seq, self.found(at, &twice, 1), "inserted")
            }
            9 if !last => {
                let swapped = vec![self.chain[at + 1].clone(), self.chain[at].clone()];
                (seq, self.found(at, &swapped, 2), "swapped")
            }
            10 => {
                let upto = self.chain.len();
                (seq, self.found(at, &Vec::new(), upto), "cut off")
            }
            11 if at > 0 => {
                record.prev[dice.roll(32)] ^= 1 << dice.roll(8);
                record.hash = record.computed_hash();
                (seq, one((record, personal)), "linked elsewhere")
            }
            12 => {
                // One that is not there yet.
                let missing = Field::ALL
                    .into_iter()
                    .find(|field| !record.commitments.0.contains_key(field));
                let field = missing.unwrap_or(Field::Actor);
                personal.push(Personal {
                    field,
                    salt: [7; 16],
                    value: "somebody".into(),
                });
                (seq, one((record, personal)), "side value added")
            }
            13 | 14 if !personal.is_empty() => {
                let value = dice.roll(personal.len());
                match dice.roll(3) {
                    0 => personal[value].salt[dice.roll(16)] ^= 1 << dice.roll(8),
                    1 => personal[value].value.push('x'),
                    _ => personal[value].value = "ben".into(),
                }
                (seq, one((record, personal)), "side value changed")
            }
            // It shows only at the end, which takes longest: not as often.
            15 if !personal.is_empty() && dice.roll(4) == 0 => {
                let gone = personal.remove(dice.roll(personal.len()));
                let erased = record.whose(gone.field) == Some(&UserId::from_bits(ERASED_PERSON));
                assert!(
                    !erased || self.before[at].erased() > 0,
                    "nothing of theirs is left before"
                );
                (seq, one((record, personal)), "side value deleted")
            }
            _ => {
                record.hash[dice.roll(32)] ^= 1 << dice.roll(8);
                (seq, one((record, personal)), "another hash")
            }
        };
        (Some(expected), found, what)
    }
}

/// Changes one field.
fn edit(record: &mut Record, dice: &mut Dice) -> &'static str {
    fn other(text: &mut String, dice: &mut Dice) {
        match dice.roll(3) {
            0 => text.push('x'),
            1 => *text = format!("y{text}"),
            _ => *text = "run.created by somebody else".into(),
        }
    }
    fn maybe(text: &mut Option<String>, dice: &mut Dice) {
        match text {
            Some(_) if dice.roll(2) == 0 => *text = None,
            Some(text) => other(text, dice),
            None => *text = Some(String::new()),
        }
    }
    let somebody = Some(UserId::from_bits(77));
    match dice.roll(18) {
        0 => record.at = Time(record.at.micros() + 1 + dice.roll(1_000_000) as i64),
        1 => {
            record.actor = if record.actor == ActorKind::Trigger {
                ActorKind::Engine
            } else {
                ActorKind::Trigger
            }
        }
        2 => record.actor_id = somebody,
        3 => {
            record.person = if record.person.is_some() && dice.roll(2) == 0 {
                None
            } else {
                somebody
            }
        }
        4 => record.connection = Some(ConnectionId::from_bits(77)),
        5 => {
            record.rule = if record.rule == Some(Rule::Owner) {
                None
            } else {
                Some(Rule::Owner)
            }
        }
        6 => record.record = Some(("Account".into(), "1".into())),
        7 => other(&mut record.entry, dice),
        8 => other(&mut record.action, dice),
        9 => other(&mut record.object.kind, dice),
        10 => other(&mut record.object.id, dice),
        11 => maybe(&mut record.object.version, dice),
        12 => maybe(&mut record.flow, dice),
        13 => record.run = Some(RunId::from_bits(7_777)),
        14 => maybe(&mut record.step, dice),
        15 => other(&mut record.outcome, dice),
        16 => maybe(&mut record.reason, dice),
        _ => {
            let first = record.commitments.0.keys().next().copied();
            match first {
                Some(field) => drop(record.commitments.0.remove(&field)),
                None => drop(record.commitments.0.insert(Field::Ip, [1; 32])),
            }
        }
    }
    "edited"
}

/// Makes so many changes, one at a time; each must be found where it is.
fn all_are_found(
    log: &Log,
    dice: &mut Dice,
    changes: usize,
    kinds: &mut std::collections::BTreeMap<&'static str, usize>,
) {
    for _ in 0..changes {
        let (expected, found, what) = log.mutate(dice);
        assert_eq!(found, expected, "{what}");
        *kinds.entry(what).or_default() += 1;
    }
}

#[test]
fn a_thousand_changes_of_a_log_of_ten_thousand_are_found_where_they_are() {
    let mut dice = Dice(1);
    let (log, mut kinds) = (Log::new(10_000, &mut dice), Default::default());
    all_are_found(&log, &mut dice, 1_000, &mut kinds);
    assert_eq!(kinds.len(), 11, "{kinds:?}");
}

#[test]
fn a_hundred_thousand_changes_of_logs_of_a_hundred_are_found_where_they_are() {
    let (mut dice, mut kinds) = (Dice(2), Default::default());
    for _ in 0..100 {
        let log = Log::new(100, &mut dice);
        all_are_found(&log, &mut dice, 1_000, &mut kinds);
    }
    assert!(
        kinds.len() == 11 && kinds.values().all(|times| *times > 500),
        "{kinds:?}"
    );
}
