//! Whatever the text, reading it ends, without a panic, with faults that point into it.

use indexmap::IndexMap;
use proptest::prelude::*;
use windlass_core::diag;
use windlass_core::manifest;
use windlass_core::resolve::resolve;

const SHOP: &str = include_str!("good/shop.toml");

/// Reads a text to the end and checks what is said about it.
fn read(text: &str) -> Result<(), TestCaseError> {
    let (manifest, diags) = manifest::load(text);
    for diag in &diags {
        prop_assert!(diag.span.start <= diag.span.end && diag.span.end <= text.len(), "{diag:?}");
        let rendered = diag.render(text, "windlass.toml");
        prop_assert!(!rendered.chars().any(|c| c.is_control() && c != '\n'), "{rendered:?}");
    }
    if let Some(manifest) = manifest {
        for environment in manifest.environments() {
            let resolved = resolve(&manifest, &environment, &IndexMap::new());
            if diag::any_error(&diags) && resolved.is_ok() {
                // An error in another environment does not stop this one.
                prop_assert!(manifest.environments().len() > 1, "{diags:?}");
            }
        }
    }
    Ok(())
}

/// Words that mean something in a manifest, and some that hurt.
fn token() -> impl Strategy<Value = String> {
    let words = vec![
        "[app]",
        "[services.web]",
        "[[routes]]",
        "[environments.production]",
        "[resources.db]",
        "name",
        "command",
        "port",
        "replicas",
        "needs",
        "env",
        "=",
        "\"auto\"",
        "\"{port}\"",
        "\"{settings.A}\"",
        "\"{resources.db.url}\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\n",
        "8000",
        "-1",
        "1e400",
        "true",
        "\"é\"",
        "'",
        "\"",
        "'''",
        "shell",
        "http",
        "readiness",
        "strategy",
        "rolling",
        "engine",
        "\"postgres\"",
        "99999999999999999999",
        "1979-05-27",
        "#",
        ".",
        "\\u0000",
        "\u{1b}",
        "\r",
        "\t",
        "inf",
        "nan",
        "undo",
        "jobs",
        "cron",
        "schedule",
        "\"* * * * *\"",
        "\"@yearly\"",
    ];
    prop_oneof![4 => proptest::sample::select(words).prop_map(str::to_owned), 1 => any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        read(&text)?;
    }

    #[test]
    fn any_tokens_are_read(tokens in proptest::collection::vec(token(), 0..60)) {
        read(&tokens.join(" "))?;
    }

    #[test]
    fn a_good_manifest_with_a_part_cut_out_is_read(from in 0..SHOP.len(), length in 0usize..400, with in token()) {
        let to = (from + length).min(SHOP.len());
        read(&format!("{}{with}{}", &SHOP[..from], &SHOP[to..]))?;
    }

    #[test]
    fn a_good_manifest_with_a_value_replaced_is_read(line in 0usize..120, with in token()) {
        let lines: Vec<String> = SHOP.lines().enumerate().map(|(index, text)| match text.split_once('=') {
            Some((key, _)) if index == line => format!("{key}= {with}"),
            _ => text.to_owned(),
        }).collect();
        read(&lines.join("\n"))?;
    }

    #[test]
    fn any_argument_survives_as_the_bytes_that_were_typed(words in proptest::collection::vec("[^\0]*", 1..5)) {
        let written: Vec<String> =
            words.iter().map(|word| toml::Value::String(word.replace('{', "( ")).to_string()).collect();
        let text = format!("[app]\nname = \"a\"\n[services.w]\ncommand = [\"run\", {}]\n", written.join(", "));
        let (manifest, diags) = manifest::load(&text);
        prop_assert!(!diag::any_error(&diags), "{diags:?}");
        let spec = resolve(&manifest.unwrap_or_else(|| unreachable!()), "local", &IndexMap::new());
        let windlass_core::spec::Command::Argv(argv) = &spec.unwrap_or_else(|_| unreachable!()).services["w"].command else {
            return Err(TestCaseError::fail("not an argument list"));
        };
        let filled: Vec<String> = argv.iter().skip(1).map(|word| word.fill(|_| Err(())).unwrap_or_default()).collect();
        let typed: Vec<String> = words.iter().map(|word| word.replace('{', "( ")).collect();
        prop_assert_eq!(filled, typed);
    }
}
