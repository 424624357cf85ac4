//! What a checkout ignores in a project that lies somewhere inside it.

use std::path::{Path, PathBuf};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::index::Tracked;

/// The ignore files above a project, up to the top of the checkout that it lies in. As for git they have no say
/// in what it tracks.
#[derive(Debug, Default)]
pub(super) struct Above {
    /// The project.
    project: PathBuf,
    /// The nearest first.
    files: Vec<(PathBuf, Gitignore)>,
    tracked: Tracked,
}

impl Above {
    pub(super) fn of(project: &Path) -> Self {
        let Ok(project) = project.canonicalize() else { return Self::default() };
        let mut files: Vec<(&Path, PathBuf)> = Vec::new();
        for directory in project.ancestors() {
            if directory != project {
                files.push((directory, directory.join(".gitignore")));
            }
            let git = directory.join(".git");
            if git.exists() {
                let own = own(&git);
                files.extend(own.as_deref().map(|git| (directory, common(git).join("info/exclude"))));
                files.retain(|(_, file)| file.is_file());
                let tracked = match (own, project.strip_prefix(directory)) {
                    (Some(git), Ok(within)) if !files.is_empty() => Tracked::below(within, &git),
                    _ => Tracked::default(),
                };
                let read = |(of, file): (&Path, PathBuf)| Some((read(of, &file, &project, &tracked)?, file));
                let files =
                    files.into_iter().filter_map(read).map(|(matcher, file)| (file, matcher)).collect();
                return Self { project, files, tracked };
            }
        }
        Self::default()
    }

    /// The ignore file that leaves out a path, relative to the project, of which its own say nothing.
    pub(super) fn leaving_out(&self, path: &Path, is_dir: bool) -> Option<&Path> {
        if self.files.is_empty() {
            return None;
        }
        let path = self.project.join(path);
        let mut said = self.files.iter().map(|(file, matcher)| (file, matcher.matched(&path, is_dir)));
        let (file, said) = said.find(|(_, said)| !said.is_none())?;
        said.is_ignore().then_some(file.as_path())
    }

    /// Whether git tracks the path, or something below it.
    pub(super) fn tracks(&self, path: &Path) -> bool {
        self.tracked.has(path)
    }
}

/// The directory of a work tree's own.
fn own(git: &Path) -> Option<PathBuf> {
    if git.is_dir() {
        return Some(git.to_owned());
    }
    // Of a work tree or a submodule the file says where it is. A pipe would wait for somebody to say something.
    let text = git.is_file().then(|| std::fs::read_to_string(git).ok())??;
    Some(git.parent()?.join(text.strip_prefix("gitdir:")?.trim()))
}

/// Where a checkout keeps what all its work trees share.
fn common(git: &Path) -> PathBuf {
    match std::fs::read_to_string(git.join("commondir")) {
        Ok(common) => git.join(common.trim()),
        Err(_) => git.to_owned(),
    }
}

/// Reads the ignore file of a directory. A line that leaves out the project as a whole is passed over: who
/// deploys it means its files.
fn read(directory: &Path, file: &Path, project: &Path, tracked: &Tracked) -> Option<Gitignore> {
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
        if let Some(line) = whole(&matcher, project, tracked).map(str::to_owned) {
            lines.retain(|other| *other != line && other.trim_end() != line);
        }
        if lines.len() == left {
            return Some(matcher);
        }
    }
}

/// The line that leaves out the whole project: itself, or any file of it where git tracks none. Where it tracks
/// some, `/backend/*` and `*` mean that the others are named one by one; where it tracks none, the checkout is
/// one of other things, such as of the files of a home directory.
fn whole<'m>(matcher: &'m Gitignore, project: &Path, tracked: &Tracked) -> Option<&'m str> {
    let any = project.join("any file of whatever name");
    let said = match matcher.matched_path_or_any_parents(project, true) {
        Match::Ignore(glob) => Match::Ignore(glob),
        _ if tracked.is_empty() => matcher.matched(any, false),
        said => said,
    };
    match said {
        Match::Ignore(glob) => Some(glob.original()),
        _ => None,
    }
}
