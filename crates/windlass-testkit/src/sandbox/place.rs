//! A place where the real program runs, away from everything else.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::memory::forget_files_of_settings;
use super::processes::{self, Process, is_stopped, kill, lives};
use super::{Manifest, Reply, get, until_within};
use crate::built;
use crate::ports::free_port;
use crate::watchdog::watch_over;

/// No command in a test takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A sandbox.
pub struct Sandbox {
    root: TempDir,
    program: PathBuf,
    /// Where the proxy listens.
    pub port: u16,
    env: Vec<(String, String)>,
    changes: std::cell::Cell<u32>,
}

/// What a command said.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its exit code; 128 and the signal's number where a signal killed it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

impl Output {
    /// The document it printed.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Everything it said.
    #[must_use]
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl Sandbox {
    /// A sandbox with the usual manifest, for this program.
    #[must_use]
    pub fn new(program: &str) -> Self {
        Self::with(program, &Manifest::default())
    }

    /// A sandbox with this manifest.
    #[must_use]
    pub fn with(program: &str, manifest: &Manifest) -> Self {
        Self::below(program, &std::env::temp_dir(), manifest)
    }

    /// A sandbox below this directory.
    #[must_use]
    pub fn below(program: &str, parent: &Path, manifest: &Manifest) -> Self {
        let root = tempfile::Builder::new().prefix("wl-").tempdir_in(parent).unwrap();
        watch_over(root.path());
        let program = PathBuf::from(program);
        let sandbox =
            Self { root, program, port: free_port(), env: Vec::new(), changes: std::cell::Cell::new(0) };
        std::fs::create_dir_all(sandbox.source()).unwrap();
        std::fs::create_dir_all(sandbox.home()).unwrap();
        sandbox.manifest(manifest);
        sandbox.write("version", "0");
        sandbox
    }

    /// Sets a variable for all commands.
    pub fn set(&mut self, key: &str, value: &str) {
        self.env.push((key.to_owned(), value.to_owned()));
    }

    /// The directory of it all.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.root.path().canonicalize().unwrap()
    }

    /// `WINDLASS_HOME`.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// The project's directory.
    #[must_use]
    pub fn source(&self) -> PathBuf {
        self.root().join("source")
    }

    /// The directory of the environment `local`.
    #[must_use]
    pub fn environment(&self) -> PathBuf {
        self.home().join("fixture/local")
    }

    /// A file that the application writes in the directory that all releases share.
    #[must_use]
    pub fn shared(&self, name: &str) -> String {
        std::fs::read_to_string(self.environment().join("shared").join(name)).unwrap_or_default()
    }

    /// Has those die that were told to `behave` as "web.dead-after:MS web.told".
    pub fn let_die(&self) {
        std::fs::write(self.environment().join("shared/dead"), "").unwrap();
    }

    /// The path of the application's program.
    #[must_use]
    pub fn fixture(&self) -> PathBuf {
        built::program("fixture")
    }

    /// Writes the manifest.
    pub fn manifest(&self, manifest: &Manifest) {
        let fixture = self.fixture();
        self.write("windlass.toml", &manifest.text(fixture.to_str().unwrap(), self.port));
    }

