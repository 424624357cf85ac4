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
    let (text, conflicts, _) = merged_and_added(base, ours, theirs);
    (text, conflicts)
}

/// The same, with the names of whom one side has not.
fn merged_and_added(base: &str, ours: &str, theirs: &str) -> (String, Vec<Conflict>, Vec<String>) {
    let base = (!base.is_empty()).then(|| opened(base));
    let merged = merge(base.as_ref(), opened(ours), opened(theirs), &mut random(60)).unwrap();
    let added = merged.added.into_iter().map(|recipient| recipient.name).collect();
    (merged.editing.finish().0, merged.conflicts, added)
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
fn whoever_one_side_has_added_is_in_and_told_of() {
    let eve = Identity::new(&mut random(40));
    let base = base();
    let ours = set(&base, 31, "A", "ours");
    let theirs = changed(&base, 32, |editing, random| {
        editing.add("eve", eve.public(), None, DAY, random).unwrap();
    });
    for (ours, theirs) in [(&ours, &theirs), (&theirs, &ours)] {
        let (text, conflicts, added) = merged_and_added(&base, ours, theirs);
        assert_eq!((conflicts, added), (vec![], vec!["eve".to_owned()]));
        assert!(open_as(&text, eve.clone()).unwrap().is_sound());
    }
}

#[test]
fn nobody_comes_in_beside_a_new_key_unless_somebody_says_so() {
    let eve = Identity::new(&mut random(40));
    let base = base();
    // Ada puts Bob out. Bob, who has the old key, writes a file that Eve can read.
    let ours = changed(&base, 31, |editing, random| editing.remove("bob", random).unwrap());
    let theirs = changed(&base, 32, |editing, random| {
        editing.add("eve", eve.public(), None, DAY, random).unwrap();
    });
    for (ours, theirs) in [(&ours, &theirs), (&theirs, &ours)] {
        let (text, conflicts, added) = merged_and_added(&base, ours, theirs);
        assert_eq!((conflicts, added), (vec![Conflict::Added("eve".into())], vec![]));
        for other in [eve.clone(), bob()] {
            assert_eq!(open_as(&text, other).err(), Some(NotOpened::NoKey));
        }
        assert!(opened(&text).is_sound());
    }
    // Nor under the name of somebody who was there.
    let theirs = changed(&base, 33, |editing, random| {
        editing.add("eve", eve.public(), None, DAY, random).unwrap();
        editing.remove("bob", random).unwrap();
        editing.add("bob", Identity::new(random).public(), None, DAY, random).unwrap();
    });
    let ours = changed(&base, 34, |editing, random| editing.rekey(random).unwrap());
    let (text, conflicts, _) = merged_and_added(&base, &theirs, &ours);
    assert_eq!(conflicts, [Conflict::Added("eve".into()), Conflict::Added("bob".into())]);
    assert_eq!(opened(&text).document().recipients.len(), 1);
    let (_, conflicts, _) = merged_and_added(&base, &ours, &theirs);
    assert_eq!(conflicts, [Conflict::Added("eve".into()), Conflict::Recipient("bob".into())]);
}

#[test]
fn whoever_merges_keeps_the_key_that_they_have_exchanged() {
    let base = base();
    let ours = changed(&base, 31, |editing, random| {
        editing.rekey(random).unwrap();
        editing.remove("ada", random).unwrap();
        editing.add("ada-laptop", ada().public(), None, DAY, random).unwrap();
    });
    let (text, conflicts, added) = merged_and_added(&base, &ours, &set(&base, 32, "A", "theirs"));
    assert_eq!((conflicts, added), (vec![], vec!["ada-laptop".to_owned()]));
    assert_eq!(shown(&opened(&text))[0], "A=theirs");
}

#[test]
fn a_merged_file_has_both_sides_in_it() {
    let base = base();
    let ours = set(&base, 31, "A", "ours");
    let theirs = set(&set(&base, 32, "B", "theirs"), 33, "B", "theirs again");
    for (ours, theirs) in [(&ours, &theirs), (&theirs, &ours)] {
        let (ours_then, theirs_then) = (opened(ours).version(), opened(theirs).version());
        assert!(ours_then.behind(&theirs_then).is_some() && theirs_then.behind(&ours_then).is_some());
        let after = opened(&merged(&base, ours, theirs).0).version();
        assert_eq!((after.behind(&ours_then), after.behind(&theirs_then)), (None, None));
        assert_eq!(after.behind(&opened(&base).version()), None);
        assert_eq!(after.epoch, 5);
    }
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
