//! Whether an account gets at a file: which directory is in its way.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::account::Account;

/// The system follows no more links in one path.
const MOST_LINKS: usize = 40;

/// The directory that does not let the account pass to the program at `path`, which is absolute; or to the
/// interpreter that a script names. `None` where there is none such, whatever else is wrong.
pub(crate) fn obstacle(account: &Account, path: &Path) -> Option<PathBuf> {
    blocking(account, path).or_else(|| blocking(account, &interpreter(path)?))
}

fn blocking(account: &Account, path: &Path) -> Option<PathBuf> {
    let mut at = PathBuf::from("/");
    let mut rest: VecDeque<OsString> = parts(path);
    let mut links = 0;
    while let Some(part) = rest.pop_front() {
        if !may_pass(account, &at)? {
            return Some(at);
        }
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        if !next.symlink_metadata().ok()?.is_symlink() {
            at = next;
            continue;
        }
        links += 1;
        let target = next.read_link().ok().filter(|_| links <= MOST_LINKS)?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        rest = parts(&target).into_iter().chain(rest).collect();
    }
    None
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let named = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    named.map(|part| part.as_os_str().to_owned()).collect()
}

/// As far as the modes say; who may for another reason, such as an access list, is not known here.
fn may_pass(account: &Account, directory: &Path) -> Option<bool> {
    let facts = directory.metadata().ok()?;
    let bit = match () {
        () if account.uid == 0 => 0o111,
        () if facts.uid() == account.uid => 0o100,
        () if facts.gid() == account.gid || account.groups.contains(&facts.gid()) => 0o010,
        () => 0o001,
    };
    Some(facts.mode() & bit != 0)
}

/// What the first line of a script names.
fn interpreter(path: &Path) -> Option<PathBuf> {
    let mut line = Vec::new();
    BufReader::new(std::fs::File::open(path).ok()?.take(256)).read_until(b'\n', &mut line).ok()?;
    let words = line.strip_prefix(b"#!")?.trim_ascii();
    let program = words.split(u8::is_ascii_whitespace).next()?;
    Some(PathBuf::from(OsString::from_vec(program.to_vec()))).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn the_directory_behind_a_link_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().canonicalize().unwrap();
        let [closed, release] = ["closed", "release"].map(|name| home.join(name));
        std::fs::create_dir(&closed).unwrap();
        std::fs::create_dir(&release).unwrap();
        std::fs::write(closed.join("python"), "#!/no/such/interpreter\n").unwrap();
        symlink("../closed/python", release.join("python3")).unwrap();
        symlink("python3", release.join("python")).unwrap();
        std::fs::write(release.join("script"), format!("#!{}/python -x\n", release.display())).unwrap();
        let mode =
            |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        let other =
            Account { name: "web".into(), uid: 4711, gid: 4711, home: "/".into(), groups: vec![4711] };
        let found = |name: &str| obstacle(&other, &release.join(name));
        mode(&home, 0o711);
        mode(&closed, 0o711);
        assert_eq!(found("python"), None);
        mode(&closed, 0o700);
        assert_eq!(found("python"), Some(closed.clone()));
        assert_eq!(found("script"), Some(closed));
        assert_eq!(found("missing"), None);
        mode(&home, 0o700);
        assert_eq!(found("python"), Some(home));
    }
}
