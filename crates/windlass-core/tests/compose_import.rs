//! Importing compose files: the manifest and the notes, written down literally beside each file.
//! `BLESS=1 cargo test -p windlass-core --test compose_import` writes what is printed now.

// Tests may look at files, and may fail; the library may not.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use proptest::prelude::*;
use windlass_core::diag;
use windlass_core::manifest::compose::{Build, Image, Project, Recipe};
use windlass_core::manifest::{self, import_compose};

/// What nobody may see.
const UNSEEN: &str = "admin:$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj";

/// What the environment says.
fn env(name: &str) -> Option<String> {
    match name {
        "HTTP_PORT" => Some("8081".to_owned()),
        // Nothing of these may be seen in what is made.
        "DB_PASSWORDS" | "TOKENS" | "DASHBOARD_USERS" => Some(UNSEEN.to_owned()),
        _ => None,
    }
}

/// What lies beside the compose file, whatever it is asked for.
fn crontab(_: &str) -> Option<String> {
    let hostile = "A={port}\nAPI_TOKEN=x\n* * * * * cd /x/../.. && echo {settings.A} 'b\n@daily ${X} \\\n0 0 30 2 * ./x\n[job-exec \"\"]\n";
    Some(hostile.to_owned())
}

/// What its Dockerfile says of how an image is run.
fn image(recipe: &Recipe) -> Option<Image> {
    let words = |line: &str| Some(line.split(' ').map(str::to_owned).collect());
    let env = [("MODE", "fast"), ("PRICE", "$5"), ("API_TOKEN", "planted"), ("LEVEL", "info")];
    let image = Image {
        command: words("gunicorn shop:app --bind 0.0.0.0:8000"),
        env: env.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        ports: vec![8000],
        user: Some("shop".to_owned()),
        stop_signal: Some("SIGINT".to_owned()),
        ..Image::default()
    };
    match (recipe.context.as_str(), recipe.dockerfile.as_str(), recipe.target.as_deref()) {
        ("./shop", "Dockerfile", None) => Some(Image { directory: Some("shop".to_owned()), ..image }),
        ("./shop", "prod.Dockerfile", Some("run")) => {
            Some(Image { entrypoint: words("./enter --port 8000"), command: words("serve"), ..image })
        }
        // Without a context.
        (".", "migrates.Dockerfile", None) => Some(Image {
            command: words("python manage.py migrate"),
            ports: vec![],
            env: vec![],
            user: None,
            stop_signal: None,
            ..image
        }),
        _ => None,
    }
}

fn errors(text: &str) -> String {
    let (_, diags) = manifest::load(text);
    let errors: Vec<_> = diags.into_iter().filter(diag::Diag::is_error).collect();
    if errors.is_empty() { String::new() } else { diag::render_all(&errors, text, "windlass.toml") }
}

#[test]
fn compose_files_become_manifests_and_notes() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose");
    let mut checked = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let project = directory.join("project");
        let own = project.join(file.file_stem().unwrap());
        let files = |path: &str| {
            let read = |within: &Path| std::fs::read_to_string(within.join(path)).ok();
            read(&own).or_else(|| read(&project))
        };
        let text = std::fs::read_to_string(&file).unwrap();
        // As `init` would build it.
        let build = text.starts_with("# built").then(|| Build {
            steps: vec!["\"python3 -m venv .venv\"".to_owned()],
            cache: vec![".venv".to_owned()],
            exclude: vec![".venv/".to_owned()],
            env: vec![("PYTHONPATH".to_owned(), "\"src\"".to_owned())],
            is_python: true,
            notes: vec!["it needs python3".to_owned()],
        });
        let printed = match import_compose(
            &text,
            "My Folder",
            &env,
            Project { files: &files, build, images: &image },
        ) {
            Ok(imported) => {
                assert_eq!(errors(&imported.text), "", "{}", imported.text);
                let notes: String = imported.notes.iter().map(|note| format!("{note}\n")).collect();
                assert_eq!(errors(&imported.annotated()), "");
                format!("{}\n=== notes\n{notes}", imported.text)
            }
            Err(note) => format!("{note}\n"),
        };
        assert!(!printed.contains("IgXLP6ewTrSuBkTrqE8wj"), "{printed}");
        let expected = file.with_extension("expected");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&expected, &printed).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&expected).unwrap_or_default(), printed, "{}", file.display());
        checked += 1;
    }
    assert!(checked >= 4);
}

