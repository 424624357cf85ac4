//! A real PostgreSQL goes away around a migration, keeps a migration waiting, or is left half changed.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rustix::process::Signal;
use windlass_testkit::sandbox::score::Invariant;
use windlass_testkit::sandbox::{Manifest, Output, Sandbox, kill, until};

use super::{WINDLASS, line};

/// How libpq finds the database.
const CONNECTION: &str = "env = { PGHOST = \"{resources.db.host}\", PGPORT = \"{resources.db.port}\", \
                          PGUSER = \"{resources.db.user}\", PGPASSWORD = \"{resources.db.password}\", \
                          PGDATABASE = \"{resources.db.database}\" }\n";

/// The end of a migration that has done its work: it waits until the database is gone.
const WAIT_FOR_THE_END: &str = "\\! touch \"$WINDLASS_SHARED/after\"\n\
                                \\! while ! test -e \"$WINDLASS_SHARED/ended\"; do sleep 0.05; done";

/// Two copies that are ready when the database answers, a migration, and questions to the database.
/// `resource` says whose that is.
fn manifest(resource: &str) -> Manifest {
    let job = |name: &str, rest: &str| format!("[jobs.{name}]\n{rest}\n{CONNECTION}");
    let question = |name: &str, query: &str| {
        job(name, &format!("command = [\"psql\", \"-qAtc\", {query:?}]\nwhen = \"manual\""))
    };
    let more = [
        format!("[resources.db]\nengine = \"postgres\"\n{resource}\n"),
        job(
            "schema",
            "command = [\"psql\", \"-q\", \"-v\", \"ON_ERROR_STOP=1\", \"-f\", \"migration.sql\"]\n\
             when = \"before-start\"\nundo = \"irreversible\"\ntimeout = \"20s\"",
        ),
        job("hold", "command = [\"psql\", \"-q\", \"-f\", \"hold.sql\"]\nwhen = \"manual\""),
        question("steps", "select string_agg(n::text, ' ' order by n) from steps"),
        question("columns", "select count(*) from information_schema.columns where table_name = 'steps'"),
        question("waiting", "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"),
        question("halves", "select count(*) from information_schema.tables where table_name = 'half'"),
    ];
    Manifest {
        web: format!(
            "readiness = {{ command = [\"psql\", \"-qAtc\", \"select 1\"], interval = \"200ms\", \
             timeout = \"2s\", start_period = \"20s\" }}\n{CONNECTION}"
        ),
        more: more.concat(),
        ..Manifest::small()
    }
}

/// A sandbox whose first release has made the table `steps`, which says which migrations ran.
fn deployed(resource: &str, settings: &str) -> Sandbox {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    // The account of the server must be able to pass.
    std::fs::set_permissions(sandbox.root(), PermissionsExt::from_mode(0o711)).unwrap();
    settings_of(&sandbox, settings);
    sandbox.write("hold.sql", "");
    sandbox.manifest(&manifest(resource));
    migrate(&sandbox, "create table steps (n int primary key); insert into steps values (1);");
    sandbox.succeed(&["deploy"]);
    assert_eq!(ask(&sandbox, "steps"), "1");
    sandbox
}

fn settings_of(sandbox: &Sandbox, settings: &str) {
    sandbox.write(".env", settings);
    std::fs::set_permissions(sandbox.source().join(".env"), PermissionsExt::from_mode(0o600)).unwrap();
}

fn migrate(sandbox: &Sandbox, sql: &str) {
    sandbox.write("migration.sql", sql);
    sandbox.change();
}

/// What the database says, as soon as it says anything.
fn ask(sandbox: &Sandbox, question: &str) -> String {
    until("the database to answer", || {
        let output = sandbox.run(&["run", question]);
        (output.code == 0).then(|| output.stdout.trim().to_owned())
    })
}

/// The first process of the server.
fn server(sandbox: &Sandbox) -> Option<i32> {
    let is_server = |argv: &[String]| {
        argv.first().is_some_and(|program| program.ends_with("/postgres"))
            && argv.get(1).is_some_and(|word| word == "-D")
    };
    sandbox.processes().iter().find(|process| is_server(&process.argv)).map(|process| process.pid)
}

/// Waits for what a migration writes when it has come so far.
fn await_mark(sandbox: &Sandbox, mark: &str) {
    until("the migration to come so far", || {
        sandbox.environment().join("shared").join(mark).exists().then_some(())
    });
}

/// Lets a migration end that waits for the end of the database.
fn it_has_ended(sandbox: &Sandbox) {
    std::fs::write(sandbox.environment().join("shared/ended"), "").unwrap();
}

