//! Why somebody who was asked for something, a server or a program, did not give it.

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The manifest names what is not there.
    Manifest,
    /// Whoever deploys has no credentials, wrong ones, or too few rights.
    Deployer,
    /// Whoever was asked does not do what it should.
    Server,
    /// Whoever was to be asked cannot be reached.
    Network,
}

/// A fault before it is known what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// What happened: the rest of a sentence that begins with who was asked.
    pub(crate) what: String,
    /// What to do.
    pub(crate) hint: String,
    pub(crate) whose: Whose,
    /// Whether the same may go well later, with nothing changed.
    pub(crate) retry: bool,
    /// Whoever was asked is well, and says that there is no such thing.
    pub(crate) absent: bool,
}

impl Trouble {
    pub(crate) fn new(whose: Whose, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into(), whose, retry: false, absent: false }
    }

    /// It may go well later.
    pub(crate) fn passing(self) -> Self {
        Self { retry: true, ..self }
    }

    /// There is no such thing, if `is` says so.
    pub(crate) fn absent_if(self, is: bool) -> Self {
        Self { absent: is, ..self }
    }
}