/// A value that a compose file may have at any place, or must not have.
fn value() -> impl Strategy<Value = String> {
    let values = [
        "",
        "web",
        "8000",
        "\"80:8000\"",
        "[web, db]",
        "{db: {condition: service_completed_successfully}}",
        "[\"CMD\", \"curl\", \"http://localhost:8000/\"]",
        "run --port 8000 ${X:-1}",
        "sh -c \"a && b\"",
        "true",
        "null",
        "1e9",
        "-1",
        "99999999999999999999",
        "postgres://a:b@db:5432/c",
        "{A: b, B: 1, C: }",
        "[A=1, B]",
        "no",
        "on-failure:3",
        "./media:/m",
        "../x:/y",
        "512M",
        "0.5",
        "{limits: {cpus: 2, memory: lots}}",
        "30s",
        "\"\\0\"",
        "\"{port} {settings.A} ${B} $$\"",
        "'; $(id)'",
        "\"\\e[31m\"",
        "postgres:15",
        "redis",
        "{}",
        "[]",
        "[[1]]",
        "run ${A:+b} ${C:-${D:-e}} redis://db:6379 db:5432 ${PW:?x}",
        "{DB_HOST: db, PGHOST: db, db_addr: \"db:1\", HOST: db, A: \"${A:-${B}}\", B: \"${B:-$A}\"}",
        "[DB_URL=amqp://u:${PW:?x}@db/v?x=1, DB_HOST=db, DB_HOST=${X:-db}, DB_URL=postgresql+x://db/y]",
        "[./a:/b, ./c.conf:/d.conf:ro, v:/v, /only, ../x:/y, {type: tmpfs, target: /t}, {type: bind, source: e, target: /f}]",
        "{POSTGRES_DB: postgres, POSTGRES_USER: }",
        "rabbitmq:3",
        "postgis/postgis:15",
        "celery -A x beat -l ${X:-info}",
        "[{target: 8000, published: \"${X:-443}\"}, {target: 443, published: 1-2}, \"${X}:8000\", \"[::1]:80:8000\"]",
        "{test: \"curl -m 2 -H 'Host: ${X:-a.example}' http://localhost:${Y:-8000}/ || exit 1\", timeout: 1s}",
        "crond -f",
        "[supercronic, ./crontab]",
        "sh -c \"crontab x && cron -f\"",
        "mcuadros/ofelia",
        "[./crontab:/etc/crontabs/root]",
        "{ofelia.job-exec.a.schedule: \"@every 5m\", ofelia.job-exec.a.command: \"cd /a/b; x {y}\", TZ: Europe/Berlin}",
        "celery -A x beat -s /a/b",
        "{test: [\"CMD-SHELL\", \"nc -z localhost 8000 '{port} 8000'\"]}",
    ];
    prop_oneof![6 => proptest::sample::select(values.map(str::to_owned).to_vec()), 1 => "[^\\n]{0,20}"]
}

fn key() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "image",
        "command",
        "entrypoint",
        "environment",
        "ports",
        "expose",
        "depends_on",
        "healthcheck",
        "restart",
        "deploy",
        "volumes",
        "user",
        "env_file",
        "stop_signal",
        "stop_grace_period",
        "scale",
        "cpus",
        "mem_limit",
        "working_dir",
        "build",
        "labels",
        "profiles",
        "tmpfs",
        "container_name",
        "nonsense",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_imported_passes_the_check(
        services in proptest::collection::vec(
            (proptest::sample::select(vec!["web", "db", "a_b", "A", "proxy", "\"\"", "1x"]),
             proptest::collection::vec((key(), value()), 0..8)),
            0..4),
    ) {
        let mut text = String::from("services:\n");
        for (name, entries) in &services {
            text.push_str(&format!("  {name}:\n"));
            for (key, value) in entries {
                text.push_str(&format!("    {key}: {value}\n"));
            }
        }
        if let Ok(imported) = import_compose(&text, "app", &env, Project { files: &crontab, build: None, images: &|_| None }) {
            prop_assert_eq!(errors(&imported.text), "", "{}\n{}", text, imported.text);
        }
    }

    #[test]
    fn any_text_is_imported_or_refused(text in any::<String>()) {
        let _ = import_compose(&text, "app", &env, Project { files: &crontab, build: None, images: &|_| None });
    }
}
