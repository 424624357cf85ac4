//! The reference of the manifest, for people. Printed from `fields/`.

use super::fields::{
    APP, BUILD, CHECK, CRON, DEPLOY, JOB, LIMITS, LISTEN, NOTIFY, OVERLAY, QUIET, RATE_LIMIT, RESOURCE,
    RESTART, ROLLING, ROOT, ROTATE, ROUTE, SERVICE, SETTING, SMOKE, STEP, STOP, STORE, STRATEGY, TLS, UNDO,
    URL,
};
use super::kind::{Field, Kind, Table};

/// The tables in the order in which they are explained.
static TABLES: [&Table; 28] = [
    &ROOT,
    &APP,
    &SETTING,
    &URL,
    &ROTATE,
    &STORE,
    &BUILD,
    &STEP,
    &SERVICE,
    &CHECK,
    &STOP,
    &QUIET,
    &RESTART,
    &LIMITS,
    &STRATEGY,
    &ROLLING,
    &JOB,
    &UNDO,
    &CRON,
    &RESOURCE,
    &LISTEN,
    &TLS,
    &ROUTE,
    &RATE_LIMIT,
    &DEPLOY,
    &SMOKE,
    &NOTIFY,
    &OVERLAY,
];

const PREFACE: &str = "\
<!-- Generated from crates/windlass-core/src/manifest/fields. Do not edit:
     BLESS=1 cargo test -p windlass-core --test generated -->

# Reference of windlass.toml

## Commands

Wherever a command stands, it has one of three forms:

| form | what happens |
|---|---|
| `command = \"gunicorn shop.wsgi --bind 127.0.0.1:{port}\"` | split into words by the rules of quoting; no shell sees it, and what only a shell could do is an error |
| `command = [\"gunicorn\", \"shop.wsgi\"]` | these words, as they are |
| `command = { shell = \"npm ci && npm run build\" }` | a line for `/bin/sh`; no reference is replaced in it: it finds values in its environment |

## References

In commands that are no shell lines and in `env`, these stand for values:

| reference | value |
|---|---|
| `{port}` | the port this copy is to listen on; also `$PORT` |
| `{replica}` | which copy this is, from 1 |
| `{release}` | the release, such as `r12` |
| `{app}`, `{environment}` | their names |
| `{shared}` | the directory that all releases share |
| `{settings.KEY}` | a setting; a secret in `env` only, because everybody can read a process's arguments |
| `{settings.KEY.file}` | the path of the file that holds a setting with `file = true` |
| `{resources.NAME.FACT}` | a fact about a resource; `url` and `password` in `env` only |

`|url` behind a reference percent-encodes what is put in, `|json` writes it as the inside of a JSON string, `|host` puts an IPv6
address in brackets: `{settings.KEY|url}`. `|schema` is for names of PostgreSQL's schemas in the options of a URL, between quotes:
`?options=-csearch_path%3D%22{settings.KEY|schema}%22`, which `schema` of a setting's `url` writes by itself.

`{{port}}` is the text `{port}`. Braces that hold no such word, as JSON's, are themselves.

## Lengths of time, sizes

`250ms`, `30s`, `5m`, `2h`, `7d` or a sum such as `1m30s`; `64KiB`, `512MiB`, `1GiB`, `10MB` or a number of bytes.
";

/// The reference, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut text = PREFACE.to_owned();
    for table in TABLES {
        text.push_str(&format!("\n## `{}`\n\n{}\n", table.header, table.help));
        if !table.example.is_empty() {
            text.push_str(&format!("\n```toml\n{}\n```\n", table.example));
        }
        text.push_str("\n| key | type | without it | meaning |\n|---|---|---|---|\n");
        for field in table.fields {
            text.push_str(&row(field));
        }
    }
    text
}

fn row(field: &Field) -> String {
    let example = field.example.map(|example| format!(" Example: `{}`.", cell(example))).unwrap_or_default();
    let words = match choices(&field.kind) {
        Some(words) => format!(" {words}."),
        None => String::new(),
    };
    format!(
        "| `{}` | {} | {} | {}{words}{example} |\n",
        field.key,
        cell(&kind(&field.kind)),
        absence(field),
        cell(field.help)
    )
}

fn absence(field: &Field) -> String {
    match (field.required, field.default, field.absent) {
        (true, ..) => "**an error**".to_owned(),
        (_, Some(default), _) => match field.kind {
            Kind::Bool
            | Kind::Integer { .. }
            | Kind::Number { .. }
            | Kind::AnyOf([Kind::Integer { .. }, ..]) => {
                format!("`{default}`")
            }
            _ => format!("`\"{default}\"`"),
        },
        (_, None, Some(absent)) => cell(absent),
        (_, None, None) => String::new(),
    }
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Table(table) => format!("table, see [`{}`](#{})", table.header, anchor(table.header)),
        Kind::List(of) => format!("list: {}", self::kind(of)),
        Kind::OneOrMany(of) => format!("{}, or a list", self::kind(of)),
        Kind::Map { of, .. } => format!("table of names: {}", self::kind(of)),
        Kind::Command => "[command](#commands)".to_owned(),
        Kind::Choice(choices) => {
            let words: Vec<String> = choices.iter().map(|choice| format!("`\"{}\"`", choice.word)).collect();
            words.join(", ")
        }
        Kind::AnyOf(kinds) => kinds.iter().map(self::kind).collect::<Vec<_>>().join(", or "),
        other => other.describe(),
    }
}

fn choices(kind: &Kind) -> Option<String> {
    match kind {
        Kind::Choice(choices) => {
            let words: Vec<String> =
                choices.iter().map(|choice| format!("`\"{}\"`: {}", choice.word, choice.help)).collect();
            Some(words.join("; "))
        }
        Kind::AnyOf(kinds) => kinds.iter().find_map(choices),
        _ => None,
    }
}

/// What a Markdown renderer makes of a heading.
fn anchor(header: &str) -> String {
    header
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
