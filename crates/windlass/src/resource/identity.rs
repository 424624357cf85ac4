//! What is chosen for a resource and then kept: ports once, passwords until they are exchanged.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use windlass_core::settings::Secret;
use windlass_core::spec::{Credential, Engine};
use zeroize::Zeroizing;

use super::fault::Fault;
use super::files;
use crate::{checksummed, ports, random};

/// The version of the file. The first had one password, and no more.
const VERSION: u32 = 2;

/// How many passwords that were revoked are masked still.
const FORMER: usize = 16;

/// What is kept of a resource in `identity.json`, mode 0600.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    engine: Engine,
    /// Ports on the loopback address; the first is the one for clients.
    ports: Vec<u16>,
    /// What the application signs in with, the oldest first.
    accounts: Vec<Account>,
    /// Passwords that let nobody in any more, the latest last: logs may hold them for a while, so
    /// they go on being masked.
    #[serde(default)]
    former: Vec<Zeroizing<String>>,
    /// The administrator's password, or what else the engine keeps secret for itself.
    admin: Zeroizing<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    credential: Credential,
    password: Zeroizing<String>,
    /// It is being taken away: the server may know it still, but nothing is given it any more.
    #[serde(default)]
    revoked: bool,
}

/// The file's first version.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    #[serde(rename = "version")]
    _version: u32,
    engine: Engine,
    ports: Vec<u16>,
    password: Zeroizing<String>,
    admin: Zeroizing<String>,
}

/// What is read first.
#[derive(Deserialize)]
struct Version {
    version: Option<u64>,
}

/// See [`Kept`].
pub(super) struct Identity {
    pub(super) ports: Vec<u16>,
    pub(super) admin: Secret,
    /// What may sign in, the oldest first.
    pub(super) accounts: Vec<(Credential, Secret)>,
    /// What may not any more, as soon as the server knows it.
    pub(super) revoked: Vec<(Credential, Secret)>,
}

impl Identity {
    /// The identity of the resource in `directory`: the one that is kept there, or else a new one
    /// that knows this credential.
    pub(super) fn of(
        directory: &Path,
        engine: Engine,
        ports: usize,
        credential: Credential,
    ) -> Result<Self, Fault> {
        let kept = match read(directory, engine, ports)? {
            Some(kept) => kept,
            None => {
                let kept = Kept {
                    version: VERSION,
                    engine,
                    ports: ports::free(ports, &[]).map_err(Fault::at("find a free port for", directory))?,
                    accounts: vec![Account { credential, password: password()?, revoked: false }],
                    former: Vec::new(),
                    admin: password()?,
                };
                write(directory, &kept)?;
                kept
            }
        };
        let (revoked, accounts): (Vec<Account>, Vec<_>) = kept.accounts.into_iter().partition(|a| a.revoked);
        let listed = |accounts: Vec<Account>| {
            accounts.into_iter().map(|account| (account.credential, secret(account.password))).collect()
        };
        Ok(Self {
            ports: kept.ports,
            admin: secret(kept.admin),
            accounts: listed(accounts),
            revoked: listed(revoked),
        })
    }

    /// The password of a credential that may sign in.
    pub(super) fn password(&self, credential: Credential) -> Result<&Secret, Fault> {
        let found = self.accounts.iter().find(|(known, _)| *known == credential);
        found.map(|(_, password)| password).ok_or_else(|| {
            Fault::new(
                format!("{credential} is not one that the resource knows: it was revoked"),
                "deploy again: what is started then signs in with the one in force",
            )
        })
    }
}

/// The credentials that are kept for the resource in `directory`, also those that are about to be
/// revoked; none where nothing can be read.
pub(super) fn credentials(directory: &Path) -> Vec<Credential> {
    let text = bytes_of(&directory.join("identity.json")).unwrap_or_default();
    let kept = parse(&text).ok();
    kept.map(|kept| kept.accounts.iter().map(|account| account.credential).collect()).unwrap_or_default()
}

/// The credentials that may sign in, the oldest first.
pub(super) fn in_force(directory: &Path) -> Vec<Credential> {
    let text = bytes_of(&directory.join("identity.json")).unwrap_or_default();
    let accounts = parse(&text).map(|kept| kept.accounts).unwrap_or_default();
    accounts.iter().filter(|account| !account.revoked).map(|account| account.credential).collect()
}

