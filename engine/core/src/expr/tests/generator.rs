//! Expressions that mean harm: every way to make much of little, put together at random, the same ones at every run. Used by the tests of
//! the crate and by the test that measures memory.

use serde_json::{Value, json};

/// Numbers that look random.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn roll(&mut self, sides: usize) -> usize {
        // Xorshift (Marsaglia 2003).
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(0) % sides
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.roll(of.len())]
    }
}

/// What the expressions look at; everything grows with `size`.
pub fn inputs(size: usize) -> Value {
    let long: Vec<Value> = (0..size)
        .map(|n| json!({"n": n, "t": "x".repeat(20), "k": n % 7, "d": "2026-03-31", "l": [n, [n]]}))
        .collect();
    let mut deep = json!(1);
    for _ in 0..55 {
        deep = json!([deep, "x"]);
    }
    json!({
        "text": "x".repeat(size * 20),
        "words": "ab cd ".repeat(size),
        "amp": "&<>'\"".repeat(size),
        "tags": "<a<!--".repeat(size),
        "long": long,
        "numbers": (0..size * 4).collect::<Vec<_>>(),
        "small": vec![json!({"a": 1}); size],
        "deep": deep,
        "wide_json": format!("[{}1]", "{\"a\":[1]},".repeat(size)),
        "deep_json": "[".repeat(100) + &"]".repeat(100),
        "date": "2026-03-31T09:00:00+02:00",
        "a": {"b": {"c": 1}},
    })
}

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "3",
    "50",
    "1000",
    "100000",
    "4294967295",
    "-1",
    "9007199254740992",
];
const PATTERNS: &[&str] = &[
    "'(a*)*b'",
    "'(x+x+)+y'",
    "'x{1,200}'",
    "'(.|x)*'",
    "'(?i)\\\\p{L}+'",
    "'.*.*.*='",
    "'(x?){50}x{50}'",
    "'[^y]*y'",
    "''",
    "'x*'",
    "'x'",
    "'(((x{9}){9}){9}){9}'",
    "'(x|xx|xxx|(x(x)))+$'",
    "'\\\\w+ '",
    "'(?P<a>x+)(?P<b>x+)'",
    "inputs.words",
];

/// One expression and all its parts, each an expression of its own; the whole comes last.
pub fn expression(dice: &mut Dice) -> Vec<String> {
    let mut parts = Vec::new();
    let depth = 1 + dice.roll(6);
    let mut maker = Maker {
        dice,
        parts: &mut parts,
    };
    let _ = maker.any(depth);
    parts
}

struct Maker<'m> {
    dice: &'m mut Dice,
    parts: &'m mut Vec<String>,
}

