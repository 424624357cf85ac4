//! Setting, removing, rotating keys: and what stays byte for byte.

use proptest::prelude::*;

use crate::settings::hostile::any_value;

use super::*;

/// The lines that are in one text and not in the other, by what they begin with.
fn differing(before: &str, after: &str) -> Vec<String> {
    let word = |line: &str| line.split(" = ").next().unwrap().to_owned();
    let new = after
        .lines()
        .filter(|line| !before.contains(&format!("{line}\n")))
        .map(|line| format!("+{}", word(line)));
    let old = before
        .lines()
        .filter(|line| !after.contains(&format!("{line}\n")))
        .map(|line| format!("-{}", word(line)));
    old.chain(new).collect()
}

#[test]
fn a_diff_shows_only_what_changed() {
    let text = file(&[("A", "one"), ("B", "two"), ("C", "three")]);
    let after = changed(&text, 9, |editing, random| {
        assert!(editing.set("B", &Secret::new("zwei"), DAY, random).unwrap());
        assert!(!editing.set("C", &Secret::new("three"), DAY, random).unwrap());
    });
    assert_eq!(
        differing(&text, &after),
        ["-epoch", "-follows", "-B", "-seal", "+epoch", "+follows", "+B", "+seal"]
    );
    let after = changed(&text, 9, |editing, random| {
        editing.add("bob", bob().public(), None, DAY, random).unwrap();
    });
    assert_eq!(
        differing(&text, &after),
        ["-epoch", "-follows", "-seal", "+epoch", "+follows", "+recipient", "+seal"]
    );
    let untouched = opened(&text).edit().unwrap();
    assert!(!untouched.is_changed());
}

#[test]
fn the_same_value_never_looks_the_same_twice_and_its_length_is_hidden() {
    let text = file(&[("A", "same"), ("B", "same"), ("C", ""), ("D", "0123456789012345678901234567890")]);
    let ciphertexts: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(" = 2026"))
        .map(|line| line.split('.').next_back().unwrap())
        .collect();
    assert_ne!(ciphertexts[0], ciphertexts[1]);
    assert!(ciphertexts.iter().all(|text| text.len() == ciphertexts[0].len()), "{ciphertexts:?}");
    assert_eq!(shown(&opened(&text))[2], "C=");
}

#[test]
fn whoever_is_removed_cannot_open_what_is_written_from_then_on() {
    let text = changed(&file(&[("A", "one")]), 9, |editing, random| {
        editing.add("bob", bob().public(), None, DAY, random).unwrap();
    });
    assert!(open_as(&text, bob()).unwrap().is_sound());
    let without = changed(&text, 10, |editing, random| editing.remove("bob", random).unwrap());
    assert_eq!(open_as(&without, bob()).err(), Some(NotOpened::NoKey));
    assert_eq!(shown(&opened(&without)), ["A=one"]);
    // The old file key does not help: Bob's old line says another one.
    let bobs = text.lines().find(|line| line.contains(" bob ")).unwrap();
    let put_back = without.replacen("\nrecipient", &format!("\n{bobs}\nrecipient"), 1);
    let seen = open_as(&put_back, bob()).unwrap();
    assert!(shown(&seen).is_empty() && !seen.is_sound());
    let mut editing = opened(&without).edit().unwrap();
    assert!(editing.remove("ada", &mut random(1)).unwrap_err().message.contains("the only recipient"));
    assert!(editing.remove("eve", &mut random(1)).unwrap_err().help.contains("there is ada"));
}

#[test]
fn a_new_key_changes_every_line_and_no_value_or_date() {
    let text = file(&[("A", "one"), ("B", "two")]);
    let mut editing = opened(&text).edit().unwrap();
    editing.rekey(&mut random(11)).unwrap();
    let (after, version) = editing.finish();
    assert_eq!(version.epoch, 2);
    assert_eq!(shown(&opened(&after)), ["A=one", "B=two"]);
    assert_eq!(differing(&text, &after).len(), 2 * 6);
    assert!(after.contains("A = 2026-11-28 "));
}

#[test]
fn a_passphrase_opens_too_and_needs_not_be_known_to_change_the_key() {
    let mut random = random(20);
    let stretch = Stretch::quick(&mut random);
    let passphrase = Secret::new("correct horse battery staple");
    let public = stretch.identity(&passphrase).unwrap().public();
    let text = changed(&file(&[("A", "one")]), 21, |editing, random| {
        editing.add("break-glass", public, Some(stretch), DAY, random).unwrap();
    });
    let text = changed(&text, 22, |editing, random| editing.rekey(random).unwrap());
    let recipient = parse(FILE, &text).document.unwrap().recipients.pop().unwrap();
    let seen = open_as(&text, recipient.answers(&passphrase).unwrap().unwrap()).unwrap();
    assert_eq!((shown(&seen), seen.by.as_str()), (vec!["A=one".to_owned()], "break-glass"));
    assert!(recipient.answers(&Secret::new("correct horse")).unwrap().is_none());
}

