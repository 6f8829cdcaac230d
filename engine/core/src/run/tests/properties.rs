//! Random flows with random outcomes and a crash anywhere: what must hold whatever happens.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::support::{Story, as_journaled, facts, plan};
use crate::audit::{Actor, Draft, GENESIS, Object, Verifier, link};
use crate::flow::{Ask, Plan, SlotKind};
use crate::ids::WorkspaceId;
use crate::run::*;

/// One step of a random flow, each number a choice.
type Choice = (u8, u8, u8, u8, u8);

fn step() -> impl Strategy<Value = Choice> {
    (0u8..10, 0u8..4, any::<u8>(), 0u8..8, 0u8..3)
}

/// The text of a flow: modules of every effect class, all kinds of slots, needs, conditions and references.
fn flow(steps: &[Choice]) -> String {
    let mut text = "flow: random\ntrigger: {on_demand: {}}\ninputs: {yes: {type: boolean}, no: {type: boolean}}\nconnections:\n".to_owned();
    let used = |n: u8| {
        steps
            .iter()
            .any(|(module, slot, ..)| acts(*module) && *slot % 3 == n)
    };
    for (number, slot) in [
        "late: {app: crm, dynamic: {ask: when_needed}}",
        "early: {app: crm, dynamic: {}}",
        "team: {app: crm, connection: team}",
    ]
    .iter()
    .enumerate()
    {
        if used(u8::try_from(number).unwrap()) {
            writeln!(text, "  {slot}").unwrap();
        }
    }
    if !steps.iter().any(|(module, ..)| acts(*module)) {
        text.truncate(text.len() - "connections:\n".len());
    }
    text.push_str("steps:\n");
    for (number, &(module, slot, links, condition, retry)) in steps.iter().enumerate() {
        let mut fields = vec![match module {
            0 => "uses: core.set".to_owned(),
            1 => "uses: crm.find".to_owned(),
            2 | 3 => "uses: crm.add".to_owned(),
            4 | 5 => "uses: crm.pay".to_owned(),
            6 => "uses: core.wait".to_owned(),
            7 => "uses: core.wait_for_callback".to_owned(),
            8 => "uses: core.approve".to_owned(),
            _ => "uses: core.run_flow".to_owned(),
        }];
        if acts(module) {
            fields.push(format!(
                "connection: {}",
                ["late", "early", "team"][usize::from(slot % 3)]
            ));
        }
        let earlier = |bits: u8| bits.checked_rem(u8::try_from(number).unwrap());
        let need = earlier(links >> 4);
        fields.push(match need {
            Some(need) if links & 1 == 1 => format!("needs: [s{need}]"),
            _ => "needs: []".to_owned(),
        });
        match (earlier(links & 15), links & 2) {
            (Some(read), 2) if module < 6 => {
                fields.push(format!("with: {{v: 1, q: \"{{{{ steps.s{read}.v }}}}\"}}"));
            }
            _ => fields.push(
                match module {
                    6 => "with: {for: 5}",
                    7 => "with: {expires: 1h}",
                    8 => "with: {who: ben, on_reject: continue}",
                    9 => "with: {flow: other}",
                    _ => "with: {v: 1, q: x}",
                }
                .to_owned(),
            ),
        }
        match (condition, earlier(links >> 2)) {
            (1, _) => fields.push("if: inputs.no".to_owned()),
            (2, _) => fields.push("if: inputs.yes".to_owned()),
            (3, _) => fields.push("if: always()".to_owned()),
            (4, _) => fields.push("if: failure()".to_owned()),
            (5, Some(read)) => fields.push(format!("if: steps.s{read} is defined")),
            (6, Some(read)) => fields.push(format!("if: steps.s{read}.v == 1")),
            _ => {}
        }
        if retry > 0 && module != 0 {
            fields.push(format!("retry: {}", retry + 1));
        }
        writeln!(text, "  s{number}: {{{}}}", fields.join(", ")).unwrap();
    }
    text.push_str("outputs: {last: \"{{ steps.s0.v }}\"}\n");
    text
}

/// Whether a module acts through a connection.
fn acts(module: u8) -> bool {
    (1..6).contains(&module)
}

