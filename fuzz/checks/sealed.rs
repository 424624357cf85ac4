//! Any encrypted file is read; one without a fault is written again byte for byte. A sealed one opens as
//! sound only as it was written, whatever is changed in it by somebody without a key; what opens of a changed
//! one are values that were sealed under that name.

use std::sync::LazyLock;

use windlass_core::settings::Secret;
use windlass_core::settings::sealed::{Document, Editing, Identity, Random, open, parse};

const FILE: &str = "secrets.fuzz.enc";
const VALUES: [(&str, &str); 3] = [("A", "one"), ("B", "two\nlines"), ("C", "")];

/// The key of whoever reads: not that of the example in the documentation, which is a seed.
static KEY: LazyLock<Identity> = LazyLock::new(|| Identity::new(&mut Random::from_seed(&[101; 32])));

/// What they have sealed.
static SEALED: LazyLock<String> = LazyLock::new(|| {
    let mut random = Random::from_seed(&[102; 32]);
    let mut editing = Editing::new("fuzz", &mut random);
    let other = Identity::new(&mut random);
    editing.add("reader", KEY.public(), None, Default::default(), &mut random).expect("a recipient");
    editing.add("other", other.public(), None, Default::default(), &mut random).expect("a recipient");
    for (name, value) in VALUES {
        editing.set(name, &Secret::new(value), Default::default(), &mut random).expect("a value");
    }
    editing.finish().0
});

/// A change: where, how many bytes go, and what comes in their place, or a piece of the file itself.
pub(crate) type Change = (u16, u8, Result<String, (u16, u8)>);

/// The sealed file with these changes.
pub(crate) fn changed(changes: &[Change]) -> String {
    let mut bytes = SEALED.clone().into_bytes();
    for (at, gone, come) in changes.iter().take(8) {
        let piece = |at: u16, length: u8| {
            let from = usize::from(at) % SEALED.len();
            let to = (from + usize::from(length)).min(SEALED.len());
            SEALED.as_bytes()[from..to].to_vec()
        };
        let come = match come {
            Ok(text) => text.clone().into_bytes(),
            Err((at, length)) => piece(*at, *length),
        };
        let from = usize::from(*at) % (bytes.len() + 1);
        let to = (from + usize::from(*gone)).min(bytes.len());
        bytes.splice(from..to, come);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn read(text: &str) -> Option<(Document, Vec<windlass_core::settings::Fault>)> {
    let parsed = parse(FILE, text);
    let Some(document) = parsed.document else {
        assert!(!parsed.faults.is_empty());
        return None;
    };
    if parsed.faults.is_empty() {
        assert_eq!(document.to_string(), text);
    }
    Some((document, parsed.faults))
}

/// A text as it is.
pub(crate) fn check(input: &[u8]) {
    if let Ok(text) = str::from_utf8(input) {
        check_text(text);
    }
}

/// Only what was sealed opens.
pub(crate) fn check_text(text: &str) {
    let Some((document, faults)) = read(text) else { return };
    let opened = open(FILE, document, faults, std::slice::from_ref(&*KEY));
    if text == SEALED.as_str() {
        assert!(opened.as_ref().is_ok_and(|opened| opened.is_sound()));
    }
    let Ok(opened) = opened else { return };
    assert!(!opened.is_sound() || text == SEALED.as_str());
    for (label, value) in &opened.values {
        assert!(VALUES.contains(&(label.name.as_str(), value.secret.expose())), "{label}");
        assert!(!label.pending, "{label}");
    }
}