impl Maker<'_> {
    fn keep(&mut self, text: String) -> String {
        self.parts.push(text.clone());
        text
    }

    fn number(&mut self) -> &'static str {
        self.dice.one(NUMBERS)
    }

    fn pattern(&mut self) -> &'static str {
        self.dice.one(PATTERNS)
    }

    fn any(&mut self, depth: usize) -> String {
        match self.dice.roll(5) {
            0 | 1 => self.text(depth),
            2 | 3 => self.list(depth),
            _ if self.dice.roll(3) == 0 => self.condition(depth),
            _ => self.map(depth),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self
                .dice
                .one(&[
                    "inputs.text",
                    "inputs.words",
                    "inputs.amp",
                    "inputs.tags",
                    "'x'",
                    "inputs.date",
                    "inputs.wide_json",
                ])
                .to_owned();
        }
        let below = depth - 1;
        let made = match self.dice.roll(34) {
            0 => format!("({} ~ {})", self.text(below), self.text(below)),
            1 => format!("({} + {})", self.text(below), self.text(below)),
            2 => format!("{} | replace('x', {})", self.text(below), self.text(below)),
            3 => format!(
                "{} | replace({}, {}, {})",
                self.text(below),
                self.text(0),
                self.text(below),
                self.number()
            ),
            4 => format!("{} | join({})", self.list(below), self.text(below)),
            5 => format!("{} | repeat({})", self.text(below), self.number()),
            6 => format!("{} | pad_start({}, 'ä')", self.text(below), self.number()),
            7 => format!("{} | pad_end({})", self.any(below), self.number()),
            8 => format!("{} | indent(100, true)", self.text(below)),
            9 => format!(
                "{} | regex_replace({}, {})",
                self.text(below),
                self.pattern(),
                self.text(below)
            ),
            10 => format!(
                "{} | regex_replace({}, '$0$0$0$0')",
                self.text(below),
                self.pattern()
            ),
            11 => format!("{} | tojson", self.any(below)),
            12 => format!("{} | tojson(8)", self.any(below)),
            13 => format!("{} | escape", self.text(below)),
            14 => format!("{} | urlencode", self.text(below)),
            15 => format!("{} | b64encode", self.text(below)),
            16 => format!("{} | hash('sha512')", self.text(below)),
            17 => format!("{} | to_csv", self.list(below)),
            18 => format!(
                "{} | fill('{}')",
                self.map(below),
                "{a}{b}{text}".repeat(20)
            ),
            19 => format!("{} | slug('--------')", self.text(below)),
            20 => format!("{} | title | upper | lower | capitalize", self.text(below)),
            21 => format!("{} | striptags", self.text(below)),
            22 => format!("{} | unescape", self.text(below)),
            23 => format!(
                "{} | truncate({}, end={})",
                self.text(below),
                self.number(),
                self.text(below)
            ),
            24 => format!("{} | string", self.any(below)),
            25 => format!("{} | regex_escape | reverse | ascii", self.text(below)),
            26 => format!(
                "{} | regex_search({}, default={})",
                self.text(below),
                self.pattern(),
                self.text(0)
            ),
            27 => format!(
                "{} | trim('x&<') | trim_start | trim_end('ab cd')",
                self.text(below)
            ),
            28 => format!(
                "inputs.date | date_add(days={}) | format_date('{}')",
                self.number(),
                "%A %B ".repeat(20)
            ),
            29 => format!(
                "({})[{}:{}]",
                self.text(below),
                self.number(),
                self.number()
            ),
            30 => format!("{} | b64encode | b64decode | urldecode", self.text(below)),
            31 => format!(
                "{} | format_number({}, '        ')",
                self.number(),
                self.number()
            ),
            32 => format!("{} | to_csv({}, '&')", self.list(below), self.list(below)),
            _ => format!(
                "({} if {} else {})",
                self.text(below),
                self.condition(below),
                self.text(below)
            ),
        };
        self.keep(made)
    }

    fn list(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self
                .dice
                .one(&[
                    "inputs.long",
                    "inputs.numbers",
                    "inputs.small",
                    "inputs.deep",
                    "range(10000)",
                    "[1, 2]",
                    "inputs.long",
                ])
                .to_owned();
        }
        let below = depth - 1;
        let made = match self.dice.roll(38) {
            0 => format!("({} + {})", self.list(below), self.list(below)),
            1 => format!(
                "[{}, {}, {}]",
                self.any(below),
                self.any(below),
                self.any(below)
            ),
            2 => format!("{} | split('x')", self.text(below)),
            3 => format!("{} | split", self.text(below)),
            4 => format!("{} | lines", self.text(below)),
            5 => format!("{} | regex_findall({})", self.text(below), self.pattern()),
            6 => format!(
                "{} | regex_split({}, {})",
                self.text(below),
                self.pattern(),
                self.number()
            ),
            7 => format!("{} | map('tojson') | list", self.list(below)),
            8 => format!("{} | map('pad_end', {})", self.list(below), self.number()),
            9 => format!(
                "{} | map(attribute='zz', default={})",
                self.list(below),
                self.any(below)
            ),
            10 => format!(
                "{} | map(attribute='t') | map('replace', 'x', {})",
                self.list(below),
                self.text(0)
            ),
            11 => format!("{} | batch({})", self.list(below), self.number()),
            12 => format!(
                "{} | batch({}, {})",
                self.list(below),
                self.number(),
                self.any(below)
            ),
            13 => format!(
                "{} | zip({}, {})",
                self.list(below),
                self.list(below),
                self.list(0)
            ),
            14 => format!("{} | flatten", self.list(below)),
            15 => format!("{} | groupby('k')", self.list(below)),
            16 => format!(
                "{} | groupby('zz', default={})",
                self.list(below),
                self.any(0)
            ),
            17 => format!("{} | map('tojson') | sort", self.list(below)),
            18 => format!("{} | sort(attribute='n', reverse=true)", self.list(below)),
            19 => format!("{} | unique", self.list(below)),
            20 => format!("{} | union({})", self.list(below), self.list(below)),
            21 => format!(
                "{} | symmetric_difference({})",
                self.list(below),
                self.list(below)
            ),
            22 => format!(
                "{} | intersect({}) | difference({})",
                self.list(below),
                self.list(0),
                self.list(0)
            ),
            23 => format!("{} | reverse | compact", self.list(below)),
            24 => format!("{} | items", self.map(below)),
            25 => format!("{} | values", self.map(below)),
            26 => format!("{} | keys", self.map(below)),
            27 => format!("[{} | tojson | from_json]", self.any(below)),
            28 => format!(
                "{} | from_json([])",
                self.dice.one(&[
                    "inputs.deep_json",
                    "inputs.wide_json",
                    "('[' | repeat(100000))"
                ])
            ),
            29 => format!("{} | select('in', {})", self.list(below), self.list(0)),
            30 => format!(
                "{} | selectattr('t', 'matching', {})",
                self.list(below),
                self.pattern()
            ),
            31 => format!(
                "{} | map(attribute='d') | map('date_add', days=1) | map('format_date', '%A')",
                self.list(below)
            ),
            32 => format!("{} | map('combine', {})", self.list(below), self.map(0)),
            33 => format!("{} | map('pick', {})", self.list(below), self.list(0)),
            34 => format!(
                "range({}, {}, {})",
                self.number(),
                self.number(),
                self.number()
            ),
            35 => format!("({})[{}:]", self.list(below), self.number()),
            36 => format!("{} | map('list')", self.list(below)),
            _ => format!(
                "[{} | sum(attribute='n'), {} | median, {} | max(attribute='t')]",
                self.list(below),
                self.list(0),
                self.list(0)
            ),
        };
        self.keep(made)
    }

    fn map(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self
                .dice
                .one(&["inputs", "inputs.a", "{}", "{'a': inputs.text}"])
                .to_owned();
        }
        let below = depth - 1;
        let made = match self.dice.roll(10) {
            0 => format!("{{'a': {}, 'b': {}}}", self.any(below), self.any(below)),
            1 => format!("{{{}: {}}}", self.text(below), self.any(below)),
            2 => format!(
                "dict({}, x={}, y={})",
                self.map(below),
                self.any(below),
                self.any(below)
            ),
            3 => format!(
                "{} | combine({}, recursive=true)",
                self.map(below),
                self.map(below)
            ),
            4 => format!("{} | index_by('n')", self.list(below)),
            5 => format!(
                "{} | rename({{'a': {}}})",
                self.map(below),
                self.text(below)
            ),
            6 => format!("{} | pick('a', 'long', {})", self.map(below), self.list(0)),
            7 => format!("{} | omit('x') | compact", self.map(below)),
            8 => format!("dict({})", self.list(below)),
            _ => format!("({} | get('a', {}))", self.map(below), self.map(below)),
        };
        self.keep(made)
    }

    fn condition(&mut self, depth: usize) -> String {
        let below = depth.saturating_sub(1);
        let made = match self.dice.roll(7) {
            0 => format!("({} in {})", self.any(below), self.list(below)),
            1 => format!("({} == {})", self.any(below), self.any(below)),
            2 => format!("({} is matching {})", self.text(below), self.pattern()),
            3 => format!("({} < {})", self.text(below), self.text(below)),
            4 => format!(
                "({} | index_of({}) is none)",
                self.list(below),
                self.any(below)
            ),
            5 => format!(
                "({} | wordcount > {} ** 9)",
                self.text(below),
                self.number()
            ),
            _ => format!(
                "({} is empty or {} is containing 'y')",
                self.any(below),
                self.text(below)
            ),
        };
        self.keep(made)
    }
}