/// The password of a credential that is kept, also of one that is about to be revoked.
pub(super) fn password_of(directory: &Path, credential: Credential) -> Option<Secret> {
    let text = bytes_of(&directory.join("identity.json")).ok()?;
    let accounts = parse(&text).ok()?.accounts;
    accounts
        .into_iter()
        .find(|account| account.credential == credential)
        .map(|account| secret(account.password))
}

/// Every secret that is kept for the resource in `directory`, and those that let nobody in any more:
/// what is to be masked.
pub(super) fn secrets(directory: &Path) -> std::io::Result<Vec<Secret>> {
    let text = match bytes_of(&directory.join("identity.json")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let kept = parse(&text).map_err(|_| std::io::Error::other("identity.json cannot be understood"))?;
    let accounts = kept.accounts.into_iter().map(|account| account.password);
    Ok(accounts.chain(kept.former).chain([kept.admin]).map(secret).collect())
}

/// Makes a password for one more credential, unless there is one.
pub(super) fn add(directory: &Path, credential: Credential) -> Result<(), Fault> {
    change(directory, |kept| {
        let accounts = &mut kept.accounts;
        match accounts.iter_mut().find(|account| account.credential == credential) {
            Some(account) => account.revoked = false,
            None => accounts.push(Account { credential, password: password()?, revoked: false }),
        }
        Ok(())
    })
}

/// Marks a credential as one that nothing is given any more.
pub(super) fn revoke(directory: &Path, credential: Credential) -> Result<(), Fault> {
    change(directory, |kept| {
        kept.accounts.iter_mut().filter(|a| a.credential == credential).for_each(|a| a.revoked = true);
        Ok(())
    })
}

/// Forgets a credential that the server does not know any more.
pub(super) fn forget(directory: &Path, credential: Credential) -> Result<(), Fault> {
    change(directory, |kept| {
        let gone = kept.accounts.extract_if(.., |account| account.credential == credential);
        kept.former.extend(gone.map(|account| account.password));
        kept.former.drain(..kept.former.len().saturating_sub(FORMER));
        Ok(())
    })
}

fn change(directory: &Path, with: impl FnOnce(&mut Kept) -> Result<(), Fault>) -> Result<(), Fault> {
    let path = directory.join("identity.json");
    let text = bytes_of(&path).map_err(Fault::at("read", &path))?;
    let mut kept = parse(&text).map_err(|why| damaged(&path, &why))?;
    with(&mut kept)?;
    write(directory, &kept)
}

fn write(directory: &Path, kept: &Kept) -> Result<(), Fault> {
    let path = directory.join("identity.json");
    let text = checksummed::text(kept).map_err(Fault::at("write", &path))?;
    files::private_file(&path, &text, None)
}

/// What is kept; `None` where nothing is.
fn read(directory: &Path, engine: Engine, ports: usize) -> Result<Option<Kept>, Fault> {
    let path = directory.join("identity.json");
    let bytes = match bytes_of(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fault::at("read", &path)(error)),
    };
    let kept = parse(&bytes).map_err(|why| damaged(&path, &why))?;
    if kept.engine != engine || kept.ports.len() != ports {
        let message =
            format!("{} belongs to a resource of another engine, {}", path.display(), kept.engine.title());
        return Err(Fault::new(message, "give the new resource another name"));
    }
    Ok(Some(kept))
}

