//! What a checkout ignores in a project that lies somewhere inside it.

use std::path::{Path, PathBuf};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The ignore files above a project, up to the top of the checkout that it lies in.
#[derive(Debug, Default)]
pub(super) struct Above {
    /// The project.
    project: PathBuf,
    /// The nearest first.
    files: Vec<Gitignore>,
}

impl Above {
    pub(super) fn of(project: &Path) -> Self {
        let Ok(project) = project.canonicalize() else { return Self::default() };
        let mut directories: Vec<&Path> = Vec::new();
        for directory in project.ancestors() {
            if directory != project {
                directories.push(directory);
            }
            let git = directory.join(".git");
            if git.exists() {
                let mut files: Vec<(&Path, PathBuf)> =
                    directories.iter().map(|above| (*above, above.join(".gitignore"))).collect();
                // Of a project that is a checkout itself, the walk reads this.
                if directory != project {
                    files.extend(common(&git).map(|git| (directory, git.join("info/exclude"))));
                }
                let files = files.iter().filter_map(|(of, file)| read(of, file, &project)).collect();
                return Self { project, files };
            }
        }
        Self::default()
    }

    /// Whether they leave out a path, relative to the project, of which its own ignore files say nothing.
    pub(super) fn leave_out(&self, path: &Path, is_dir: bool) -> bool {
        if self.files.is_empty() {
            return false;
        }
        let path = self.project.join(path);
        let said = self.files.iter().map(|file| file.matched(&path, is_dir));
        said.into_iter().find(|said| !said.is_none()).is_some_and(|said| said.is_ignore())
    }
}

/// Where a checkout keeps what all its work trees share.
fn common(git: &Path) -> Option<PathBuf> {
    if git.is_dir() {
        return Some(git.to_owned());
    }
    // A work tree or a submodule: the file says where its directory is, and that where the common one is.
    let text = std::fs::read_to_string(git).ok()?;
    let own = git.parent()?.join(text.strip_prefix("gitdir:")?.trim());
    Some(match std::fs::read_to_string(own.join("commondir")) {
        Ok(common) => own.join(common.trim()),
        Err(_) => own,
    })
}

/// Reads the ignore file of a directory. A line that leaves out the project as a whole is passed over: who
/// deploys it means its files.
fn read(directory: &Path, file: &Path, project: &Path) -> Option<Gitignore> {
    let text = String::from_utf8_lossy(&std::fs::read(file).ok()?).into_owned();
    let mut lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().collect();
    loop {
        let mut builder = GitignoreBuilder::new(directory);
        for line in &lines {
            // Git passes over what it does not understand, too.
            let _ = builder.add_line(None, line);
        }
        let matcher = builder.build().ok()?;
        let left = lines.len();
        if let Some(line) = whole(&matcher, project).map(str::to_owned) {
            lines.retain(|other| *other != line && other.trim_end() != line);
        }
        if lines.len() == left {
            return Some(matcher);
        }
    }
}

/// The line that leaves out the whole project: itself, or any file of it where no other line takes some in
/// again.
fn whole<'m>(matcher: &'m Gitignore, project: &Path) -> Option<&'m str> {
    let any = project.join("any file of whatever name");
    let said = match matcher.matched_path_or_any_parents(project, true) {
        Match::None if matcher.num_whitelists() == 0 => matcher.matched(any, false),
        said => said,
    };
    match said {
        Match::Ignore(glob) => Some(glob.original()),
        _ => None,
    }
}
