use super::*;
use crate::settings::{File, Layers, Pattern, assemble};
use crate::spec::Template;

fn of(kind: Kind) -> Declared {
    Declared { kind, ..Declared::default() }
}

fn bounded(kind: Kind, bound: impl FnOnce(&mut Bounds)) -> Declared {
    let mut declared = of(kind);
    bound(&mut declared.bounds);
    declared
}

fn said(declared: &Declared, value: &str) -> String {
    match declared.check(&Secret::new(value)) {
        Ok(()) => "good".to_owned(),
        Err(misfit) => format!("{}; {}", misfit.message, misfit.help),
    }
}

#[test]
fn every_type_takes_what_it_should_and_nothing_else() {
    use Kind::*;
    let cases: [(Kind, &[&str], &[&str]); 12] = [
        (String, &["x", " ", "ä\n", "${}"], &[""]),
        (
            Integer,
            &["0", "-5", "9223372036854775807"],
            &["1.0", "", "1e3", "0x10", "9223372036854775808", " 1"],
        ),
        (Number, &["0", "-0.5", "1e3", "2."], &["inf", "NaN", "1,5", "1 000", ""]),
        (Boolean, &["true", "False", "1", "0", "YES", "off"], &["2", "ja", "t", ""]),
        (Duration, &["30s", "1h30m", "250ms", "1 h"], &["30", "-1s", ""]),
        (Bytes, &["512MiB", "10 MB", "17"], &["1.5GiB", "many", ""]),
        (
            Url,
            &[
                "https://example.org",
                "postgresql+asyncpg://u:p%40@[::1]:5432/db?x=1",
                "sqlite:///data.db",
                "unix:///run/x.sock",
                "mongodb://a:1,b:2/db",
                "mailto:ada@example.org",
                "amqp://h//",
                "amqp://h/%2f",
                "amqp:///",
                "postgresql://h1:1,h2:2/db",
                "postgresql:///db",
                "postgresql://u:p@/db",
                "postgresql://:5433/db",
                "postgres://%2Frun%2Fpostgresql:5432/db",
                "mongodb://a,b",
                "mongodb://[::1]:1,[fe80::1%25eth0]:2/db",
                "mongodb://%2Ftmp%2Fmongodb-27017.sock/db",
                "mongodb+srv://cluster0.mongo.internal/db",
                "redis+unix:///run/redis.sock",
                "redis://:pw@cache_1/0",
                "redis:///0",
                "http+unix://%2Frun%2Fx.sock/y",
                "file:///srv/x",
                "s3://My_Bucket.2024/x",
                "oracle://u:p@(DESCRIPTION=(HOST=h))",
                "tcp://*:5555",
                "HTTPS://bücher.example./",
                "http://10.0.0.1:8080",
                "https://*.example.com",
                "https://*.example.com:8443/",
                "https://{tenant}.example.com/",
                "https://api-{region}.{zone_2}.example.com:{port}/x",
                "wss://{host}",
                "http://*:8080",
                "http://+:8080",
                "http://localhost:*",
                "http://0x7f.1/",
                "http://0177.0.0.1/",
                "mssql://sa:pw@server\\SQLEXPRESS/db",
                "postgresql://-shop-/db",
                "s3://exa<mple/",
            ],
            &[
                "example.org",
                "localhost:5432",
                "//example.org",
                "https://",
                "https://host:port/",
                "https:///shop",
                "https://u:p@/shop",
                "https://?x",
                "http://:8080",
                "https://h:0/",
                "mongodb://a,,b/db",
                "mongodb://a:1,b:0/db",
                "https://-bad-/x",
                "https://a..b/",
                "https://exa<mple/",
                "https://a.*.example.com/",
                "https://*example.com/",
                "https://*..com/",
                "https://{}.example.com/",
                "https://{a b}.example.com/",
                "https://{tenant.example.com/",
                "https://-{tenant}/",
                "https://h:{}/",
                "http://0x7f.-1/",
                "http://127.16777216/",
                "http://1.2.3.4.5/",
                "http://10.0.0.256/",
                "https://[::1]8080/",
                "rediss:///0",
                "https://host:+80/",
                "http://[::1]:+80/",
                "https://a b/",
                "https://u:50%@h/",
                "https://h/a%2",
                "https://h/?q=%zz",
                "mailto:a%xx@example.org",
                "http://u:p@ss:word@h:99999/",
                "http://[::1/",
                "1http://x",
            ],
        ),
        (
            Host,
            &["db", "db.example.org", "10.0.0.1", "::1", "[::1]", "my_db", "bücher.example", "a."],
            &["http://db", "db:5432", "-a", "a..b", "10.0.0.256", "a/b", "a b", ""],
        ),
        (Port, &["1", "8000", "65535"], &["0", "65536", "-1", "http", "80 ", ""]),
        (Path, &["/var/lib/x", "data", "./a b"], &["a\nb", " /x", ""]),
        (
            Email,
            &["ada@example.org", "a+b@x", "a@[10.0.0.1]"],
            &["ada", "a@", "@x", "Ada <a@x.org>", "a@b@c", "a@x,b@y"],
        ),
        (Json, &["{}", "[1, 2]", "\"x\"", "null"], &["{", "{a: 1}", "x", ""]),
    ];
    for (kind, good, bad) in cases {
        for value in good {
            assert_eq!(said(&of(kind), value), "good", "{kind:?} {value:?}");
        }
        for value in bad {
            assert_ne!(said(&of(kind), value), "good", "{kind:?} {value:?}");
        }
    }
}

