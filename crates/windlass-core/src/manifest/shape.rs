//! Checks the tree against the tables of `fields/`: unknown keys, wrong types, wrong formats. What
//! is refused is marked [`Value::Invalid`], so that no fault is reported twice.

use std::ops::Range;

use super::fields::ROOT;
use super::format::{Format, Misfit};
use super::kind::{Kind, Table};
use super::node::{Node, Value};
use super::other_tools;
use super::suggest::nearest;
use super::words::{self, NotWords};
use crate::diag::Diag;

/// Checks the whole manifest.
///
/// `broken`: the syntax has faults, after which keys may stand in the wrong table.
pub(super) fn check(text: &str, root: &mut Node, broken: bool, diags: &mut Vec<Diag>) {
    Shape { text, broken, diags }.table(&ROOT, root, &mut vec![]);
}

struct Shape<'a> {
    text: &'a str,
    broken: bool,
    diags: &'a mut Vec<Diag>,
}

impl Shape<'_> {
    fn table(&mut self, table: &Table, node: &mut Node, path: &mut Vec<String>) {
        let Value::Table(entries) = &mut node.value else { return };
        for (key, node) in entries.iter_mut() {
            path.push(key.clone());
            match table.field(key) {
                Some(field) => self.value(&field.kind, node, path),
                None => {
                    if !self.broken {
                        self.unknown_key(table, key, node, path);
                    }
                    refuse_all(node);
                }
            }
            path.pop();
        }
    }

    fn unknown_key(&mut self, table: &Table, key: &str, node: &Node, path: &[String]) {
        let place = place(&path[..path.len() - 1]);
        let mut diag =
            Diag::error("unknown-key", node.key_span.clone(), format!("unknown key `{key}` in {place}"));
        if let Some(meant) = nearest(key, table.keys()) {
            diag = diag.label(format!("did you mean `{meant}`?"));
        } else if let Some(word) = other_tools::find(table.name, key) {
            if let Some(meant) = word.key {
                diag = diag.label(format!("that is `{meant}` here"));
            }
            self.diags.push(diag.help(format!("write {}", word.instead)));
            return;
        } else if let Some((owner, field)) = elsewhere(table, key) {
            diag = diag.label(format!("`{}` is a key of {}", field, owner.header));
        }
        let keys: Vec<String> = table.keys().map(|key| format!("`{key}`")).collect();
        self.diags.push(diag.help(format!("the keys here are {}", keys.join(", "))));
    }

    fn value(&mut self, kind: &Kind, node: &mut Node, path: &mut Vec<String>) {
        if node.value == Value::Invalid {
            let message = format!("{} is a number too large to be read", place(path));
            self.diags.push(Diag::error("bad-number", node.span.clone(), message));
            return;
        }
        if !accepts(kind, &node.value) {
            return self.wrong_type(kind, node, path);
        }
        match kind {
            Kind::Bool | Kind::True => {
                if matches!((kind, &node.value), (Kind::True, Value::Bool(false))) {
                    let diag = Diag::error(
                        "bad-value",
                        node.span.clone(),
                        format!("{} can only be true", place(path)),
                    );
                    self.refuse(node, diag.help("leave the key out instead"));
                }
            }
            Kind::Text(format) => self.text(*format, node),
            Kind::Integer { min, max } => {
                if let Value::Integer(number) = node.value
                    && !(*min..=*max).contains(&number)
                {
                    self.out_of_range(kind, node, path);
                }
            }
            Kind::Number { min, max } => {
                let number = as_number(&node.value);
                if !number.is_some_and(|number| (*min..=*max).contains(&number)) {
                    self.out_of_range(kind, node, path);
                }
            }
            Kind::Choice(_) => self.choice(kind, kind, node, path),
            Kind::List(of) => self.items(of, node, path),
            Kind::OneOrMany(of) => match node.value {
                Value::List(_) => self.items(of, node, path),
                _ => self.value(of, node, path),
            },
            Kind::Map { key, of } => {
                let Value::Table(entries) = &mut node.value else { return };
                for (name, node) in entries.iter_mut() {
                    path.push(name.clone());
                    if let Err(misfit) = key.check(name) {
                        self.diags.push(misfit_diag(misfit, node.key_span.clone()));
                    }
                    // What stands under a bad name is looked at all the same.
                    self.value(of, node, path);
                    path.pop();
                }
            }
            Kind::Table(table) => self.table(table, node, path),
            Kind::Command => self.command(node, path),
            // The last that accepts it, because a command also accepts a table and comes first.
            Kind::AnyOf(kinds) => match kinds.iter().rev().find(|kind| accepts(kind, &node.value)) {
                Some(Kind::Choice(_)) if node.text().is_some_and(|text| text.parse::<i64>().is_ok()) => {
                    self.wrong_type(kind, node, path);
                }
                Some(choices @ Kind::Choice(_)) => self.choice(choices, kind, node, path),
                Some(kind) => self.value(kind, node, path),
                None => self.wrong_type(kind, node, path),
            },
        }
    }

    /// One of the words of `kind`; `all` is what else could stand there.
    fn choice(&mut self, kind: &Kind, all: &Kind, node: &mut Node, path: &[String]) {
        let Kind::Choice(choices) = kind else { return };
        let typed = node.text().unwrap_or_default().to_owned();
        if choices.iter().any(|choice| choice.word == typed) {
            return;
        }
        let message = format!("{typed:?} is not one of the words that {} takes", place(path));
        let mut diag = Diag::error("bad-value", node.span.clone(), message);
        if let Some(meant) = nearest(&typed, choices.iter().map(|choice| choice.word)) {
            diag = diag.label(format!("did you mean {meant:?}?"));
        }
        self.refuse(node, diag.help(format!("write {}", all.describe())));
    }

    fn items(&mut self, of: &Kind, node: &mut Node, path: &mut Vec<String>) {
        let Value::List(items) = &mut node.value else { return };
        for (index, item) in items.iter_mut().enumerate() {
            path.push(index.to_string());
            self.value(of, item, path);
            path.pop();
        }
    }

    fn text(&mut self, format: Format, node: &mut Node) {
        let text = node.text().unwrap_or_default().to_owned();
        for misfit in format.misfits(&text) {
            let span = self.narrow(&node.span, misfit.part.as_deref());
            self.refuse(node, misfit_diag(misfit, span));
        }
    }

    fn command(&mut self, node: &mut Node, path: &mut Vec<String>) {
        let faults: Vec<Diag> = match &mut node.value {
            Value::Text(line) => match words::split(line) {
                Ok(words) => {
                    let misfits = words.iter().flat_map(|word| Format::Template.misfits(word));
                    let fault = |misfit: Misfit| {
                        let span = self.narrow(&node.span, misfit.part.as_deref());
                        misfit_diag(misfit, span)
                    };
                    misfits.map(fault).collect()
                }
                Err(refused) => vec![self.not_words(&refused, line, &node.span)],
            },
            Value::List(items) if items.is_empty() => vec![
                Diag::error("empty-command", node.span.clone(), format!("{} is an empty list", place(path)))
                    .help("the first word is the program"),
            ],
            Value::List(items) => {
                let before = self.diags.len();
                for item in items.iter_mut() {
                    self.value(&Kind::Text(Format::Template), item, path);
                }
                if self.diags.len() > before {
                    node.value = Value::Invalid;
                    return;
                }
                let nameless = items.first().filter(|first| first.text() == Some(""));
                let fault = |first: &Node| {
                    Diag::error("empty-command", first.span.clone(), "the program's name is empty")
                };
                nameless.map(fault).into_iter().collect()
            }
            _ => return self.shell(node, path),
        };
        for diag in faults {
            self.refuse(node, diag);
        }
    }

    fn shell(&mut self, node: &mut Node, path: &[String]) {
        let Value::Table(entries) = &node.value else { return };
        let before = self.diags.len();
        for (key, other) in entries.iter().filter(|(key, _)| *key != "shell") {
            self.diags.push(
                Diag::error(
                    "unknown-key",
                    other.key_span.clone(),
                    format!("unknown key `{key}` in {}", place(path)),
                )
                .help("a command as a table has one key: { shell = \"...\" }"),
            );
        }
        match entries.get("shell").cloned() {
            Some(mut line) => {
                self.value(&Kind::Text(Format::Any), &mut line, &mut [path, &["shell".to_owned()]].concat());
            }
            None if entries.is_empty() => {
                let message = format!("{} is an empty table", place(path));
                let diag = Diag::error("empty-command", node.span.clone(), message);
                self.diags.push(diag.help("write { shell = \"...\" }"));
            }
            None => {}
        }
        if self.diags.len() > before {
            node.value = Value::Invalid;
        }
    }

    fn not_words(&self, refused: &NotWords, line: &str, span: &Range<usize>) -> Diag {
        match refused {
            NotWords::Shell(feature) => {
                let message = format!(
                    "`{feature}` means something to a shell only, and this command is not given to one"
                );
                let help = if feature.contains('=') {
                    let (name, value) = feature.split_once('=').unwrap_or_default();
                    format!("write env = {{ {name} = {value:?} }} beside the command")
                } else {
                    format!(
                        "write {{ shell = {line:?} }}, or put quotes around it if it is meant as it stands"
                    )
                };
                Diag::error("shell-syntax", self.narrow(span, Some(feature)), message).help(help)
            }
            NotWords::OpenQuote(quote) => {
                Diag::error("open-quote", span.clone(), format!("a {quote} in this command is not closed"))
                    .help("a command can also be a list of words: [\"program\", \"argument\"]")
            }
            NotWords::Empty => Diag::error("empty-command", span.clone(), "this command is empty".to_owned())
                .help("write the program and its arguments"),
        }
    }

    fn wrong_type(&mut self, kind: &Kind, node: &mut Node, path: &[String]) {
        let found = node.value.kind();
        let diag = Diag::error(
            "wrong-type",
            node.span.clone(),
            format!("{} is {found}; it should be {}", place(path), kind.describe()),
        );
        let as_list = matches!((kind, &node.value), (Kind::List(Kind::Table(_)), Value::Table(_)));
        let better =
            if as_list { path.last().map(|key| format!("[[{key}]]")) } else { retyped(kind, &node.value) };
        let diag = match (better, example(kind)) {
            (Some(better), _) => diag.label(format!("write {better}")),
            (None, Some(example)) => diag.help(format!("such as {example}")),
            (None, None) => diag,
        };
        self.refuse(node, diag);
    }

    fn out_of_range(&mut self, kind: &Kind, node: &mut Node, path: &[String]) {
        let message = format!("{} is out of range", place(path));
        let diag = Diag::error("out-of-range", node.span.clone(), message)
            .help(format!("write {}", kind.describe()));
        self.refuse(node, diag);
    }

    fn refuse(&mut self, node: &mut Node, diag: Diag) {
        self.diags.push(diag);
        node.value = Value::Invalid;
    }

    fn narrow(&self, span: &Range<usize>, part: Option<&str>) -> Range<usize> {
        narrow(self.text, span, part)
    }
}

