//! Any compose file is imported or refused, and what is made of it is a manifest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use windlass_core::manifest;

fuzz_target!(|text: &str| {
    if let Ok(imported) = manifest::import_compose(text, "shop", &|_| None) {
        assert!(manifest::load(&imported.text).0.is_some(), "{}", imported.text);
    }
});
