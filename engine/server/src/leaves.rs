//! What a flow takes from one person's account and shows to somebody else: found on the graph of a version, before anything runs. Pure; it names
//! steps, never values.

use actas_core::app::{Effect, HoldKind};
use actas_core::flow::plan::Work;
use actas_core::flow::{Plan, SlotKind};
use serde::Serialize;

/// One way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leaves {
    /// `approval`: those who are asked see it · `output`: whoever runs the flow sees it · `call`: another account or app gets it · `flow`: another
    /// flow gets it, whose own publishing said where it takes it from there.
    pub through: &'static str,
    /// The step, or the output.
    pub name: String,
    /// The slots whose person's data it is made of.
    pub of: Vec<String>,
}

/// Every way in which what a personal connection gave leaves its person, in the order of the flow.
pub fn leaves(plan: &Plan) -> Vec<Leaves> {
    let personal: Vec<usize> = (0..plan.slots.len())
        .filter(|slot| matches!(plan.slots[*slot].slot.kind, SlotKind::Dynamic(_)))
        .collect();
    let made: Vec<(usize, Vec<bool>)> = personal
        .iter()
        .map(|&slot| {
            (
                slot,
                made_of(plan, |step| plan.steps[step].slot == Some(slot)),
            )
        })
        .collect();
    let reads = plan.index.reads(plan);
    let mut found = Vec::new();
    let mut add = |through: &'static str, name: String, of: Vec<String>| {
        if !of.is_empty() {
            found.push(Leaves { through, name, of });
        }
    };
    let names = |slots: Vec<usize>| -> Vec<String> {
        let name = |slot: usize| plan.slots[slot].name.to_string();
        slots.into_iter().map(name).collect()
    };
    for (number, step) in plan.steps.iter().enumerate() {
        let enters =
            |slot: &&(usize, Vec<bool>)| reads.with[number].iter().any(|&read| slot.1[read]);
        let from: Vec<usize> = made.iter().filter(enters).map(|(slot, _)| *slot).collect();
        let approval = matches!(
            step.work,
            Work::Hold {
                kind: HoldKind::Approve,
                ..
            }
        );
        let flow = matches!(
            step.work,
            Work::Hold {
                kind: HoldKind::RunFlow,
                ..
            }
        );
        if approval {
            add("approval", step.path.to_string(), names(from));
        } else if flow {
            add("flow", step.path.to_string(), names(from));
        } else if matches!(step.work, Work::Module(_)) && step.effect != Effect::Pure {
            let others = from.into_iter().filter(|slot| step.slot != Some(*slot));
            add("call", step.path.to_string(), names(others.collect()));
        }
    }
    // The flow's outputs are its invoker's: only what comes from somebody else's account leaves through them.
    for (output, (name, _)) in plan.outputs.iter().enumerate() {
        let from = made.iter().filter(|(slot, made)| {
            plan.slots[*slot].of.is_some() && reads.outputs[output].iter().any(|&read| made[read])
        });
        add(
            "output",
            name.clone(),
            names(from.map(|(slot, _)| *slot).collect()),
        );
    }
    found
}

/// The names of the outputs that are made of what these steps gave.
pub fn outputs_made_of(plan: &Plan, acts: impl Fn(usize) -> bool) -> Vec<String> {
    let made = made_of(plan, acts);
    let reads = plan.index.reads(plan);
    let named = plan.outputs.iter().zip(&reads.outputs);
    named
        .filter(|(_, from)| from.iter().any(|&read| made[read]))
        .map(|((name, _), _)| name.clone())
        .collect()
}

/// Step by step: whether what it gives is made of what these steps gave. What is inside a step is part of it, and sees what it was given.
fn made_of(plan: &Plan, acts: impl Fn(usize) -> bool) -> Vec<bool> {
    let reads = plan.index.reads(plan);
    let owner = |step: usize| plan.blocks.get(plan.steps[step].block)?.owner;
    let mut made: Vec<bool> = (0..plan.steps.len()).map(acts).collect();
    let mut enters = vec![false; made.len()];
    loop {
        let mut moved = false;
        for step in 0..made.len() {
            let given = reads.with[step].iter().any(|&read| made[read])
                || owner(step).is_some_and(|owner| enters[owner]);
            if given && !enters[step] {
                enters[step] = true;
                moved = true;
            }
            if given && !made[step] {
                made[step] = true;
                moved = true;
            }
            if made[step]
                && let Some(owner) = owner(step)
                && !made[owner]
            {
                made[owner] = true;
                moved = true;
            }
        }
        if !moved {
            return made;
        }
    }
}
