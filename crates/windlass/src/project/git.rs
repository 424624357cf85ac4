//! Asking git about a checkout.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
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
    Asked(command(directory, arguments).stdin(Stdio::null()).spawn().ok())
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut git = Command::new("git");
    for name in OF_A_HOOK {
        git.env_remove(name);
    }
    git.arg("-C")
        .arg(directory)
        .args(arguments)
        // It only looks: without a lock of the index, which it would leave behind if it were ended.
        .env("GIT_OPTIONAL_LOCKS", "0")
        // And only here: what a partial clone lacks is not fetched for this.
        .env("GIT_NO_LAZY_FETCH", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    git
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

/// Asks git something of `directory` that it has to answer.
///
/// # Errors
/// Why it did not, in its own words.
pub(super) fn answered(directory: &Path, arguments: &[&str]) -> Result<Zeroizing<String>, String> {
    let mut git = command(directory, arguments);
    let output = git.env("LC_ALL", "C").stdin(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.map_err(|error| format!("git cannot be run: {error}"))?;
    let text = Zeroizing::new(String::from_utf8_lossy(&output.stdout).into_owned());
    if output.status.success() {
        return Ok(text);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().next().map_or_else(|| format!("git: {}", output.status), str::to_owned))
}

/// Asks git something of `directory`, and waits for the answer.
pub(super) fn ask(directory: &Path, arguments: &[&str]) -> Zeroizing<String> {
    begin(directory, arguments).answer()
}

/// Calls `each` with the lines of an answer of git's that may have no end to speak of, until that says no. Says whether
/// git did not fail before.
pub(super) fn lines_while(directory: &Path, arguments: &[&str], mut each: impl FnMut(&str) -> bool) -> bool {
    let mut git = begin(directory, arguments);
    let Some(from) = git.0.as_mut().and_then(|child| child.stdout.take()) else { return false };
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        if !each(String::from_utf8_lossy(&line).trim_end_matches('\n')) {
            return true;
        }
        line.clear();
    }
    // It does not wait for a reader who has gone.
    drop(from);
    git.0.take().and_then(|mut child| child.wait().ok()).is_some_and(|status| status.success())
}

/// Calls `each` with a line for each object, which says its kind and its size in bytes where it is here, until that says
/// no.
pub(super) fn sizes_while(directory: &Path, objects: &[&str], mut each: impl FnMut(&str) -> bool) {
    let format = "--batch-check=%(objectname) %(objecttype) %(objectsize)";
    // Where git fails, what it has said so far counts.
    let _ = told(directory, &["cat-file", "--buffer", format], objects, |from| {
        let mut line = String::new();
        while from.read_line(&mut line)? > 0 && each(line.trim_end()) {
            line.clear();
        }
        Ok(())
    });
}

/// Calls `each` with the content of each object, which may be secret, until that says no.
pub(super) fn contents_while(directory: &Path, objects: &[&str], mut each: impl FnMut(&str, &[u8]) -> bool) {
    let _ = told(directory, &["cat-file", "--buffer", "--batch"], objects, |from| {
        let mut head = String::new();
        loop {
            head.clear();
            if from.read_line(&mut head)? == 0 {
                return Ok(());
            }
            // Of what is not here only that is said.
            let mut words = head.trim_end().split(' ');
            let (Some(object), Some(_), Some(size)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let size: usize = size.parse().map_err(io::Error::other)?;
            let mut content = Zeroizing::new(vec![0; size + 1]);
            from.read_exact(&mut content)?;
            if !each(object, &content[..size]) {
                return Ok(());
            }
        }
    });
}

/// Runs git, tells it of objects, and has its answer read meanwhile.
fn told(
    directory: &Path,
    arguments: &[&str],
    objects: &[&str],
    read: impl FnOnce(&mut BufReader<std::process::ChildStdout>) -> io::Result<()>,
) -> io::Result<()> {
    let mut git = Asked(Some(command(directory, arguments).stdin(Stdio::piped()).spawn()?));
    let Some(child) = &mut git.0 else { return Ok(()) };
    let (Some(mut to), Some(from)) = (child.stdin.take(), child.stdout.take()) else { return Ok(()) };
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let text: String = objects.iter().flat_map(|object| [*object, "\n"]).collect();
            let _it_may_have_ended = to.write_all(text.as_bytes());
        });
        read(&mut BufReader::new(from))
    })
}
