//! Health checks.

use super::Import;
use super::quantity::duration;
use super::yaml::{Value, Yaml};
use crate::manifest::draft;
use crate::manifest::words;

impl Import {
    /// The readiness check of a service, as TOML. `port` is the one it listens on.
    pub(super) fn health(&mut self, place: &str, node: &Yaml, port: Option<u16>) -> Option<String> {
        let place = format!("{place}.healthcheck");
        if node.get("disable").is_some_and(Yaml::is_true) {
            return None;
        }
        let test = node.get("test")?;
        let argv = match &test.value {
            Value::Scalar(line) => vec!["sh".to_owned(), "-c".to_owned(), line.clone()],
            _ => {
                let words: Vec<String> =
                    test.items().iter().filter_map(|item| item.text().map(str::to_owned)).collect();
                match words.split_first() {
                    Some((first, rest)) if first == "CMD" => rest.to_vec(),
                    Some((first, rest)) if first == "CMD-SHELL" => {
                        [&["sh".to_owned(), "-c".to_owned()], rest].concat()
                    }
                    Some((first, _)) if first == "NONE" => return None,
                    _ => {
                        self.note(
                            test.line,
                            format!("{place}.test"),
                            "begins with neither CMD nor CMD-SHELL",
                        );
                        return None;
                    }
                }
            }
        };
        let mut entries = vec![match http_path(&argv, port) {
            Some(path) => ("http".to_owned(), draft::text(&path)),
            None => ("command".to_owned(), self.argv(test.line, &format!("{place}.test"), &argv)?),
        }];
        for (key, ours) in
            [("interval", "interval"), ("timeout", "timeout"), ("start_period", "start_period")]
        {
            let Some(value) = node.get(key) else { continue };
            match value.text().and_then(duration).filter(|span| !span.is_zero() || key == "start_period") {
                // Compose's does not bound how long a start may take: none is none here too.
                Some(span) if span.is_zero() => {}
                Some(span) => entries.push((ours.to_owned(), draft::text(&span.to_string()))),
                None => self.note(value.line, format!("{place}.{key}"), "is no length of time that is known"),
            }
        }
        if let Some(retries) = node.get("retries") {
            match retries.text().and_then(|text| text.parse::<u16>().ok()).filter(|n| (1..=1000).contains(n))
            {
                Some(retries) => entries.push(("unhealthy_after".to_owned(), retries.to_string())),
                None => self.note(retries.line, format!("{place}.retries"), "is no number of retries"),
            }
        }
        if let Some(value) = node.get("start_interval") {
            self.note(
                value.line,
                format!("{place}.start_interval"),
                "has no counterpart; `interval` holds from the start",
            );
        }
        Some(draft::inline(&entries))
    }
}

/// The path, where the check is curl or wget asking the service itself.
fn http_path(argv: &[String], port: Option<u16>) -> Option<String> {
    let port = port?;
    let words = match argv {
        [sh, option, line] if sh == "sh" && option == "-c" => {
            let line = line.split("||").next()?.trim();
            words::split(line).ok()?
        }
        _ => argv.to_vec(),
    };
    if !matches!(words.first()?.rsplit('/').next()?, "curl" | "wget") {
        return None;
    }
    let mut urls = words.iter().filter(|word| word.contains("localhost") || word.contains("127.0.0.1"));
    let (url, None) = (urls.next()?, urls.next()) else { return None };
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let asked = authority.split_once(':').map_or(Some(80), |(_, port)| port.parse().ok())?;
    let path = format!("/{path}");
    let plain = crate::manifest::Format::UrlPath.check(&path).is_ok();
    (asked == port && plain).then_some(path)
}
