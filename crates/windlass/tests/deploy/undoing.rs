//! `windlass run JOB --undo`: with the job's own environment, in the release that it belongs to.

use windlass_testkit::sandbox::{Manifest, Sandbox, until};

use super::{WINDLASS, deployed};

/// A migration that does `alter`, and whose undo writes down what it runs with.
fn manifest(alter: &str) -> Manifest {
    Manifest {
        more: format!(
            "[settings]\nMARK = {{ default = \"none\" }}\n\
             [jobs.alter]\ncommand = {{ shell = \"{alter}\" }}\nwhen = \"before-start\"\n\
             env = {{ OWN = \"own\", MARK = \"{{settings.MARK}}\" }}\n\
             undo = {{ command = {{ shell = \"echo $(cat version) $OWN $MARK $WINDLASS_RELEASE >> $WINDLASS_SHARED/undone\" }} }}\n"
        ),
        ..Manifest::small()
    }
}

fn said(output: &windlass_testkit::sandbox::Output, what: &str) {
    assert!(output.all().contains(what), "{what:?} is not in {output:?}");
}

fn tree(sandbox: &Sandbox, release: &str) -> bool {
    sandbox.environment().join("releases").join(release).exists()
}

#[test]
fn what_a_failed_deploy_left_is_undone_with_the_files_and_settings_of_that_release() {
    let mut sandbox = deployed(&Manifest::small());
    sandbox.manifest(&manifest("echo half; exit 7"));
    sandbox.write("version", "two");
    sandbox.set("MARK", "second");
    let output = sandbox.fail(&["deploy"], 3);
    said(&output, "`windlass run alter --undo` runs its undo in r2");
    let problems = sandbox.status()["problems"].to_string();
    assert!(problems.contains("the job alter ended half-way in r2 and was not undone"), "{problems}");
    // The next try is what counts then, and only its files are kept.
    sandbox.write("version", "three");
    sandbox.set("MARK", "third");
    sandbox.fail(&["deploy"], 3);
    assert!(tree(&sandbox, "r3"));
    until("the first try's files to go", || (!tree(&sandbox, "r2")).then_some(()));
    // Whatever is here by now.
    sandbox.manifest(&Manifest::small());
    sandbox.write("version", "four");
    let output = sandbox.succeed(&["run", "alter", "--undo"]);
    said(&output, "undoing alter of r3: ");
    assert_eq!(sandbox.shared("undone"), "three own third r3\n");
    until("its files to go", || (!tree(&sandbox, "r3")).then_some(()));
    assert_eq!(sandbox.status()["problems"].as_array().unwrap().len(), 0);
    let output = sandbox.fail(&["run", "alter", "--undo"], 2);
    said(&output, "there is no job alter");
    let output = sandbox.fail(&["run", "alter", "--undo", "--release", "r3"], 2);
    said(&output, "its files, releases/r3, are gone");
    sandbox.fail(&["run", "alter", "--undo", "--release", "r99"], 2);
    sandbox.down();
}

#[test]
fn what_is_half_done_is_no_more_when_a_deploy_completes_it() {
    let sandbox = Sandbox::with(WINDLASS, &manifest("test -e $WINDLASS_SHARED/may || exit 7"));
    sandbox.write("version", "one");
    let output = sandbox.fail(&["deploy"], 3);
    said(&output, "`windlass run alter --undo` runs its undo in r1");
    // Also where nothing was ever live.
    sandbox.succeed(&["run", "alter", "--undo"]);
    assert_eq!(sandbox.shared("undone"), "one own none r1\n");
    sandbox.fail(&["deploy"], 3);
    assert!(tree(&sandbox, "r2"));
    std::fs::write(sandbox.environment().join("shared/may"), "").unwrap();
    sandbox.succeed(&["deploy"]);
    assert_eq!(sandbox.status()["problems"].as_array().unwrap().len(), 0);
    until("the failed one's files to go", || (!tree(&sandbox, "r2")).then_some(()));
    sandbox.down();
}

/// The oldest release that is kept is the one whose job failed.
#[test]
fn what_the_first_release_left_half_done_can_be_undone_as_it_says() {
    let mut manifest = manifest("exit 7");
    manifest.more = manifest.more.replace("before-start", "after-switch");
    let sandbox = Sandbox::with(WINDLASS, &manifest);
    sandbox.write("version", "one");
    let output = sandbox.fail(&["deploy"], 5);
    said(&output, "`windlass run alter --undo` runs its undo in r1");
    let problems = sandbox.status()["problems"].to_string();
    assert!(problems.contains("the job alter ended half-way in r1 and was not undone"), "{problems}");
    sandbox.succeed(&["run", "alter", "--undo"]);
    assert_eq!(sandbox.shared("undone"), "one own none r1\n");
    assert_eq!(sandbox.status()["problems"].as_array().unwrap().len(), 0);
    sandbox.down();
}

