//! From manifests to specifications: what is filled in, implied, ordered; and what a digest sees.

// Tests may look at files, and may fail; the library may not.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic)]

use indexmap::IndexMap;
use windlass_core::diag;
use windlass_core::manifest::{self, Manifest};
use windlass_core::name::Name;
use windlass_core::plan::same_but_for_scale_and_rotation;
use windlass_core::resolve::resolve;
use windlass_core::spec::{
    ClientPatience, Command, Destination, MessageFormat, Occasion, Overlap, Port, Probe, RestartWhen,
    Setting, Source, Spec, Strategy, Undo, When,
};
use windlass_core::units::{Bytes, Span};

fn load(text: &str) -> Manifest {
    let (manifest, diags) = manifest::load(text);
    assert!(!diag::any_error(&diags), "{}", diag::render_all(&diags, text, "windlass.toml"));
    manifest.unwrap()
}

fn settings(values: &[(&str, &str)]) -> IndexMap<String, Setting> {
    let setting =
        |value: &str| Setting { secret: false, fingerprint: value.to_owned(), ..Setting::default() };
    values.iter().map(|(key, value)| ((*key).to_owned(), setting(value))).collect()
}

fn spec(text: &str, environment: &str, values: &[(&str, &str)]) -> Spec {
    resolve(&load(text), environment, &settings(values))
        .unwrap_or_else(|diags| panic!("{}", diag::render_all(&diags, text, "windlass.toml")))
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn argv(command: &Command) -> Vec<String> {
    match command {
        Command::Argv(words) => words.iter().map(ToString::to_string).collect(),
        Command::Shell(line) => vec!["sh".to_owned(), line.clone()],
    }
}

const SHOP: &str = include_str!("good/shop.toml");
const SHOP_SETTINGS: [(&str, &str); 5] = [
    ("SECRET_KEY", "1"),
    ("ADMIN_USERS", "2"),
    ("BUILD_TOKEN", "3"),
    ("OUTSIDE_URL", "4"),
    ("EXTRA_SETTING", "5"),
];

#[test]
fn everything_that_was_typed_arrives() {
    let spec = spec(SHOP, "production", &SHOP_SETTINGS);
    let web = &spec.services["web"];
    assert_eq!(argv(&web.command), ["gunicorn", "shop.wsgi:create()", "--bind", "127.0.0.1:{port}"]);
    assert_eq!(web.port, Some(Port::Automatic));
    assert_eq!(web.replicas, 4);
    assert_eq!(web.directory, "backend");
    assert_eq!(web.user.as_deref(), Some("www-data"));
    assert_eq!(web.strategy, Strategy::Rolling { max_surge: 1, max_unavailable: 0 });
    assert_eq!(web.limits.cpu_millis, Some(1500));
    assert_eq!(web.limits.memory, Some(Bytes(512 << 20)));
    let readiness = web.checks.readiness.as_ref().unwrap();
    assert_eq!(
        readiness.probe,
        Probe::Http {
            path: "/health".into(),
            status: Some(200.into()),
            host: Some("shop.example.org".into())
        }
    );
    assert_eq!((readiness.healthy_after, readiness.unhealthy_after), (2, 4));
    assert_eq!(readiness.start_period, Span::from_secs(90));
    assert_eq!(web.stop.signal, "TERM");
    let worker = &spec.services["worker"];
    assert_eq!(worker.command, Command::Shell("exec celery -A shop worker | tee log".into()));
    assert_eq!(worker.restart.when, RestartWhen::OnFailure);
    assert_eq!(worker.stop.quiet.as_ref().unwrap().signal, "TSTP");
    let migrate = &spec.jobs["migrate"];
    assert_eq!(migrate.when, When::BeforeStart);
    assert!(matches!(&migrate.undo, Undo::Command(command) if argv(command).last().unwrap() == "back"));
    assert_eq!(spec.crons["cleanup"].overlap, Overlap::Queue);
    assert_eq!(spec.crons["cleanup"].time_zone, "Europe/Berlin");
    assert_eq!(spec.build.steps.len(), 3);
    assert_eq!(spec.build.steps[2].timeout, Span::from_secs(600));
    assert_eq!(spec.deploy.keep, 3);
    assert!((spec.deploy.max_p95_ratio - 2.0).abs() < f64::EPSILON);
    assert!(
        matches!(&spec.resources["cache"].source, Source::Private { port: 7001, database, .. } if database == "0")
    );
    assert!(matches!(&spec.resources["outside"].source, Source::External { .. }));
    assert_eq!(spec.listen.http, ["127.0.0.1:80", "[::1]:80"]);
    assert!(spec.listen.redirect_to_https);
    assert_eq!(spec.listen.trusted_proxies, ["10.0.0.0/8", "192.0.2.7"]);
}

/// Windlass judges anew what is masked, and no code has changed for that.
#[test]
fn a_value_that_is_masked_no_longer_makes_no_other_code() {
    let masked = spec(SHOP, "local", &SHOP_SETTINGS);
    let mut shown = masked.clone();
    shown.settings.values_mut().for_each(|setting| setting.secret = !setting.secret);
    assert!(masked != shown && same_but_for_scale_and_rotation(&masked, &shown));
    shown.settings.values_mut().for_each(|setting| setting.fingerprint.push('x'));
    assert!(!same_but_for_scale_and_rotation(&masked, &shown));
}

#[test]
fn behind_a_balancer_that_ends_tls_requests_are_redirected_without_https_of_ones_own() {
    let text = "[app]\nname = \"shop\"\n[services.web]\ncommand = \"run {port}\"\nport = \"auto\"\n\
                [listen]\nhttp = \"127.0.0.1:80\"\nredirect_to_https = true\ntrusted_proxies = [\"10.0.0.0/8\"]\n";
    assert!(spec(text, "local", &[]).listen.redirect_to_https);
}

// proves: CM-10
#[test]
fn an_environment_is_laid_over_the_rest() {
    let production = spec(SHOP, "production", &SHOP_SETTINGS);
    let local = spec(SHOP, "local", &SHOP_SETTINGS);
    assert_eq!(local.services["web"].replicas, 2);
    assert_eq!(local.services["web"].env["LANG"].to_string(), "C.UTF-8");
    assert_eq!(production.services["web"].env["LANG"].to_string(), "de_DE.UTF-8");
    assert_eq!(production.services["web"].env["EXTRA"].to_string(), "{app}-{environment}");
    assert!(!local.resources.contains_key("outside"));
    let error = resolve(&load(SHOP), "prod", &settings(&SHOP_SETTINGS)).unwrap_err();
    assert_eq!(error[0].code, "unknown-environment");
}

// proves: DC-9, MDC-6
#[test]
fn settings_are_passed_to_all_that_may_have_them() {
    let spec = spec(SHOP, "local", &SHOP_SETTINGS);
    let web: Vec<&str> = spec.services["web"].env.keys().map(String::as_str).collect();
    assert_eq!(web, ["SECRET_KEY", "DEBUG", "OUTSIDE_URL", "EXTRA_SETTING", "LANG", "DATABASE_URL", "JSON"]);
    assert_eq!(spec.services["web"].env["SECRET_KEY"].to_string(), "{settings.SECRET_KEY}");
    assert!(spec.build.env.contains_key("BUILD_TOKEN"));
    assert!(!spec.services["web"].env.contains_key("BUILD_TOKEN"));
    assert!(spec.jobs["migrate"].env.contains_key("EXTRA_SETTING"));
    assert!(spec.settings["SECRET_KEY"].secret);
    assert!(!spec.settings["EXTRA_SETTING"].secret);
    // Nobody is passed it, but a route asks for it.
    assert!(spec.settings.contains_key("ADMIN_USERS"));
    assert_eq!(spec.settings["DEBUG"].fingerprint.len(), 16);
}

// proves: APE-14
#[test]
fn what_is_needed_comes_first_and_references_are_needs() {
    let spec = spec(SHOP, "local", &SHOP_SETTINGS);
    let order: Vec<&str> = spec.services.keys().map(Name::as_str).collect();
    assert_eq!(order, ["worker", "web", "beat"]);
    assert_eq!(spec.services["web"].needs, [name("worker"), name("db")]);
    assert_eq!(spec.services["worker"].needs, [name("queue"), name("cache")]);
}

#[test]
fn the_most_specific_route_comes_first() {
    let spec = spec(SHOP, "local", &SHOP_SETTINGS);
    let order: Vec<String> = spec
        .routes
        .iter()
        .map(|route| format!("{}{}", route.host.as_deref().unwrap_or(""), route.path))
        .collect();
    assert_eq!(
        order,
        ["shop.example.org/", "*.example.org/", "/metrics", "/static", "/health", "/media", "/"]
    );
    assert_eq!(spec.routes[2].to, Destination::Metrics);
    assert_eq!(spec.routes[4].access.allow, ["10.0.0.0/8", "::1/128"]);
    assert!(spec.routes[3].strip_prefix, "a prefix is no part of a file's path");
    assert!(!spec.routes[0].strip_prefix);
}

#[test]
fn a_manifest_of_five_lines_is_complete() {
    let text = "[app]\nname = \"hello\"\n[services.web]\ncommand = \"./hello {port}\"\nport = \"auto\"\n";
    let spec = spec(text, "local", &[]);
    assert_eq!(spec.listen.http, ["127.0.0.1:8080"]);
    assert_eq!(spec.routes.len(), 1);
    assert_eq!(spec.routes[0].to, Destination::Service(name("web")));
    let web = &spec.services["web"];
    assert_eq!((web.replicas, web.strategy), (1, Strategy::BlueGreen));
    assert_eq!(web.settle, Span::from_secs(2));
    assert_eq!((web.stop.signal.as_str(), web.stop.grace), ("TERM", Span::from_secs(30)));
    assert_eq!((web.restart.limit, web.restart.window), (5, Span::from_secs(60)));
    assert_eq!((spec.deploy.keep, spec.deploy.bake, spec.deploy.min_requests), (5, Span::from_secs(3), 20));
    assert_eq!(spec.deploy.min_free_disk, 200 << 20);
}

#[test]
fn a_singleton_is_recreated_unless_told_otherwise() {
    assert_eq!(spec(SHOP, "local", &SHOP_SETTINGS).services["beat"].strategy, Strategy::Recreate);
}

#[test]
fn a_refused_value_is_not_taken_for_one_that_was_left_out() {
    let text = "[app]\nname = \"a\"\n[services.w]\ncommand = \"run\"\nreplicas = \"two\"\nlimits = { memory = \"much\" }\n";
    let (manifest, _) = manifest::load(text);
    let faults = resolve(&manifest.unwrap(), "local", &IndexMap::new()).unwrap_err();
    assert_eq!(faults.iter().map(|diag| diag.code).collect::<Vec<_>>(), ["wrong-type", "bad-size"]);
}

#[test]
fn hostile_text_arrives_as_the_bytes_that_were_typed() {
    let hostile = [
        "; touch /tmp/x",
        "$(id)",
        "`id`",
        "| sh",
        "&& reboot",
        "a\nb",
        "'",
        "\"",
        "-oProxyCommand=id",
        "--upload-pack=id",
        "../..",
        "%i",
        "${HOME}",
        "*",
        "{\"a\": {}}",
        "\u{1b}[31m",
        "\\",
    ];
    for text in hostile {
        let quoted = toml_string(text);
        let manifest = format!(
            "[app]\nname = \"a\"\n[env]\nA = {quoted}\n[services.w]\ncommand = [\"run\", {quoted}]\nenv = {{ B = {quoted} }}\n"
        );
        let spec = spec(&manifest, "local", &[]);
        let Command::Argv(words) = &spec.services["w"].command else { panic!("{text:?}") };
        for template in [&words[1], &spec.services["w"].env["A"], &spec.services["w"].env["B"]] {
            assert_eq!(template.fill(|_| Err(())).as_deref(), Ok(text));
        }
        assert_eq!(words.len(), 2);
    }
}

fn toml_string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[test]
fn a_digest_sees_what_the_process_sees_and_nothing_else() {
    let base = spec(SHOP, "local", &SHOP_SETTINGS);
    let digest = |spec: &Spec, service: &str| spec.service_digest(&name(service), "files").unwrap();
    assert_eq!(digest(&base, "web").len(), 16);
    assert_eq!(digest(&base, "web"), digest(&spec(SHOP, "local", &SHOP_SETTINGS), "web"));
    assert_ne!(digest(&base, "web"), base.service_digest(&name("web"), "other files").unwrap());
    assert_ne!(digest(&base, "web"), digest(&base, "worker"));
    assert_eq!(base.service_digest(&name("nothing"), "files"), None);

    let same = [
        ("replicas = 2", "replicas = 3"),
        ("files = [\"backend/**\"]", "files = [\"back/**\"]"),
        ("keep = 3", "keep = 4"),
        ("SECRET_KEY = { secret = true }", "SECRET_KEY = { secret = false }"),
        ("strategy = { rolling = { max_surge = 1, max_unavailable = 0 } }", ""),
    ];
    for (from, to) in same {
        assert_eq!(
            digest(&base, "web"),
            digest(&spec(&SHOP.replace(from, to), "local", &SHOP_SETTINGS), "web"),
            "{to}"
        );
    }
    let different = [
        ("127.0.0.1:{port}", "{port}"),
        ("LANG = \"C.UTF-8\"", "LANG = \"C\""),
        ("version = 15", "version = 16"),
    ];
    for (from, to) in different {
        assert_ne!(
            digest(&base, "web"),
            digest(&spec(&SHOP.replace(from, to), "local", &SHOP_SETTINGS), "web"),
            "{to}"
        );
    }

    // A setting that only some services see restarts only those.
    let restricted = SHOP
        .replace("SECRET_KEY = { secret = true }", "SECRET_KEY = { secret = true, services = [\"web\"] }");
    let mut values = SHOP_SETTINGS;
    let before = spec(&restricted, "local", &values);
    values[0].1 = "another";
    let after = spec(&restricted, "local", &values);
    assert_ne!(digest(&before, "web"), digest(&after, "web"));
    assert_eq!(digest(&before, "worker"), digest(&after, "worker"));
    assert_eq!(before.job_digest(&name("migrate"), ""), after.job_digest(&name("migrate"), ""));
    assert_eq!(before.resource_digest(&name("db")), after.resource_digest(&name("db")));
    assert_eq!(before.build_digest("x"), after.build_digest("x"));
}

#[test]
fn a_specification_is_read_back_as_written() {
    let spec = spec(SHOP, "production", &SHOP_SETTINGS);
    let text = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<Spec>(&text).unwrap(), spec);
}