fn said(output: &Output, text: &str) {
    assert!(output.all().contains(text), "{text:?} is not said: {output:#?}");
}

#[test]
fn the_private_database_goes_away_around_a_migration() {
    let line = line("the_private_database_goes_away_around_a_migration");
    let sandbox = deployed("", "");
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40)).with_a_gate_of_its_own();

    // Before: it does not answer, so nothing begins.
    migrate(&sandbox, "insert into steps values (2);");
    let frozen = server(&sandbox).unwrap();
    kill(frozen, Signal::STOP);
    let output = sandbox.fail(&["deploy"], 1);
    kill(frozen, Signal::CONT);
    said(&output, "the resource db does not answer");
    assert_eq!(ask(&sandbox, "steps"), "1");

    // During: what the migration had done is gone with its transaction, and the run knows that it
    // failed; also when the host side dies at the same time and has to look.
    for host_too in [false, true] {
        let mark = format!("during-{host_too}");
        migrate(
            &sandbox,
            &format!(
                "begin; insert into steps values (2);\n\\! touch \"$WINDLASS_SHARED/{mark}\"\n\
                 select pg_sleep(60); commit;"
            ),
        );
        let deploy = sandbox.start(&["deploy"]);
        await_mark(&sandbox, &mark);
        if host_too {
            kill(sandbox.host().unwrap(), Signal::KILL);
        }
        kill(server(&sandbox).unwrap(), Signal::KILL);
        let output = deploy.finish();
        assert_eq!(output.code, 3, "{output:#?}\n{}", sandbox.logs());
        said(&output, "a part of what it does may be done");
        assert_eq!(sandbox.release(), "r1");
        assert_eq!(ask(&sandbox, "steps"), "1", "its keeper has started it again");
    }

    // After: it is started again, and the new release is ready when it answers.
    migrate(&sandbox, &format!("insert into steps values (2);\n{WAIT_FOR_THE_END}"));
    let deploy = sandbox.start(&["deploy"]);
    await_mark(&sandbox, "after");
    kill(server(&sandbox).unwrap(), Signal::KILL);
    it_has_ended(&sandbox);
    let output = deploy.finish();
    assert_eq!(output.code, 0, "{output:#?}\n{}", sandbox.logs());
    let steps = ask(&sandbox, "steps");
    assert_eq!(steps, "1 2", "each migration ran once");
    line.ran_once(steps.split(' '), "after");
    watch.end_without_loss();
    line.is_sound(&sandbox, "after");
    sandbox.down();
    line.held(
        "before: refused, nothing changed; during, twice: went back, and nothing of the migration is left; \
         after: the deploy waits for it; 0 failed requests",
    );
}

#[test]
fn an_external_database_goes_away_around_a_migration() {
    let line = line("an_external_database_goes_away_around_a_migration");
    // Somebody else's database is another environment's.
    let theirs = deployed("", "");
    let url = "url = \"postgres://$PGUSER:$PGPASSWORD@$PGHOST:$PGPORT/$PGDATABASE\"";
    let tell = format!(
        "[jobs.tell]\ncommand = {{ shell = {:?} }}\nwhen = \"manual\"\n{CONNECTION}",
        format!("echo \"{}\" > \"$WINDLASS_SHARED/url\"", &url[7..url.len() - 1])
    );
    let mut with_tell = manifest("");
    with_tell.more += &tell;
    theirs.manifest(&with_tell);
    migrate(&theirs, "select 1;");
    theirs.succeed(&["deploy"]);
    theirs.succeed(&["run", "tell"]);
    let settings = format!("DATABASE_URL={}", theirs.shared("url"));
    let resource = "url = \"{settings.DATABASE_URL}\"";
    let ours = Sandbox::with(WINDLASS, &Manifest::small());
    settings_of(&ours, &settings);
    ours.write("hold.sql", "");
    let mut external = manifest(resource);
    external.top = "[settings]\nDATABASE_URL = { secret = true }\n".to_owned();
    ours.manifest(&external);
    migrate(&ours, "insert into steps values (2);");
    ours.succeed(&["deploy"]);
    let watch = line.watch_at_pace(&ours, Duration::from_millis(40)).with_a_gate_of_its_own();
    let gone = || {
        until("its machine to be dead", || {
            let mut all = theirs.processes();
            all.sort_by_key(|process| !process.is("windlass", "keeper"));
            all.iter().for_each(|process| kill(process.pid, Signal::KILL));
            all.is_empty().then_some(())
        });
    };
    let back = || {
        theirs.succeed(&["status"]);
        ask(&theirs, "steps")
    };

    // Before.
    gone();
    migrate(&ours, "insert into steps values (3);");
    let output = ours.fail(&["deploy"], 1);
    said(&output, "the resource db does not answer");
    assert!(!output.all().contains("postgres://"), "the address is secret: {output:#?}");
    assert_eq!(back(), "1 2");

    // During.
    migrate(
        &ours,
        "begin; insert into steps values (3);\n\\! touch \"$WINDLASS_SHARED/during\"\nselect pg_sleep(60); commit;",
    );
    let deploy = ours.start(&["deploy"]);
    await_mark(&ours, "during");
    gone();
    let output = deploy.finish();
    assert_eq!(output.code, 3, "{output:#?}\n{}", ours.logs());
    assert_eq!(back(), "1 2");

    // After: the new release is never ready, so the code goes back; the schema stays, and that is said.
    migrate(&ours, &format!("insert into steps values (3);\n{WAIT_FOR_THE_END}"));
    let deploy = ours.start(&["deploy"]);
    await_mark(&ours, "after");
    gone();
    it_has_ended(&ours);
    let output = deploy.finish();
    assert_eq!(output.code, 3, "{output:#?}\n{}", ours.logs());
    said(&output, "what the job schema did stays");
    assert_eq!(ours.release(), "r1");
    let steps = back();
    assert_eq!(steps, "1 2 3");
    line.ran_once(steps.split(' '), "after");
    watch.end_without_loss();

    // What is deployed next finds its migration done.
    migrate(&ours, "insert into steps values (3) on conflict do nothing;");
    ours.succeed(&["deploy"]);
    line.is_sound(&ours, "the next deploy");
    ours.down();
    theirs.down();
    line.held(
        "before: refused, nothing changed; during: went back, and nothing of the migration is left; after: \
         never ready, the code goes back and says that the schema stays; 0 failed requests",
    );
}

