//! What stands in a log already, rotated files among it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use windlass_core::logline::dates;

use crate::runtime::process::log;

/// How much of one file is read, at the most: its end.
const LARGEST: u64 = 64 << 20;

/// How much of its end is read at first.
const NEAR: u64 = 64 << 10;

/// How many lines are handed on where nobody says how many.
pub(super) const MOST: usize = 100_000;

/// How much of a log is held in memory, in bytes: the rest of what is older is left out.
const HELD: usize = 32 << 20;

/// How much of a line is looked at for its time, in characters.
const FRONT: usize = 1 << 10;

/// Which lines are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    /// So many of the last; `None`: all that the rest lets through.
    pub(super) lines: Option<usize>,
    /// Those written since then, milliseconds since 1970.
    pub(super) since: Option<i64>,
}

/// A line, and when it was written, as far as it or one before it says so.
pub(super) type Dated = (Option<i64>, String);

/// The lines of a log that `window` wants, the oldest first, as they are: whoever gets them masks them. Times
/// without an offset are in `zone`, unless they cannot be.
pub(super) fn lines(path: &Path, window: Window, zone: &TimeZone) -> Vec<Dated> {
    let enough = window.lines.unwrap_or(MOST);
    let is_older = |path: &Path| {
        let is_before = |since| changed(path).is_some_and(|changed| changed.as_millisecond() < since);
        window.since.is_some_and(is_before)
    };
    if is_older(path) {
        return Vec::new();
    }
    let mut all = live(path, window).unwrap_or_default();
    let mut number = 1;
    while (window.since.is_some() || all.len() < enough) && all.len() < MOST && weight(&all) < HELD {
        let archive = rotated(path, number);
        if !archive.exists() || is_older(&archive) {
            break;
        }
        let mut older = text_lines(File::open(&archive).map(MultiGzDecoder::new)).unwrap_or_default();
        older.append(&mut all);
        all = older;
        number += 1;
    }
    // Seen after its lines were read: none of them is newer.
    let mut dated = date(all, zone, changed(path).unwrap_or_default());
    if let Some(since) = window.since {
        // A log that never says when is as old as its last change.
        dated.retain(|(at, _)| at.is_none_or(|at| at >= since));
    }
    dated.split_off(dated.len().saturating_sub(enough))
}

/// The lines of the file that is written to. Where a number of them is wanted, no more is read than has
/// them.
fn live(path: &Path, window: Window) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let first = log::first_line(&file)?.max(length.saturating_sub(LARGEST));
    let mut reach = if window.since.is_some() { LARGEST } else { NEAR };
    loop {
        let from = length.saturating_sub(reach).max(first);
        file.seek(SeekFrom::Start(from))?;
        let mut lines = text_lines(Ok(&file))?;
        if from == first {
            return Ok(lines);
        }
        // The first may be the rest of one.
        if window.lines.is_some_and(|enough| lines.len() > enough) {
            lines.remove(0);
            return Ok(lines);
        }
        reach = reach.saturating_mul(8);
    }
}

fn text_lines(file: io::Result<impl Read>) -> io::Result<Vec<String>> {
    let (mut lines, mut held) = (VecDeque::new(), 0);
    let mut reader = BufReader::new(file?.take(LARGEST));
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes)? > 0 {
        let text = String::from_utf8_lossy(&bytes);
        if !log::is_note(&text) {
            held += text.len();
            lines.push_back(text.trim_end_matches('\n').to_owned());
        }
        // Of too much, the end.
        while lines.len() > MOST || (held > HELD && lines.len() > 1) {
            held -= lines.pop_front().map_or(0, |line| line.len() + 1).min(held);
        }
        bytes.clear();
    }
    Ok(lines.into())
}

fn weight(lines: &[String]) -> usize {
    lines.iter().map(String::len).sum()
}

/// The beginning of a line, where it may say when it was written, without control characters.
fn plain(line: &str) -> String {
    line.chars().filter(|c| *c == '\t' || !c.is_control()).take(FRONT).collect()
}

