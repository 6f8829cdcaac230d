//! Regular expressions without back-references and look-around, searched in a way that counts every step: a set of states walks over
//! the text, so time grows with the length of the text times the size of the pattern and never faster, and each state that is looked at
//! is paid for. `\d`, `\w`, `\s` and `\b` mean ASCII, so that their meaning does not move with the Unicode tables.

use std::cell::RefCell;
use std::rc::Rc;

use regex_automata::nfa::thompson::{Config, NFA, State};
use regex_automata::util::primitives::{PatternID, StateID};
use regex_automata::util::syntax;

use crate::expr::eval::{Machine, Out, fail};

/// The longest pattern, in bytes.
const MAX_LENGTH: usize = 2000;
/// The largest compiled pattern, in bytes: about 5,000 states.
const MAX_SIZE: usize = 256 * 1024;
/// The most groups.
const MAX_GROUPS: usize = 32;
/// The most Unicode classes (`\p{…}`), each of which is a table of hundreds of ranges.
const MAX_CLASSES: usize = 8;
/// What compiling costs beside the length of the pattern: in fuel, and for each Unicode class.
const COMPILE: usize = 500;
const CLASS: usize = 5000;

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    source: Box<str>,
    nfa: NFA,
    /// Two for each group: where it begins and ends.
    slots: usize,
    /// The room of the last search, for the next one.
    room: RefCell<Option<Box<Search>>>,
}

/// Where a pattern was found: the bytes of each group, the whole match first.
#[derive(Debug)]
pub(super) struct Found {
    slots: Vec<u32>,
}

const NOWHERE: u32 = u32::MAX;

impl Found {
    pub fn group(&self, number: usize) -> Option<std::ops::Range<usize>> {
        let at = |slot: usize| {
            let at = *self.slots.get(slot)?;
            (at != NOWHERE).then_some(at as usize)
        };
        Some(at(number * 2)?..at(number * 2 + 1)?)
    }

    /// The bytes of the whole match.
    pub fn whole(&self) -> std::ops::Range<usize> {
        self.group(0).unwrap_or_default()
    }
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What is wrong with it, as a lowercase fragment.
    pub fn compile(source: &str) -> Result<Self, String> {
        if source.len() > MAX_LENGTH {
            return Err(format!("the pattern is longer than {MAX_LENGTH} bytes"));
        }
        if classes(source) > MAX_CLASSES {
            return Err(format!(
                "the pattern has more than {MAX_CLASSES} classes `\\p`"
            ));
        }
        let tree = syntax::parse_with(&in_ascii(source), &syntax::Config::new().nest_limit(40))
            .map_err(|error| {
                // The last line says it, without the drawing.
                let shown = error.to_string();
                let said = shown.rsplit("error: ").next().unwrap_or_default().trim();
                format!("the pattern is none: {said}")
            })?;
        let nfa = NFA::compiler()
            .configure(Config::new().nfa_size_limit(Some(MAX_SIZE)))
            .build_from_hir(&tree)
            .map_err(|_| {
                "the pattern is too large when its repetitions are written out".to_owned()
            })?;
        let groups = nfa.group_info().group_len(PatternID::ZERO);
        if groups > MAX_GROUPS {
            return Err(format!("the pattern has more than {MAX_GROUPS} groups"));
        }
        Ok(Self {
            source: source.into(),
            nfa,
            slots: groups * 2,
            room: RefCell::new(None),
        })
    }

    /// The number of a group by its number or name, written as text.
    pub fn group(&self, name: &str) -> Option<usize> {
        match name.parse::<usize>() {
            Ok(number) => (number * 2 < self.slots).then_some(number),
            Err(_) => self.nfa.group_info().to_index(PatternID::ZERO, name),
        }
    }

    /// How many groups there are, the whole match included.
    pub fn groups(&self) -> usize {
        self.slots / 2
    }

    /// The names of the groups that have one, with their numbers.
    pub fn names(&self) -> impl Iterator<Item = (usize, &str)> {
        let names = self.nfa.group_info().pattern_names(PatternID::ZERO);
        names
            .enumerate()
            .filter_map(|(number, name)| Some((number, name?)))
    }
}

fn classes(source: &str) -> usize {
    source.matches("\\p").count() + source.matches("\\P").count()
}

