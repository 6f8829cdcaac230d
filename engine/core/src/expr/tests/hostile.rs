//! No expression spends more than it may: ten thousand that try, counted. Every value on the way is an expression of its own here, so that
//! what each one is can be held against what was paid for it.

use super::generator::{Dice, expression, inputs};
use super::*;

/// A hundredth of what is allowed, on data a hundredth as large: the same counting, sooner done.
const SMALL: Spent = Spent {
    fuel: MAX_FUEL / 100,
    bytes: MAX_BYTES / 100,
};

/// How many values a value is, the bytes of its texts, and what it takes in memory, at least: a list has 32 bytes for an item; a map
/// has nodes of eleven fields of 56 bytes each.
fn measure(value: &Value) -> (u64, u64, u64) {
    let size = |text: &str| u64::try_from(text.len()).unwrap();
    match value {
        Value::String(text) => (1, size(text), size(text)),
        Value::Array(items) => items.iter().map(measure).fold((1, 0, 0), |sum, item| {
            (sum.0 + item.0, sum.1 + item.1, sum.2 + item.2 + 32)
        }),
        Value::Object(fields) => {
            let nodes = u64::try_from(fields.len().div_ceil(11)).unwrap() * 640;
            fields.iter().fold((1, 0, nodes), |sum, (key, value)| {
                let item = measure(value);
                (
                    sum.0 + item.0,
                    sum.1 + item.1 + size(key),
                    sum.2 + item.2 + size(key),
                )
            })
        }
        _ => (1, 0, 0),
    }
}

fn scope_of(inputs: Value) -> Scope {
    Scope {
        roots: vec![("inputs", Arc::new(inputs))],
        ..Scope::default()
    }
}

/// Evaluates, and holds what comes out against what was paid.
fn weigh(text: &str, scope: &Scope, most: Spent) -> Option<Result<(), StepError>> {
    let template = Template::compile(&Value::from(format!("{{{{ {text} }}}}"))).ok()?;
    let (outcome, spent) = template.evaluate_within(scope, most);
    assert!(
        spent.fuel <= most.fuel && spent.bytes <= most.bytes,
        "{text}: {spent:?}"
    );
    Some(outcome.map(|value| {
        let (values, texts, memory) = measure(&value);
        assert!(
            texts + values <= spent.bytes + 16,
            "{text}: {texts} bytes of text in {values} values for {spent:?}"
        );
        assert!(
            memory <= spent.bytes * 8 + 1024,
            "{text}: {memory} bytes of memory for {spent:?}"
        );
        // A value that was borrowed and looked at as a whole costs a step for each of its parts; bytes cost a step for 64.
        assert!(
            values <= spent.fuel + spent.bytes / 16,
            "{text}: {values} values for {spent:?}"
        );
        assert!(
            !budget::nested_deeper_than(&value, MAX_RESULT_DEPTH),
            "{text}"
        );
    }))
}

#[test]
fn ten_thousand_hostile_expressions_pay_for_all_they_make() {
    let scope = scope_of(inputs(60));
    let mut seen = BTreeSet::new();
    let (mut good, mut bounded, mut refused) = (0, 0, 0);
    let mut seed = 0;
    while good + bounded < 10_000 {
        seed += 1;
        // The parts of an expression are what it makes on the way.
        for text in expression(&mut Dice::new(seed)) {
            if !seen.insert(text.clone()) {
                continue;
            }
            // What is longer than an expression may be never runs.
            match weigh(&text, &scope, SMALL) {
                None => {}
                Some(Ok(())) => good += 1,
                Some(Err(error)) => {
                    assert_eq!(error.kind, crate::ErrorKind::InvalidInput, "{text}");
                    if error.code.as_deref() == Some("expression_budget") {
                        bounded += 1;
                    } else {
                        refused += 1;
                    }
                }
            }
        }
    }
    // Otherwise they would not be hostile, or not reach anything.
    assert!(
        bounded > 2000 && good > 2000,
        "{good} good, {bounded} over budget; {refused} besides were wrong"
    );
}

#[test]
fn every_filter_stops_when_it_cannot_pay_and_pays_for_what_it_gives() {
    let (scope, large) = (scope_of(inputs(100)), scope_of(inputs(400)));
    let poor = Spent {
        fuel: 400,
        bytes: 4000,
    };
    let literals = [
        "'%d'",
        "'x'",
        "'days'",
        "2",
        "inputs.text",
        "inputs.long",
        "inputs",
        "'tojson'",
    ];
    let lists = [
        "inputs.text",
        "inputs.words",
        "inputs.long",
        "inputs.numbers",
        "inputs.small",
        "inputs",
    ];
    let mut stopped = BTreeSet::new();
    for name in filters::names() {
        let filter = filters::find(name).unwrap();
        for (data, argument) in lists
            .iter()
            .flat_map(|data| literals.map(|argument| (data, argument)))
        {
            let some = filter.args.0.max(usize::from(filter.args.1 > 0)).min(2);
            for count in BTreeSet::from([filter.args.0, some]) {
                let text = match count {
                    0 => format!("{data} | {name}"),
                    count => format!("{data} | {name}({})", vec![argument; count].join(", ")),
                };
                if let Some(Err(error)) = weigh(&text, &large, poor)
                    && error.code.as_deref() == Some("expression_budget")
                {
                    stopped.insert(name);
                }
                let _ = weigh(&text, &scope, SMALL);
            }
        }
    }
    // These look at a part of what they are given, or at numbers and dates.
    let small: BTreeSet<_> = filters::names()
        .filter(|name| !stopped.contains(name))
        .collect();
    expect!["abs ceil clamp count date_add date_diff date_part end_of fixed floor format_date format_number from_timestamp keys length parse_date round start_of timestamp to_timezone type_of weekday wordcount"].assert_eq(&small.into_iter().collect::<Vec<_>>().join(" "));
}

#[test]
fn a_search_pays_for_each_state_it_looks_at() {
    let spent = |pattern: &str, length: usize| {
        let scope = scope_of(json!("x".repeat(length)));
        let text = format!("{{{{ inputs | regex_search('{pattern}') }}}}");
        let (_, spent) = Template::compile(&Value::from(text))
            .unwrap()
            .evaluate_within(&scope, Spent::most());
        spent.fuel
    };
    // Twice the text, twice the price; never its square.
    let (once, twice) = (spent("(x+x+)+y", 1000), spent("(x+x+)+y", 2000));
    assert!(
        twice > once * 3 / 2 && twice < once * 5 / 2,
        "{once} {twice}"
    );
    // A pattern of many states that are all alive costs more than one of few.
    assert!(spent("(x?){50}x{50}y", 1000) > spent("x+y", 1000) * 5);
    // The room of a search is made once for all texts of a list.
    let scope = scope_of(json!(vec!["Ä1"; 10_000]));
    let text = "{{ inputs | map('regex_search', '\\\\p{L}+') | join | length }}";
    let length = Template::compile(&Value::from(text))
        .unwrap()
        .evaluate(&scope);
    assert_eq!(length.map_err(|error| show(&error)), Ok(json!(10_000)));
}
