//! The reader's keys.
//!
//! From the first of these that is there: `WINDLASS_KEY` (the key itself), `WINDLASS_KEY_FILE`,
//! `WINDLASS_KEY_COMMAND` (what the command prints), the key file of the account. One that is set
//! and does not work is an error: falling through to another key would hide it.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use windlass_core::manifest::words;
use windlass_core::settings::sealed::{Document, Identity};
use windlass_core::settings::{Fault, Secret};
use zeroize::{Zeroize, Zeroizing};

use super::prompt;

/// More than any key file has.
const LARGEST: u64 = 64 << 10;

/// How long a command may take to print the key: it may ask a person for a finger or a password.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long the output may stay open when the command has ended.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// How often a person may mistype a passphrase.
const TRIES: u32 = 3;

/// A look at the process's environment.
type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The keys of whoever runs this. Passphrases that turn out to be right are kept for as long as it
/// lives, so that nobody is asked twice.
pub struct Keyring {
    keys: RefCell<Vec<Identity>>,
    /// Where they come from, or why there are none.
    whence: String,
    passphrase: Option<Secret>,
}

impl Keyring {
    /// Gathers the keys that `env` and the account have.
    ///
    /// # Errors
    /// When a source is named and gives no key, be it that its variable is no text.
    pub fn find(env: Env<'_>) -> Result<Self, Fault> {
        let (keys, whence) = if let Some(text) = set(env, "WINDLASS_KEY")?.map(Zeroizing::new) {
            (parse("WINDLASS_KEY", &text)?, "WINDLASS_KEY".to_owned())
        } else if let Some(path) = set(env, "WINDLASS_KEY_FILE")? {
            (read_key_file(Path::new(&path))?, format!("WINDLASS_KEY_FILE ({path})"))
        } else if let Some(command) = set(env, "WINDLASS_KEY_COMMAND")? {
            let printed = print(&command)?;
            (parse("WINDLASS_KEY_COMMAND", &printed)?, "WINDLASS_KEY_COMMAND".to_owned())
        } else {
            match default_key_file(env) {
                Some(path) if path.exists() => (read_key_file(&path)?, path.display().to_string()),
                Some(path) => (vec![], format!("none: there is no {}", path.display())),
                None => (vec![], "none: HOME is not set".to_owned()),
            }
        };
        let passphrase = text(env, "WINDLASS_PASSPHRASE")?.map(Secret::new);
        Ok(Self { keys: RefCell::new(keys), whence, passphrase })
    }

