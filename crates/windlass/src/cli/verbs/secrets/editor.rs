//! Having a person edit a file that must not outlive it.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal as Number, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use windlass_core::manifest::words;

use super::repair::ask;
use crate::cli::failure::Failure;

/// How long an editor may take to leave when it is told to.
const PATIENCE: Duration = Duration::from_millis(500);

/// What keeps an editor of Vim's family from writing the text anywhere else: swap file, registers,
/// undo files, backups.
const PRIVATE: [&str; 5] = ["-n", "-i", "NONE", "-c", "set noundofile nobackup nowritebackup"];

/// The signals that end a program, held until what they must not leave behind is gone.
///
/// A session that drops (HUP) or a stop (TERM) ends the editing. An interrupt (INT, QUIT) is the editor's
/// own affair: many have a use for Control-C, and none of them is to lose its file by it.
pub(super) struct Signals {
    _interrupt: [Signal; 2],
    hangup: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self {
            _interrupt: [awaited(SignalKind::interrupt())?, awaited(SignalKind::quit())?],
            hangup: awaited(SignalKind::hangup())?,
            terminate: awaited(SignalKind::terminate())?,
        })
    }

    /// The signal that ends it.
    async fn end(&mut self) -> Number {
        tokio::select! {
            _ = self.hangup.recv() => Number::HUP,
            _ = self.terminate.recv() => Number::TERM,
        }
    }

    /// Asks the person, if there is one, who may also interrupt.
    pub(super) async fn ask(&mut self, question: &'static str) -> Result<bool, Failure> {
        // Those from before were for the editor.
        let mut interrupt = awaited(SignalKind::interrupt())?;
        let (answer, answered) = tokio::sync::oneshot::channel();
        // Whoever does not answer is not waited for: the thread ends with the program.
        std::thread::spawn(move || answer.send(ask(question)));
        tokio::select! {
            answer = answered => Ok(answer.unwrap_or(false)),
            _ = interrupt.recv() => Err(ended_by(Number::INT)),
            number = self.end() => Err(ended_by(number)),
        }
    }
}

fn awaited(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::failed(format!("signals cannot be awaited: {error}"), ""))
}

fn ended_by(number: Number) -> Failure {
    let code = u8::try_from(128 + number.as_raw()).unwrap_or(1);
    Failure::new(code, "the editing was broken off", "nothing was changed, and the editor's file is removed")
}

/// Has the person edit the file.
pub(super) async fn call(path: &Path, signals: &mut Signals) -> Result<(), Failure> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let hint = "set EDITOR to a program and its arguments, such as: export EDITOR='nano'";
    let editor = match set("VISUAL").or_else(|| set("EDITOR")) {
        Some(editor) => editor,
        None if std::io::stdin().is_terminal() => "vi".to_owned(),
        None => {
            return Err(Failure::usage(
                "there is no terminal for vi, and neither VISUAL nor EDITOR says what to edit with",
                "for a program: windlass secrets set NAME, which reads the value, or windlass secrets import FILE",
            ));
        }
    };
    let words = words::split(&editor).map_err(|_| {
        Failure::usage(format!("the editor {editor:?} is not a plain command: no shell runs it"), hint)
    })?;
    let (program, arguments) =
        words.split_first().ok_or_else(|| Failure::usage("there is no editor", hint))?;
    let mut command = Command::new(program);
    if is_vim(program, std::env::var_os("PATH").as_deref()) {
        command.args(PRIVATE);
    }
    let mut child = command
        .args(arguments)
        .arg(path)
        // It is trusted with the values, not with the key to all of them.
        .env_remove("WINDLASS_KEY")
        .env_remove("WINDLASS_PASSPHRASE")
        .spawn()
        .map_err(|error| Failure::usage(format!("the editor {program} cannot be run: {error}"), hint))?;
    let status = tokio::select! {
        status = child.wait() => status,
        number = signals.end() => {
            dismiss(&mut child, number).await;
            return Err(ended_by(number));
        }
    };
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            Err(Failure::failed(format!("the editor {program} failed: {status}"), "nothing was changed"))
        }
        Err(error) => Err(Failure::failed(format!("the editor {program} cannot be waited for: {error}"), "")),
    }
}

/// Ends an editor, which would otherwise go on with a file that is gone.
async fn dismiss(child: &mut Child, number: Number) {
    let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    if let Some(pid) = pid {
        let _it_may_be_gone = kill_process(pid, number);
    }
    if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
        let _it_may_be_gone = child.kill().await;
    }
}

/// Whether a program is of Vim's family, by its name or by what it is a link to: `vi` and `editor` may be
/// this or something that does not understand Vim's arguments.
fn is_vim(program: &str, path: Option<&std::ffi::OsStr>) -> bool {
    let is_named_so = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        ["vim", "nvim", "gvim", "rvim"].iter().any(|vim| name.starts_with(vim))
    };
    let program = Path::new(program);
    let places = path.into_iter().flat_map(std::env::split_paths);
    let found: Option<PathBuf> = if program.components().count() > 1 {
        Some(program.to_owned())
    } else {
        places.map(|place| place.join(program)).find(|path| path.is_file())
    };
    is_named_so(program)
        || found.and_then(|path| path.canonicalize().ok()).is_some_and(|path| is_named_so(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vim_is_known_by_its_name_and_behind_a_link() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["vim.tiny", "busybox"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        for (link, to) in [("vi", "vim.tiny"), ("editor", "vi"), ("ex", "busybox")] {
            std::os::unix::fs::symlink(to, dir.path().join(link)).unwrap();
        }
        let path = dir.path().as_os_str();
        let whole = dir.path().join("vi");
        for program in ["vim", "/usr/bin/vim", "nvim", "vi", "editor", whole.to_str().unwrap()] {
            assert!(is_vim(program, Some(path)), "{program}");
        }
        for program in ["ex", "nano", "code", "/nowhere/vi"] {
            assert!(!is_vim(program, Some(path)), "{program}");
        }
        assert!(!is_vim("vi", None));
    }
}
