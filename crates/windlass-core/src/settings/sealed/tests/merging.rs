//! Two people's changes.

use super::*;

fn base() -> String {
    changed(&file(&[("A", "a"), ("B", "b"), ("C", "c")]), 30, |editing, random| {
        editing.add("bob", bob().public(), None, DAY, random).unwrap();
    })
}

fn set(text: &str, seed: u8, name: &str, value: &str) -> String {
    changed(text, seed, |editing, random| {
        editing.set(name, &Secret::new(value), DAY, random).unwrap();
    })
}

/// The merged file and the conflicts.
fn merged(base: &str, ours: &str, theirs: &str) -> (String, Vec<Conflict>) {
    let base = (!base.is_empty()).then(|| opened(base));
    let merged = merge(base.as_ref(), opened(ours), opened(theirs), &mut random(60)).unwrap();
    (merged.editing.finish().0, merged.conflicts)
}

#[test]
fn changes_of_different_values_come_together() {
    let base = base();
    let ours = set(&set(&base, 31, "A", "ours"), 32, "D", "new");
    let theirs = changed(&set(&base, 33, "B", "theirs"), 34, |editing, _| assert!(editing.unset("C")));
    let (text, conflicts) = merged(&base, &ours, &theirs);
    let seen = opened(&text);
    assert!(seen.is_sound() && conflicts.is_empty());
    assert_eq!(shown(&seen), ["A=ours", "B=theirs", "D=new"]);
    assert_eq!(seen.version().epoch, opened(&ours).version().epoch + 1);
    // What one side has not touched keeps its line.
    let line = |text: &str| text.lines().find(|line| line.starts_with("A = ")).unwrap().to_owned();
    assert_eq!(line(&text), line(&ours));
}

#[test]
fn the_same_change_on_both_sides_is_none_and_different_ones_are_told() {
    let base = base();
    let (ours, theirs) = (set(&base, 31, "A", "same"), set(&base, 32, "A", "same"));
    assert_eq!(merged(&base, &ours, &theirs).1, []);
    let theirs = set(&theirs, 33, "A", "other");
    let (text, conflicts) = merged(&base, &ours, &theirs);
    assert_eq!(conflicts, [Conflict::Value("A".into())]);
    assert_eq!(shown(&opened(&text))[0], "A=same");
    let removed = changed(&base, 34, |editing, _| assert!(editing.unset("A")));
    assert_eq!(merged(&base, &ours, &removed).1, [Conflict::Value("A".into())]);
}

#[test]
fn whoever_one_side_has_removed_stays_out() {
    let base = base();
    let ours = set(&base, 31, "A", "new and not for Bob");
    let theirs = changed(&base, 32, |editing, random| editing.remove("bob", random).unwrap());
    for (ours, theirs) in [(&ours, &theirs), (&theirs, &ours)] {
        let (text, conflicts) = merged(&base, ours, theirs);
        assert!(conflicts.is_empty());
        assert_eq!(open_as(&text, bob()).err(), Some(NotOpened::NoKey));
        assert_eq!(shown(&opened(&text))[0], "A=new and not for Bob");
    }
}

#[test]
fn whoever_one_side_has_added_is_in() {
    let eve = Identity::new(&mut random(40));
    let base = base();
    let ours = changed(&base, 31, |editing, random| editing.rekey(random).unwrap());
    let theirs = changed(&base, 32, |editing, random| {
        editing.add("eve", eve.public(), None, DAY, random).unwrap();
    });
    let (text, _) = merged(&base, &ours, &theirs);
    assert!(open_as(&text, eve).unwrap().is_sound());
}

#[test]
fn different_files_and_damaged_ones_are_not_merged() {
    let base = base();
    let other = file_of("production", 50, &[("A", "x")]);
    assert!(merge(None, opened(&base), opened(&other), &mut random(1)).is_err());
    let damaged = base.replace("A = 2026-11-28", "A = 2026-11-27");
    assert!(merge(None, opened(&base), opened(&damaged), &mut random(1)).is_err());
    assert_eq!(merged("", &base, &set(&base, 31, "D", "d")).1, []);
}
