//! `windlass check`: what is wrong with the manifest.

use std::path::Path;

use windlass_core::diag::{self, Diag};

use crate::project::diag::{Style, render, to_json};
use crate::project::load::Loaded;

/// What a check found, for whoever prints it.
#[derive(Debug)]
pub struct Checked {
    /// All faults and warnings.
    pub diags: Vec<Diag>,
    /// The text of the manifest.
    pub text: String,
    /// How the file is called in messages.
    pub file: String,
}

impl Checked {
    /// Of a manifest that was loaded, with what resolving it added (see
    /// [`windlass_core::resolve::resolve`]).
    #[must_use]
    pub fn new(loaded: &Loaded, more: Vec<Diag>) -> Self {
        let mut diags = loaded.diags.clone();
        for diag in more {
            if !diags.contains(&diag) {
                diags.push(diag);
            }
        }
        Self { diags, text: loaded.text.clone(), file: loaded.path.display().to_string() }
    }

    /// Checks the manifest `path` without looking for the values of settings.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of_file(path: &Path) -> std::io::Result<Self> {
        Ok(Self::new(&crate::project::load::load(path)?, vec![]))
    }

    /// Whether nothing stands in the way of a deploy.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !diag::any_error(&self.diags)
    }

    /// For people.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        if self.diags.is_empty() {
            return format!("{} is good.\n", self.file);
        }
        render(&self.diags, &self.text, &self.file, style)
    }

    /// For programs: one document.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "good": self.is_good(), "faults": to_json(&self.diags, &self.text, &self.file) })
    }
}
