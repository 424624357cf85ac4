//! Why something is not done that was asked.

use windlass_core::protocol::Refusal;

/// Why something is not done.
#[derive(Debug)]
pub(in crate::host) struct No {
    pub(in crate::host) kind: Refusal,
    pub(in crate::host) message: String,
    pub(in crate::host) hint: String,
}

impl No {
    pub(in crate::host) fn new(kind: Refusal, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: hint.into() }
    }
}
