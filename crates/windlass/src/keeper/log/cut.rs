//! Taking lines from the front of a file while others append to it.
//!
//! Where the file system can (`FALLOC_FL_COLLAPSE_RANGE`: ext4, XFS), the front is cut out and the
//! rest moves up. It cuts at block boundaries only, and lines do not end there. So the cut is made
//! at the last boundary *before* the end of the last archived line, and the archived bytes that stay,
//! less than a block, are overwritten beforehand with one line that says where they went:
//!
//! ```text
//! |     archived lines       \n| live lines ...          before
//! |            cut ->|[windlass] earlier lines ...    \n| live lines ...
//! ```
//!
//! Elsewhere (`FALLOC_FL_PUNCH_HOLE`: tmpfs, btrfs) the front becomes a hole: it takes no space, but
//! the file's length keeps growing and readers must begin after the zeros. Where not even that is
//! possible the file is truncated; a line written in that very instant can be lost there.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};

use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};
use rustix::io::Errno;

/// How the line begins that stands for what was archived.
pub(crate) const MARK: &str = "[windlass] ";

/// How far back a good line end is looked for.
const BACK: u64 = 256 * 1024;

/// What the file system can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Collapse,
    Hole,
    Truncate,
}

/// A place to cut: `end` is where the archived lines end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) method: Method,
    pub(super) end: u64,
    /// How many archived bytes stay in front, overwritten; none when the end is a block boundary.
    pub(super) stays: u64,
    /// How what they are overwritten with begins. No two cuts have the same.
    pub(super) text: String,
}

/// Finds out what the file system of this (empty, disposable) file can do.
pub(super) fn method_of(scratch: &File, block: u64) -> io::Result<Method> {
    scratch.write_all_at(&vec![1; usize::try_from(block * 2).unwrap_or_default()], 0)?;
    let method = if fallocate(scratch, FallocateFlags::COLLAPSE_RANGE, 0, block).is_ok() {
        Method::Collapse
    } else if punch(scratch.as_fd(), block).is_ok() {
        Method::Hole
    } else {
        Method::Truncate
    };
    scratch.set_len(0)?;
    Ok(method)
}

fn punch(file: impl AsFd, length: u64) -> Result<(), Errno> {
    fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, length)
}

/// Where the lines begin that are not archived yet: after a hole and after the line that stands for
/// archived ones.
///
/// # Errors
/// Those of reading the file.
pub(crate) fn start(file: &File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let mut at = match seek(file, SeekFrom::Data(0)) {
        Ok(at) => at,
        Err(Errno::NXIO) => return Ok(length),
        Err(_) => 0,
    };
    let mut bytes = [0_u8; 4096];
    let found = loop {
        let read = file.read_at(&mut bytes, at)?;
        if read == 0 {
            return Ok(length);
        }
        match bytes[..read].iter().position(|byte| *byte != 0) {
            Some(position) => break at + position as u64,
            None => at += read as u64,
        }
    };
    let mut head = [0_u8; MARK.len()];
    if file.read_at(&mut head, found)? < MARK.len() || head != MARK.as_bytes() {
        return Ok(found);
    }
    // Less than two blocks: the line is a filler, not one that a program wrote.
    let read = file.read_at(&mut bytes, found)?;
    let line = bytes[..read].iter().position(|byte| *byte == b'\n');
    Ok(line.map_or(found, |end| found + end as u64 + 1))
}

impl Cut {
    /// Chooses where to cut: at the last line end before `limit` that leaves room for the filler.
    /// Without one (a line as long as [`BACK`]) the line is split at a block boundary, both halves
    /// kept. `None` when that would archive nothing.
    pub(super) fn choose(
        file: &File,
        method: Method,
        start: u64,
        limit: u64,
        text: &str,
    ) -> io::Result<Option<Self>> {
        let block = file.metadata()?.blksize();
        if method == Method::Truncate {
            return Ok((start < limit).then(|| Self { method, end: limit, stays: 0, text: String::new() }));
        }
        let from = limit.saturating_sub(BACK).max(start);
        let mut tail = vec![0; usize::try_from(limit - from).unwrap_or_default()];
        let read = file.read_at(&mut tail, from)?;
        let needs = (text.len() + COUNT + 2) as u64;
        for position in (0..read).rev().filter(|position| tail[*position] == b'\n') {
            let end = from + position as u64 + 1;
            let stays = end % block;
            if stays >= needs || method == Method::Hole {
                let stays = if method == Method::Hole { 0 } else { stays };
                return Ok(Some(Self { method, end, stays, text: text.to_owned() }));
            }
        }
        let end = limit - limit % block;
        Ok((end > start).then(|| Self { method, end, stays: 0, text: String::new() }))
    }

