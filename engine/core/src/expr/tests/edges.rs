//! What the filters do at the edges: nothing, too much, the wrong kind of value, letters of more than one byte.

use super::*;

#[test]
fn numbers_at_the_edges() {
    check(
        r#"
        {{ 2.5 | round(0, 'even') }} {{ -2.5 | round(method='trunc') }} {{ 2.449 | round(1, 'ceil') }} {{ 1234 | round(-2, 'ceil') }} {{ 7 | round(2) }}
        {{ 2.5 | round(1, 'up') }}
        {{ -2.1 | ceil }} {{ -2.1 | floor }} {{ 5 | ceil }} {{ 1e300 | floor }} {{ '5' | ceil }}
        {{ 5 | clamp(1, 3) }} {{ 0.5 | clamp(1, 3) }} {{ 2 | clamp(1, 3) }} {{ 2 | clamp(most=3, least=1) }}
        {{ 1234567 | format_number }} {{ -1234.567 | format_number(2) }} {{ 0.5 | format_number(0) }} {{ 999.999 | format_number(1, ' ') }} {{ -0.001 | format_number(2) }} {{ 12 | format_number(1, '') }}
        {{ 1 | format_number(16) }}
        {{ '1,234.50' | parse_number }} {{ "1'234" | parse_number }} {{ '-0,5' | parse_number(point=',') }} {{ 5 | parse_number }} {{ 'x' | parse_number(default=0) }} {{ '1 000' | parse_number }}
        {{ '12 EUR' | parse_number }}
        {{ 'inf' | parse_number(default='no') }} {{ '' | parse_number(default='no') }} {{ '1e400' | float('no') }}
        {{ 'off' | bool }} {{ 1 | bool }} {{ 0 | bool }} {{ 'maybe' | bool(none) }} {{ none | bool(false) }}
        {{ 'maybe' | bool }}
        {{ [] | average }}
        {{ [1, 2] | median }} {{ [{'a': 3}, {'a': 1}, {'a': 2}] | median(attribute='a') }} {{ ['a'] | average }}
        {{ 10 is divisibleby 0 }}
        {{ 10 is divisibleby 5 }} {{ -9 is divisibleby 2 }}
        "#,
        expect![[r#"
            {{ 2.5 | round(0, 'even') }} {{ -2.5 | round(method='trunc') }} {{ 2.449 | round(1, 'ceil') }} {{ 1234 | round(-2, 'ceil') }} {{ 7 | round(2) }} => "2 -2 2.5 1300 7"
            {{ 2.5 | round(1, 'up') }} => FAULT at `'up'`: `round` has no method `up`; it has common, even, ceil, floor, trunc
            {{ -2.1 | ceil }} {{ -2.1 | floor }} {{ 5 | ceil }} {{ 1e300 | floor }} {{ '5' | ceil }} => invalid_input/expression: `ceil` needs a number, not a text
            {{ 5 | clamp(1, 3) }} {{ 0.5 | clamp(1, 3) }} {{ 2 | clamp(1, 3) }} {{ 2 | clamp(most=3, least=1) }} => "3 1 2 2"
            {{ 1234567 | format_number }} {{ -1234.567 | format_number(2) }} {{ 0.5 | format_number(0) }} {{ 999.999 | format_number(1, ' ') }} {{ -0.001 | format_number(2) }} {{ 12 | format_number(1, '') }} => "1,234,567 -1,234.57 0 1 000.0 0.00 12.0"
            {{ 1 | format_number(16) }} => invalid_input/expression: `decimals` of `format_number` must be 0 to 15
            {{ '1,234.50' | parse_number }} {{ "1'234" | parse_number }} {{ '-0,5' | parse_number(point=',') }} {{ 5 | parse_number }} {{ 'x' | parse_number(default=0) }} {{ '1 000' | parse_number }} => "1234.5 1234 -0.5 5 0 1000"
            {{ '12 EUR' | parse_number }} => invalid_input/expression: `parse_number` finds no number in the text (`parse_number(default=0)` gives 0 instead; take units and currencies off before)
            {{ 'inf' | parse_number(default='no') }} {{ '' | parse_number(default='no') }} {{ '1e400' | float('no') }} => "no no no"
            {{ 'off' | bool }} {{ 1 | bool }} {{ 0 | bool }} {{ 'maybe' | bool(none) }} {{ none | bool(false) }} => "false true false  false"
            {{ 'maybe' | bool }} => invalid_input/expression: `bool` cannot make true or false of this (a text) (it knows yes/no, true/false, on/off, 1/0; `bool(false)` gives false instead)
            {{ [] | average }} => invalid_input/missing_field: the list is empty: it has no average
            {{ [1, 2] | median }} {{ [{'a': 3}, {'a': 1}, {'a': 2}] | median(attribute='a') }} {{ ['a'] | average }} => invalid_input/expression: `average` needs a number, not a text
            {{ 10 is divisibleby 0 }} => invalid_input/expression: `is divisibleby` by zero
            {{ 10 is divisibleby 5 }} {{ -9 is divisibleby 2 }} => "true false"
        "#]],
    );
}

#[test]
fn texts_at_the_edges() {
    check(
        r#"
        {{ 'ÄÖ straße o’neil' | title }} {{ '' | title }} {{ 'x-y_z 2nd' | title }}
        {{ 'xxaxx' | trim('x') }} {{ 'xxaxx' | trim_end('x') }} {{ 'äbä' | trim('ä') }} {{ '  a ' | trim_start }}
        {{ 'aaaa' | replace('a', 'b', 2) }} {{ 'a' | replace('a', '') }}
        {{ 'a,b,c' | split(',', 1) }} {{ ' a  b c ' | split(none) }}
        {{ ' a  b c ' | split(maxsplit=1) }} {{ 'a' | split(',') }} {{ '' | split(',') }} {{ '' | split }}
        {{ 'a\r\nb\n\nc\n' | lines }} {{ ' a b ' | wordcount }}
        {{ 'äöü' | truncate(2) }} {{ 'abcdef' | truncate(5, end='...') }} {{ 'abc' | truncate(3) }} {{ 'abcdef' | truncate(1, end='...') }}
        {{ 'ä' | pad_start(3, '·') }} {{ 'abcd' | pad_end(2) }} {{ 'a' | pad_start(3, 'xy') }}
        {{ 'ab' | repeat(0) }}|{{ 'ab' | repeat(-1) }}
        {{ 'a\nb\n\nc' | indent(2, true) | tojson }} {{ 'a\nb' | indent | tojson }}
        {{ {'a': {'b': [1, none]}, 'x-y': 'z'} | fill('{a.b.0}{a.b.1}{x-y} {} {not this} {a.b}') }}
        {{ {'a': 1} | fill('{b}') }}
        {{ ['x', 'y'] | fill('{1}{0}') }} {{ 5 | fill('x') }}
        {{ 'Ça va? – “Ja”… 日本' | ascii }} {{ '  --Ünder_score & Co.--  ' | slug }} {{ 'a b' | slug('_') }} {{ '日本' | slug }}
        {{ 'héllo'[1:3] }} {{ 'héllo'[-2:] }} {{ 'abc'[5:] }}|{{ 'abc'[2:1] }}
        "#,
        expect![[r#"
            {{ 'ÄÖ straße o’neil' | title }} {{ '' | title }} {{ 'x-y_z 2nd' | title }} => "Äö Straße O’neil  X-Y_Z 2nd"
            {{ 'xxaxx' | trim('x') }} {{ 'xxaxx' | trim_end('x') }} {{ 'äbä' | trim('ä') }} {{ '  a ' | trim_start }} => "a xxa b a "
            {{ 'aaaa' | replace('a', 'b', 2) }} {{ 'a' | replace('a', '') }} => "bbaa "
            {{ 'a,b,c' | split(',', 1) }} {{ ' a  b c ' | split(none) }} => invalid_input/expression: `split` needs a text, not null
            {{ ' a  b c ' | split(maxsplit=1) }} {{ 'a' | split(',') }} {{ '' | split(',') }} {{ '' | split }} => "[\"a\",\"b c\"] [\"a\"] [\"\"] []"
            {{ 'a\r\nb\n\nc\n' | lines }} {{ ' a b ' | wordcount }} => "[\"a\",\"b\",\"\",\"c\"] 2"
            {{ 'äöü' | truncate(2) }} {{ 'abcdef' | truncate(5, end='...') }} {{ 'abc' | truncate(3) }} {{ 'abcdef' | truncate(1, end='...') }} => "ä… ab... abc ..."
            {{ 'ä' | pad_start(3, '·') }} {{ 'abcd' | pad_end(2) }} {{ 'a' | pad_start(3, 'xy') }} => invalid_input/expression: `fill` of `pad_start` is one character
            {{ 'ab' | repeat(0) }}|{{ 'ab' | repeat(-1) }} => invalid_input/expression: `count` of `repeat` must be 0 to 4294967295
            {{ 'a\nb\n\nc' | indent(2, true) | tojson }} {{ 'a\nb' | indent | tojson }} => "\"  a\\n  b\\n\\n  c\" \"a\\n    b\""
            {{ {'a': {'b': [1, none]}, 'x-y': 'z'} | fill('{a.b.0}{a.b.1}{x-y} {} {not this} {a.b}') }} => "1z {} {not this} [1,null]"
            {{ {'a': 1} | fill('{b}') }} => invalid_input/missing_field: `b` is missing in the map given to `fill`
            {{ ['x', 'y'] | fill('{1}{0}') }} {{ 5 | fill('x') }} => invalid_input/expression: `fill` needs a map, not a number
            {{ 'Ça va? – “Ja”… 日本' | ascii }} {{ '  --Ünder_score & Co.--  ' | slug }} {{ 'a b' | slug('_') }} {{ '日本' | slug }} => "Ca va? - \"Ja\"...  under-score-co a_b "
            {{ 'héllo'[1:3] }} {{ 'héllo'[-2:] }} {{ 'abc'[5:] }}|{{ 'abc'[2:1] }} => "él lo |"
        "#]],
    );
}

#[test]
fn encodings_at_the_edges() {
    check(
        r#"
        {{ {'q': 'a b', 'n': 1, 'x': none} | urlencode }} {{ '%C3%A4+%zz%' | urldecode }} {{ '%ff' | urldecode }}
        {{ 'https://u:p@a.example/p%20q?x=1&x=2&y#f' | urlsplit }}
        {{ 'nope' | urlsplit }}
        {{ 'ä?>' | b64encode }} {{ 'ä?>' | b64encode(urlsafe=true) }} {{ 'w6Q_Pg' | b64decode }} {{ 'w6Q/ Pg==' | b64decode }}
        {{ '/w==' | b64decode }}
        {{ '' | hash }}
        {{ 'abc' | hash('sha384') | length }} {{ 'abc' | hash('sha512') | length }} {{ 'abc' | hash('md5') }}
        {{ '<a href="x">\'&</a>' | escape }} {{ '&lt;&amp;lt;&#x41;&#65;&nope;&#xD800;&' | unescape }}
        {{ '<!-- a > b -->x<br/>y < z <3 <b' | striptags }} {{ '<p title="a>b">c</p>' | striptags }}
        {{ [{'b': 1, 'a': 'x"y'}, {'a': none, 'c': 2}] | to_csv }}
        {{ [{'b': 1, 'a': [1]}] | to_csv(['b', 'zz', 'a'], ';') }} {{ [] | to_csv | tojson }}
        {{ [1] | to_csv }}
        {{ [{'a': 1}] | to_csv(delimiter='ab') }}
        {{ {'a': [], 'b': {}, 'c': [1, {'d': 2}]} | tojson(2) }}
        {{ '{"a": 1, "a": 2}' | from_json }} {{ ' 1.0 ' | from_json }} {{ '' | from_json('x') }}
        {{ '[1,]' | from_json }}
        {{ '[9007199254740993]' | from_json }}
        {{ [1, 1.0, 'a', none, true, [1], {}] | map('type_of') | join(' ') }}
        "#,
        expect![[r#"
            {{ {'q': 'a b', 'n': 1, 'x': none} | urlencode }} {{ '%C3%A4+%zz%' | urldecode }} {{ '%ff' | urldecode }} => invalid_input/expression: what `urldecode` finds is not a text in UTF-8
            {{ 'https://u:p@a.example/p%20q?x=1&x=2&y#f' | urlsplit }} => {"fragment":"f","host":"a.example","params":{"x":"2","y":""},"path":"/p%20q","port":443,"query":"x=1&x=2&y","scheme":"https"}
            {{ 'nope' | urlsplit }} => invalid_input/expression: `urlsplit` needs a whole address such as `https://crm.example/a?b=c`
            {{ 'ä?>' | b64encode }} {{ 'ä?>' | b64encode(urlsafe=true) }} {{ 'w6Q_Pg' | b64decode }} {{ 'w6Q/ Pg==' | b64decode }} => "w6Q/Pg== w6Q_Pg ä?> ä?>"
            {{ '/w==' | b64decode }} => invalid_input/expression: what `b64decode` finds is not a text in UTF-8
            {{ '' | hash }} => "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            {{ 'abc' | hash('sha384') | length }} {{ 'abc' | hash('sha512') | length }} {{ 'abc' | hash('md5') }} => FAULT at `'md5'`: `hash` has no algorithm `md5`; it has sha256, sha384, sha512
            {{ '<a href="x">\'&</a>' | escape }} {{ '&lt;&amp;lt;&#x41;&#65;&nope;&#xD800;&' | unescape }} => "&lt;a href=&#34;x&#34;&gt;&#39;&amp;&lt;/a&gt; <&lt;AA&nope;&#xD800;&"
            {{ '<!-- a > b -->x<br/>y < z <3 <b' | striptags }} {{ '<p title="a>b">c</p>' | striptags }} => "xy < z <3 <b c"
            {{ [{'b': 1, 'a': 'x"y'}, {'a': none, 'c': 2}] | to_csv }} => "a,b\r\n\"x\"\"y\",1\r\n,\r\n"
            {{ [{'b': 1, 'a': [1]}] | to_csv(['b', 'zz', 'a'], ';') }} {{ [] | to_csv | tojson }} => "b;zz;a\r\n1;;[1]\r\n \"\\r\\n\""
            {{ [1] | to_csv }} => invalid_input/expression: `to_csv` needs a list of maps, not of a number
            {{ [{'a': 1}] | to_csv(delimiter='ab') }} => invalid_input/expression: the delimiter of `to_csv` is one character, such as ';'
            {{ {'a': [], 'b': {}, 'c': [1, {'d': 2}]} | tojson(2) }} => "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    {\n      \"d\": 2\n    }\n  ]\n}"
            {{ '{"a": 1, "a": 2}' | from_json }} {{ ' 1.0 ' | from_json }} {{ '' | from_json('x') }} => "{\"a\":2} 1.0 x"
            {{ '[1,]' | from_json }} => invalid_input/expression: `from_json` cannot read the text: line 1, column 4 (`from_json(none)` gives null instead)
            {{ '[9007199254740993]' | from_json }} => invalid_input/expression: `from_json` cannot read the text: it holds a whole number beyond ±2^53, which is not carried exactly (`from_json(none)` gives null instead)
            {{ [1, 1.0, 'a', none, true, [1], {}] | map('type_of') | join(' ') }} => "integer number string null boolean array object"
        "#]],
    );
}

#[test]
fn lists_and_maps_at_the_edges() {
    check(
        r#"
        {{ [] | first(1) }} {{ [] | last(default='x') }} {{ [none] | first('x') }} {{ [] | join(', ', last=' and ') }}{{ ['a'] | join(', ', last=' and ') }}
        {{ ['a', 'b'] | map('replace', 'a', 'x') }} {{ ['a'] | map('pad_start', fill='0', width=3) }} {{ [[1, 2], [3]] | map('join', '-') }} {{ [{'a': 1}] | map('get', 'a') }}
        {{ ['a'] | map('replace', 'a') }}
        {{ ['a'] | map('upper', 1) }}
        {{ ['a'] | map('pad_start', wdth=3) }}
        {{ [1, 2, 3, 4, 5] | batch(2, none) }} {{ [] | batch(2) }} {{ [1] | batch(0) }}
        {{ [1, 2] | zip(['a'], [true, false]) }} {{ [1, 2] | zip(5) }}
        {{ [1, [2, [3, [4]]]] | flatten(1) }} {{ [1, [], [[]]] | flatten }} {{ [[1, 2], [3]] | flatten | sum }}
        {{ {'a': none, 'b': '', 'c': 0, 'd': false, 'e': []} | compact }}
        {{ ['a', 'b'] | index_of('z') is none }} {{ 'äbc' | index_of('c') }} {{ [{'a': 1}] | index_of({'a': 1.0}) }}
        {{ [1, 1, 2] | union([2, 3]) }} {{ [1, 1.0] | difference([1]) }} {{ [[1], [2]] | intersect([[2]]) }} {{ [] | symmetric_difference([1, 1]) }}
        {{ [{'k': 2}, {'k': none}, {'k': 'a'}, {'k': 1}, {'k': 1}] | groupby('k') | map(attribute='grouper') }} {{ [{'k': 1}, {}] | groupby('k', default=0) | map(attribute='list') }}
        {{ [{'k': 1}, {}] | groupby('k') }}
        {{ ['b', 'a', 'b'] | groupby | map(attribute='list') }}
        {{ [{'id': 1, 'n': 'a'}, {'id': 1, 'n': 'b'}] | index_by('id') }} {{ [{'id': []}] | index_by('id') }}
        {{ {'a': {'b': null}} | get('a.b', 'x') | tojson }} {{ {'a': 1} | get('b', 'x') }} {{ [[5]] | get('0.0') }}
        {{ {'a': 1} | get('b.c') }}
        {{ {'a': {'x': 1, 'y': 1}} | combine({'a': {'y': 2}}, {'b': 3}) }} {{ {'a': {'x': 1, 'y': 1}} | combine({'a': {'y': 2}}, recursive=true) }}
        {{ {'a': 1} | combine([1]) }}
        {{ {'a': 1, 'b': 2} | pick('b', 'zz') }} {{ {'a': 1, 'b': 2} | omit('b', ['a']) }} {{ {'a': 1, 'b': 2} | rename({'a': 'b'}) }}
        {{ coalesce(inputs.nope.deep, steps.gone.x, none, 0) }} {{ coalesce(inputs.nope) is none }}
        {{ [[1, {'a': 7}]] | map(attribute='1.a') }} {{ [1, 2] | zip([{'a': 7}, {'a': 8}]) | map(attribute='1.a') }}
        "#,
        expect![[r#"
            {{ [] | first(1) }} {{ [] | last(default='x') }} {{ [none] | first('x') }} {{ [] | join(', ', last=' and ') }}{{ ['a'] | join(', ', last=' and ') }} => "1 x  a"
            {{ ['a', 'b'] | map('replace', 'a', 'x') }} {{ ['a'] | map('pad_start', fill='0', width=3) }} {{ [[1, 2], [3]] | map('join', '-') }} {{ [{'a': 1}] | map('get', 'a') }} => "[\"x\",\"b\"] [\"00a\"] [\"1-2\",\"3\"] [1]"
            {{ ['a'] | map('replace', 'a') }} => invalid_input/expression: `map` gives `replace` 1 arguments, which it does not take
            {{ ['a'] | map('upper', 1) }} => invalid_input/expression: `map` gives `upper` 1 arguments, which it does not take
            {{ ['a'] | map('pad_start', wdth=3) }} => FAULT at `3`: the filter `map` has no argument `wdth` (did you mean `width`?)
            {{ [1, 2, 3, 4, 5] | batch(2, none) }} {{ [] | batch(2) }} {{ [1] | batch(0) }} => invalid_input/expression: `size` of `batch` must be 1 to 1000000
            {{ [1, 2] | zip(['a'], [true, false]) }} {{ [1, 2] | zip(5) }} => invalid_input/expression: `zip` needs a list, not a number
            {{ [1, [2, [3, [4]]]] | flatten(1) }} {{ [1, [], [[]]] | flatten }} {{ [[1, 2], [3]] | flatten | sum }} => "[1,2,[3,[4]]] [1] 6"
            {{ {'a': none, 'b': '', 'c': 0, 'd': false, 'e': []} | compact }} => {"c":0,"d":false}
            {{ ['a', 'b'] | index_of('z') is none }} {{ 'äbc' | index_of('c') }} {{ [{'a': 1}] | index_of({'a': 1.0}) }} => "true 2 0"
            {{ [1, 1, 2] | union([2, 3]) }} {{ [1, 1.0] | difference([1]) }} {{ [[1], [2]] | intersect([[2]]) }} {{ [] | symmetric_difference([1, 1]) }} => "[1,2,3] [1.0] [[2]] [1]"
            {{ [{'k': 2}, {'k': none}, {'k': 'a'}, {'k': 1}, {'k': 1}] | groupby('k') | map(attribute='grouper') }} {{ [{'k': 1}, {}] | groupby('k', default=0) | map(attribute='list') }} => "[null,1,2,\"a\"] [[{}],[{\"k\":1}]]"
            {{ [{'k': 1}, {}] | groupby('k') }} => invalid_input/missing_field: `k` is missing in item 1 of the list
            {{ ['b', 'a', 'b'] | groupby | map(attribute='list') }} => [["a"],["b","b"]]
            {{ [{'id': 1, 'n': 'a'}, {'id': 1, 'n': 'b'}] | index_by('id') }} {{ [{'id': []}] | index_by('id') }} => invalid_input/expression: the key of a map must be a text, not a list
            {{ {'a': {'b': null}} | get('a.b', 'x') | tojson }} {{ {'a': 1} | get('b', 'x') }} {{ [[5]] | get('0.0') }} => "null x 5"
            {{ {'a': 1} | get('b.c') }} => invalid_input/missing_field: `b.c` is missing in what `get` looks in (`get(path, default)` gives the default instead)
            {{ {'a': {'x': 1, 'y': 1}} | combine({'a': {'y': 2}}, {'b': 3}) }} {{ {'a': {'x': 1, 'y': 1}} | combine({'a': {'y': 2}}, recursive=true) }} => "{\"a\":{\"y\":2},\"b\":3} {\"a\":{\"x\":1,\"y\":2}}"
            {{ {'a': 1} | combine([1]) }} => invalid_input/expression: `combine` needs maps, not a list
            {{ {'a': 1, 'b': 2} | pick('b', 'zz') }} {{ {'a': 1, 'b': 2} | omit('b', ['a']) }} {{ {'a': 1, 'b': 2} | rename({'a': 'b'}) }} => "{\"b\":2} {} {\"b\":2}"
            {{ coalesce(inputs.nope.deep, steps.gone.x, none, 0) }} {{ coalesce(inputs.nope) is none }} => "0 true"
            {{ [[1, {'a': 7}]] | map(attribute='1.a') }} {{ [1, 2] | zip([{'a': 7}, {'a': 8}]) | map(attribute='1.a') }} => "[7] [7,8]"
        "#]],
    );
}

/// What a filter may meet, as it is written in an expression.
const MET: &[&str] = &[
    "none",
    "true",
    "0",
    "-1",
    "2.5",
    "9007199254740992",
    "-9007199254740992",
    "1e308",
    "''",
    "' '",
    "'a'",
    "'äöü€😀'",
    "'😀'",
    "'{{ x }}{a}'",
    "'%Y-%m-%d %H:%M %z'",
    "'Europe/Berlin'",
    "'month'",
    "'9999-12-31'",
    "'-009999-01-01'",
    "'9999-12-31T23:59:59Z'",
    "'-009999-01-01T00:00:00+23:59'",
    "'2026-03-29T02:30'",
    "'(ä|.)*?(x)?$'",
    "'$1${a}$$'",
    "'&#x10FFFF;<a \"'",
    "'%C3%'",
    "'[1, {\"a\": null}]'",
    "'upper'",
    "'defined'",
    "[]",
    "[[], [1], 'ä', none]",
    "[1, 2.5, -3]",
    "['b', 'ä', 'a']",
    "[{'a': 1}, {'a': 'x', 'b': [1]}]",
    "{}",
    "{'a': {'b': 'ä'}, '': 1}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Every filter and test, each with every kind of value and random arguments: a value or an error, never a panic.
    #[test]
    fn no_filter_panics(args in proptest::collection::vec(proptest::sample::select(MET), 3), named in proptest::sample::select(MET)) {
        for name in super::filters::names() {
            let filter = super::filters::find(name).unwrap();
            for value in MET {
                for count in filter.args.0..=filter.args.1.min(3) {
                    let mut given: Vec<String> = args[..count].iter().map(|arg| (*arg).to_owned()).collect();
                    if count == filter.args.0 {
                        given.extend(filter.named.last().map(|last| format!("{last}={named}")));
                    }
                    // Through a list, so that literals are not refused before they are tried.
                    let text = format!("{{{{ [{value}] | map('{name}', {}) }}}}", given.join(", "));
                    if let Ok(template) = Template::compile(&Value::from(text)) {
                        let _ = template.evaluate(&scope());
                    }
                }
            }
        }
        for name in functions::test_names() {
            for value in MET {
                let text = format!("{{{{ [{value}] | select('{name}', {}) }}}}", args[0]);
                let _ = Template::compile(&Value::from(text)).unwrap().evaluate(&scope());
                let text = format!("{{{{ [{value}] | select('{name}') }}}}");
                let _ = Template::compile(&Value::from(text)).unwrap().evaluate(&scope());
            }
        }
    }
}
