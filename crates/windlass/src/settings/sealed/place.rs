//! An environment's encrypted file, on disk.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use rustix::fs::{FlockOperation, flock};
use windlass_core::settings::Fault;
use windlass_core::settings::sealed::{
    self, Document, Editing, NotOpened, Opened, Parsed, Random, Refused, Version,
};

use super::Keyring;
use crate::layout;
use crate::random;

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where an environment's encrypted file lies.
#[derive(Debug, Clone)]
pub struct Place {
    project: PathBuf,
    environment: String,
}

/// Why something cannot be done with an encrypted file.
#[derive(Debug)]
pub enum Trouble {
    /// There is no such file.
    Missing(String),
    /// The file is wrong, or cannot be opened.
    Faults(Vec<Fault>),
    /// The change makes no sense.
    Refused(Refused),
    /// Somebody else is writing it.
    Busy(String),
    /// The system does not let it happen.
    System(String),
}

impl From<Vec<Fault>> for Trouble {
    fn from(faults: Vec<Fault>) -> Self {
        Self::Faults(faults)
    }
}

impl From<Refused> for Trouble {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// What a change has come to.
#[derive(Debug)]
pub struct Changed<T> {
    /// What the change answered.
    pub answer: T,
    /// The version that was written; `None` when there was nothing to write.
    pub written: Option<Version>,
}

impl Place {
    /// Of an environment of the project in a directory.
    #[must_use]
    pub fn new(project: &Path, environment: &str) -> Self {
        Self { project: project.to_owned(), environment: environment.to_owned() }
    }

    /// The file's name.
    #[must_use]
    pub fn file(&self) -> String {
        sealed::file_name(&self.environment)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.project.join(self.file())
    }

    /// The text of the file; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn text(&self) -> Result<Option<String>, Fault> {
        read_text(&self.path(), &self.file())
    }

    /// What stands in the file, without opening it.
    ///
    /// # Errors
    /// As [`text`](Self::text), and when it is the file of another environment.
    pub fn parsed(&self) -> Result<Option<Parsed>, Vec<Fault>> {
        let Some(text) = self.text().map_err(|fault| vec![fault])? else { return Ok(None) };
        self.parse(&text).map(Some)
    }

    fn parse(&self, text: &str) -> Result<Parsed, Vec<Fault>> {
        let parsed = sealed::parse(&self.file(), text);
        match &parsed.document {
            Some(document) if document.environment != self.environment => Err(vec![Fault {
                file: self.file(),
                line: 3,
                column: 0,
                message: format!("this is the file of {}, not of {}", document.environment, self.environment),
                help: format!(
                    "rename it to {}; values are carried over by `secrets export` and `secrets import`",
                    sealed::file_name(&document.environment)
                ),
            }]),
            _ => Ok(parsed),
        }
    }

    /// Opens the file; `None` where there is none. What is damaged in it is left out and named.
    ///
    /// # Errors
    /// When nothing of it can be opened.
    pub fn read(&self, keyring: &Keyring) -> Result<Option<Opened>, Vec<Fault>> {
        match self.parsed()? {
            None => Ok(None),
            Some(parsed) => self.open(parsed, keyring).map(Some),
        }
    }

    /// Opens what was read of it.
    pub(super) fn open(&self, parsed: Parsed, keyring: &Keyring) -> Result<Opened, Vec<Fault>> {
        open(&self.file(), parsed, keyring)
    }

    /// Changes the file, while nobody else does. Nothing is written when nothing has changed.
    ///
    /// # Errors
    /// When there is none, it cannot be opened or written, something in it is damaged, or the change
    /// is refused.
    pub fn change<T>(
        &self,
        keyring: &Keyring,
        change: impl FnOnce(&mut Editing, &mut Random) -> Result<T, Refused>,
    ) -> Result<Changed<T>, Trouble> {
        let _lock = self.lock()?;
        let opened = self.read(keyring)?.ok_or_else(|| Trouble::Missing(self.file()))?;
        let mut editing = opened.edit()?;
        let mut random = fresh_random()?;
        let answer = change(&mut editing, &mut random)?;
        if !editing.is_changed() {
            return Ok(Changed { answer, written: None });
        }
        let written = Some(self.write(editing)?);
        Ok(Changed { answer, written })
    }