#[test]
fn a_pending_value_stands_beside_the_one_in_force_until_it_is_promoted_or_dropped() {
    let text = file(&[("A", "old"), ("B", "two")]);
    let pending = changed(&text, 9, |editing, random| {
        editing.set_pending("A", &Secret::new("new"), DAY, random).unwrap();
        assert!(editing.set_pending("C", &Secret::new("x"), DAY, random).is_err());
    });
    let seen = opened(&pending);
    assert_eq!(shown(&seen), ["A=old", "A.pending=new", "B=two"]);
    assert_eq!(seen.in_force().map(|(name, _)| name).collect::<Vec<_>>(), ["A", "B"]);
    assert_eq!(seen.pending("A").unwrap().secret.expose(), "new");
    let promoted = changed(&pending, 10, |editing, random| editing.promote("A", DAY, random).unwrap());
    assert_eq!(shown(&opened(&promoted)), ["A=new", "B=two"]);
    let dropped = changed(&pending, 10, |editing, _| assert!(editing.drop_pending("A")));
    assert_eq!(shown(&opened(&dropped)), ["A=old", "B=two"]);
    // What somebody sets is meant, the same value too.
    for (value, differs) in [("old", false), ("typed", true)] {
        let typed = changed(&pending, 10, |editing, random| {
            assert_eq!(editing.set("A", &Secret::new(value), DAY, random), Ok(differs));
        });
        assert_eq!(shown(&opened(&typed)), [&format!("A={value}"), "B=two"]);
    }
    let gone = changed(&pending, 10, |editing, _| assert!(editing.unset("A")));
    assert_eq!(shown(&opened(&gone)), ["B=two"]);
    // A pending value is no value in force: its line cannot be made into one.
    let line = |name: &str| pending.lines().find(|line| line.starts_with(name)).unwrap();
    let turned = pending.replace(line("A = "), &line("A.pending").replace(".pending", ""));
    assert!(
        !shown(&opened(&turned.replace(line("A.pending"), ""))).iter().any(|value| value.starts_with("A="))
    );
}

#[test]
fn what_cannot_be_sealed_is_refused() {
    let mut editing = opened(&file(&[])).edit().unwrap();
    let mut set = |name: &str, value: String| {
        editing.set(name, &Secret::new(value), DAY, &mut random(9)).map_err(|refused| refused.message)
    };
    for name in ["", "1A", "A-B", "A B", "seal", "recipient", "A.pending", "É", &"A".repeat(129)] {
        assert!(set(name, "x".into()).unwrap_err().contains("cannot be the name"), "{name}");
    }
    assert!(set("A", "a\0b".into()).unwrap_err().contains("NUL"));
    assert!(set("A", "x".repeat((64 << 10) + 1)).unwrap_err().contains("65537 bytes"));
    assert_eq!(set("A", "x".repeat(64 << 10)), Ok(true));
    let (text, _) = editing.finish();
    assert_eq!(opened(&text).get("A").unwrap().secret.expose().len(), 64 << 10);
}

proptest! {
    // proves: DC-10
    #[test]
    fn any_value_comes_back(values in proptest::collection::vec(any_value(), 1..6)) {
        let names: Vec<String> = (0..values.len()).map(|at| format!("NAME_{at}")).collect();
        let pairs: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(values.iter().map(String::as_str)).collect();
        let text = file(&pairs);
        let seen = opened(&text);
        prop_assert!(seen.is_sound());
        for (name, value) in pairs {
            prop_assert_eq!(seen.get(name).unwrap().secret.expose(), value);
        }
        // What is read is written again byte for byte.
        prop_assert_eq!(seen.document().to_string(), text);
    }

    #[test]
    fn any_text_is_read_without_a_panic_and_what_is_read_whole_is_written_again(
        noise in "[ -~\n]{0,60}", at in any::<prop::sample::Index>(), cut in 0_usize..40
    ) {
        let text = file(&[("A", "one"), ("B", "two")]);
        let at = at.index(text.len());
        let changed = format!("{}{noise}{}", &text[..at], &text[(at + cut).min(text.len())..]);
        let parsed = parse(FILE, &changed);
        if let (Some(document), true) = (&parsed.document, parsed.faults.is_empty()) {
            prop_assert_eq!(document.to_string(), changed.clone());
        }
        if changed != text {
            prop_assert!(parsed.document.is_none() || open_as(&changed, ada()).map_or(true, |seen| !seen.is_sound()));
        }
    }
}

proptest! {
    // proves: HS-19
    #[test]
    fn a_rotation_that_was_interrupted_is_settled_by_what_runs(
        old in "[a-z]{0,3}", new in "[a-z]{0,3}", runs in proptest::option::of("[a-z]{0,3}"), which in 0..3,
    ) {
        const KEY: [u8; 32] = [7; 32];
        let runs = match which {
            0 => Some(old.clone()),
            1 => Some(new.clone()),
            _ => runs,
        };
        let text = changed(&file(&[("A", &old), ("B", "two")]), 9, |editing, random| {
            editing.set_pending("A", &Secret::new(new.clone()), DAY, random).unwrap();
        });
        let running = runs.clone().map(|value| Secret::new(value).fingerprint(&KEY));
        let settle = |text: &str, seed| {
            let mut settled = Settled::Neither;
            let after = changed(text, seed, |editing, random| {
                settled = editing.settle("A", running.as_deref(), &KEY, DAY, random).unwrap();
            });
            (after, settled)
        };
        let (after, settled) = settle(&text, 10);
        let left = shown(&opened(&after));
        match settled {
            Settled::New => prop_assert_eq!((runs, left), (Some(new.clone()), vec![format!("A={new}"), "B=two".into()])),
            Settled::Old => prop_assert_eq!((runs, left), (Some(old.clone()), vec![format!("A={old}"), "B=two".into()])),
            Settled::Neither => {
                prop_assert!(runs.is_none_or(|runs| runs != old && runs != new));
                prop_assert_eq!(left, [format!("A={old}"), format!("A.pending={new}"), "B=two".into()]);
            }
        }
        // Whoever dies after it and begins again ends with the same.
        let (again, _) = settle(&after, 11);
        prop_assert_eq!(shown(&opened(&again)), shown(&opened(&after)));
    }
}
