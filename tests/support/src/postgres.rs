//! A PostgreSQL server of our own for each test process, and a fresh database for each test. Must not touch a server that
//! is already running on the machine.
//!
//! It is reached through a Unix socket in its own directory, so any number of test processes run side by side. A shell
//! beside the server waits for the end of this process on a pipe, then stops the server and removes its directory: that
//! works also when this process is killed.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::children::{spawn, wait_for};
use crate::need;

const HINT: &str = "apt-get install postgresql";
/// Makes the files, runs the server, and ends both when the last writer of its standard input is gone: this process. Takes
/// the directory, how many words the first command has, and both commands. (A shell makes what it starts in the background
/// ignore QUIT; PostgreSQL, once it runs, takes it as the order to stop at once.)
const KEEPER: &str = r#"
dir=$1 words=$2; shift 2
trap : TERM
(
    first=
    while [ "$words" -gt 0 ]; do first="$first '$1'"; words=$((words - 1)); shift; done
    eval "$first" && exec "$@"
) </dev/null >"$dir/log" 2>&1 &
server=$!
cat >/dev/null
kill -TERM 0; kill -QUIT $server
wait $server; wait $server
rm -rf -- "$dir" || { sleep 1; rm -rf -- "$dir"; }
"#;
const START: Duration = Duration::from_secs(60);

/// The URL of a fresh, empty database on the server of this process; `None`, reported, where PostgreSQL is not installed.
///
/// # Panics
/// When PostgreSQL is installed and does not start.
#[must_use]
pub fn database() -> Option<String> {
    server().map(Server::database)
}

/// The server of this process, started at the first call. It does not flush to disk: nothing here pulls the plug.
///
/// # Panics
/// When PostgreSQL is installed and does not start.
#[must_use]
pub fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    match SERVER.get_or_init(|| Server::start(Options::default())) {
        Some(server) => Some(server),
        // Said again for each test that is left out, not only for the first.
        None => need::missing("postgres", HINT),
    }
}

/// How to start a server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether commits reach the disk: for measurements, and for tests that kill the server.
    pub fsync: bool,
}

/// A running server; dropping it stops it.
#[derive(Debug)]
pub struct Server {
    dir: PathBuf,
    bin: PathBuf,
    keeper: Child,
    databases: AtomicU32,
}

impl Server {
    /// Starts one more server, beside the one of this process; `None`, reported, where PostgreSQL is not installed.
    ///
    /// # Panics
    /// When PostgreSQL is installed and does not start.
    #[must_use]
    pub fn start(options: Options) -> Option<Self> {
        let Some(bin) = binaries() else {
            return need::missing("postgres", HINT);
        };
        Some(Self::start_with(bin, options).expect("PostgreSQL starts"))
    }

