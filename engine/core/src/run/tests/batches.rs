//! Long loops, done batch by batch in runs of their own.

use std::sync::Arc;

use expect_test::expect;
use serde_json::{Value, json};

use super::support::{Story, facts, plan};
use super::waiting::{drive, part};
use crate::error::{ErrorKind, StepError};
use crate::run::batched::BATCH;
use crate::run::children::ChildEnd;
use crate::run::*;

const LOOP: &str = "
flow: long
trigger: {on_demand: {}}
inputs: {n: {type: array}, more: {type: string, default: x}}
steps:
  first: {uses: core.set, with: {v: '{{ inputs.more }}'}}
  lines:
    for_each: inputs.n
    parallel: 8
    steps:
      add: {uses: core.set, with: {v: '{{ item }}', i: '{{ index }}', of: '{{ steps.first.v }}', run: '{{ run.id }}'}}
      twice: {uses: core.set, with: {v: '{{ steps.add.v * 2 }}'}}
    outputs: {twice: '{{ steps.twice.v }}'}
outputs: {lines: '{{ steps.lines }}'}
";

fn numbers(count: u64) -> Value {
    json!({"n": (0..count).collect::<Vec<_>>(), "more": "x"})
}

fn echo(_: &str, input: &Value) -> Result<Value, StepError> {
    Ok(input.clone())
}

/// Does the batch that began last, whole, and tells the loop.
fn do_batch(story: &mut Story, does: &dyn Fn(&str, &Value) -> Result<Value, StepError>) -> Run {
    let start = story.batch.take().unwrap();
    let mut child = part(story, &start);
    let journal = drive(&mut child, story.now, does);
    tell(
        story,
        &start,
        ChildEnd::of(journal.last().unwrap()).unwrap(),
    );
    child
}

fn tell(story: &mut Story, start: &StartBatch, end: ChildEnd) {
    let (path, child) = story.run.living_children().pop().unwrap();
    assert_eq!(path, start.path);
    let event = story
        .run
        .child_ended(&path, &child, end, story.now)
        .unwrap();
    story.take(event);
    story.settle();
}