    /// Writes a file of the project.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.source().join(name), text).unwrap();
    }

    /// Changes the source, so that the next deploy is a new release.
    pub fn change(&self) {
        self.changes.set(self.changes.get() + 1);
        self.write("version", &self.changes.get().to_string());
    }

    /// Makes the next release behave so; see [`super::application`].
    pub fn behave(&self, how: &str) {
        self.write("behaviour", how);
        self.change();
    }

    /// Runs a verb to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.start(args).finish()
    }

    /// Runs a verb that must succeed.
    pub fn succeed(&self, args: &[&str]) -> Output {
        let output = self.run(args);
        assert_eq!(output.code, 0, "windlass {args:?}: {output:#?}\n{}", self.logs());
        output
    }

    /// Runs a verb that must end with this exit code.
    pub fn fail(&self, args: &[&str], code: i32) -> Output {
        let output = self.run(args);
        assert_eq!(output.code, code, "windlass {args:?}: {output:#?}\n{}", self.logs());
        output
    }

    /// Starts a verb.
    pub fn start(&self, args: &[&str]) -> Started {
        let mut command = self.command(args);
        Started::new(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Starts a verb that stops before it begins, until it is sent SIGCONT: for who is to see all of it.
    #[must_use]
    pub fn start_stopped(&self, args: &[&str]) -> Started {
        let words = ["-c", "kill -STOP $$; exec \"$0\" \"$@\"", self.program.to_str().unwrap()];
        let mut command = self.command_of(Path::new("/bin/sh"), &[&words, args].concat());
        let started = Started::new(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        until_within(PATIENCE, "it to stop", || is_stopped(started.pid()).then_some(()));
        started
    }

    /// The command of a verb.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        self.command_of(&self.program, args)
    }

    /// A command with the sandbox's environment.
    #[must_use]
    pub fn command_of(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.source()).stdin(Stdio::null()).env_clear();
        for key in ["PATH", "HOME", "LANG", "TMPDIR", "USER"] {
            command.envs(std::env::var(key).ok().map(|value| (key, value)));
        }
        command.env("WINDLASS_HOME", self.home()).env("NO_COLOR", "1");
        command.env("WINDLASS_FAILPOINT", format!("@{}", self.failpoint().display()));
        command.envs(self.env.iter().cloned());
        command
    }

    fn failpoint(&self) -> PathBuf {
        self.root().join("failpoint")
    }

    fn tally(&self) -> PathBuf {
        self.root().join("failpoint.writes")
    }

    /// Makes a process of Windlass die, or a step or a write fail, at this place, once.
    pub fn die_at(&self, place: &str) {
        let _none_yet = std::fs::remove_file(self.tally());
        std::fs::write(self.failpoint(), place).unwrap();
    }

    /// Has leases that begin from now on last so many seconds; `None` is as long as for everybody.
    pub fn lease(&self, seconds: Option<u64>) {
        let file = self.root().join("failpoint.lease");
        match seconds {
            Some(seconds) => std::fs::write(file, seconds.to_string()).unwrap(),
            None => drop(std::fs::remove_file(file)),
        }
    }

    /// The places, of those that were named a line each, at which nobody has died yet.
    #[must_use]
    pub fn places_left(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.failpoint()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// One letter for each place beside a durable write that was passed since one was named: `j` where the write is
    /// the journal's.
    #[must_use]
    pub fn passed(&self) -> Vec<u8> {
        std::fs::read(self.tally()).unwrap_or_default()
    }

    /// How many places beside durable writes were passed by what this does.
    #[must_use]
    pub fn writes_of(&self, what: impl FnOnce()) -> u64 {
        self.count("write:0", what)
    }

    /// How many files were replaced for good by what this does.
    #[must_use]
    pub fn files_of(&self, what: impl FnOnce()) -> u64 {
        self.count("fail write:0", what)
    }

    fn count(&self, never: &str, what: impl FnOnce()) -> u64 {
        self.die_at(never);
        what();
        let _never_reached = self.died();
        self.passed().len() as u64
    }

    /// Whether the place was reached, or the command that would reach it is over.
    #[must_use]
    pub fn has_crashed_or_ended(&self, command: &Started) -> bool {
        !self.failpoint().exists() || !command.runs()
    }

    /// Whether it has died there; otherwise it will not any more.
    pub fn died(&self) -> bool {
        std::fs::remove_file(self.failpoint()).is_err()
    }

    /// The document that `status` prints.
    #[must_use]
    pub fn status(&self) -> serde_json::Value {
        self.succeed(&["status", "--json"]).json()
    }

    /// The active release, as the ledger says.
    #[must_use]
    pub fn release(&self) -> String {
        self.status()["release"]["release"].as_str().unwrap_or_default().to_owned()
    }

    /// The release that answers requests.
    #[must_use]
    pub fn answering(&self) -> String {
        self.get("/version").body
    }

    /// Asks the application.
    #[must_use]
    pub fn get(&self, path: &str) -> Reply {
        get(self.port, path).unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.logs()))
    }

    /// Every process of this sandbox.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        processes::processes(&self.root())
    }

    /// The process of the host side.
    #[must_use]
    pub fn host(&self) -> Option<i32> {
        self.processes().iter().find(|process| process.is("windlass", "host")).map(|process| process.pid)
    }

    /// The process of the proxy.
    #[must_use]
    pub fn proxy(&self) -> Option<i32> {
        self.processes().iter().find(|process| process.is("windlass", "proxy")).map(|process| process.pid)
    }

    /// All keepers.
    #[must_use]
    pub fn keepers(&self) -> Vec<Process> {
        self.processes().into_iter().filter(|process| process.is("windlass", "keeper")).collect()
    }

    /// The application's processes of this kind: web, worker, scheduler, job.
    #[must_use]
    pub fn running(&self, kind: &str) -> Vec<Process> {
        let found: Vec<Process> =
            self.processes().into_iter().filter(|process| process.is("fixture", kind)).collect();
        // What is about to become another program, such as psql, still looks like the one that started it.
        let is_started = |process: &Process| found.iter().any(|other| other.pid == process.parent);
        found.iter().filter(|process| !is_started(process)).cloned().collect()
    }

    /// Waits until no process of this sandbox is left, and names those that are.
    pub fn until_nothing_runs(&self) {
        self.until_nothing_runs_after("");
    }

    /// The same, with what has happened before.
    ///
    /// # Panics
    /// When something still runs after a minute and a half.
    pub fn until_nothing_runs_after(&self, context: &str) {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            if Instant::now() > deadline {
                let left: Vec<_> = left.iter().map(|process| (process.pid, &process.argv)).collect();
                panic!("these did not end: {left:#?}\n{context}\n{}", self.logs());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Takes everything down and checks that nothing is left, neither processes nor data.
    pub fn down(self) {
        self.succeed(&["down", "--delete-data", "--yes"]);
        self.until_nothing_runs();
        assert!(!self.environment().exists(), "{} is left", self.environment().display());
    }

    /// The ends of the logs, for the report of a failure.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.environment().join("logs")).into_iter().flatten().flatten() {
            let log = std::fs::read(entry.path()).unwrap_or_default();
            let log = String::from_utf8_lossy(&log[log.len().saturating_sub(1500)..]).into_owned();
            text += &format!("--- {}\n{log}\n", entry.file_name().to_string_lossy());
        }
        text
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        processes::end_all(&self.root());
        forget_files_of_settings(&self.root());
    }
}

