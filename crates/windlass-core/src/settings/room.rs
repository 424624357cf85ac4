//! Values that no process can be given: the system takes variables and arguments up to a size, and says so only when a
//! process is started.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;

use super::{Assembled, Declared, Fault, Provenance, Text};
use crate::spec::{Command, Encoding, Env, Part, Reference, Spec, Template};

/// How much a process can be given when it is started, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// In one variable or argument, with the variable's name and `=`, and the zero byte at the end.
    pub each: usize,
    /// In all variables and arguments together, with a pointer to each.
    pub all: usize,
}

/// Of the room for all of it, what Windlass and the system put in themselves: `PATH`, `HOME`, `WINDLASS_RELEASE`.
const OWN: usize = 8 << 10;

/// How much the system keeps beside each variable and argument.
const POINTER: usize = 8;

/// Settings that are put together from each other are a fault of the manifest, and end here.
const DEEPEST: u32 = 32;

/// As many of the largest settings are named.
const NAMED: usize = 3;

const AS_FILE: &str = "and let the program read the file";

/// The largest of what a process is given, each with its bytes.
type Largest = Vec<(String, usize)>;

/// Values that are too large for whoever gets them, as far as they are known. What is given as a file may have any size.
/// `manifest` is what its file is called.
#[must_use]
pub fn too_large(
    spec: &Spec,
    declared: &IndexMap<String, Declared>,
    assembled: &Assembled,
    manifest: &str,
    room: Room,
) -> Vec<Fault> {
    let mut known = Known { declared, assembled, manifest, room, lengths: HashMap::new() };
    let (mut faults, mut told) = (vec![], HashSet::new());
    // By the largest of what they are given, which nearly always is the same for all.
    let mut sums: IndexMap<Largest, (usize, Vec<String>)> = IndexMap::new();
    for Process { name, env, commands } in processes(spec) {
        let mut given = vec![];
        for (variable, template) in env.iter() {
            let bytes = variable.len() + 1 + known.length(template, 0) + 1;
            if bytes <= room.each {
                given.push((whole(template).unwrap_or(variable), bytes));
            } else if told.insert(whole(template).unwrap_or(variable).to_owned()) {
                faults.push(known.of_variable(&name, variable, template, bytes));
            }
        }
        let command = commands.into_iter().map(|command| known.arguments(command)).max().unwrap_or_default();
        let variables = given.iter().map(|(_, bytes)| bytes + POINTER).sum::<usize>();
        let total = variables + command + OWN;
        if total > room.all {
            given.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
            let largest = given.into_iter().take(NAMED).map(|(name, bytes)| (name.clone(), bytes));
            let (most, names) = sums.entry(largest.collect()).or_default();
            *most = total.max(*most);
            names.push(name);
        }
    }
    faults.extend(sums.into_iter().map(|(largest, (total, names))| known.of_all(&names, total, &largest)));
    faults
}

/// What is started with an environment of its own.
struct Process<'a> {
    name: String,
    env: &'a Env,
    commands: Vec<&'a Command>,
}

fn processes(spec: &Spec) -> Vec<Process<'_>> {
    let mut all = vec![];
    let steps = spec.build.steps.iter().map(|step| &step.command).collect::<Vec<_>>();
    if !steps.is_empty() {
        all.push(Process { name: "build".to_owned(), env: &spec.build.env, commands: steps });
    }
    let mut add = |kind: &str, name: &dyn std::fmt::Display, env, commands| {
        all.push(Process { name: format!("{kind}.{name}"), env, commands });
    };
    for (name, service) in &spec.services {
        add("services", name, &service.env, vec![&service.command]);
    }
    for (name, job) in &spec.jobs {
        add("jobs", name, &job.env, vec![&job.command]);
    }
    for (name, cron) in &spec.crons {
        add("cron", name, &cron.env, vec![&cron.command]);
    }
    all
}

struct Known<'a> {
    declared: &'a IndexMap<String, Declared>,
    assembled: &'a Assembled,
    manifest: &'a str,
    room: Room,
    /// Of the settings, so that many services with many of them cost no more than a few.
    lengths: HashMap<&'a str, usize>,
}