/// The place of `part` within `span`, where it stands there literally.
pub(crate) fn narrow(text: &str, span: &Range<usize>, part: Option<&str>) -> Range<usize> {
    let found = part.filter(|part| !part.is_empty()).and_then(|part| {
        let start = span.start + text.get(span.clone())?.find(part)?;
        Some(start..start + part.len())
    });
    found.unwrap_or_else(|| span.clone())
}

fn misfit_diag(misfit: Misfit, span: Range<usize>) -> Diag {
    let diag = Diag::error(misfit.code, span, misfit.message);
    match misfit.help {
        Some(help) => diag.help(help),
        None => diag,
    }
}

/// Whether a value of this type can be meant by `kind`.
fn accepts(kind: &Kind, value: &Value) -> bool {
    match kind {
        Kind::Text(_) | Kind::Choice(_) => matches!(value, Value::Text(_)),
        Kind::Bool | Kind::True => matches!(value, Value::Bool(_)),
        Kind::Integer { .. } => matches!(value, Value::Integer(_)),
        Kind::Number { .. } => matches!(value, Value::Integer(_) | Value::Float(_)),
        Kind::List(_) => matches!(value, Value::List(_)),
        Kind::OneOrMany(of) => matches!(value, Value::List(_)) || accepts(of, value),
        Kind::Map { .. } | Kind::Table(_) => matches!(value, Value::Table(_)),
        Kind::Command => matches!(value, Value::Text(_) | Value::List(_) | Value::Table(_)),
        Kind::AnyOf(kinds) => kinds.iter().any(|kind| accepts(kind, value)),
    }
}

