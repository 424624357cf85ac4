//! Whoever changes a byte is found out.

use super::*;

const SMALL: &[(&str, &str)] = &[("A", "one"), ("B", "two")];

/// Whether nothing is noticed: the worst that can happen. Bytes are read as the program reads them.
fn passes(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    parse(FILE, &text).document.is_some() && open_as(&text, ada()).is_ok_and(|opened| opened.is_sound())
}

// proves: DC-10
#[test]
fn no_bit_can_be_flipped() {
    let text = changed(&file(SMALL), 9, |editing, random| {
        editing.set("B", &Secret::new("zwei"), DAY, random).unwrap();
    });
    assert!(passes(text.as_bytes()));
    let mut bytes = text.clone().into_bytes();
    for at in 0..bytes.len() {
        let was = bytes[at];
        // Every bit by itself, and a 64th of all values, others at each place.
        let bits = (0..8).map(|bit| was ^ 1 << bit);
        let values = (0..4_u8).map(|step| (step * 64).wrapping_add(at as u8));
        for value in bits.chain(values).filter(|value| *value != was) {
            bytes[at] = value;
            assert!(!passes(&bytes), "{value} at byte {at}:\n{}", String::from_utf8_lossy(&bytes));
        }
        bytes[at] = was;
    }
}

#[test]
fn a_byte_of_any_value_loses_one_value_at_most() {
    let text = file(&[("A", "one"), ("B", "two"), ("C", "three")]);
    let begin = text.find("\nB = ").unwrap() + 1;
    let end = begin + text[begin..].find('\n').unwrap();
    let mut bytes = text.clone().into_bytes();
    for at in begin..end {
        let was = bytes[at];
        // What means something to somebody, and at some places everything.
        let telling = [b'\0', b'\n', b'\r', b' ', b'.', b'=', was ^ 0x80, 0xc3, 0xff];
        let all = (0..=u8::MAX).filter(|value| telling.contains(value) || at % 23 == 0);
        for value in all.filter(|value| *value != was) {
            bytes[at] = value;
            let seen = open_as(&String::from_utf8_lossy(&bytes), ada()).unwrap();
            assert!(!seen.is_sound());
            let shown = shown(&seen);
            assert!(shown.contains(&"A=one".into()) && shown.contains(&"C=three".into()), "{value} at {at}");
        }
        bytes[at] = was;
    }
}

#[test]
fn the_file_cannot_be_cut_off_and_nothing_can_be_put_in() {
    let text = file(SMALL);
    for length in 0..text.len() {
        assert!(!passes(&text.as_bytes()[..length]), "cut to {length}");
    }
    for at in 0..=text.len() {
        for more in ["\n", " ", "A", "\0", "\r"] {
            let longer = format!("{}{more}{}", &text[..at], &text[at..]);
            assert!(!passes(longer.as_bytes()), "{more:?} at {at}");
        }
    }
}

#[test]
fn no_line_can_be_dropped_doubled_or_moved() {
    let text = file(&[("A", "one"), ("B", "two"), ("C", "three")]);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        let mut without = lines.clone();
        let line = without.remove(at);
        assert!(!passes(without.concat().as_bytes()), "without line {at}");
        for to in 0..lines.len() {
            let mut doubled = lines.clone();
            doubled.insert(to, line);
            assert!(!passes(doubled.concat().as_bytes()), "line {at} again at {to}");
            let mut moved = without.clone();
            moved.insert(to, line);
            assert!(to == at || !passes(moved.concat().as_bytes()), "line {at} moved to {to}");
        }
    }
}

fn line<'t>(text: &'t str, name: &str) -> &'t str {
    text.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap()
}

#[test]
fn a_value_opens_under_its_own_name_only() {
    let text = file(SMALL);
    let (a, b) = (line(&text, "A"), line(&text, "B"));
    let swapped = text.replace(a, &a.replace("A = ", "X = ")).replace(b, &b.replace("B = ", "A = "));
    let opened = opened(&swapped.replace("X = ", "B = "));
    assert!(shown(&opened).is_empty(), "{:?}", shown(&opened));
    let names: Vec<_> = opened.damaged.iter().map(|damaged| damaged.name.as_deref()).collect();
    assert_eq!(names, [Some("B"), Some("A"), None]);
    assert!(opened.damaged[0].fault.message.contains("belongs to another name"), "{:?}", faults(&opened));
}

#[test]
fn a_value_opens_in_its_own_file_and_environment_only() {
    let text = file(SMALL);
    for other in [file_of("staging", 3, &[("A", "other")]), file_of("production", 4, &[("A", "other")])] {
        let moved = text.replace(line(&text, "A"), line(&other, "A"));
        assert_eq!(shown(&opened(&moved)), ["B=two"]);
    }
    // The file of another environment, under this one's name.
    let renamed = text.replace("environment = production", "environment = staging");
    assert!(matches!(open_as(&renamed, ada()), Err(NotOpened::DamagedRecipient { .. })));
    let other_id = line(&file_of("production", 4, &[]), "id").to_owned();
    let renamed = text.replace(line(&text, "id"), &other_id);
    assert!(matches!(open_as(&renamed, ada()), Err(NotOpened::DamagedRecipient { .. })));
}

