//! One rotation, safe against being killed at any point.
//!
//! ```text
//! compress the lines into NAME.rotating, sync          killed here: begun anew
//! rename it to NAME.rotated-...: the intent            from here on: finished by the next one
//! cut the lines from the log's front
//! rename it to NAME.1.gz
//! ```
//!
//! The name of the intent says where the cut is; whether it was made, the log itself shows.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};
use windlass_core::launch::Log;

use super::archive::{self, Archive};
use super::cut::{self, Cut, MARK, Method};

/// Rotates a log for as long as it has to be.
///
/// # Errors
/// Those of the file system; the log is then as it was, or the next rotation finishes this one.
pub(crate) fn rotate(log: &Log) -> io::Result<()> {
    let path = Path::new(&log.path);
    let file = File::options().read(true).write(true).open(path)?;
    // Copies of a service may share a log; one of their keepers is enough.
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(());
    }
    let archive = Archive::new(path, log.keep);
    recover(&archive, &file)?;
    archive.expire(SystemTime::now())?;
    let (scratch, probe) = archive.scratch()?;
    let method = cut::method_of(&probe, file.metadata()?.blksize())?;
    drop(probe);
    let done = loop {
        match step(log, &archive, &file, method) {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    // What failed may have done so for want of the room that this takes.
    let _published = fs::remove_file(scratch);
    done
}

/// Rotates once; whether there may be more to do.
fn step(log: &Log, archive: &Archive<'_>, file: &File, method: Method) -> io::Result<bool> {
    let start = cut::start(file)?;
    let end = file.metadata()?.len();
    let size = end.saturating_sub(start);
    let kept = log.rotate_at.0.saturating_mul(u64::from(log.keep));
    let too_much = kept.saturating_add(log.rotate_at.0.saturating_mul(2));
    let id = fresh_id();
    // It grows faster than it can be compressed. What is older than all that is kept would be
    // removed in a moment anyway: it goes at once, before the disk is full.
    if size > too_much {
        let text = format!("{MARK}lines were dropped here: the log grew faster than it can be kept ({id:x})");
        return match Cut::choose(file, method, start, end - kept - log.rotate_at.0, &text)? {
            Some(cut) => cut.make(file).map(|()| true),
            None => Ok(false),
        };
    }
    if size == 0 || (size <= log.rotate_at.0 && !archive.is_from_an_earlier_day(file)) {
        return Ok(false);
    }
    let limit = if method == Method::Truncate { end } else { end.min(start + log.rotate_at.0) };
    let Some(cut) = Cut::choose(file, method, start, limit, &filler(archive, id))? else { return Ok(false) };
    let (scratch, compressed) = archive.scratch()?;
    let hopeless = || Ok(file.metadata()?.len().saturating_sub(start) > too_much);
    if !archive::compress(file, (start, cut.end), &compressed, hopeless)? {
        return Ok(true);
    }
    let intent = archive.beside(&Intent::of(&cut, id, file)?.name());
    fs::rename(scratch, &intent)?;
    archive.sync()?;
    cut.make(file)?;
    file.sync_all()?;
    archive.publish(&intent)?;
    Ok(true)
}

fn filler(archive: &Archive<'_>, id: u64) -> String {
    format!("{MARK}earlier lines are in {} ({id:x})", archive.newest_name())
}

/// No two rotations have the same, so that a filler shows which one wrote it.
fn fresh_id() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or_default()
}

/// What the name of a file says that is compressed, but not yet known to be cut from the log.
#[derive(Debug, PartialEq, Eq)]
struct Intent {
    id: u64,
    inode: u64,
    end: u64,
    stays: u64,
    method: Method,
}

const PREFIX: &str = ".rotated-";

impl Intent {
    fn of(cut: &Cut, id: u64, file: &File) -> io::Result<Self> {
        let inode = archive::identity(file)?;
        Ok(Self { id, inode, end: cut.end, stays: cut.stays, method: cut.method })
    }

    fn name(&self) -> String {
        let method = match self.method {
            Method::Collapse => 'c',
            Method::Hole => 'h',
            Method::Truncate => 't',
        };
        format!("{PREFIX}{:x}-{:x}-{:x}-{:x}-{method}", self.id, self.inode, self.end, self.stays)
    }

    fn parse(name: &str) -> Option<Self> {
        let mut fields = name.strip_prefix(PREFIX)?.split('-');
        let mut number = || u64::from_str_radix(fields.next()?, 16).ok();
        let (id, inode, end, stays) = (number()?, number()?, number()?, number()?);
        let method = match fields.next()? {
            "c" => Method::Collapse,
            "h" => Method::Hole,
            "t" => Method::Truncate,
            _ => return None,
        };
        Some(Self { id, inode, end, stays, method })
    }
}

/// Finishes a rotation that was interrupted.
fn recover(archive: &Archive<'_>, file: &File) -> io::Result<()> {
    for (path, rest) in archive.siblings()? {
        let Some(intent) = Intent::parse(&rest) else { continue };
        // Another file by now: what was archived is not in this one.
        if intent.inode == archive::identity(file)? {
            let text = filler(archive, intent.id);
            let cut = Cut { method: intent.method, end: intent.end, stays: intent.stays, text };
            let made = match cut.is_made(file)? {
                Some(made) => made,
                None => !begins_alike(&path, file)?,
            };
            if !made && file.metadata()?.len() >= cut.end {
                cut.make(file)?;
                file.sync_all()?;
            }
        }
        archive.publish(&path)?;
    }
    Ok(())
}