/// The value written as `kind` wants it, where that is plain.
fn retyped(kind: &Kind, value: &Value) -> Option<String> {
    let as_text = || match value {
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    };
    match kind {
        Kind::Text(Format::Span | Format::PositiveSpan) => as_text().map(|text| format!("\"{text}s\"")),
        Kind::Text(Format::Size | Format::PositiveSize) => as_text().map(|text| format!("\"{text}MiB\"")),
        Kind::Text(_) => as_text().map(|text| format!("{text:?}")),
        Kind::Integer { .. } | Kind::Number { .. } => match value {
            Value::Text(text) => text.parse::<f64>().ok().map(|_| format!("{text} without quotes")),
            _ => None,
        },
        Kind::Bool => match value {
            Value::Text(text) if matches!(text.as_str(), "true" | "false") => {
                Some(format!("{text} without quotes"))
            }
            Value::Text(text) if matches!(text.to_lowercase().as_str(), "yes" | "on") => {
                Some("true".to_owned())
            }
            Value::Text(text) if matches!(text.to_lowercase().as_str(), "no" | "off") => {
                Some("false".to_owned())
            }
            Value::Integer(0) => Some("false".to_owned()),
            Value::Integer(1) => Some("true".to_owned()),
            _ => None,
        },
        Kind::List(of) if accepts(of, value) => match value {
            Value::Text(text) => Some(format!("[{text:?}]")),
            Value::Table(_) => Some("it in [ ]".to_owned()),
            _ => None,
        },
        Kind::Table(table) => value.text().and_then(|text| as_table(table, text)),
        Kind::AnyOf(kinds) => kinds.iter().find_map(|kind| retyped(kind, value)),
        _ => None,
    }
}

