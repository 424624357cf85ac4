//! Asking git about a checkout.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use zeroize::Zeroizing;

/// A question that git works on meanwhile.
#[derive(Debug)]
pub(super) struct Asked(Option<Child>);

/// What a hook of git is given, which says of which repository it speaks, and not of which we ask.
const OF_A_HOOK: [&str; 5] = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX"];

/// Asks git something of `directory`.
pub(super) fn begin(directory: &Path, arguments: &[&str]) -> Asked {
    let mut git = Command::new("git");
    for name in OF_A_HOOK {
        git.env_remove(name);
    }
    let asked = git
        .arg("-C")
        .arg(directory)
        .args(arguments)
        // It only looks: without a lock of the index, which it would leave behind if it were ended.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    Asked(asked.ok())
}

impl Asked {
    /// What git answers: nothing where there is no git, or no checkout, which is no fault. It may show a
    /// file with a secret.
    pub(super) fn answer(mut self) -> Zeroizing<String> {
        let output = self.0.take().and_then(|child| child.wait_with_output().ok());
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        Zeroizing::new(text.unwrap_or_default())
    }
}

impl Drop for Asked {
    /// Nobody wants the answer any more.
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _gone_already = child.kill();
            let _gone_already = child.wait();
        }
    }
}

/// Asks git something of `directory`, and waits for the answer.
pub(super) fn ask(directory: &Path, arguments: &[&str]) -> Zeroizing<String> {
    begin(directory, arguments).answer()
}