/// Something that may happen to a run as it stands now; false if there is nothing of that kind.
fn happen(story: &mut Story, kind: u8, pick: u8) -> bool {
    let run = &story.run;
    if matches!(run.phase, Phase::Ended { .. }) {
        return false;
    }
    let choose = |from: Vec<String>| {
        let length = from.len();
        (length > 0).then(|| from[usize::from(pick) % length].clone())
    };
    let steps = |wanted: &dyn Fn(&StepState) -> bool| {
        let states = run.root().states.iter().zip(&run.plan.steps);
        choose(
            states
                .filter(|(state, _)| wanted(state))
                .map(|(_, step)| step.path.to_string())
                .collect(),
        )
    };
    let resolvable = || {
        let slots = decide(run, story.now)
            .into_iter()
            .filter_map(|command| match command {
                Command::ResolveSlot(slot) => Some(run.plan.slots[slot].name.to_string()),
                _ => None,
            });
        choose(slots.collect())
    };
    let asked = || {
        choose(
            run.awaited_slots()
                .map(|slot| run.plan.slots[slot].name.to_string())
                .collect(),
        )
    };
    let dynamic = |slot: &String| slot != "team";
    let running = |state: &StepState| matches!(state, StepState::Running { .. });
    let undecided = |state: &StepState| matches!(state, StepState::Undecided { .. });
    let held = |state: &StepState, what: &str| match state {
        StepState::Held { hold, .. } => {
            what == match hold {
                Hold::Until { .. } => "until",
                Hold::Callback { .. } => "callback",
                Hold::Approval { .. } => "approval",
                Hold::Child { .. } => "child",
            }
        }
        _ => false,
    };
    let line = match kind {
        0..=7 => steps(&running).map(|step| format!("ok {step} {{\"v\": {}}}", pick % 2)),
        8 => steps(&running).map(|step| format!("fail {step} unavailable")),
        9 => steps(&running).map(|step| format!("fail {step} rejected")),
        10 | 11 => steps(&running).map(|step| format!("fail {step} sign_in_needed")),
        12..=14 => resolvable()
            .map(|slot| format!("bind {slot}{}", if dynamic(&slot) { "" } else { " shared" })),
        15 | 16 => resolvable()
            .filter(dynamic)
            .map(|slot| format!("ask {slot}")),
        17 | 18 => asked().map(|slot| format!("bind {slot}")),
        19 => asked().map(|slot| format!("decline {slot}")),
        20 => Some("after 3".to_owned()),
        21 => (pick < 32).then(|| "after 700000".to_owned()),
        22 => (pick < 32).then(|| "cancel".to_owned()),
        23 => steps(&undecided).map(|step| format!("happened {step} {{\"v\": 1}}")),
        24 => steps(&undecided)
            .filter(|step| {
                let step = step.parse().unwrap();
                run.takes_answer(&step, None, &Answer::Again, story.now)
                    .is_ok()
            })
            .map(|step| format!("again {step}")),
        25 => steps(&undecided).map(|step| format!("give_up {step}")),
        26 => steps(&|state| held(state, "callback")).map(|step| format!("call {step} 1")),
        27 => steps(&|state| held(state, "approval")).map(|step| format!("approve {step} 2")),
        28 => steps(&|state| held(state, "approval")).map(|step| format!("reject {step} 2")),
        29 => steps(&|state| held(state, "child"))
            .map(|step| format!("child {step} succeeded {{\"v\": 1}}")),
        30 => steps(&|state| held(state, "child")).map(|step| format!("child {step} unavailable")),
        31 => steps(&|state| held(state, "child")).map(|step| format!("child_paused {step}")),
        32 => steps(&|state| held(state, "child")).map(|step| format!("child_goes_on {step}")),
        _ => Some("crash".to_owned()),
    };
    let Some(line) = line else { return false };
    story.happen(&line);
    story.settle();
    true
}

/// What holds at every moment.
fn check_moment(story: &Story) -> Result<(), TestCaseError> {
    let run = &story.run;
    prop_assert!(!story.trace.contains("ILLEGAL"), "an illegal event");
    let mut again = Run::new(run.plan.clone());
    for event in &story.journal {
        prop_assert!(again.apply(event).is_ok());
    }
    prop_assert_eq!(facts(&again), facts(&as_journaled(run, &again)));
    let mut results = HashSet::new();
    for event in &story.journal {
        if let Event::StepSucceeded { step, .. }
        | Event::StepFailed {
            step,
            retry_at: None,
            ..
        }
        | Event::StepSkipped { step, .. } = event
        {
            // What leaves a question is not a result.
            if matches!(event, Event::StepFailed { error, .. } if error.code.as_deref() == Some("interrupted"))
            {
                continue;
            }
            prop_assert!(results.insert(step.clone()), "two results of {}", step);
        }
    }
    let state = run.state_name(story.now);
    let moves = run
        .root()
        .states
        .iter()
        .any(|state| matches!(state, StepState::Running { .. }))
        || decide(run, story.now)
            .iter()
            .any(|command| matches!(command, Command::ResolveSlot(_)));
    match state {
        "paused" => prop_assert!(
            run.needs_person()
                && !moves
                && (run.next_due(story.now).is_some() || !run.living_children().is_empty())
        ),
        // Its children come to their end, and so will it.
        "running" if run.is_closing(story.now) && !run.living_children().is_empty() => {}
        "waiting" => {
            let due = run.next_due(story.now);
            let wakes = due.is_some_and(|due| due > story.now);
            prop_assert!((wakes || !run.living_children().is_empty()) && !moves);
        }
        "running" => prop_assert!(moves, "running, and nothing moves"),
        ended => prop_assert!(matches!(run.phase, Phase::Ended { .. }), "{ended}"),
    }
    let gated = |slot: &usize| {
        let slot = &run.plan.slots[*slot];
        matches!(&slot.slot.kind, SlotKind::Dynamic(d) if d.ask == Ask::UpFront)
            && !slot.may_be_needed
    };
    let closed = (0..run.slots.len())
        .filter(gated)
        .any(|slot| run.slots[slot] == SlotState::Expired);
    if closed && !run.progress.gate_open {
        let untouched = |state: &StepState| !matches!(state, StepState::Succeeded { .. });
        let early = run
            .root()
            .states
            .iter()
            .zip(&run.plan.steps)
            .all(|(state, step)| untouched(state) || step.asks_of_failure);
        prop_assert!(
            early,
            "a step ran although an account asked for up front never came"
        );
    }
    Ok(())
}

