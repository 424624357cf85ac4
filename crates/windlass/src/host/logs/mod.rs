//! Reading logs: their ends, and what is added to them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use windlass_core::logline::written_at;
use windlass_core::name::Name;
use windlass_core::protocol::Refusal;

use super::Host;
use super::runs::No;
use crate::runtime::process::log;

/// How much of a log's end is looked at, at the most.
const WINDOW: u64 = 1 << 20;

/// The longest line that is shown; the rest is left out.
const LONGEST: usize = 16 << 10;

/// The last lines of a log; none when there is no such log.
pub(super) fn tail(path: &Path, lines: usize) -> Vec<String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(WINDOW).max(log::first_line(&file)?)))?;
        let mut bytes = Vec::new();
        file.take(WINDOW).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let Ok(bytes) = read() else { return Vec::new() };
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| shown(line)).collect()
}

/// A line as it may go to a terminal: without control characters, and not endless. Rotation may
/// leave zero bytes where a line was taken out of the file.
fn shown(line: &str) -> String {
    line.chars().filter(|c| *c == '\t' || !c.is_control()).take(LONGEST).collect()
}

/// Follows one log.
pub(super) struct Follow {
    path: PathBuf,
    at: u64,
    part: Vec<u8>,
}

impl Follow {
    /// From its end as it is now.
    pub(super) fn from_end(path: &Path) -> Self {
        let at =
            File::open(path).and_then(|file| Ok(file.metadata()?.len() + log::gone(&file)?)).unwrap_or(0);
        Self { path: path.to_owned(), at, part: Vec::new() }
    }

    /// Hands on each whole line that was added.
    pub(super) fn lines(&mut self, mut line: impl FnMut(String)) {
        let Ok(bytes) = self.read() else { return };
        self.at += bytes.len() as u64;
        self.part.extend(bytes);
        while let Some(end) = self.part.iter().position(|byte| *byte == b'\n') {
            let whole: Vec<u8> = self.part.drain(..=end).collect();
            let text = String::from_utf8_lossy(&whole[..end]);
            if !log::is_note(&text) {
                line(shown(&text));
            }
        }
    }

    /// What was added. The keeper cuts old lines from the file's front, so a place is counted from
    /// the log's birth; when a cut comes while it is read, it is read again.
    fn read(&self) -> io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        loop {
            let gone = log::gone(&file)?;
            file.seek(SeekFrom::Start(self.at.saturating_sub(gone)))?;
            let mut bytes = Vec::new();
            Read::by_ref(&mut file).take(WINDOW).read_to_end(&mut bytes)?;
            if log::gone(&file)? == gone {
                return Ok(bytes);
            }
        }
    }
}

/// The logs that a person asked for.
pub(super) struct Logs {
    past: Vec<(String, String)>,
    followed: Vec<(String, Follow)>,
}

impl Logs {
    /// What was there already.
    pub(super) fn past(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.past)
    }

    /// What was added since the last call.
    pub(super) fn news(&mut self, host: &Host) -> Vec<(String, String)> {
        let redactor = host.active_redactor();
        let mut news = Vec::new();
        for (source, follow) in &mut self.followed {
            follow.lines(|line| news.push((source.clone(), redactor.redact(&line).into_owned())));
        }
        news
    }
}

impl Host {
    /// Opens the logs of these services, resources, jobs and crons, or of all services.
    pub(super) fn open_logs(&self, wanted: &[Name], lines: usize, since: Option<i64>) -> Result<Logs, No> {
        let active = self.journal.borrow().active().ok().flatten();
        let services: Vec<String> = active
            .iter()
            .flat_map(|active| active.release.spec.services.keys())
            .map(ToString::to_string)
            .collect();
        let names: Vec<String> =
            if wanted.is_empty() { services } else { wanted.iter().map(ToString::to_string).collect() };
        let redactor = self.active_redactor();
        let mut logs = Logs { past: Vec::new(), followed: Vec::new() };
        for name in names {
            let path = self.layout.log(&name);
            if !path.exists() && !wanted.is_empty() {
                return Err(No::new(
                    Refusal::NotFound,
                    format!("there is no log of {name}"),
                    format!("there are {}", self.log_names().join(", ")),
                ));
            }
            let fresh = since.is_none_or(|since| changed(&path) >= since);
            if fresh {
                let past = recent(tail(&path, lines), since);
                logs.past.extend(past.iter().map(|line| (name.clone(), redactor.redact(line).into_owned())));
            }
            logs.followed.push((name, Follow::from_end(&path)));
        }
        Ok(logs)
    }

    fn log_names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.layout.logs()).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".log").map(str::to_owned))
            .collect();
        names.sort();
        names
    }
}

/// Lines from the first on that says it was written after `since`; all when none says when it was.
fn recent(lines: Vec<String>, since: Option<i64>) -> Vec<String> {
    let Some(since) = since else { return lines };
    let zone = jiff::tz::TimeZone::system();
    let times: Vec<Option<i64>> = lines.iter().map(|line| written_at(line, &zone)).collect();
    let first = match times.iter().position(|time| time.is_some_and(|time| time >= since)) {
        Some(first) => first,
        None if times.iter().any(Option::is_some) => lines.len(),
        None => 0,
    };
    lines.into_iter().skip(first).collect()
}

fn changed(path: &Path) -> i64 {
    let changed = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    let since = changed.ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0)
}
