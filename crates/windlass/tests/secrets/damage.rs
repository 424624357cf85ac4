//! Damage, and repairing it.

use crate::kit::{Person, Project};

#[test]
fn a_damaged_value_is_named_and_the_others_are_there() {
    let (_project, ada) = Project::begun(&[("A", "one"), ("B", "two"), ("C", "three")]);
    let line = ada.line("B");
    ada.tamper(&line, &format!("B = 2020-01-01{}", &line[14..]));
    let said = ada.secrets(&["list"]).exits(1);
    assert!(said.out.contains("B  2020-01-01  DAMAGED"), "{}", said.out);
    assert!(said.err.contains("secrets.production.enc:8: B cannot be opened"), "{}", said.err);
    let list = ada.secrets(&["list", "--json"]).exits(1).json();
    assert_eq!(
        (list["values"][1]["damaged"].clone(), list["values"][2]["damaged"].clone()),
        (true.into(), false.into())
    );
    assert_eq!((ada.get("A"), ada.get("C")), ("one".into(), "three".into()));
    assert!(ada.secrets(&["get", "B"]).exits(2).err.contains("B cannot be opened"));

    // Nothing is written over it, and nothing of it is sent on.
    let before = ada.text();
    for arguments in [
        &["set", "D", "--generate"][..],
        &["unset", "A"],
        &["rekey"],
        &["export"],
        &["edit"],
        &["audit"],
        &["repair"],
    ] {
        ada.secrets(arguments).exits(2);
    }
    assert_eq!(ada.text(), before);

    let said = ada.secrets(&["repair", "--yes"]).exits(0);
    assert!(said.err.contains("damaged: secrets.production.enc:8: B cannot be opened"), "{}", said.err);
    assert!(said.out.contains("Sealed what was left of secrets.production.enc (A, C)"), "{}", said.out);
    ada.secrets(&["list"]).exits(0);
    assert!(ada.secrets(&["repair"]).exits(0).out.contains("nothing to repair"));
}

#[test]
fn a_broken_seal_stops_writing_and_is_told() {
    let (_project, ada) = Project::begun(&[("A", "one"), ("B", "two")]);
    let line = ada.line("A") + "\n";
    ada.tamper(&line, "");
    let said = ada.secrets(&["set", "C", "--generate"]).exits(2);
    assert!(said.err.contains("the seal does not hold"), "{}", said.err);
    assert_eq!(ada.get("B"), "two");
    let repaired = ada.secrets(&["repair", "--yes", "--json"]).exits(0).json();
    assert_eq!(repaired["left"], serde_json::json!(["B"]));
    ada.set("A", "again");
}

#[test]
fn a_recipient_whom_nobody_added_is_put_out_by_a_repair() {
    let (project, ada) = Project::begun(&[("A", "one")]);
    let eve = project.person("eve");
    let line = ada.line("recipient");
    let forged = line.replace(&ada.public(), &eve.public()).replace("= ada ", "= eve ");
    ada.tamper(&line, &format!("{line}\n{forged}"));
    let said = ada.secrets(&["list"]).exits(1);
    assert!(
        said.err.contains("the recipient eve was changed, or added by somebody who cannot open"),
        "{}",
        said.err
    );
    ada.secrets(&["repair", "--yes"]).exits(0);
    assert!(!ada.text().contains("eve"));
    assert_eq!(ada.get("A"), "one");
}

#[test]
fn a_repair_keeps_whoever_makes_it_in() {
    let (_project, ada) = Project::begun(&[("A", "one")]);
    let line = ada.line("recipient");
    let at = line.len() - 2;
    let letter = if &line[at..=at] == "A" { "B" } else { "A" };
    ada.tamper(&line, &format!("{}{letter}{}", &line[..at], &line[at + 1..]));
    ada.secrets(&["list"]).exits(1);
    ada.secrets(&["repair", "--yes"]).exits(0);
    assert_eq!(ada.get("A"), "one");
    ada.set("B", "two");
}

#[test]
fn a_byte_that_is_no_text_damages_its_own_line() {
    let (_project, ada) = Project::begun(&[("A", "one"), ("B", "two")]);
    let line = ada.line("B");
    let path = ada.project.join(crate::kit::FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = ada.text().find(&line).unwrap() + 20;
    bytes[at] ^= 0x80;
    std::fs::write(&path, bytes).unwrap();
    let said = ada.secrets(&["list"]).exits(1);
    assert!(said.err.contains("secrets.production.enc:8: the line of B is damaged"), "{}", said.err);
    assert_eq!(ada.get("A"), "one");
}

/// What `check` says of a project whose settings have all kinds of faults, after the file was `tampered` with.
fn checked(tampered: impl FnOnce(&Person)) -> String {
    let values = [("A", "one"), ("COUNT", "many"), ("TOKEN", "changeme"), ("D", "four")];
    let (_project, ada) = Project::begun(&values);
    ada.declare("A = {}\nD = {}\nCOUNT = { type = \"integer\" }\nTOKEN = { secret = true }\nMISSING = {}\nMISSPELT = {}");
    std::fs::write(ada.project.join(".env"), "OTHER=x\nMIS SPELT=x\nMISSPELT='x\n").unwrap();
    tampered(&ada);
    ada.check().exits(2).err
}

#[test]
fn a_fault_of_one_source_hides_no_fault_of_another_setting() {
    let said = checked(|ada| {
        let line = ada.line("A");
        ada.tamper(&line, &format!("A = 2020-01-01{}", &line[14..]));
    });
    for part in [
        "A cannot be opened",
        ".env:2:1: the text before = is not a name",
        ".env:3:10: the quotes are not closed",
        "COUNT: \"many\" is not a whole number",
        "TOKEN: ",
        "the setting MISSING has no value",
        "run `windlass secrets set --env production MISSING`, or set it in the environment",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // It stands where it cannot be read.
    for name in ["A", "D", "MISSPELT"] {
        assert!(!said.contains(&format!("the setting {name} has no value")), "{name}: {said}");
    }
}

#[test]
fn what_a_file_that_nobody_opens_has_is_not_called_missing() {
    let said = checked(|ada| std::fs::remove_file(ada.key_file()).unwrap());
    assert!(said.contains("no key opens it") && said.contains("the setting MISSING has no value"), "{said}");
    for name in ["A", "COUNT", "TOKEN", "D"] {
        assert!(!said.contains(&format!("the setting {name} has no value")), "{name}: {said}");
    }
    // Of lines that are gone nobody knows the names.
    let said = checked(|ada| {
        let line = ada.line("A") + "\n";
        ada.tamper(&line, "");
    });
    assert!(said.contains("the seal does not hold") && !said.contains("has no value"), "{said}");
    assert!(said.contains("COUNT: "), "{said}");
}