#[test]
fn who_is_told_of_what() {
    let text = "[app]\nname = \"shop\"\n[services.web]\ncommand = \"./web\"\n[settings]\nCHAT = { secret = true }\n\
                [notify.chat]\nurl = \"{settings.CHAT}\"\nformat = \"slack\"\n\
                [notify.log]\nurl = \"http://127.0.0.1:9000/x\"\non = [\"deployed\", \"unhealthy\"]\n";
    let spec = spec(text, "local", &[("CHAT", "1"), ("UNUSED", "2")]);
    let chat = &spec.notify["chat"];
    assert_eq!((chat.url.to_string().as_str(), chat.format), ("{settings.CHAT}", MessageFormat::Slack));
    let all_but_deployed = Occasion::ALL.into_iter().filter(|occasion| *occasion != Occasion::Deployed);
    assert_eq!(chat.on, all_but_deployed.collect::<Vec<_>>());
    let log = &spec.notify["log"];
    assert_eq!((&log.on, log.format), (&vec![Occasion::Deployed, Occasion::Unhealthy], MessageFormat::Json));
    assert!(spec.settings.contains_key("CHAT"), "its value has to reach the host side");
    // Who is told is nothing that a service sees.
    let digest = |spec: &Spec| spec.service_digest(&name("web"), "files");
    let mut other = spec.clone();
    other.notify.clear();
    assert_eq!(digest(&other), digest(&spec));
}

