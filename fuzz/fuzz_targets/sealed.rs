//! Any encrypted file is read; one without a fault is written again byte for byte, and none opens
//! as sound that nobody has sealed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use windlass_core::settings::sealed::{Identity, Random, open, parse};

fuzz_target!(|text: &str| {
    let parsed = parse("secrets.fuzz.enc", text);
    let Some(document) = parsed.document else {
        assert!(!parsed.faults.is_empty());
        return;
    };
    if parsed.faults.is_empty() {
        assert_eq!(document.to_string(), text);
    }
    let key = Identity::new(&mut Random::from_seed(&[1; 32]));
    if let Ok(opened) = open("secrets.fuzz.enc", document, parsed.faults, &[key]) {
        assert!(!opened.is_sound());
    }
});
