//! Random flows whose personal connection gives a mark: in what anybody but its person sees, the mark is nowhere, whatever the steps make of
//! it and wherever the run stands.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{Story, plan, user};
use crate::run::*;

const MARK: &str = "canary";

/// One step of a random flow, each number a choice, and what is inside it.
#[derive(Debug, Clone)]
struct Node {
    kind: u8,
    read: u8,
    handler: u8,
    inside: Vec<Node>,
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let leaf = (0u8..8, any::<u8>(), 0u8..5).prop_map(|(kind, read, handler)| Node {
        kind,
        read,
        handler,
        inside: Vec::new(),
    });
    let node = leaf.prop_recursive(2, 12, 3, |inner| {
        let inside = prop::collection::vec(inner, 1..4);
        (8u8..11, any::<u8>(), 0u8..5, inside).prop_map(|(kind, read, handler, inside)| Node {
            kind,
            read,
            handler,
            inside,
        })
    });
    prop::collection::vec(node, 2..6)
}

/// Writes steps as one map in braces. What it knows of are the steps that an expression may name there.
struct Writer {
    text: String,
    next: usize,
}

impl Writer {
    fn steps(&mut self, nodes: &[Node], known: &[String], item: bool) {
        let mut known = known.to_vec();
        self.text.push('{');
        for (number, node) in nodes.iter().enumerate() {
            if number > 0 {
                self.text.push_str(", ");
            }
            self.next += 1;
            let id = format!("s{}", self.next);
            write!(self.text, "{id}: {{").unwrap();
            self.step(node, &known, item);
            self.text.push('}');
            // What holds others gives something else; a step of a case is there only where the case was chosen.
            if node.kind < 8 {
                known.push(id);
            }
        }
        self.text.push('}');
    }

    fn step(&mut self, node: &Node, known: &[String], item: bool) {
        let read = usize::from(node.read);
        let name = match known.len() {
            0 => None,
            count => Some(&known[read % count]),
        };
        let value = match name {
            _ if item && read % 3 == 0 => "{{ item }}".to_owned(),
            Some(name) => format!("{{{{ steps.{name}.v | default('none') }}}}"),
            None => "{{ inputs.text }}".to_owned(),
        };
        let list = match name {
            Some(name) => format!("steps.{name}.list"),
            None => "inputs.list".to_owned(),
        };
        if let (Some(name), 5) = (name, read % 7) {
            write!(self.text, "if: steps.{name}.v != 'nothing', ").unwrap();
        }
        match node.kind {
            0 | 1 => write!(
                self.text,
                "uses: core.set, with: {{v: \"{value}\", list: [\"{value}\", b]}}"
            ),
            2 | 3 => write!(
                self.text,
                "uses: crm.add, connection: mine, with: {{q: \"{value}\"}}"
            ),
            4..=6 => write!(
                self.text,
                "uses: crm.add, connection: team, with: {{q: \"{value}\"}}"
            ),
            7 => write!(
                self.text,
                "uses: crm.find, connection: team, retry: 2, with: {{q: \"{value}\"}}"
            ),
            8 => write!(self.text, "for_each: {list}, steps: "),
            9 => write!(self.text, "until: index > 1, max_rounds: 3, steps: "),
            // Two cases with steps of one name each: which of them there was, a path alone does not say.
            _ => write!(self.text, "switch: \"{value}\", cases: {{{MARK}: {{steps: "),
        }
        .unwrap();
        match node.kind {
            8 => self.steps(&node.inside, known, true),
            9 => self.steps(&node.inside, known, item),
            10 => {
                let first = self.next;
                self.steps(&node.inside, known, item);
                self.text.push_str("}}, default: {steps: ");
                self.next = first;
                let mut other = node.inside.clone();
                for node in &mut other {
                    // The other case acts through the other connection.
                    node.kind = match node.kind {
                        2 | 3 => 4,
                        4..=6 => 2,
                        kind => kind,
                    };
                }
                self.steps(&other, known, item);
                self.text.push('}');
            }
            _ => {}
        }
        if node.kind < 8 {
            match node.handler {
                1 => self.text.push_str(", on_error: continue"),
                2 => {
                    self.next += 1;
                    write!(
                        self.text,
                        ", on_error: {{steps: {{s{}: {{uses: core.set, with: {{v: '{{{{ error.message }}}}'}}}}}}, outputs: {{v: '{{{{ error.message }}}}', list: [a]}}}}",
                        self.next
                    )
                    .unwrap();
                }
                _ => {}
            }
        }
    }
}