/// The pattern with the short classes written out for ASCII.
fn in_ascii(source: &str) -> String {
    let mut written = String::with_capacity(source.len() * 2);
    let mut signs = source.chars().peekable();
    // How deep in brackets, and whether a closing bracket would stand for itself.
    let (mut depth, mut fresh) = (0_usize, false);
    while let Some(sign) = signs.next() {
        let was_fresh = std::mem::take(&mut fresh);
        match sign {
            '\\' => {
                let Some(next) = signs.next() else {
                    written.push('\\');
                    break;
                };
                let bound = depth == 0 && signs.peek() != Some(&'{');
                match next {
                    'd' => written.push_str("[0-9]"),
                    'D' => written.push_str("[^0-9]"),
                    'w' => written.push_str("[0-9A-Za-z_]"),
                    'W' => written.push_str("[^0-9A-Za-z_]"),
                    's' => written.push_str(r"[\t\n\x0B\x0C\r\x20]"),
                    'S' => written.push_str(r"[^\t\n\x0B\x0C\r\x20]"),
                    'b' if bound => written.push_str(r"(?-u:\b)"),
                    other => {
                        written.push('\\');
                        written.push(other);
                    }
                }
                continue;
            }
            '[' => {
                depth += 1;
                fresh = true;
            }
            '^' if was_fresh => fresh = true,
            ']' if depth > 0 && !was_fresh => depth -= 1,
            _ => {}
        }
        written.push(sign);
    }
    written
}

/// States in the order of their priority, each once, with the slots of the way that led there first.
#[derive(Debug)]
struct Threads {
    order: Vec<StateID>,
    place: Vec<u32>,
    slots: Vec<u32>,
}

impl Threads {
    fn new(states: usize, slots: usize) -> Self {
        Self {
            order: Vec::with_capacity(states),
            place: vec![0; states],
            slots: vec![NOWHERE; states * slots],
        }
    }

    fn insert(&mut self, state: StateID) -> bool {
        let place = self.place[state.as_usize()] as usize;
        if self.order.get(place) == Some(&state) {
            return false;
        }
        self.place[state.as_usize()] = u32::try_from(self.order.len()).unwrap_or(NOWHERE);
        self.order.push(state);
        true
    }
}

/// What is still to do while states that read nothing are followed.
#[derive(Debug)]
enum Follow {
    State(StateID),
    /// A slot gets back what it had.
    Restore(usize, u32),
}

/// The room for one search after another. Nothing is left in it that the next one reads.
#[derive(Debug)]
struct Search {
    now: Threads,
    next: Threads,
    stack: Vec<Follow>,
    current: Vec<u32>,
    steps: usize,
}

impl Search {
    /// Makes room for the searches of a pattern; it is paid for.
    fn new(machine: &mut Machine<'_>, pattern: &Pattern) -> Out<Self> {
        let states = pattern.nfa.states().len();
        machine.make(states * (pattern.slots + 3) * 8)?;
        Ok(Self {
            now: Threads::new(states, pattern.slots),
            next: Threads::new(states, pattern.slots),
            stack: Vec::new(),
            current: vec![NOWHERE; pattern.slots],
            steps: 0,
        })
    }

    /// The first match that begins at a byte or later; of those that begin at one place, the one that is preferred by its alternatives.
    fn find(
        &mut self,
        machine: &mut Machine<'_>,
        pattern: &Pattern,
        text: &str,
        from: usize,
    ) -> Out<Option<Found>> {
        if u32::try_from(text.len()).is_err() {
            return Err(fail("the text is too long for a pattern"));
        }
        let bytes = text.as_bytes();
        let mut best: Option<Vec<u32>> = None;
        self.now.order.clear();
        self.next.order.clear();
        let anchored = pattern.nfa.is_always_start_anchored();
        for at in from..=bytes.len() {
            if self.now.order.is_empty() && (best.is_some() || anchored && at > 0) {
                break;
            }
            if best.is_none() && text.is_char_boundary(at) {
                self.current.fill(NOWHERE);
                let start = pattern.nfa.start_anchored();
                Self::follow(
                    &pattern.nfa,
                    &mut self.now,
                    (&mut self.stack, &mut self.current),
                    (start, bytes, at),
                    &mut self.steps,
                );
            }
            self.step(pattern, bytes, at, &mut best);
            // One state looked at costs about an eighth of what a part of an expression costs.
            machine.burn(self.steps / 8 + 1)?;
            self.steps = 0;
            std::mem::swap(&mut self.now, &mut self.next);
            self.next.order.clear();
        }
        Ok(best.map(|slots| Found { slots }))
    }