    /// Writes what a repair has left, while nobody else writes.
    ///
    /// # Errors
    /// When there is none, it cannot be opened or written, or `agreed` does not agree to it.
    pub fn repair<T>(
        &self,
        keyring: &Keyring,
        agreed: impl FnOnce(&Opened) -> Result<T, Trouble>,
    ) -> Result<Changed<T>, Trouble> {
        let _lock = self.lock()?;
        let opened = self.read(keyring)?.ok_or_else(|| Trouble::Missing(self.file()))?;
        if opened.is_sound() {
            let answer = agreed(&opened)?;
            return Ok(Changed { answer, written: None });
        }
        let answer = agreed(&opened)?;
        let written = Some(self.write(opened.repair())?);
        Ok(Changed { answer, written })
    }

    /// Makes the file.
    ///
    /// # Errors
    /// When there is one already, or it cannot be written.
    pub fn create(
        &self,
        fill: impl FnOnce(&mut Editing, &mut Random) -> Result<(), Refused>,
    ) -> Result<Version, Trouble> {
        let _lock = self.lock()?;
        if self.path().exists() {
            return Err(Trouble::Refused(Refused {
                message: format!("there is a {} already", self.file()),
                help: "see it with `windlass secrets list`".to_owned(),
            }));
        }
        let mut random = fresh_random()?;
        let mut editing = Editing::new(&self.environment, &mut random);
        fill(&mut editing, &mut random)?;
        self.write(editing)
    }

    fn write(&self, editing: Editing) -> Result<Version, Trouble> {
        if editing.document().recipients.is_empty() {
            return Err(Trouble::Refused(Refused {
                message: format!("{} would be for nobody: no recipient of it is left", self.file()),
                help: "take it from an earlier version (git log -p)".to_owned(),
            }));
        }
        let (text, version) = editing.finish();
        let written = match fs::metadata(self.path()) {
            Ok(facts) if layout::may_rewrite(&facts) => layout::rewrite_file(&self.path(), text.as_bytes()),
            // Whose it is matters little: anybody may read it, that is what it is for.
            Ok(facts) => {
                layout::replace_file(&self.path(), text.as_bytes(), facts.permissions().mode() & 0o777)
            }
            Err(_) => layout::replace_file(&self.path(), text.as_bytes(), 0o644),
        };
        written.map_err(|error| {
            Trouble::System(format!("{} cannot be written: {error}", self.path().display()))
        })?;
        Ok(version)
    }

    /// Keeps other writers out until it is dropped. The lock is the project's directory itself: the
    /// file is exchanged for another with each write, and a file for the lock would lie about.
    fn lock(&self) -> Result<File, Trouble> {
        let directory = File::open(&self.project).map_err(|error| {
            Trouble::System(format!("{} cannot be opened: {error}", self.project.display()))
        })?;
        let begun = Instant::now();
        loop {
            match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(directory),
                Err(rustix::io::Errno::WOULDBLOCK) if begun.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(Trouble::Busy(self.file())),
                Err(error) => {
                    return Err(Trouble::System(format!(
                        "{} cannot be locked: {error}",
                        self.project.display()
                    )));
                }
            }
        }
    }
}

/// Opens the file at a path, of whatever environment; `None` where there is none, or an empty one.
///
/// # Errors
/// When nothing of it can be opened.
pub fn open_path(path: &Path, called: &str, keyring: &Keyring) -> Result<Option<Opened>, Vec<Fault>> {
    match read_text(path, called).map_err(|fault| vec![fault])? {
        Some(text) if !text.is_empty() => open(called, sealed::parse(called, &text), keyring).map(Some),
        _ => Ok(None),
    }
}

