//! What is added to a log.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::runtime::process::log;

/// How much is read at a time, at the most.
const WINDOW: u64 = 1 << 20;

/// How much of a line is kept that has no end yet.
const LONGEST: usize = 1 << 20;

/// Follows one log.
pub(in crate::host) struct Follow {
    path: PathBuf,
    at: u64,
    part: Vec<u8>,
}

impl Follow {
    /// From its end as it is now.
    pub(in crate::host) fn from_end(path: &Path) -> Self {
        Self { path: path.to_owned(), at: end(path), part: Vec::new() }
    }

    /// From its beginning.
    pub(super) fn from_start(path: &Path) -> Self {
        Self { path: path.to_owned(), at: 0, part: Vec::new() }
    }

    /// Hands on each whole line that was added, as it is: whoever gets it masks it.
    pub(in crate::host) fn lines(&mut self, mut line: impl FnMut(String)) {
        let Ok(bytes) = self.read() else { return };
        self.at += bytes.len() as u64;
        self.part.extend(bytes);
        let Some(last) = self.part.iter().rposition(|byte| *byte == b'\n') else {
            // Of a line that does not end, far less is shown than is kept here.
            self.part.truncate(LONGEST);
            return;
        };
        let rest = self.part.split_off(last + 1);
        let whole = std::mem::replace(&mut self.part, rest);
        for bytes in whole[..last].split(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(bytes);
            if !log::is_note(&text) {
                line(text.into_owned());
            }
        }
    }

    /// Hands on all that was added since, with a last line that has no end: nothing more will come.
    pub(in crate::host) fn finish(mut self, mut line: impl FnMut(String)) {
        let mut from = None;
        while from != Some(self.at) {
            from = Some(self.at);
            self.lines(&mut line);
        }
        if !self.part.is_empty() {
            line(String::from_utf8_lossy(&self.part).into_owned());
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

/// Where a log ends, counted from its birth; 0 where there is none yet.
fn end(path: &Path) -> u64 {
    File::open(path).and_then(|file| Ok(file.metadata()?.len() + log::gone(&file)?)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_line_that_does_not_end_no_more_is_kept_than_can_be_shown() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("web.log");
        std::fs::write(&path, "x".repeat(LONGEST * 3)).unwrap();
        let mut follow = Follow::from_start(&path);
        for _ in 0..4 {
            follow.lines(|line| panic!("{} bytes", line.len()));
            assert!(follow.part.len() <= LONGEST);
        }
        std::fs::write(&path, format!("{}\nnext\n", "x".repeat(LONGEST * 3))).unwrap();
        let mut lines = Vec::new();
        follow.lines(|line| lines.push(line.len()));
        assert_eq!(lines, [LONGEST, 4]);
    }
}
