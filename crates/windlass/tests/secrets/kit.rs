//! A project in a directory of its own, and a person with a home and a key of their own.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

pub(crate) const FILE: &str = "secrets.production.enc";

/// What the program said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\n--- stdout\n{}\n--- stderr\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// A project.
pub(crate) struct Project {
    base: tempfile::TempDir,
}

/// Somebody who works on it.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) project: PathBuf,
    pub(crate) home: PathBuf,
    name: String,
    env: Vec<(String, String)>,
}

impl Project {
    pub(crate) fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir(base.path().join("shop")).unwrap();
        let manifest = "[app]\nname = \"shop\"\n\n[services.web]\ncommand = [\"true\"]\n";
        fs::write(base.path().join("shop/windlass.toml"), manifest).unwrap();
        Self { base }
    }

    /// Somebody, without a key so far.
    pub(crate) fn person(&self, name: &str) -> Person {
        let home = self.base.path().join(name);
        fs::create_dir_all(&home).unwrap();
        Person { project: self.base.path().join("shop"), home, name: name.to_owned(), env: vec![] }
    }

    /// Ada, who has made the file of production with these values.
    pub(crate) fn begun(values: &[(&str, &str)]) -> (Self, Person) {
        let project = Self::new();
        let ada = project.person("ada");
        ada.secrets(&["init"]).exits(0);
        for (name, value) in values {
            ada.set(name, value);
        }
        (project, ada)
    }
}

impl Person {
    /// The same person with a variable set.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut person = self.clone();
        person.env.push((name.to_owned(), value.to_owned()));
        person
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_in("production", arguments)
    }

    /// `windlass secrets` in an environment.
    pub(crate) fn command_in(&self, environment: &str, arguments: &[&str]) -> Command {
        let mut command = self.program();
        command.arg("secrets").args(arguments).args(["--env", environment]);
        command
    }

    /// The program itself, as this person calls it.
    fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command.current_dir(&self.project);
        command.env_clear().env("PATH", path()).env("HOME", &self.home).env("USER", &self.name);
        command.env("WINDLASS_HOME", self.home.join("state")).envs(self.env.iter().cloned());
        command
    }

    /// `windlass check --env production`.
    pub(crate) fn check(&self) -> Said {
        self.program_says(&["check", "--env", "production"])
    }

    /// The program itself, with nothing to read.
    pub(crate) fn program_says(&self, arguments: &[&str]) -> Said {
        let output = self.program().args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Puts settings into the manifest, which has production.
    pub(crate) fn declare(&self, settings: &str) {
        let manifest = self.project.join("windlass.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        fs::write(&manifest, format!("{text}\n[settings]\n{settings}\n[environments.production]\n")).unwrap();
    }

    /// `windlass secrets ... --env production`, with nothing to read.
    pub(crate) fn secrets(&self, arguments: &[&str]) -> Said {
        self.secrets_with(arguments, b"")
    }

    /// The same, with something to read.
    pub(crate) fn secrets_with(&self, arguments: &[&str], input: &[u8]) -> Said {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub(crate) fn set(&self, name: &str, value: &str) {
        self.secrets_with(&["set", name, "--exact"], value.as_bytes()).exits(0);
    }

    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> String {
        self.secrets(&["get", name]).exits(0).out
    }

    /// The public key.
    pub(crate) fn public(&self) -> String {
        if !self.key_file().exists() {
            self.secrets(&["keygen"]).exits(0);
        }
        self.secrets(&["keygen", "--show"]).exits(0).out.trim().to_owned()
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.home.join(".config/windlass/key")
    }

    /// The private key.
    pub(crate) fn key(&self) -> String {
        fs::read_to_string(self.key_file()).unwrap().lines().last().unwrap().to_owned()
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.project.join(FILE)).unwrap()
    }

    /// Changes the file behind everybody's back.
    pub(crate) fn tamper(&self, from: &str, to: &str) {
        let text = self.text();
        assert!(text.contains(from), "no {from:?} in\n{text}");
        fs::write(self.project.join(FILE), text.replacen(from, to, 1)).unwrap();
    }

    /// The line that begins with this name.
    pub(crate) fn line(&self, name: &str) -> String {
        let text = self.text();
        text.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap().to_owned()
    }
}

/// The directory of the program first: git calls it by its name.
fn path() -> String {
    let own = Path::new(env!("CARGO_BIN_EXE_windlass")).parent().unwrap();
    format!("{}:{}", own.display(), std::env::var("PATH").unwrap())
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
