//! Asking servers in their own protocols whether they serve.

mod amqp;
mod postgres;
pub(super) mod redis;
mod wire;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use indexmap::IndexMap;
use windlass_core::spec::Engine;

use wire::Wire;

/// Why a server does not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady {
    /// The reason, for a person; holds no secret.
    pub reason: String,
}

impl NotReady {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for NotReady {}

pub(super) fn ready(
    engine: Engine,
    facts: &IndexMap<String, String>,
    timeout: Duration,
) -> Result<(), NotReady> {
    let fact = |name: &str| facts.get(name).map_or("", String::as_str);
    let tls = ["rediss://", "amqps://"].iter().any(|scheme| fact("url").starts_with(scheme));
    let place = format!("{}:{}", fact("host"), fact("port"));
    let asked = || {
        let mut wire = Wire::connect(fact("host"), fact("port"), timeout)?;
        match engine {
            // Behind TLS, more than that the port accepts connections is for the application to find.
            _ if tls => Ok(()),
            Engine::Postgres => postgres::ask(&mut wire, fact("user"), fact("database")),
            Engine::Redis => redis::ask(&mut wire, fact("user"), fact("password")),
            Engine::Rabbitmq => amqp::ask(&mut wire, fact("user"), fact("password"), fact("vhost")),
        }
    };
    asked().map_err(|why: NotReady| NotReady::new(format!("{}: {}", place, why.reason)))
}

/// Asks a private Redis something that it answers with OK.
pub(super) fn redis_command(
    port: u16,
    password: &str,
    words: &[&str],
    timeout: Duration,
) -> Result<(), NotReady> {
    let mut wire = Wire::connect("127.0.0.1", &port.to_string(), timeout)?;
    redis::command(&mut wire, password, words)
}

/// Signs in to a RabbitMQ, with TLS where the facts' URL says so.
pub(super) fn amqp_sign_in(
    facts: &IndexMap<String, String>,
    authorities: Option<&Path>,
    timeout: Duration,
) -> Result<(), NotReady> {
    let fact = |name: &str| facts.get(name).map_or("", String::as_str);
    let mut wire = Wire::connect(fact("host"), fact("port"), timeout)?;
    if fact("url").starts_with("amqps:") {
        wire = wire.encrypted(fact("host"), authorities)?;
    }
    amqp::ask(&mut wire, fact("user"), fact("password"), fact("vhost"))
}

/// A Redis that somebody has signed in to, with TLS where the facts' URL says so.
pub(super) fn redis_session(
    facts: &IndexMap<String, String>,
    authorities: Option<&Path>,
    timeout: Duration,
) -> Result<redis::Session, NotReady> {
    let fact = |name: &str| facts.get(name).map_or("", String::as_str);
    let mut wire = Wire::connect(fact("host"), fact("port"), timeout)?;
    if fact("url").starts_with("rediss:") {
        wire = wire.encrypted(fact("host"), authorities)?;
    }
    redis::Session::begin(wire, fact("user"), fact("password"))
}
