//! The file that shows which variables a project wants, beside the `.env` that nobody commits.

use windlass_core::settings::dotenv;

use super::files::Files;

const NAMES: [&str; 5] = [".env.example", ".env.sample", ".env.template", ".env.dist", "env.example"];

/// The variables that it lists, in its order. Those that stand in comments are not wanted.
pub(super) fn names(files: &Files) -> Vec<String> {
    let Some(text) = NAMES.iter().find_map(|name| files.read(name)) else { return vec![] };
    let parsed = dotenv::parse("", &text, &|_| None, &|_| None);
    parsed.entries.into_iter().map(|entry| entry.name).collect()
}
