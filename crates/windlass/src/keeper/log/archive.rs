//! Rotated logs: `NAME.1.gz` is the newest.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Rotated logs are not kept longer than this.
const AGE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Today, as a number of days (UTC).
pub(crate) fn today() -> i64 {
    day(SystemTime::now())
}

fn day(time: SystemTime) -> i64 {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(seconds / 86_400).unwrap_or(i64::MAX)
}

/// The rotated files of a log.
pub(super) struct Archive<'a> {
    log: &'a Path,
    keep: u32,
}

impl<'a> Archive<'a> {
    pub(super) fn new(log: &'a Path, keep: u32) -> Self {
        Self { log, keep }
    }

    /// The path of the log with something appended.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.log.as_os_str().to_owned();
        path.push(suffix);
        path.into()
    }

    fn numbered(&self, number: u32) -> PathBuf {
        self.beside(&format!(".{number}.gz"))
    }

    /// The name of the newest one, for people.
    pub(super) fn newest_name(&self) -> String {
        self.numbered(1).file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// A file to write to; readable by its owner only, as the log is.
    pub(super) fn scratch(&self) -> io::Result<(PathBuf, File)> {
        let path = self.beside(".rotating");
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        Ok((path, file))
    }

    /// Whether the last rotation (without one: the log's birth) was on an earlier day.
    pub(super) fn is_from_an_earlier_day(&self, log: &File) -> bool {
        let last = fs::metadata(self.numbered(1)).and_then(|seen| seen.modified());
        let last = last.or_else(|_| log.metadata()?.created());
        last.is_ok_and(|last| day(last) < today())
    }

    /// Gives a finished file its place as the newest, and the others theirs.
    pub(super) fn publish(&self, finished: &Path) -> io::Result<()> {
        if self.keep == 0 {
            fs::remove_file(finished)?;
        } else {
            for number in (1..self.keep).rev() {
                match fs::rename(self.numbered(number), self.numbered(number + 1)) {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                    _ => {}
                }
            }
            fs::rename(finished, self.numbered(1))?;
        }
        self.sync()
    }

    /// Makes renames last.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(self.log.parent().unwrap_or(Path::new("/")))?.sync_all()
    }

    /// Removes what is too many or too old.
    pub(super) fn expire(&self, now: SystemTime) -> io::Result<()> {
        for (path, rest) in self.siblings()? {
            let Some(number) =
                rest.strip_suffix(".gz").and_then(|n| n.strip_prefix('.')?.parse::<u32>().ok())
            else {
                continue;
            };
            let modified = fs::metadata(&path).and_then(|seen| seen.modified()).unwrap_or(now);
            if number > self.keep || now.duration_since(modified).is_ok_and(|age| age > AGE) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// The files whose names begin with the log's, and what follows it.
    pub(super) fn siblings(&self) -> io::Result<Vec<(PathBuf, String)>> {
        let name = self.log.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let entries = fs::read_dir(self.log.parent().unwrap_or(Path::new("/")))?;
        Ok(entries
            .flatten()
            .filter_map(|entry| {
                let rest = entry.file_name().to_str()?.strip_prefix(&name)?.to_owned();
                (!rest.is_empty()).then(|| (entry.path(), rest))
            })
            .collect())
    }
}

/// The files of a log that are there: itself, then the rotated ones.
pub(crate) fn files(log: &Path) -> io::Result<Vec<PathBuf>> {
    let beside = Archive::new(log, 0).siblings()?.into_iter().filter(|(_, rest)| rest.starts_with('.'));
    let itself = log.exists().then(|| log.to_owned());
    Ok(itself.into_iter().chain(beside.map(|(path, _)| path)).collect())
}

/// Gives `NAME.1` and so on, which are not compressed, their places behind the newest that are. Each
/// stays as old as it is.
pub(crate) fn compress_former(log: &Path) -> io::Result<()> {
    let archive = Archive::new(log, 0);
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |rest: &str| rest.strip_prefix('.').filter(|rest| is_number(rest))?.parse::<u32>().ok();
    let siblings = archive.siblings()?;
    let mut former: Vec<_> = siblings.iter().filter_map(|(path, rest)| Some((number(rest)?, path))).collect();
    former.sort_unstable();
    let compressed = siblings.iter().filter_map(|(_, rest)| number(rest.strip_suffix(".gz")?));
    let last = compressed.max().unwrap_or(0);
    for ((_, path), place) in former.into_iter().zip(last + 1..) {
        let from = File::open(path)?;
        let seen = from.metadata()?;
        let (scratch, to) = archive.scratch()?;
        compress(&from, (0, seen.len()), &to, || Ok(false))?;
        to.set_modified(seen.modified()?)?;
        fs::rename(scratch, archive.numbered(place))?;
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Compresses a part of a file; what was written is on the disk when this returns `true`. Gives up,
/// and returns `false`, as soon as `hopeless` says so.
pub(super) fn compress(
    from: &File,
    (mut at, end): (u64, u64),
    to: &File,
    hopeless: impl Fn() -> io::Result<bool>,
) -> io::Result<bool> {
    use std::io::Write;
    let mut encoder = GzEncoder::new(BufWriter::new(to), Compression::fast());
    let mut bytes = vec![0; 64 * 1024];
    while at < end {
        let want = usize::try_from(end - at).unwrap_or(usize::MAX).min(bytes.len());
        let read = from.read_at(&mut bytes[..want], at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        encoder.write_all(&bytes[..read])?;
        at += read as u64;
        if hopeless()? {
            return Ok(false);
        }
    }
    encoder.finish()?.flush()?;
    to.sync_all().map(|()| true)
}

/// The number that names a file in its file system.
pub(super) fn identity(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_number_one_and_the_oldest_falls_off() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("web.log");
        let archive = Archive::new(&log, 2);
        for content in ["a", "b", "c"] {
            fs::write(dir.path().join("finished"), content).unwrap();
            archive.publish(&dir.path().join("finished")).unwrap();
        }
        assert_eq!(fs::read_to_string(dir.path().join("web.log.1.gz")).unwrap(), "c");
        assert_eq!(fs::read_to_string(dir.path().join("web.log.2.gz")).unwrap(), "b");
        assert!(!dir.path().join("web.log.3.gz").exists());
    }

    // proves: HS-20
    #[test]
    fn what_was_rotated_uncompressed_follows_what_was_compressed() {
        use std::io::Read as _;
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("access.log");
        for (name, text) in [("", "live"), (".1.gz", "new"), (".2", "older"), (".1", "old"), (".notes", "")] {
            fs::write(dir.path().join(format!("access.log{name}")), text).unwrap();
        }
        let before = SystemTime::now() - Duration::from_secs(86_400);
        File::options().write(true).open(log.with_extension("log.1")).unwrap().set_modified(before).unwrap();
        compress_former(&log).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        let expected =
            ["access.log", "access.log.1.gz", "access.log.2.gz", "access.log.3.gz", "access.log.notes"];
        assert_eq!(names, expected);
        for (number, text) in [(2, "old"), (3, "older")] {
            let file = File::open(dir.path().join(format!("access.log.{number}.gz"))).unwrap();
            let mut unpacked = String::new();
            flate2::read::GzDecoder::new(file).read_to_string(&mut unpacked).unwrap();
            assert_eq!(unpacked, text);
        }
        let seen = fs::metadata(dir.path().join("access.log.2.gz")).unwrap().modified().unwrap();
        assert_eq!(day(seen), day(before));
    }

    // proves: HS-20
    #[test]
    fn a_rotated_log_is_kept_for_thirty_days() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("web.log");
        for name in ["web.log", "web.log.1.gz", "web.log.7.gz", "web.log.notes", "worker.log.1.gz"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let archive = Archive::new(&log, 5);
        archive.expire(SystemTime::now()).unwrap();
        assert!(!dir.path().join("web.log.7.gz").exists(), "more than five");
        archive.expire(SystemTime::now() + AGE + Duration::from_secs(60)).unwrap();
        assert!(!dir.path().join("web.log.1.gz").exists(), "too old");
        for name in ["web.log", "web.log.notes", "worker.log.1.gz"] {
            assert!(dir.path().join(name).exists(), "{name}");
        }
    }
}
