//! What is deployed here is told also to who is not in its project, and to who comes upon its port.

use std::path::Path;

use serde_json::Value;
use windlass_testkit::sandbox::Manifest;

use super::deployed;

#[test]
fn what_is_deployed_is_known_without_its_project() {
    let more = "[environments.staging]\n".to_owned();
    let sandbox = deployed(&Manifest { more, ..Manifest::small() });
    let source = sandbox.source().canonicalize().unwrap();

    // The proxy of the one environment has the port that the other one is to have.
    let check = sandbox.run(&["check", "--env", "staging"]).all();
    let whose = format!(
        "it is the proxy of fixture (local): `windlass down --env local` in its project ({}) stops it, or choose \
         another in [listen]",
        source.display()
    );
    assert!(check.contains("cannot listen on") && check.contains(&whose), "{check}");

    let outside = tempfile::tempdir().unwrap();
    let call = |directory: &Path, args: &[&str]| {
        let output = sandbox.command(args).current_dir(directory).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let manifest = source.join("windlass.toml").display().to_string();
    let options = format!("--file {manifest} --env local");
    let (code, list, _) = call(outside.path(), &["status"]);
    assert_eq!(code, Some(0), "{list}");
    assert!(list.lines().any(|line| line == format!("fixture (local)  r1            {options}")), "{list}");
    let (code, list, _) = call(outside.path(), &["status", "--json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    let one = &list["deployed"][0];
    assert_eq!((code, &one["app"], &one["release"]), (Some(0), &"fixture".into(), &"r1".into()), "{list}");
    assert_eq!(
        (&one["environment"], &one["manifest"]),
        (&"local".into(), &manifest.as_str().into()),
        "{list}"
    );
    let hint = format!("name the manifest with --file; deployed here: fixture (local) ({options})");
    // Who names an environment means one project's, and a list of others is no answer to that.
    for args in [&["rollback"][..], &["status", "--env", "local"]] {
        let (code, list, told) = call(outside.path(), args);
        assert_eq!((code, list.as_str()), (Some(2), ""), "{args:?}: {told}");
        assert!(told.contains(&hint), "{args:?}: {told}");
    }
    // What it says is what has to be typed.
    let (code, status, _) = call(outside.path(), &["status", "--file", &manifest, "--env", "local"]);
    assert!(code == Some(0) && status.starts_with("fixture (local)  r1, active"), "{status}");
    sandbox.down();
}
