//! What the audience sees: scenes, sentences, commands with their outcome, and claims, each of which is checked before it is printed.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stdout};

/// A claim that does not hold, or something that cannot be done: the story ends here.
#[derive(Debug)]
pub struct Stopped(pub String);

impl Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What every part of the story gives back.
pub type Told<T = ()> = Result<T, Stopped>;

/// Makes an error of anything the story's end.
pub trait OrStop<T> {
    /// The value, or the end with what was being done.
    fn or_stop(self, what: &str) -> Told<T>;
}

impl<T, E: Display> OrStop<T> for Result<T, E> {
    fn or_stop(self, what: &str) -> Told<T> {
        self.map_err(|error| Stopped(format!("{what}: {error}")))
    }
}

impl<T> OrStop<T> for Option<T> {
    fn or_stop(self, what: &str) -> Told<T> {
        self.ok_or_else(|| Stopped(what.to_owned()))
    }
}

/// Standard output, and how many claims were checked.
#[derive(Debug)]
pub struct Stage {
    colour: bool,
    checked: u32,
    scenes: u32,
}

impl Stage {
    /// An empty stage.
    pub fn new() -> Self {
        let colour = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            colour,
            checked: 0,
            scenes: 0,
        }
    }

    /// A new scene.
    pub fn scene(&mut self, title: &str) {
        self.scenes += 1;
        let line = format!("{}. {title}", self.scenes);
        self.print(&format!("\n{}", self.paint("1", &line)));
    }

    /// A sentence.
    pub fn tell(&self, text: &str) {
        self.print(&format!("\n{text}"));
    }

    /// A command as a user would type it.
    pub fn command(&self, args: &[&str]) {
        let words: Vec<String> = args.iter().map(|word| quoted(word)).collect();
        self.print(&format!(
            "  {}",
            self.paint("36", &format!("$ actas {}", words.join(" ")))
        ));
    }

    /// What came of it.
    pub fn show(&self, text: &str) {
        for line in text.trim_end().lines() {
            self.print(&format!("    {line}"));
        }
    }

    /// A claim. It is printed only if it holds.
    pub fn check(&mut self, claim: &str, holds: bool, found: impl Display) -> Told {
        if !holds {
            return Err(Stopped(format!(
                "this does not hold: {claim}\n  found instead: {found}"
            )));
        }
        self.checked += 1;
        self.print(&format!("  {} {claim}", self.paint("32", "✓")));
        Ok(())
    }

    /// The last words.
    pub fn end(&self) {
        let line = format!("All of it held: {} claims, each checked.", self.checked);
        self.print(&format!("\n{}", self.paint("1;32", &line)));
    }

    /// Says why the story ended early.
    pub fn stopped(&self, why: &str) {
        let _ = writeln!(std::io::stderr().lock(), "actas: the demo stopped: {why}");
    }

    fn print(&self, text: &str) {
        // Nobody may be looking any more; the checks go on.
        let _ = writeln!(stdout().lock(), "{text}");
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