#[test]
fn a_date_an_epoch_and_an_older_line_are_bound() {
    let old = file(SMALL);
    assert_eq!(shown(&opened(&old.replace("A = 2026-11-28", "A = 2026-11-29"))), ["B=two"]);
    let aged = opened(&old.replace("epoch = 1\n", "epoch = 2\n"));
    assert!(aged.damaged.len() == 1 && aged.damaged[0].fault.message.starts_with("the seal does not hold"));
    let new = changed(&old, 9, |editing, random| {
        editing.set("A", &Secret::new("new"), DAY, random).unwrap();
    });
    // The older line opens, being genuine; that it was put back, the seal tells.
    let replayed = opened(&new.replace(line(&new, "A"), line(&old, "A")));
    assert_eq!(shown(&replayed), ["A=one", "B=two"]);
    assert!(!replayed.is_sound());
    // The whole older file is sound in itself; the ledger remembers the epoch.
    let (before, after) = (opened(&old).version(), opened(&new).version());
    assert_eq!(after.behind(&before), None);
    assert!(before.behind(&after).unwrap().contains("older (epoch 1)"));
    let other = Version { id: "x".into(), ..before.clone() };
    assert!(before.behind(&other).unwrap().contains("another encrypted file"));
}

#[test]
fn nobody_adds_a_recipient_without_the_file_key() {
    let text = file(SMALL);
    // Mallory wraps a key of her own, or takes Ada's line under her own key.
    let mut random = random(9);
    let mut own = Editing::new("production", &mut random);
    own.add("mallory", bob().public(), None, DAY, &mut random).unwrap();
    let foreign = own.finish().0;
    let first = line(&text, "recipient");
    for forged in [line(&foreign, "recipient").to_owned(), {
        first.replace(&ada().public().to_string(), &bob().public().to_string()).replace(" ada ", " mallory ")
    }] {
        let tampered = text.replace(first, &format!("{first}\n{forged}"));
        let seen = opened(&tampered);
        assert_eq!(shown(&seen), ["A=one", "B=two"]);
        assert!(seen.damaged[0].fault.message.contains("mallory was changed, or added by somebody"));
        assert!(seen.repair().document().recipients.iter().all(|recipient| recipient.name == "ada"));
    }
}

/// A file that somebody who knows only the public one makes in its place: of the same id, the next write,
/// for the same recipients and one more, with values of their choice.
fn forged(public: &str) -> String {
    let known = parse(FILE, public).document.unwrap();
    let mut random = random(66);
    let mut editing = Editing::new(&known.environment, &mut random);
    editing.impersonate(&known);
    for recipient in &known.recipients {
        editing.add(&recipient.name, recipient.public, None, recipient.date, &mut random).unwrap();
    }
    editing.add("ci", bob().public(), None, DAY, &mut random).unwrap();
    editing.set("A", &Secret::new("known to Mallory"), DAY, &mut random).unwrap();
    editing.finish().0
}

#[test]
fn whoever_knows_only_the_file_cannot_make_another_one() {
    let text = file(SMALL);
    let forged = forged(&text);
    let head = |text: &str| text.lines().take(3).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(head(&forged), head(&text));
    for own in [ada(), bob()] {
        let why = open_as(&forged, own).err().unwrap();
        assert!(matches!(why, NotOpened::Forged { line: 6 | 7, .. }), "{why:?}");
    }
    // The id stays with the file, whatever becomes of its key.
    let after = changed(&text, 9, |editing, random| editing.rekey(random).unwrap());
    assert_eq!(opened(&after).version().id, opened(&text).version().id);
}

#[test]
fn a_repair_does_not_shut_out_whoever_makes_it() {
    let text = file(SMALL);
    let first = line(&text, "recipient");
    let letter = if first.ends_with('A') { "B" } else { "A" };
    // The last but one: unused bits of the last one must be zero.
    let at = first.len() - 2;
    let damaged = text.replace(first, &format!("{}{letter}{}", &first[..at], &first[at + 1..]));
    let seen = opened(&damaged);
    assert!(
        seen.damaged[0].fault.message.starts_with("the recipient ada was changed"),
        "{:?}",
        faults(&seen)
    );
    let mended = opened(&seen.repair().finish().0);
    assert!(mended.is_sound());
    assert_eq!(shown(&mended), ["A=one", "B=two"]);
}