#[test]
fn a_migration_waits_for_a_lock() {
    let line = line("a_migration_waits_for_a_lock");
    let sandbox = deployed("", "");
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40)).with_a_gate_of_its_own();
    sandbox.write(
        "hold.sql",
        "begin; lock table steps;\n\\! touch \"$WINDLASS_SHARED/held\"\n\
         \\! while ! test -e \"$WINDLASS_SHARED/let-go\"; do sleep 0.05; done\ncommit;",
    );
    migrate(&sandbox, "select 1;");
    sandbox.succeed(&["deploy"]);
    let hold = sandbox.start(&["run", "hold"]);
    await_mark(&sandbox, "held");
    migrate(&sandbox, "alter table steps add column late int;");
    let before = sandbox.release();
    let output = line.ends(sandbox.start(&["deploy"]), Duration::from_secs(60));
    assert_eq!(output.code, 3, "{output:#?}\n{}", sandbox.logs());
    said(&output, "did not end within 20s");
    assert_eq!(sandbox.release(), before);
    // The server has noticed that nobody waits any more before the lock is free.
    until("nobody to wait for the lock", || (ask(&sandbox, "waiting") == "0").then_some(()));
    std::fs::write(sandbox.environment().join("shared/let-go"), "").unwrap();
    assert_eq!(hold.finish().code, 0);
    let columns = ask(&sandbox, "columns");
    line.holds(Invariant::I6, columns == "1", || "it was changed later, behind everybody's back".to_owned());
    watch.end_without_loss();
    sandbox.down();
    line.held("ended at its time limit, 0 failed requests; it does not change the schema later");
}

#[test]
fn a_migration_leaves_a_half() {
    let line = line("a_migration_leaves_a_half");
    let sandbox = deployed("", "");
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40)).with_a_gate_of_its_own();
    // No transaction around it, as for CREATE INDEX CONCURRENTLY.
    migrate(&sandbox, "create table half (n int);\nselect 1 / 0;\ncreate table other (n int);");
    let output = sandbox.fail(&["deploy"], 3);
    said(&output, "division by zero");
    said(&output, "is declared irreversible and did not end well, so a part of what it does may be done");
    assert_eq!(sandbox.release(), "r1");
    let halves = ask(&sandbox, "halves");
    line.holds(Invariant::I6, halves == "1", || format!("{halves} of the tables of a half: {output:#?}"));
    watch.end_without_loss();
    // The run that says so stays on record.
    let runs = sandbox.succeed(&["runs", "--json"]).stdout;
    assert!(runs.contains("a part of what it does may be done"), "{runs}");
    migrate(&sandbox, "create table if not exists half (n int); create table other (n int);");
    sandbox.succeed(&["deploy"]);
    sandbox.down();
    line.held(
        "the code goes back, 0 failed requests, and what may be left of the migration is said and recorded",
    );
}
