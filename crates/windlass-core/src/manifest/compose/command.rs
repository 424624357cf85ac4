//! Commands and entry points.

use super::Import;
use super::yaml::{Value, Yaml};
use crate::manifest::draft::PLACEHOLDER;
use crate::manifest::{draft, roles, words};

/// Programs that a command usually begins with. Of other words it is not known whether they are one.
const PROGRAMS: [&str; 62] = [
    "air",
    "alembic",
    "arq",
    "ash",
    "bash",
    "bun",
    "bundle",
    "caddy",
    "cargo",
    "celery",
    "cron",
    "crond",
    "daphne",
    "dash",
    "deno",
    "django-admin",
    "dotnet",
    "dramatiq",
    "dumb-init",
    "env",
    "exec",
    "fastapi",
    "flask",
    "flower",
    "go",
    "gosu",
    "granian",
    "gunicorn",
    "httpd",
    "hypercorn",
    "java",
    "make",
    "memcached",
    "mix",
    "nginx",
    "nice",
    "node",
    "nodemon",
    "npm",
    "npx",
    "perl",
    "php",
    "php-fpm",
    "pipenv",
    "pnpm",
    "poetry",
    "puma",
    "python",
    "python3",
    "rails",
    "rake",
    "rq",
    "ruby",
    "sh",
    "sidekiq",
    "supercronic",
    "supervisord",
    "tini",
    "uv",
    "uvicorn",
    "uwsgi",
    "yarn",
];

/// Whether the first word of a command may be meant for a program that is not named.
fn may_be_told(first: &str) -> bool {
    !first.is_empty() && !first.contains(['/', '.', '$']) && !PROGRAMS.contains(&first)
}

impl Import {
    /// The command of a service: its entry point and what follows it. As TOML.
    pub(super) fn command(&mut self, place: &str, service: &Yaml) -> Option<String> {
        let mut argv = Vec::new();
        for key in ["entrypoint", "command"] {
            if let Some(node) = service.get(key) {
                argv.extend(self.words(&format!("{place}.{key}"), node));
            }
        }
        let line = service.get("command").or_else(|| service.get("entrypoint")).unwrap_or(service).line;
        let place = format!("{place}.command");
        let is_whole = service.get("entrypoint").is_some_and(|node| !matches!(node.value, Value::Null));
        match argv.first() {
            Some(first) if !is_whole && first.starts_with('-') => {
                let message = format!(
                    "is only what the program of the image is told: replace {PLACEHOLDER:?} by that program"
                );
                self.note(line, &place, message);
                argv.insert(0, PLACEHOLDER.to_owned());
            }
            Some(first) if !is_whole && may_be_told(first) => {
                let message = format!(
                    "{first:?} may be a program, or only an argument of the program that the image starts (its ENTRYPOINT): \
                     then write that before it"
                );
                self.note(line, &place, message);
            }
            _ => {}
        }
        self.argv(line, &place, &argv, None)
    }

    /// An argument list as TOML; `sh -c LINE` as a line for the shell. Where it names `port`, it names
    /// the copy's own instead.
    pub(super) fn argv(
        &mut self,
        at: u64,
        place: &str,
        argv: &[String],
        port: Option<u16>,
    ) -> Option<String> {
        let command = self.toml(at, place, argv, port);
        self.tell_lost(at, place);
        command
    }

