//! Any compose file is imported or refused, and what is made of it is a manifest.

use windlass_core::manifest::{self, compose};

pub(crate) fn check(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    // It may stand in for a crontab too.
    let files = |_: &str| Some(text.to_owned());
    let build = compose::Build { is_python: text.len() % 2 == 0, ..compose::Build::default() };
    // And its words for those of a Dockerfile.
    let image = |_: &compose::Recipe| {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let env = words.iter().filter_map(|word| word.split_once('='));
        let env = env.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Some(compose::Image { command: Some(words), env, ..compose::Image::default() })
    };
    let project = compose::Project { files: &files, build: Some(build), images: &image };
    if let Ok(imported) = manifest::import_compose(text, "shop", &|_| None, project) {
        assert!(manifest::load(&imported.text).0.is_some(), "{}", imported.text);
    }
}
