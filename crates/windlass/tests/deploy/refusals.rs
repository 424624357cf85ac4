//! What is refused.

use windlass_testkit::sandbox::Manifest;

use super::deployed;

#[test]
fn a_stale_plan_is_refused() {
    let sandbox = deployed(&Manifest::small());
    sandbox.change();
    sandbox.succeed(&["plan", "--out", "../plan.json"]);
    sandbox.succeed(&["apply", "../plan.json"]);
    let output = sandbox.fail(&["apply", "../plan.json"], 6);
    assert!(output.stderr.contains("stale"), "{output:?}");
    assert_eq!(sandbox.answering(), "r2");
    sandbox.down();
}

#[test]
fn a_plan_whose_source_has_moved_is_stale_also_when_it_had_nothing_to_do() {
    let sandbox = deployed(&Manifest::small());
    sandbox.succeed(&["plan", "--out", "../nothing.json"]);
    sandbox.succeed(&["apply", "../nothing.json"]);
    sandbox.change();
    sandbox.succeed(&["plan", "--out", "../plan.json"]);
    sandbox.write("more.txt", "another edit");
    for plan in ["../nothing.json", "../plan.json"] {
        let output = sandbox.fail(&["apply", plan], 6);
        assert!(output.stderr.contains("the plan is stale: the source has changed"), "{output:?}");
    }
    assert_eq!(sandbox.answering(), "r1");
    sandbox.down();
}

#[test]
fn a_faulty_manifest_changes_nothing() {
    let sandbox = deployed(&Manifest::small());
    sandbox.write("windlass.toml", "[app]\nname = \"fixture\"\n[services.web]\ncomand = \"x\"\n");
    let output = sandbox.fail(&["deploy"], 2);
    assert!(output.stderr.contains("comand"), "{output:?}");
    assert_eq!(sandbox.answering(), "r1");
    sandbox.manifest(&Manifest::small());
    sandbox.down();
}

#[test]
fn there_is_nothing_to_go_back_to_after_the_first_deploy() {
    let sandbox = deployed(&Manifest::small());
    sandbox.fail(&["rollback"], 2);
    sandbox.fail(&["rollback", "r9"], 2);
    sandbox.down();
}
