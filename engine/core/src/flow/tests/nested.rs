//! Any flow with steps inside steps: what is checked compiles, and a plan holds what runs rely on.

use std::fmt::Write as _;

use proptest::prelude::*;

use crate::flow::plan::{BlockOutputs, OnErrorPlan, Role, Work};
use crate::flow::{Flow, Plan, canonical, parse};

/// Writes flows out of a stream of numbers.
struct Writer {
    numbers: Vec<u8>,
    at: usize,
    steps: usize,
    text: String,
}

impl Writer {
    fn pick(&mut self, below: u8) -> u8 {
        let number = self.numbers.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        number % below
    }

    fn line(&mut self, depth: usize, line: &str) {
        writeln!(self.text, "{}{line}", "  ".repeat(depth)).unwrap();
    }

    /// One name of an earlier step that is seen here, if there is one.
    fn seen(&mut self, seen: &[String]) -> Option<String> {
        let length = u8::try_from(seen.len()).ok().filter(|n| *n > 0)?;
        let pick = self.pick(length);
        seen.get(usize::from(pick)).cloned()
    }

    fn steps(&mut self, depth: usize, around: &[String], most: u8) {
        let mut seen = around.to_vec();
        let count = 1 + self.pick(most);
        for _ in 0..count {
            let id = format!("s{}", self.steps);
            self.steps += 1;
            self.step(&id, depth, &seen, around.len());
            seen.push(id);
        }
    }

    fn step(&mut self, id: &str, depth: usize, seen: &[String], own: usize) {
        self.line(depth, &format!("{id}:"));
        let d = depth + 1;
        let beside: Vec<String> = seen[own..].to_vec();
        if self.pick(3) == 0
            && let Some(need) = self.seen(&beside)
        {
            self.line(d, &format!("needs: [{need}]"));
        }
        if self.pick(4) == 0 {
            let condition = match self.seen(seen) {
                Some(step) => format!("if: steps.{step} is defined"),
                None => "if: inputs.on".to_owned(),
            };
            self.line(d, &condition);
        }
        let list = match self.seen(seen) {
            Some(step) if self.pick(2) == 0 => format!("[steps.{step}]"),
            _ => "inputs.list".to_owned(),
        };
        let kind = if depth > 12 { 0 } else { self.pick(9) };
        match kind {
            1 => {
                self.line(d, &format!("for_each: {list:?}"));
                self.line(d, "steps:");
                self.steps(d + 1, seen, 3);
                if self.pick(2) == 0 {
                    self.line(d, "outputs: {x: \"{{ item }}\", y: 1}");
                }
            }
            2 => {
                self.line(d, &format!("for_each: {list:?}\n{0}uses: core.set\n{0}with: {{x: \"{{{{ item }}}}\", n: \"{{{{ index }}}}\"}}", "  ".repeat(d)));
            }
            3 => {
                self.line(d, "until: index > 2");
                self.line(d, "max_rounds: 5");
                self.line(d, "steps:");
                self.steps(d + 1, seen, 3);
            }
            4 => {
                let subject = self.seen(seen).map_or("inputs.on".to_owned(), |step| {
                    format!("steps.{step} is defined")
                });
                self.line(d, &format!("switch: {subject}"));
                self.line(d, "cases:");
                self.line(d + 1, "'true':\n");
                self.line(d + 2, "steps:");
                self.steps(d + 3, seen, 2);
                self.line(d, "default: {steps: {}}");
            }
            5 => {
                let text = self
                    .seen(seen)
                    .map_or("x".to_owned(), |step| format!("{{{{ steps.{step} }}}}"));
                self.line(d, &format!("uses: sandbox_crm.create_record\n{0}with: {{object: Task, fields: {{x: {text:?}}}}}", "  ".repeat(d)));
                self.line(d, &format!("undo: {{uses: sandbox_crm.delete_record, with: {{object: Task, id: \"{{{{ steps.{id}.id }}}}\"}}}}"));
            }
            _ => {
                let text = self
                    .seen(seen)
                    .map_or("x".to_owned(), |step| format!("{{{{ steps.{step} }}}}"));
                self.line(
                    d,
                    &format!("uses: core.set\n{}with: {{x: {text:?}}}", "  ".repeat(d)),
                );
            }
        }
        match self.pick(6) {
            0 => self.line(d, "on_error: continue"),
            1 if depth < 10 => {
                self.line(d, "on_error:");
                self.line(d + 1, "steps:");
                self.steps(d + 2, seen, 2);
                self.line(d + 1, "outputs: {id: \"{{ error.kind }}\"}");
            }
            _ => {}
        }
    }
}