#[test]
fn bounds_are_held_and_said() {
    let workers = bounded(Kind::Integer, |bounds| {
        bounds.min = Some("1".into());
        bounds.max = Some("64".into());
    });
    assert_eq!(said(&workers, "64"), "good");
    assert_eq!(said(&workers, "0"), r#""0" is out of range; write a whole number, from 1 to 64"#);
    assert_eq!(said(&workers, "x"), r#""x" is not a whole number; write a whole number, from 1 to 64"#);
    assert_eq!(
        said(&workers, "99999999999999999999"),
        r#""99999999999999999999" is too large; write a whole number, from 1 to 64"#
    );
    assert_eq!(
        said(&of(Kind::Integer), "-9223372036854775809"),
        r#""-9223372036854775809" is too small; write a whole number, from -9223372036854775808 to 9223372036854775807"#
    );
    assert_eq!(said(&of(Kind::Integer), "-"), r#""-" is not a whole number; write a whole number"#);
    let timeout = bounded(Kind::Duration, |bounds| bounds.max = Some("1m".into()));
    assert_eq!(said(&timeout, "60s"), "good");
    assert!(said(&timeout, "61s").starts_with(r#""61s" is out of range"#));
    let share = bounded(Kind::Number, |bounds| bounds.min = Some("0.5".into()));
    assert_eq!((said(&share, "0.5"), said(&share, "5").as_str()), ("good".into(), "good"));
    assert!(said(&share, "0.49").contains("out of range"));
    let port = bounded(Kind::Port, |bounds| bounds.min = Some("1024".into()));
    assert!(said(&port, "80").contains("at least 1024"));
    assert!(said(&port, "+8080").contains("is not a port"));
    assert!(said(&of(Kind::Url), "https://h/a\u{a0}b").ends_with("write %C2%A0 for it"));

    let code = bounded(Kind::String, |bounds| {
        bounds.min_length = Some(2);
        bounds.max_length = Some(3);
        bounds.pattern = Some(Pattern::new("[a-z]+|ä{2}"));
    });
    assert_eq!((said(&code, "abc"), said(&code, "ää").as_str()), ("good".into(), "good"));
    assert_eq!(said(&code, "a"), r#""a" is too short: 1 characters; it needs at least 2"#);
    assert_eq!(
        said(&code, "ab1"),
        r#""ab1" does not match its pattern; write what matches all of [a-z]+|ä{2}"#
    );
    assert_eq!(said(&code, "abcd"), r#""abcd" is too long: 4 characters; it may have at most 3"#);

    let level = bounded(Kind::Enum, |bounds| bounds.values = vec!["debug".into(), "info".into()]);
    assert_eq!(said(&level, "Info"), r#""Info" is not one of its values; write debug or info"#);
    for (value, expected) in [
        ("https:///shop", r#""https:///shop" has no host; write it like https://host/path"#),
        ("https://h:0/", r#"the port in "https://h:0/" is none; write 1 to 65535 after the host's colon"#),
        (
            "https://a..b/",
            r#"the host in "https://a..b/" is none; write a name such as db.example.org, an address, or a pattern of names such as *.example.org or {word}.example.org"#,
        ),
        (
            "db://ada@h:0/",
            r#"the port in "db://ada@h:0/" is none; write 1 to 65535 after the host's colon; in user names and passwords %40 for @ and %3A for :"#,
        ),
    ] {
        assert_eq!(said(&of(Kind::Url), value), expected);
    }
    let url = bounded(Kind::Url, |bounds| bounds.schemes = vec!["redis".into(), "rediss".into()]);
    assert_eq!(said(&url, "REDIS://h"), "good");
    assert_eq!(
        said(&url, "redis://h/50%zz"),
        r#""redis://h/50%zz" has a % without two hexadecimal digits behind it; write %25 for a % that is meant as such"#
    );
    assert_eq!(said(&url, "http://h"), r#""http://h" has the wrong scheme; it must be redis or rediss"#);
}

#[test]
fn lists_are_checked_item_by_item() {
    let hosts = bounded(Kind::List, |bounds| {
        bounds.min_length = Some(2);
        bounds.pattern = Some(Pattern::new("[a-z.]+"));
    });
    assert_eq!(said(&hosts, "a.org, b.org"), "good");
    assert_eq!(said(&hosts, "a.org"), r#""a.org" is too short: 1 items; it needs at least 2"#);
    assert_eq!(said(&hosts, "a.org,,b"), r#"item 2 is empty; write something between the two ",""#);
    assert!(said(&hosts, "a.org,B").starts_with(r#""B" does not match"#));
    let paths = bounded(Kind::List, |bounds| bounds.separator = ":".into());
    assert_eq!(paths.bounds.items("/a:/b").collect::<Vec<_>>(), ["/a", "/b"]);
}

#[test]
fn of_many_bad_items_three_are_told_and_the_rest_counted() {
    let list = bounded(Kind::List, |bounds| bounds.values = vec!["a".into(), "b".into()]);
    let told = |value: String| -> Vec<String> {
        list.misfits(&Secret::new(value)).into_iter().map(|misfit| misfit.message).collect()
    };
    let wrong = |item: &str| format!("{item:?} is not one of its values");
    assert_eq!(told("x,a,y,z".into()), ["x", "y", "z"].map(wrong));
    assert_eq!(
        told("x,,y,a,z".into()),
        [wrong("x"), "item 2 is empty".into(), wrong("y") + ", and 1 more item"]
    );
    let many = told(vec!["x"; 4000].join(","));
    assert_eq!(many, [wrong("x"), wrong("x"), wrong("x") + ", and 3997 more items"]);
}

#[test]
fn what_is_empty_counts_as_missing_where_it_must_be_there() {
    let optional = Declared { required: false, kind: Kind::Integer, ..Declared::default() };
    assert_eq!(said(&optional, ""), "good");
    assert_eq!(
        said(&of(Kind::String), ""),
        "it is empty; give it a value, or declare it with required = false"
    );
    let with_default = Declared { default: Some("80".into()), required: false, ..of(Kind::Port) };
    assert_eq!(said(&with_default, ""), "it is empty; give it a value, or remove the line: it has a default");
    let text = Declared { default: Some("x".into()), required: false, ..Declared::default() };
    assert_eq!(said(&text, ""), "good");
}

#[test]
fn only_what_is_put_together_may_be_as_empty_as_its_parts() {
    let declared = |kind| {
        let part = Declared { required: false, ..Declared::default() };
        let composed = crate::spec::Template::parse("{settings.PART}").unwrap();
        indexmap::IndexMap::from([
            ("PART".to_owned(), part),
            ("WHOLE".to_owned(), Declared { composed: Some(composed), line: 7, ..of(kind) }),
            ("LITERAL".to_owned(), Declared { composed: Some(Template::literal("")), ..Declared::default() }),
        ])
    };
    let told = |kind, text: &str, environment: Option<&str>| -> Vec<String> {
        let entries = crate::settings::dotenv::parse(".env", text, &|_| None, &|_| None).entries;
        let files = vec![File { name: ".env".into(), entries }];
        let ask = |name: &str| environment.filter(|_| name == "WHOLE").map(str::to_owned);
        let declared = declared(kind);
        let assembled = assemble(&declared, Layers { environment: Some(&ask), files, ..Layers::default() });
        check(&declared, &assembled, "windlass.toml").iter().map(ToString::to_string).collect()
    };
    let help = "it is empty; give it a value, or declare it with required = false";
    assert_eq!(told(Kind::String, "PART=\n", None), [] as [String; 0]);
    assert_eq!(told(Kind::Port, "PART=\n", None), [format!("windlass.toml:7: WHOLE: {help}")]);
    // What another layer has is a value of its own.
    assert_eq!(told(Kind::String, "PART=\nWHOLE=\n", None), [format!(".env:2: WHOLE: {help}")]);
    assert_eq!(told(Kind::String, "PART=\n", Some("")), [format!("environment: WHOLE: {help}")]);
}

// proves: APE-3, HS-18
#[test]
fn all_faults_come_at_once_with_their_place_and_without_a_secret() {
    let secret = Declared { secret: true, ..of(Kind::Url) };
    let declared = indexmap::IndexMap::from([
        ("PORT".to_owned(), of(Kind::Port)),
        ("SITE".to_owned(), of(Kind::Url)),
        ("DATABASE_URL".to_owned(), secret),
        ("GOOD".to_owned(), of(Kind::Integer)),
        (
            "TOKENS".to_owned(),
            Declared {
                secret: true,
                ..bounded(Kind::List, |bounds| bounds.pattern = Some(Pattern::new("[a-z]+")))
            },
        ),
    ]);
    let text = "GOOD=1\nPORT=eighty\nUNKNOWN=x\n\nDATABASE_URL=hunter2\nTOKENS=abc,hunter2\n";
    let parsed = crate::settings::dotenv::parse(".env", text, &|_| None, &|_| None);
    let environment = |name: &str| (name == "SITE").then(|| "example.org".to_owned());
    let layers = Layers {
        environment: Some(&environment),
        files: vec![File { name: ".env".into(), entries: parsed.entries }],
        ..Layers::default()
    };
    let faults: Vec<String> = check(&declared, &assemble(&declared, layers), "windlass.toml")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        faults,
        [
            r#".env:2: PORT: "eighty" is not a port, 1 to 65535; write a port, 1 to 65535"#,
            r#"environment: SITE: "example.org" is not a URL; write it like https://host/path"#,
            ".env:5: DATABASE_URL: its value is not a URL; write it like https://host/path",
            ".env:6: TOKENS: item 2 does not match its pattern; write what matches all of [a-z]+",
        ]
    );
}

#[test]
fn what_is_put_together_is_checked_where_its_parts_are_known_and_good() {
    let composed = |text: &str, kind| Declared {
        composed: Some(crate::spec::Template::parse(text).unwrap()),
        line: 7,
        ..of(kind)
    };
    let declared = indexmap::IndexMap::from([
        ("HOST".to_owned(), of(Kind::Host)),
        ("PORT".to_owned(), of(Kind::Port)),
        ("URL".to_owned(), composed("{settings.HOST}:{settings.PORT}", Kind::Url)),
        ("OUTER".to_owned(), composed("{settings.URL}/x", Kind::Integer)),
        ("LATER".to_owned(), composed("{resources.db.url}", Kind::Integer)),
    ]);
    let told = |port: &str| -> Vec<String> {
        let text = format!("HOST=db\nPORT={port}\n");
        let entries = crate::settings::dotenv::parse(".env", &text, &|_| None, &|_| None).entries;
        let files = vec![File { name: ".env".into(), entries }];
        let assembled = assemble(&declared, Layers { files, ..Layers::default() });
        check(&declared, &assembled, "windlass.toml").iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        told("5432"),
        [
            r#"windlass.toml:7: URL: "db:5432" is not a URL; write it like https://host/path"#,
            r#"windlass.toml:7: OUTER: "db:5432/x" is not a whole number; write a whole number"#,
        ]
    );
    // What is made of a wrong part is not told of as well.
    assert_eq!(told("http"), [r#".env:2: PORT: "http" is not a port, 1 to 65535; write a port, 1 to 65535"#]);
}

#[test]
fn a_url_with_a_password_is_not_quoted() {
    let url = bounded(Kind::Url, |bounds| bounds.schemes = vec!["redis".into()]);
    assert_eq!(said(&url, "http://u:hunter2@h"), "its value has the wrong scheme; it must be redis");
}

#[test]
fn no_message_shows_a_password_whatever_is_wrong_with_the_value() {
    let list = bounded(Kind::List, |bounds| bounds.pattern = Some(Pattern::new("[a-z]+")));
    for (declared, value) in [
        (of(Kind::Url), "postgres://shop:Hunt/er22xx@db:port/x"),
        (of(Kind::Url), "postgres://shop:Hunt er22xx@db:1/x"),
        (of(Kind::Url), "postgres://me@srv:Hunt/er22xx@db:1/x"),
        (of(Kind::Url), "redis://h:6379:x?password=Hunter22xx"),
        (of(Kind::Host), "redis://:Hunter22xx@h/0"),
        (of(Kind::Port), "redis://:Hunter22xx@h/0"),
        (of(Kind::Json), r#"{"url": "redis://:Hunter22xx@h/0",}"#),
        (of(Kind::Json), r#"{"password": "Hunter22xx",}"#),
        (list, "redis://:Hunter22xx@h/0,X"),
    ] {
        let said = said(&declared, value);
        assert!(said != "good" && !said.contains("unt") && !said.contains("22xx"), "{value}: {said}");
    }
}
