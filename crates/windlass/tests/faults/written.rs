//! What other programs read of what Windlass writes: servers' configurations, SQL, what starts with the machine.

use windlass_testkit::sandbox::{Manifest, Sandbox};

use super::texts::{no_canary, toml};
use super::{WINDLASS, line};

/// Below it is all that is written, so that the servers' files name it.
const PLACE: &str = "it's \"$(touch canary)\" #;%n\\";
const DATABASE: &str = "it's \"x\"; DROP DATABASE postgres; --%n\\";
const PREFIX: &str = "it's \\' \"$(touch canary)\" # ; ";
const IDENT: &str = "it's\"$(touch\\canary)#;";

/// What the servers were told, from themselves; and what started them is there again.
fn read_back(sandbox: &Sandbox) {
    let asked = sandbox.succeed(&[
        "run",
        "--",
        "psql",
        "-AtX",
        "-c",
        "SELECT current_database()",
        "-c",
        "SHOW log_line_prefix",
    ]);
    assert_eq!(asked.stdout, format!("{DATABASE}\n{PREFIX}\n"), "{asked:?}");
    let asked =
        sandbox.succeed(&["run", "--", "sh", "-c", "redis-cli -p $REDIS_PORT CONFIG GET syslog-ident"]);
    assert_eq!(asked.stdout, format!("syslog-ident\n{IDENT}\n"), "{asked:?}");
}

#[test]
fn what_other_programs_read_says_what_was_meant() {
    let line = line("what_other_programs_read_says_what_was_meant");
    let place = tempfile::Builder::new().prefix(PLACE).tempdir().unwrap();
    let env = "[env]\nPGHOST = \"{resources.db.host}\"\nPGPORT = \"{resources.db.port}\"\nPGUSER = \"{resources.db.user}\"\n\
               PGPASSWORD = \"{resources.db.password}\"\nPGDATABASE = \"{resources.db.database}\"\n\
               REDIS_PORT = \"{resources.cache.port}\"\nREDISCLI_AUTH = \"{resources.cache.password}\"\n";
    let more = format!(
        "[resources.db]\nengine = \"postgres\"\ndatabase = {}\noptions = {{ log_line_prefix = {} }}\n\
         [resources.cache]\nengine = \"redis\"\noptions = {{ syslog-ident = {} }}\n",
        toml(DATABASE),
        toml(PREFIX),
        toml(IDENT)
    );
    let manifest = Manifest { top: env.into(), more, ..Manifest::small() };
    let sandbox = Sandbox::below(WINDLASS, place.path(), &manifest);
    sandbox.succeed(&["deploy"]);
    read_back(&sandbox);
    // Once more, from what is there already.
    sandbox.succeed(&["restart"]);
    read_back(&sandbox);
    // What has no way to say it is not written at all.
    let refused = sandbox.fail(&["host", "enable"], 1);
    assert!(refused.stderr.contains("cannot stand in a unit or a crontab"), "{refused:?}");
    assert_eq!(sandbox.status()["boot"], serde_json::Value::Null);
    no_canary(&sandbox, "written");
    sandbox.down();
    line.held(
        "the name of the directory of it all, of a database, and options of PostgreSQL and Redis: the servers run, and say \
         what they were told; no unit and no line of a crontab is written of what they cannot hold",
    );
}
