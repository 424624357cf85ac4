//! What the kernel lets an account do: modes do not say all, as there are access lists, and more.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use crate::account::Account;
use crate::sys;

/// All of it is let.
const ALL: i32 = 0;

/// The first of the paths on which the account may not do this: `Some(None)` where it may on each, and `None` where
/// that cannot be told.
pub(crate) fn first_refusal(account: &Account, paths: &[PathBuf], access: Access) -> Option<Option<usize>> {
    let paths: Vec<CString> =
        paths.iter().map(|path| CString::new(path.as_os_str().as_bytes())).collect::<Result<_, _>>().ok()?;
    let (account, groups) = (account.clone(), account.group_ids());
    let answer = sys::answer_of_a_child(move || {
        account.assume(&groups)?;
        for (place, path) in (1..).zip(&paths) {
            match accessat(CWD, path.as_c_str(), access, AtFlags::empty()) {
                Ok(()) => {}
                Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => return Ok(place),
                Err(error) => return Err(io::Error::from(error)),
            }
        }
        Ok(ALL)
    });
    Some(usize::try_from(answer.ok()?).ok()?.checked_sub(1))
}

/// Whether the account may make files in a directory, where that can be told.
pub(crate) fn may_write(account: &Account, directory: &Path) -> Option<bool> {
    let refused = first_refusal(account, &[directory.to_owned()], Access::WRITE_OK | Access::EXEC_OK)?;
    Some(refused.is_none())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;
    use crate::account::is_root;

    fn web() -> Account {
        Account { name: "web".into(), uid: 4711, gid: 4712, home: "/".into(), groups: vec![4712, 4713] }
    }

    /// An access list that lets this account in, as `setfacl -m u:4711:rwx` writes it.
    fn list() -> Vec<u8> {
        let entries =
            [(1_u16, 7_u16, u32::MAX), (2, 7, 4711), (4, 0, u32::MAX), (16, 7, u32::MAX), (32, 0, u32::MAX)];
        let entry = |(tag, mode, id): (u16, u16, u32)| {
            [&tag.to_le_bytes()[..], &mode.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        [2_u32.to_le_bytes().to_vec(), entries.into_iter().flat_map(entry).collect()].concat()
    }

    #[test]
    fn the_kernel_answers_by_owner_group_and_access_list() {
        if !is_root() {
            eprintln!("passed over: only root can ask as somebody else");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o711)).unwrap();
        let directory = place.path().join("media");
        std::fs::create_dir(&directory).unwrap();
        let mode = |mode| std::fs::set_permissions(&directory, PermissionsExt::from_mode(mode)).unwrap();
        mode(0o755);
        assert_eq!(may_write(&web(), &directory), Some(false), "another's");
        mode(0o775);
        chown(&directory, None, Some(4713)).unwrap();
        assert_eq!(may_write(&web(), &directory), Some(true), "of a group that it belongs to");
        mode(0o700);
        assert_eq!(may_write(&web(), &directory), Some(false));
        assert_eq!(may_write(&web(), &place.path().join("gone")), None);
        let all = [place.path().to_owned(), directory.clone()];
        assert_eq!(first_refusal(&web(), &all, Access::EXEC_OK), Some(Some(1)));
        match rustix::fs::setxattr(
            &directory,
            "system.posix_acl_access",
            &list(),
            rustix::fs::XattrFlags::empty(),
        ) {
            Err(Errno::OPNOTSUPP) => eprintln!("passed over: this file system has no access lists"),
            set => {
                set.unwrap();
                assert_eq!(may_write(&web(), &directory), Some(true), "by the access list");
            }
        }
    }
}