impl<'a> Known<'a> {
    /// How long a text will be at the least, in bytes: what is not known yet counts as nothing.
    fn length(&mut self, template: &Template, depth: u32) -> usize {
        let part = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::Reference(Reference::Setting(key), Encoding::Plain) => self.of_setting(key, depth),
            Part::Reference(Reference::Setting(key), encoding) => {
                self.assembled.whole(key).map_or(0, |value| encoding.encode(value.expose()).len())
            }
            Part::Reference(..) => 0,
        };
        template.parts().iter().map(part).sum()
    }

    fn of_setting(&mut self, key: &str, depth: u32) -> usize {
        let Some((name, resolved)) = self.assembled.settings.get_key_value(key) else { return 0 };
        if let Some(length) = self.lengths.get(name.as_str()) {
            return *length;
        }
        let length = match &resolved.value.text {
            Text::Known(value) => value.expose().len(),
            Text::Composed(template) if depth < DEEPEST => self.length(template, depth + 1),
            Text::Composed(_) => 0,
        };
        self.lengths.insert(name, length);
        length
    }

    /// What the words of a command take.
    fn arguments(&mut self, command: &Command) -> usize {
        match command {
            Command::Argv(words) => words.iter().map(|word| self.length(word, 0) + 1 + POINTER).sum(),
            Command::Shell(line) => line.len() + 1 + POINTER,
        }
    }

    fn of_variable(&self, process: &str, variable: &str, template: &Template, bytes: usize) -> Fault {
        let most = self.room.each;
        let Some(setting) = whole(template) else {
            let message = format!(
                "{process}: the variable {variable} has {bytes} bytes, more than the {most} that a process can be given in one"
            );
            let help = "let the program read it from a file".to_owned();
            return Fault { file: self.manifest.to_owned(), line: 0, column: 0, message, help };
        };
        let message = format!(
            "{setting}: with its name it has {bytes} bytes, more than the {most} that a process can be given in one variable"
        );
        let help = match self.declared.contains_key(setting) {
            true => format!(
                "give it as a file: file = true in [settings.{setting}], {AS_FILE} that {setting}_FILE names"
            ),
            false => format!(
                "declare it: [settings.{setting}] with file = true, {AS_FILE} that {setting}_FILE names; or take it out"
            ),
        };
        let (file, line) = self.place(setting);
        Fault { file, line, column: 0, message, help }
    }

    fn of_all(&self, processes: &[String], total: usize, largest: &[(String, usize)]) -> Fault {
        let most = self.room.all;
        let who = match processes {
            [one] => one.clone(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
            [] => String::new(),
        };
        let named = largest.iter().map(|(name, bytes)| format!("{name} with {bytes}")).collect::<Vec<_>>();
        let message = format!(
            "{who}: variables and arguments have {total} bytes in all, more than the {most} that a process can be given here \
             (a quarter of the limit of its stack, `ulimit -s`, and never more than 6 MiB); the largest: {}",
            named.join(", ")
        );
        let help = format!(
            "give the largest as files (file = true in [settings]), {AS_FILE}s, or name in `services` who needs them"
        );
        let (file, line) =
            largest.first().map_or_else(|| (self.manifest.to_owned(), 0), |(name, _)| self.place(name));
        Fault { file, line, column: 0, message, help }
    }

    /// Where the value of a setting stands.
    fn place(&self, setting: &str) -> (String, u32) {
        let line = self.declared.get(setting).map_or(0, |declared| declared.line);
        match self.assembled.settings.get(setting).map(|resolved| &resolved.value.provenance) {
            Some(Provenance::Composed | Provenance::Default) | None => (self.manifest.to_owned(), line),
            Some(other) => other.place(),
        }
    }
}

