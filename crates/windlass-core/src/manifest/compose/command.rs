//! Commands and entry points.

use super::Import;
use super::interpolate::{shell, template};
use super::yaml::{Value, Yaml};
use crate::manifest::draft;
use crate::manifest::words;

impl Import {
    /// The command of a service: its entry point and what follows it. As TOML.
    pub(super) fn command(&mut self, place: &str, service: &Yaml) -> Option<String> {
        let mut argv = Vec::new();
        for key in ["entrypoint", "command"] {
            if let Some(node) = service.get(key) {
                argv.extend(self.words(&format!("{place}.{key}"), node));
            }
        }
        self.argv(&argv)
    }

    /// An argument list as TOML; `sh -c LINE` as a line for the shell.
    pub(super) fn argv(&mut self, argv: &[String]) -> Option<String> {
        argv.first().filter(|program| !program.is_empty())?;
        let program = argv[0].rsplit('/').next().unwrap_or_default();
        if let ([_, option, line], "sh" | "ash" | "dash" | "bash") = (argv, program)
            && option.starts_with('-')
            && option.ends_with('c')
        {
            let line = shell(line, &mut self.variables);
            if program == "bash" {
                let line = crate::spec::Template::literal(line).to_string();
                return Some(draft::command(&[argv[0].as_str(), option, &line]));
            }
            return Some(draft::shell(&line));
        }
        let mut shown = super::Variables::new();
        let words: Vec<String> = argv.iter().map(|word| template(word, &mut shown)).collect();
        for (name, default) in shown {
            self.shown.push(name.clone());
            let known = self.variables.entry(name).or_default();
            *known = known.take().or(default);
        }
        Some(draft::command(&words))
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