/// A word as the table of which one key takes it; a rate such as `10/s` as that of a number and a time.
fn as_table(table: &Table, text: &str) -> Option<String> {
    let takes = |kind: &Kind| matches!(kind, Kind::Choice(choices) if choices.iter().any(|choice| choice.word == text));
    if let Some(field) = table.fields.iter().find(|field| takes(&field.kind)) {
        return Some(format!("{{ {} = {text:?} }}", field.key));
    }
    let (number, unit) = text.split_once('/').filter(|_| table.field("requests").is_some())?;
    let requests: u32 = number.trim_end_matches(|c: char| c.is_alphabetic()).parse().ok()?;
    let per = match unit.trim().chars().next()? {
        's' => "1s",
        'm' => "1m",
        'h' => "1h",
        _ => return None,
    };
    Some(format!("{{ requests = {requests}, per = {per:?} }}"))
}

/// How such a value is written, where that is a table that fits a line.
fn example(kind: &Kind) -> Option<&'static str> {
    match kind {
        Kind::Table(table) => Some(table.example).filter(|text| !text.is_empty() && !text.contains('\n')),
        Kind::AnyOf(kinds) => kinds.iter().find_map(example),
        _ => None,
    }
}

fn as_number(value: &Value) -> Option<f64> {
    match value {
        // The ranges that are asked for are far below 2^52.
        #[allow(clippy::cast_precision_loss)]
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

/// A path for people: `services.web.port`, `routes[0].host`, `the manifest`.
pub(crate) fn place(path: &[String]) -> String {
    let mut text = String::new();
    for step in path {
        if step.parse::<usize>().is_ok() {
            text.push_str(&format!("[{step}]"));
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(step);
        }
    }
    if text.is_empty() { "the manifest".to_owned() } else { format!("`{text}`") }
}

/// Refuses what stands under a key that means nothing. Of a table the names are left: others may refer to them.
fn refuse_all(node: &mut Node) {
    match &mut node.value {
        Value::Table(entries) => entries.values_mut().for_each(|node| node.value = Value::Invalid),
        value => *value = Value::Invalid,
    }
}

/// Another table that has such a key: it was typed at the wrong place.
fn elsewhere(table: &Table, key: &str) -> Option<(&'static Table, &'static str)> {
    use super::fields::{BUILD, CRON, DEPLOY, JOB, LISTEN, NOTIFY, RESOURCE, ROUTE, SERVICE};
    let tables: [&'static Table; 10] =
        [&SERVICE, &JOB, &CRON, &RESOURCE, &ROUTE, &LISTEN, &DEPLOY, &NOTIFY, &BUILD, &ROOT];
    tables
        .into_iter()
        .filter(|other| other.name != table.name)
        .find_map(|other| other.field(key).map(|field| (other, field.key)))
}

/// Reports what must be there and is not. Called for the merged tree: an environment may add what
/// the rest leaves out. What was laid upon that is `above`.
pub(crate) fn require(
    table: &Table,
    node: &Node,
    above: Option<&Node>,
    path: &mut Vec<String>,
    diags: &mut Vec<Diag>,
) {
    for field in table.fields.iter().filter(|field| field.required) {
        if node.get(field.key).is_some() || misspelt(table, node, field.key) {
            continue;
        }
        let span = if path.is_empty() { 0..0 } else { node.key_span.clone() };
        let message = format!("{} lacks `{}`", place(path), field.key);
        let diag = Diag::error("missing-key", span, message);
        diags.push(match (field.example, &field.kind) {
            (_, Kind::Choice(_)) => diag.help(format!("write {} = {}", field.key, field.kind.describe())),
            (Some(example), _) => diag.help(format!("such as {} = {example}", field.key)),
            (None, Kind::Table(table)) => diag.help(format!("such as {}", table.example.replace('\n', " "))),
            _ => diag,
        });
    }
    for (key, child) in node.table().into_iter().flatten() {
        if let Some(field) = table.field(key) {
            path.push(key.clone());
            require_kind(&field.kind, child, above, path, diags);
            path.pop();
        }
    }
}

/// Whether a key of `node` that means nothing was likely meant to be `key`; that is reported.
fn misspelt(table: &Table, node: &Node, key: &str) -> bool {
    meant_for(table, node, key).next().is_some()
}

/// What stands in `node` under keys that mean nothing and were likely meant to be `key`.
pub(crate) fn meant_for<'n>(table: &Table, node: &'n Node, key: &str) -> impl Iterator<Item = &'n Node> {
    let entries = node.table().into_iter().flatten();
    let unknown = entries.filter(|(typed, _)| table.field(typed).is_none());
    let is_meant = move |typed: &str| match nearest(typed, table.keys()) {
        Some(meant) => meant == key,
        None => other_tools::find(table.name, typed).is_some_and(|word| word.key == Some(key)),
    };
    unknown.filter(move |(typed, _)| is_meant(typed)).map(|(_, node)| node)
}

fn require_kind(
    kind: &Kind,
    node: &Node,
    above: Option<&Node>,
    path: &mut Vec<String>,
    diags: &mut Vec<Diag>,
) {
    match (kind, &node.value) {
        (Kind::Table(table), Value::Table(_)) => require(table, node, above, path, diags),
        (Kind::Map { of, .. }, Value::Table(entries)) => {
            for (key, node) in entries {
                let known = diags.len();
                path.push(key.clone());
                require_kind(of, node, above, path, diags);
                let is_added = is_added(node, above, path);
                path.pop();
                if !is_added {
                    continue;
                }
                // What an environment says of one that there is, under a name that is not its.
                let others = || entries.keys().filter(|other| *other != key).map(String::as_str);
                for diag in diags[known..].iter_mut().filter(|diag| diag.span == node.key_span) {
                    if let Some(meant) = nearest(key, others()) {
                        diag.label = format!("did you mean {meant:?}?");
                    }
                }
            }
        }
        (Kind::List(of) | Kind::OneOrMany(of), Value::List(items)) => {
            for (index, node) in items.iter().enumerate() {
                path.push(index.to_string());
                require_kind(of, node, above, path, diags);
                path.pop();
            }
        }
        (Kind::AnyOf(kinds), Value::Table(_)) => {
            for kind in *kinds {
                require_kind(kind, node, above, path, diags);
            }
        }
        _ => {}
    }
}

/// Whether only what was laid upon the rest has what stands at `path`.
fn is_added(node: &Node, above: Option<&Node>, path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    above.and_then(|above| above.at(&path)).is_some_and(|above| above.key_span == node.key_span)
}
