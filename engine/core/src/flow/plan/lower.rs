//! From checked steps to a plan: blocks are numbered from the root inwards, and the steps of each so that one comes after all it needs.

use std::collections::{BTreeSet, VecDeque};

use super::{Block, BlockOutputs, ModuleWork, OnErrorPlan, Parts, PlanSlot, PlanStep, Role, Work};
use crate::app::Apps;
use crate::flow::check::layout::{Layout, Part, Site};
use crate::flow::check::{Checked, CheckedStep, Kind};
use crate::flow::graph::Graph;
use crate::flow::{Flow, OnError, SlotKind, Step};
use crate::ids::{StepId, StepPath};

/// Where the parts of a layout stand in the plan.
struct Numbers {
    /// By number in the layout.
    steps: Vec<usize>,
    blocks: Vec<usize>,
}

/// Lowers a flow without faults.
pub(super) fn lower(flow: &Flow, apps: &Apps, layout: &Layout<'_>, checked: Checked) -> Parts {
    let Checked {
        steps: checked,
        mut outputs,
        concurrency_key,
        ..
    } = checked;
    let mut numbers = Numbers {
        steps: vec![0; layout.sites.len()],
        blocks: vec![0; layout.scopes.len()],
    };
    // First what comes where: the root, then what is inside its steps, block by block.
    let mut blocks: Vec<(usize, Vec<usize>)> = Vec::with_capacity(layout.scopes.len());
    let mut open: VecDeque<usize> = VecDeque::from([0]);
    open.extend((1..layout.scopes.len()).filter(|s| layout.scopes[*s].role == Role::FlowHandler));
    let mut count = 0;
    while let Some(scope) = open.pop_front() {
        let order = order(&layout.scopes[scope].members, &checked);
        numbers.blocks[scope] = blocks.len();
        for site in &order {
            numbers.steps[*site] = count;
            count += 1;
            open.extend(layout.sites[*site].blocks());
        }
        blocks.push((scope, order));
    }
    let mut parts: Vec<Option<CheckedStep>> = checked.into_iter().map(Some).collect();
    let mut steps = Vec::with_capacity(count);
    let mut made = Vec::with_capacity(blocks.len());
    for (scope, order) in blocks {
        let begin = steps.len();
        for number in order {
            let site = &layout.sites[number];
            let checked = parts.get_mut(number).and_then(Option::take);
            let id = site.id.parse::<StepId>().ok();
            if let (Some(checked), Some(id)) = (checked, id) {
                steps.extend(step(site, id, checked, &numbers));
            }
        }
        let block = &layout.scopes[scope];
        let given = outputs.get_mut(scope).and_then(Option::take);
        let invented =
            |member: &usize| layout.sites[*member].part == Part::Inner || block.role == Role::Undo;
        made.push(Block {
            owner: block.owner.map(|owner| numbers.steps[owner]),
            role: block.role,
            steps: begin..steps.len(),
            outputs: match (given, block.members.first()) {
                (Some(given), _) => BlockOutputs::Named(given),
                (None, Some(only)) if invented(only) => BlockOutputs::Whole(numbers.steps[*only]),
                (None, _) => BlockOutputs::ByStep,
            },
        });
    }
    // Whether something can be taken back is known from the inside out, and what is inside comes later.
    for number in (0..steps.len()).rev() {
        if steps[number].has_undo
            && let Some(owner) = made[steps[number].block].owner
        {
            steps[owner].has_undo = true;
        }
    }
    let handler = (1..layout.scopes.len()).find(|s| layout.scopes[*s].role == Role::FlowHandler);
    Parts {
        slots: slots(flow, apps, layout, &numbers, &steps, &made),
        on_error: on_error(flow.on_error.as_ref(), handler, &numbers),
        steps,
        blocks: made,
        concurrency_key,
    }
}

/// The steps of a block so that each comes after all it needs.
fn order(members: &[usize], checked: &[CheckedStep]) -> Vec<usize> {
    let place = |number: &usize| members.binary_search(number).ok();
    let needs = |member: &usize| {
        let needs = checked.get(*member).map(|step| step.needs.as_slice());
        needs.unwrap_or_default().iter().filter_map(place).collect()
    };
    let order = Graph::new(members.iter().map(needs).collect()).order();
    order.into_iter().map(|place| members[place]).collect()
}

fn on_error(written: Option<&OnError>, handler: Option<usize>, numbers: &Numbers) -> OnErrorPlan {
    match (written, handler) {
        (Some(OnError::Continue), _) => OnErrorPlan::Continue,
        (Some(OnError::Handle(body)), Some(handler)) => {
            OnErrorPlan::Handle(numbers.blocks[handler], body.outputs.is_some())
        }
        _ => OnErrorPlan::Fail,
    }
}

