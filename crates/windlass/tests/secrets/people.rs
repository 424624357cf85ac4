//! Who can read the file.

use crate::kit::{Person, Project};

#[test]
fn somebody_is_let_in_and_put_out_again() {
    let (project, ada) = Project::begun(&[("A", "one"), ("B", "two")]);
    let bob = project.person("bob");
    let public = bob.public();
    let said = bob.secrets(&["get", "A"]).exits(2);
    assert!(
        said.err.contains("no key opens it") && said.err.contains(&format!("recipients add NAME {public}")),
        "{}",
        said.err
    );
    assert!(said.err.contains("it is for ada (wlpub1_"), "{}", said.err);

    let a = ada.line("A");
    ada.secrets(&["recipients", "add", "bob", &public]).exits(0);
    assert_eq!(ada.line("A"), a, "nobody's values are encrypted again");
    assert_eq!(bob.get("A"), "one");
    bob.set("C", "three");
    assert_eq!(ada.get("C"), "three");
    assert!(bob.secrets(&["recipients"]).exits(0).out.contains("bob  20"));

    let said = ada.secrets(&["recipients", "remove", "bob"]).exits(0);
    assert!(said.out.contains("bob knew these values") && said.out.contains("A, B, C"), "{}", said.out);
    bob.secrets(&["get", "A"]).exits(2);
    assert_eq!(ada.get("A"), "one");
    assert_ne!(ada.line("A"), a);
    let said = ada.secrets(&["recipients", "remove", "ada"]).exits(2);
    assert!(said.err.contains("the only recipient"), "{}", said.err);
    ada.secrets(&["recipients", "remove", "eve"]).exits(2);
}

// proves: APE-3
#[test]
fn two_people_can_compare_secrets_without_seeing_them() {
    let (project, ada) = Project::begun(&[("A", "one"), ("B", "two")]);
    ada.declare("A = { secret = true }\nB = { secret = true }\nLOCAL = { secret = true }\n");
    let bob = project.person("bob");
    ada.secrets(&["recipients", "add", "bob", &bob.public()]).exits(0);
    // Neither has deployed anything.
    let seen = |person: &Person, environment: &str, name: &str| -> String {
        let list = person.program_says(&["config", "--json", "--env", environment]).json();
        let rows = list["settings"].as_array().unwrap();
        let fingerprint = &rows.iter().find(|row| row["name"] == name).unwrap()["fingerprint"];
        assert!(!list.to_string().contains("weak-one"), "{list}");
        fingerprint.as_str().unwrap_or_default().to_owned()
    };
    let mine = |person: &Person, value: &str| {
        std::fs::write(person.project.join(".env"), format!("LOCAL={value}\n")).unwrap();
        seen(person, "production", "LOCAL")
    };
    let a = seen(&ada, "production", "A");
    assert_eq!((a.len(), &seen(&bob, "production", "A")), (8, &a));
    assert_ne!(a, seen(&ada, "production", "B"));
    let local = mine(&ada, "weak-one");
    assert_eq!((local.len(), mine(&bob, "weak-one") == local), (8, true));
    assert_ne!(mine(&bob, "weak-one-too"), local);
    mine(&ada, "weak-one");
    // Without a key that is somebody's there is none: not for another environment, nor for who cannot open the file.
    assert_eq!(seen(&ada, "local", "LOCAL"), "");
    let eve = project.person("eve");
    assert_eq!(seen(&eve, "production", "LOCAL"), "");
    // Whoever was removed cannot tell what guess is right by what is shown from then on.
    ada.secrets(&["recipients", "remove", "bob"]).exits(0);
    assert_ne!(seen(&ada, "production", "A"), a);
}

#[test]
fn nobody_shuts_themselves_out_by_mistake() {
    let (project, ada) = Project::begun(&[("A", "one"), ("B", "two")]);
    let bob = project.person("bob");
    ada.secrets(&["recipients", "add", "bob", &bob.public()]).exits(0);
    let before = ada.text();
    let said = ada.secrets(&["recipients", "remove", "ada"]).exits(2);
    assert_eq!(
        said.err,
        "error: ada is whom you read secrets.production.enc as here: none of the keys that were used for it opens it then \
         (A, B)\n  hint: say --yes if that is meant: then only bob can read it\n"
    );
    assert_eq!(ada.text(), before);
    // Whoever has another key in the file may give one up.
    let two = format!("{}\n{}", ada.key(), bob.key());
    ada.with("WINDLASS_KEY", &two).secrets(&["recipients", "remove", "ada"]).exits(0);
    ada.secrets(&["get", "A"]).exits(2);
    bob.secrets(&["recipients", "add", "ada", &ada.public()]).exits(0);
    ada.secrets(&["recipients", "remove", "ada", "--yes"]).exits(0);
    ada.secrets(&["get", "A"]).exits(2);
    assert_eq!(bob.get("A"), "one");
}

#[test]
fn names_can_be_listed_by_everybody() {
    let (project, _ada) = Project::begun(&[("A", "one")]);
    let eve = project.person("eve");
    let said = eve.secrets(&["list"]).exits(0);
    assert!(
        said.out.contains("A  20") && said.err.contains("only what anybody can read is shown"),
        "{said:?}"
    );
    assert_eq!(eve.secrets(&["list", "--json"]).exits(0).json()["opened"], false);
}

