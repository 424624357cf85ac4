//! Settings from the manifest to the specification: what is declared, put together, and who sees it.

#![allow(clippy::unwrap_used, clippy::panic)]

use indexmap::IndexMap;
use windlass_core::diag;
use windlass_core::manifest::{self, Manifest};
use windlass_core::name::Name;
use windlass_core::resolve::{resolve, unused};
use windlass_core::settings::{
    Bounds, Declared, File, Kind, Layers, Pattern, Secret, assemble, check, dotenv, template,
};
use windlass_core::spec::{Engine, Reference, Setting, Spec, Template};

fn load(text: &str) -> Manifest {
    let (manifest, diags) = manifest::load(text);
    assert!(!diag::any_error(&diags), "{}", diag::render_all(&diags, text, "windlass.toml"));
    manifest.unwrap()
}

fn spec(text: &str, values: &[(&str, &str)]) -> Spec {
    let setting = |value: &str| Setting { fingerprint: value.to_owned(), ..Setting::default() };
    let settings = values.iter().map(|(key, value)| ((*key).to_owned(), setting(value))).collect();
    resolve(&load(text), "local", &settings)
        .unwrap_or_else(|diags| panic!("{}", diag::render_all(&diags, text, "windlass.toml")))
}

fn env(spec: &Spec, service: &str) -> Vec<String> {
    let env = &spec.services[&Name::new(service).unwrap()].env;
    env.iter().map(|(key, template)| format!("{key}={template}")).collect()
}

fn digest(spec: &Spec, service: &str) -> String {
    spec.service_digest(&Name::new(service).unwrap(), "files").unwrap()
}

const APP: &str =
    "[app]\nname = \"shop\"\n[services.web]\ncommand = \"web\"\n[services.worker]\ncommand = \"work\"\n";

#[test]
fn all_that_is_declared_arrives() {
    let text = format!(
        "{APP}[settings]\n\
         FULL = {{ type = \"integer\", required = true, default = 4, min = 1, max = \"64\", services = [\"web\"], \
         help = \"How many.\", category = \"Web\" }}\n\
         WORD = {{ type = \"enum\", values = [\"a\", \"b\"], secret = true, file = true }}\n\
         LIST = {{ type = \"list\", separator = \":\", min_length = 1, max_length = 9, pattern = \"x+\" }}\n\
         SITE = {{ type = \"url\", schemes = [\"https\"], required = false }}\n\
         YES = true\nHALF = 0.5\nTEXT = \"info\"\nBARE = {{}}\n"
    );
    let settings = load(&text).settings("local");
    let base = Declared::default();
    let expected = IndexMap::from([
        (
            "FULL",
            Declared {
                kind: Kind::Integer,
                bounds: Bounds { min: Some("1".into()), max: Some("64".into()), ..Bounds::default() },
                default: Some("4".into()),
                services: Some(vec!["web".into()]),
                help: Some("How many.".into()),
                category: Some("Web".into()),
                line: 8,
                ..base.clone()
            },
        ),
        (
            "WORD",
            Declared {
                kind: Kind::Enum,
                bounds: Bounds { values: vec!["a".into(), "b".into()], ..Bounds::default() },
                secret: true,
                file: true,
                line: 9,
                ..base.clone()
            },
        ),
        (
            "LIST",
            Declared {
                kind: Kind::List,
                bounds: Bounds {
                    separator: ":".into(),
                    min_length: Some(1),
                    max_length: Some(9),
                    pattern: Some(Pattern::new("x+")),
                    ..Bounds::default()
                },
                line: 10,
                ..base.clone()
            },
        ),
        (
            "SITE",
            Declared {
                kind: Kind::Url,
                bounds: Bounds { schemes: vec!["https".into()], ..Bounds::default() },
                required: false,
                line: 11,
                ..base.clone()
            },
        ),
        (
            "YES",
            Declared {
                kind: Kind::Boolean,
                required: false,
                default: Some("true".into()),
                line: 12,
                ..base.clone()
            },
        ),
        (
            "HALF",
            Declared {
                kind: Kind::Number,
                required: false,
                default: Some("0.5".into()),
                line: 13,
                ..base.clone()
            },
        ),
        ("TEXT", Declared { required: false, default: Some("info".into()), line: 14, ..base.clone() }),
        ("BARE", Declared { line: 15, ..base }),
    ]);
    for ((key, setting), (expected_key, expected)) in settings.iter().zip(&expected) {
        assert_eq!((key.as_str(), setting), (*expected_key, expected));
    }
    assert_eq!(settings.len(), expected.len());
}