fn date(lines: Vec<String>, zone: &TimeZone, changed: Timestamp) -> Vec<Dated> {
    let fronts: Vec<String> = lines.iter().map(|line| plain(line)).collect();
    dates(fronts.iter().map(String::as_str), zone, changed).into_iter().zip(lines).collect()
}

fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}.gz"));
    name.into()
}

fn changed(path: &Path) -> Option<Timestamp> {
    let changed = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    Timestamp::try_from(changed).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn lines(path: &Path, window: Window) -> Vec<Dated> {
        super::lines(path, window, &TimeZone::UTC)
    }

    fn at(text: &str) -> Option<i64> {
        Some(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    fn texts(lines: Vec<Dated>) -> Vec<String> {
        lines.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn lines_are_chosen_by_their_own_time_also_those_of_rotated_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("web.log");
        let mut gz = GzEncoder::new(File::create(rotated(&path, 1)).unwrap(), Compression::fast());
        gz.write_all(b"2026-11-20T10:00:00Z oldest\n2026-11-21T08:00:00Z older\n  traceback\n").unwrap();
        gz.finish().unwrap();
        std::fs::write(&path, "2026-11-21T09:00:00Z old\n2026-11-21T10:00:00Z new\n  more of it\n").unwrap();
        let last: jiff::Timestamp = "2026-11-21T10:00:00.1Z".parse().unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(last.into()).unwrap();
        let since = |text| texts(lines(&path, Window { since: at(text), ..Window::default() }));
        assert_eq!(since("2026-11-21T09:30:00Z"), ["2026-11-21T10:00:00Z new", "  more of it"]);
        assert_eq!(since("2026-11-21T07:00:00Z").len(), 5);
        assert_eq!(since("2026-11-21T07:00:00Z")[1], "  traceback");
        assert_eq!(since("2026-11-22T00:00:00Z"), Vec::<String>::new());
        let last = Window { lines: Some(1), since: at("2026-11-20T00:00:00Z") };
        assert_eq!(texts(lines(&path, last)), ["  more of it"]);
        let four = Window { lines: Some(4), ..Window::default() };
        assert_eq!(texts(lines(&path, four))[0], "  traceback");
    }

    #[test]
    fn lines_that_say_no_time_are_as_old_as_their_log() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("web.log");
        std::fs::write(&path, "one\ntwo\n").unwrap();
        let now = changed(&path).map(Timestamp::as_millisecond);
        assert_eq!(lines(&path, Window { since: now, ..Window::default() }).len(), 2);
        let later = now.map(|now| now + 60_000);
        assert_eq!(lines(&path, Window { since: later, ..Window::default() }), []);
    }

    #[test]
    fn no_more_of_a_log_is_held_than_there_is_room_for() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("web.log");
        let line = "x".repeat(99_999) + "\n";
        for number in 1..=4 {
            let mut gz = GzEncoder::new(File::create(rotated(&path, number)).unwrap(), Compression::fast());
            (0..200).for_each(|_| gz.write_all(line.as_bytes()).unwrap());
            gz.finish().unwrap();
        }
        std::fs::write(&path, "last\n".repeat(3)).unwrap();
        let held = texts(lines(&path, Window { lines: None, since: Some(0) }));
        assert!((HELD..HELD + (20 << 20)).contains(&weight(&held)), "{}", weight(&held));
        std::fs::write(&path, "\n".repeat(MOST + 7)).unwrap();
        assert_eq!(lines(&path, Window { lines: None, since: Some(0) }).len(), MOST);
    }

    // However much of the end is read at first, the last lines are the last lines.
    #[test]
    fn the_last_lines_are_those_of_the_whole_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("web.log");
        for width in [1, 70_000] {
            let text: String = (0..300).map(|n| format!("{n}-{}\n", "x".repeat(width * (n % 3)))).collect();
            std::fs::write(&path, text).unwrap();
            let all = lines(&path, Window { lines: None, since: Some(0) });
            for count in [1, 2, 70, 299, 300, 500] {
                let some = lines(&path, Window { lines: Some(count), since: None });
                assert_eq!(some.len(), count.min(all.len()), "{count} of {width}");
                assert!(all.ends_with(&some), "{count} of {width}");
            }
        }
    }
}
