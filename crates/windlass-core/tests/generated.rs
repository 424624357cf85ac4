//! The schema and the reference that stand in the repository are those of the code:
//! `BLESS=1 cargo test -p windlass-core --test generated` writes them anew.

// Tests may look at files, and may fail; the library may not.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use windlass_core::manifest::{self, reference, schema};

fn is_current(file: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{file} is not current; run BLESS=1 cargo test -p windlass-core --test generated"
    );
}

#[test]
fn the_schema_is_current() {
    let text = serde_json::to_string_pretty(&schema::json_schema()).unwrap();
    is_current("schema/windlass.schema.json", &format!("{text}\n"));
}

#[test]
fn the_reference_is_current() {
    is_current("docs/reference/manifest.md", &reference::markdown());
}

/// Every example of the reference is one that the parser takes.
#[test]
fn the_examples_of_the_reference_are_right() {
    let reference = reference::markdown();
    let examples = reference.split("```toml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let mut checked = 0;
    for example in examples {
        let text = if example.starts_with('[') && example.starts_with("[app]") {
            format!("{example}\n[services.web]\ncommand = \"run\"\n")
        } else if example.starts_with('[') {
            format!("[app]\nname = \"shop\"\n{}\n{example}\n", services_for(example))
        } else if example.starts_with("smoke") {
            format!("[app]\nname = \"shop\"\n{}\n[deploy]\n{example}\n", services_for(""))
        } else if example.starts_with("rate_limit") {
            format!(
                "[app]\nname = \"shop\"\n{}\n[[routes]]\nservice = \"web\"\n{example}\n",
                services_for("")
            )
        } else {
            format!("[app]\nname = \"shop\"\n[services.web]\ncommand = \"run\"\nport = \"auto\"\n{example}\n")
        };
        let errors: Vec<_> = manifest::load(&text).1.into_iter().filter(manifest_error).collect();
        assert!(errors.is_empty(), "{text}\n{errors:#?}");
        checked += 1;
    }
    assert!(checked > 10);
}

fn manifest_error(diag: &windlass_core::diag::Diag) -> bool {
    diag.is_error()
}

/// What an example refers to and does not show.
fn services_for(example: &str) -> &'static str {
    if example.contains("[services.web]") {
        "[resources.db]\nengine = \"postgres\""
    } else {
        "[services.web]\ncommand = \"run\"\nport = \"auto\""
    }
}