fn flow(nodes: &[Node], end: u8) -> String {
    let mut writer = Writer {
        text: "flow: random\ntrigger: {on_demand: {}}\ninputs: {text: {type: string}, list: {type: array}}\nconnections:\n  \
               mine: {app: crm, dynamic: {ask: when_needed}}\n  team: {app: crm, connection: team}\nsteps: "
            .to_owned(),
        next: 0,
    };
    writer.steps(nodes, &["a".to_owned(), "b".to_owned()], false);
    let mut text = writer.text.replace(
        "\nsteps: {",
        "\nsteps: {a: {uses: crm.add, connection: mine, with: {q: x}}, b: {uses: crm.add, connection: team, with: {q: x}}, ",
    );
    if end % 2 == 1 {
        text.push_str(
            "\non_error: {steps: {say: {uses: core.set, with: {v: '{{ error.message }}'}}}}",
        );
    }
    text.push_str("\noutputs: {mine: '{{ steps.a.v }}', team: '{{ steps.b.v }}'}\n");
    text
}

/// What an attempt gives: all it was given, and what only its own account knows.
fn given(story: &Story, path: &str) -> (String, bool) {
    let at = story.run.instance(&path.parse().unwrap()).unwrap();
    let step = &story.run.plan.steps[at.step];
    let own = step
        .slot
        .is_some_and(|slot| story.run.plan.slots[slot].name.as_str() == "mine");
    let input = &story.inputs[path];
    let pure = step.uses().is_some_and(|uses| uses.as_str() == "core.set");
    let heard = input["q"].as_str().or(input["v"].as_str()).unwrap_or("?");
    let said = match own {
        true => MARK.to_owned(),
        false => heard.to_owned(),
    };
    (said, pure)
}

fn seen(story: &Story, by: u128) -> String {
    let viewer = Viewer::new(user(by));
    let privacy = Privacy::of(&story.run, &viewer);
    let events: Vec<Value> = story.journal.iter().map(|e| privacy.event(e)).collect();
    let links = Links {
        sign_in: &|id| id.to_string(),
        request: &|id| id.to_string(),
    };
    let document = document(&story.run, &viewer, story.now, &links).0;
    format!("{document} {}", Value::from(events))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_mark_of_a_personal_account_is_nowhere_in_what_others_see(
        nodes in nodes(),
        end in any::<u8>(),
        picks in prop::collection::vec(any::<u8>(), 1..60),
    ) {
        let text = flow(&nodes, end);
        let mut story = Story::new(plan(&text), json!({"text": "hello", "list": ["x", "y"]}));
        story.settle();
        let mut marked = false;
        for pick in picks.iter().chain([&1; 60]) {
            if story.run.ended_at().is_some() {
                break;
            }
            let running: Vec<String> =
                story.run.progress.running.iter().map(|at| story.run.path(*at).to_string()).collect();
            let Some(path) = (!running.is_empty()).then(|| &running[usize::from(*pick) % running.len()]) else {
                for command in decide(&story.run, story.now) {
                    if let Command::ResolveSlot(slot) = command {
                        let name = story.run.plan.slots[slot].name.to_string();
                        let kind = if name == "mine" { "" } else { "shared" };
                        story.happen(&format!("bind {name} {kind}"));
                    }
                }
                story.happen("after 100");
                story.settle();
                continue;
            };
            let (said, pure) = given(&story, path);
            let output = match pure {
                true => story.inputs[path].clone(),
                false => json!({"id": said, "v": said, "list": [said, "b"]}),
            };
            let line = match pick % 11 {
                0 if !pure => format!("refuse {path} it said {said}"),
                _ => format!("ok {path} {output}"),
            };
            marked |= line.contains(MARK);
            story.happen(&line);
            story.settle();
            prop_assert!(!story.trace.contains("ILLEGAL"), "{}\n{}", text, story.trace);
            let others = seen(&story, 2);
            prop_assert!(!others.contains(MARK), "{}\n{}\n{}", text, story.trace, others);
        }
        prop_assert!(!marked || seen(&story, 1).contains(MARK), "{}\n{}", text, story.trace);
    }
}
