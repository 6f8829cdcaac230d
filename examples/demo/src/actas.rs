//! The program under the lights: the same executable that tells the story, run as a user runs it. One child serves, the others are commands.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use actas_sandbox::Sandbox;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::stage::{OrStop, Stage, Stopped, Told};

/// Longer than any command of the story takes, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ended {
    /// The end of a command that should have ended so.
    pub fn expect(self, code: i32) -> Told<Self> {
        if self.code == code {
            return Ok(self);
        }
        Err(Stopped(format!(
            "exit code {} where {code} was expected\n{}\n{}",
            self.code, self.out, self.err
        )))
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Told<Value> {
        serde_json::from_str(&self.out).or_stop(&format!("this is not JSON: {}", self.out))
    }
}

/// The program, its data, and the child that serves.
#[derive(Debug)]
pub struct Actas {
    program: PathBuf,
    folder: TempDir,
    port: u16,
    crm: String,
    server: Option<Child>,
}

impl Actas {
    /// A new, empty place for data.
    pub fn new(crm: &Sandbox) -> Told<Self> {
        // A port that is free now; the server needs the same one again after it was killed.
        let free = std::net::TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr());
        Ok(Self {
            program: std::env::current_exe().or_stop("the program does not know where it is")?,
            folder: tempfile::Builder::new()
                .prefix("actas-demo-")
                .tempdir()
                .or_stop("no temporary folder")?,
            port: free.or_stop("no free port")?.port(),
            crm: crm.address().to_string(),
            server: None,
        })
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where its data is.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts serving; answers with the address when it listens.
    pub async fn serve(&mut self, stage: &Stage) -> Told<String> {
        let listen = format!("127.0.0.1:{}", self.port);
        let data = self.data();
        let args = [
            "serve",
            "--data",
            &data.display().to_string(),
            "--listen",
            &listen,
            "--egress-allow",
            &self.crm,
        ];
        stage.command(&args);
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder().join("server.log"))
            .or_stop("no log file")?;
        let mut child = self
            .bare(&args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .or_stop("the server cannot be started")?;
        let out = child.stdout.take().or_stop("the server has no output")?;
        self.server = Some(child);
        let mut lines = BufReader::new(out).lines();
        let first = tokio::time::timeout(PATIENCE, lines.next_line())
            .await
            .or_stop("the server says nothing")?;
        match first.or_stop("the server cannot be heard")? {
            Some(line) => {
                stage.show(&line);
                Ok(line)
            }
            None => Err(Stopped(format!(
                "the server did not start:\n{}",
                self.log()
            ))),
        }
    }

    /// What the server has said on standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("server.log")).unwrap_or_default()
    }

    /// Ends the server as a power cut would: SIGKILL, no last word.
    pub async fn kill(&mut self) -> Told {
        let mut server = self.server.take().or_stop("no server to kill")?;
        server.kill().await.or_stop("the server cannot be killed")
    }

    /// Asks the server to stop, and waits for it.
    pub async fn stop(&mut self) -> Told {
        let mut server = self.server.take().or_stop("no server to stop")?;
        let id = server.id().or_stop("the server has ended by itself")?;
        let asked = Command::new("kill")
            .args(["-TERM", &id.to_string()])
            .status()
            .await;
        asked.or_stop("the server cannot be asked to stop")?;
        let ended = tokio::time::timeout(PATIENCE, server.wait())
            .await
            .or_stop("the server does not stop")?;
        let ended = ended.or_stop("the server's end")?;
        if ended.success() {
            Ok(())
        } else {
            Err(Stopped(format!(
                "the server ended badly ({ended}):\n{}",
                self.log()
            )))
        }
    }

    /// Shows and runs a command.
    pub async fn run(&self, stage: &Stage, args: &[&str]) -> Told<Ended> {
        stage.command(args);
        self.quietly(args).await
    }

    /// Shows and runs a command that has to succeed, and shows what it printed.
    pub async fn show(&self, stage: &Stage, args: &[&str]) -> Told<String> {
        let ended = self.run(stage, args).await?.expect(0)?;
        stage.show(&ended.out);
        Ok(ended.out)
    }

    /// Runs a command.
    pub async fn quietly(&self, args: &[&str]) -> Told<Ended> {
        self.start(args)?.end().await
    }

    /// Runs a command that reads something.
    pub async fn tell(&self, stage: &Stage, args: &[&str], input: &str) -> Told<Ended> {
        stage.command(args);
        let mut running = self.start(args)?;
        let mut stdin = running
            .0
            .stdin
            .take()
            .or_stop("the command reads nothing")?;
        stdin
            .write_all(input.as_bytes())
            .await
            .or_stop("the command does not read")?;
        drop(stdin);
        running.end().await
    }

    /// Starts a command and leaves it running.
    pub fn start(&self, args: &[&str]) -> Told<Running> {
        let mut command = self.bare(args);
        command
            .env("ACTAS_DATA", self.data())
            .env("ACTAS_LISTEN", format!("127.0.0.1:{}", self.port));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(Running(
            command.spawn().or_stop("the program cannot be started")?,
        ))
    }

    fn bare(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for (key, _) in
            std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("ACTAS_"))
        {
            command.env_remove(key);
        }
        command
            .args(args)
            .current_dir(self.folder())
            .kill_on_drop(true);
        command
    }
}

/// A command that has not ended yet.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Waits for its end.
    pub async fn end(mut self) -> Told<Ended> {
        drop(self.0.stdin.take());
        let output = tokio::time::timeout(PATIENCE, self.0.wait_with_output())
            .await
            .or_stop("a command does not end")?;
        let output = output.or_stop("a command cannot be heard")?;
        Ok(Ended {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}
