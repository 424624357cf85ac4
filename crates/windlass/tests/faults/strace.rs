//! strace, which sees what processes ask of the kernel, and has it fail or kills them over it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use windlass_testkit::sandbox::kill;

/// Watches processes, and all that these start.
pub(super) struct Strace {
    child: Child,
    log: PathBuf,
}

impl Strace {
    /// Watches processes that run. `None` where that is not allowed.
    pub(super) fn attach(pids: &[i32], place: &Path, how: &[String]) -> Option<Self> {
        let log = place.join("strace.log");
        let mut child = Command::new("strace")
            .args(["-f", "-y", "-o"])
            .arg(&log)
            .args(how)
            .args(pids.iter().flat_map(|pid| ["-p".to_owned(), pid.to_string()]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        // It says when it is there.
        let mut said = BufReader::new(child.stderr.take()?);
        let mut attached = 0;
        while attached < pids.len() {
            let mut text = String::new();
            if said.read_line(&mut text).ok()? == 0 {
                let _ended = child.wait();
                return None;
            }
            attached += usize::from(text.contains("attached"));
        }
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Some(Self { child, log })
    }

    /// What it saw so far.
    pub(super) fn seen(&self) -> Log {
        Log(std::fs::read_to_string(&self.log).unwrap())
    }

    /// Lets go of what it watches. Answers what it saw.
    pub(super) fn end(self) -> Log {
        let log = self.log.clone();
        drop(self);
        Log(std::fs::read_to_string(log).unwrap())
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // SIGTERM has it let go of what it watches. Where that is just dying it may wait for ever for threads that wait
        // for it; the kernel lets go of them when it is gone.
        kill(i32::try_from(self.child.id()).unwrap(), Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _gone_already = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// What strace saw, line by line.
#[derive(Debug)]
pub(super) struct Log(String);

impl Log {
    /// The calls that were made, in their order: by which task, what, and all that was handed over.
    pub(super) fn calls(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.lines().filter_map(|line| {
            let (task, rest) = line.split_once(' ')?;
            let (name, arguments) = rest.trim_start().split_once('(')?;
            let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            is_name.then_some((task, name, arguments))
        })
    }

    /// How many calls one task made at the most: strace counts for each task alone.
    pub(super) fn most_of_one(&self) -> usize {
        self.counts().into_values().max().unwrap_or(0)
    }

    fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for (task, ..) in self.calls() {
            *counts.entry(task).or_insert(0) += 1;
        }
        counts
    }

    /// Whether a task was killed at this one of its calls: it did not come back from it. All tasks of a process die
    /// with it, whoever killed it, and those that were elsewhere had come back from theirs.
    pub(super) fn is_killed_at(&self, call: usize) -> bool {
        self.counts().into_iter().any(|(task, count)| count == call && self.died_in_a_call(task))
    }

    fn died_in_a_call(&self, task: &str) -> bool {
        let start = format!("{task} ");
        let of_task = self.0.lines().filter_map(|line| line.strip_prefix(&start)).map(str::trim_start);
        let (mut is_in_one, mut is_dead) = (false, false);
        for line in of_task {
            match line {
                "+++ killed by SIGKILL +++" => is_dead = true,
                _ if line.starts_with("+++") || line.starts_with("---") => {}
                _ => is_in_one = line.rsplit_once(" = ").is_none_or(|(_, result)| result.starts_with('?')),
            }
        }
        is_dead && is_in_one
    }

    /// How many calls were made to fail.
    pub(super) fn injected(&self) -> usize {
        self.0.matches("(INJECTED)").count()
    }
}

/// The options that have it look at these calls alone.
pub(super) fn traced(calls: &str) -> Vec<String> {
    vec!["-e".to_owned(), format!("trace={calls}")]
}