    /// Reads one byte in every state.
    fn step(&mut self, pattern: &Pattern, bytes: &[u8], at: usize, best: &mut Option<Vec<u32>>) {
        let width = pattern.slots;
        for place in 0..self.now.order.len() {
            let id = self.now.order[place];
            let slots = id.as_usize() * width;
            self.steps += 1 + width / 4;
            let goes_to = match pattern.nfa.state(id) {
                State::ByteRange { trans } => trans.matches(bytes, at).then_some(trans.next),
                State::Sparse(sparse) => {
                    self.steps += sparse.transitions.len() / 4;
                    sparse.matches(bytes, at)
                }
                State::Dense(dense) => dense.matches(bytes, at),
                State::Match { .. } => {
                    *best = Some(self.now.slots[slots..slots + width].to_vec());
                    // What is left is less preferred.
                    return;
                }
                State::Look { .. }
                | State::Union { .. }
                | State::BinaryUnion { .. }
                | State::Capture { .. }
                | State::Fail => None,
            };
            if let Some(state) = goes_to {
                self.current
                    .copy_from_slice(&self.now.slots[slots..slots + width]);
                Self::follow(
                    &pattern.nfa,
                    &mut self.next,
                    (&mut self.stack, &mut self.current),
                    (state, bytes, at + 1),
                    &mut self.steps,
                );
            }
        }
    }

    /// Adds a state, and what can be reached from it without reading.
    fn follow(
        nfa: &NFA,
        threads: &mut Threads,
        (stack, current): (&mut Vec<Follow>, &mut [u32]),
        (state, bytes, at): (StateID, &[u8], usize),
        steps: &mut usize,
    ) {
        stack.push(Follow::State(state));
        while let Some(follow) = stack.pop() {
            let mut id = match follow {
                Follow::State(id) => id,
                Follow::Restore(slot, had) => {
                    current[slot] = had;
                    continue;
                }
            };
            while threads.insert(id) {
                *steps += 1;
                match nfa.state(id) {
                    State::Union { alternates } => {
                        *steps += alternates.len();
                        let Some((first, others)) = alternates.split_first() else {
                            break;
                        };
                        stack.extend(others.iter().rev().map(|other| Follow::State(*other)));
                        id = *first;
                    }
                    State::BinaryUnion { alt1, alt2 } => {
                        stack.push(Follow::State(*alt2));
                        id = *alt1;
                    }
                    State::Look { look, next } => {
                        if !nfa.look_matcher().matches(*look, bytes, at) {
                            break;
                        }
                        id = *next;
                    }
                    State::Capture { next, slot, .. } => {
                        let slot = slot.as_usize();
                        if let Some(holds) = current.get_mut(slot) {
                            stack.push(Follow::Restore(slot, *holds));
                            *holds = u32::try_from(at).unwrap_or(NOWHERE);
                        }
                        id = *next;
                    }
                    State::Fail => break,
                    State::ByteRange { .. }
                    | State::Sparse(_)
                    | State::Dense(_)
                    | State::Match { .. } => {
                        let first = id.as_usize() * current.len();
                        threads.slots[first..first + current.len()].copy_from_slice(current);
                        break;
                    }
                }
            }
        }
    }
}

impl Machine<'_> {
    /// A compiled pattern, compiled once in an evaluation.
    pub fn pattern(&mut self, source: &str) -> Out<Rc<Pattern>> {
        self.scan(source.len())?;
        if let Some(known) = self.patterns.iter().find(|known| &*known.source == source) {
            return Ok(Rc::clone(known));
        }
        self.burn(COMPILE + source.len() * 8 + classes(source) * CLASS)?;
        let compiled = Pattern::compile(source).map_err(fail)?;
        let states = compiled.nfa.states().len();
        self.burn(states)?;
        self.make(compiled.nfa.memory_usage())?;
        let compiled = Rc::new(compiled);
        if self.patterns.len() < 8 {
            self.patterns.push(Rc::clone(&compiled));
        }
        Ok(compiled)
    }

    /// Every match from the front, none overlapping another, at most so many.
    pub fn find_all(
        &mut self,
        pattern: &Pattern,
        text: &str,
        most: usize,
        mut each: impl FnMut(&mut Self, &Found) -> Out<()>,
    ) -> Out<()> {
        let mut search = match pattern.room.take() {
            Some(search) => search,
            None => Box::new(Search::new(self, pattern)?),
        };
        let (mut from, mut last_end) = (0, None);
        let mut count = 0;
        while count < most && from <= text.len() {
            let Some(found) = search.find(self, pattern, text, from)? else {
                break;
            };
            let whole = found.whole();
            // An empty match right behind another is part of it.
            if !(whole.is_empty() && last_end == Some(whole.start)) {
                each(self, &found)?;
                count += 1;
            }
            last_end = Some(whole.end);
            from = if whole.is_empty() {
                let next = text[whole.end..].chars().next();
                whole.end + next.map_or(1, char::len_utf8)
            } else {
                whole.end
            };
        }
        *pattern.room.borrow_mut() = Some(search);
        Ok(())
    }
}