/// The setting that is all there is in a template.
fn whole(template: &Template) -> Option<&String> {
    match template.parts() {
        [Part::Reference(Reference::Setting(key), _)] => Some(key),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{File, Layers, assemble, dotenv};

    const ROOM: Room = Room { each: 1000, all: OWN + 3750 };

    const MANIFEST: &str = r#"
[app]
name = "shop"

[services.web]
command = ["serve", "{settings.LEVEL}"]

[services.worker]
command = "work"

[settings]
LEVEL = { default = "info", services = ["web"] }
CERT = { default = "" }
WHOLE = { value = "<{settings.CERT}>", services = ["worker"] }
"#;

    fn told(manifest: &str, text: &str) -> Vec<String> {
        let manifest = crate::manifest::load(manifest).0.unwrap();
        let declared = manifest.settings("local");
        let entries = dotenv::parse(".env", text, &|_| None, &|_| None).entries;
        let files = vec![File { name: ".env".into(), entries }];
        let assembled = assemble(&declared, Layers { files, ..Layers::default() });
        let known = assembled.settings.iter().filter(|(_, one)| one.value.text.known().is_some());
        let known = known.map(|(name, _)| {
            let file = declared.get(name).is_some_and(|declared| declared.file);
            (name.clone(), crate::spec::Setting { file, ..crate::spec::Setting::default() })
        });
        let spec = crate::resolve::resolve(&manifest, "local", &known.collect()).unwrap();
        let faults = too_large(&spec, &declared, &assembled, "windlass.toml", ROOM);
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_value_that_no_process_can_be_given_is_told_where_it_stands() {
        // With name, `=` and zero byte this is as much as there is room for.
        let fits = "x".repeat(994);
        assert_eq!(told(MANIFEST, &format!("CERT={}\n", &fits[..991])), [] as [String; 0]);
        assert_eq!(told(MANIFEST, &format!("LEVEL=x\nMORE={fits}\n")), [] as [String; 0]);
        let help = "and let the program read the file that";
        assert_eq!(
            told(MANIFEST, &format!("LEVEL=x\nCERT={fits}x\nMORE={fits}x\n")),
            [
                format!(
                    ".env:2: CERT: with its name it has 1001 bytes, more than the 1000 that a process can be given in one variable; \
                         give it as a file: file = true in [settings.CERT], {help} CERT_FILE names"
                ),
                format!(
                    ".env:3: MORE: with its name it has 1001 bytes, more than the 1000 that a process can be given in one variable; \
                         declare it: [settings.MORE] with file = true, {help} MORE_FILE names; or take it out"
                ),
                format!(
                    "windlass.toml:14: WHOLE: with its name it has 1004 bytes, more than the 1000 that a process can be given in one variable; \
                         give it as a file: file = true in [settings.WHOLE], {help} WHOLE_FILE names"
                ),
            ]
        );
    }

    #[test]
    fn what_is_given_as_a_file_may_have_any_size() {
        let manifest = MANIFEST.replace("CERT = { default = \"\" }", "CERT = { file = true }");
        let manifest =
            manifest.replace("WHOLE = { value = \"<{settings.CERT}>\", services = [\"worker\"] }", "");
        assert_eq!(told(&manifest, &format!("CERT={}\n", "x".repeat(20_000))), [] as [String; 0]);
    }

    #[test]
    fn more_than_a_process_can_be_given_in_all_is_told_with_the_largest() {
        let four = |last: usize| {
            let some = "x".repeat(900);
            format!("A={some}\nB={some}x\nC={some}\nD={}\n", "x".repeat(last))
        };
        assert_eq!(told(MANIFEST, &four(900)), [] as [String; 0]);
        let expected = format!(
            ".env:4: services.web and 1 more: variables and arguments have {} bytes in all, more than the {} that a process can be given \
             here (a quarter of the limit of its stack, `ulimit -s`, and never more than 6 MiB); the largest: D with 993, B with 904, \
             A with 903; give the largest as files (file = true in [settings]), and let the program read the files, or name in \
             `services` who needs them",
            OWN + 3795,
            ROOM.all
        );
        assert_eq!(told(MANIFEST, &four(990)), [expected]);
    }
}