#[test]
fn what_is_damaged_takes_down_itself_alone() {
    let text = file(&[("A", "one"), ("B", "two"), ("C", "three")]);
    let b = line(&text, "B");
    for damage in
        ["B = 2026-11-28 x", "garbage", "", "B = 2026-11-28 AAAAAAAAAAAAAAAA.AAAA", &format!("{b}A")]
    {
        let seen = opened(&text.replace(b, damage));
        assert_eq!(shown(&seen), ["A=one", "C=three"], "{damage}");
        assert_eq!(seen.damaged[0].fault.line, 8, "{damage}: {:?}", faults(&seen));
    }
    let seen = opened(&text.replace(b, &format!("{}A", &b[..b.len() - 1])));
    assert_eq!(
        faults(&seen).iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "secrets.production.enc:8: B cannot be opened: it was changed, or belongs to another name, environment or \
             file; take the line from an earlier version of the file (git log -p), or run `windlass secrets repair` \
             and set it again",
            "secrets.production.enc:10: the seal does not hold: lines were changed, added, removed or put into another \
             order since windlass wrote the file; compare it with an earlier version (git log -p) and restore that; \
             `windlass secrets repair` seals what can be opened",
        ]
    );
    assert!(open_as(&text.replace(b, "garbage"), ada()).unwrap().edit().is_err());
    let mended = open_as(&text.replace(b, "garbage"), ada()).unwrap().repair().finish().0;
    let mended = opened(&mended);
    assert!(mended.is_sound());
    assert_eq!((shown(&mended), mended.version().epoch), (vec!["A=one".into(), "C=three".into()], 2));
}

#[test]
fn whose_key_is_missing_is_told() {
    let text = file(SMALL);
    assert_eq!(open_as(&text, bob()).err(), Some(NotOpened::NoKey));
}

#[test]
fn faults_are_told_at_their_lines() {
    let text = file(SMALL);
    let said = |text: &str| -> Vec<String> {
        parse("s", text).faults.iter().map(|fault| format!("{}: {}", fault.line, fault.message)).collect()
    };
    assert!(said(&text).is_empty());
    for (changed, expected) in [
        (text.replace("secrets 2", "secrets 3"), "1: the file has version 3 of its format"),
        (
            text.replace("secrets 2", "secrets 1"),
            "1: the file has version 1 of its format, which is not read",
        ),
        (text.replace("windlass-", "windless-"), "1: this is no encrypted file of settings"),
        (text.replace("id = ", "id ="), "2: this line should say which id the file has"),
        (text.replace("epoch = 1", "epoch = 01"), "4: this line should say which epoch the file has"),
        (text.replace("epoch = 1", "epoch = 0"), "4: this line should say which epoch the file has"),
        (text.replace('\n', "\r\n"), "0: its line ends were changed to those of Windows"),
        (text.replace("B = ", "A = "), "8: A stands in the file twice"),
        (text.replace("B = ", "C.pending = "), "8: C.pending does not stand below C"),
        (text.replace("B = ", "B-C = "), "8: what stands before = is not a name"),
        (text.replace("seal = ", "seal = A"), "9: the seal is damaged"),
        (format!("{text}\n"), "10: text stands after the seal"),
        (text.replace("B = ", "<<<<<<< HEAD\nB = "), "8: git left a conflict here"),
        (text.replace("A = 2026-11-28", "A = 2026-13-28"), "7: the line of A is damaged"),
        (text.trim_end().to_owned(), "9: the file ends in the middle of this line"),
        (text.replace("follows = -\n", ""), "5: this line should say which writes"),
        (text.replace("follows = -", "follows = "), "5: this line should say which writes"),
        (text.replace("follows = -", "follows = 1.AAAAAAAAAAAAAAAA"), "5: this line should say which writes"),
        (String::new(), "1: this is no encrypted file of settings"),
    ] {
        assert!(said(&changed)[0].starts_with(expected), "{expected}: {:?}", said(&changed));
    }
    let long = format!("{}A = 2026-11-28 AAAAAAAAAAAAAAAA.{}\n", "", "A".repeat(100_000));
    let with_long = text.replace(&format!("{}\n", line(&text, "A")), &long);
    assert_eq!(said(&with_long)[0], "7: A is longer than any value can be");
}

#[test]
fn a_file_cannot_exhaust_whoever_reads_it() {
    let text = file(SMALL);
    let noise = text.replace("A = ", &format!("{}A = ", "\n".repeat(1 << 20)));
    let parsed = parse(FILE, &noise);
    assert_eq!(parsed.faults.len(), 101);
    assert_eq!(parsed.faults[100].message, "so much is damaged that the rest was not read");
    let many: String = (0..20_000).map(|at| format!("N{at} = 2026-11-28 AAAAAAAAAAAAAAAA.\n")).collect();
    let parsed = parse(FILE, &text.replace("A = ", &format!("{many}A = ")));
    assert_eq!(parsed.document.unwrap().entries.len(), 10_000);
    assert_eq!(parsed.faults[0].message, "there are more than 10000 values");
    assert!(parse(FILE, &"x".repeat((16 << 20) + 1)).document.is_none());
}
