use super::*;
use crate::settings::{Bounds, File, Kind, Layers, assemble, dotenv};

fn declared(names: &[&str], secret: bool) -> IndexMap<String, Declared> {
    let setting = Declared { secret, ..Declared::default() };
    names.iter().map(|name| ((*name).to_owned(), setting.clone())).collect()
}

fn found(declared: &IndexMap<String, Declared>, text: &str) -> Assembled {
    let parsed = dotenv::parse(".env", text, &|_| None, &|_| None);
    assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
    let files = vec![File { name: ".env".into(), entries: parsed.entries }];
    assemble(declared, Layers { files, ..Layers::default() })
}

fn lines(findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| {
        let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
        format!("{severity} {} {}", finding.code, finding.fault)
    };
    findings.iter().map(line).collect()
}

// proves: HS-18
#[test]
fn secrets_that_can_be_guessed_are_errors_where_others_depend_on_them() {
    let names = ["A_PASSWORD", "B", "C", "D", "E", "F", "G", "SECRET_KEY", "GOOD", "GOOD_URL"];
    let declared = declared(&names, true);
    let text = "A_PASSWORD=A-Password\nB=changeme\nC=please-change-me-now\nD=aaaaaaaaaaaa\nE=k3!x\n\
                F=postgres://shop:postgres@db/shop\nG=<your token>\nSECRET_KEY=fx81jq0Lp\n\
                GOOD=correct horse\nGOOD_URL=postgres://shop:Ahx7Zk2qLw@db/shop\nAPI_TOKEN=test\nPLAIN=test\n";
    let assembled = found(&declared, text);
    let audited = Audited {
        app: "shop",
        environment: "production",
        declared: &declared,
        assembled: &assembled,
        manifest: "windlass.toml",
    };
    let make = "make another one: openssl rand -base64 32";
    let said = lines(&audited.weak());
    assert_eq!(
        said,
        [
            format!("error weak-secret .env:1: A_PASSWORD: it is the setting's own name; {make}"),
            format!("error weak-secret .env:2: B: it is one of the passwords that are tried first; {make}"),
            format!("error weak-secret .env:3: C: it is a text that was to be replaced; {make}"),
            format!("error weak-secret .env:4: D: it is made of 1 different characters; {make}"),
            format!("error weak-secret .env:5: E: it has 4 characters, fewer than 8; {make}"),
            format!(
                "error weak-secret .env:6: F: the password in it is one of the passwords that are tried first; {make}"
            ),
            format!("error weak-secret .env:7: G: it is a text that was to be replaced; {make}"),
            format!("error weak-secret .env:8: SECRET_KEY: it has 9 characters, fewer than 16; {make}"),
            format!(
                "error weak-secret .env:11: API_TOKEN: it is one of the passwords that are tried first; {make}"
            ),
        ]
    );
    for environment in OWN {
        let findings = Audited { environment, ..audited }.weak();
        assert!(findings.iter().all(|finding| finding.severity == Severity::Warning) && findings.len() == 9);
    }
}

#[test]
fn only_what_can_be_a_weak_secret_is_judged_as_one() {
    let of = |kind, secret, harmless| Declared { kind, secret, harmless, ..Declared::default() };
    let mut declared = IndexMap::new();
    for (name, setting) in [
        ("SHOW_PASSWORD", of(Kind::Boolean, false, true)),
        ("NEXT_TOKEN", of(Kind::Integer, false, false)),
        ("PIN_SECRET", of(Kind::Integer, true, false)),
        ("PUBLIC_TOKEN", of(Kind::String, false, true)),
        ("LOCAL_URL", of(Kind::Url, false, true)),
        ("API_TOKEN", of(Kind::String, false, false)),
        ("DATABASE_URL", of(Kind::Url, false, false)),
        ("GOOD_URL", of(Kind::Url, false, false)),
    ] {
        declared.insert(name.to_owned(), setting);
    }
    let text = "SHOW_PASSWORD=1\nNEXT_TOKEN=42\nPIN_SECRET=123456\nPUBLIC_TOKEN=test\nLOCAL_URL=db://u:test@h\n\
                REQUIRE_TOKEN=true\nTOKEN_LIFETIME=60\nPWD=/srv\nPGUSER=postgres\nAPP_ENV=dev\n\
                GOOD_URL=https://shop/a:b@c\nAPI_TOKEN=test\nDATABASE_URL=postgres://shop:changeme@db/shop\n\
                SMTP_PASS=changeme\nAWS_SECRET_ACCESS_KEY=changeme\nDB_PWD=admin\nCACHE=redis://:redis@c\n\
                LOGIN=please-change-me\nRESET_URL=https://shop/reset?token={token}\n\
                RESET_PATH=https://shop/reset?token=%s\nFLAGS=require_password=true\n\
                JAVA_OPTS=-Djavax.net.ssl.trustStorePassword=changeit\nHOOK=https://h/?token=abc\n";
    let assembled = found(&declared, text);
    let audited = Audited {
        app: "shop",
        environment: "production",
        declared: &declared,
        assembled: &assembled,
        manifest: "",
    };
    let refused: Vec<String> = audited.weak().into_iter().map(|finding| finding.setting).collect();
    assert_eq!(
        refused,
        [
            "PIN_SECRET",
            "API_TOKEN",
            "DATABASE_URL",
            "SMTP_PASS",
            "AWS_SECRET_ACCESS_KEY",
            "DB_PWD",
            "CACHE",
            "LOGIN"
        ]
    );
}

