//! Every file of `docs/reference/files.md`, cut at each byte and with each of its bits flipped: what its reader makes
//! of that is a refusal that says what to do, or what the page says. Nothing begins anew unsaid.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::layout::Layout;

/// A file of state, with what writes and what reads it.
pub(crate) struct Sample {
    /// Its line in the page.
    pub(crate) page: &'static str,
    /// Where it lies in an environment.
    pub(crate) path: PathBuf,
    /// How many of its bytes are damaged, where another test has the rest.
    pub(crate) first: Option<usize>,
    /// Has the program write it.
    pub(crate) make: fn(&Layout),
    /// Has the program read it.
    pub(crate) read: fn(&Layout) -> Read,
    /// What that must come to where it is not as if nothing had happened.
    pub(crate) then: Damaged,
}

/// What a reader made of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// What it found, in words.
    Found(String),
    /// Why it refuses, for people.
    Refused(String),
}

/// What a reader makes of a damaged file.
pub(crate) enum Damaged {
    /// It says this, among others: what to do.
    Refused(&'static str),
    /// What it takes instead, as the page says.
    Otherwise(&'static str),
    /// What it would have found.
    Same,
}

impl Sample {
    /// Of a file that is called so also in the page, where the release is `r12`.
    pub(crate) fn of(page: &'static str) -> Self {
        Self {
            page,
            path: page.into(),
            first: None,
            make: |_| {},
            read: |_| Read::Found(String::new()),
            then: Damaged::Same,
        }
    }
}

impl Read {
    pub(crate) fn of<T: Debug, E: std::fmt::Display>(read: Result<T, E>) -> Self {
        match read {
            Ok(found) => Self::Found(format!("{found:?}")),
            Err(error) => Self::Refused(error.to_string()),
        }
    }
}

/// Lines of the page that are no file which something is read from, or that a test of its own damages, and which.
const ELSEWHERE: [(&str, &str); 8] = [
    ("current", "a link, which is replaced in one step"),
    ("releases/r12/", "the_release_to_go_back_to_is_damaged"),
    ("shared/", "the application's"),
    ("logs/", "nothing is decided by what stands there"),
    ("state/host.lock", "its content is not read"),
    ("state/reserve", "its content is not read"),
    ("state/run-JOB.lock", "its content is not read"),
    ("proxy/certificates/", "what cannot be used is not: proxy::control::last_good"),
];

fn samples() -> Vec<Sample> {
    let of_parts = [
        crate::host::damaged::samples(),
        crate::proxy::damaged::samples(),
        crate::resource::damaged::samples(),
        crate::keeper::damaged::samples(),
        crate::boot::damaged::samples(),
        crate::cli::damaged::samples(),
    ];
    of_parts.into_iter().flatten().collect()
}

/// The file cut at each byte, and with each bit flipped.
fn damages(whole: &[u8], first: usize) -> impl Iterator<Item = (String, Vec<u8>)> {
    let cut = (0..first).map(|length| (format!("cut at {length}"), whole[..length].to_vec()));
    let flipped = (0..first * 8).map(|bit| {
        let mut bytes = whole.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        (format!("bit {} of byte {} flipped", bit % 8, bit / 8), bytes)
    });
    cut.chain(flipped)
}

fn put(path: &Path, bytes: &[u8]) {
    let _not_there = std::fs::remove_file(path);
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path).unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
}

#[test]
fn what_is_damaged_is_refused_or_made_good_as_the_page_says() {
    for sample in samples() {
        let place = tempfile::tempdir().unwrap();
        let layout = Layout::at(place.path().join("shop/production"));
        layout.make().unwrap();
        (sample.make)(&layout);
        let path = layout.root().join(&sample.path);
        let whole = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let found = (sample.read)(&layout);
        assert!(matches!(found, Read::Found(_)), "{}: {found:?}", sample.page);
        let first = sample.first.unwrap_or(whole.len()).min(whole.len());
        let mut noticed = 0;
        for (how, bytes) in damages(&whole, first) {
            put(&path, &bytes);
            let read = (sample.read)(&layout);
            if read == found {
                continue;
            }
            noticed += 1;
            let is_good = match (&read, &sample.then) {
                (Read::Refused(why), Damaged::Refused(says)) => why.contains(says),
                (Read::Found(now), Damaged::Otherwise(instead)) => now == instead,
                _ => false,
            };
            assert!(is_good, "{} {how}: {read:?} and not {found:?}", sample.path.display());
        }
        let is_same = matches!(sample.then, Damaged::Same);
        assert_eq!(noticed == 0, is_same, "{}: {noticed} of {first} bytes", sample.path.display());
    }
}

/// The first words in the code style of a table's lines, below this heading.
fn listed(page: &str, heading: &str) -> BTreeSet<String> {
    let (_, below) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let below = below.split("\n## ").next().unwrap();
    let lines = below.lines().filter_map(|line| line.strip_prefix("| `"));
    lines.filter_map(|line| Some(line.split_once('`')?.0.to_owned())).collect()
}

#[test]
fn every_file_of_the_page_is_damaged_and_the_page_says_what_follows() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/files.md"));
    let page = page.unwrap();
    let damaged: BTreeSet<String> = samples().iter().map(|sample| sample.page.to_owned()).collect();
    let elsewhere = ELSEWHERE.iter().map(|(line, _)| (*line).to_owned());
    let known: BTreeSet<String> = damaged.iter().cloned().chain(elsewhere).collect();
    assert_eq!(
        listed(&page, "Windlass's own"),
        known,
        "each is to be damaged in a test, or named with the reason"
    );
    assert_eq!(listed(&page, "When one is damaged"), damaged, "the page says what becomes of each");
}
