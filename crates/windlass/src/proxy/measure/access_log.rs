//! The access log: one JSON object a line. It can neither fail a request nor slow it: workers collect
//! lines in memory, a thread writes them, and what it cannot keep up with is dropped and counted.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use windlass_core::launch::Log as Kept;
use windlass_core::units::Bytes;

use crate::proxy::request::caller::Caller;
use crate::proxy::request::ticket::{Cut, Line};
use crate::proxy::run::say;
use crate::runtime::process::log;

/// A worker hands its lines over when it has this many bytes of them, and every 250 ms.
const CHUNK: usize = 32 * 1024;
/// Chunks that may wait for the disk.
const QUEUE: usize = 128;
/// How often it is looked whether another day has begun, where nothing is written.
const LOOK: Duration = Duration::from_secs(60);
/// How long after a rotation that failed, on a full disk say, the next one is tried.
const PAUSE: Duration = Duration::from_secs(60);

/// A worker's end of the log.
pub(in crate::proxy) struct Log {
    lines: RefCell<Vec<u8>>,
    writer: Option<Writer>,
}

/// The way to the thread that writes.
#[derive(Clone)]
pub(in crate::proxy) struct Writer {
    chunks: SyncSender<Vec<u8>>,
    /// Lines that were not written.
    dropped: Arc<AtomicU64>,
}

/// What a line tells.
pub(in crate::proxy) struct Entry<'request> {
    pub(in crate::proxy) line: &'request Line,
    pub(in crate::proxy) caller: &'request Caller,
    pub(in crate::proxy) route: Option<&'request str>,
    pub(in crate::proxy) status: u16,
    pub(in crate::proxy) bytes: u64,
    /// Who ended it before it was whole.
    pub(in crate::proxy) cut: Option<Cut>,
    pub(in crate::proxy) first_byte: Duration,
    pub(in crate::proxy) total: Duration,
}

impl Log {
    pub(in crate::proxy) fn new(writer: Option<Writer>) -> Self {
        Self { lines: RefCell::default(), writer }
    }

    pub(in crate::proxy) const fn is_on(&self) -> bool {
        self.writer.is_some()
    }

    pub(in crate::proxy) fn write(&self, entry: &Entry<'_>) {
        let mut lines = self.lines.borrow_mut();
        entry.append_to(&mut lines, SystemTime::now());
        if lines.len() >= CHUNK {
            drop(lines);
            self.flush();
        }
    }

    /// Hands over what there is.
    pub(in crate::proxy) fn flush(&self) {
        let Some(writer) = &self.writer else { return };
        let mut lines = self.lines.borrow_mut();
        if lines.is_empty() {
            return;
        }
        if let Err(error) = writer.chunks.try_send(std::mem::take(&mut *lines)) {
            let (std::sync::mpsc::TrySendError::Full(lost)
            | std::sync::mpsc::TrySendError::Disconnected(lost)) = error;
            let count = lost.iter().filter(|byte| **byte == b'\n').count();
            writer.dropped.fetch_add(count as u64, Ordering::Relaxed);
        }
    }
}

impl Entry<'_> {
    fn append_to(&self, out: &mut Vec<u8>, now: SystemTime) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = jiff::Timestamp::from_millisecond(i64::try_from(since.as_millis()).unwrap_or(0));
        // Writing to memory cannot fail.
        let _ = write!(
            out,
            "{{\"time\":\"{:.3}\",\"client\":\"{}\",\"method\":\"{}\",\"scheme\":\"{}\",\"host\":",
            time.unwrap_or_default(),
            self.caller.address,
            self.line.method,
            if self.caller.secure { "https" } else { "http" },
        );
        append_text(out, &self.line.host);
        out.extend_from_slice(b",\"path\":");
        append_text(out, &self.line.path);
        let _ = write!(
            out,
            ",\"version\":\"{:?}\",\"status\":{},\"bytes\":{},\"first_byte_us\":{},\"total_us\":{},\"agent\":",
            self.line.version,
            self.status,
            self.bytes,
            self.first_byte.as_micros(),
            self.total.as_micros(),
        );
        append_text(out, &self.line.agent);
        for (name, value) in [
            ("route", self.route),
            ("instance", self.line.instance.as_deref()),
            ("release", self.line.release.as_deref()),
            ("cut", self.cut.map(Cut::in_words)),
        ] {
            if let Some(value) = value {
                let _ = write!(out, ",\"{name}\":");
                append_text(out, value);
            }
        }
        out.extend_from_slice(b"}\n");
    }
}

fn append_text(out: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(out, text);
}

/// The file, kept as every other log is.
struct LogFile {
    log: Kept,
    file: Option<File>,
    /// How many bytes of lines are in it.
    size: u64,
    /// The day whose first lines have been looked at.
    day: i64,
    /// The thread that rotates, and on which day it began. What comes meanwhile is written on.
    rotation: Option<(i64, JoinHandle<io::Result<()>>)>,
    /// No rotation before: the last one failed.
    due: Instant,
}

/// Starts the thread that writes. It ends when all [`Log`]s are gone; wait for it then. A file that cannot be opened now,
/// as on a file system that an error has made read-only, is tried again with the next lines.
///
/// # Errors
/// The thread cannot be started.
pub(in crate::proxy) fn start(
    path: &Path,
    rotate_at: u64,
    keep: u32,
) -> io::Result<(Writer, std::thread::JoinHandle<()>)> {
    let mut file = LogFile::new(path, rotate_at, keep);
    if let Err(error) = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| file.open()) {
        say(&format!("the access log {} cannot be opened: {error}", path.display()));
    }
    let (chunks, received) = sync_channel(QUEUE);
    let dropped = Arc::new(AtomicU64::new(0));
    let writer = Writer { chunks, dropped: Arc::clone(&dropped) };
    let thread = std::thread::Builder::new()
        .name("access-log".to_owned())
        .stack_size(128 * 1024)
        .spawn(move || write_all(&mut file, &received, &dropped))?;
    Ok((writer, thread))
}