#[test]
fn how_long_is_waited() {
    let text = "[app]\nname = \"shop\"\n[services.web]\ncommand = \"./web\"\nport = \"auto\"\n\
                stop = { quiet = { signal = \"SIGTSTP\", wait = \"5m\", idle = \"./idle {app}\" } }\n";
    let usual = spec(text, "local", &[]);
    assert_eq!(usual.listen.patience, ClientPatience::default());
    let quiet = usual.services["web"].stop.quiet.as_ref().unwrap();
    assert_eq!(quiet.idle.as_ref().map(argv), Some(vec!["./idle".to_owned(), "{app}".to_owned()]));
    let typed =
        format!("{text}[listen]\nhead_timeout = \"1s\"\nkeep_timeout = \"2s\"\nwrite_timeout = \"3s\"\n");
    let patience =
        ClientPatience { head: Span::from_secs(1), keep: Span::from_secs(2), write: Span::from_secs(3) };
    assert_eq!(spec(&typed, "local", &[]).listen.patience, patience);
}

#[test]
fn a_literal_that_can_be_guessed_is_refused_where_others_depend_on_it() {
    let text = "[app]\nname = \"shop\"\n\n[environments.production]\n\n[env]\nCACHE = \"redis://:changeme@cache\"\n\
                BANNER = \"<changeme>\"\n\n[services.web]\ncommand = \"run\"\nenv = { API_TOKEN = \"changeme\" }\n";
    let manifest = load(text);
    assert!(resolve(&manifest, "local", &settings(&[])).is_ok());
    let faults = resolve(&manifest, "production", &settings(&[])).unwrap_err();
    let said: Vec<(&str, &str)> = faults.iter().map(|diag| (diag.code, diag.message.as_str())).collect();
    assert_eq!(
        said,
        [
            ("weak-secret", "CACHE: the password in it is one of the passwords that are tried first"),
            ("weak-secret", "API_TOKEN: it is one of the passwords that are tried first"),
        ]
    );
}