/// Whether the log still begins with what was archived.
fn begins_alike(archived: &Path, file: &File) -> io::Result<bool> {
    use std::io::Read;
    let mut then = Vec::new();
    flate2::read::GzDecoder::new(File::open(archived)?).take(64 * 1024).read_to_end(&mut then)?;
    let mut now = vec![0; then.len()];
    let read = file.read_at(&mut now, cut::start(file)?)?;
    Ok(now[..read] == then)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::time::Duration;

    use windlass_core::units::Bytes;

    struct Sample {
        _dir: tempfile::TempDir,
        log: Log,
        all: String,
    }

    impl Sample {
        fn in_directory(parent: &Path, lines: usize) -> Self {
            let dir = tempfile::tempdir_in(parent).unwrap();
            let path = dir.path().join("web.log");
            let all: String = (0..lines).map(|n| format!("line {n}\n")).collect();
            fs::write(&path, &all).unwrap();
            let log = Log { path: path.to_str().unwrap().into(), rotate_at: Bytes(20_000), keep: 9 };
            Self { _dir: dir, log, all }
        }

        fn file(&self) -> File {
            File::options().read(true).write(true).open(&self.log.path).unwrap()
        }

        /// All lines that are still there.
        fn text(&self) -> String {
            let mut text = String::new();
            for number in (1..=9).rev() {
                if let Ok(file) = File::open(format!("{}.{number}.gz", self.log.path)) {
                    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
                }
            }
            let live = fs::read(&self.log.path).unwrap();
            text + std::str::from_utf8(&live[usize::try_from(cut::start(&self.file()).unwrap()).unwrap()..])
                .unwrap()
        }

        /// Rotates up to the intent; makes the cut or not; dies.
        fn interrupted(&self, with_cut: bool) {
            let file = self.file();
            let archive = Archive::new(Path::new(&self.log.path), self.log.keep);
            let (_, probe) = archive.scratch().unwrap();
            let method = cut::method_of(&probe, file.metadata().unwrap().blksize()).unwrap();
            let (id, start) = (fresh_id(), cut::start(&file).unwrap());
            let cut =
                Cut::choose(&file, method, start, start + 20_000, &filler(&archive, id)).unwrap().unwrap();
            let (scratch, compressed) = archive.scratch().unwrap();
            assert!(archive::compress(&file, (start, cut.end), &compressed, || Ok(false)).unwrap());
            fs::rename(scratch, archive.beside(&Intent::of(&cut, id, &file).unwrap().name())).unwrap();
            if with_cut {
                cut.make(&file).unwrap();
            }
        }
    }

    fn in_each_file_system(check: impl Fn(&Path)) {
        check(&std::env::temp_dir());
        if Path::new("/dev/shm").is_dir() {
            check(Path::new("/dev/shm"));
        }
    }

    #[test]
    fn a_rotation_that_was_killed_is_finished_without_loss_or_repetition() {
        in_each_file_system(|parent| {
            for with_cut in [false, true] {
                let sample = Sample::in_directory(parent, 4_000);
                sample.interrupted(with_cut);
                rotate(&sample.log).unwrap();
                assert_eq!(sample.text(), sample.all, "cut made: {with_cut}");
                // And again, on a log that has been rotated before.
                File::options()
                    .append(true)
                    .open(&sample.log.path)
                    .unwrap()
                    .write_all(sample.all.as_bytes())
                    .unwrap();
                sample.interrupted(with_cut);
                rotate(&sample.log).unwrap();
                assert_eq!(sample.text(), sample.all.repeat(2), "cut made: {with_cut}");
            }
        });
    }

    #[test]
    fn a_place_in_a_log_is_found_again_after_rotations() {
        in_each_file_system(|parent| {
            let sample = Sample::in_directory(parent, 4_000);
            let mut written = sample.all.len() as u64;
            for round in 0..5 {
                rotate(&sample.log).unwrap();
                // A place is an offset and all that was cut before it: the end is where it was.
                let file = sample.file();
                assert_eq!(cut::gone(&file).unwrap() + file.metadata().unwrap().len(), written, "{round}");
                let more = "more\n".repeat(3_000);
                File::options()
                    .append(true)
                    .open(&sample.log.path)
                    .unwrap()
                    .write_all(more.as_bytes())
                    .unwrap();
                written += more.len() as u64;
            }
        });
    }

    // proves: HS-20
    #[test]
    fn a_small_log_is_rotated_on_the_next_day() {
        in_each_file_system(|parent| {
            let sample = Sample::in_directory(parent, 1_000);
            let newest = format!("{}.1.gz", sample.log.path);
            rotate(&sample.log).unwrap();
            assert!(!Path::new(&newest).exists(), "the day has not passed");
            flate2::write::GzEncoder::new(File::create(&newest).unwrap(), flate2::Compression::fast())
                .finish()
                .unwrap();
            let yesterday = SystemTime::now() - Duration::from_secs(25 * 3600);
            File::options().write(true).open(&newest).unwrap().set_modified(yesterday).unwrap();
            rotate(&sample.log).unwrap();
            assert!(fs::metadata(&newest).unwrap().len() > 100, "the whole log is in it");
            assert_eq!(sample.text(), sample.all);
        });
    }

    #[test]
    fn an_intent_says_all_that_is_needed_to_finish_it() {
        let intent = Intent { id: 0x18f, inode: 42, end: 1 << 40, stays: 99, method: Method::Collapse };
        assert_eq!(Intent::parse(&intent.name()), Some(intent));
        assert_eq!(Intent::parse(".rotated-1-2-3"), None);
        assert_eq!(Intent::parse(".1.gz"), None);
    }
}
