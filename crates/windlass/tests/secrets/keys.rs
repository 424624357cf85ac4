//! Where keys come from.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::kit::{Project, mode};

#[test]
fn a_key_comes_from_each_of_its_sources() {
    let (project, ada) = Project::begun(&[("A", "one")]);
    let ci = project.person("ci");
    assert_eq!(ci.with("WINDLASS_KEY", &ada.key()).get("A"), "one");
    let file = ada.key_file().display().to_string();
    assert_eq!(ci.with("WINDLASS_KEY_FILE", &file).get("A"), "one");
    assert_eq!(ci.with("WINDLASS_KEY_COMMAND", &format!("cat '{file}'")).get("A"), "one");
    let said = ci.with("WINDLASS_KEY_COMMAND", "cat /dev/null | cat").secrets(&["get", "A"]).exits(2);
    assert!(said.err.contains("no shell runs it"), "{}", said.err);
    // An unset secret of CI: the key of whoever runs it is not taken in its place.
    let said = ada.with("WINDLASS_KEY", "").secrets(&["get", "A"]).exits(2);
    assert!(said.err.contains("WINDLASS_KEY: it is set, and empty"), "{}", said.err);
    let said = ci.secrets(&["get", "A"]).exits(2);
    assert!(
        said.err.contains("keys: none: there is no") && said.err.contains("WINDLASS_KEY_FILE"),
        "{}",
        said.err
    );
}

// proves: DC-10
#[test]
fn a_key_file_that_others_may_read_is_not_used() {
    let (_project, ada) = Project::begun(&[("A", "one")]);
    fs::set_permissions(ada.key_file(), fs::Permissions::from_mode(0o640)).unwrap();
    let said = ada.secrets(&["get", "A"]).exits(2);
    assert!(said.err.contains("other accounts may read this key file (mode 0640)"), "{}", said.err);
    let said = ada.secrets(&["get", "A", "--json"]).exits(2);
    assert!(said.json()["faults"][0]["help"].as_str().unwrap().contains("chmod 600"));
}

#[test]
fn a_key_is_never_overwritten() {
    let project = Project::new();
    let ada = project.person("ada");
    let public = ada.secrets(&["keygen"]).exits(0).out;
    let key = ada.key();
    assert!(ada.secrets(&["keygen"]).exits(2).err.contains("there is a"));
    assert_eq!(ada.key(), key);
    assert_eq!(ada.secrets(&["keygen", "--show"]).exits(0).out, public);
    let path = ada.home.join("ci.key");
    let said = ada.secrets(&["keygen", path.to_str().unwrap(), "--json"]).exits(0).json();
    assert_eq!(mode(&path), 0o600);
    let again = ada.secrets(&["keygen", path.to_str().unwrap()]).exits(2).err;
    let show = format!("WINDLASS_KEY_FILE={} windlass secrets keygen --show", path.display());
    assert!(again.contains(&show), "{again}");
    let ci = project.person("ci").with("WINDLASS_KEY_FILE", path.to_str().unwrap());
    assert_eq!(ci.secrets(&["keygen", "--show"]).exits(0).out.trim(), said["public_key"]);
    assert!(project.person("eve").secrets(&["keygen", "--show"]).exits(2).err.contains("there is no key"));
}
