use super::*;
use crate::settings::{Entry, File, Sealed};

fn file(name: &str, entries: &[(&str, &str)]) -> File {
    let entry = |(line, (name, value)): (usize, &(&str, &str))| Entry {
        name: (*name).to_owned(),
        value: Secret::new(*value),
        line: u32::try_from(line).unwrap() + 1,
        end: u32::try_from(line).unwrap() + 1,
        made_of: vec![],
    };
    File { name: name.to_owned(), entries: entries.iter().enumerate().map(entry).collect() }
}

fn text(value: &Value) -> String {
    let text = match &value.text {
        Text::Known(secret) => secret.expose().to_owned(),
        Text::Composed(template) => template.to_string(),
    };
    format!("{text} {}", value.provenance)
}

fn lines(assembled: &Assembled) -> Vec<String> {
    let line = |(name, setting): (&String, &Resolved)| {
        let overruled: String = setting.overruled.iter().map(|value| format!(" < {}", text(value))).collect();
        format!("{name} = {}{overruled}", text(&setting.value))
    };
    assembled.settings.iter().map(line).collect()
}

// proves: DC-10, DC-11
#[test]
fn every_layer_stands_above_the_next_one() {
    let mut declared = IndexMap::new();
    for (name, default, composed) in [
        ("ENVIRONMENT", Some("default"), None),
        ("OVERLAY", Some("default"), None),
        ("FILE", Some("default"), None),
        ("SEALED", Some("default"), None),
        ("STORE", Some("default"), None),
        ("COMPOSED", None, Some("x{settings.FILE}")),
        ("DEFAULT", Some("default"), None),
        ("NOWHERE", None, None),
    ] {
        let setting = Declared {
            default: default.map(str::to_owned),
            composed: composed.map(|text| Template::parse(text).unwrap()),
            ..Declared::default()
        };
        declared.insert(name.to_owned(), setting);
    }
    let environment = |name: &str| (name == "ENVIRONMENT" || name == "UNKNOWN").then(|| "environment".into());
    let names = ["ENVIRONMENT", "OVERLAY", "FILE", "SEALED", "STORE"];
    let all = |layer: &'static str, from: usize| -> Vec<(&'static str, &'static str)> {
        names[..from].iter().map(|name| (*name, layer)).collect()
    };
    let sealed = Sealed {
        file: "secrets.production.enc".into(),
        entries: names[..4]
            .iter()
            .chain(&["EXTRA"])
            .zip(7..)
            .map(|(name, line)| ((*name).to_owned(), (Secret::new("sealed"), line)))
            .collect(),
        warnings: vec![],
    };
    let store = |name: &&str| ((*name).to_owned(), (Secret::new("store"), format!("vault shop#{name}")));
    let layers = Layers {
        environment: Some(&environment),
        files: vec![file(".env.production", &all("overlay", 2)), file(".env", &all("file", 3))],
        sealed: Some(sealed),
        stores: names.iter().map(store).collect(),
        unanswered: vec![],
    };
    let assembled = assemble(&declared, layers);
    assert_eq!(
        lines(&assembled),
        [
            "ENVIRONMENT = environment environment < overlay .env.production:1 < file .env:1 \
             < sealed secrets.production.enc:7 < store vault shop#ENVIRONMENT < default default",
            "OVERLAY = overlay .env.production:2 < file .env:2 < sealed secrets.production.enc:8 \
             < store vault shop#OVERLAY < default default",
            "FILE = file .env:3 < sealed secrets.production.enc:9 < store vault shop#FILE < default default",
            "SEALED = sealed secrets.production.enc:10 < store vault shop#SEALED < default default",
            "STORE = store vault shop#STORE < default default",
            "COMPOSED = x{settings.FILE} composed",
            "DEFAULT = default default",
            "EXTRA = sealed secrets.production.enc:11",
        ]
    );
}

#[test]
fn only_declared_names_are_looked_up_in_the_environment() {
    let asked = std::cell::RefCell::new(vec![]);
    let environment = |name: &str| {
        asked.borrow_mut().push(name.to_owned());
        Some("environment".to_owned())
    };
    let declared = IndexMap::from([("A".to_owned(), Declared::default())]);
    let layers = Layers {
        environment: Some(&environment),
        files: vec![file(".env", &[("HOME", "/from/file")])],
        ..Layers::default()
    };
    let assembled = assemble(&declared, layers);
    assert_eq!(lines(&assembled), ["A = environment environment", "HOME = /from/file .env:1"]);
    assert_eq!(asked.into_inner(), ["A"]);
}

#[test]
fn a_value_anywhere_wins_over_a_composition() {
    let setting = Declared { composed: Some(Template::literal("x")), ..Declared::default() };
    let declared = IndexMap::from([("URL".to_owned(), setting)]);
    let layers = Layers { files: vec![file(".env", &[("URL", "given")])], ..Layers::default() };
    let assembled = assemble(&declared, layers);
    assert_eq!(lines(&assembled), ["URL = given .env:1 < x composed"]);
    assert!(assembled.get("URL").is_some() && assembled.has("URL") && !assembled.has("OTHER"));
}