#[test]
fn no_line_of_an_environment_makes_an_outside_database_a_private_one() {
    for line in
        ["options = { max_connections = \"200\" }", "memory = \"1GiB\"", "port = 5433", "version = 16"]
    {
        let text = format!(
            "[app]\nname = \"shop\"\n\n[services.web]\ncommand = \"serve\"\n\n[resources.db]\nengine = \"postgres\"\n\
             url = \"postgres://db/shop\"\n\n[environments.production]\nresources.db.{line}\n"
        );
        let (_, faults) = windlass_core::manifest::load(&text);
        let said: Vec<&str> = faults.iter().map(|diag| diag.message.as_str()).collect();
        let key = line.split(' ').next().unwrap();
        let expected = format!(
            "resources.db has a `url`, so it is somebody else's, and `{key}` is for private ones (in the environment production)"
        );
        assert_eq!(said, [expected]);
    }
}

#[test]
fn an_environment_says_in_another_way_what_the_rest_says() {
    let text = "[app]\nname = \"shop\"\n\n[services.web]\ncommand = \"serve\"\nport = \"auto\"\n\
                readiness = { http = \"/ready\", status = 204, interval = \"3s\" }\nliveness = \"/alive\"\n\
                startup = { command = \"up\" }\n\n[resources.db]\nengine = \"postgres\"\nversion = 15\n\n\
                [resources.cache]\nengine = \"redis\"\nurl = \"redis://cache/0\"\n\n[environments.other]\n\
                services.web.readiness = { tcp = true }\nservices.web.liveness = { interval = \"7s\" }\n\
                services.web.startup = { http = \"/up\" }\nresources.db.url = \"postgres://db/shop\"\n\
                resources.cache.url = \"redis://other/1\"\n";
    let spec = spec(text, "other", &[]);
    let web = &spec.services["web"].checks;
    let asked = |check: &Option<windlass_core::spec::Check>| {
        let check = check.as_ref().unwrap();
        let way = match &check.probe {
            Probe::Http { path, .. } => path.clone(),
            Probe::Tcp => "tcp".to_owned(),
            Probe::Command(_) => "command".to_owned(),
        };
        (way, check.interval.to_string())
    };
    assert_eq!(asked(&web.readiness), ("tcp".to_owned(), "3s".to_owned()));
    assert_eq!(asked(&web.liveness), ("/alive".to_owned(), "7s".to_owned()));
    assert_eq!(asked(&web.startup).0, "/up");
    let is_external = |name: &str| matches!(spec.resources[name].source, Source::External { .. });
    assert!(is_external("db") && is_external("cache"), "{:?}", spec.resources);
    // Two ways in one place are as wrong as ever.
    let both = text.replace("readiness = { tcp = true }", "readiness = { tcp = true, http = \"/\" }");
    let (_, diags) = manifest::load(&both);
    assert!(
        diag::render_all(&diags, &both, "windlass.toml").contains("a check asks in one way"),
        "{diags:?}"
    );
}