    /// Where the keys come from, or why there are none.
    #[must_use]
    pub fn whence(&self) -> &str {
        &self.whence
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> Vec<Identity> {
        self.keys.borrow().clone()
    }

    /// Adds the key of a passphrase, if the document has one and the passphrase is known, or a person
    /// knows it.
    ///
    /// # Errors
    /// When there is one, and what was given is another.
    pub(super) fn learn(&self, document: &Document, file: &str) -> Result<bool, String> {
        if document.recipients.iter().all(|recipient| recipient.stretch.is_none()) {
            return Ok(false);
        }
        if let Some(passphrase) = &self.passphrase {
            if passphrase.expose().trim().is_empty() {
                return Err("WINDLASS_PASSPHRASE is set, and empty (in CI: is the secret there, and may this job see \
                            it?)"
                    .to_owned());
            }
            return match self.try_passphrase(document, passphrase)? {
                true => Ok(true),
                false => Err("WINDLASS_PASSPHRASE is not a passphrase of this file".to_owned()),
            };
        }
        if !prompt::is_possible() {
            return Ok(false);
        }
        for _ in 0..TRIES {
            let typed = prompt::secret(&format!("Passphrase of {file}: "))
                .map_err(|error| format!("the passphrase cannot be read: {error}"))?;
            if self.try_passphrase(document, &typed)? {
                return Ok(true);
            }
        }
        Err("what was typed is not a passphrase of this file".to_owned())
    }

    fn try_passphrase(&self, document: &Document, passphrase: &Secret) -> Result<bool, String> {
        for recipient in &document.recipients {
            if let Some(identity) = recipient.answers(passphrase)? {
                self.keys.borrow_mut().push(identity);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The text of a variable. One that is no text is not passed over: another source would hold.
fn text(env: Env<'_>, name: &str) -> Result<Option<String>, Fault> {
    let text = env(name).map(OsString::into_string).transpose();
    text.map_err(|value| {
        value.into_encoded_bytes().zeroize();
        fault(name, "its value is not UTF-8 text".to_owned(), &format!("set {name} to text, or unset it"))
    })
}

/// The same of one that leads to a key. An empty one is what CI makes of a secret that it does not have.
fn set(env: Env<'_>, name: &str) -> Result<Option<String>, Fault> {
    match text(env, name)? {
        Some(value) if value.trim().is_empty() => Err(fault(
            name,
            "it is set, and empty: no other key is taken in its place".to_owned(),
            &format!(
                "give it a value (in CI: is the secret there, and may this job see it?), or unset {name}"
            ),
        )),
        value => Ok(value),
    }
}

/// The key file of the account: `~/.config/windlass/key`.
#[must_use]
pub fn default_key_file(env: Env<'_>) -> Option<PathBuf> {
    let set = |name: &str| env(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(config.join("windlass/key"))
}

/// The keys of a key file: one a line, beside comments.
///
/// # Errors
/// When it cannot be read, others may read it, or no key stands in it.
pub fn read_key_file(path: &Path) -> Result<Vec<Identity>, Fault> {
    let name = path.display().to_string();
    let unreadable = |error: io::Error| {
        fault(&name, format!("the key file cannot be read: {error}"), "see WINDLASS_KEY_FILE")
    };
    // The same file is looked at and read, whatever lies at the path by then.
    let file = File::open(path).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    let mode = facts.mode() & 0o777;
    if facts.is_file() && mode & 0o077 != 0 {
        let message = format!("other accounts may read this key file (mode {mode:04o}), so it is not used");
        return Err(fault(
            &name,
            message,
            &format!("run: chmod 600 {name}; if others may have read it, make a new key"),
        ));
    }
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(LARGEST).unwrap_or_default() + 1));
    file.take(LARGEST).read_to_string(&mut text).map_err(unreadable)?;
    parse(&name, &text)
}

/// The keys in a text.
fn parse(name: &str, text: &str) -> Result<Vec<Identity>, Fault> {
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let mut keys = vec![];
    for (number, line) in lines {
        match Identity::parse(line) {
            Some(key) => keys.push(key),
            None => {
                let line_number = u32::try_from(number + 1).unwrap_or(u32::MAX);
                let message = if line.starts_with("wlpub1_") {
                    "this is a public key, which opens nothing"
                } else {
                    "this is not a key: it should begin with wlkey1_ and be 55 characters long"
                };
                let help = "make one with `windlass secrets keygen`";
                return Err(Fault { line: line_number, ..fault(name, message.to_owned(), help) });
            }
        }
    }
    if keys.is_empty() {
        return Err(fault(
            name,
            "there is no key in it".to_owned(),
            "make one with `windlass secrets keygen`",
        ));
    }
    Ok(keys)
}

fn fault(file: &str, message: String, help: &str) -> Fault {
    Fault { file: file.to_owned(), line: 0, column: 0, message, help: help.to_owned() }
}

/// What a command prints. No shell sees it; its messages and questions go to the person's terminal.
fn print(command: &str) -> Result<Zeroizing<String>, Fault> {
    let wrong = |message: String| {
        fault("WINDLASS_KEY_COMMAND", message, "it is program and arguments, such as: pass show windlass/key")
    };
    let words =
        words::split(command).map_err(|_| wrong("it is not a plain command: no shell runs it".to_owned()))?;
    let (program, arguments) = words.split_first().ok_or_else(|| wrong("it is empty".to_owned()))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| wrong(format!("{program} cannot be run: {error}")))?;
    let stdout = child.stdout.take();
    // Read beside, so that the wait can end before the command does.
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // As much as is read at all: a larger place would leave a copy of the key in the old one.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(LARGEST).unwrap_or_default() + 1));
        let read = stdout.map_or(Ok(0), |stdout| stdout.take(LARGEST).read_to_end(&mut bytes));
        tell.send(read.map(|_| bytes))
    });
    let status = wait(&mut child).map_err(|why| wrong(format!("{program} {why}")))?;
    if !status.success() {
        return Err(wrong(format!("{program} failed: {status}")));
    }
    // What it has started may keep its output open, an agent for example.
    let bytes = told.recv_timeout(AFTERWARDS).map_err(|_| {
        wrong(format!("{program} has ended, and something that it started keeps its output open"))
    })?;
    let mut bytes = bytes.map_err(|_| wrong(format!("the output of {program} cannot be read")))?;
    String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|error| {
        error.into_bytes().zeroize();
        wrong(format!("{program} printed something that is not text"))
    })
}

