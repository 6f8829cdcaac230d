//! Node.js, and the packages that the scripts in `tests/node` use. Must not use packages from anywhere but their lock file.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::children::spawn;
use crate::need;

const HINT: &str = "install Node.js 20 or newer";
const OLDEST: u32 = 20;

/// The folder with the scripts.
#[must_use]
pub fn scripts() -> PathBuf {
    // This crate stands beside them.
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("node")
}

/// A command that runs a script of [`scripts`], its packages installed; `None`, reported, where Node.js is missing or too
/// old. The kernel ends it when this process dies.
///
/// # Panics
/// When the packages cannot be installed although they are required, or the script does not exist.
#[must_use]
pub fn script(name: &str) -> Option<Command> {
    static NODE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let node = match NODE.get_or_init(prepare) {
        Ok(node) => node,
        Err(reason) => return need::missing("node", reason),
    };
    let file = scripts().join(name);
    assert!(file.is_file(), "no script {}", file.display());
    let mut command = crate::children::bound_to_us(node);
    command
        .arg("--no-warnings")
        .arg(file)
        .current_dir(scripts());
    Some(command)
}

/// A running script and the one line of JSON with which it said that it is ready.
#[derive(Debug)]
pub struct Script {
    child: Child,
    /// What the script said about itself.
    pub ready: serde_json::Value,
}

impl Script {
    /// Starts a script that stays, and waits for its line.
    ///
    /// # Panics
    /// When it ends before it says so.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = spawn(command).expect("Node.js starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("standard output is a pipe");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("a script writes text");
        let Ok(ready) = serde_json::from_str(&line) else {
            let _ = child.kill();
            let output = child.wait_with_output().expect("a script ends");
            panic!(
                "the script said {line:?}; {}",
                String::from_utf8_lossy(&output.stderr)
            );
        };
        Self { child, ready }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn prepare() -> Result<PathBuf, String> {
    let node = need::program("node", &["/usr/local/bin"]).ok_or(HINT)?;
    let version = Command::new(&node)
        .arg("--version")
        .output()
        .map_err(|error| error.to_string())?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < OLDEST) {
        return Err(format!("{HINT}: this is {version}"));
    }
    install()?;
    Ok(node)
}

/// `npm ci`, unless what is installed is what the lock file says. Test processes that start together take turns.
fn install() -> Result<(), String> {
    let folder = scripts();
    let text = |path: PathBuf| std::fs::read_to_string(path);
    let wanted = text(folder.join("package-lock.json")).map_err(|error| error.to_string())?;
    let stamp = folder.join("node_modules/.installed-from");

    let turn = std::env::temp_dir().join("actas-tests-npm.lock");
    let turn = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(turn)
        .map_err(|error| error.to_string())?;
    turn.lock().map_err(|error| error.to_string())?;
    if text(stamp.clone()).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let output = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("npm: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "`npm ci` in tests/node failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    std::fs::write(stamp, wanted).map_err(|error| error.to_string())
}
