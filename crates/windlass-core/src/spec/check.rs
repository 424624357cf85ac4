//! Health checks.

use serde::{Deserialize, Serialize};

use super::{Command, Statuses};
use crate::units::Span;

/// The checks of a service or a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checks {
    /// Must succeed once before the other two begin; its failures count only after its start period.
    pub startup: Option<Check>,
    /// Whether the instance gets requests. It gates the deploy, and goes on afterwards.
    pub readiness: Option<Check>,
    /// Whether the instance has to be restarted.
    pub liveness: Option<Check>,
}

/// One check, repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What is asked.
    pub probe: Probe,
    /// How often.
    pub interval: Span,
    /// How long one answer may take.
    pub timeout: Span,
    /// How long after the start failures do not count; a startup or readiness check that has not
    /// succeeded by its end has failed. A readiness check's begins when the startup check has passed.
    pub start_period: Span,
    /// How many successes in a row make it healthy.
    pub healthy_after: u32,
    /// How many failures in a row make it unhealthy.
    pub unhealthy_after: u32,
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// `GET` on the instance's port; healthy is a status from 200 to 399, or what is named.
    Http {
        /// The path, beginning with `/`.
        path: String,
        /// What is healthy, where that is named.
        status: Option<Statuses>,
        /// The `Host` header, where the application insists on one.
        host: Option<String>,
    },
    /// The instance's port accepts a connection.
    Tcp,
    /// A command, in the instance's directory with its environment, ends with exit code 0.
    Command(Command),
}