/// A command that runs.
pub struct Started {
    child: Child,
    began: Instant,
    readers: Vec<std::thread::JoinHandle<String>>,
}

impl Started {
    fn new(mut child: Child) -> Self {
        let mut readers = Vec::new();
        readers.extend(child.stdout.take().map(|mut pipe| std::thread::spawn(move || read(&mut pipe))));
        readers.extend(child.stderr.take().map(|mut pipe| std::thread::spawn(move || read(&mut pipe))));
        Self { child, began: Instant::now(), readers }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal);
    }

    /// Whether it still runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        lives(self.pid())
    }

    /// Waits for its end, for two minutes at the most.
    #[must_use]
    pub fn finish(self) -> Output {
        self.finish_within(PATIENCE)
    }

    /// Waits for its end.
    #[must_use]
    pub fn finish_within(mut self, limit: Duration) -> Output {
        use std::os::unix::process::ExitStatusExt as _;

        let mut overdue = false;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if self.began.elapsed() > limit && !overdue {
                overdue = true;
                let _gone = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = self.began.elapsed();
        let mut texts = self.readers.drain(..).map(|reader| reader.join().unwrap());
        let (stdout, stderr) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        let output = Output { code, stdout, stderr, took };
        assert!(!overdue, "it took longer than {limit:?}: {output:#?}");
        output
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn read(pipe: &mut dyn Read) -> String {
    let mut bytes = Vec::new();
    let _closed = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
