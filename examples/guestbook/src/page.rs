//! The HTML page.

use std::io;

use crate::data::{Data, Entry};
use crate::log::timestamp;

/// The style sheet. Behind a proxy it is served from `static/`; this is the same file.
pub const STYLE: &str = include_str!("../static/guestbook.css");

/// How many entries a page shows.
const SHOWN: usize = 25;

/// The newest entries, the newest first.
pub fn newest(data: &Data) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for id in data.published()?.iter().rev().take(SHOWN) {
        entries.extend(data.entry(id)?);
    }
    Ok(entries)
}

/// The whole page.
pub fn guestbook(data: &Data, release: &str) -> io::Result<String> {
    let entries: String = newest(data)?.iter().map(article).collect();
    let waiting = match data.waiting()?.len() {
        0 => String::new(),
        1 => "<p class=\"waiting\">One entry waits for a worker.</p>".to_owned(),
        n => format!("<p class=\"waiting\">{n} entries wait for a worker.</p>"),
    };
    let (release, pid) = (escaped(release), std::process::id());
    Ok(format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Guestbook</title>
<link rel="stylesheet" href="/static/guestbook.css">
</head>
<body>
<header><h1>Guestbook</h1><p>Say hello.</p></header>
<main>
<form method="post" action="/entries">
<label>Your name <input name="name" maxlength="60" autocomplete="name"></label>
<label>Your message <textarea name="message" maxlength="1000" rows="3" required></textarea></label>
<button>Sign the book</button>
</form>
{waiting}
{entries}
</main>
<footer>release <b>{release}</b> · process {pid}</footer>
</body>
</html>
"#
    ))
}

fn article(entry: &Entry) -> String {
    let (name, message) = (escaped(&entry.name), escaped(&entry.message));
    let at = timestamp(entry.at);
    let (day, minute) = (&at[..10], &at[11..16]);
    format!(
        "<article><p>{message}</p><small>{name}, <time datetime=\"{at}\">{day} {minute}</time></small></article>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
