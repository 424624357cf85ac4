//! The commands of the guide and of the README are run, and print what is said there.
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
//!
//! The README shows output as it came. What was measured there (times, sizes, counts, ports) may be anything of its kind.

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
fn readme() {
    run_page("README", "README.md", Numbers::Measured);
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
    run_page(name, &format!("docs/guide/{name}.md"), Numbers::Exact);
}

/// What the numbers in expected lines are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbers {
    /// Those that must come.
    Exact,
    /// Those that came once.
    Measured,
}

fn run_page(name: &str, path: &str, numbers: Numbers) {
    let page = fs::read_to_string(repository(path)).unwrap();
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
            let settled = |text: &str| match numbers {
                Numbers::Exact => text.to_owned(),
                Numbers::Measured => without_measures(text),
            };
            let output: String = output.lines().map(|line| settled(line) + "\n").collect();
            if let Some(line) = missing(&act.expected, &output, |text| settled(&sandbox.localise(text))) {
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

/// Of what is timed, and how large it is.
const UNITS: [&str; 9] = ["us", "ms", "s", "m", "h", "d", "kB", "MB", "GB"];

/// What is counted.
const COUNTED: [&str; 3] = ["requests", "files", "served"];

/// A line with `#` for what was measured in it: a number with its unit, a count, a port of the kernel's choice.
fn without_measures(line: &str) -> String {
    let inner = |word: &str| word.trim_matches(['[', ']', '(', ')', ',', ';', '.', ':']).to_owned();
    let mut words = line.split_whitespace().peekable();
    let mut settled: Vec<String> = Vec::new();
    while let Some(word) = words.next() {
        let own = inner(word);
        let is_number = !own.is_empty() && own.chars().all(|c| c.is_ascii_digit() || c == '.');
        let next = words.peek().map(|next| inner(next)).unwrap_or_default();
        if is_number && UNITS.contains(&next.as_str()) {
            let unit = words.next().unwrap_or_default();
            settled.push(word.replace(&own, "#") + unit.trim_start_matches(&next));
        } else if is_measure(&own) || is_number && (own.len() == 5 || COUNTED.contains(&next.as_str())) {
            settled.push(word.replace(&own, "#"));
        } else {
            settled.push(word.to_owned());
        }
    }
    settled.join(" ")
}

/// Whether a word is a number with its unit, such as `7.5s` or `23h28m`.
fn is_measure(word: &str) -> bool {
    let mut rest = word;
    while let Some(at) = rest.find(|c: char| !c.is_ascii_digit() && c != '.') {
        let units = rest[at..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |next| at + next);
        if at == 0 || !UNITS.contains(&&rest[at..units]) {
            return false;
        }
        rest = &rest[units..];
    }
    rest.is_empty() && !word.is_empty()
}

#[test]
fn only_what_is_measured_may_differ() {
    for (line, settled) in [
        ("[   7.5s]  build in 7.37s", "[ #] build in #"),
        ("0 of 379 requests lost, longest gap 7 ms.", "0 of # requests lost, longest gap #."),
        ("web.r1.1 ready 4s 0 2 MB 0s 33567", "web.r1.1 ready # 0 # # #"),
        ("cron: next in 23h28m; last", "cron: next in #; last"),
        ("preflight 40 ms, start 2.1 s", "preflight #, start #"),
        ("67 served (0 with 5xx), 0 failed", "# served (0 with 5xx), 0 failed"),
    ] {
        assert_eq!(without_measures(line), settled);
    }
    let exact = "r1 is live at http://127.0.0.1:8080; answered 503, exit code 3";
    assert_eq!(without_measures(exact), exact);
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
