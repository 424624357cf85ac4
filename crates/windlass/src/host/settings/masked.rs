//! Values that no kept release runs with any more, and that logs may still hold: `state/masked.json`, 0600. Each stays
//! there for masking until every log that it can stand in has aged out.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use windlass_core::settings::Secret;
use zeroize::Zeroize;

use crate::checksummed;
use crate::layout::Layout;

/// Rotated logs are kept for thirty days (HS-20); each holds the lines of a day, where something is written each day.
const AGE: Duration = Duration::from_secs(31 * 24 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    values: Vec<Kept>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    value: String,
    /// When it was forgotten last, in seconds since 1970.
    at: u64,
    /// Until when it is kept at the least: as long as what is rotated now, with lines from before.
    until: u64,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

/// Keeps values for masking.
///
/// # Errors
/// When they cannot be written, or what is kept already cannot be read.
pub(in crate::host) fn keep<'v>(
    layout: &Layout,
    values: impl IntoIterator<Item = &'v str>,
) -> io::Result<()> {
    let mut file = open(layout)?;
    let (at, until) = (seconds(SystemTime::now()), seconds(SystemTime::now() + AGE));
    let before = file.values.len();
    let mut changed = false;
    for value in values.into_iter().filter(|value| !value.is_empty()) {
        match file.values.iter_mut().find(|kept| kept.value == value) {
            Some(kept) => {
                changed |= kept.at != at;
                (kept.at, kept.until) = (at, until);
            }
            None => file.values.push(Kept { value: value.to_owned(), at, until }),
        }
    }
    if changed || file.values.len() > before { write(layout, &file) } else { Ok(()) }
}

/// The values that are kept.
///
/// # Errors
/// When they cannot be read.
pub(in crate::host) fn read(layout: &Layout) -> io::Result<Vec<Secret>> {
    let file = open(layout)?;
    Ok(file.values.iter().map(|kept| Secret::new(kept.value.as_str())).collect())
}

/// Forgets the values that no log can hold any more.
///
/// # Errors
/// When they cannot be read or written.
pub(in crate::host) fn age(layout: &Layout, now: SystemTime) -> io::Result<()> {
    let mut file = open(layout)?;
    if file.values.is_empty() {
        return Ok(());
    }
    let oldest = oldest_line(layout)?.map(seconds);
    let before: Vec<u64> = file.values.iter().map(|kept| kept.until).collect();
    for kept in file.values.iter_mut().filter(|kept| oldest.is_some_and(|oldest| oldest <= kept.at)) {
        kept.until = kept.until.max(seconds(now + AGE));
    }
    file.values.retain(|kept| kept.until > seconds(now));
    let after: Vec<u64> = file.values.iter().map(|kept| kept.until).collect();
    if after == before { Ok(()) } else { write(layout, &file) }
}

/// No line of any log is older, as far as files tell: one that is written to begins where the last one was put away,
/// and one that was put away is of the day before.
fn oldest_line(layout: &Layout) -> io::Result<Option<SystemTime>> {
    let mut oldest: Option<SystemTime> = None;
    let entries = match std::fs::read_dir(layout.logs()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let facts = match std::fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            facts => facts?,
        };
        let is_live = path.extension().is_some_and(|extension| extension == "log");
        let begun = match is_live {
            true if facts.len() == 0 => None,
            true => match std::fs::metadata(path.with_extension("log.1.gz")) {
                Ok(rotated) => Some(rotated.modified()?),
                Err(_) => Some(facts.created().or_else(|_| facts.modified())?),
            },
            false => facts.modified()?.checked_sub(DAY),
        };
        oldest = oldest.into_iter().chain(begun).min();
    }
    Ok(oldest)
}

fn open(layout: &Layout) -> io::Result<File> {
    let path = layout.state().join("masked.json");
    let Some(file) = checksummed::read::<File>(&path)? else {
        return Ok(File { version: 1, values: vec![] });
    };
    if file.version != 1 {
        return Err(io::Error::other(format!("{} is of a newer Windlass", path.display())));
    }
    Ok(file)
}

fn write(layout: &Layout, file: &File) -> io::Result<()> {
    checksummed::write(&layout.state().join("masked.json"), file)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_value_is_kept_as_long_as_a_log_may_hold_it() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::at(directory.path());
        layout.make().unwrap();
        keep(&layout, ["first-secret", "", "second-secret"]).unwrap();
        keep(&layout, ["first-secret"]).unwrap();
        let all = || -> Vec<String> {
            read(&layout).unwrap().iter().map(|secret| secret.expose().to_owned()).collect()
        };
        assert_eq!(all(), ["first-secret", "second-secret"]);
        let mode = std::fs::metadata(layout.state().join("masked.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        // A cron job that seldom runs: its log is begun before, and goes on long after.
        std::fs::write(layout.log("report"), "first-secret\n").unwrap();
        let began = std::fs::metadata(layout.log("report")).unwrap().modified().unwrap();
        let after = |days: u32| began + days * DAY;
        for days in [20, 40, 60, 80] {
            age(&layout, after(days)).unwrap();
            assert_eq!(all().len(), 2, "after {days} days");
        }
        // Its lines from before are put away after 85 days, which lasts for thirty more.
        let rotated = layout.logs().join("report.log.1.gz");
        std::fs::File::create(&rotated).unwrap().set_modified(after(85)).unwrap();
        age(&layout, after(110)).unwrap();
        assert_eq!(all().len(), 2);
        age(&layout, after(116)).unwrap();
        assert_eq!(all(), Vec::<String>::new());
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_not_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::at(directory.path());
        layout.make().unwrap();
        std::fs::write(layout.state().join("masked.json"), "oops").unwrap();
        assert!(read(&layout).is_err() && keep(&layout, ["x"]).is_err());
    }
}
