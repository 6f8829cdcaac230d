//! What the machine says: processor time of processes, memory, how long a flush takes. Must not know what is measured.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// The kernel counts processor time for user space in hundredths of a second (`USER_HZ`), whatever its own clock is.
const TICK: Duration = Duration::from_millis(10);

/// Now, for measuring.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time; nothing here is replayed"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Waits, while another process works.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark lets another process work; there is nothing to await"
)]
pub fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// The numbers of `/proc/PID/stat` behind the name, which may hold anything; from the state on.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

fn ticks(stat: &[String], fields: std::ops::Range<usize>) -> u64 {
    stat.get(fields)
        .unwrap_or_default()
        .iter()
        .filter_map(|field| field.parse::<u64>().ok())
        .sum()
}

/// Processor time that a process has used so far, user and system, all threads; with its children, dead or alive, if they are wanted too.
pub fn cpu(pid: u32, with_children: bool) -> Duration {
    let Some(own) = stat(pid) else {
        return Duration::ZERO;
    };
    if !with_children {
        return TICK * u32::try_from(ticks(&own, 11..13)).unwrap_or(u32::MAX);
    }
    let children = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(stat)
        .filter(|stat| stat.get(1).is_some_and(|parent| *parent == pid.to_string()))
        .map(|stat| ticks(&stat, 11..13));
    let all = ticks(&own, 11..15) + children.sum::<u64>();
    TICK * u32::try_from(all).unwrap_or(u32::MAX)
}

/// `(resident, proportional)` memory of a process in MiB.
pub fn memory(pid: u32) -> Option<(f64, f64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let field = |name: &str| -> Option<f64> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib / 1024.0)
    };
    Some((field("Rss:")?, field("Pss:")?))
}

/// The most memory that a process has had resident, in MiB.
pub fn peak(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

/// How many processes wanted to run in the last minute.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .next()
        .unwrap_or("unknown")
        .to_owned()
}

/// The median time of appending 4 KiB to a file in a folder and making it durable, in milliseconds.
///
/// # Errors
/// If the folder cannot be written to.
pub fn fdatasync(folder: &Path) -> io::Result<f64> {
    let path = folder.join("fdatasync.probe");
    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..41 {
        file.write_all(&[0x5a; 4096])?;
        let began = now();
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    fs::remove_file(&path)?;
    Ok(median(times))
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
