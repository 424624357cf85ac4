//! A container that only runs cron: each line of its crontab becomes a cron job, if the crontab is in the project.

use super::crontab::{self, Crontab, Dialect, Entry};
use super::interpolate::by_default;
use super::variables::holds_secret;
use super::volume::{Mount, mount};
use super::yaml::{Value, Yaml};
use super::{Files, Import};
use crate::manifest::draft::{self, Draft};
use crate::manifest::{Format, words};
use crate::name::Name;
use crate::spec::Template;

/// Such a container.
#[derive(Clone)]
pub(super) struct Runner {
    /// The service's key.
    pub(super) key: String,
    /// Its crontabs, and where each lies in the project.
    crontabs: Vec<(String, Crontab)>,
    /// Crontabs that it has as well, and that cannot be read.
    unread: Vec<String>,
}

/// Programs that start another one.
const INITS: [&str; 4] = ["tini", "dumb-init", "docker-init", "exec"];

/// Where the crontab of a program is, in its container.
enum Asked {
    /// This file.
    File(String),
    /// Whichever lies in this directory.
    Within(String),
}

/// Those among the services whose crontab can be read.
pub(super) fn find(services: &[(String, Yaml)], left_out: &[String], files: Files<'_>) -> Vec<Runner> {
    let is_meant = |(key, _): &&(String, Yaml)| !left_out.contains(key);
    let runners = services.iter().filter(is_meant).filter_map(|(key, service)| {
        let (mut crontabs, mut unread): (Vec<(String, Crontab)>, Vec<String>) = (Vec::new(), Vec::new());
        for (asked, dialect) in asked(&argv(service)) {
            for path in in_project(service, &asked, files) {
                match files(&path) {
                    _ if crontabs.iter().any(|(known, _)| *known == path) || unread.contains(&path) => {}
                    Some(text) => crontabs.push((path, crontab::read(&text, dialect))),
                    // A place that is only looked at may be empty.
                    None if matches!(asked, Asked::File(_)) => {}
                    None => unread.push(path),
                }
            }
        }
        let has_entries = crontabs.iter().any(|(_, crontab)| !crontab.entries.is_empty());
        has_entries.then(|| Runner { key: key.clone(), crontabs, unread })
    });
    runners.collect()
}

/// Whether the service runs cron, wherever its crontab is.
pub(super) fn is_one(service: &Yaml) -> bool {
    !asked(&argv(service)).is_empty()
}

/// The words of a service's entry point and command.
fn argv(service: &Yaml) -> Vec<String> {
    let words = |node: &Yaml| match &node.value {
        Value::Scalar(line) => words::split_verbatim(line).unwrap_or_default(),
        _ => node.items().iter().filter_map(Yaml::text).map(str::to_owned).collect(),
    };
    let nodes = ["entrypoint", "command"].into_iter().filter_map(|key| service.get(key));
    nodes.flat_map(words).map(|word| by_default(&word, "$")).collect()
}

/// Where the program that the words start looks for crontabs, and how it reads them; nowhere where it is no cron.
fn asked(argv: &[String]) -> Vec<(Asked, Dialect)> {
    let plain = Dialect { names_accounts: false, has_input: false };
    let vixie = Dialect { has_input: true, ..plain };
    let of_system = Dialect { names_accounts: true, ..vixie };
    let name = |word: &String| word.rsplit('/').next().unwrap_or_default().to_owned();
    let is_before = |word: &&String| INITS.contains(&name(word).as_str()) || *word == "--";
    let argv: Vec<String> = argv.iter().skip_while(is_before).cloned().collect();
    // One of the project's own is called so by chance.
    let Some(program) = argv.first().filter(|word| !word.starts_with('.')).map(name) else { return vec![] };
    match (program.as_str(), argv.as_slice()) {
        ("supercronic", [_, .., path]) if !path.starts_with('-') => {
            vec![(Asked::File(path.clone()), plain)]
        }
        ("crond", _) => {
            let told = argv.iter().skip_while(|word| *word != "-c").nth(1);
            let places = match told {
                Some(directory) => vec![directory.trim_end_matches('/')],
                None => vec!["/etc/crontabs", "/var/spool/cron/crontabs"],
            };
            let roots = places.iter().map(|place| Asked::File(format!("{place}/root")));
            let others = places.iter().map(|place| Asked::Within(format!("{place}/")));
            roots.chain(others).map(|asked| (asked, plain)).collect()
        }
        ("cron", _) => vec![
            (Asked::Within("/etc/cron.d/".to_owned()), of_system),
            (Asked::File("/etc/crontab".to_owned()), of_system),
            (Asked::Within("/var/spool/cron/".to_owned()), vixie),
        ],
        ("sh" | "ash" | "bash", [_, option, line]) if option.ends_with('c') => of_line(line),
        _ => vec![],
    }
}