#[test]
fn what_is_put_together_from_nothing_is_known() {
    let composed = |text: &str| Declared { composed: Template::parse(text).ok(), ..Declared::default() };
    let declared = IndexMap::from([
        ("A".to_owned(), composed("{{app}} changeme")),
        ("B".to_owned(), composed("<{settings.A}>")),
        ("C".to_owned(), composed("{settings.B}{app}")),
    ]);
    let assembled = assemble(&declared, Layers::default());
    assert_eq!(assembled.get("A").map(Secret::expose), Some("{app} changeme"));
    assert_eq!(assembled.settings["A"].value.provenance, Provenance::Composed);
    assert!(assembled.get("B").is_none());
    assert_eq!(assembled.whole("B").as_ref().map(Secret::expose), Some("<{app} changeme>"));
    assert!(assembled.whole("C").is_none() && assembled.whole("D").is_none());
}

#[test]
fn what_a_file_puts_together_from_a_secret_is_one() {
    let text = "PW=Zk31-blau\nHOST=db\nDSN=host=$HOST password=${PW}\nDEEP=<${DSN}>\nADDRESS=http://${HOST}/\n\
                HOME_OF=$HOME\nOF_TOKEN=${CI_TOKEN}\nONLY_ASKS=${PW:+set}\nOF_UNKNOWN=x${OTHER_PWD:-}\nOTHER_PWD=1\n\
                LATE=x${OTHER_PWD}\nURL=redis://:pw@h\nOF_URL=${URL}\n";
    let environment =
        |name: &str| matches!(name, "HOME" | "CI_TOKEN").then(|| "of the environment".to_owned());
    let parsed = crate::settings::dotenv::parse(".env", text, &environment, &|_| None);
    let overlay = crate::settings::dotenv::parse(".env.x", "ABOVE=$DEEP\n", &environment, &|name| {
        parsed.entries.iter().find(|entry| entry.name == name).map(|entry| entry.value.expose().to_owned())
    });
    let names = ["PW", "HOST", "DSN", "DEEP", "ADDRESS", "HOME_OF", "OF_TOKEN", "ONLY_ASKS", "LATE", "URL"];
    let mut declared: IndexMap<String, Declared> = names
        .iter()
        .chain(["OF_URL", "ABOVE"].iter())
        .map(|name| ((*name).to_owned(), Declared::default()))
        .collect();
    declared["PW"].secret = true;
    let files = vec![
        File { name: ".env.x".into(), entries: overlay.entries },
        File { name: ".env".into(), entries: parsed.entries },
    ];
    let assembled = assemble(&declared, Layers { files, ..Layers::default() });
    let is_one = |name: &&str| assembled.settings[*name].value.of_secret;
    let secrets: Vec<&str> = assembled.settings.keys().map(String::as_str).filter(is_one).collect();
    assert_eq!(secrets, ["DSN", "DEEP", "OF_TOKEN", "LATE", "OF_URL", "ABOVE"]);
}

#[test]
fn what_a_file_puts_together_from_ordinary_values_is_none() {
    let text = "DOMAIN=shop.example\nSITE_URL=https://${DOMAIN}\nMAIL=info@$DOMAIN\nCACHE=redis://:pw@h\n\
                OF_CACHE=<$CACHE>\nPUBLIC=$CACHE/0\nOF_PUBLIC=$PUBLIC\nPLAIN=1\nSTORED=x$PLAIN\n";
    let parsed = crate::settings::dotenv::parse(".env", text, &|_| None, &|_| None);
    let of = |harmless| Declared { harmless, ..Declared::default() };
    let declared: IndexMap<String, Declared> = [
        ("SITE_URL", of(true)),
        ("MAIL", of(false)),
        ("OF_CACHE", of(false)),
        ("PUBLIC", of(true)),
        ("OF_PUBLIC", of(false)),
        ("STORED", of(false)),
    ]
    .into_iter()
    .map(|(name, setting)| (name.to_owned(), setting))
    .collect();
    let sealed = Sealed {
        file: "secrets.production.enc".into(),
        entries: IndexMap::from([("PLAIN".to_owned(), (Secret::new("1"), 1))]),
        warnings: vec![],
    };
    let files = vec![File { name: ".env".into(), entries: parsed.entries }];
    let assembled = assemble(&declared, Layers { files, sealed: Some(sealed), ..Layers::default() });
    let is_one = |name: &&str| is_secret(name, declared.get(*name), &assembled.settings[*name].value);
    let secrets: Vec<&str> = declared.keys().map(String::as_str).filter(is_one).collect();
    assert_eq!(secrets, ["OF_CACHE", "OF_PUBLIC", "STORED"]);
}

/// What the manifest calls harmless may have another value below, or above, that is made of a secret.
#[test]
fn a_secret_is_one_over_two_steps_behind_what_is_called_harmless() {
    let text = "URL=db://h/\nA=<${URL}>\nB=<${A}>\n";
    let parsed = crate::settings::dotenv::parse(".env", text, &|_| None, &|_| None);
    let mut declared: IndexMap<String, Declared> =
        ["URL", "A", "B"].iter().map(|name| ((*name).to_owned(), Declared::default())).collect();
    declared["URL"].harmless = true;
    declared["URL"].secret = true;
    declared["URL"].composed = Some(Template::parse("db://u:{settings.PASSWORD}@h").unwrap());
    let files = vec![File { name: ".env".into(), entries: parsed.entries }];
    let assembled = assemble(&declared, Layers { files, ..Layers::default() });
    assert!(["A", "B"].iter().all(|name| assembled.settings[*name].value.of_secret));
}
