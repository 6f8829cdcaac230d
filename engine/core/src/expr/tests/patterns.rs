//! Regular expressions: what they find, what they refuse, and that every step of a search is paid for.

use super::*;
use crate::expr::pattern::Pattern;

#[test]
fn patterns_find_what_they_say() {
    check(
        r#"
        {{ 'a1b22' | regex_findall('[0-9]+') }} {{ 'a1b22' | regex_search('x', default='-') }} {{ 'a1b22' | regex_search('([a-z])([0-9]{2})', 2) }}
        {{ 'a1b22' | regex_search('\d') }} {{ "a1b22" | regex_search("\\d\\d") }}
        {{ 'Grün Weiß' | regex_findall('\\w+') }} {{ 'Grün Weiß' | regex_findall('\\p{L}+') }} {{ '٣3' | regex_findall('\\d') }} {{ 'a-b_c' | regex_findall('[\\w-]+') }} {{ 'x]y' | regex_findall('[]x]+') }}
        {{ 'aXbX' | regex_findall('(?i)x') }} {{ 'foo bar' | regex_findall('\\bb') }} {{ 'a\nb' | regex_findall('(?m)^.$') }} {{ 'ab' | regex_findall('') }} {{ 'äö' | regex_findall('') | length }}
        {{ 'aaa' | regex_findall('a*?') }} {{ 'samsara' | regex_search('sam|samsara') }} {{ 'samsara' | regex_search('samsara|sam') }} {{ 'aab' | regex_search('(a+)(a?)b', 2) | tojson }}
        {{ '2026-03-31' | regex_replace('(?P<y>\\d+)-(?P<m>\\d+)-(?P<d>\\d+)', '${d}.$2.$1$$') }} {{ 'aaa' | regex_replace('a', 'b', 2) }} {{ 'abc' | regex_replace('', '-') }} {{ 'a.b' | regex_replace('.' | regex_escape, '$$') }}
        {{ 'a  b c' | regex_split(' +') }} {{ 'a  b c' | regex_split(' +', 1) }} {{ 'abc' | regex_split('') }}
        {{ 'k=v' | regex_groups('(?P<key>\\w+)=(?P<value>\\w+)(?P<rest>;)?') }} {{ '' | regex_groups('(?P<a>x)') }}
        {{ ['INV-1', 'X'] | select('matching', '^INV') }} {{ ['INV-1', 'INV-22'] | map('regex_search', '[0-9]+') }}
        {{ 'x' | regex_search('(x') }}
        {{ 'x' | regex_search('(?=x)') }}
        {{ 'x' | regex_search('(x)\\1') }}
        {{ 'x' | regex_search('(x)', 2) }}
        {{ 'x' | regex_replace('x', '$2') }}
        {{ 'x' | regex_replace('x', '${a') }}
        {{ 'x' | regex_search('((a{100}){100}){100}') }}
        {{ 'x' is matching '[' }}
        {{ 'x' | regex_search(inputs.customer ~ '(') }}
        "#,
        expect![[r#"
            {{ 'a1b22' | regex_findall('[0-9]+') }} {{ 'a1b22' | regex_search('x', default='-') }} {{ 'a1b22' | regex_search('([a-z])([0-9]{2})', 2) }} => "[\"1\",\"22\"] - 22"
            {{ 'a1b22' | regex_search('\d') }} {{ "a1b22" | regex_search("\\d\\d") }} => "1 22"
            {{ 'Grün Weiß' | regex_findall('\\w+') }} {{ 'Grün Weiß' | regex_findall('\\p{L}+') }} {{ '٣3' | regex_findall('\\d') }} {{ 'a-b_c' | regex_findall('[\\w-]+') }} {{ 'x]y' | regex_findall('[]x]+') }} => "[\"Gr\",\"n\",\"Wei\"] [\"Grün\",\"Weiß\"] [\"3\"] [\"a-b_c\"] [\"x]\"]"
            {{ 'aXbX' | regex_findall('(?i)x') }} {{ 'foo bar' | regex_findall('\\bb') }} {{ 'a\nb' | regex_findall('(?m)^.$') }} {{ 'ab' | regex_findall('') }} {{ 'äö' | regex_findall('') | length }} => "[\"X\",\"X\"] [\"b\"] [\"a\",\"b\"] [\"\",\"\",\"\"] 3"
            {{ 'aaa' | regex_findall('a*?') }} {{ 'samsara' | regex_search('sam|samsara') }} {{ 'samsara' | regex_search('samsara|sam') }} {{ 'aab' | regex_search('(a+)(a?)b', 2) | tojson }} => "[\"\",\"\",\"\",\"\"] sam samsara \"\""
            {{ '2026-03-31' | regex_replace('(?P<y>\\d+)-(?P<m>\\d+)-(?P<d>\\d+)', '${d}.$2.$1$$') }} {{ 'aaa' | regex_replace('a', 'b', 2) }} {{ 'abc' | regex_replace('', '-') }} {{ 'a.b' | regex_replace('.' | regex_escape, '$$') }} => "31.03.2026$ bba -a-b-c- a$b"
            {{ 'a  b c' | regex_split(' +') }} {{ 'a  b c' | regex_split(' +', 1) }} {{ 'abc' | regex_split('') }} => "[\"a\",\"b\",\"c\"] [\"a\",\"b c\"] [\"a\",\"b\",\"c\"]"
            {{ 'k=v' | regex_groups('(?P<key>\\w+)=(?P<value>\\w+)(?P<rest>;)?') }} {{ '' | regex_groups('(?P<a>x)') }} => "{\"key\":\"k\",\"rest\":null,\"value\":\"v\"} "
            {{ ['INV-1', 'X'] | select('matching', '^INV') }} {{ ['INV-1', 'INV-22'] | map('regex_search', '[0-9]+') }} => "[\"INV-1\"] [\"1\",\"22\"]"
            {{ 'x' | regex_search('(x') }} => FAULT at `'(x'`: the pattern is none: unclosed group
            {{ 'x' | regex_search('(?=x)') }} => FAULT at `'(?=x)'`: the pattern is none: look-around, including look-ahead and look-behind, is not supported
            {{ 'x' | regex_search('(x)\\1') }} => FAULT at `'(x)\\1'`: the pattern is none: backreferences are not supported
            {{ 'x' | regex_search('(x)', 2) }} => invalid_input/expression: the pattern has no such group (groups are counted from 1; `(?P<name>…)` gives one a name)
            {{ 'x' | regex_replace('x', '$2') }} => invalid_input/expression: the pattern has no such group as `regex_replace` puts in
            {{ 'x' | regex_replace('x', '${a') }} => invalid_input/expression: `${` is never closed in what `regex_replace` puts in
            {{ 'x' | regex_search('((a{100}){100}){100}') }} => FAULT at `'((a{100}){100}){100}'`: the pattern is too large when its repetitions are written out
            {{ 'x' is matching '[' }} => FAULT at `'['`: the pattern is none: unclosed character class
            {{ 'x' | regex_search(inputs.customer ~ '(') }} => invalid_input/expression: the pattern is none: unclosed group
        "#]],
    );
}

#[test]
fn a_pattern_that_blows_up_is_refused_before_it_takes_long() {
    for pattern in [
        "(?:){999}{999}{999}",
        "(a?){999}{999}",
        "((a{0,99}){0,99}){0,99}",
        r"(?i)[\\p{L}]{500}",
        r"\\p{L}\\p{L}\\p{L}\\p{L}\\p{L}\\p{L}\\p{L}\\p{L}\\p{L}",
        &"(".repeat(999),
        &"[a".repeat(900),
        &"a|".repeat(1500),
    ] {
        let scope = Scope::default();
        let text = format!("{{{{ 'x' | regex_search('{pattern}' ~ '') | default('') }}}}");
        let Ok(template) = Template::compile(&Value::from(text)) else {
            continue;
        };
        let (outcome, spent) = template.evaluate_within(&scope, Spent::most());
        // What is not refused matches nothing, and was cheap.
        assert!(
            outcome.is_err() || spent.fuel < 100_000,
            "{pattern}: {outcome:?} for {spent:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The engine of the same library is the oracle: it searches in another way.
    #[test]
    fn the_counted_search_finds_what_the_usual_one_finds(
        pieces in proptest::collection::vec(
            (
                proptest::sample::select(&["(?:", "(", ""]),
                proptest::sample::select(&["a", "b", "ä", ".", "[ab]", "[^a]", "^", "$", "ab", "a|b", "c|", "(a|ab)(c|bcd)"]),
                proptest::sample::select(&["", "*", "+", "?", "{1,2}", "*?", "+?", "{2}"]),
            ),
            1..5,
        ),
        text in "[abäcd\n]{0,12}",
    ) {
        let pattern: String = pieces
            .iter()
            .map(|(open, inner, often)| {
                let close = if open.is_empty() { "" } else { ")" };
                let often = if open.is_empty() && inner.len() > 1 { "" } else { often };
                format!("{open}{inner}{close}{often}")
            })
            .collect();
        let ours = Pattern::compile(&pattern).unwrap();
        let theirs = regex::Regex::new(&pattern).unwrap();
        let scope = Scope::default();
        let mut machine = Machine::new(&scope, Spent::most());
        let mut found = Vec::new();
        machine
            .find_all(&ours, &text, usize::MAX, |_, at| {
                found.push((0..ours.groups()).map(|n| at.group(n)).collect::<Vec<_>>());
                Ok(())
            })
            .unwrap();
        let expected: Vec<Vec<_>> = theirs
            .captures_iter(&text)
            .map(|at| at.iter().map(|group| group.map(|group| group.range())).collect())
            .collect();
        prop_assert_eq!(found, expected, "{} in {:?}", pattern, text);
    }
}