/// A line that may make a file the crontab first, and then starts cron.
fn of_line(line: &str) -> Vec<(Asked, Dialect)> {
    let parts: Vec<Vec<String>> = line
        .split([';', '&', '|'])
        .filter_map(|part| words::split_verbatim(part).ok())
        .filter(|words| !words.is_empty())
        .collect();
    let Some(last) = parts.last() else { return vec![] };
    // A line within a line is nobody's.
    let is_shell = last.first().is_some_and(|word| word.ends_with("sh"));
    let usual = if is_shell { vec![] } else { asked(last) };
    let installed = parts.iter().find_map(|words| match words.as_slice() {
        [program, .., path] if program == "crontab" && !path.starts_with('-') => Some(path.clone()),
        _ => None,
    });
    let has_input = last.iter().any(|word| word == "cron" || word.ends_with("/cron"));
    let dialect = Dialect { names_accounts: false, has_input };
    let installed = installed.filter(|_| !usual.is_empty()).map(|path| (Asked::File(path), dialect));
    installed.into_iter().chain(usual).collect()
}

/// The files of the project that the container has there: they are mounted, copied by its Dockerfile, or found from the
/// working directory. Of those for the same place only the one that is seen there.
fn in_project(service: &Yaml, asked: &Asked, files: Files<'_>) -> Vec<String> {
    let is_asked = |target: &str| match asked {
        Asked::File(path) => target == path,
        Asked::Within(directory) => target.starts_with(directory) && !target.ends_with('/'),
    };
    let mounts: Vec<Mount> =
        service.get("volumes").map(Yaml::items).unwrap_or_default().iter().filter_map(mount).collect();
    let mounted = mounts.iter().filter_map(|mount| {
        let source = relative(mount.source.as_deref()?)?;
        if is_asked(&mount.target) {
            return Some((mount.target.clone(), source));
        }
        let Asked::File(path) = asked else { return None };
        let below = path.strip_prefix(mount.target.trim_end_matches('/'))?.strip_prefix('/')?;
        Some((path.clone(), join(&source, below)))
    });
    let named = || match asked {
        Asked::File(path) if !path.starts_with('/') => Some((path.clone(), relative(&format!("./{path}"))?)),
        _ => None,
    };
    let copied = copied(service, &is_asked, files).unwrap_or_default();
    let mut found: Vec<(String, String)> = Vec::new();
    for (target, source) in mounted.chain(named()).chain(copied) {
        if found.iter().all(|(known, _)| *known != target) {
            found.push((target, source));
        }
    }
    found.into_iter().map(|(_, source)| source).collect()
}

/// What the service's Dockerfile copies to such places: where to, and which file.
fn copied(
    service: &Yaml,
    is_asked: &dyn Fn(&str) -> bool,
    files: Files<'_>,
) -> Option<Vec<(String, String)>> {
    let build = service.get("build")?;
    let context = build.text().or_else(|| build.get("context")?.text()).unwrap_or(".");
    let context = relative(&format!("./{}", context.trim_start_matches("./")))?;
    let dockerfile = build.get("dockerfile").and_then(Yaml::text).unwrap_or("Dockerfile");
    let text = files(&join(&context, dockerfile))?;
    let mut found = Vec::new();
    for line in text.lines() {
        let Some((instruction, rest)) = line.trim().split_once(' ') else { continue };
        if !["COPY", "ADD"].contains(&instruction.to_ascii_uppercase().as_str()) {
            continue;
        }
        let words: Vec<&str> = rest.split_whitespace().filter(|word| !word.starts_with("--")).collect();
        let [sources @ .., target] = words.as_slice() else { continue };
        for source in sources {
            let name = source.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            let target = if target.ends_with('/') { format!("{target}{name}") } else { (*target).to_owned() };
            if is_asked(&target) {
                found.push((target, join(&context, source.trim_start_matches("./"))));
            }
        }
    }
    Some(found)
}

/// A path of the compose file as one of the project. `None`: it lies elsewhere, or is a volume's name.
fn relative(source: &str) -> Option<String> {
    let path = if source == "." { "" } else { source.strip_prefix("./")? };
    let path = path.trim_end_matches('/');
    let outside = path.split('/').any(|part| part == "..") || path.starts_with('/');
    (!outside).then(|| path.to_owned())
}