/// What holds when a run has ended.
fn check_end(story: &Story) -> Result<(), TestCaseError> {
    let run = &story.run;
    let Phase::Ended { ending, error, .. } = &run.phase else {
        return Err(TestCaseError::fail("the run does not end"));
    };
    let failed = run
        .root()
        .states
        .iter()
        .any(|state| matches!(state, StepState::Failed { .. }));
    match ending {
        Ending::Succeeded => prop_assert!(!failed && error.is_none()),
        Ending::Failed => prop_assert!(error.is_some()),
        Ending::Cancelled => {}
    }
    let settled = |state: &StepState| {
        matches!(
            state,
            StepState::Succeeded { .. } | StepState::Failed { .. } | StepState::Skipped { .. }
        )
    };
    prop_assert!(run.root().states.iter().all(settled));
    // Every step that succeeded had what it needs.
    for (number, step) in run.plan.steps.iter().enumerate() {
        if matches!(*run.root().state(number), StepState::Succeeded { .. }) && !step.asks_of_failure
        {
            for need in &step.needs {
                let had = matches!(*run.root().state(*need), StepState::Succeeded { .. })
                    || step.guarded.contains(need);
                prop_assert!(had, "{} ran without {}", step.id, run.plan.steps[*need].id);
            }
        }
    }
    let mut prev = GENESIS;
    let workspace = WorkspaceId::from_bits(1);
    let mut verifier = Verifier::new(workspace.clone());
    for (number, event) in story.journal.iter().enumerate() {
        let draft = audited(&workspace, event);
        let (record, personal) = link(&draft, number as u64 + 1, prev, &mut || [3; 16]);
        prev = record.hash;
        prop_assert_eq!(verifier.push(&record, &personal), Ok(()));
    }
    prop_assert_eq!(
        verifier.check_head(story.journal.len() as u64, prev),
        Ok(())
    );
    Ok(())
}

fn audited(workspace: &WorkspaceId, event: &Event) -> Draft {
    Draft {
        workspace: workspace.clone(),
        at: event.at(),
        actor: Actor::Engine,
        person: None,
        connection: None,
        account: None,
        rule: None,
        record: None,
        entry: "engine".into(),
        action: event.name().into(),
        object: Object {
            kind: "run".into(),
            id: "run".into(),
            version: None,
        },
        flow: None,
        run: None,
        step: None,
        outcome: "ok".into(),
        reason: None,
        ip: None,
        agent: Some("test".into()),
    }
}

fn live(plan: Arc<Plan>, script: &[(u8, u8)]) -> Result<(), (String, TestCaseError)> {
    let mut story = Story::new(plan, json!({"yes": true, "no": false}));
    let inner = |story: &mut Story| {
        story.settle();
        check_moment(story)?;
        for &(kind, pick) in script {
            if happen(story, kind, pick) {
                check_moment(story)?;
            }
        }
        // Then everybody does what is asked of them, and it must come to an end.
        for _ in 0..1_000 {
            if matches!(story.run.phase, Phase::Ended { .. }) {
                break;
            }
            let moved = happen(story, 17, 0)
                || happen(story, 12, 0)
                || happen(story, 1, 1)
                || happen(story, 23, 0)
                || happen(story, 26, 0)
                || happen(story, 27, 0)
                || happen(story, 29, 0)
                || happen(story, 20, 0);
            prop_assert!(moved);
            check_moment(story)?;
        }
        check_end(story)
    };
    inner(&mut story).map_err(|error| (story.trace, error))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_run_ends_once_or_waits_for_a_reason_whatever_happens_and_wherever_it_crashes(
        steps in prop::collection::vec(step(), 1..9),
        script in prop::collection::vec((0u8..36, any::<u8>()), 0..40),
    ) {
        let text = flow(&steps);
        if let Err((trace, error)) = live(plan(&text), &script) {
            return Err(TestCaseError::fail(format!("{error}\n{text}\n{trace}")));
        }
    }
}
