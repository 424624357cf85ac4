//! The commands of the guide are run, and print what the guide says.
//!
//! A page's blocks share one sandbox:
//!
//! ```text
//! ```toml file=windlass.toml      writes this file of the project
//! ```console run                  runs what follows `$ `; the lines below it are what it must print
//! ```console run=guestbook        the same, in a copy of examples/guestbook
//! ```
//!
//! In expected lines `...` stands for any text; alone on a line, for any lines. Lines must appear in this order; where
//! the block does not begin and end with `...`, others may stand around them all the same. A command must succeed, unless
//! `$ echo $?` and another code follow it.

use std::fs;

use crate::repository;
use crate::sandbox::Sandbox;

/// The pages whose commands are run, each by the test of its name.
const PAGES: &[&str] = &[
    "quickstart",
    "deploying",
    "rolling-back",
    "jobs-and-cron",
    "routes-and-tls",
    "logs-and-status",
    "when-things-go-wrong",
    "settings",
    "coming-from-compose",
    "resources",
];

// proves: HS-6, HS-7
#[test]
fn quickstart() {
    run("quickstart");
}

// proves: HS-7, HS-25, CM-10, MDC-15, APE-5, APE-15
#[test]
fn deploying() {
    run("deploying");
}

// proves: HS-8
#[test]
fn rolling_back() {
    run("rolling-back");
}

// proves: CM-6, CM-8
#[test]
fn jobs_and_cron() {
    run("jobs-and-cron");
}

// proves: CM-1, MDC-7, DC-15
#[test]
fn routes_and_tls() {
    run("routes-and-tls");
}

// proves: HS-25, MDC-9, CM-6
#[test]
fn logs_and_status() {
    run("logs-and-status");
}

#[test]
fn when_things_go_wrong() {
    run("when-things-go-wrong");
}

// proves: APE-3, HS-18, MDC-6
#[test]
fn settings() {
    run("settings");
}

#[test]
fn coming_from_compose() {
    run("coming-from-compose");
}

#[test]
fn resources() {
    run("resources");
}

#[test]
fn every_page_with_commands_is_run() {
    for page in crate::files(&repository("docs/guide"), ".md") {
        let name = page.file_stem().unwrap().to_string_lossy().into_owned();
        let runs = blocks(&fs::read_to_string(&page).unwrap()).iter().any(|block| block.is_run());
        assert_eq!(
            runs,
            PAGES.contains(&name.as_str()),
            "{name}: name it in PAGES, with a test, if it has blocks to run"
        );
    }
}

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    info: String,
    text: String,
}

impl Block {
    fn is_run(&self) -> bool {
        self.info.starts_with("console run")
    }
}

fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some("")) => found.extend(open.take()),
            (Some(block), _) => block.text.push_str(&format!("{line}\n")),
            (None, Some(info)) => open = Some(Block { info: info.to_owned(), text: String::new() }),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

/// A command, and what it must print.
#[derive(Debug, PartialEq, Eq)]
struct Act {
    command: String,
    expected: Vec<String>,
    code: i32,
}

fn acts(text: &str) -> Vec<Act> {
    let mut acts: Vec<Act> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "$ echo $?" {
            let code = lines.next().expect("a code follows echo $?").parse().expect("it is a number");
            acts.last_mut().expect("a command precedes echo $?").code = code;
        } else if let Some(command) = line.strip_prefix("$ ") {
            acts.push(Act { command: command.to_owned(), expected: Vec::new(), code: 0 });
        } else if !line.trim().is_empty() {
            acts.last_mut().expect("a block begins with a command").expected.push(line.trim_end().to_owned());
        }
    }
    acts
}

fn run(name: &str) {
    let page = fs::read_to_string(repository(&format!("docs/guide/{name}.md"))).unwrap();
    let blocks = blocks(&page);
    let example = blocks.iter().find_map(|block| block.info.strip_prefix("console run="));
    let sandbox = Sandbox::new(example);
    for block in &blocks {
        if let Some((_, path)) = block.info.split_once(" file=") {
            sandbox.write(path, &block.text);
        }
        for act in if block.is_run() { acts(&block.text) } else { Vec::new() } {
            let (code, output) = sandbox.run(&act.command);
            let shown = format!("{name}: $ {}\n{output}", act.command);
            assert_eq!(code, act.code, "{shown}");
            if let Some(line) = missing(&act.expected, &output, |text| sandbox.localise(text)) {
                panic!("{shown}\nnot found, or not in this place: {line}");
            }
        }
    }
    let files = fs::read_to_string(repository("docs/reference/files.md")).unwrap();
    for name in sandbox.kept() {
        assert!(files.contains(&format!("`state/{name}")), "{name}: docs/reference/files.md says what it is");
    }
}

/// The first expected line that the output does not have in its place.
fn missing(expected: &[String], output: &str, localise: impl Fn(&str) -> String) -> Option<String> {
    let mut printed = output.lines();
    let mut wanted = expected.iter().filter(|line| *line != "...").map(|line| localise(line));
    wanted.find(|line| !printed.any(|candidate| is_like(candidate.trim_end(), line)))
}

/// Whether a line is like the pattern, in which `...` stands for any text. Runs of spaces count as one: columns move.
fn is_like(line: &str, pattern: &str) -> bool {
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (line, pattern) = (squeeze(line), squeeze(pattern));
    let mut parts = pattern.split("...");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn patterns_say_what_they_seem_to_say() {
    assert!(is_like("r1 is live at http://x after 9.3 s.", "r1 is live at ... after ... s."));
    assert!(is_like("web.r1.1   ready     2s  0", "web.r1.1 ready ..."));
    assert!(!is_like("r1 is live at http://x after 9.3 s. 3 lost", "r1 is live at ... after ... s."));
    assert!(!is_like("exactly this and more", "exactly this"));
    let acts = acts("$ one\nout\n\n$ two\n$ echo $?\n3\n");
    assert_eq!((acts[0].expected.as_slice(), acts[1].code), (["out".to_owned()].as_slice(), 3));
}