/// Nothing undoes it, so that its files are not kept; that it is there must not be forgotten with them.
#[test]
fn a_half_that_nothing_undoes_is_told_until_a_deploy_completes_it() {
    let sandbox = deployed(&Manifest::small());
    let mut manifest = Manifest::small();
    manifest.more =
        "[jobs.alter]\ncommand = { shell = \"test -e $WINDLASS_SHARED/may || exit 7\" }\nwhen = \"before-start\"\n".to_owned();
    sandbox.manifest(&manifest);
    sandbox.fail(&["deploy"], 3);
    assert!(!tree(&sandbox, "r2"));
    let problems = sandbox.status()["problems"].to_string();
    assert!(
        problems.contains("the job alter ended half-way in r2, and a part of what it does may be done"),
        "{problems}"
    );
    std::fs::write(sandbox.environment().join("shared/may"), "").unwrap();
    sandbox.succeed(&["deploy"]);
    assert_eq!(sandbox.status()["problems"].as_array().unwrap().len(), 0);
    sandbox.down();
}

#[test]
fn a_job_that_was_done_is_undone_once_and_done_again_by_the_next_deploy() {
    let sandbox = deployed(&manifest("echo $WINDLASS_RELEASE >> $WINDLASS_SHARED/altered"));
    sandbox.write("version", "1");
    sandbox.succeed(&["deploy"]);
    sandbox.succeed(&["run", "alter", "--undo"]);
    assert_eq!(sandbox.shared("undone"), "1 own none r2\n");
    let output = sandbox.fail(&["run", "alter", "--undo"], 2);
    said(&output, "nothing of the job alter is left to undo");
    said(&output, "`windlass run alter --undo --release r2` runs its undo all the same");
    sandbox.succeed(&["run", "alter", "--undo", "--release", "r2"]);
    sandbox.succeed(&["deploy"]);
    assert_eq!(sandbox.shared("altered"), "r1\nr2\nr3\n");
    sandbox.fail(&["run", "alter", "--undo", "--raw"], 2);
    sandbox.down();
}

#[test]
fn no_job_is_undone_beside_itself_or_without_a_command_for_it() {
    let waits = "touch $WINDLASS_SHARED/begun; while [ ! -e $WINDLASS_SHARED/go ]; do sleep 0.05; done";
    let mut manifest = manifest(waits);
    manifest.more += "[jobs.other]\ncommand = [\"true\"]\n";
    let sandbox = Sandbox::with(WINDLASS, &manifest);
    let deploy = sandbox.start(&["deploy"]);
    until("the job to begin", || sandbox.environment().join("shared/begun").exists().then_some(()));
    let output = sandbox.fail(&["run", "alter", "--undo", "--release", "r1"], 6);
    said(&output, "is under way, and may run alter itself");
    std::fs::write(sandbox.environment().join("shared/go"), "").unwrap();
    assert_eq!(deploy.finish().code, 0);
    std::fs::remove_file(sandbox.environment().join("shared/go")).unwrap();
    std::fs::remove_file(sandbox.environment().join("shared/begun")).unwrap();
    let job = sandbox.start(&["run", "alter"]);
    until("the job to begin", || sandbox.environment().join("shared/begun").exists().then_some(()));
    let output = sandbox.fail(&["run", "alter", "--undo"], 6);
    said(&output, "alter runs already, by windlass run");
    std::fs::write(sandbox.environment().join("shared/go"), "").unwrap();
    assert_eq!(job.finish().code, 0);
    let output = sandbox.fail(&["run", "other", "--undo"], 2);
    said(&output, "the job other declares no command that undoes it: in r1 its undo is \"compatible\"");
    sandbox.down();
}

#[test]
fn a_job_that_could_not_begin_is_not_called_half_done() {
    let sandbox = deployed(&Manifest::small());
    let mut manifest = Manifest::small();
    manifest.more = "[jobs.alter]\ncommand = [\"/nowhere/to/be/found\"]\nwhen = \"before-start\"\n\
                     undo = { command = [\"true\"] }\n"
        .to_owned();
    sandbox.manifest(&manifest);
    let output = sandbox.run(&["deploy"]);
    assert_ne!(output.code, 0, "{output:?}");
    assert!(!output.all().contains("half-way"), "{output:?}");
    assert!(!tree(&sandbox, "r2"));
    sandbox.down();
}