#[test]
fn a_passphrase_is_a_recipient_too() {
    let (project, ada) = Project::begun(&[("A", "one")]);
    let passphrase = "correct horse battery staple";
    let add = ["recipients", "add", "break-glass", "--passphrase"];
    assert!(
        ada.with("WINDLASS_NEW_PASSPHRASE", "short").secrets(&add).exits(2).err.contains("shorter than 12")
    );
    for weak in ["my-secret-password", "aaaaaaaaaaaaaaa", "             ", "abcabcabcabcabc"] {
        let said = ada.with("WINDLASS_NEW_PASSPHRASE", weak).secrets(&add).exits(2);
        assert!(said.err.contains("the passphrase can be guessed: it is"), "{weak:?}: {}", said.err);
    }
    ada.with("WINDLASS_NEW_PASSPHRASE", passphrase).secrets(&add).exits(0);
    // Whoever changes the key needs not know it.
    ada.secrets(&["rekey"]).exits(0);
    let eve = project.person("eve");
    assert_eq!(eve.with("WINDLASS_PASSPHRASE", passphrase).get("A"), "one");
    let said = eve.with("WINDLASS_PASSPHRASE", "something else").secrets(&["get", "A"]).exits(2);
    assert!(said.err.contains("WINDLASS_PASSPHRASE is not a passphrase of this file"), "{}", said.err);
    assert!(said.err.contains("break-glass (passphrase)"), "{}", said.err);
    for empty in ["", " \t"] {
        let said = eve.with("WINDLASS_PASSPHRASE", empty).secrets(&["get", "A"]).exits(2);
        assert!(said.err.contains("WINDLASS_PASSPHRASE is set, and empty"), "{}", said.err);
        // Who has a key needs none.
        assert_eq!(ada.with("WINDLASS_PASSPHRASE", empty).get("A"), "one");
    }
    assert!(!ada.text().contains(passphrase));
}

#[test]
fn a_key_that_is_none_is_not_added() {
    let (project, ada) = Project::begun(&[]);
    let bob = project.person("bob");
    let public = bob.public();
    let another = if public.ends_with('x') { 'y' } else { 'x' };
    let mistyped = format!("{}{another}", &public[..public.len() - 1]);
    for (key, what) in [(mistyped.as_str(), "a letter of it is wrong"), ("wlpub1_", "not a public key")] {
        let said = ada.secrets(&["recipients", "add", "bob", key]).exits(2);
        assert!(said.err.contains(what) || said.err.contains("not a public key"), "{}", said.err);
    }
    let said = ada.secrets(&["recipients", "add", "bob", &bob.key()]).exits(2);
    assert!(said.err.contains("this is a private key") && !said.err.contains(&bob.key()), "{}", said.err);
    ada.secrets(&["recipients", "add", "bob", &public]).exits(0);
    assert!(
        ada.secrets(&["recipients", "add", "bobby", &public]).exits(2).err.contains("that of bob already")
    );
    ada.secrets(&["recipients", "add", "b ob", &public]).exits(2);
}

#[test]
fn a_new_key_leaves_values_and_dates() {
    let (_project, ada) = Project::begun(&[("A", "one")]);
    let before = ada.line("A");
    let said = ada.secrets(&["rekey"]).exits(0);
    assert!(said.out.contains("1 value again with a new key, for 1 recipient"), "{}", said.out);
    assert_ne!(ada.line("A"), before);
    assert_eq!(ada.line("A")[..14], before[..14]);
    assert_eq!(ada.get("A"), "one");
}

// proves: DC-10
#[test]
fn an_audit_tells_what_somebody_who_left_still_knows() {
    let (project, ada) = Project::begun(&[("A", "one"), ("B", "two"), ("KEPT_NOWHERE", "x")]);
    ada.declare("A = { secret = true }\nB = { secret = true }\nKEPT_ANYWHERE = { secret = true }");
    let git = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.args(["-c", "user.name=ada", "-c", "user.email=ada@shop.test"]).args(arguments);
        assert!(command.current_dir(&ada.project).output().unwrap().status.success(), "{arguments:?}");
    };
    let audit = || ada.secrets(&["audit", "--json"]);
    let said = audit().exits(0).json();
    assert_eq!(
        (&said["removed"], &said["undeclared"]),
        (&serde_json::Value::Null, &serde_json::json!(["KEPT_NOWHERE"]))
    );
    let said = ada.secrets(&["audit"]).exits(0);
    assert!(
        said.out.contains("git has no history of it") && said.out.contains("did you mean KEPT_ANYWHERE?"),
        "{}",
        said.out
    );

    let bob = project.person("bob");
    git(&["init", "-q"]);
    ada.secrets(&["recipients", "add", "bob", &bob.public()]).exits(0);
    git(&["add", "."]);
    git(&["commit", "-qm", "with bob"]);
    assert_eq!(audit().exits(0).json()["removed"], serde_json::json!([]));
    ada.secrets(&["recipients", "remove", "bob"]).exits(0);
    ada.set("NEW", "four");
    let known =
        |names: &[&str]| serde_json::json!([{ "name": "bob", "public_key": bob.public(), "known": names }]);
    assert_eq!(audit().exits(1).json()["removed"], known(&["A", "B", "KEPT_NOWHERE"]));
    git(&["commit", "-qam", "without bob"]);
    // The same day, and another value.
    ada.set("B", "three");
    ada.secrets(&["unset", "KEPT_NOWHERE"]).exits(0);
    assert_eq!(audit().exits(1).json()["removed"], known(&["A"]));
    let said = ada.secrets(&["audit"]).exits(1);
    assert!(
        said.out.contains("can read the file no more, and knows what was not changed since: A\n"),
        "{}",
        said.out
    );
    ada.set("A", "five");
    let said = ada.secrets(&["audit"]).exits(0);
    assert!(!said.out.contains("bob"), "{}", said.out);
}