/// Why a file cannot be understood: never with what stands in it.
enum Unread {
    Damaged(&'static str),
    OfVersion(u64),
}

fn parse(bytes: &[u8]) -> Result<Kept, Unread> {
    let Version { version } = checksummed::value(bytes).map_err(Unread::Damaged)?;
    match version {
        Some(1) => {
            let first: First = checksummed::value(bytes).map_err(Unread::Damaged)?;
            let account = Account { credential: Credential::FIRST, password: first.password, revoked: false };
            let First { engine, ports, admin, .. } = first;
            Ok(Kept { version: VERSION, engine, ports, accounts: vec![account], former: Vec::new(), admin })
        }
        Some(version) if version != u64::from(VERSION) => Err(Unread::OfVersion(version)),
        _ => checksummed::value(bytes).map_err(Unread::Damaged),
    }
}

fn damaged(path: &Path, why: &Unread) -> Fault {
    match why {
        Unread::Damaged(why) => Fault::new(
            checksummed::damaged(path, why).to_string(),
            "restore it from a backup; or, to begin with an empty resource, move its directory away",
        ),
        Unread::OfVersion(version) => Fault::new(
            format!("{} has version {version}, not {VERSION}", path.display()),
            "use the Windlass that wrote it, or a newer one",
        ),
    }
}

/// 32 letters and digits, some 190 bits: nothing in it has a meaning in a URL or a shell.
fn password() -> Result<Zeroizing<String>, Fault> {
    let mut random = random::fresh().map_err(|error| Fault::new(error.to_string(), "try again"))?;
    Ok(Zeroizing::new(random.text(32).expose().to_owned()))
}

fn secret(mut text: Zeroizing<String>) -> Secret {
    Secret::new(std::mem::take(&mut *text))
}

/// What stands in the file; wiped when it was understood.
fn bytes_of(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    std::fs::read(path).map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn identity(directory: &Path, engine: Engine) -> Result<Identity, Fault> {
        Identity::of(directory, engine, 1, Credential::FIRST)
    }

    #[test]
    fn what_is_chosen_is_kept_and_only_ours_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let first = identity(dir.path(), Engine::Redis).unwrap();
        let again = identity(dir.path(), Engine::Redis).unwrap();
        let password = first.password(Credential::FIRST).unwrap();
        assert!(first.ports == again.ports && password == again.password(Credential::FIRST).unwrap());
        assert!(*password != first.admin && password.expose().len() == 32);
        let mode = std::fs::metadata(dir.path().join("identity.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = identity(dir.path(), Engine::Postgres).err().unwrap();
        assert!(other.to_string().contains("give the new resource another name"), "{other}");
    }

    #[test]
    fn a_damaged_identity_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        for damaged in ["{\"version\":1,", "{\"version\":2,\"admin\":{\"hunter2\":1}}"] {
            std::fs::write(dir.path().join("identity.json"), damaged).unwrap();
            let fault = identity(dir.path(), Engine::Redis).err().unwrap();
            assert!(fault.message.contains("is damaged") && !fault.message.contains("hunter2"), "{fault}");
        }
        std::fs::write(dir.path().join("identity.json"), "{\"version\":3}").unwrap();
        let fault = identity(dir.path(), Engine::Redis).err().unwrap();
        assert!(fault.message.contains("has version 3, not 2"), "{fault}");
    }

    #[test]
    fn a_file_of_the_first_version_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let text = r#"{"version":1,"engine":"redis","ports":[20001],"password":"old","admin":"boss"}"#;
        std::fs::write(dir.path().join("identity.json"), text).unwrap();
        let read = identity(dir.path(), Engine::Redis).unwrap();
        assert_eq!(read.password(Credential::FIRST).unwrap().expose(), "old");
        assert_eq!((read.ports, read.admin.expose()), (vec![20001], "boss"));
    }

    // proves: HS-19
    #[test]
    fn a_credential_comes_is_revoked_and_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (first, new) = (Credential::FIRST, Credential::of(windlass_core::name::ReleaseId(7)));
        identity(dir.path(), Engine::Redis).unwrap();
        add(dir.path(), new).unwrap();
        let password = password_of(dir.path(), new).unwrap();
        add(dir.path(), new).unwrap();
        assert!(password_of(dir.path(), new).unwrap() == password, "asked for twice, it is the same");
        revoke(dir.path(), first).unwrap();
        // Nothing is given it any more, but until the server has heard of it, it is not forgotten.
        let now = identity(dir.path(), Engine::Redis).unwrap();
        assert!(now.password(first).is_err() && *now.password(new).unwrap() == password);
        assert_eq!(credentials(dir.path()), [first, new]);
        forget(dir.path(), first).unwrap();
        forget(dir.path(), first).unwrap();
        assert_eq!(credentials(dir.path()), [new]);
        let fault = identity(dir.path(), Engine::Redis).unwrap().password(first).err().unwrap();
        assert!(fault.message.starts_with("the first credential is not one"), "{fault}");
    }
}
