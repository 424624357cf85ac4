//! The file that `docs/reference/secrets-file.md` explains. Its keys and nonces are fixed, so it says
//! whether this format is still the one that was written down. Anybody else's program can be tested
//! with it.

use std::path::PathBuf;

use super::super::derive::{self, Purpose};
use super::*;

const PASSPHRASE: &str = "correct horse battery staple";
const VALUES: &[(&str, &str)] = &[
    ("DB_PASSWORD", "p:w/ö\"$%' #1"),
    ("EMPTY", ""),
    ("CERTIFICATE", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
];

fn reference(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name)
}

fn written() -> String {
    let mut random = random(100);
    let mut editing = Editing::new("example", &mut random);
    editing.add("ada", ada().public(), None, DAY, &mut random).unwrap();
    let stretch = Stretch::new(&mut random);
    let public = stretch.identity(&Secret::new(PASSPHRASE)).unwrap().public();
    editing.add("break-glass", public, Some(stretch), DAY, &mut random).unwrap();
    for (name, value) in VALUES {
        editing.set(name, &Secret::new(*value), DAY, &mut random).unwrap();
    }
    // Written twice, so that it names the first write.
    let mut editing = opened(&editing.finish().0).edit().unwrap();
    editing
        .set_pending("DB_PASSWORD", &Secret::new("its successor"), date(2026, 11, 29), &mut random)
        .unwrap();
    editing.finish().0
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// proves: DC-10
#[test]
fn the_file_of_the_reference_is_written_and_read_as_it_was() {
    let path = reference("secrets-file/secrets.example.enc");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, written()).unwrap();
        let key = format!("# For {}\n{}\n", ada().public(), ada().to_text().expose());
        std::fs::write(reference("secrets-file/example.key"), key).unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(text, written());
    let key = std::fs::read_to_string(reference("secrets-file/example.key")).unwrap();
    let identity = Identity::parse(key.split_whitespace().next_back().unwrap()).unwrap();
    let seen = open_as(&text, identity).unwrap();
    assert!(seen.is_sound());
    let values: Vec<(&str, &str)> =
        seen.in_force().map(|(name, value)| (name, value.secret.expose())).collect();
    assert_eq!(values, VALUES);
    let recipient = seen.document().recipients.last().unwrap();
    assert!(recipient.answers(&Secret::new(PASSPHRASE)).unwrap().is_some());

    // What a program that does not find the same may compare on its way.
    let page = std::fs::read_to_string(reference("secrets-file.md")).unwrap();
    let key_of = |purpose| derive::key(seen.key.bytes(), seen.document.id.as_bytes(), "example", &purpose);
    let keys = [
        ("file key", seen.key.bytes().to_vec()),
        ("origin", seen.key.origin().to_vec()),
        ("value key of `DB_PASSWORD`", key_of(Purpose::Value("DB_PASSWORD")).to_vec()),
        ("sealing key", key_of(Purpose::Seal).to_vec()),
        ("recipients' key", key_of(Purpose::Recipients).to_vec()),
    ];
    let rows: String = keys.iter().map(|(what, key)| format!("| {what} | `{}` |\n", hex(key))).collect();
    assert!(page.contains(&rows), "the page should say:\n{rows}");
    assert!(page.contains(PASSPHRASE));
}
