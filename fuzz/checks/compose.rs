//! Any compose file is imported or refused, and what is made of it is a manifest.

use windlass_core::manifest;

pub(crate) fn check(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(imported) = manifest::import_compose(text, "shop", &|_| None) {
        assert!(manifest::load(&imported.text).0.is_some(), "{}", imported.text);
    }
}
