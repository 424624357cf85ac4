//! What a deploy that goes back undoes of a migration: what it changed, and nothing else.

use windlass_testkit::sandbox::{Manifest, Sandbox};

use super::WINDLASS;

/// A migration that appends what the file `migrations` lists and the database does not have yet, and an
/// undo that takes back one.
fn manifest(schema: &str, undo: &str) -> Manifest {
    Manifest {
        more: format!(
            "[jobs.migrate]\n\
             command = {{ shell = 'cd $WINDLASS_SHARED && touch db && for m in $(cat $OLDPWD/migrations); do grep -qx $m db || echo $m >> db; done; ! test -e $OLDPWD/spoil || touch unreadable' }}\n\
             when = \"before-start\"\n{schema}undo = {{ command = {{ shell = '{undo}' }} }}\n"
        ),
        ..Manifest::small()
    }
}

/// What reads the schema; `unreadable` keeps it from that.
const SCHEMA: &str = "schema = { shell = 'cd $WINDLASS_SHARED && ! test -e unreadable && { tail -n 1 db 2>/dev/null || echo none; }' }\n";

const DOWN_ONE: &str =
    r#"cd $WINDLASS_SHARED; echo "from $WINDLASS_SCHEMA_BEFORE" >> undone; sed -i "\$d" db"#;

/// Back to where it was, however many steps that are.
const DOWN_TO: &str = r#"cd $WINDLASS_SHARED; echo "to ${WINDLASS_SCHEMA_BEFORE:?}" >> undone; while test -s db && test "$(tail -n 1 db)" != "$WINDLASS_SCHEMA_BEFORE"; do sed -i "\$d" db; done"#;

fn place(schema: &str, undo: &str) -> Sandbox {
    let sandbox = Sandbox::with(WINDLASS, &manifest(schema, undo));
    sandbox.write("migrations", "0001\n0002\n");
    sandbox.succeed(&["deploy"]);
    assert_eq!(sandbox.shared("db"), "0001\n0002\n");
    sandbox
}

#[test]
fn what_a_deploy_did_not_change_is_not_undone() {
    let sandbox = place(SCHEMA, DOWN_ONE);
    sandbox.behave("web.unready");
    let output = sandbox.fail(&["deploy"], 3);
    assert!(output.stderr.contains("nothing to undo: the schema is 0002, as before"), "{output:?}");
    assert_eq!(sandbox.shared("db"), "0001\n0002\n", "it is that of the release that serves");
    assert_eq!(sandbox.shared("undone"), "");
    assert_eq!(sandbox.release(), "r1");
    // The job counts as done in the release in which it was.
    let output = sandbox.fail(&["run", "migrate", "--undo", "--release", "r2"], 2);
    assert!(output.stderr.contains("its files, releases/r2, are gone"), "{output:?}");
    sandbox.behave("");
    sandbox.write("migrations", "0001\n0002\n0003\n");
    sandbox.succeed(&["deploy"]);
    let releases = sandbox.succeed(&["releases", "--json"]).json();
    let schemas: Vec<&str> =
        releases.as_array().unwrap().iter().map(|r| r["schema"]["migrate"].as_str().unwrap()).collect();
    assert_eq!(schemas, ["0003", "0002"], "{releases}");
    // By hand it is told as well what there was before.
    sandbox.succeed(&["run", "migrate", "--undo"]);
    assert_eq!(sandbox.shared("undone"), "from 0002\n");
    sandbox.down();
}