#[test]
fn what_is_declared_a_secret_is_judged_whatever_its_type() {
    let of = |kind| Declared { secret: true, kind, ..Declared::default() };
    for (kind, value, said) in [
        (Kind::String, "Shop", "it is the application's own name"),
        (Kind::String, "P@ssw0rd", "it is made of words and rows of keys that are tried first"),
        (Kind::String, "xyfxyfxyf", "it is the same 3 characters over and over"),
        (Kind::List, "n4Vw0qkTz8,changeme", "an item is one of the passwords that are tried first"),
        (Kind::List, "redis://:test@a", "a password in it is one of the passwords that are tried first"),
        (
            Kind::Json,
            r#"{"password": "changeme"}"#,
            "a secret in it is one of the passwords that are tried first",
        ),
        (Kind::Json, r#"["redis://:test@a"]"#, "a secret in it is one of the passwords that are tried first"),
        (Kind::Json, r#"{"type": "test", "password": "n4Vw0qkTz8"}"#, ""),
        (Kind::Integer, "123456", "it is one of the passwords that are tried first"),
        (Kind::Integer, "83017", ""),
        (Kind::Integer, "1000", ""),
        (Kind::Port, "8080", ""),
        (Kind::Path, "/secret/token", ""),
        (Kind::Path, "changeme", "it is one of the passwords that are tried first"),
        (Kind::Path, "/run/keys/a", ""),
    ] {
        let declared = of(kind);
        assert!(weak::is_judged("KEY", value, Some(&declared)), "{value}");
        assert_eq!(weak::why("shop", "KEY", value, Some(&declared)).unwrap_or_default(), said, "{value}");
    }
    assert!(!weak::is_judged("KEY", "true", Some(&of(Kind::Boolean))));
}

proptest::proptest! {
    #[test]
    fn nothing_random_is_weak(value in "[A-Za-z0-9+/]{16}|[0-9a-f]{16}|[A-Za-z0-9]{22}==") {
        let declared = Declared { secret: true, ..Declared::default() };
        proptest::prop_assert_eq!(weak::why("shop", "SECRET_KEY", &value, Some(&declared)), None);
    }
}

#[test]
fn a_declared_length_is_its_authors_to_judge() {
    let bounds = Bounds { min_length: Some(4), ..Bounds::default() };
    let pin = Declared { secret: true, bounds, ..Declared::default() };
    assert_eq!(weak::why("shop", "PIN", "8301", Some(&pin)), None);
    assert!(weak::why("shop", "PIN_PASSWORD", "8301", None).is_some());
    // By such a name an account or a file may go.
    assert_eq!(weak::why("shop", "MINIO_ACCESS_KEY", "shop", None), None);
    let list = Declared { secret: true, kind: Kind::List, ..Declared::default() };
    assert_eq!(weak::why("shop", "USERS", "a,b,c", Some(&list)), None);
}

#[test]
fn values_of_development_are_told_where_others_depend_on_them() {
    for (name, value, is_one) in [
        ("DEBUG", "True", true),
        ("DEBUG", "0", false),
        ("APP_DEBUG", "1", true),
        ("NODE_ENV", "development", true),
        ("NODE_ENV", "production", false),
        ("DJANGO_SETTINGS_MODULE", "shop.settings.dev", true),
        ("ALLOWED_HOSTS", "shop.de, *", true),
        ("DATABASE_URL", "postgres://u:p@localhost:5432/x", true),
        ("CACHE", "127.0.0.1:6379", true),
        ("CACHE", "redis://[::1]:6379", true),
        ("MAIL_FROM", "shop@mail.example.com", true),
        ("MAIL_FROM", "shop@notexample.com", false),
        ("SITE", "https://shop.localhost.run/", false),
        ("STRIPE_KEY", "sk_test_abc", true),
        ("DEBUG_MODE", "true", true),
        ("APP_DEBUG_MODE", "on", true),
        ("DEBUG_MODE", "off", false),
        ("NODEBUG", "1", false),
        ("DATABASE_URL", "sqlite:///dev.sqlite3", true),
        ("DATABASE_URL", "sqlite+aiosqlite:////srv/shop/shop_test.db", true),
        ("DATABASE_URL", "sqlite://:memory:", true),
        ("DATABASE_URL", "sqlite:////srv/test/shop.sqlite3", false),
        ("DATABASE_URL", "sqlite:///devices.sqlite3", false),
        ("HOST", "127.0.1.1", true),
        ("HOST", "shop.localhost", true),
        // In a house these are right.
        ("HOST", "192.168.1.10", false),
        ("HOST", "nas.local", false),
        ("VERSION", "1.127.0.1", false),
    ] {
        assert_eq!(development::why(name, value).is_some(), is_one, "{name}={value}");
    }
    let mut declared = declared(&["DEBUG"], false);
    declared.insert(
        "HOST".into(),
        Declared { default: Some("localhost".into()), line: 7, ..Declared::default() },
    );
    let assembled = found(&declared, "DEBUG=1\n");
    let audited = Audited {
        app: "shop",
        environment: "staging",
        declared: &declared,
        assembled: &assembled,
        manifest: "windlass.toml",
    };
    assert_eq!(
        lines(&audited.development()),
        [
            "warning development-value .env:1: DEBUG: debugging is switched on, which shows visitors what is inside; \
             set DEBUG for staging",
            "warning development-value windlass.toml:7: HOST: it points at localhost, this machine itself; set HOST for staging",
        ]
    );
    assert!(Audited { environment: "local", ..audited }.development().is_empty());
}

#[test]
fn names_that_nobody_declared_or_gets_are_told() {
    let declared = declared(&["DEBUG", "ALONE"], false);
    let assembled = found(&declared, "DEBIG=1\nOTHER=2\nREFERRED=3\nALONE=4\nDEBUG=5\n");
    let audited = Audited {
        app: "shop",
        environment: "local",
        declared: &declared,
        assembled: &assembled,
        manifest: "windlass.toml",
    };
    assert_eq!(
        lines(&audited.unknown(|name| name == "REFERRED")),
        [
            "warning unknown-setting .env:1: DEBIG: it is declared nowhere, and handed to every process; \
             did you mean DEBUG?",
            "warning unknown-setting .env:2: OTHER: it is declared nowhere, and handed to every process; \
             declare it under [settings], or remove it",
        ]
    );
    let unused = lines(&audited.unused(&["ALONE".to_owned()]));
    assert!(unused.len() == 1 && unused[0].contains("ALONE: no service"), "{unused:?}");
}

/// What holds over the encrypted file's values, and over a store.
fn covered(environment: &'static str) -> Vec<String> {
    let mut declared = declared(&["SHELL_HAS", "STORED", "TOKEN"], true);
    declared["STORED"].from = Some(crate::store::Place::parse("vault:shop#stored").unwrap());
    let file = |name: &str, text: &str| {
        let parsed = dotenv::parse(name, text, &|_| None, &|_| None);
        File { name: name.into(), entries: parsed.entries }
    };
    let entries = ["TOKEN", "SHELL_HAS", "MEANT", "SAME"].into_iter().zip(4..);
    let entry = |(name, line): (&str, u32)| (name.to_owned(), (Secret::new("Zk31-blau-Fenster"), line));
    let sealed = crate::settings::Sealed {
        file: "secrets.enc".into(),
        entries: entries.map(entry).collect(),
        warnings: vec![],
    };
    let shell = |name: &str| ["SHELL_HAS"].contains(&name).then(|| "of the shell".to_owned());
    let layers = Layers {
        environment: Some(&shell),
        files: vec![
            file(&format!(".env.{environment}"), "MEANT=this one\n"),
            file(".env", "TOKEN=dev\nSHELL_HAS=dev\nMEANT=dev\nSAME=Zk31-blau-Fenster\nSTORED=dev\n"),
        ],
        sealed: Some(sealed),
        ..Layers::default()
    };
    let assembled = assemble(&declared, layers);
    let (declared, assembled) = (&declared, &assembled);
    lines(&Audited { app: "shop", environment, declared, assembled, manifest: "windlass.toml" }.covered())
}

// proves: DC-10
#[test]
fn what_all_environments_share_does_not_hide_the_secret_of_one_in_silence() {
    let of_shell = "warning covered-value secrets.enc:5: the environment has another SHELL_HAS, which holds; unset \
                    SHELL_HAS if the encrypted value is meant";
    let move_it =
        "move it to .env.local, which `local` alone reads; if production is to have it, to .env.production";
    assert_eq!(
        covered("production"),
        [
            of_shell.to_owned(),
            format!(
                "warning covered-value .env:5: STORED: in production too this value holds, over vault:shop#stored, which \
                 is not asked; {move_it}"
            ),
            format!(
                "error covered-value .env:1: TOKEN: in production too this value holds, over another value in \
                 secrets.enc:4; {move_it}"
            ),
        ]
    );
    assert_eq!(
        covered("dev"),
        [
            of_shell,
            "warning covered-value .env:1: TOKEN: in dev too this value holds, over another value in secrets.enc:4; take \
             out the one that is not meant",
        ]
    );
}