fn wait(child: &mut Child) -> Result<std::process::ExitStatus, String> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if begun.elapsed() > PATIENCE => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("took longer than {} seconds", PATIENCE.as_secs()));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(format!("cannot be waited for: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::PermissionsExt;

    use windlass_core::settings::sealed::Random;

    use super::*;

    fn key(seed: u8) -> Identity {
        Identity::new(&mut Random::from_seed(&[seed; 32]))
    }

    fn write(path: &Path, seed: u8, mode: u32) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("# a comment\n\n{}\n", key(seed).to_text().expose())).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_first_source_that_is_set_gives_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let (of_home, named) = (dir.path().join("config/windlass/key"), dir.path().join("key"));
        write(&of_home, 1, 0o600);
        write(&named, 2, 0o600);
        let command = format!("cat '{}'", named.display());
        let set = [
            ("XDG_CONFIG_HOME", dir.path().join("config").display().to_string()),
            ("WINDLASS_KEY_COMMAND", command),
            ("WINDLASS_KEY_FILE", of_home.display().to_string()),
            ("WINDLASS_KEY", key(3).to_text().expose().to_owned()),
        ];
        for (count, seed, whence) in [
            (1, 1, of_home.display().to_string()),
            (2, 2, "WINDLASS_KEY_COMMAND".into()),
            (3, 1, format!("WINDLASS_KEY_FILE ({})", of_home.display())),
            (4, 3, "WINDLASS_KEY".into()),
        ] {
            let env = |name: &str| {
                set[..count].iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone().into())
            };
            let ring = Keyring::find(&env).unwrap();
            assert!(ring.keys()[0].public() == key(seed).public(), "{whence}");
            assert_eq!(ring.whence(), whence);
        }
        let none = Keyring::find(&|name| (name == "HOME").then(|| "/nowhere".into())).unwrap();
        assert_eq!(none.whence(), "none: there is no /nowhere/.config/windlass/key");
    }

    // proves: DC-10
    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        for mode in [0o640, 0o604, 0o660] {
            write(&path, 1, mode);
            let fault = read_key_file(&path).err().unwrap().to_string();
            assert!(fault.contains(&format!("mode {mode:04o}")) && fault.contains("chmod 600"), "{fault}");
        }
        write(&path, 1, 0o400);
        assert!(read_key_file(&path).is_ok());
    }

    #[test]
    fn what_is_no_key_is_told_and_not_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("windlass/key");
        write(&other, 1, 0o600);
        let said = |name: &str, value: OsString| {
            let env = |asked: &str| match asked {
                "XDG_CONFIG_HOME" => Some(dir.path().into()),
                asked => (asked == name).then(|| value.clone()),
            };
            Keyring::find(&env).err().unwrap().to_string()
        };
        assert!(said("WINDLASS_KEY", key(1).public().to_string().into()).contains("this is a public key"));
        assert!(said("WINDLASS_KEY", "hunter2".into()).contains("WINDLASS_KEY:1: this is not a key"));
        assert!(!said("WINDLASS_KEY", "hunter2".into()).contains("hunter2"));
        assert!(said("WINDLASS_KEY_FILE", "/nowhere".into()).contains("cannot be read"));
        assert!(said("WINDLASS_KEY_COMMAND", "cat a | cat".into()).contains("not a plain command"));
        assert!(said("WINDLASS_KEY_COMMAND", "false".into()).contains("false failed: exit status: 1"));
        assert!(said("WINDLASS_KEY_COMMAND", "true".into()).contains("there is no key in it"));
        assert!(said("WINDLASS_KEY_COMMAND", "no-such-program".into()).contains("cannot be run"));
        // A helper that stays, and keeps what it was given.
        let said_of_agent = said("WINDLASS_KEY_COMMAND", "sh -c 'sleep 6 2> /dev/null & echo'".into());
        assert!(said_of_agent.contains("something that it started keeps its output open"), "{said_of_agent}");
        for name in ["WINDLASS_KEY", "WINDLASS_KEY_FILE", "WINDLASS_KEY_COMMAND"] {
            let empty = said(name, " \n".into());
            assert!(empty.starts_with(&format!("{name}: it is set, and empty")), "{empty}");
            assert!(empty.ends_with(&format!("or unset {name}")), "{empty}");
        }
        for name in ["WINDLASS_KEY", "WINDLASS_KEY_FILE", "WINDLASS_KEY_COMMAND", "WINDLASS_PASSPHRASE"] {
            let said = said(name, OsString::from_vec(b"caf\xe9".to_vec()));
            assert_eq!(said, format!("{name}: its value is not UTF-8 text; set {name} to text, or unset it"));
        }
    }
}
