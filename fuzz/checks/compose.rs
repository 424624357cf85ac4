//! Any compose file is imported or refused, and what is made of it is a manifest.

use windlass_core::manifest::{self, compose};

pub(crate) fn check(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    // It may stand in for a crontab too.
    let files = |_: &str| Some(text.to_owned());
    let build = compose::Build { is_python: text.len() % 2 == 0, ..compose::Build::default() };
    let project = compose::Project { files: &files, build: Some(build) };
    if let Ok(imported) = manifest::import_compose(text, "shop", &|_| None, project) {
        assert!(manifest::load(&imported.text).0.is_some(), "{}", imported.text);
    }
}
