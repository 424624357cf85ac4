//! Every program that a call starts, be it through what goes on when the call is over, with its arguments.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use windlass_testkit::sandbox::{Output, Sandbox};

use super::WINDLASS;

/// No call takes longer.
const PATIENCE: Duration = Duration::from_secs(90);

/// What strace is asked for: the kernel stops a process for nothing but these calls, and texts are shown whole, in hex.
const ASKED: [&str; 11] = [
    "-D",
    "-f",
    "--seccomp-bpf",
    "-q",
    "-xx",
    "-s",
    "4194304",
    "-e",
    "abbrev=none",
    "-e",
    "trace=execve,execveat",
];

/// The record of all calls that were made through it.
pub(super) struct ExecTrace {
    directory: tempfile::TempDir,
    works: bool,
    calls: std::cell::Cell<u32>,
}

impl ExecTrace {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut tried = Command::new("strace");
        tried.args(ASKED).arg("-o").arg(directory.path().join("tried")).arg("true");
        let tried = tried.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let works = tried.is_ok_and(|status| status.success());
        Self { directory, works, calls: std::cell::Cell::new(0) }
    }

    /// Whether programs can be traced here.
    pub(super) fn works(&self) -> bool {
        self.works
    }

    /// Makes a call. What it says goes to files: a tracer goes on as long as anything that the call has started, and a
    /// pipe would stay open as long.
    pub(super) fn call(&self, sandbox: &Sandbox, args: &[&str]) -> Output {
        let number = self.calls.replace(self.calls.get() + 1);
        let path = |what: &str| self.directory.path().join(format!("{number}.{what}"));
        let log = path("exec").display().to_string();
        let mut command = match self.works {
            true => {
                sandbox.command_of(Path::new("strace"), &[&ASKED[..], &["-o", &log, WINDLASS], args].concat())
            }
            false => sandbox.command(args),
        };
        command.stdout(std::fs::File::create(path("stdout")).unwrap());
        command.stderr(std::fs::File::create(path("stderr")).unwrap());
        let (mut child, began) = (command.spawn().unwrap(), Instant::now());
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > PATIENCE {
                let _gone = child.kill();
                let _gone = child.wait();
                panic!("{args:?} takes longer than {PATIENCE:?}:\n{}", sandbox.logs());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let said = |what: &str| String::from_utf8_lossy(&std::fs::read(path(what)).unwrap()).into_owned();
        let output = Output {
            code: status.code().unwrap_or(-1),
            stdout: said("stdout"),
            stderr: said("stderr"),
            took: began.elapsed(),
        };
        // They may hold what the call answered.
        for what in ["stdout", "stderr"] {
            std::fs::remove_file(path(what)).unwrap();
        }
        output
    }

    /// The arguments of every program that was started, each list in one.
    pub(super) fn started(&self) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(self.directory.path()).unwrap().flatten() {
            let log = std::fs::read_to_string(entry.path()).unwrap();
            found.extend(log.lines().filter_map(arguments));
        }
        found
    }
}

/// The arguments in a line such as `7 execve("\x2f", ["\x73", "\x74"], ["\x41"]) = 0`, with blanks between them.
fn arguments(line: &str) -> Option<Vec<u8>> {
    let (_, call) = line.split_once("execve")?;
    let (_, list) = call.split_once('[')?;
    let (list, _) = list.split_once(']')?;
    let word = |word: &str| -> Vec<u8> {
        let digits = word.trim_matches('"').split("\\x").skip(1);
        digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
    };
    Some(list.split(", ").map(word).collect::<Vec<_>>().join(&b' '))
}
