//! Whether an account gets at a file: which directory is in its way.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::Access;

use crate::access::first_refusal;
use crate::account::Account;

/// The system follows no more links in one path.
const MOST_LINKS: usize = 40;

/// The directory that does not let the account pass to the program at `path`, which is absolute; or to the
/// interpreter that a script names. `None` where there is none such, whatever else is wrong.
pub(crate) fn obstacle(account: &Account, path: &Path) -> Option<PathBuf> {
    blocking(account, path).or_else(|| blocking(account, &interpreter(path)?))
}

/// What to do about a directory that does not let an account in. Nobody's home is opened for that.
pub(crate) fn remedy(closed: &Path) -> String {
    let elsewhere = "use a program that lies elsewhere, such as below /usr";
    match ["/root", "/home"].iter().any(|home| closed.starts_with(home)) {
        true => format!("{elsewhere}: what is in a home directory stays closed to others"),
        false => format!("let it in (chmod o+x {}), or {elsewhere}", closed.display()),
    }
}

fn blocking(account: &Account, path: &Path) -> Option<PathBuf> {
    let passed = passed(path);
    let refused = first_refusal(account, &passed, Access::EXEC_OK)??;
    passed.into_iter().nth(refused)
}

/// The directories on the way to a path, as far as there is one.
fn passed(path: &Path) -> Vec<PathBuf> {
    let mut at = PathBuf::from("/");
    let mut passed = Vec::new();
    let mut rest: VecDeque<OsString> = parts(path);
    let mut links = 0;
    while let Some(part) = rest.pop_front() {
        if !at.is_dir() {
            break;
        }
        if !passed.contains(&at) {
            passed.push(at.clone());
        }
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        let Ok(facts) = next.symlink_metadata() else { break };
        if !facts.is_symlink() {
            at = next;
            continue;
        }
        links += 1;
        let Some(target) = next.read_link().ok().filter(|_| links <= MOST_LINKS) else { break };
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        rest = parts(&target).into_iter().chain(rest).collect();
    }
    passed
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let named = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    named.map(|part| part.as_os_str().to_owned()).collect()
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
    fn nobody_is_told_to_open_a_home() {
        for (closed, is_opened) in [("/root", false), ("/home/ann/.pyenv", false), ("/srv/tools", true)] {
            assert_eq!(remedy(Path::new(closed)).contains("chmod"), is_opened, "{closed}");
        }
    }

    #[test]
    fn the_directory_behind_a_link_is_found() {
        if !crate::account::is_root() {
            eprintln!("passed over: only root can ask as somebody else");
            return;
        }
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