fn flow(numbers: Vec<u8>) -> String {
    let text = "flow: a\ntrigger: {on_demand: {}}\ninputs: {list: {type: array}, on: {type: boolean}}\nconnections: {crm: {app: sandbox_crm, dynamic: {}}}\nsteps:\n".to_owned();
    let mut writer = Writer {
        numbers,
        at: 0,
        steps: 0,
        text,
    };
    writer.steps(1, &[], 6);
    if writer.pick(3) == 0 {
        writer.line(0, "on_error:");
        writer.line(1, "steps:");
        writer.steps(2, &["s0".to_owned()], 2);
    }
    writer.text
}

/// What a run relies on.
fn check_plan(plan: &Plan) -> Result<(), TestCaseError> {
    let mut next = 0;
    for (number, block) in plan.blocks.iter().enumerate() {
        prop_assert_eq!(block.steps.start, next, "blocks stand one behind the other");
        next = block.steps.end;
        prop_assert_eq!(number == 0, block.role == Role::Root);
        prop_assert!(
            block
                .owner
                .is_none_or(|owner| owner < block.steps.start.max(1))
        );
        if let BlockOutputs::Whole(step) = block.outputs {
            prop_assert!(block.steps.contains(&step) && block.steps.len() == 1);
        }
    }
    prop_assert_eq!(next, plan.steps.len());
    for (number, step) in plan.steps.iter().enumerate() {
        let block = &plan.blocks[step.block];
        prop_assert!(block.steps.contains(&number));
        prop_assert!(
            step.needs
                .iter()
                .all(|need| block.steps.contains(need) && *need < number)
        );
        prop_assert!(
            step.guarded
                .iter()
                .all(|guarded| step.needs.contains(guarded))
        );
        prop_assert!(
            step.step.steps.is_none() && step.step.cases.is_empty() && step.step.undo.is_none()
        );
        let mut around = Vec::new();
        let mut at = step.block;
        while let Some(owner) = plan.blocks[at].owner {
            at = plan.steps[owner].block;
            around.push(at);
        }
        around.extend((plan.blocks[at].role == Role::FlowHandler).then_some(0));
        for outer in &step.outer {
            prop_assert!(
                around.contains(&plan.steps[*outer].block),
                "{} looks at {}",
                step.path,
                plan.steps[*outer].path
            );
        }
        // What is looked at from inside has ended before the step around it begins.
        let own = |block: usize| plan.blocks[block].owner == Some(number);
        let inside: Vec<usize> = (0..plan.blocks.len()).filter(|b| own(*b)).collect();
        for inner in inside.iter().flat_map(|b| plan.blocks[*b].steps.clone()) {
            for outer in plan.steps[inner]
                .outer
                .iter()
                .filter(|o| plan.steps[**o].block == step.block)
            {
                let undoes =
                    plan.blocks[plan.steps[inner].block].role == Role::Undo && *outer == number;
                prop_assert!(
                    undoes || step.needs.contains(outer),
                    "{} does not need {}",
                    step.path,
                    plan.steps[*outer].path
                );
            }
        }
        let blocks = match &step.work {
            Work::Each { body, .. } | Work::Repeat { body, .. } => vec![*body],
            Work::Switch { cases, default, .. } => {
                cases.iter().map(|(_, b)| *b).chain(*default).collect()
            }
            Work::Module(_) | Work::Hold { .. } => Vec::new(),
        };
        let handler = match step.on_error {
            OnErrorPlan::Handle(block, _) => Some(block),
            OnErrorPlan::Fail | OnErrorPlan::Continue => None,
        };
        let mut named: Vec<usize> = blocks.into_iter().chain(handler).chain(step.undo).collect();
        named.sort_unstable();
        prop_assert_eq!(named, inside);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_checked_compiles_and_a_plan_holds_what_runs_rely_on(numbers in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text = flow(numbers);
        let apps = super::apps();
        let parsed = parse(&text, &apps);
        let errors: Vec<_> = parsed.diagnostics.iter().filter(|d| d.is_error()).collect();
        prop_assert!(errors.is_empty(), "{text}\n{errors:#?}");
        let draft = parsed.draft.unwrap();
        let plan = Plan::compile(&draft.flow, &apps).unwrap();
        check_plan(&plan)?;
        let read: Flow = serde_json::from_str(&canonical(&draft.flow)).unwrap();
        prop_assert_eq!(canonical(&read), canonical(&draft.flow));
        let again = Plan::compile(&read, &apps).unwrap();
        let paths = |plan: &Plan| plan.steps.iter().map(|s| (s.path.clone(), s.needs.clone())).collect::<Vec<_>>();
        prop_assert_eq!(paths(&again), paths(&plan));
    }
}