fn step(site: &Site<'_>, id: StepId, checked: CheckedStep, numbers: &Numbers) -> Option<PlanStep> {
    let written = site.step;
    let step = |numbers: &Numbers, steps: &[usize]| {
        let mut steps: Vec<usize> = steps.iter().map(|step| numbers.steps[*step]).collect();
        steps.sort_unstable();
        steps
    };
    let body = site.body.map(|body| numbers.blocks[body]);
    let undo = site.undo.map(|undo| numbers.blocks[undo]);
    let effect = checked.effect();
    let work = match checked.kind? {
        Kind::Module {
            manifest,
            module,
            with,
        } => {
            let hold = module.hold();
            let module = ModuleWork {
                manifest,
                module,
                with,
            };
            match hold {
                Some(kind) => Work::Hold { kind, module },
                None => Work::Module(module),
            }
        }
        Kind::Each {
            items,
            parallel,
            on_item_error,
        } => Work::Each {
            items,
            parallel,
            on_item_error,
            body: body?,
        },
        Kind::Repeat { test, until } => Work::Repeat {
            test,
            until,
            every: written.every.map(Into::into),
            max_rounds: written.max_rounds?,
            body: body?,
        },
        Kind::Switch { subject } => Work::Switch {
            subject,
            cases: site
                .cases
                .iter()
                .map(|(name, block)| ((*name).to_owned(), numbers.blocks[*block]))
                .collect(),
            default: site.default.map(|block| numbers.blocks[block]),
        },
    };
    Some(PlanStep {
        id,
        path: site.path.parse::<StepPath>().ok()?,
        block: numbers.blocks[site.scope],
        step: alone(written, site.part),
        work,
        needs: step(numbers, &checked.needs),
        outer: step(numbers, &checked.outer),
        condition: checked.condition,
        guarded: step(numbers, &checked.guarded),
        asks_of_failure: checked.asks_of_failure,
        effect,
        slot: checked.slot,
        hands: checked.hands,
        on_error: match site.part {
            Part::Inner => OnErrorPlan::Fail,
            _ => on_error(written.on_error.as_ref(), site.handler, numbers),
        },
        undo,
        has_undo: undo.is_some(),
    })
}

/// What was written of a step, without the steps inside it, and of a loop beside `uses` only what is its own.
fn alone(step: &Step, part: Part) -> Step {
    let of_module = part != Part::Loop;
    let of_loop = part != Part::Inner;
    let module = |step: &Step| Step {
        uses: step.uses.clone(),
        connection: step.connection.clone(),
        with: step.with.clone(),
        retry: step.retry.clone(),
        timeout: step.timeout,
        effect: step.effect,
        ..Step::default()
    };
    let own = if of_module {
        module(step)
    } else {
        Step::default()
    };
    if !of_loop {
        return own;
    }
    Step {
        title: step.title.clone(),
        condition: step.condition.clone(),
        needs: step.needs.clone(),
        for_each: step.for_each.clone(),
        parallel: step.parallel,
        on_item_error: step.on_item_error,
        while_: step.while_.clone(),
        until: step.until.clone(),
        every: step.every,
        max_rounds: step.max_rounds,
        switch: step.switch.clone(),
        ..own
    }
}

/// The slots with the steps that use them.
fn slots(
    flow: &Flow,
    apps: &Apps,
    layout: &Layout<'_>,
    numbers: &Numbers,
    steps: &[PlanStep],
    blocks: &[Block],
) -> Vec<PlanSlot> {
    // A step stands under an `if` if it has one, or if a step it needs does: skipping hands itself down. So do those inside it, and
    // those that run only in one case, when something failed, or when it is taken back.
    let mut conditional = vec![false; steps.len()];
    let mut used_by = vec![Vec::new(); flow.connections.len()];
    for (number, step) in steps.iter().enumerate() {
        let block = &blocks[step.block];
        let around = match block.role {
            Role::Root => false,
            Role::Item | Role::Round => block.owner.is_some_and(|owner| conditional[owner]),
            Role::Case | Role::Handler | Role::Undo | Role::FlowHandler => true,
        };
        conditional[number] =
            around || step.condition.is_some() || step.needs.iter().any(|need| conditional[*need]);
        let mut through: Vec<usize> = step.slot.into_iter().collect();
        through.extend(step.hands.iter().map(|(_, slot)| *slot));
        through.sort_unstable();
        through.dedup();
        for slot in through {
            used_by[slot].push(number);
        }
    }
    let slots = flow.connections.iter().zip(used_by);
    let slot = |((name, slot), used_by): ((&_, &crate::flow::Slot), Vec<usize>)| {
        let (mut scopes, mut of) = (BTreeSet::new(), None);
        let of_modules = used_by
            .iter()
            .filter_map(|step| steps[*step].module())
            .flat_map(|work| work.module.scopes.iter().cloned());
        match &slot.kind {
            SlotKind::Dynamic(dynamic) => {
                if dynamic.scopes.is_empty() {
                    scopes.extend(of_modules);
                } else {
                    scopes.extend(dynamic.scopes.iter().cloned());
                }
                let approval = dynamic
                    .of
                    .as_ref()
                    .filter(|_| dynamic.switched_off().is_none());
                let approval = approval.and_then(|of| layout.scopes[0].by_id.get(of.as_str()));
                of = approval.map(|approval| numbers.steps[*approval]);
            }
            SlotKind::Connection(_) => scopes.extend(of_modules),
        }
        Some(PlanSlot {
            name: crate::ids::SlotName::clone(name),
            slot: slot.acting(),
            manifest: apps.get(slot.app.as_str()).cloned()?,
            may_be_needed: used_by.iter().all(|step| conditional[*step]),
            used_by,
            of,
            scopes: scopes.into_iter().collect(),
        })
    };
    slots.filter_map(slot).collect()
}