fn write_all(file: &mut LogFile, chunks: &Receiver<Vec<u8>>, dropped: &AtomicU64) {
    loop {
        file.look();
        let mut chunk = match chunks.recv_timeout(LOOK) {
            Ok(chunk) => chunk,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(chunk, "{{\"dropped_lines\":{lost}}}");
        }
        if file.write(&chunk).is_err() {
            // A full disk, most likely. Later lines may find room again.
            let count = chunk.iter().filter(|byte| **byte == b'\n').count();
            dropped.fetch_add(count as u64 + lost, Ordering::Relaxed);
            file.file = None;
        }
    }
}

impl LogFile {
    fn new(path: &Path, rotate_at: u64, keep: u32) -> Self {
        Self {
            log: Kept { path: path.display().to_string(), rotate_at: Bytes(rotate_at), keep },
            file: None,
            size: 0,
            day: 0,
            rotation: None,
            due: Instant::now(),
        }
    }

    fn open(&mut self) -> io::Result<()> {
        let file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.log.path)?;
        self.size = file.metadata()?.len().saturating_sub(log::first_line(&file)?);
        self.file = Some(file);
        Ok(())
    }

    fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.open()?;
        }
        if let Some(file) = &mut self.file {
            file.write_all(chunk)?;
            self.size += chunk.len() as u64;
        }
        Ok(())
    }

    /// Has it rotated, if that is due: in a thread of its own, so that no line is dropped meanwhile.
    fn look(&mut self) {
        if let Some((day, rotation)) = self.rotation.take_if(|(_, rotation)| rotation.is_finished()) {
            if matches!(rotation.join(), Ok(Ok(()))) {
                self.day = day;
            } else {
                self.due = Instant::now() + PAUSE;
            }
            // Opened anew, to know how much is left in it.
            self.file = None;
        }
        if self.rotation.is_some() || Instant::now() < self.due {
            return;
        }
        if self.file.is_none() && self.open().is_err() {
            return;
        }
        let day = log::today();
        if self.size <= self.log.rotate_at.0 && day == self.day {
            return;
        }
        let kept = self.log.clone();
        let thread = std::thread::Builder::new().name("access-log-old".to_owned());
        let rotate = move || {
            log::compress_former(Path::new(&kept.path))?;
            log::rotate(&kept)
        };
        match thread.spawn(rotate) {
            Ok(rotation) => self.rotation = Some((day, rotation)),
            Err(_) => self.due = Instant::now() + PAUSE,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn line(path: &str) -> Line {
        Line {
            method: http::Method::GET,
            host: "example.org".to_owned(),
            path: path.to_owned(),
            version: http::Version::HTTP_11,
            agent: "a\"b\n".to_owned(),
            instance: Some("web.r1.1".to_owned()),
            release: None,
        }
    }

    #[test]
    fn a_line_is_one_json_object() {
        let mut out = Vec::new();
        let line = line("/x");
        Entry {
            line: &line,
            caller: &Caller::new("127.0.0.1".parse().unwrap(), false),
            route: Some("web"),
            status: 200,
            bytes: 5,
            cut: Some(Cut::Drain),
            first_byte: Duration::from_micros(120),
            total: Duration::from_micros(130),
        }
        .append_to(&mut out, UNIX_EPOCH + Duration::from_millis(1_700_000_000_123));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            concat!(
                r#"{"time":"2023-11-14T22:13:20.123Z","client":"127.0.0.1","method":"GET","scheme":"http","#,
                r#""host":"example.org","path":"/x","version":"HTTP/1.1","status":200,"bytes":5,"#,
                r#""first_byte_us":120,"total_us":130,"agent":"a\"b\n","route":"web","instance":"web.r1.1","cut":"drain"}"#,
                "\n"
            )
        );
    }

    fn unpacked(path: &Path) -> String {
        let mut text = String::new();
        flate2::read::GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        text
    }

    fn rotate(file: &mut LogFile) {
        file.look();
        while file.rotation.is_some() {
            std::thread::sleep(Duration::from_millis(2));
            file.look();
        }
    }

    // proves: HS-20
    #[test]
    fn the_file_is_rotated_by_size_and_by_day_as_others_are() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let mut file = LogFile::new(&path, 20_000, 2);
        file.write(b"{}\n").unwrap();
        rotate(&mut file);
        let newest = directory.path().join("access.log.1.gz");
        assert!(!newest.exists(), "it is neither long nor of yesterday");
        let lines: String = (0..10_000).map(|number| format!("{{\"line\":{number}}}\n")).collect();
        file.write(lines.as_bytes()).unwrap();
        rotate(&mut file);
        assert!(file.size <= 20_000, "{}", file.size);
        assert!(directory.path().join("access.log.2.gz").exists());
        assert!(!directory.path().join("access.log.3.gz").exists(), "no more than two are kept");
        file.write(b"{\"last\":1}\n").unwrap();
        let yesterday = SystemTime::now() - Duration::from_secs(25 * 3600);
        File::options().write(true).open(&newest).unwrap().set_modified(yesterday).unwrap();
        file.day = 0;
        rotate(&mut file);
        assert!(unpacked(&newest).ends_with("{\"last\":1}\n"));
    }
}