    /// Whether it has been made, seen from the file alone: so that one that was interrupted is
    /// finished and not repeated. `None` when the file cannot tell.
    pub(super) fn is_made(&self, file: &File) -> io::Result<Option<bool>> {
        let length = file.metadata()?.len();
        Ok(match self.method {
            Method::Truncate => Some(length < self.end),
            Method::Hole => {
                let mut last = [0_u8];
                Some(file.read_at(&mut last, self.end - 1)? == 1 && last == [0])
            }
            Method::Collapse if self.stays == 0 => None,
            Method::Collapse => {
                let mut head = vec![0; self.text.len()];
                Some(file.read_at(&mut head, 0)? == head.len() && head == self.text.as_bytes())
            }
        })
    }

    /// Makes it.
    pub(super) fn make(&self, file: &File) -> io::Result<()> {
        match self.method {
            Method::Truncate => file.set_len(0),
            Method::Hole => Ok(punch(file, self.end)?),
            Method::Collapse => {
                let front = self.end - self.stays;
                if self.stays > 0 {
                    let filler = fill(&self.text, gone(file)? + front, self.stays);
                    file.write_all_at(filler.as_bytes(), front)?;
                }
                if front == 0 {
                    return Ok(());
                }
                match fallocate(file, FallocateFlags::COLLAPSE_RANGE, 0, front) {
                    // The file ends just there, and a file must not lose its end this way.
                    Err(Errno::INVAL) => Ok(punch(file, front)?),
                    other => Ok(other?),
                }
            }
        }
    }
}

/// The digits of the count in a filler.
const COUNT: usize = 16;

/// The line that stands for `gone` bytes.
fn fill(text: &str, gone: u64, length: u64) -> String {
    let width = usize::try_from(length).unwrap_or_default().saturating_sub(COUNT + 2);
    format!("{text:width$} {gone:0COUNT$x}\n")
}

/// How many bytes have been cut from the front of this file in its life, so that a place in it can be
/// found again: what was at `place` is now at `place` less what has been cut since. Holes move nothing.
///
/// # Errors
/// Those of reading the file.
pub(crate) fn gone(file: &File) -> io::Result<u64> {
    let mut line = [0_u8; 8192];
    let read = file.read_at(&mut line, 0)?;
    let text =
        line[..read].split(|byte| *byte == b'\n').next().and_then(|line| std::str::from_utf8(line).ok());
    let count = text.filter(|text| text.starts_with(MARK)).and_then(|text| text.rsplit(' ').next());
    Ok(count.and_then(|count| u64::from_str_radix(count, 16).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const TEXT: &str = "[windlass] earlier lines are in x.1.gz (1)";

    /// Cuts a file of numbered lines at `limit`; gives the archived part and what readers then see.
    fn cut(dir: &std::path::Path, lines: usize, limit: u64) -> (String, String) {
        let path = dir.join("log");
        let mut file =
            File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        let all: String = (0..lines).map(|n| format!("line {n}\n")).collect();
        file.write_all(all.as_bytes()).unwrap();
        let scratch = tempfile::tempfile_in(dir).unwrap();
        let method = method_of(&scratch, file.metadata().unwrap().blksize()).unwrap();
        let limit = limit.min(all.len() as u64);
        let cut = Cut::choose(&file, method, 0, limit, TEXT).unwrap().unwrap();
        let archived = all[..usize::try_from(cut.end).unwrap()].to_owned();
        assert_ne!(cut.is_made(&file).unwrap(), Some(true));
        cut.make(&file).unwrap();
        assert_ne!(cut.is_made(&file).unwrap(), Some(false));
        let rest = std::fs::read(&path).unwrap();
        let start = usize::try_from(start(&file).unwrap()).unwrap();
        let rest = String::from_utf8(rest[start..].to_vec()).unwrap();
        assert_eq!(format!("{archived}{rest}"), all, "{method:?} at {limit} of {}", all.len());
        (archived, rest)
    }

    fn in_each_file_system(check: impl Fn(&std::path::Path)) {
        check(tempfile::tempdir().unwrap().path());
        if let Ok(dir) = tempfile::tempdir_in("/dev/shm") {
            check(dir.path());
        }
    }

    #[test]
    fn no_byte_is_lost_or_doubled_and_no_line_is_split() {
        in_each_file_system(|dir| {
            for limit in [4096, 4097, 5000, 8191, 8192, 40_000, 50_000] {
                let (archived, rest) = cut(dir, 5000, limit);
                assert!(archived.ends_with('\n') && archived.len() as u64 <= limit);
                assert!(rest.is_empty() || rest.starts_with("line "), "{:?}", &rest[..rest.len().min(40)]);
            }
        });
    }

    #[test]
    fn a_whole_file_can_be_taken() {
        in_each_file_system(|dir| {
            for lines in [50, 500, 1000, 5000] {
                let (archived, rest) = cut(dir, lines, u64::MAX);
                assert!(archived.len() > rest.len());
            }
        });
    }
}