#[test]
fn a_plain_value_in_an_environment_replaces_the_default_alone() {
    let text = format!(
        "{APP}[settings]\nLEVEL = {{ type = \"enum\", values = [\"info\", \"warning\"], default = \"info\" }}\n\
         URL = {{ value = \"x-{{settings.LEVEL}}\", help = \"Where.\" }}\n\
         PORT = 80\nNEW_HERE = 1\n\
         [environments.production]\nsettings.LEVEL = \"warning\"\nsettings.URL = \"given\"\n\
         settings.PORT = {{ value = \"8{{settings.LEVEL}}\" }}\nsettings.ONLY = {{ secret = true }}\n"
    );
    let manifest = load(&text);
    let (local, production) = (manifest.settings("local"), manifest.settings("production"));
    let level = &production["LEVEL"];
    assert_eq!((level.kind, level.default.as_deref(), level.line), (Kind::Enum, Some("warning"), 13));
    assert_eq!(local["LEVEL"].default.as_deref(), Some("info"));
    let url = &production["URL"];
    assert_eq!(
        (url.default.as_deref(), &url.composed, url.help.as_deref()),
        (Some("given"), &None, Some("Where."))
    );
    assert!(local["URL"].composed.is_some() && local["URL"].default.is_none());
    assert!(production["PORT"].default.is_none() && production["PORT"].composed.is_some());
    assert!(production["ONLY"].secret && !local.contains_key("ONLY"));
}

/// The parts one by one, and the URL made of them.
const DATABASE: &str = r#"
[settings]
DB_DRIVER = "asyncpg"
DB_HOST = { type = "host" }
DB_PORT = { type = "port", default = 5432 }
DB_USER = "shop"
DB_PASSWORD = { secret = true }
DB_NAME = "shop"
DB_SCHEMA = "public"
DATABASE_URL = { services = ["web"], url = { scheme = "postgresql+{settings.DB_DRIVER}", user = "{settings.DB_USER}", password = "{settings.DB_PASSWORD}", host = "{settings.DB_HOST}", port = "{settings.DB_PORT}", name = "{settings.DB_NAME}", schema = "{settings.DB_SCHEMA}", query = { sslmode = "require" } } }
"#;

// proves: CM-7
#[test]
fn a_database_is_settable_by_its_parts_and_as_a_url() {
    let text = format!("{APP}{DATABASE}");
    let spec = spec(&text, &[("DB_HOST", "h"), ("DB_PASSWORD", "p")]);
    let setting = &spec.settings["DATABASE_URL"];
    assert!(setting.secret, "what is put together from a secret is one");
    let template = setting.composed.as_ref().unwrap();
    let values = |reference: &Reference| {
        Ok::<_, ()>(match reference.to_string().as_str() {
            "settings.DB_DRIVER" => "asyncpg".to_owned(),
            "settings.DB_USER" => "sh op".to_owned(),
            "settings.DB_PASSWORD" => "p@ss/w:rd%?".to_owned(),
            "settings.DB_HOST" => "fe80::1".to_owned(),
            "settings.DB_PORT" => "5433".to_owned(),
            "settings.DB_NAME" => "täglich".to_owned(),
            "settings.DB_SCHEMA" => "Shop, b".to_owned(),
            other => panic!("{other}"),
        })
    };
    let url = template.fill(values).unwrap();
    assert_eq!(
        url,
        "postgresql+asyncpg://sh%20op:p%40ss%2Fw%3Ard%25%3F@[fe80::1]:5433/t%C3%A4glich\
         ?options=-csearch_path%3D%22Shop%22%2C%22b%22&sslmode=require"
    );
    let declared = Declared { kind: Kind::Url, ..Declared::default() };
    assert_eq!(declared.check(&Secret::new(url)), Ok(()));
    assert_eq!(Template::parse(&template.to_string()).as_ref(), Ok(template), "it survives the plan");
    // The parts are there one by one as well, and the URL for who gets it.
    assert!(env(&spec, "web").contains(&"DB_SCHEMA={settings.DB_SCHEMA}".to_owned()));
    assert!(env(&spec, "web").contains(&"DATABASE_URL={settings.DATABASE_URL}".to_owned()));
    assert!(!env(&spec, "worker").iter().any(|variable| variable.starts_with("DATABASE_URL")));
}