/// Opens what was read, with the keys there are; a person may be asked for a passphrase.
fn open(file: &str, parsed: Parsed, keyring: &Keyring) -> Result<Opened, Vec<Fault>> {
    let Parsed { document: Some(document), faults, .. } = parsed else { return Err(parsed.faults) };
    let first = match sealed::open(file, document.clone(), faults.clone(), &keyring.keys()) {
        Ok(opened) => return Ok(opened),
        Err(not) => not,
    };
    match keyring.learn(&document, file) {
        Ok(true) => sealed::open(file, document.clone(), faults, &keyring.keys())
            .map_err(|not| vec![not_opened(file, &document, &not, keyring, None)]),
        Ok(false) => Err(vec![not_opened(file, &document, &first, keyring, None)]),
        Err(why) => Err(vec![not_opened(file, &document, &first, keyring, Some(why))]),
    }
}

/// Why a file cannot be opened, with the keys that were tried and the recipients that there are.
fn not_opened(
    file: &str,
    document: &Document,
    not: &NotOpened,
    keyring: &Keyring,
    passphrase: Option<String>,
) -> Fault {
    let recipients: Vec<String> = document
        .recipients
        .iter()
        .map(|recipient| match recipient.stretch {
            Some(_) => format!("{} (passphrase)", recipient.name),
            None => format!("{} ({})", recipient.name, recipient.public),
        })
        .collect();
    let recipients = match recipients.as_slice() {
        [] => "it has no recipients that could be read".to_owned(),
        some => format!("it is for {}", some.join(", ")),
    };
    let own: Vec<String> = keyring.keys().iter().map(|key| key.public().to_string()).collect();
    match not {
        NotOpened::NoKey => {
            let mut tried = match own.as_slice() {
                [] => format!("keys: {}", keyring.whence()),
                some => format!("tried {} from {}", some.join(", "), keyring.whence()),
            };
            if let Some(why) = passphrase {
                tried.push_str(&format!("; {why}"));
            }
            let help = match own.first() {
                Some(own) => format!(
                    "ask one of them to run `windlass secrets recipients add NAME {own} --env {}`, or give their \
                     key with WINDLASS_KEY, WINDLASS_KEY_FILE or WINDLASS_KEY_COMMAND",
                    document.environment
                ),
                None => "give a key with WINDLASS_KEY, WINDLASS_KEY_FILE or WINDLASS_KEY_COMMAND, or make one with \
                         `windlass secrets keygen` and ask one of them to add it"
                    .to_owned(),
            };
            let message = format!("no key opens it ({tried}); {recipients}");
            Fault { file: file.to_owned(), line: 0, column: 0, message, help }
        }
        NotOpened::Forged { name, line } => Fault {
            file: file.to_owned(),
            line: *line,
            column: 0,
            message: format!(
                "it is forged: whoever wrote the line of {name} does not know the secret behind the id, which every \
                 reader of the file knows"
            ),
            help: "see who changed it (git log -p), take the file from an earlier version, and trust no value that was \
                   deployed from this one"
                .to_owned(),
        },
        NotOpened::DamagedRecipient { name, line } => Fault {
            file: file.to_owned(),
            line: *line,
            column: 0,
            message: format!(
                "the key of {name} is there, and its line does not open: it was changed, or the id or environment \
                 above was"
            ),
            help: "take these lines from an earlier version of the file (git log -p)".to_owned(),
        },
    }
}

/// Reads a text, as long as an encrypted file can be.
fn read_text(path: &Path, name: &str) -> Result<Option<String>, Fault> {
    let fault = |message: String, help: &str| Fault {
        file: name.to_owned(),
        line: 0,
        column: 0,
        message,
        help: help.to_owned(),
    };
    // A pipe of that name must not hold a deploy up.
    let opened = fs::OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file,
    };
    let mut bytes = vec![];
    // One byte more than is allowed: the parser says that it is too large.
    let read = file.and_then(|file| file.take(sealed::LARGEST_FILE as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| {
        fault(format!("it cannot be read: {error}"), "make it readable for the account that deploys")
    })?;
    // What is no text stands in its own line, and damages that alone.
    Ok(Some(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }))
}

/// Randomness from the system.
///
/// # Errors
/// When the system gives none.
pub fn fresh_random() -> Result<Random, Trouble> {
    random::fresh().map_err(|error| Trouble::System(error.to_string()))
}

/// Today, in UTC: dates in the file must not depend on where somebody works.
#[must_use]
pub fn today() -> Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}
