//! Bad manifests, and the messages they get, written down literally: `bad/NN-name.toml` beside
//! `bad/NN-name.expected`. `BLESS=1 cargo test -p windlass-core --test bad_manifests` writes what
//! is printed now; look at the difference before committing it.
//!
//! A comment `# resolve ENVIRONMENT KEY=VALUE ...` in the first line also resolves the manifest for
//! that environment, with those settings; `KEY!=VALUE` is a secret. `sealed` says that it has an encrypted file.

// Tests may look at files, and may fail; the library may not.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use windlass_core::diag::{self, Diag};
use windlass_core::manifest;
use windlass_core::resolve::{examine_values, resolve};
use windlass_core::spec::Setting;

fn files(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(directory);
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

fn faults(text: &str) -> Vec<Diag> {
    let (manifest, mut diags) = manifest::load(text);
    let Some(line) = text.lines().next().and_then(|line| line.strip_prefix("# resolve ")) else {
        return diags;
    };
    let Some(mut manifest) = manifest else { return diags };
    let mut words = line.split(' ');
    let environment = words.next().unwrap();
    let (sealed, words): (Vec<&str>, Vec<&str>) = words.partition(|word| *word == "sealed");
    if !sealed.is_empty() {
        manifest.has_encrypted_file(environment);
    }
    let settings: IndexMap<String, Setting> = words
        .into_iter()
        .map(|word| {
            let (key, value) = word.split_once('=').unwrap();
            let secret = key.ends_with('!');
            let setting = Setting { secret, fingerprint: value.to_owned(), ..Setting::default() };
            (key.trim_end_matches('!').to_owned(), setting)
        })
        .collect();
    if diag::any_error(&diags) {
        examine_values(&manifest, environment, &settings, &mut diags);
    } else {
        diags.extend(resolve(&manifest, environment, &settings).err().unwrap_or_default());
    }
    diags
}

#[test]
fn every_bad_manifest_gets_the_message_that_is_written_down() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut differences = String::new();
    let files = files("bad");
    assert!(files.len() >= 60, "there are only {} bad manifests", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let diags = faults(&text);
        let printed = diag::render_all(&diags, &text, "windlass.toml");
        for diag in &diags {
            assert!(diag.span.start <= diag.span.end && diag.span.end <= text.len(), "{file:?}: {diag:?}");
        }
        assert!(!diags.is_empty(), "{} is not bad", file.display());
        let expected = file.with_extension("expected");
        if bless {
            std::fs::write(&expected, &printed).unwrap();
        }
        let written = std::fs::read_to_string(&expected).unwrap_or_default();
        if written != printed {
            let name = file.file_name().unwrap().to_string_lossy();
            let _ = writeln!(differences, "=== {name}\n--- written down\n{written}\n+++ printed\n{printed}");
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn good_manifests_get_no_message() {
    for file in files("good") {
        let text = std::fs::read_to_string(&file).unwrap();
        let (manifest, diags) = manifest::load(&text);
        assert!(diags.is_empty(), "{}", diag::render_all(&diags, &text, &file.display().to_string()));
        assert!(manifest.is_some());
    }
}
