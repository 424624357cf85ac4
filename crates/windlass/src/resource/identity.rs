//! What is chosen once for a resource and then kept: ports and passwords.

use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use serde::{Deserialize, Serialize};
use windlass_core::settings::Secret;
use windlass_core::spec::Engine;

use super::fault::Fault;
use super::files;

/// The version of the file.
const VERSION: u32 = 1;

/// What is chosen once for a resource; kept in `identity.json`, mode 0600.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    engine: Engine,
    /// Ports on the loopback address; the first is the one for clients.
    ports: Vec<u16>,
    /// The application's password.
    password: String,
    /// The administrator's password, or what else the engine keeps secret for itself.
    admin: String,
}

/// See [`Kept`].
pub(super) struct Identity {
    pub(super) ports: Vec<u16>,
    pub(super) password: Secret,
    pub(super) admin: Secret,
}

impl Identity {
    /// The identity of the resource in `directory`: the one that is kept there, or else a new one.
    pub(super) fn of(directory: &Path, engine: Engine, ports: usize) -> Result<Self, Fault> {
        let path = directory.join("identity.json");
        let kept = match std::fs::read(&path) {
            Ok(bytes) => read(&bytes, engine, ports, &path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let kept = Kept {
                    version: VERSION,
                    engine,
                    ports: free_ports(ports).map_err(Fault::at("find a free port for", directory))?,
                    password: password()?,
                    admin: password()?,
                };
                let json = serde_json::to_vec(&kept)
                    .map_err(|error| Fault::at("write", &path)(io::Error::other(error)))?;
                files::private_file(&path, &json, None)?;
                kept
            }
            Err(error) => return Err(Fault::at("read", &path)(error)),
        };
        Ok(Self { ports: kept.ports, password: kept.password.into(), admin: kept.admin.into() })
    }
}

fn read(bytes: &[u8], engine: Engine, ports: usize, path: &Path) -> Result<Kept, Fault> {
    let help = "restore it from a backup; or, to begin with an empty resource, move its directory away";
    let kept: Kept = serde_json::from_slice(bytes)
        .map_err(|error| Fault::new(format!("{} is damaged: {error}", path.display()), help))?;
    if kept.version != VERSION {
        let message = format!("{} has version {}, not {VERSION}", path.display(), kept.version);
        return Err(Fault::new(message, "use the Windlass that wrote it, or a newer one"));
    }
    if kept.engine != engine || kept.ports.len() != ports {
        let message =
            format!("{} belongs to a resource of another engine, {:?}", path.display(), kept.engine);
        return Err(Fault::new(message, "give the new resource another name"));
    }
    Ok(kept)
}

/// 32 letters and digits, some 190 bits: nothing in it has a meaning in a URL or a shell.
fn password() -> Result<String, Fault> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let source = Path::new("/dev/urandom");
    let mut text = String::new();
    while text.len() < 32 {
        let mut bytes = [0; 64];
        random(&mut bytes).map_err(Fault::at("read", source))?;
        // Bytes from 248 on are left out, so that every letter is as likely as every other.
        let fair = bytes.iter().filter(|&&b| b < 248);
        text.extend(fair.map(|&b| char::from(LETTERS[usize::from(b % 62)])).take(32 - text.len()));
    }
    Ok(text)
}

fn random(bytes: &mut [u8]) -> io::Result<()> {
    File::open("/dev/urandom")?.read_exact(bytes)
}

/// Free ports below those that the system hands out for outgoing connections, so that none of
/// these takes a resource's port while it restarts.
fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    const FIRST: u16 = 20_000;
    let end = ephemeral_begin().filter(|&end| end > FIRST + 1000).unwrap_or(32_768);
    let mut held = vec![];
    for _ in 0..2000 {
        if held.len() == count {
            break;
        }
        let mut bytes = [0; 2];
        random(&mut bytes)?;
        let port = FIRST + u16::from_ne_bytes(bytes) % (end - FIRST);
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener));
        }
    }
    if held.len() < count {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, format!("no free port from {FIRST} to {end}")));
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

fn ephemeral_begin() -> Option<u16> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    range.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_chosen_is_kept_and_only_ours_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let first = Identity::of(dir.path(), Engine::Redis, 1).unwrap();
        let again = Identity::of(dir.path(), Engine::Redis, 1).unwrap();
        assert!(
            first.ports == again.ports && first.password == again.password && first.password != first.admin
        );
        assert_eq!(first.password.expose().len(), 32);
        let mode = std::fs::metadata(dir.path().join("identity.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = Identity::of(dir.path(), Engine::Postgres, 1).err().unwrap();
        assert!(other.to_string().contains("give the new resource another name"), "{other}");
    }

    #[test]
    fn a_damaged_identity_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("identity.json"), "{\"version\":1,").unwrap();
        let fault = Identity::of(dir.path(), Engine::Redis, 1).err().unwrap();
        assert!(fault.message.contains("is damaged"), "{fault}");
    }
}