fn join(directory: &str, path: &str) -> String {
    if directory.is_empty() { path.to_owned() } else { format!("{directory}/{path}") }
}

impl Import {
    /// The cron jobs of such a container.
    pub(super) fn crons(
        &mut self,
        place: &str,
        service: &Yaml,
        (name, runner): (&Name, &Runner),
        draft: &mut Draft,
    ) {
        let env = service.get("environment").map(|node| self.environment(place, node, false));
        let env = env.unwrap_or_default();
        let mut own = Draft::default();
        let scratch = own.section("[cron]");
        self.account(place, service, scratch);
        self.limits(place, service, scratch);
        self.rest(place, service, false);
        let entries = runner.crontabs.iter().flat_map(|(_, crontab)| &crontab.entries);
        for Entry { schedule, command, account, env: set, zone } in entries {
            let (command, directory) = self.of_project(place, service, command);
            let job = self.cron_name(&command, name);
            let section = draft.section(format!("[cron.{job}]"));
            section.set("command", self.of_shell(&command)).set("schedule", draft::text(schedule));
            let zone = zone.clone().or_else(|| zone_of(&env));
            zone.map(|zone| section.set("time_zone", draft::text(&zone)));
            if !directory.is_empty() {
                section.set("directory", draft::text(&directory));
            }
            let mut all = env.clone();
            for (key, value) in set {
                all.retain(|(known, _)| known != key);
                let value = self.in_crontab(place, service.line, key, value);
                all.extend(value.map(|value| (key.clone(), draft::text(&value))));
            }
            if !all.is_empty() {
                section.set("env", draft::inline(&all));
            }
            section.carry("limits", scratch);
            if let Some(account) = account {
                let message = format!(
                    "{job} ran as {account}, an account of the image: it runs as that of Windlass; where that is root, `user` \
                     names another one of this machine"
                );
                self.note(service.line, place, message);
            }
        }
        for (path, crontab) in &runner.crontabs {
            for (line, why) in &crontab.unread {
                let message = format!("line {line} of {path} {why}: write it as [cron.NAME]");
                self.note(service.line, place, message);
            }
            for (line, name) in &crontab.unset {
                let message = format!(
                    "line {line} of {path} sets {name}, which is not carried over: say what a command needs of it in its \
                     `command` and `env`"
                );
                self.note(service.line, place, message);
            }
        }
        for path in &runner.unread {
            let message = format!(
                "its cron reads {path} as well, which cannot be read here: write each of its lines as [cron.NAME]"
            );
            self.note(service.line, place, message);
        }
    }

    /// The template of a value that a crontab sets. `None` where the setting of that name has its place.
    fn in_crontab(&mut self, place: &str, line: u64, key: &str, value: &str) -> Option<String> {
        if !holds_secret(key, value) {
            return Some(Template::literal(value).to_string());
        }
        let setting = self.kept_out(place, key, value);
        let message = format!(
            "{key} of its crontab is a secret and not carried over, because the manifest is for all to read: put \
             {setting}=... into .env, which git must not keep"
        );
        self.note(line, place, message);
        (setting != key).then(|| format!("{{settings.{setting}}}"))
    }

    /// Whether the service `key` became cron jobs.
    pub(super) fn is_clock(&self, key: &str) -> bool {
        let mut clocks = self.runners.iter().map(|runner| &runner.key);
        clocks.any(|clock| clock == key) || self.schedulers.iter().any(|scheduler| scheduler.key == key)
    }

    /// Whether a crontab that became cron jobs is mounted so.
    pub(super) fn is_crontab(&self, mount: &Mount) -> bool {
        let source = mount.source.as_deref().and_then(relative);
        source.is_some_and(|source| {
            let mut paths = self.runners.iter().flat_map(|runner| &runner.crontabs).map(|(path, _)| path);
            paths.any(|path| *path == source || path.starts_with(&(source.clone() + "/")))
        })
    }

