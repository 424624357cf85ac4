//! Programs that name the tree that they were installed in.
//!
//! What installs console scripts writes the absolute path of its interpreter into them, as a virtual
//! environment does: `#!.../releases/r1/.venv/bin/python`. Carried to another tree as they are, they run the
//! first one's programs, with the first one's packages, until that is removed. So what is carried names its
//! new place, in the few small texts that matter: the first lines of programs in `bin`, the `activate` scripts
//! beside them, `pyvenv.cfg`, and links. Nothing else is looked into.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use windlass_core::name::ReleaseId;
use windlass_core::spec::Spec;

use crate::host::tree::contents;

/// The names of trees, as paths begin with them.
pub(in crate::host) struct Places {
    /// The directory of all trees, as we and as others spell it, each with a slash at its end.
    directories: Vec<Vec<u8>>,
}

/// What names another tree.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::host) struct Stray {
    /// Relative to its own tree.
    pub(in crate::host) path: PathBuf,
    pub(in crate::host) of: ReleaseId,
}

impl Places {
    pub(in crate::host) fn new(releases: &Path) -> Self {
        let spelled = |path: &Path| [path.as_os_str().as_bytes(), b"/"].concat();
        let mut directories = vec![spelled(releases)];
        // What a program asks the system for.
        directories.extend(releases.canonicalize().ok().map(|path| spelled(&path)));
        directories.dedup();
        Self { directories }
    }