#[test]
fn parts_of_a_url_may_be_missing() {
    for (parts, expected) in [
        (r#"scheme = "sqlite", name = "data.db""#, "sqlite:///data.db"),
        (r#"scheme = "redis", user = "x y", host = "h", name = "0""#, "redis://x%20y@h/0"),
        (r#"scheme = "http", host = "::1", port = 80"#, "http://[::1]:80"),
        (r#"scheme = "postgresql", host = "/run/db", name = "x""#, "postgresql://%2Frun%2Fdb/x"),
        (
            r#"scheme = "postgres", host = "h", schema = "a,b c""#,
            "postgres://h?options=-csearch_path%3Da%2C%22b%5C%20c%22",
        ),
        (r#"scheme = "amqp", user = "u", host = "h", name = "/""#, "amqp://u@h/%2F"),
        (r#"scheme = "http", host = "h", query = { "a b" = "c&d" }"#, "http://h?a%20b=c%26d"),
    ] {
        let settings = load(&format!("{APP}[settings]\nURL = {{ url = {{ {parts} }} }}\n")).settings("local");
        assert_eq!(settings["URL"].composed.as_ref().unwrap().to_string(), expected);
    }
}

// proves: HS-18
#[test]
fn a_part_that_changes_restarts_who_sees_the_whole_and_nobody_else() {
    let text = format!("{APP}{DATABASE}")
        .replace("DB_PASSWORD = { secret = true }", "DB_PASSWORD = { secret = true, services = [] }");
    let before = spec(&text, &[("DB_HOST", "h"), ("DB_PASSWORD", "1")]);
    let after = spec(&text, &[("DB_HOST", "h"), ("DB_PASSWORD", "2")]);
    assert_ne!(digest(&before, "web"), digest(&after, "web"));
    assert_eq!(digest(&before, "worker"), digest(&after, "worker"));
    let other = spec(&text.replace("5432", "5433"), &[("DB_HOST", "h"), ("DB_PASSWORD", "1")]);
    assert_ne!(digest(&before, "worker"), digest(&other, "worker"), "it sees the port by itself");
    // Written anew it is another one, though no value has changed.
    let anew = spec(&text.replace("sslmode", "ssl_mode"), &[("DB_HOST", "h"), ("DB_PASSWORD", "1")]);
    assert_ne!(digest(&before, "web"), digest(&anew, "web"));
    assert_eq!(digest(&before, "worker"), digest(&anew, "worker"));
}

#[test]
fn what_is_put_together_from_a_resource_needs_it_and_is_no_part_of_a_build() {
    let text = format!(
        "{APP}[settings]\nURL = {{ value = \"{{resources.db.url}}?x=1\", services = [\"web\"] }}\n\
         OUTER = {{ value = \"<{{settings.URL}}>\" }}\nPLAIN = {{ value = \"{{app}}\" }}\n\
         [resources.db]\nengine = \"postgres\"\n[build]\nsteps = [\"true\"]\n"
    );
    let spec = spec(&text, &[]);
    assert!(spec.settings["OUTER"].secret && !spec.settings["PLAIN"].secret);
    let needs = |service: &str| spec.services[&Name::new(service).unwrap()].needs.clone();
    assert_eq!(
        (needs("web"), needs("worker")),
        (vec![Name::new("db").unwrap()], vec![Name::new("db").unwrap()])
    );
    let build: Vec<&str> = spec.build.env.keys().map(String::as_str).collect();
    assert_eq!(build, ["PLAIN"]);
    // Another server is another address.
    let other = self::spec(&text.replace("\"postgres\"", "\"redis\""), &[]);
    assert_ne!(digest(&spec, "worker"), digest(&other, "worker"));
}

#[test]
fn what_need_not_be_there_is_left_out_with_all_that_is_made_of_it() {
    let text = format!(
        "{APP}[settings]\nDSN = {{ required = false }}\nHOOK = {{ required = false, value = \"{{settings.DSN}}/x\" }}\n\
         OUTER = {{ required = false, value = \"{{settings.HOOK}}\" }}\nLEVEL = \"info\"\n"
    );
    assert_eq!(env(&spec(&text, &[]), "web"), ["LEVEL={settings.LEVEL}"]);
    let all =
        ["DSN={settings.DSN}", "HOOK={settings.HOOK}", "OUTER={settings.OUTER}", "LEVEL={settings.LEVEL}"];
    assert_eq!(env(&spec(&text, &[("DSN", "1")]), "web"), all);
}

#[test]
fn a_file_is_told_by_its_path() {
    let text = format!(
        "{APP}[settings]\nKEY = {{ secret = true, file = true }}\n[services.third]\n\
         command = \"third --key {{settings.KEY.file}}\"\n"
    );
    let before = spec(&text, &[("KEY", "1")]);
    assert_eq!(env(&before, "web"), ["KEY_FILE={settings.KEY.file}"]);
    assert!(before.settings["KEY"].file);
    assert_ne!(digest(&before, "web"), digest(&spec(&text, &[("KEY", "2")]), "web"));
}

// proves: APE-3, MDC-6, DC-9
#[test]
fn a_platform_with_more_than_sixty_options_is_declared_templated_and_checked() {
    let manifest = load(include_str!("good/analytics.toml"));
    let production = manifest.settings("production");
    let categories: std::collections::BTreeSet<_> =
        production.values().map(|setting| setting.category.clone().unwrap()).collect();
    assert!(production.len() > 60 && categories.len() == 11, "{} in {categories:?}", production.len());

    // Of both environments there is a template, which reads back.
    for (environment, must_be_filled_in) in [
        ("local", "APP_URL GRAPH_HOST GRAPH_PASSWORD SECRET_KEY JWT_SECRET"),
        ("production", "APP_URL GRAPH_HOST GRAPH_PASSWORD SECRET_KEY JWT_SECRET SMTP_HOST SENTRY_DSN"),
    ] {
        let declared = manifest.settings(environment);
        let text = template("analytics", environment, &declared);
        for category in &categories {
            assert!(text.contains(&format!("\n## {category}\n")), "{category}");
        }
        let parse = |text: &str| dotenv::parse(".env", text, &|_| None, &|_| None);
        let empty: Vec<String> = parse(&text).entries.iter().map(|entry| entry.name.clone()).collect();
        let mut expected: Vec<&str> = must_be_filled_in.split(' ').collect();
        expected.sort_by_key(|name| empty.iter().position(|found| found == name));
        assert_eq!(empty, expected);
        let all = parse(&text.lines().map(|line| format!("{}\n", uncommented(line))).collect::<String>());
        assert!(all.faults.is_empty(), "{:?}", all.faults);
        assert_eq!(all.entries.len(), declared.len());
    }

    // What stands in a filled-in file is checked before anything starts, all of it at once.
    let text = "APP_URL=analytics.internal\nGRAPH_HOST=bolt://graph\nGRAPH_PASSWORD=short\nSECRET_KEY=0123456789abcdef\n\
                SMTP_HOST=mail.internal\nSENTRY_DSN=http://sentry\nSERVER_WORKERS=65\nCACHE_TTL=300\nUPLOAD_LIMIT=lots\n\
                LOG_LEVEL=trace\nMETRICS_LABELS={\nRETENTION=1h\n";
    let entries = dotenv::parse(".env.production", text, &|_| None, &|_| None).entries;
    let files = vec![File { name: ".env.production".into(), entries }];
    let assembled = assemble(&production, Layers { files, ..Layers::default() });
    let mut lines: Vec<u32> =
        check(&production, &assembled, "windlass.toml").iter().map(|fault| fault.line).collect();
    lines.sort_unstable();
    assert_eq!(lines, [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12]);
}

/// A line of a template with its `#` taken away, where it is a setting.
fn uncommented(line: &str) -> &str {
    line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase())).unwrap_or(line)
}

// proves: DC-9
#[test]
fn all_settings_have_one_prefix_where_that_is_asked() {
    let text = format!(
        "{}[settings]\nSHOP_LEVEL = \"info\"\n",
        APP.replace("[services.web]", "settings_prefix = \"SHOP_\"\n[services.web]")
    );
    load(&text);
    let (_, diags) = manifest::load(&format!("{text}LEVEL = \"info\"\n"));
    let messages: Vec<&str> = diags.iter().map(|diag| diag.message.as_str()).collect();
    assert_eq!(
        messages,
        ["the setting LEVEL does not begin with SHOP_, which `settings_prefix` asks of all"]
    );
}

// proves: HS-19
#[test]
fn the_commands_of_a_rotation_get_what_is_meant_for_them() {
    let text = format!(
        "{APP}[env]\nLANG = \"C\"\n[settings]\nPLAIN = \"x\"\nADMIN = {{ secret = true, services = [\"rotate\"] }}\n\
         KEY = {{ secret = true, services = [\"web\"], rotate = \"generate\", min_length = 50 }}\n\
         SHORT = {{ secret = true, max_length = 12, rotate = {{ create = \"tell --app {{app}}\" }} }}\n"
    );
    let length = |name: &str| load(&text).settings("local")[name].rotate.map(|made_up| made_up.length);
    assert_eq!((length("KEY"), length("SHORT"), length("ADMIN")), (Some(50), Some(12), None));
    let of = |key: &str, command: &str| {
        let values = [("PLAIN", "1"), ("ADMIN", "2"), ("KEY", key), ("SHORT", "4")];
        spec(&text.replace("tell", command), &values)
    };
    let spec = of("3", "tell");
    // What nobody has to hear of needs no environment.
    assert!(spec.rotations["KEY"].env.is_empty() && spec.rotations["KEY"].commands().next().is_none());
    let rotation = &spec.rotations["SHORT"];
    assert_eq!(rotation.env.keys().collect::<Vec<_>>(), ["PLAIN", "ADMIN", "SHORT", "LANG"]);
    assert_eq!(rotation.create.as_ref().unwrap().to_string(), "tell --app {app}");
    assert!(!env(&spec, "web").iter().any(|variable| variable.starts_with("ADMIN")));
    // Another command restarts nobody, another value who sees it; neither is a reason to build again.
    let (told, rotated) = (of("3", "say"), of("5", "tell"));
    assert_eq!(digest(&told, "web"), digest(&spec, "web"));
    assert_ne!(digest(&rotated, "web"), digest(&spec, "web"));
    assert_eq!(rotated.build_digest("files"), spec.build_digest("files"));
    let web = &spec.services[&Name::new("web").unwrap()];
    assert!(web.sees("KEY", &spec.settings) && !web.sees("ADMIN", &spec.settings));
}

// proves: HS-19
#[test]
fn what_administers_a_server_is_given_to_nobody() {
    let text = format!(
        "{APP}[settings]\nADMIN = {{}}\nMIGRATES = {{ services = [\"web\"] }}\nPLAIN = \"x\"\n\
         DB = {{ type = \"url\", secret = true, rotate = {{ at = \"postgres\", admin = \"ADMIN\" }} }}\n\
         MQ = {{ type = \"url\", secret = true, rotate = {{ at = \"rabbitmq\", admin = \"MIGRATES\" }} }}\n\
         CACHE = {{ secret = true, rotate = {{ at = \"redis\", admin = \"ADMIN\", user = \"shop\", length = 40 }} }}\n\
         TOKEN = {{ secret = true, rotate = {{ create = [\"make\"] }} }}\n"
    );
    let declared = load(&text).settings("local");
    assert!(declared["ADMIN"].secret && declared["MIGRATES"].secret && !declared["PLAIN"].secret);
    assert_eq!(
        declared["CACHE"].rotate.map(|made_up| (made_up.length, made_up.at)),
        Some((40, Some(Engine::Redis)))
    );
    let values = |admin| {
        [("ADMIN", admin), ("MIGRATES", "2"), ("DB", "3"), ("MQ", "4"), ("CACHE", "5"), ("TOKEN", "6")]
    };
    let known = spec(&text, &values("1"));
    let web = env(&known, "web");
    assert!(!web.iter().any(|variable| variable.starts_with("ADMIN=")), "{web:?}");
    assert!(web.iter().any(|variable| variable.starts_with("MIGRATES=")), "{web:?}");
    let told = &known.rotations["TOKEN"].env;
    assert!(!told.contains_key("ADMIN"), "the commands of another setting have no use for it: {told:?}");
    let server = known.rotations["CACHE"].at.as_ref().unwrap();
    assert_eq!(
        (server.engine, server.admin.as_deref(), server.user.as_str()),
        (Engine::Redis, Some("ADMIN"), "shop")
    );
    // It is kept for whoever rotates, and another one restarts nobody.
    assert!(known.settings.contains_key("ADMIN"));
    let other = spec(&text, &values("9"));
    assert_eq!(digest(&other, "web"), digest(&known, "web"));
}

#[test]
fn what_nobody_gets_is_known_without_values_and_beside_what_is_wrong() {
    let text = r#"
[app]
name = "shop"

[services.web]
command = ["serve", "{settings.IN_COMMAND}"]

[settings]
GIVEN = {}
OPTIONAL = { required = false }
NAMED = { services = ["web"] }
IN_COMMAND = { services = [] }
PART = { services = [] }
WHOLE = { value = "<{settings.PART}>" }
ALONE = { services = [] }
OF_ALONE = { required = false, services = [] }
UNUSED = { value = "<{settings.OF_ALONE}>", services = [] }
"#;
    assert_eq!(unused(&load(text), "local"), ["ALONE", "OF_ALONE", "UNUSED"]);
    // The service may be who gets some of them.
    let wrong = text.replace("command", "comand");
    let (manifest, diags) = manifest::load(&wrong);
    assert!(diag::any_error(&diags));
    assert_eq!(unused(&manifest.unwrap(), "local"), ["ALONE", "UNUSED"]);
}
