//! Nothing that may hold a value shows it to whoever prints it to look for a fault.

use std::fmt::Debug;

use indexmap::IndexMap;
use windlass_core::plan::{Observed, Plan, Request, Wanted, plan};
use windlass_core::protocol::{Answer, Ask, FingerprintKey, Values};
use windlass_core::settings::sealed::{self, Identity, Random};
use windlass_core::settings::{
    Declared, File, Layers, Provenance, Resolved, Sealed, Secret, Text, Value, assemble, dotenv,
};
use windlass_core::spec::Engine;
use windlass_core::store::Place;
use windlass_testkit::sample::{shop, source};

use super::store::Fetched;
use super::{Found, Redactor, Unstored};
use crate::resource::facts_of_url;
use crate::variables::Variables;

/// A value, and the bytes of a key.
const CANARY: &[u8; 32] = b"hunter2-hunter2-hunter2-hunter2-";

fn value() -> String {
    String::from_utf8(CANARY.to_vec()).unwrap()
}

fn values() -> Values {
    Values(IndexMap::from([("PASSWORD".to_owned(), value())]))
}

fn first_plan() -> Plan {
    let wanted = Wanted { request: Request::Deploy, spec: shop(), source: source("one") };
    plan(&wanted, &Observed { next_release: 1, ..Observed::default() }).unwrap()
}

fn dotenv() -> dotenv::Parsed {
    // A line that is right, one made of it, and one with a fault right at a value.
    let text = format!("PASSWORD={0}\nURL=\"x://:${{PASSWORD}}@h\"\nBROKEN='{0}\n", value());
    dotenv::parse(".env", &text, &|_| None, &|_| None)
}

/// All layers laid upon each other.
fn found() -> Found {
    let entries = IndexMap::from([("PASSWORD".to_owned(), (Secret::new(value()), 4))]);
    let layers = Layers {
        files: vec![File { name: ".env".to_owned(), entries: dotenv().entries }],
        sealed: Some(Sealed { file: "secrets.local.enc".to_owned(), entries, warnings: vec![] }),
        stores: IndexMap::from([("PASSWORD".to_owned(), (Secret::new(value()), "vault a#b".to_owned()))]),
        ..Layers::default()
    };
    let declared = IndexMap::from([("PASSWORD".to_owned(), Declared::default())]);
    let assembled = assemble(&declared, layers);
    assert!(!assembled.settings["PASSWORD"].overruled.is_empty());
    Found {
        declared,
        addresses: vec![],
        assembled,
        faults: vec![],
        lost: windlass_core::settings::Lost::default(),
        unnamed: IndexMap::new(),
        sealed: None,
        fingerprint_key: Some(FingerprintKey(*CANARY)),
        unstored: Unstored::default(),
    }
}

/// What somebody opened, and the file as it stands.
fn sealed_file() -> (sealed::Value, sealed::Parsed) {
    let mut random = Random::from_seed(CANARY);
    let ada = Identity::new(&mut random);
    let today = jiff::civil::date(2026, 11, 30);
    let mut editing = sealed::Editing::new("local", &mut random);
    editing.add("ada", ada.public(), None, today, &mut random).unwrap();
    editing.set("PASSWORD", &Secret::new(value()), today, &mut random).unwrap();
    let parsed = sealed::parse("secrets.local.enc", &editing.finish().0);
    let document = parsed.document.clone().unwrap();
    let opened = sealed::open("secrets.local.enc", document, vec![], &[ada]);
    let opened = opened.unwrap_or_else(|why| panic!("{why:?}"));
    let found = opened.get("PASSWORD").unwrap().clone();
    (found, parsed)
}

#[test]
fn nothing_that_may_hold_a_value_shows_it() {
    let key = || FingerprintKey(*CANARY);
    let secret = || Secret::new(value());
    let begin = Ask::Begin {
        plan: Box::new(first_plan()),
        values: values(),
        passed: values(),
        key: key(),
        by: "ada@home".to_owned(),
    };
    let observed = Answer::Observed { observed: Box::new(Observed::default()), key: Some(key()) };
    let attach = Answer::Attach {
        argv: vec![],
        directory: String::new(),
        user: None,
        env: values(),
        lock: None,
        stay: false,
    };
    let text = Value::new(Text::Known(secret()), Provenance::Environment);
    let url = format!("redis://:{}@localhost", value());
    let facts = facts_of_url(Engine::Redis, &url).unwrap();
    let place = Place::parse("vault:shop/db#password").unwrap();
    let fetched = Fetched { values: IndexMap::from([(place, secret())]), faults: vec![] };
    let redactor = Redactor::new([value().as_str()]);
    let variables = Variables::from(vec![("PASSWORD".to_owned(), value())]);
    let resolved = Resolved { value: text.clone(), overruled: vec![text] };
    let (opened, parsed) = sealed_file();
    let (found, dotenv) = (found(), dotenv());
    let all: [&dyn Debug; 15] = [
        &begin,
        &observed,
        &attach,
        &values(),
        &key(),
        &secret(),
        &resolved,
        &facts,
        &fetched,
        &redactor,
        &variables,
        &opened,
        &parsed,
        &found,
        &dotenv,
    ];
    let as_numbers = format!("{:?}", &CANARY[..4]);
    let as_numbers = as_numbers.trim_matches(['[', ']']);
    for one in all {
        for shown in [format!("{one:?}"), format!("{one:#?}").split_whitespace().collect()] {
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(!shown.contains(as_numbers) && !shown.contains(&as_numbers.replace(' ', "")), "{shown}");
        }
    }
}