    fn toml(&mut self, at: u64, place: &str, argv: &[String], port: Option<u16>) -> Option<String> {
        argv.first().filter(|program| !program.is_empty())?;
        let program = argv[0].rsplit('/').next().unwrap_or_default();
        if let ([_, option, line], "sh" | "ash" | "dash" | "bash") = (argv, program)
            && option.starts_with('-')
            && option.ends_with('c')
        {
            let line = self.variables.shell(line);
            let line = self.looking_there(&line);
            let line = port.map_or(line.clone(), |port| replaced(&line, port, variable_in));
            if program == "bash" {
                let line = crate::spec::Template::literal(line).to_string();
                return Some(draft::command(&[argv[0].as_str(), option, &line]));
            }
            return Some(draft::shell(&line));
        }
        let mut words = Vec::new();
        for word in argv {
            let template = self.word(at, place, word);
            let template = port.map_or(template.clone(), |port| replaced(&template, port, |_| "{port}"));
            // What stands for nothing is no word.
            if word.is_empty() || !template.is_empty() {
                words.push(template);
            }
        }
        let mut words = self.started(words);
        if roles::is_nameless_worker(&words) {
            words.extend(["-n".to_owned(), self.node.clone()]);
        }
        // Two clocks cannot have one file.
        let schedule = match self.beats {
            0 => roles::beat_schedule(),
            others => format!("{}-{}", roles::beat_schedule(), others + 1),
        };
        if let Some(before) = roles::keep_schedule(&mut words, &schedule) {
            self.beats += 1;
            if !self.shared.iter().any(|shared| shared == roles::BEAT) {
                self.shared.push(roles::BEAT.to_owned());
            }
            if let Some(before) = before {
                let message = format!(
                    "the schedule of Celery's clock is not at {before}, but where all releases have it: {schedule}"
                );
                self.note(at, place, message);
            }
        }
        Some(draft::command(&words))
    }

    /// A word of an argument list, as a template.
    fn word(&mut self, at: u64, place: &str, word: &str) -> String {
        let url = word.contains("://");
        match self.resources.reference("", word) {
            // The host and the port are no secrets.
            Some(reference) if !url => return reference.text,
            Some(reference) => {
                let message = format!(
                    "the address has a password here, which must not stand in a command: let the program read it from \
                     `env`, where it is {}",
                    reference.text
                );
                self.note(at, place, message);
            }
            None if url => self.other_host(at, place, "", word),
            None => {}
        }
        self.variables.word(word)
    }

    fn words(&mut self, place: &str, node: &Yaml) -> Vec<String> {
        match &node.value {
            Value::Scalar(line) if line.contains('\0') => {
                self.note(node.line, place, "has a NUL character, which no argument can hold");
                vec![]
            }
            Value::Scalar(line) => words::split_verbatim(line).unwrap_or_else(|_| {
                if !line.trim().is_empty() {
                    self.note(node.line, place, "has a quote that is not closed");
                }
                vec![]
            }),
            _ => node
                .items()
                .iter()
                .filter_map(|item| item.text().map(|text| text.replace('\0', "")))
                .collect(),
        }
    }
}

/// `text` with something else for the number `port`; what, the text before it decides.
fn replaced(text: &str, port: u16, instead: impl Fn(&str) -> &'static str) -> String {
    let digits = port.to_string();
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let mut out = String::new();
    let mut from = 0;
    for (at, _) in text.match_indices(&digits) {
        let (before, after) = (&text[..at], &text[at + digits.len()..]);
        if at < from || before.ends_with(is_part) || after.starts_with(is_part) {
            continue;
        }
        out.push_str(&text[from..at]);
        out.push_str(instead(before));
        from = at + digits.len();
    }
    out + &text[from..]
}

/// How a shell's line names its port, after `before`: within single quotes no variable is read.
fn variable_in(before: &str) -> &'static str {
    let mut quote = None;
    let mut chars = before.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => drop(chars.next()),
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
    if quote == Some('\'') { "'\"$PORT\"'" } else { "$PORT" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_the_port_is_put_in() {
        let line = |line: &str| replaced(line, 80, variable_in);
        assert_eq!(line("nc -z localhost 80"), "nc -z localhost $PORT");
        assert_eq!(line("80 180 801 80.1 8080 -80 a80 :80/"), "$PORT 180 801 80.1 8080 -80 a80 :$PORT/");
        assert_eq!(line("a ':80' \":80'\" \\'80"), "a ':'\"$PORT\"'' \":$PORT'\" \\'$PORT");
        assert_eq!(replaced("x(':80/')", 80, |_| "{port}"), "x(':{port}/')");
    }
}
