//! Health checks.

use super::Import;
use super::interpolate::{by_default, settled};
use super::quantity::duration;
use super::request::Request;
use super::yaml::{Value, Yaml};
use crate::manifest::draft;

/// What a check does.
enum Test {
    Command(Vec<String>),
    Nothing,
    Unknown,
}

fn test_of(test: &Yaml) -> Test {
    let shell = ["sh".to_owned(), "-c".to_owned()];
    if let Value::Scalar(line) = &test.value {
        return Test::Command([&shell[..], std::slice::from_ref(line)].concat());
    }
    let words: Vec<String> = test.items().iter().filter_map(|item| item.text().map(str::to_owned)).collect();
    match words.split_first() {
        Some((first, rest)) if first == "CMD" => Test::Command(rest.to_vec()),
        Some((first, rest)) if first == "CMD-SHELL" => Test::Command([&shell[..], rest].concat()),
        Some((first, _)) if first == "NONE" => Test::Nothing,
        _ => Test::Unknown,
    }
}

/// The port that a service's check asks.
pub(super) fn asked(service: &Yaml) -> Option<u16> {
    let Test::Command(argv) = test_of(service.get("healthcheck")?.get("test")?) else { return None };
    let argv: Vec<String> = argv.iter().map(|word| by_default(word, "$")).collect();
    Request::of(&argv).map(|request| request.port)
}

impl Import {
    /// The readiness check of a service, as TOML. `port` is the one it listened on; where it is another
    /// one here, `moved`, a command that names it is told the other.
    pub(super) fn health(
        &mut self,
        place: &str,
        node: &Yaml,
        port: Option<u16>,
        moved: bool,
    ) -> Option<String> {
        let place = format!("{place}.healthcheck");
        if node.get("disable").is_some_and(Yaml::is_true) {
            return None;
        }
        let test = node.get("test")?;
        let argv = match test_of(test) {
            Test::Command(argv) => argv,
            Test::Nothing => return None,
            Test::Unknown => {
                self.note(test.line, format!("{place}.test"), "begins with neither CMD nor CMD-SHELL");
                return None;
            }
        };
        // The port may be a variable, as it is among the ports.
        let argv = match port {
            Some(port) => argv.iter().map(|word| settled(word, &port.to_string())).collect(),
            None => argv,
        };
        let request = port.and_then(|port| Request::of(&argv).filter(|request| request.port == port));
        let mut entries = Vec::new();
        match &request {
            Some(Request { path, host, .. }) => {
                entries.push(("http".to_owned(), draft::text(path)));
                entries.extend(host.iter().map(|host| ("host".to_owned(), draft::text(host))));
            }
            None => {
                let place = format!("{place}.test");
                if moved
                    && port.is_none()
                    && argv.iter().any(|word| word.contains(|c: char| c.is_ascii_digit()))
                {
                    let message =
                        "asks the port that it had: write {port}, or $PORT for a shell, where it names it";
                    self.note(test.line, &place, message);
                }
                let command = self.argv(test.line, &place, &argv, port.filter(|_| moved))?;
                entries.push(("command".to_owned(), command));
            }
        }
        for key in ["interval", "timeout", "start_period"] {
            // What the program itself waits, and what it is waited for: the shorter one decides.
            let own = request.as_ref().and_then(|request| request.timeout).filter(|_| key == "timeout");
            let said = node.get(key).and_then(|value| {
                let span = value.text().and_then(duration);
                let span = span.filter(|span| !span.is_zero() || key == "start_period");
                if span.is_none() {
                    self.note(value.line, format!("{place}.{key}"), "is no length of time that is known");
                }
                span
            });
            let span = said.map(|said| own.map_or(said, |own| own.min(said))).or(own);
            // Compose's start period does not bound how long a start may take: none is none here too.
            let span = span.filter(|span| !span.is_zero());
            entries.extend(span.map(|span| (key.to_owned(), draft::text(&span.to_string()))));
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