    fn start_with(bin: PathBuf, options: Options) -> io::Result<Self> {
        let user = User::unprivileged()?;
        let dir = tempfile::Builder::new()
            .prefix("actas-pg-")
            .tempdir()?
            .keep();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))?;
        if let Some(user) = &user {
            chown(&dir, Some(user.uid), Some(user.gid))?;
        }
        let data = dir.join("data");
        let mut initdb = user_command(user.as_ref(), &bin.join("initdb"));
        initdb.arg("-D").arg(&data).args([
            "-U",
            "actas",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        ]);
        initdb.args(["--no-sync", "--no-instructions"]);

        let on = |yes: bool| if yes { "on" } else { "off" };
        let mut postgres = user_command(user.as_ref(), &bin.join("postgres"));
        postgres.arg("-D").arg(&data).arg("-k").arg(&dir);
        for setting in [
            "listen_addresses=",
            "max_connections=300",
            "shared_buffers=64MB",
            "max_wal_size=2GB",
            "synchronous_commit=on",
            &format!("fsync={}", on(options.fsync)),
            &format!("full_page_writes={}", on(options.fsync)),
        ] {
            postgres.args(["-c", setting]);
        }
        let mut keeper = Command::new("sh");
        keeper
            .args(["-c", KEEPER, "postgres-keeper"])
            .arg(&dir)
            .arg(initdb.get_args().len().saturating_add(1).to_string())
            .arg(initdb.get_program())
            .args(initdb.get_args())
            .arg(postgres.get_program())
            .args(postgres.get_args())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C at the terminal is for the tests; the keeper ends after them.
            .process_group(0);
        let server = Self {
            keeper: spawn(keeper)?,
            dir,
            bin,
            databases: AtomicU32::new(0),
        };
        wait_for(START, || server.statement("select 1").ok()).ok_or_else(|| {
            io::Error::other(format!(
                "no answer from PostgreSQL; its log: {}",
                std::fs::read_to_string(server.dir.join("log")).unwrap_or_default()
            ))
        })?;
        Ok(server)
    }

    /// The URL of a fresh, empty database.
    ///
    /// # Panics
    /// When the server refuses to make one.
    #[must_use]
    pub fn database(&self) -> String {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.statement(&format!("create database {name} template template0"))
            .expect("PostgreSQL makes a database");
        self.url(&name)
    }

    /// The URL of the database called `name`, through the socket of this server.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!(
            "postgres://actas@localhost/{name}?host={}",
            self.dir.display().to_string().replace('/', "%2F")
        )
    }

    /// The Unix socket that the server listens on.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.join(".s.PGSQL.5432")
    }

    /// Performs one statement as the administrator and gives what it printed.
    ///
    /// # Errors
    /// With the words of `psql`.
    pub fn statement(&self, sql: &str) -> io::Result<String> {
        self.statement_in("postgres", sql)
    }

    /// The same in the database called `name`.
    ///
    /// # Errors
    /// With the words of `psql`.
    pub fn statement_in(&self, name: &str, sql: &str) -> io::Result<String> {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.arg("-h").arg(&self.dir).args([
            "-U",
            "actas",
            "-d",
            name,
            "-qAtX",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            sql,
        ]);
        run(&mut psql)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The directory with the newest `initdb`: that of Debian's packages, else one in `PATH`.
fn binaries() -> Option<PathBuf> {
    let version = |dir: &PathBuf| dir.parent()?.file_name()?.to_str()?.parse::<f32>().ok();
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").is_file())
        .collect();
    debian.sort_by(|a, b| {
        version(a)
            .partial_cmp(&version(b))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    debian.pop().or_else(|| {
        let initdb = need::program("initdb", &["/usr/local/pgsql/bin"])?
            .canonicalize()
            .ok()?;
        initdb.parent().map(Path::to_path_buf)
    })
}

/// Somebody other than root: PostgreSQL refuses to run as root.
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// `None` if we are not root.
    fn unprivileged() -> io::Result<Option<Self>> {
        if std::fs::metadata("/proc/self")?.uid() != 0 {
            return Ok(None);
        }
        let passwd = std::fs::read_to_string("/etc/passwd")?;
        let find = |name: &str| {
            let fields: Vec<&str> = passwd
                .lines()
                .map(|line| line.split(':').collect::<Vec<_>>())
                .find(|fields| fields[0] == name)?;
            Some(Self {
                uid: fields.get(2)?.parse().ok()?,
                gid: fields.get(3)?.parse().ok()?,
            })
        };
        find("postgres")
            .or_else(|| find("nobody"))
            .map(Some)
            .ok_or_else(|| io::Error::other("no user `postgres` or `nobody` to run PostgreSQL as"))
    }
}

fn user_command(user: Option<&User>, program: &Path) -> Command {
    let Some(user) = user else {
        return Command::new(program);
    };
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid",
            &user.uid.to_string(),
            "--regid",
            &user.gid.to_string(),
            "--clear-groups",
            "--",
        ])
        .arg(program);
    command
}

fn run(command: &mut Command) -> io::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned());
    }
    Err(io::Error::other(format!(
        "{} failed: {}",
        command.get_program().display(),
        String::from_utf8_lossy(&output.stderr)
    )))
}

#[cfg(test)]
#[path = "postgres/tests.rs"]
mod tests;
