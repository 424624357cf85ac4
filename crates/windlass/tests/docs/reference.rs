//! `docs/reference/cli.md` is what the binary says of itself.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use crate::is_current;

/// What `windlass` prints when it is asked so. Nothing here is a terminal, so the width is clap's own.
fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_windlass"))
        .args(arguments)
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "windlass {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The verbs with their one line, as the top-level help lists them.
fn verbs(help: &str) -> Vec<(String, String)> {
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut verbs: Vec<(String, String)> = vec![];
    for line in list.lines() {
        match line.strip_prefix("  ").filter(|line| !line.starts_with(' ')) {
            Some(line) => {
                let (verb, about) = line.split_once("  ").unwrap();
                verbs.push((verb.to_owned(), about.trim().to_owned()));
            }
            // Of a sentence that is too long for a line.
            None => verbs.last_mut().unwrap().1 += &format!(" {}", line.trim()),
        }
    }
    verbs.retain(|(verb, _)| verb != "help");
    verbs
}

/// The lines below `Options:`.
fn options(help: &str) -> Vec<&str> {
    help.lines().skip_while(|line| *line != "Options:").skip(1).take_while(|line| !line.is_empty()).collect()
}

/// An option's lines without the help of how they are indented.
fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn markdown() -> String {
    let top = printed(&["--help"]);
    let common = options(&top);
    let mut text = String::from(
        "<!-- Generated from what `windlass help` prints. Do not edit: scripts/bless -->\n\n# Commands\n\n\
         Names, options and exit codes are stable: scripts may rely on them. Data goes to the standard output, everything\n\
         else to the standard error. [Exit codes](exit-codes.md) say how it ended.\n\n| verb | what it does |\n|---|---|\n",
    );
    let verbs = verbs(&top);
    for (verb, about) in &verbs {
        writeln!(text, "| [`{verb}`](#windlass-{verb}) | {about} |").unwrap();
    }
    text.push_str("\n## Options of every verb\n\n```text\n");
    let of_all = common.iter().filter(|line| !line.contains("--help") && !line.contains("--version"));
    of_all.for_each(|line| writeln!(text, "{line}").unwrap());
    text.push_str("```\n");
    let known: Vec<String> = common.iter().map(|line| squeezed(line)).collect();
    for (verb, about) in &verbs {
        describe(&mut text, 2, &[verb], about, &known);
    }
    text
}

/// What a verb prints of itself but the options of every verb, and then the verbs below it.
fn describe(text: &mut String, level: usize, verb: &[&str], about: &str, known: &[String]) {
    let help = printed(&[verb, &["--help"]].concat());
    let own: Vec<&str> = help.lines().filter(|line| !known.contains(&squeezed(line))).collect();
    let own = own.join("\n").replace("Options:\n\nExample", "Example");
    let (first, rest) = own.split_once("\n\n").unwrap();
    let own = if squeezed(first) == about { rest } else { &own };
    let own = own.trim().trim_end_matches("Options:").trim();
    let (marks, name) = ("#".repeat(level), verb.join(" "));
    write!(text, "\n{marks} windlass {name}\n\n{about}.\n\n```text\n{own}\n```\n").unwrap();
    if help.contains("Commands:\n") {
        for (below, about) in verbs(&help) {
            describe(text, level + 1, &[verb, &[below.as_str()]].concat(), &about, known);
        }
    }
}

#[test]
fn the_reference_of_the_commands_is_current() {
    is_current("docs/reference/cli.md", &markdown());
}

/// Whoever asks what a verb does sees one call of it at least.
#[test]
fn every_verb_has_an_example() {
    fn look(verb: &[&str]) {
        let help = printed(&[verb, &["--help"]].concat());
        let call = format!("windlass {}", verb.join(" "));
        let called = help.split_once("Example").is_some_and(|(_, examples)| examples.contains(&call));
        assert!(called, "windlass {} --help shows no call of it:\n{help}", verb.join(" "));
        if help.contains("Commands:\n") {
            let below = verbs(&help);
            below.iter().for_each(|(name, _)| look(&[verb, &[name.as_str()]].concat()));
        }
    }
    look(&[]);
}

/// The exit codes of the page are those of the help.
#[test]
fn the_exit_codes_are_explained() {
    let page = std::fs::read_to_string(crate::repository("docs/reference/exit-codes.md")).unwrap();
    for code in 0..=6 {
        assert!(page.contains(&format!("\n| {code} |")), "exit code {code} is not explained");
    }
}
