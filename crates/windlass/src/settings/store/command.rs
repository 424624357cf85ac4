//! Any program that prints a value: `op`, `pass`, `bw`.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout_at};
use windlass_core::settings::Secret;
use windlass_core::store::Edition;
use zeroize::Zeroizing;

use super::payload::Payload;
use super::session::{Reading, Session};
use super::surroundings::Surroundings;
use crate::observe::printable;
use crate::settings::Redactor;
use crate::trouble::{Trouble, Whose};
use crate::wiped::Wiped;

/// The most that a program may print: a secret is a short text.
const LARGEST: usize = 1 << 20;
/// The most that a program may print before nothing of its complaint is shown.
const MASKED: usize = 16 << 10;
/// What opens the encrypted file: no program needs it to get a value from elsewhere.
const OURS: [&str; 2] = ["WINDLASS_KEY", "WINDLASS_PASSPHRASE"];
/// How much of its complaint is shown.
const SHOWN: usize = 500;

/// A program, and what it runs with.
pub(super) struct Program {
    words: Vec<String>,
    env: BTreeMap<String, Zeroizing<String>>,
    directory: PathBuf,
    timeout: Duration,
    deadline: Instant,
}

/// A program that runs. Dropping it kills it, with all that it started and that stayed in its group.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Program {
    pub(super) fn new(words: &[String], timeout: Duration, around: &Surroundings) -> Self {
        Self {
            words: words.to_vec(),
            env: around
                .all()
                .filter(|(name, _)| !OURS.contains(name))
                .map(|(name, value)| (name.to_owned(), Zeroizing::new(value.to_owned())))
                .collect(),
            directory: around.project().to_owned(),
            timeout,
            deadline: Instant::now() + timeout,
        }
    }

    async fn get(&self, path: &str) -> Result<Payload, Trouble> {
        let program = self.words.first().map_or("", String::as_str);
        let mut running = self.start(path).map_err(|error| {
            let what = match error.kind() {
                io::ErrorKind::NotFound => format!("needs the program {program}, which is not there"),
                _ => format!("needs the program {program}, which cannot be started: {error}"),
            };
            Trouble::new(Whose::Deployer, what, format!("install {program}, or name it with its whole path"))
        })?;
        let ended = timeout_at(self.deadline, running.finish()).await.unwrap_or_else(|_| {
            let what =
                format!("did not get {path}: {program} did not end within {:?} and was killed", self.timeout);
            let hint =
                "does it wait for somebody to unlock it? Run it by hand once; timeout = \"1m\" waits longer";
            Err(Trouble::new(Whose::Deployer, what, hint).passing())
        })?;
        if !ended.status.success() {
            let said = self.complaint(&ended);
            let what = format!("did not get {path}: {program} {}{said}", how(ended.status));
            return Err(Trouble::new(Whose::Deployer, what, "run it by hand to see what it lacks"));
        }
        self.value(path, program, &ended.out)
    }

    fn value(&self, path: &str, program: &str, out: &[u8]) -> Result<Payload, Trouble> {
        let wrong = |what: &str, hint: &str| {
            Trouble::new(Whose::Server, format!("did not get {path}: {program} {what}"), hint.to_owned())
        };
        if out.len() > LARGEST {
            return Err(wrong(
                "printed more than a setting can be",
                "does it print the value, and nothing else?",
            ));
        }
        let text = std::str::from_utf8(out).map_err(|_| {
            wrong("printed what is no text", "have it print the value as text, such as base64")
        })?;
        let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
        if text.is_empty() {
            return Err(wrong("printed nothing", "is there a value at that path?").absent_if(true));
        }
        Ok(Payload::Text(Secret::new(text)))
    }

    fn start(&self, path: &str) -> io::Result<Running> {
        let mut words = self.words.iter().map(|word| word.replace("{path}", path));
        let child = Command::new(words.next().unwrap_or_default())
            .args(words)
            .current_dir(&self.directory)
            .env_clear()
            .envs(&self.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Running { child, group })
    }

    /// What it said beside the value, with all that may be secret masked, on one line.
    fn complaint(&self, ended: &Ended) -> String {
        // So much can hold more than could be masked.
        if ended.out.len() > MASKED {
            return String::new();
        }
        let text = String::from_utf8_lossy(&ended.err);
        let out = Zeroizing::new(String::from_utf8_lossy(&ended.out).into_owned());
        let held = self.env.iter().filter(|(name, _)| may_be_secret(name)).map(|(_, value)| value.as_str());
        let masked =
            Redactor::new(held.chain(out.split_whitespace()).chain([out.trim()])).redact(&text).into_owned();
        let line = masked.split_whitespace().collect::<Vec<_>>().join(" ");
        let line: String = printable(&line).chars().take(SHOWN).collect();
        if line.is_empty() { line } else { format!(", and said: {line}") }
    }
}

impl Session for Program {
    fn read<'s>(&'s self, path: &'s str, _: Option<&'s Edition>) -> Reading<'s> {
        Box::pin(self.get(path))
    }
}

/// Whether a variable of this name may hold what nobody should see.
fn may_be_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["TOKEN", "SECRET", "PASSWORD", "PASSPHRASE", "KEY", "SESSION", "CREDENTIAL"]
        .iter()
        .any(|word| name.contains(word))
}

struct Ended {
    status: ExitStatus,
    out: Zeroizing<Vec<u8>>,
    err: Zeroizing<Vec<u8>>,
}

impl Running {
    async fn finish(&mut self) -> Result<Ended, Trouble> {
        let (out, err) = (self.child.stdout.take(), self.child.stderr.take());
        // Both are read to their end while it runs: neither may fill up and stop it.
        let read = async { tokio::join!(all(out, LARGEST + 1), all(err, 64 << 10), self.child.wait()) };
        let (out, err, status) = read.await;
        let status = status.map_err(|error| {
            Trouble::new(
                Whose::Deployer,
                format!("has a program that cannot be waited for: {error}"),
                "try again",
            )
        })?;
        Ok(Ended { status, out, err })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // An error means that there is nobody left to kill.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// All that comes, of which the first `limit` bytes are kept.
async fn all(stream: Option<impl AsyncRead + Unpin>, limit: usize) -> Zeroizing<Vec<u8>> {
    let mut kept = Wiped::with_capacity(limit.min(16 << 10));
    let Some(mut stream) = stream else { return kept.finish() };
    let mut buffer = Zeroizing::new([0; 4096]);
    while let Ok(length @ 1..) = stream.read(&mut *buffer).await {
        let room = limit - kept.len();
        kept.push(&buffer[..length.min(room)]);
    }
    kept.finish()
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
