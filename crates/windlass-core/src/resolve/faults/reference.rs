//! References in commands and environments: whether they stand for something there, and whether a
//! secret would be shown to everybody who can list processes.

use std::ops::Range;

use super::Scene;
use crate::diag::Diag;
use crate::manifest::fields::ROOT;
use crate::manifest::kind::{Kind, Table};
use crate::manifest::{Format, Node, Value, narrow, nearest, words};
use crate::spec::{Engine, Reference, Source, Template};

pub(super) fn find(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    let mut visit = Visit { scene, diags };
    visit.table(&ROOT, scene.root, &mut vec![]);
}

struct Visit<'a, 'b> {
    scene: &'a Scene<'a>,
    diags: &'b mut Vec<Diag>,
}

/// Where a template stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// In a list of arguments, which everybody on the machine can read.
    Argument,
    /// In an environment, or in the address of a resource.
    Value,
}

impl Visit<'_, '_> {
    fn table<'n>(&mut self, table: &Table, node: &'n Node, path: &mut Vec<&'n str>) {
        for (key, node) in node.table().into_iter().flatten() {
            if let Some(field) = table.field(key) {
                path.push(key);
                self.value(&field.kind, node, path);
                path.pop();
            }
        }
    }

    fn value<'n>(&mut self, kind: &Kind, node: &'n Node, path: &mut Vec<&'n str>) {
        match (kind, &node.value) {
            (_, Value::Invalid) => {}
            (Kind::Text(Format::Template), Value::Text(text)) => {
                self.template(text, node, Place::Value, path);
            }
            (Kind::Command, _) if node.value.kind() != "a table" || node.get("shell").is_some() => {
                self.command(node, path);
            }
            (Kind::Table(table), Value::Table(_)) => self.table(table, node, path),
            (Kind::Map { of, .. }, Value::Table(entries)) => {
                for (key, node) in entries {
                    path.push(key);
                    self.value(of, node, path);
                    path.pop();
                }
            }
            (Kind::List(of) | Kind::OneOrMany(of), Value::List(items)) => {
                for item in items {
                    self.value(of, item, path);
                }
            }
            (Kind::AnyOf(kinds), Value::Table(_)) => {
                if let Some(Kind::Table(table)) = kinds.iter().find(|kind| matches!(kind, Kind::Table(_))) {
                    // A step of the build may be a table with `shell`, which is text there.
                    if let Some(Value::Text(line)) = node.get("shell").map(|node| &node.value) {
                        self.shell(line, node);
                    }
                    self.table(table, node, path);
                }
            }
            (Kind::AnyOf(kinds), _) if kinds.iter().any(|kind| matches!(kind, Kind::Command)) => {
                self.command(node, path);
            }
            (Kind::AnyOf(kinds), Value::Text(text))
                if kinds.iter().any(|kind| matches!(kind, Kind::Text(Format::Template))) =>
            {
                self.template(text, node, Place::Value, path);
            }
            _ => {}
        }
    }

    fn command(&mut self, node: &Node, path: &[&str]) {
        match &node.value {
            Value::Text(line) => {
                for word in words::split(line).unwrap_or_default() {
                    self.template(&word, node, Place::Argument, path);
                }
            }
            Value::List(items) => {
                for item in items {
                    self.template(item.text().unwrap_or_default(), item, Place::Argument, path);
                }
            }
            _ => {
                if let Some(Value::Text(line)) = node.get("shell").map(|node| &node.value) {
                    self.shell(line, node);
                }
            }
        }
    }

    /// Nothing is put into a shell line: a value with a quote in it would be run.
    fn shell(&mut self, line: &str, node: &Node) {
        for (_, written) in words::references_in_shell(line) {
            let Ok(template) = Template::parse(written) else { continue };
            let Some(reference) = template.references().next() else { continue };
            let (variable, before) = match reference {
                Reference::Port => ("PORT".to_owned(), String::new()),
                Reference::Setting(key) => (key.clone(), String::new()),
                Reference::SettingFile(key) => (format!("{key}_FILE"), String::new()),
                other => {
                    let name = other.to_string().replace(['.', '-'], "_").to_uppercase();
                    (name.clone(), format!("put {name} = \"{written}\" into `env` and "))
                }
            };
            let span = narrow(self.scene.text, &node.span, Some(written));
            self.diags.push(
                Diag::error(
                    "reference-in-shell",
                    span,
                    format!("{written} is not replaced in a line for the shell"),
                )
                .help(format!("{before}write \"${variable}\" in the line")),
            );
        }
    }

    fn template(&mut self, text: &str, node: &Node, place: Place, path: &[&str]) {
        let Ok(template) = Template::parse(text) else { return };
        for reference in template.references() {
            // An encoding may stand behind it.
            let written = [format!("{{{reference}}}"), format!("{{{reference}|")];
            let span = written
                .iter()
                .map(|written| narrow(self.scene.text, &node.span, Some(written)))
                .min_by_key(ExactSizeIterator::len)
                .unwrap_or_else(|| node.span.clone());
            if let Some(diag) = self.fault(reference, span, place, path) {
                self.diags.push(diag);
            }
        }
    }

    fn fault(&self, reference: &Reference, span: Range<usize>, place: Place, path: &[&str]) -> Option<Diag> {
        let owner = Owner::of(path);
        match reference {
            Reference::Port => match owner {
                Owner::Service(name) if self.scene.may_say(name, "port") => None,
                Owner::Service(name) => Some(
                    Diag::error(
                        "no-port",
                        span,
                        format!("services.{name} does not listen, so {{port}} stands for nothing"),
                    )
                    .help("give the service port = \"auto\""),
                ),
                _ => Some(only_services(span, "port")),
            },
            Reference::Replica if !matches!(owner, Owner::Service(_)) => Some(only_services(span, "replica")),
            Reference::Setting(key) => self.setting(key, span, place, owner),
            Reference::SettingFile(key) => self.setting_file(key, span, owner),
            Reference::Resource { name, field } => self.resource(name, field, span, place, owner),
            Reference::Release | Reference::Shared if owner == Owner::Resource => Some(Diag::error(
                "bad-reference",
                span,
                format!("{{{reference}}} means nothing for a resource, which outlives releases"),
            )),
            _ => None,
        }
    }

    fn setting(&self, key: &str, span: Range<usize>, place: Place, owner: Owner<'_>) -> Option<Diag> {
        if let Some(diag) = self.no_value(key, &span, owner) {
            return Some(diag);
        }
        let spec = self.scene.spec;
        if owner == Owner::Resource || owner == Owner::Build {
            let whose = if owner == Owner::Build { "a build" } else { "a resource's address" };
            if let Some(diag) = super::settings::too_late(self.scene, &span, key, whose) {
                return Some(diag);
            }
        }
        if owner == Owner::Resource
            && let Some(diag) = super::settings::of_release(self.scene, &span, key)
        {
            return Some(diag);
        }
        let secret = spec.settings.get(key).is_some_and(|setting| setting.secret);
        (secret && place == Place::Argument).then(|| {
            Diag::error(
                "secret-in-command",
                span,
                format!("the secret {key} would be shown to everybody who can list processes"),
            )
            .help(format!("take it out of the command; the process finds it in its environment, as ${key}"))
        })
    }

    /// The path of its file is no secret.
    fn setting_file(&self, key: &str, span: Range<usize>, owner: Owner<'_>) -> Option<Diag> {
        if let Some(diag) = self.no_value(key, &span, owner) {
            return Some(diag);
        }
        if matches!(owner, Owner::Resource | Owner::Setting(_)) {
            let message = format!("{{settings.{key}.file}} stands for something in commands and `env` only");
            return Some(Diag::error("bad-reference", span, message));
        }
        let file = self.scene.declared.get(key).is_some_and(|setting| setting.file);
        (!file).then(|| {
            Diag::error("bad-reference", span, format!("the setting {key} is not handed over as a file"))
                .help(format!("declare it with file = true, or write {{settings.{key}}}"))
        })
    }

    /// The fault of a setting that does not exist, or that need not have a value and has none.
    fn no_value(&self, key: &str, span: &Range<usize>, owner: Owner<'_>) -> Option<Diag> {
        let (spec, declared) = (self.scene.spec, self.scene.declared);
        let found = self.scene.settings?;
        if let Owner::Setting(composed) = owner {
            let in_force = spec.settings.get(composed).is_some_and(|setting| setting.composed.is_some());
            if !in_force {
                return None;
            }
        }
        let Some(setting) = declared.get(key) else {
            if found.contains_key(key) || self.scene.is_misnamed(&["settings"], key) {
                return None;
            }
            let known: Vec<&str> = declared.keys().chain(found.keys()).map(String::as_str).collect();
            let diag = Diag::error("unknown-setting", span.clone(), format!("there is no setting {key:?}"));
            let diag = match nearest(key, known) {
                Some(meant) => diag.label(format!("did you mean {meant:?}?")),
                None => diag,
            };
            return Some(diag.help(format!(
                "declare it under [settings], or set it in .env.{} or .env",
                spec.environment
            )));
        };
        // What must be there and is not is told at its declaration.
        // What a store should have is told of by whoever asked it, or did not.
        let absent = !setting.required && setting.from.is_none() && !spec.settings.contains_key(key);
        absent.then(|| {
            let message = format!("the setting {key} need not have a value, and has none to put in here");
            Diag::error("missing-setting", span.clone(), message).help(format!(
                "give {key} a value or a default, or put what needs it into a setting with required = false"
            ))
        })
    }

    fn resource(
        &self,
        name: &str,
        field: &str,
        span: Range<usize>,
        place: Place,
        owner: Owner<'_>,
    ) -> Option<Diag> {
        let spec = self.scene.spec;
        let resource = spec.resources.iter().find(|(known, _)| known.as_str() == name);
        if resource.is_none() && !self.scene.typed(&["resources", name]) {
            if self.scene.is_misnamed(&["resources"], name) {
                return None;
            }
            let known = self.scene.names("resources");
            return Some(self.scene.unknown("unknown-resource", span, "resource", name, &known));
        }
        let never = |message: &str| Diag::error("bad-reference", span.clone(), message);
        match owner {
            Owner::Notify => {
                let diag = never("an address that is told cannot ask for a resource");
                return Some(diag.help("write the address, or \"{settings.NAME}\""));
            }
            Owner::Build => {
                let diag = never("a build cannot ask for a resource: it runs before any is started");
                return Some(diag.help("do it in a job with when = \"before-start\""));
            }
            Owner::Resource => return Some(never("a resource's address cannot ask for a resource")),
            _ => {}
        }
        // A resource that was refused has facts that nobody knows.
        let (_, resource) = resource?;
        let facts = resource.engine.facts();
        if !facts.contains(&field) {
            let diag = Diag::error("unknown-fact", span, format!("the resource {name:?} has no {field:?}"));
            let diag = match nearest(field, facts.iter().copied()) {
                Some(meant) => diag.label(format!("did you mean {{resources.{name}.{meant}}}?")),
                None => diag,
            };
            return Some(diag.help(format!("it has {}", facts.join(", "))));
        }
        if field == "socket" && matches!(resource.source, Source::External { .. }) {
            return Some(
                Diag::error(
                    "unknown-fact",
                    span,
                    format!("the resource {name:?} is somebody else's and has no socket here"),
                )
                .help(format!("use {{resources.{name}.url}}")),
            );
        }
        (place == Place::Argument && Engine::is_secret(field)).then(|| {
            Diag::error(
                "secret-in-command",
                span,
                format!("the {field} of {name:?} holds a password, and would be shown to everybody who can list processes"),
            )
            .help(format!("put it into env, such as DATABASE_URL = \"{{resources.{name}.{field}}}\""))
        })
    }
}

fn only_services(span: Range<usize>, what: &str) -> Diag {
    Diag::error("bad-reference", span, format!("{{{what}}} stands for something in a service only"))
        .help("move it to the service's own `command` or `env`")
}

/// Whose a template is.
#[derive(Clone, Copy, PartialEq)]
enum Owner<'a> {
    Service(&'a str),
    Build,
    Resource,
    Setting(&'a str),
    Notify,
    Other,
}

impl<'a> Owner<'a> {
    fn of(path: &[&'a str]) -> Self {
        match *path {
            ["services", name, ..] => Self::Service(name),
            ["build", ..] => Self::Build,
            ["resources", ..] => Self::Resource,
            ["settings", _, "rotate", ..] => Self::Other,
            ["settings", name, ..] => Self::Setting(name),
            ["notify", ..] => Self::Notify,
            _ => Self::Other,
        }
    }
}
