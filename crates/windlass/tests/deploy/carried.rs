//! What builds carry from one release to the next.

use std::path::Path;

use windlass_testkit::sandbox::{Manifest, Sandbox};

use super::WINDLASS;

/// A release that makes a virtual environment, unless it has one, with a console script as pip makes it.
const BUILD: &str = r##"[build]
cache = [".venv"]

[[build.steps]]
shell = 'test -e .venv/bin/tool || { python3 -m venv --without-pip .venv && printf "#!%s/.venv/bin/python\nimport sys; print(sys.prefix)\n" "$PWD" > .venv/bin/tool && chmod +x .venv/bin/tool; }'

[jobs.tool]
command = [".venv/bin/tool"]
"##;

fn tool(sandbox: &Sandbox) -> String {
    let said = sandbox.succeed(&["run", "tool"]).stdout;
    let release = Path::new(said.trim()).parent().unwrap();
    release.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn console_scripts_of_a_carried_environment_run_in_their_own_release() {
    let deploy = "keep = 2".to_owned();
    let sandbox = Sandbox::with(WINDLASS, &Manifest { deploy, more: BUILD.into(), ..Manifest::small() });
    for release in ["r1", "r2", "r3"] {
        sandbox.succeed(&["deploy"]);
        assert_eq!(tool(&sandbox), release);
        sandbox.change();
    }
    assert!(!sandbox.environment().join("releases/r1").exists());
    let activate =
        std::fs::read_to_string(sandbox.environment().join("releases/r3/.venv/bin/activate")).unwrap();
    assert!(activate.contains("releases/r3/.venv") && !activate.contains("releases/r1"), "{activate}");
    sandbox.succeed(&["restart"]);
    sandbox.down();
}

#[test]
fn a_program_that_another_release_runs_fails_the_deploy_before_anything_starts() {
    let stray = r##"[build]
steps = [{ shell = 'mkdir -p tools/bin; test -e first && D=$PWD || D=${PWD%/*}/r1; printf "#!%s/interpreter\n" "$D" > tools/bin/tool' }]
"##;
    let sandbox = Sandbox::with(WINDLASS, &Manifest { more: stray.into(), ..Manifest::small() });
    sandbox.write("first", "");
    sandbox.succeed(&["deploy"]);
    std::fs::remove_file(sandbox.source().join("first")).unwrap();
    let output = sandbox.fail(&["deploy"], 1);
    assert!(output.stderr.contains("tools/bin/tool of r2 is run by a program of r1"), "{output:?}");
    assert!(!output.stderr.contains("start web"), "{output:?}");
    assert_eq!(sandbox.release(), "r1");
    sandbox.down();
}

#[test]
fn what_the_application_writes_into_its_release_is_told_of_and_goes_on_once_it_is_shared() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    sandbox.succeed(&["deploy"]);
    let written = |release: &str, name: &str| {
        let uploads = sandbox.environment().join("releases").join(release).join("uploads");
        std::fs::create_dir_all(&uploads).unwrap();
        std::fs::write(uploads.join(name), "photo").unwrap();
    };
    written("r1", "one.png");
    sandbox.change();
    let told = "the application has added 1 file to uploads in releases/r1, and the new release has none of it: write shared = \
                [\"uploads\"] in [build]";
    let plan = sandbox.succeed(&["plan"]).stderr;
    assert!(plan.contains(&format!("warning: {told}")), "{plan}");
    let deploy = sandbox.succeed(&["deploy"]).stderr;
    assert!(deploy.contains(told), "{deploy}");
    written("r2", "two.png");
    let database = sandbox.environment().join("releases/r2/uploads/app.db");
    std::fs::write(database, "SQLite format 3\0").unwrap();
    let more = "[build]\nshared = [\"uploads\"]\n".to_owned();
    sandbox.manifest(&Manifest { more, ..Manifest::small() });
    let deploy = sandbox.succeed(&["deploy"]).stderr;
    let told = "1 file that the application wrote to releases/r2/uploads is in shared/uploads";
    assert!(deploy.contains(told) && !deploy.contains("none of it"), "{deploy}");
    let told =
        "the database releases/r2/uploads/app.db was not taken over into shared/uploads: copy it there";
    assert!(deploy.contains(told), "{deploy}");
    let current = sandbox.environment().join("current/uploads");
    assert_eq!(std::fs::read_to_string(current.join("two.png")).unwrap(), "photo");
    assert!(!current.join("app.db").exists());
    sandbox.change();
    let deploy = sandbox.succeed(&["deploy"]).stderr;
    assert!(!deploy.contains("added") && !deploy.contains("wrote"), "{deploy}");
    sandbox.down();
}
