//! Asking an instance how it is.
//!
//! [`probe`] asks once. How often it is asked, and what the answers come to, is decided by
//! `windlass_core::policy::health`.

mod command;
mod http;
mod tail;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use windlass_core::spec::{Probe, Reference};

use crate::variables::Variables;

/// Answers with a reference's value, or says why there is none.
pub type Values = Arc<dyn Fn(&Reference) -> Result<String, String> + Send + Sync>;

/// Who is asked.
#[derive(Clone)]
pub struct Target {
    /// Where it listens, if it listens.
    pub address: Option<SocketAddr>,
    /// Its working directory.
    pub directory: PathBuf,
    /// Its whole environment: a probe's command gets this and nothing else.
    pub env: Variables,
    /// The account it runs as, where that is another than ours.
    pub user: Option<String>,
    /// What the references in a probe's command stand for.
    pub values: Values,
}

/// Why a probe did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unhealthy {
    /// The reason, for a person; a command's output in it is not redacted.
    pub reason: String,
}

impl Unhealthy {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Unhealthy {}

/// Asks once. Nothing of a command is left when this returns or is dropped.
///
/// # Errors
/// [`Unhealthy`] with the reason, also when there is no answer within `timeout`.
pub async fn probe(probe: &Probe, target: &Target, timeout: Duration) -> Result<(), Unhealthy> {
    match probe {
        Probe::Http { path, status, host } => {
            let address = listening(target)?;
            let asked = http::get(address, path, *status, host.as_deref());
            tokio::time::timeout(timeout, asked).await.unwrap_or_else(|_| {
                let path = path.escape_debug();
                Err(Unhealthy::new(format!("GET {path} on {address} was not answered within {timeout:?}")))
            })
        }
        Probe::Tcp => {
            let address = listening(target)?;
            match tokio::time::timeout(timeout, TcpStream::connect(address)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(Unhealthy::new(format!("cannot connect to {address}: {error}"))),
                Err(_) => Err(Unhealthy::new(format!("{address} did not accept within {timeout:?}"))),
            }
        }
        Probe::Command(command) => command::run(command, target, timeout).await,
    }
}

fn listening(target: &Target) -> Result<SocketAddr, Unhealthy> {
    target
        .address
        .ok_or_else(|| Unhealthy::new("it has no port to ask; give the service one, or use a command"))
}