fn begun(flow: &str, inputs: Value) -> Story {
    let mut story = Story::new(plan(flow), inputs);
    story.settle();
    story.happen(r#"ok first {"v": "x"}"#);
    story.settle();
    story
}

fn outputs(story: &Story) -> Value {
    let Phase::Ended { outputs, .. } = &story.run.phase else {
        panic!("the run has not ended:\n{}", story.trace);
    };
    (**outputs).clone()
}

#[test]
fn a_long_loop_is_done_in_batches_and_gives_its_items_in_order() {
    let mut story = begun(LOOP, numbers(600));
    assert_eq!(story.run.state_name(story.now), "waiting");
    for _ in 0..2 {
        do_batch(&mut story, &echo);
        story.happen("crash");
        story.settle();
    }
    let child = do_batch(&mut story, &|path, input| {
        // The run it belongs to is its parent.
        if let Some(run) = input.get("run") {
            assert_eq!(run, "run_00000000000000000000000001");
        }
        let index = input.get("i").and_then(Value::as_u64);
        assert!(index.is_none_or(|index| path == format!("lines[{index}]/add")));
        echo(path, input)
    });
    // All but what it gives.
    let told = story.trace.split("  end ").next().unwrap();
    expect![[r#"
        > begin
          start first#1 {"v":"x"}
          wait 86400 s
          = running
        > ok first {"v": "x"}
          each_began lines
          batch 0 of lines: 256 items from 0
          wait 86400 s
          = waiting
          batch 1 of lines: 256 items from 256
          wait 86400 s
          = waiting
        > crash
          wait 86400 s
          = waiting
          batch 2 of lines: 88 items from 512
          wait 86400 s
          = waiting
        > crash
          wait 86400 s
          = waiting
          step_succeeded lines
    "#]]
    .assert_eq(told);
    let given = outputs(&story);
    assert_eq!(given["lines"]["count"], json!(600));
    assert_eq!(given["lines"]["failed"], json!([]));
    let items = given["lines"]["items"].as_array().unwrap();
    assert!(
        items
            .iter()
            .enumerate()
            .all(|(number, item)| *item == json!({"twice": number * 2}))
    );
    assert_eq!(items.len(), 600);
    // It was not told of the other items.
    let created = child.created.as_deref().unwrap();
    assert_eq!(*created.inputs, json!({}));
    // The keys of what a batch does are the same as if the loop were short.
    let path = "lines[512]/add".parse().unwrap();
    assert_eq!(
        child.idempotency_key(&path),
        story.run.idempotency_key(&path)
    );
    assert_eq!(child.depth(), 0);
}

#[test]
fn a_loop_of_at_most_a_batch_is_not_split_and_neither_is_a_part() {
    let story = begun(LOOP, numbers(BATCH as u64));
    assert!(story.batch.is_none() && story.run.living_children().is_empty());
    let mut story = begun(LOOP, numbers(BATCH as u64 + 1));
    assert_eq!(story.batch.as_ref().unwrap().items.len(), BATCH);
    do_batch(&mut story, &echo);
    assert_eq!(story.batch.as_ref().unwrap().items.len(), 1);
}

fn fails_at(number: u64) -> impl Fn(&str, &Value) -> Result<Value, StepError> {
    move |path, input| {
        if path == format!("lines[{number}]/twice") {
            return Err(StepError::new(ErrorKind::NotFound, "no such thing").with_code("theirs"));
        }
        echo(path, input)
    }
}

#[test]
fn an_item_that_fails_ends_the_loop_and_is_named() {
    let mut story = begun(LOOP, numbers(600));
    do_batch(&mut story, &fails_at(300));
    do_batch(&mut story, &fails_at(300));
    let Phase::Ended { error, ending, .. } = &story.run.phase else {
        panic!("the run has not ended");
    };
    assert_eq!(*ending, Ending::Failed);
    let error = error.as_ref().unwrap();
    expect!["item 300: no such thing"].assert_eq(&error.message);
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (ErrorKind::NotFound, Some("theirs"))
    );
}

#[test]
fn or_it_is_told_beside_the_others() {
    let flow = LOOP.replace(
        "    parallel: 8",
        "    parallel: 8\n    on_item_error: continue",
    );
    let mut story = begun(&flow, numbers(300));
    do_batch(&mut story, &fails_at(7));
    do_batch(&mut story, &fails_at(299));
    let given = outputs(&story);
    let failed = given["lines"]["failed"].as_array().unwrap();
    let indices: Vec<&Value> = failed.iter().map(|failed| &failed["index"]).collect();
    assert_eq!(indices, [&json!(7), &json!(299)]);
    assert_eq!(given["lines"]["items"][7], json!(null));
    assert_eq!(given["lines"]["items"][8], json!({"twice": 16}));
}

#[test]
fn what_is_larger_than_a_step_may_give_fails_the_loop() {
    let mut story = begun(LOOP, numbers(600));
    let large = "x".repeat(30_000);
    for _ in 0..2 {
        do_batch(&mut story, &|path, input| {
            let mut given = input.clone();
            if path.ends_with("/twice") {
                given["v"] = json!(large);
            }
            Ok(given)
        });
    }
    let Phase::Ended { error, .. } = &story.run.phase else {
        panic!("the run has not ended");
    };
    expect!["the output is larger than 10 MB"].assert_eq(&error.as_ref().unwrap().message);
}

#[test]
fn a_cancelled_loop_waits_for_its_batch_and_begins_no_other() {
    let mut story = begun(LOOP, numbers(600));
    let start = story.batch.take().unwrap();
    story.happen("cancel");
    story.settle();
    assert_eq!(story.run.living_children().len(), 1);
    assert_eq!(story.run.state_name(story.now), "running");
    let end = ChildEnd {
        ending: Ending::Cancelled,
        outputs: Arc::default(),
        error: None,
    };
    tell(&mut story, &start, end);
    assert_eq!(story.run.state_name(story.now), "cancelled");
}

#[test]
fn a_batch_that_needs_a_person_pauses_the_run() {
    let mut story = begun(LOOP, numbers(600));
    story.happen("child_paused lines");
    story.settle();
    assert_eq!(story.run.state_name(story.now), "paused");
    story.happen("crash");
    story.happen("child_goes_on lines");
    story.settle();
    assert_eq!(story.run.state_name(story.now), "waiting");
    do_batch(&mut story, &echo);
}

#[test]
fn news_of_another_run_or_of_another_batch_is_refused() {
    let mut story = begun(LOOP, numbers(600));
    let before = facts(&story.run);
    let (path, child) = story.run.living_children().pop().unwrap();
    let other = crate::ids::RunId::from_bits(9);
    let ended = |batch, child, items: Value| Event::BatchEnded {
        step: path.clone(),
        batch,
        child,
        items: Arc::new(items),
        failed: Vec::new(),
        at: story.now,
    };
    let all = json!(vec![1; BATCH]);
    for event in [
        ended(0, other.clone(), all.clone()),
        ended(1, child.clone(), all.clone()),
        ended(0, child.clone(), json!([1])),
        ended(0, child.clone(), json!(null)),
        Event::BatchBegan {
            step: path.clone(),
            batch: 1,
            child: other,
            at: story.now,
        },
    ] {
        assert!(story.run.apply(&event).is_err(), "{event:?}");
    }
    assert_eq!(facts(&story.run), before);
    story.take(ended(0, child, all));
    assert!(story.run.living_children().is_empty());
}

#[test]
fn a_loop_inside_another_is_done_in_batches_too_and_sees_what_is_around() {
    let flow = "
flow: nested
trigger: {on_demand: {}}
inputs: {n: {type: array}}
steps:
  first: {uses: core.set, with: {v: x}}
  outer:
    for_each: ['a']
    steps:
      here: {uses: core.set, with: {v: '{{ item }}'}}
      lines:
        for_each: inputs.n
        steps:
          add: {uses: core.set, with: {v: '{{ item }}', here: '{{ steps.here.v }}', first: '{{ steps.first.v }}'}}
outputs: {outer: '{{ steps.outer.items[0].lines.items[299] }}'}
"
    .replace("['a']", "'{{ [\"a\"] }}'");
    let mut story = begun(&flow, json!({"n": (0..300).collect::<Vec<_>>()}));
    story.happen(r#"ok outer[0]/here {"v": "a"}"#);
    story.settle();
    for _ in 0..2 {
        do_batch(&mut story, &|path, input| {
            assert!(path.starts_with("outer[0]/lines["), "{path}");
            echo(path, input)
        });
    }
    expect![[r#"{"outer":{"add":{"first":"x","here":"a","v":299}}}"#]]
        .assert_eq(&outputs(&story).to_string());
}

#[test]
fn what_a_batch_of_private_items_gives_is_its_persons() {
    let flow = LOOP
        .replace(
            "steps:\n  first: {uses: core.set, with: {v: '{{ inputs.more }}'}}",
            "connections: {mine: {app: crm, dynamic: {ask: when_needed}}}\nsteps:\n  first: {uses: crm.add, connection: mine, with: {q: x}}",
        )
        .replace("outputs: {twice: '{{ steps.twice.v }}'}", "outputs: {of: '{{ steps.add.of }}'}")
        .replace("      twice: {uses: core.set, with: {v: '{{ steps.add.v * 2 }}'}}\n", "");
    let mut story = Story::new(plan(&flow), numbers(300));
    story.settle();
    for line in ["bind mine", r#"ok first {"v": "canary"}"#] {
        story.happen(line);
        story.settle();
    }
    let child = do_batch(&mut story, &echo);
    let Phase::Ended { outputs, .. } = &child.phase else {
        panic!("the batch has not ended");
    };
    assert!(outputs.to_string().contains("canary"));
    let seen = |by: u128| {
        let viewer = Viewer::new(super::support::user(by));
        Privacy::of(&child, &viewer).outputs(outputs).to_string()
    };
    assert!(seen(1).contains("canary"));
    assert!(!seen(2).contains("canary"), "{}", seen(2));
}
