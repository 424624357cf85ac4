//! One run of the check shows all faults: of two faults in one manifest, however near to each other,
//! neither hides the other.

// Tests may fail; the library may not.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use indexmap::IndexMap;
use windlass_core::manifest;

/// What is put into a manifest: header, key, value.
type Change = (&'static str, &'static str, &'static str);

const GOOD: &[Change] = &[
    ("[app]", "name", "'shop'"),
    ("[services.web]", "command", "'run'"),
    ("[services.web]", "port", "'auto'"),
    ("[services.web.readiness]", "http", "'/'"),
    ("[services.worker]", "command", "'work'"),
    ("[jobs.migrate]", "command", "'migrate'"),
    ("[jobs.migrate]", "when", "'before-start'"),
    ("[jobs.migrate]", "undo", "'compatible'"),
    ("[cron.clean]", "command", "'clean'"),
    ("[cron.clean]", "schedule", "'@daily'"),
    ("[resources.db]", "engine", "'postgres'"),
    ("[resources.cache]", "engine", "'redis'"),
    ("[build]", "steps", "['make']"),
    ("[listen]", "http", "'127.0.0.1:8080'"),
    ("[settings.A]", "type", "'string'"),
    ("[settings.N]", "type", "'integer'"),
    ("[settings.S]", "secret", "true"),
    ("[settings.T]", "help", "'x'"),
    ("[settings.L]", "help", "'x'"),
    ("[settings.F]", "help", "'x'"),
    ("[stores.vault]", "kind", "'vault'"),
    ("[stores.vault]", "address", "'https://vault.example.org'"),
    ("[notify.team]", "url", "'https://example.org'"),
    ("[notify.team]", "on", "['failed']"),
    ("[[routes]]", "service", "'web'"),
];

/// What is wrong, alone or with another of them. The key may stand there already. None of them cures
/// another: it is no fault that one is then no longer told.
const BAD: &[Change] = &[
    ("[app]", "name", "'Shop'"),
    ("[app]", "settings_prefix", "'X_'"),
    ("[app]", "nmae", "'x'"),
    // A service.
    ("[services.web]", "command", "'run {nothing}'"),
    ("[services.web]", "replicas", "-1"),
    ("[services.web]", "directory", "'/srv'"),
    ("[services.web]", "user", "'Root!'"),
    ("[services.web]", "strategy", "'purple'"),
    ("[services.web]", "needs", "['web', 'nobody', 'migrate']"),
    ("[services.web]", "sigterm", "1"),
    ("[services.web.env]", "a-b", "'x'"),
    ("[services.web.env]", "X", "'{resources.none.url} {resources.cache.nothing}'"),
    ("[services.web.env]", "Y", "'{nothing} {nothing.else}'"),
    ("[services.web.env]", "API_KEY", "'hunter2'"),
    ("[services.web.readiness]", "tcp", "true"),
    ("[services.web.readiness]", "command", "'ask'"),
    ("[services.web.readiness]", "interval", "5"),
    ("[services.web.restart]", "backoff", "'10h'"),
    ("[services.web.limits]", "memory", "'much'"),
    ("[services.worker]", "needs", "['worker']"),
    ("[services.worker]", "singleton", "'yes'"),
    ("[services.worker.readiness]", "http", "'/'"),
    ("[services.worker.readiness]", "tcp", "true"),
    ("[services.worker.liveness]", "tcp", "true"),
    ("[services.worker.liveness]", "command", "'ask > it'"),
    ("[services.Worker]", "command", "['']"),
    ("[services.Other]", "prot", "1"),
    ("[services.Other]", "port", "70000"),
    ("[services.proxy]", "command", "'a && b'"),
    ("[services.silent]", "port", "'auto'"),
    // A job, a cron.
    ("[jobs.migrate]", "when", "'never'"),
    ("[jobs.migrate]", "timeout", "'0s'"),
    ("[jobs.web]", "command", "'x {settings.S}'"),
    ("[cron.clean]", "schedule", "'0 0 31 2 *'"),
    ("[cron.clean]", "time_zone", "'Europe/Berln'"),
    ("[cron.clean]", "overlap", "'maybe'"),
    // A resource.
    ("[resources.db]", "engine", "'oracle'"),
    ("[resources.db]", "url", "'postgres://x:y@z/'"),
    ("[resources.cache]", "url", "'mysql://x:y@z/'"),
    ("[resources.cache]", "database", "'name'"),
    ("[resources.db]", "port", "0"),
    ("[resources.db]", "memory", "5"),
    ("[resources.db]", "database", "''"),
    // The build.
    ("[build]", "steps", "['make {resources.db.url}', { timeout = '1s' }, 'x | y']"),
    ("[build]", "cache", "['/x', '.', 'media']"),
    ("[build]", "shared", "['..', 'media']"),
    // Listening.
    ("[listen]", "http", "['127.0.0.1:80', '0.0.0.0:80', ':90']"),
    ("[listen]", "https", "['0.0.0.0:80', 'localhost:443']"),
    ("[listen]", "redirect_to_https", "1"),
    // Settings.
    ("[settings.A]", "default", "'long enough'"),
    ("[settings.F]", "min_length", "9"),
    ("[settings.F]", "max_length", "3"),
    ("[settings.L]", "pattern", "'['"),
    ("[settings.L]", "default", "'no word'"),
    ("[settings.L]", "values", "['a', 'b']"),
    ("[settings.A]", "max_length", "3"),
    ("[settings.A]", "pattern", "'[a-z]'"),
    ("[settings.A]", "values", "['a', 'b']"),
    ("[settings.A]", "value", "'{settings.A}'"),
    ("[settings.F]", "from", "'nowhere:x'"),
    ("[settings.A]", "services", "['nobody', 'web']"),
    ("[settings.N]", "min", "5"),
    ("[settings.N]", "max", "3"),
    ("[settings.N]", "default", "'no number'"),
    ("[settings.N]", "rotate", "'generate'"),
    ("[settings.S]", "schemes", "['http://']"),
    ("[settings.S]", "default", "'hunter2'"),
    ("[settings.S]", "url", "{ scheme = 'x', password = 'hunter2', prot = 1 }"),
    ("[settings.T]", "type", "'strin'"),
    ("[settings.T]", "default", "[]"),
    ("[settings.T]", "rotate", "'generate'"),
    ("[settings.T]", "services", "['nobody']"),
    ("[settings.a-b]", "type", "'strin'"),
    ("[settings.a-b]", "required", "0"),
    // Stores and who is told.
    ("[stores.vault]", "address", "'http://vault.example.org'"),
    ("[stores.vault]", "region", "'x'"),
    ("[stores.other]", "kind", "'command'"),
    ("[notify.team]", "url", "'ftp://x'"),
    ("[notify.team]", "on", "['sometimes']"),
    // A route.
    ("[[routes]]", "service", "'nobody'"),
    ("[[routes]]", "files", "'shared:media2'"),
    ("[[routes]]", "redirect", "'somewhere'"),
    ("[[routes]]", "timeout", "'soon'"),
    ("[[routes]]", "host", "'https://Example.org'"),
    ("[[routes]]", "path", "'x'"),
    ("[[routes]]", "basic_auth", "''"),
    ("[[routes]]", "allow", "['10.0.0.1/8', 'x']"),
    ("[[routes]]", "headers", "{ 'a b' = 'x', Connection = 'y' }"),
    ("[[routes]]", "rate_limit", "{ requests = 0 }"),
    // Deploys.
    ("[deploy]", "keep", "0"),
    ("[deploy]", "smoke", "[{ service = 'worker', path = 'x' }, { service = 'nobody' }]"),
    ("[deploy]", "bake", "'1h'"),
    ("[environments.production]", "app", "{ name = 'x' }"),
    ("[environments.Production]", "app", "{ name = 'x' }"),
    ("[environments.production.services.web]", "replicas", "'2'"),
    ("[environments.production.services.web]", "singleton", "true"),
    ("[environments.production.services.web]", "replicas", "2"),
];

fn text(changes: &[Change]) -> String {
    let mut tables: IndexMap<&str, IndexMap<&str, &str>> = IndexMap::new();
    for (header, key, value) in GOOD.iter().chain(changes) {
        tables.entry(header).or_default().insert(key, value);
    }
    let line = |(key, value): (&&str, &&str)| format!("{key} = {value}\n");
    let table = |(header, entries): (&&str, &IndexMap<&str, &str>)| {
        format!("{header}\n{}\n", entries.iter().map(line).collect::<String>())
    };
    tables.iter().map(table).collect()
}

/// What is told of a manifest, wherever it stands.
fn told(changes: &[Change]) -> BTreeSet<(&'static str, String)> {
    manifest::load(&text(changes)).1.into_iter().map(|diag| (diag.code, diag.message)).collect()
}

#[test]
fn what_is_right_has_no_fault() {
    assert_eq!(told(&[]), BTreeSet::new(), "{}", text(&[]));
}

#[test]
fn of_two_faults_neither_hides_the_other() {
    let mut hidden = vec![];
    let alone: Vec<_> = BAD.iter().map(|bad| told(&[*bad])).collect();
    for (at, one) in BAD.iter().enumerate() {
        let others = BAD.iter().enumerate().skip(at + 1);
        for (other_at, other) in others.filter(|(_, other)| (other.0, other.1) != (one.0, one.1)) {
            let both = told(&[*one, *other]);
            let lost: Vec<_> =
                alone[at].union(&alone[other_at]).filter(|fault| !both.contains(fault)).collect();
            if !lost.is_empty() {
                hidden.push(format!("{one:?} and {other:?} no longer tell {lost:?}"));
            }
        }
    }
    assert!(hidden.is_empty(), "{} are hidden:\n{}", hidden.len(), hidden.join("\n"));
}

#[test]
fn a_third_in_one_table_hides_none_of_two() {
    let mut hidden = vec![];
    for (at, one) in BAD.iter().enumerate() {
        let near = |other: &&Change| other.0 == one.0 && other.1 != one.1;
        for two in BAD[at..].iter().filter(near) {
            let two_told = told(&[*one, *two]);
            for three in BAD.iter().filter(near).filter(|three| three.1 != two.1) {
                let all = told(&[*one, *two, *three]);
                let lost: Vec<_> = two_told.iter().filter(|fault| !all.contains(fault)).collect();
                if !lost.is_empty() {
                    hidden.push(format!("{one:?} and {two:?} with {three:?} no longer tell {lost:?}"));
                }
            }
        }
    }
    assert!(hidden.is_empty(), "{} are hidden:\n{}", hidden.len(), hidden.join("\n"));
}
