//! The end of a log.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::shown;
use crate::runtime::process::log;
use crate::settings::Redactor;

/// How much of a log's end is looked at, at the most.
const WINDOW: u64 = 1 << 20;

/// The last lines of a log, masked; none when there is no such log.
pub(in crate::host) fn tail(path: &Path, lines: usize, mask: &Redactor) -> Vec<String> {
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
    let all: Vec<&str> = text.lines().filter(|line| !log::is_note(line)).collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| shown(line, mask)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("web.log");
        std::fs::write(&path, "old 1\nold 2\nnew 1\nnew 2\nnew 3\n").unwrap();
        let mask = Redactor::default();
        assert_eq!(tail(&path, 4, &mask), ["old 2", "new 1", "new 2", "new 3"]);
        assert_eq!(tail(&path, 20, &mask).len(), 5);
        assert_eq!(tail(&directory.path().join("none.log"), 4, &mask), Vec::<String>::new());
    }
}
