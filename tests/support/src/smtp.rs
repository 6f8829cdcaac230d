//! A mail server that keeps what it is given, for tests: as much of SMTP (RFC 5321) as a client speaks that sends one letter at a time. It can be
//! told to refuse, or to take a letter and never say so. Must not deliver anything.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::children::wait_for;

/// A letter as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Who it was sent to, by the envelope.
    pub to: Vec<String>,
    /// Headers and text, as they were sent.
    pub text: String,
}

impl Letter {
    /// A header's value; lines that go on are put together.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        let joined = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let prefix = format!("{}:", name.to_lowercase());
        joined
            .lines()
            .find(|line| line.to_lowercase().starts_with(&prefix))
            .map(|line| line[prefix.len()..].trim().to_owned())
    }

    /// The text below the headers, with what quoted-printable broke put together again.
    #[must_use]
    pub fn body(&self) -> String {
        let body = self
            .text
            .split_once("\r\n\r\n")
            .map_or("", |(_, body)| body);
        let bytes = body.replace("=\r\n", "");
        let mut decoded = Vec::new();
        let mut rest = bytes.as_bytes();
        while let Some((&byte, tail)) = rest.split_first() {
            let code = tail
                .get(..2)
                .filter(|_| byte == b'=')
                .and_then(|hex| std::str::from_utf8(hex).ok())
                .and_then(|hex| u8::from_str_radix(hex, 16).ok());
            match code {
                Some(code) => {
                    decoded.push(code);
                    rest = &tail[2..];
                }
                None => {
                    decoded.push(byte);
                    rest = tail;
                }
            }
        }
        String::from_utf8_lossy(&decoded).into_owned()
    }
}

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mood {
    /// It takes what comes.
    Takes = 0,
    /// It says that this is not the time.
    Refuses = 1,
    /// It takes a letter and does not say so.
    Silent = 2,
}

#[derive(Debug, Default)]
struct Kept {
    letters: Mutex<Vec<Letter>>,
    mood: AtomicU8,
}

/// The server; it ends with the test.
#[derive(Debug)]
pub struct Smtp {
    kept: Arc<Kept>,
    /// Where it listens: `smtp://127.0.0.1:PORT`.
    pub url: String,
}

impl Smtp {
    /// Starts on a free port.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("smtp://{}", listener.local_addr().expect("an address"));
        let kept = Arc::new(Kept::default());
        let all = Arc::clone(&kept);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&all);
                // A client that goes away in the middle ends its own conversation.
                thread::spawn(move || talk(&stream, &kept));
            }
        });
        Self { kept, url }
    }

    /// Tells it how to behave from now on.
    pub fn be(&self, mood: Mood) {
        self.kept.mood.store(mood as u8, Ordering::SeqCst);
    }

    /// The letters so far.
    #[must_use]
    pub fn letters(&self) -> Vec<Letter> {
        self.kept.letters().clone()
    }

    /// The letters, once there are so many.
    ///
    /// # Panics
    /// When there never are.
    #[must_use]
    pub fn wait_for(&self, count: usize, longest: Duration) -> Vec<Letter> {
        let enough = || Some(self.letters()).filter(|letters| letters.len() >= count);
        wait_for(longest, enough).unwrap_or_else(|| {
            panic!("there are not {count} letters: {:#?}", self.letters());
        })
    }
}

impl Kept {
    fn letters(&self) -> MutexGuard<'_, Vec<Letter>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is(&self, mood: Mood) -> bool {
        self.mood.load(Ordering::SeqCst) == mood as u8
    }
}

fn talk(mut stream: &TcpStream, kept: &Kept) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream);
    let mut to = Vec::new();
    stream.write_all(b"220 sink ESMTP\r\n")?;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let verb = line.trim().to_uppercase();
        let answer: &[u8] = if verb.starts_with("EHLO") {
            b"250-sink\r\n250 8BITMIME\r\n"
        } else if verb.starts_with("MAIL") && kept.is(Mood::Refuses) {
            b"451 not now\r\n"
        } else if verb.starts_with("RCPT") {
            let address = line.split(['<', '>']).nth(1).unwrap_or_default();
            to.push(address.to_owned());
            b"250 ok\r\n"
        } else if verb.starts_with("DATA") {
            stream.write_all(b"354 go on\r\n")?;
            let mut text = String::new();
            loop {
                let mut line = String::new();
                if lines.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                if line == ".\r\n" {
                    break;
                }
                text.push_str(line.strip_prefix('.').unwrap_or(&line));
            }
            let to = std::mem::take(&mut to);
            kept.letters().push(Letter { to, text });
            if kept.is(Mood::Silent) {
                // Nothing more is said until whoever asked goes away.
                let mut line = String::new();
                while lines.read_line(&mut line)? > 0 {}
                return Ok(());
            }
            b"250 kept\r\n"
        } else if verb.starts_with("QUIT") {
            stream.write_all(b"221 bye\r\n")?;
            return Ok(());
        } else {
            b"250 ok\r\n"
        };
        stream.write_all(answer)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_text_are_read_as_they_were_meant() {
        let letter = Letter {
            to: Vec::new(),
            text: "Subject: a\r\n b\r\nMessage-ID: <1@x>\r\n\r\nH=C3=A9l=\r\nlo\r\n".to_owned(),
        };
        assert_eq!(letter.header("subject").as_deref(), Some("a b"));
        assert_eq!(letter.header("Message-ID").as_deref(), Some("<1@x>"));
        assert_eq!(letter.body(), "H\u{e9}llo\r\n");
    }
}
