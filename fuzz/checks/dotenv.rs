//! Any settings file is read, and what is read can be written and read again.

use windlass_core::settings::{dotenv, write};

pub(crate) fn check(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let read = |text: &str| dotenv::parse(".env", text, &|_| None, &|_| None);
    let first = read(text);
    let values: std::collections::BTreeMap<&str, &str> =
        first.entries.iter().map(|entry| (entry.name.as_str(), entry.value.expose())).collect();
    if let Ok(written) = write(values.iter().map(|(name, value)| (*name, *value))) {
        let again = read(&written);
        assert!(again.faults.is_empty(), "{}", *written);
        let back: std::collections::BTreeMap<&str, &str> =
            again.entries.iter().map(|entry| (entry.name.as_str(), entry.value.expose())).collect();
        assert_eq!(values, back);
    }
}
