//! What a source had, and could not be read: such a setting is not called missing, and nothing below
//! is taken for its value.

use super::{Secret, is_setting_name};

/// The settings that a faulty source has, or may have.
#[derive(Debug, Clone, Default)]
pub struct Lost {
    /// What stands where names do. A line that is broken may have a piece of a value there.
    names: Vec<Secret>,
    any: bool,
}

impl Lost {
    /// Nobody knows which.
    #[must_use]
    pub fn any() -> Self {
        Self { names: vec![], any: true }
    }

    /// Adds what stands where a name does.
    pub fn name(&mut self, text: &str) {
        self.names.push(Secret::new(text));
    }

    /// Adds what another source has lost.
    pub fn add(&mut self, other: Self) {
        self.names.extend(other.names);
        self.any |= other.any;
    }

    /// Whether it may be any setting.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.any
    }

    /// Whether a setting seems to have been meant: `SECRET KEY` and `secret-key` mean `SECRET_KEY`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let one = |c: char| if c.is_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        self.names.iter().any(|lost| lost.expose().chars().map(one).eq(name.chars().map(one)))
    }

    /// Those that are called as a setting can be.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(Secret::expose).filter(|name| is_setting_name(name))
    }
}
