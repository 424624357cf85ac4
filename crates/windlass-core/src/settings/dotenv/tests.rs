use proptest::prelude::*;

use super::*;
use crate::settings::hostile::any_value;
use crate::settings::write;

fn read(text: &str) -> Vec<(String, String)> {
    let parsed = parse(".env", text, &|name| (name == "HOME").then(|| "/home/ada".to_owned()), &|_| None);
    assert_eq!(parsed.faults, [], "{text:?}");
    parsed.entries.iter().map(|entry| (entry.name.clone(), entry.value.expose().to_owned())).collect()
}

#[track_caller]
fn value_is(text: &str, value: &str) {
    assert_eq!(read(text).last().map(|(_, value)| value.as_str()), Some(value), "{text:?}");
}

fn faults(text: &str) -> Vec<String> {
    parse(".env", text, &|_| None, &|_| None).faults.iter().map(ToString::to_string).collect()
}

fn warnings(text: &str) -> Vec<String> {
    parse(".env", text, &|_| None, &|_| None).warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn plain_values() {
    value_is("A=b", "b");
    value_is("A=", "");
    value_is("  export  A = b c  # note", "b c");
    value_is("A=b#c", "b#c");
    value_is("A= # note", "");
    value_is("A=#b # note", "#b");
    value_is("A= #", "");
    value_is(r"A=C:\new\table", r"C:\new\table");
    value_is("A=x=y==", "x=y==");
    value_is("exported=1", "1");
    value_is("A=it's", "it's");
}

#[test]
fn quoted_values() {
    value_is(r#"A="a\tb\"c\\ # d" # note"#, "a\tb\"c\\ # d");
    value_is("A='a\\tb $HOME \"'", "a\\tb $HOME \"");
    value_is(r"A='Let\'s go'", "Let's go");
    value_is("A=\"one\ntwo\"\nB=3", "3");
    assert_eq!(read("A=\"one\ntwo\"\nB=3")[0].1, "one\ntwo");
    value_is(r#"A="\d+\$""#, r"\d+$");
}

#[test]
fn references_are_filled() {
    value_is("A=$HOME/x", "/home/ada/x");
    value_is("A=${HOME}x", "/home/adax");
    value_is("A='b'\nC=\"$A$A\"", "bb");
    value_is("A=${NONE:-d}", "d");
    value_is("A=\nB=${A:-d}", "d");
    value_is("A=\nB=${A-d}", "");
    value_is("A=${NONE-${HOME}/y}", "/home/ada/y");
    value_is("A=${HOME:+yes}${NONE:+no}", "yes");
    value_is("A=pa$$word", "pa$word");
    value_is("A=5$ and $5", "5$ and $5");
    value_is("HOME=/elsewhere\nA=$HOME", "/home/ada");
}

#[test]
fn windows_files_and_marks_are_read() {
    assert_eq!(
        read("\u{feff}A=b\r\nC='d\r\ne'\r\n"),
        [("A".into(), "b".into()), ("C".into(), "d\ne".into())]
    );
}

/// Docker compose takes these escapes, and no others.
#[test]
fn escapes_stand_for_what_compose_has_them_stand_for() {
    value_is(r#"A="\a\b\f\n\r\t\v\\\"""#, "\u{7}\u{8}\u{c}\n\r\t\u{b}\\\"");
    value_is(r#"A="\0140\03519""#, "`é9");
    value_is(r#"A="\d\c\01\08\0777\x41\u0041""#, r"\d\c\01\08\0777\x41\u0041");
    value_is(r"A='\n\0140'", r"\n\0140");
    value_is(r"A=\n\0140", r"\n\0140");
}

/// Docker compose takes these, too.
#[test]
fn names_with_a_colon_and_names_by_themselves() {
    value_is("A: b", "b");
    value_is("A:b # note", "b");
    value_is("A : 'b: c'", "b: c");
    value_is("export A: \"b\\nc\"", "b\nc");
    value_is("A: b=c", "b=c");
    value_is("A=b: c", "b: c");
    value_is("A:", "");
    let url = parse(".env", "https://hooks.example/T0/secret", &|_| None, &|_| None);
    assert!(url.entries.is_empty() && url.faults.len() == 1, "{url:?}");
    assert_eq!(
        read("HOME\nexport HOME \nUNSET\nA=$HOME"),
        [("HOME".into(), "/home/ada".into()), ("A".into(), "/home/ada".into())]
    );
    let parsed = parse(".env", "A=1\n  export UNSET\nB", &|_| None, &|_| None);
    let bare: Vec<String> = parsed.bare.iter().map(ToString::to_string).collect();
    let told = "there is no = in this line, and the environment has nothing of this name; \
                write NAME=value, or # before a comment";
    assert_eq!(bare, [format!(".env:2:10: {told}"), format!(".env:3:1: {told}")]);
    assert_eq!((parsed.faults, parsed.warnings, parsed.entries.len()), (vec![], vec![], 1));
}

#[test]
fn what_no_setting_can_be_called_is_passed_over() {
    let text = "api-key='two\nlines'\n  1B: x\nlog.level=$NONE\n[x]=\nÄ\nA=1";
    let parsed = parse(".env", text, &|_| None, &|_| None);
    let unfit: Vec<String> = parsed.unfit.iter().map(ToString::to_string).collect();
    let told = "no setting can have the name in this line, which is passed over; \
                write letters, digits and _, not beginning with a digit, such as DATABASE_URL";
    let places = ["1:1", "3:3", "4:1", "5:1", "6:1"];
    assert_eq!(unfit, places.map(|place| format!(".env:{place}: {told}")));
    assert_eq!((parsed.faults, parsed.warnings), (vec![], vec![]));
    assert_eq!((parsed.entries.len(), parsed.entries[0].line), (1, 7));
}

#[test]
fn every_fault_stands_at_its_place() {
    assert_eq!(
        faults("A=1\nwhat is this\n B C=2\nC=\"open\nD=${X\nE='a' b\nF=${Y:?set it}\nG=${1}\nH=${X!}"),
        [
            ".env:2:1: there is no = in this line; write NAME=value, or # before a comment",
            ".env:3:2: the text before = is not a name; write letters, digits and _, not beginning with a digit, such as DATABASE_URL",
            ".env:4:3: the quotes are not closed; close it with \", or put the other kind of quotes around a value with \" in it",
            ".env:5:3: ${ is not closed; close it with }, or write $$ for a dollar sign",
            ".env:6:7: text stands after the closing quote; put all of the value between the quotes",
            ".env:7:3: Y is required: set it; set Y in the environment or above this line",
            ".env:8:3: ${ is not followed by a name; write ${NAME}, or $$ for a dollar sign",
            ".env:9:3: ${X...} is not understood; write ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?reason} or ${NAME:+other}",
        ]
    );
}

#[test]
fn doubtful_lines_are_warned_of() {
    assert_eq!(
        warnings("A=1\nB=x$zip\nA=2"),
        [
            ".env:2:3: B refers to zip, which is not set, and gets nothing in its place; set zip above, write ${zip:-default}, or $$ for a dollar sign",
            ".env:3:3: A stands in line 1 already; this one holds; remove one of them",
        ]
    );
    value_is("A=1\nA=2", "2");
}

#[test]
fn hostile_text_survives_byte_for_byte() {
    for value in [
        "; rm -rf / $() `id` | & \n ' \"",
        "-oProxyCommand=x",
        "--upload-pack=x",
        "../",
        "%i ${x} *",
        "\r\n\r",
        "\u{feff}#",
    ] {
        let text = write([("A", value), ("B", "after")]).unwrap();
        assert_eq!(read(&text), [("A".into(), value.into()), ("B".into(), "after".into())]);
    }
}

#[test]
fn no_nesting_overflows_the_stack() {
    let text = format!("A={}{}", "${B:-".repeat(50_000), "}".repeat(50_000));
    assert_eq!(faults(&text), [".env:1:3: the defaults are nested too deeply; nest ${...} at most 16 times"]);
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "([A-Z]=|[A-Z]: |[A-Z.-]|[$'\"\\\\{}#=: \n\r\t-]|export |\\PC){0,60}") {
        let parsed = parse(".env", &text, &|_| None, &|_| None);
        for fault in parsed.faults.iter().chain(&parsed.warnings) {
            prop_assert!(fault.line >= 1 && fault.line as usize <= text.lines().count().max(1));
        }
    }

    #[test]
    fn any_value_is_read_back_as_written(values in prop::collection::vec(any_value(), 1..4)) {
        let names: Vec<String> = (0..values.len()).map(|n| format!("NAME_{n}")).collect();
        let text = write(names.iter().map(String::as_str).zip(values.iter().map(String::as_str))).unwrap();
        let wanted: Vec<_> = names.into_iter().zip(values).collect();
        prop_assert_eq!(read(&text), wanted);
    }
}

/// Each line doubles the one before: 2^60 bytes at the end.
#[test]
fn values_that_double_are_refused_and_the_others_kept() {
    let mut text = "A=xxxxxxxx\n".to_owned();
    for _ in 0..60 {
        text += "A=$A$A\n";
    }
    let parsed = parse(".env", &format!("{text}B=whole\n"), &|_| None, &|_| None);
    assert!(
        parsed.faults.iter().all(|fault| fault.message.contains("grows beyond 128 KiB")),
        "{:?}",
        parsed.faults
    );
    assert_eq!(parsed.faults.len(), 60 - 14);
    assert_eq!(parsed.entries.last().unwrap().value.expose(), "whole");
}

#[test]
fn what_is_wrong_within_a_value_of_several_lines_is_told_at_its_own() {
    let text = "A=1\nL=\"multi\n  ü${BAD\nend\"\nM=\"${GONE}\n${A}\n\n é $LOST\"\nN=\"${GONE:?why}\n\"\n";
    let parsed = parse(".env", text, &|_| None, &|_| None);
    let places = |faults: &[Fault]| -> Vec<String> {
        let place = |fault: &Fault| format!("{}:{} {}", fault.line, fault.column, fault.message);
        faults.iter().map(place).collect()
    };
    assert_eq!(places(&parsed.faults), ["3:4 ${ is not closed", "9:3 GONE is required: why"]);
    assert_eq!(
        places(&parsed.warnings),
        [
            "5:3 M refers to GONE, which is not set, and gets nothing in its place",
            "8:4 M refers to LOST, which is not set, and gets nothing in its place",
        ]
    );
}