    /// A command without the container's own directory in front, and the directory below the project's that it runs in.
    pub(super) fn of_project(&mut self, place: &str, service: &Yaml, command: &str) -> (String, String) {
        let moved = command.strip_prefix("cd ").and_then(|rest| {
            let end = rest.find([' ', ';', '&'])?;
            let (path, rest) = rest.split_at(end);
            let rest = rest.trim_start();
            let rest = rest.strip_prefix("&&").or_else(|| rest.strip_prefix(';'))?.trim_start();
            let plain = !path.contains(['$', '"', '\'', '~', '`']) && !rest.is_empty();
            plain.then_some((path.trim_end_matches('/'), rest))
        });
        let Some((path, rest)) = moved else { return (command.to_owned(), String::new()) };
        let volumes = service.get("volumes").map(Yaml::items).unwrap_or_default().iter().filter_map(mount);
        let of_source = volumes.filter(|mount| matches!(mount.source.as_deref(), Some("." | "./")));
        let working = service.get("working_dir").and_then(Yaml::text).map(str::to_owned);
        let roots: Vec<String> = of_source.map(|mount| mount.target).chain(working).collect();
        let below = |root: &String| path.strip_prefix(root.trim_end_matches('/'))?.strip_prefix('/');
        if let Some(below) = roots.iter().find_map(below).filter(|below| Format::Path.check(below).is_ok()) {
            return (rest.to_owned(), below.to_owned());
        }
        if !roots.iter().any(|root| root.trim_end_matches('/') == path) {
            let message = format!(
                "`cd {path}` was taken from a command: it runs in the release, or where `directory` says"
            );
            self.note(service.line, place, message);
        }
        (rest.to_owned(), String::new())
    }

    /// A line of a crontab, which a shell would run; without one where it does not need it.
    pub(super) fn of_shell(&self, line: &str) -> String {
        match words::split(line) {
            Ok(words) => {
                let literal = |word: &String| Template::literal(word.as_str()).to_string();
                draft::command(&self.started(words.iter().map(literal).collect()))
            }
            Err(_) => draft::shell(&self.looking_there(line)),
        }
    }

    /// A name for what runs `command`, which nothing else has.
    pub(super) fn cron_name(&mut self, command: &str, service: &Name) -> Name {
        let wanted = spoken_name(command).unwrap_or_else(|| format!("{service}-job"));
        let mut name = super::name_of(&wanted);
        let mut number = 2;
        let is_taken = |name: &Name| {
            self.cron_names.contains(name)
                || self.names.iter().any(|(_, other)| other == name)
                || super::RESERVED.contains(&name.as_str())
        };
        while is_taken(&name) {
            name = super::name_of(&format!("{wanted}-{number}"));
            number += 1;
        }
        self.cron_names.push(name.clone());
        name
    }
}

/// The time zone that an environment says.
pub(super) fn zone_of(env: &[(String, String)]) -> Option<String> {
    let zone = env.iter().find(|(key, _)| key == "TZ")?.1.trim_matches('"');
    Format::TimeZone.check(zone).is_ok().then(|| zone.to_owned())
}

/// Words that do not say what a command is for.
const WRAPPERS: [&str; 24] = [
    "sh",
    "bash",
    "env",
    "exec",
    "nice",
    "timeout",
    "flock",
    "node",
    "npm",
    "npx",
    "yarn",
    "pnpm",
    "run",
    "php",
    "artisan",
    "manage",
    "django-admin",
    "bundle",
    "rake",
    "rails",
    "flask",
    "uv",
    "poetry",
    "java",
];

/// What the command itself says that it is for.
fn spoken_name(command: &str) -> Option<String> {
    command.split_whitespace().find_map(|word| {
        let file = word.rsplit('/').next()?;
        let name = file.split('.').next()?;
        let says_nothing = word.starts_with(['-', '$', '"', '\'', '>', '|', '&'])
            || word.contains('=')
            || name.starts_with("python")
            || WRAPPERS.contains(&name)
            || !name.starts_with(|c: char| c.is_ascii_alphabetic());
        (!says_nothing).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_called_as_its_command_says() {
        for (command, name) in [
            ("python manage.py clearsessions", Some("clearsessions")),
            ("/usr/bin/env A=1 ./bin/backup.sh --all", Some("backup")),
            ("node jobs/report.js", Some("report")),
            ("python3 -m app.tasks", Some("app")),
            ("\"x\"", None),
        ] {
            assert_eq!(spoken_name(command).as_deref(), name, "{command}");
        }
    }

    #[test]
    fn what_starts_cron_is_known() {
        let is_cron = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            !asked(&words).is_empty()
        };
        for words in [
            &["supercronic", "/etc/crontab"][..],
            &["/usr/sbin/crond", "-f", "-l", "8"],
            &["tini", "--", "cron", "-f"],
            &["sh", "-c", "crontab /app/crontab && exec cron -f"],
        ] {
            assert!(is_cron(words), "{words:?}");
        }
        for words in [&["supercronic"][..], &["sh", "-c", "crontab x && ./web"], &["./cron"], &["celery"]] {
            assert!(!is_cron(words), "{words:?}");
        }
    }
}