#[test]
fn what_a_deploy_changed_is_undone_wholly() {
    let sandbox = place(SCHEMA, DOWN_TO);
    sandbox.write("migrations", "0001\n0002\n0003\n0004\n");
    sandbox.behave("web.unready");
    sandbox.fail(&["deploy"], 3);
    assert_eq!(sandbox.shared("undone"), "to 0002\n");
    assert_eq!(sandbox.shared("db"), "0001\n0002\n", "both are gone");
    // A run that finds the first try's migrations undone applies them again.
    sandbox.behave("");
    sandbox.succeed(&["deploy"]);
    assert_eq!(sandbox.shared("db"), "0001\n0002\n0003\n0004\n");
    let releases = sandbox.succeed(&["releases", "--json"]).json();
    assert_eq!(releases[0]["schema"]["migrate"], "0004", "{releases}");
    assert_eq!(releases[1]["schema"]["migrate"], "0002", "{releases}");
    sandbox.down();
}

#[test]
fn a_rollback_over_a_migration_is_refused_until_the_schema_is_what_the_release_knew() {
    let sandbox = place(SCHEMA, DOWN_TO);
    sandbox.write("migrations", "0001\n0002\n0003\n");
    sandbox.succeed(&["deploy"]);
    // A deploy that undoes its own leaves what is active as it was, also of what the jobs have done.
    sandbox.write("migrations", "0001\n0002\n0003\n0004\n");
    sandbox.behave("web.unready");
    sandbox.fail(&["deploy"], 3);
    sandbox.behave("");
    let refused = || {
        let output = sandbox.fail(&["rollback"], 6);
        assert!(output.stderr.contains("the job migrate has brought it from 0002 to 0003"), "{output:?}");
        assert!(output.stderr.contains("`windlass run migrate --undo`"), "{output:?}");
    };
    refused();
    sandbox.succeed(&["run", "migrate", "--undo"]);
    assert_eq!(sandbox.shared("db"), "0001\n0002\n");
    sandbox.succeed(&["rollback"]);
    // The release that came of it knows what the database is, and not what it was once.
    sandbox.write("migrations", "0001\n0002\n0003\n");
    sandbox.succeed(&["deploy"]);
    assert_eq!(sandbox.shared("db"), "0001\n0002\n0003\n");
    refused();
    sandbox.down();
}

#[test]
fn nothing_is_undone_blindly() {
    let sandbox = place(SCHEMA, DOWN_TO);
    let unreadable = sandbox.environment().join("shared/unreadable");
    sandbox.write("migrations", "0001\n0002\n0003\n");
    sandbox.behave("web.unready");
    // It cannot be read any more when the run goes back.
    sandbox.write("spoil", "");
    let output = sandbox.fail(&["deploy"], 5);
    for said in [
        "the job migrate is not undone, because it cannot be told whether it changed the schema: the command that \
         reads the schema failed",
        "before the job it was 0002",
        "`windlass run migrate --undo`",
    ] {
        assert!(output.stderr.contains(said), "{said}: {output:?}");
    }
    assert_eq!(sandbox.shared("undone"), "");
    assert_eq!(sandbox.release(), "r1");
    // A person looks, and does.
    std::fs::remove_file(&unreadable).unwrap();
    sandbox.succeed(&["run", "migrate", "--undo"]);
    assert_eq!(sandbox.shared("undone"), "to 0002\n");
    assert_eq!(sandbox.shared("db"), "0001\n0002\n");
    // Nor where it could not be read before.
    std::fs::write(&unreadable, "").unwrap();
    std::fs::remove_file(sandbox.source().join("spoil")).unwrap();
    let output = sandbox.fail(&["deploy"], 5);
    assert!(output.stderr.contains("should this deploy go back, migrate is not undone"), "{output:?}");
    assert_eq!(sandbox.shared("undone"), "to 0002\n");
    sandbox.down();
}

#[test]
fn without_a_schema_the_undo_runs_as_it_is_and_a_check_warns_of_it() {
    let sandbox = place("", DOWN_ONE);
    let output = sandbox.run(&["check"]);
    assert!(output.all().contains("warning[undo-without-schema]"), "{output:?}");
    sandbox.behave("web.unready");
    sandbox.fail(&["deploy"], 3);
    assert_eq!(sandbox.shared("undone"), "from \n");
    sandbox.down();
}
