//! Signing in to the servers that the environment names, anew each time: whoever keeps a connection
//! does not notice that a password has changed.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Where `SIGN_IN` is set, signs in to PostgreSQL, if `PGPASSWORD` is set, and to Redis, if
/// `REDIS_PASSWORD` is.
pub(super) fn all() -> io::Result<()> {
    if std::env::var_os("SIGN_IN").is_none() {
        return Ok(());
    }
    if std::env::var_os("PGPASSWORD").is_some() {
        postgres()?;
    }
    match std::env::var("REDIS_PASSWORD") {
        Ok(password) => redis(&password),
        Err(_) => Ok(()),
    }
}

/// Asks PostgreSQL's own client, which reads all that it needs from the environment.
fn postgres() -> io::Result<()> {
    let mut command = Command::new(crate::outside::psql());
    command.args(["--no-psqlrc", "--no-password", "--quiet", "--output", "/dev/null"]);
    let output = command.args(["--command", "SELECT 1"]).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(io::Error::other(format!("psql: {said}"))) }
}

fn redis(password: &str) -> io::Result<()> {
    let port = std::env::var("REDIS_PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(6379);
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("*2\r\n$4\r\nAUTH\r\n${}\r\n{password}\r\n", password.len()).as_bytes())?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    match &answer {
        b"+OK\r\n" => Ok(()),
        _ => Err(io::Error::other("redis refuses the password")),
    }
}