    /// Has all that was carried to `root` name the tree that it is in now.
    pub(in crate::host) fn settle(&self, root: &Path, tree: ReleaseId) -> io::Result<()> {
        let mut directories = vec![root.to_owned()];
        while let Some(directory) = directories.pop() {
            let is_bin = directory.file_name() == Some(OsStr::new("bin"));
            for entry in std::fs::read_dir(&directory)? {
                let entry = entry?;
                let (path, kind) = (entry.path(), entry.file_type()?);
                if kind.is_dir() {
                    directories.push(path);
                } else if kind.is_symlink() {
                    self.settle_link(&path, tree)?;
                } else if kind.is_file() {
                    let name = entry.file_name();
                    let is_whole =
                        name == "pyvenv.cfg" || (is_bin && name.as_bytes().starts_with(b"activate"));
                    if is_whole || (is_bin && is_script(&path)?) {
                        self.settle_file(&path, tree, is_whole)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn settle_link(&self, link: &Path, tree: ReleaseId) -> io::Result<()> {
        let target = std::fs::read_link(link)?.into_os_string().into_vec();
        let leads_there = self.directories.iter().any(|directory| target.starts_with(directory));
        if let Some(new) = self.renamed(&target, tree).filter(|_| leads_there) {
            std::fs::remove_file(link)?;
            symlink(OsStr::from_bytes(&new), link)?;
        }
        Ok(())
    }

    fn settle_file(&self, path: &Path, tree: ReleaseId, is_whole: bool) -> io::Result<()> {
        let text = std::fs::read(path)?;
        let (head, rest) = if is_whole { (&text[..], &[][..]) } else { text.split_at(head(&text)) };
        let Some(new) = self.renamed(head, tree) else { return Ok(()) };
        let metadata = std::fs::metadata(path)?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(".windlass-new");
        let _ = std::fs::remove_file(&beside);
        let mut file = File::create_new(&beside)?;
        file.write_all(&new)?;
        file.write_all(rest)?;
        file.set_modified(metadata.modified()?)?;
        file.set_permissions(metadata.permissions())?;
        std::fs::rename(&beside, path)
    }

    /// The text with every other tree's name replaced by this one's; `None` where there is none.
    fn renamed(&self, text: &[u8], tree: ReleaseId) -> Option<Vec<u8>> {
        let mut new = Vec::with_capacity(text.len());
        let mut rest = text;
        let mut is_changed = false;
        while let Some((at, other)) = self.first(rest) {
            let named = other.to_string();
            new.extend_from_slice(&rest[..at]);
            new.extend_from_slice(tree.to_string().as_bytes());
            rest = &rest[at + named.len()..];
            is_changed |= other != tree;
        }
        new.extend_from_slice(rest);
        is_changed.then_some(new)
    }

    /// Where the first name of a tree stands in a text, and which.
    fn first(&self, text: &[u8]) -> Option<(usize, ReleaseId)> {
        let found = self.directories.iter().flat_map(|directory| {
            let starts = text.windows(directory.len()).enumerate().filter(move |(_, part)| part == directory);
            starts.filter_map(move |(start, _)| {
                let at = start + directory.len();
                Some((at, named(&text[at..])?))
            })
        });
        found.min_by_key(|(at, _)| *at)
    }

    /// A program of the tree that runs another one's: any in a `bin`, and those that the specification
    /// names, wherever they lie.
    pub(in crate::host) fn stray(
        &self,
        root: &Path,
        tree: ReleaseId,
        spec: &Spec,
    ) -> io::Result<Option<Stray>> {
        let mut directories = vec![PathBuf::new()];
        while let Some(directory) = directories.pop() {
            let is_bin = directory.file_name() == Some(OsStr::new("bin"));
            for entry in std::fs::read_dir(root.join(&directory))? {
                let entry = entry?;
                let (path, kind) = (directory.join(entry.file_name()), entry.file_type()?);
                if kind.is_dir() {
                    directories.push(path);
                } else if is_bin
                    && kind.is_file()
                    && let Some(of) = self.other(&root.join(&path), tree)?
                {
                    return Ok(Some(Stray { path, of }));
                }
            }
        }
        for path in contents::programs(spec).filter(|path| root.join(path).is_file()) {
            if let Some(of) = self.other(&root.join(&path), tree)? {
                return Ok(Some(Stray { path, of }));
            }
        }
        Ok(None)
    }

    /// The other tree that a program's first lines name.
    fn other(&self, path: &Path, tree: ReleaseId) -> io::Result<Option<ReleaseId>> {
        let mut text = Vec::new();
        // More than any system reads of such a line.
        File::open(path)?.take(4096).read_to_end(&mut text)?;
        let mut rest = match text.starts_with(b"#!") {
            true => &text[..head(&text)],
            false => &[],
        };
        while let Some((at, named)) = self.first(rest) {
            if named != tree {
                return Ok(Some(named));
            }
            rest = &rest[at..];
        }
        Ok(None)
    }
}

/// The release whose name a text begins with.
fn named(text: &[u8]) -> Option<ReleaseId> {
    let digits = text.strip_prefix(b"r")?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (name, after) = text.split_at(1 + digits);
    let goes_on = after.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
    if goes_on {
        return None;
    }
    std::str::from_utf8(name).ok()?.parse().ok()
}

/// How much of a program says what runs it: its first line, and the second where that is how a path too
/// long, or with a space in it, is written: `#!/bin/sh`, then `'''exec' "/path/to/python" "$0" "$@"`.
fn head(text: &[u8]) -> usize {
    let end = |from: usize| {
        text[from..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| from + at + 1)
    };
    let first = end(0);
    match text[first..].starts_with(b"'''exec'") {
        true => end(first),
        false => first,
    }
}

fn is_script(path: &Path) -> io::Result<bool> {
    let mut start = [0; 2];
    match File::open(path)?.read_exact(&mut start) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| start == *b"#!"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NEW: ReleaseId = ReleaseId(12);

    fn places() -> Places {
        Places { directories: vec![b"/w/releases/".to_vec(), b"/real/releases/".to_vec()] }
    }

    fn renamed(text: &str) -> Option<String> {
        places().renamed(text.as_bytes(), NEW).map(|new| String::from_utf8(new).unwrap())
    }

    #[test]
    fn every_tree_but_its_own_is_renamed_however_it_is_spelled() {
        assert_eq!(
            renamed("#!/w/releases/r1/.venv/bin/python -E").unwrap(),
            "#!/w/releases/r12/.venv/bin/python -E"
        );
        assert_eq!(
            renamed("a=/real/releases/r7:/w/releases/r12/x:/w/releases/r3").unwrap(),
            "a=/real/releases/r12:/w/releases/r12/x:/w/releases/r12"
        );
        for same in [
            "#!/usr/bin/env python",
            "/w/releases/r12/bin",
            "/w/releases/r1-old/x",
            "/w/releases/rx/1",
            "/w/releases/",
        ] {
            assert_eq!(renamed(same), None, "{same}");
        }
    }

    #[test]
    fn only_what_says_what_runs_a_program_is_changed() {
        let root = tempfile::tempdir().unwrap();
        let releases = root.path().join("releases");
        let (old, new) = (releases.join("r1"), releases.join("r12/.venv"));
        std::fs::create_dir_all(new.join("bin")).unwrap();
        let old = old.display();
        let write = |name: &str, text: String| {
            std::fs::write(new.join(name), text).unwrap();
            std::fs::set_permissions(new.join(name), std::fs::Permissions::from_mode(0o555)).unwrap();
        };
        write("bin/run", format!("#!{old}/.venv/bin/python\nprint('{old}')\n"));
        write("bin/long", format!("#!/bin/sh\n'''exec' \"{old}/.venv/bin/python\" \"$0\" \"$@\"\n{old}\n"));
        write("bin/data", format!("\0{old}/.venv/bin/python\n"));
        write("bin/activate", format!("\nVIRTUAL_ENV='{old}/.venv'\n"));
        write("pyvenv.cfg", format!("command = python3 -m venv {old}/.venv\n"));
        write("run", format!("#!{old}/.venv/bin/python\n"));
        symlink(format!("{old}/.venv/bin/python3"), new.join("bin/python")).unwrap();
        symlink("/usr/bin/python3", new.join("bin/python3")).unwrap();
        let places = Places::new(&releases);
        places.settle(&new, NEW).unwrap();
        let now = releases.join("r12");
        let now = now.display();
        let read = |name: &str| std::fs::read_to_string(new.join(name)).unwrap();
        assert_eq!(read("bin/run"), format!("#!{now}/.venv/bin/python\nprint('{old}')\n"));
        assert_eq!(
            read("bin/long"),
            format!("#!/bin/sh\n'''exec' \"{now}/.venv/bin/python\" \"$0\" \"$@\"\n{old}\n")
        );
        assert_eq!(read("bin/data"), format!("\0{old}/.venv/bin/python\n"));
        assert_eq!(read("bin/activate"), format!("\nVIRTUAL_ENV='{now}/.venv'\n"));
        assert_eq!(read("pyvenv.cfg"), format!("command = python3 -m venv {now}/.venv\n"));
        assert_eq!(read("run"), format!("#!{old}/.venv/bin/python\n"), "it is in no `bin`");
        let link = |name: &str| std::fs::read_link(new.join(name)).unwrap().display().to_string();
        assert_eq!(link("bin/python"), format!("{now}/.venv/bin/python3"));
        assert_eq!(link("bin/python3"), "/usr/bin/python3");
        assert_eq!(std::fs::metadata(new.join("bin/run")).unwrap().permissions().mode() & 0o777, 0o555);
        assert_eq!(std::fs::read_dir(new.join("bin")).unwrap().count(), 6, "nothing is left beside them");
    }
}
