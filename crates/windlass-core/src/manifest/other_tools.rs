//! Words of other tools (compose, Kamal, Procfile-like ones, nginx), and what is written here in their place.

/// A word of another tool.
#[derive(Debug)]
pub(super) struct Word {
    /// The table that it was typed in, by its name.
    table: &'static str,
    words: &'static [&'static str],
    /// The key of the same table, where it is one.
    pub(super) key: Option<&'static str>,
    /// What to write, as in `write ...`.
    pub(super) instead: &'static str,
}

/// A word for a key of the same table.
const fn key(
    table: &'static str,
    words: &'static [&'static str],
    key: &'static str,
    instead: &'static str,
) -> Word {
    Word { table, words, key: Some(key), instead }
}

/// A word for what is said elsewhere.
const fn elsewhere(table: &'static str, words: &'static [&'static str], instead: &'static str) -> Word {
    Word { table, words, key: None, instead }
}

const WORDS: [Word; 33] = [
    key(
        "service",
        &["healthcheck", "health_check", "healthcheck_path", "health", "health_path"],
        "readiness",
        "readiness = \"/health\", a path that answers 200",
    ),
    key("service", &["depends_on", "depends", "after", "requires"], "needs", "needs = [\"db\"]"),
    key("service", &["environment", "env_vars", "vars", "variables"], "env", "env = { LANG = \"C.UTF-8\" }"),
    key("service", &["expose", "listen", "internal_port", "app_port"], "port", "port = \"auto\""),
    key("service", &["instances", "scale", "copies", "processes", "count"], "replicas", "replicas = 2"),
    key(
        "service",
        &["cmd", "run", "exec", "start", "script", "entrypoint"],
        "command",
        "command = \"PROGRAM ARGUMENTS\"",
    ),
    key(
        "service",
        &["working_dir", "workdir", "cwd", "working_directory"],
        "directory",
        "directory = \"backend\"",
    ),
    key(
        "service",
        &["memory", "mem_limit", "cpus", "cpu", "resources", "max_memory"],
        "limits",
        "limits = { memory = \"512MiB\", cpu = 1.5 }",
    ),
    key(
        "service",
        &["on_failure", "restart_policy", "autorestart", "restarts"],
        "restart",
        "restart = { when = \"on-failure\" }",
    ),
    key(
        "service",
        &["stop_grace_period", "kill_timeout", "shutdown_timeout", "grace", "stop_timeout"],
        "stop",
        "stop = { grace = \"60s\" }",
    ),
    key("service", &["stop_signal", "kill_signal"], "stop", "stop = { signal = \"INT\" }"),
    elsewhere(
        "service",
        &["host", "hosts", "domain", "domains", "proxy", "labels"],
        "[[routes]] with host = \"example.org\" and service = \"NAME\"",
    ),
    elsewhere("service", &["volumes", "mounts", "persist"], "[build] shared = [\"uploads\"]"),
    elsewhere(
        "service",
        &["image", "build", "dockerfile", "buildpack"],
        "[build] steps = [\"...\"]: there are no images",
    ),
    elsewhere(
        "service",
        &["env_file", "secrets"],
        "[settings] KEY = { secret = true }, and its value into .env",
    ),
    elsewhere(
        "service",
        &["release_command", "predeploy", "pre_deploy", "migrate"],
        "[jobs.migrate] with command = \"...\" and when = \"before-start\"",
    ),
    elsewhere("service", &["deploy"], "`replicas`, `limits` and `strategy` here, or [deploy]"),
    key(
        "route",
        &["spa", "try_files", "single_page", "index"],
        "fallback",
        "fallback = \"index.html\", beside `files`",
    ),
    key(
        "route",
        &["to", "proxy", "proxy_pass", "upstream", "backend", "target"],
        "service",
        "service = \"web\"",
    ),
    key("route", &["domain", "domains", "server_name"], "host", "host = \"example.org\""),
    key("route", &["prefix", "location", "match"], "path", "path = \"/api\""),
    key("route", &["root", "static", "dir", "directory", "alias"], "files", "files = \"public\""),
    key("route", &["auth", "htpasswd"], "basic_auth", "basic_auth = \"ADMIN_USERS\", a setting"),
    key(
        "route",
        &["client_max_body_size", "max_body_size", "body_size"],
        "body_limit",
        "body_limit = \"16MiB\"",
    ),
    key("route", &["cors", "header", "add_header"], "headers", "headers = { X-Frame-Options = \"DENY\" }"),
    elsewhere(
        "route",
        &["tls", "ssl", "https", "certificate"],
        "[listen] https = \"0.0.0.0:443\" and tls = [...]",
    ),
    key("cron", &["when", "at", "every", "cron", "time"], "schedule", "schedule = \"0 3 * * *\""),
    key("resource", &["type", "image", "kind"], "engine", "engine = \"postgres\""),
    key("deploy", &["retain", "keep_releases", "retain_containers", "releases"], "keep", "keep = 5"),
    elsewhere("deploy", &["on_failure", "rollback"], "nothing: a deploy that fails goes back by itself"),
    elsewhere(
        "deploy",
        &["replicas", "strategy", "update_config", "rolling"],
        "[services.NAME] with `replicas` and `strategy`",
    ),
    key(
        "manifest",
        &["accessories", "databases", "addons"],
        "resources",
        "[resources.db] with engine = \"postgres\"",
    ),
    key(
        "manifest",
        &["processes", "proc", "procs", "servers", "web"],
        "services",
        "[services.web] with command = \"...\"",
    ),
];

/// What stands here for a word that was typed in the table of this name.
pub(super) fn find(table: &str, typed: &str) -> Option<&'static Word> {
    let typed = typed.to_lowercase().replace('-', "_");
    WORDS.iter().find(|word| word.table == table && word.words.contains(&typed.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::fields::{CRON, DEPLOY, RESOURCE, ROOT, ROUTE, SERVICE};

    #[test]
    fn no_word_is_a_key_and_each_stands_for_one() {
        let tables = [&SERVICE, &ROUTE, &CRON, &RESOURCE, &DEPLOY, &ROOT];
        for word in &WORDS {
            let table = tables.into_iter().find(|table| table.name == word.table).unwrap();
            for typed in word.words {
                assert!(table.field(typed).is_none(), "{} has {typed}", table.name);
            }
            if let Some(key) = word.key {
                assert!(table.field(key).is_some(), "{} has no {key}", table.name);
            }
        }
        assert_eq!(find("service", "Health-Check").unwrap().key, Some("readiness"));
        assert!(find("route", "healthcheck").is_none());
    }
}
