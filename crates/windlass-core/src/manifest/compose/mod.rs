//! From a compose file to a manifest, with a list of what could not be carried over.
//!
//! A container becomes a process: its image is not used, so what the image brought must be made by
//! build steps or be installed. Images of postgres, redis and rabbitmq become resources, and values
//! that lead to them become references. A service that others wait for to be *completed* becomes a
//! job, and so does one whose command is known to end. `${VARIABLE}` becomes a setting. A web server in front is left out, for Windlass has its own, and so is one that
//! runs others by the clock: what it runs becomes cron jobs.

mod built;
mod command;
mod crond;
mod crontab;
mod depends;
mod dockerfile;
mod ending;
mod env;
mod env_file;
mod front;
mod health;
mod image;
mod interpolate;
mod ofelia;
mod oneshot;
mod ports;
mod quantity;
mod request;
mod resource;
mod secret;
mod service;
mod settle;
mod variables;
mod volume;
mod yaml;

use indexmap::{IndexMap, IndexSet};

use crate::name::Name;
use crate::settings::dotenv::Lookup;

use super::draft::{self, Draft};
pub use built::Build;
pub use dockerfile::{Image, Images, Recipe};
use env_file::EnvFiles;
use interpolate::by_default;
use resource::Resources;
use variables::Variables;
use yaml::Yaml;

/// A manifest made from a compose file.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The manifest.
    pub text: String,
    /// What could not be carried over, by line.
    pub notes: Vec<Note>,
}

/// Something that was not carried over, or not as it was.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Note {
    /// The line of the compose file, from 1.
    pub line: u64,
    /// Where in its tree, such as `services.web.volumes`.
    pub place: String,
    /// What has become of it, and what to do.
    pub message: String,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.place, self.message)
    }
}

/// What is known while importing.
struct Import {
    notes: Vec<Note>,
    variables: Variables,
    resources: Resources,
    /// The names of all services of the compose file, and theirs in the manifest.
    names: Vec<(String, Name)>,
    /// The services that others wait for to be completed, and those that are known to end.
    jobs: Vec<String>,
    /// Of these, those that nobody said it of.
    guessed_jobs: Vec<String>,
    /// The services that run only with a profile, the servers in front, and databases that Windlass does not run.
    left_out: Vec<String>,
    /// The servers in front, which the proxy replaces.
    fronts: Vec<front::Fronted>,
    /// The port of the proxy and the service behind it.
    front: Option<ports::Front>,
    /// The service that a server in front hands requests to.
    routed: Option<Name>,
    /// The secrets that became settings.
    filed: Vec<secret::Filed>,
    /// The settings that have the place of secrets in the compose file, with these.
    kept_out: IndexMap<String, String>,
    /// What the files that `env_file` names brought along.
    env_files: EnvFiles,
    /// Where services run, as Dockerfiles say it.
    directories: IndexMap<String, String>,
    /// The names of all variables, met or not yet.
    meant: IndexSet<String>,
    shared: Vec<String>,
    /// Which service needs which, as far as it was written.
    needs: Vec<(String, String)>,
    /// Ports that services insist on.
    fixed: Vec<u16>,
    /// The services that only run cron, and those that run commands in other containers by the clock.
    runners: Vec<crond::Runner>,
    schedulers: Vec<ofelia::Scheduler>,
    cron_names: Vec<Name>,
    /// How the project is built, where that is known; whether it was told, and whether it is for the service that is
    /// looked at.
    build: Option<Build>,
    told_build: bool,
    built_here: bool,
    /// Where the service that is looked at has volumes in its container.
    targets: Vec<String>,
    /// The node name that a worker of Celery gets which has none.
    node: String,
    /// How many clocks of Celery keep their schedules in files.
    beats: usize,
}

/// The text of a file of the project, by its path from the compose file.
pub type Files<'f> = &'f dyn Fn(&str) -> Option<String>;

/// What lies beside the compose file.
#[derive(Clone)]
pub struct Project<'f> {
    /// Its files: crontabs and those of `env_file` are read.
    pub files: Files<'f>,
    /// How it is built, where that is known.
    pub build: Option<Build>,
    /// What its Dockerfiles say of how it is run.
    pub images: Images<'f>,
}

impl Imported {
    /// The manifest with the notes as comments at its head.
    #[must_use]
    pub fn annotated(&self) -> String {
        let (made, rest) = self.text.split_once('\n').unwrap_or((&self.text, ""));
        let notes: String = self.notes.iter().map(|note| draft::comment(&format!("  {note}"))).collect();
        match notes.is_empty() {
            true => self.text.clone(),
            false => format!("{made}\n{}{notes}{rest}", draft::comment("Not carried over as it was:")),
        }
    }
}

/// Makes a manifest of the compose file `yaml`. `app` is the application's name where the file does
/// not say one, usually that of its folder. `values` has what compose finds in the environment and in `.env`, `project`
/// is what lies beside the compose file.
///
/// # Errors
/// The line and the reason, where it is no YAML or has no services.
pub fn import_compose(
    yaml: &str,
    app: &str,
    values: Lookup<'_>,
    project: Project<'_>,
) -> Result<Imported, Note> {
    let fault = |(line, message): (u64, String)| Note { line, place: "the file".to_owned(), message };
    let mut document = Yaml::parse(yaml).map_err(fault)?;
    let settled = settle::settle(&mut document, values);
    let env_files = EnvFiles::bring(&mut document, project.files, values);
    let own = document.get("services").map(Yaml::map).unwrap_or_default();
    let candidates = oneshot::candidates(own);
    let mut brought = dockerfile::bring(&mut document, project.images);
    let services = document.get("services").map(Yaml::map).unwrap_or_default();
    if services.is_empty() {
        return Err(fault((1, "there are no services in it".to_owned())));
    }
    let mut import = Import::new(services, &candidates, project);
    import.notes = settled;
    import.notes.append(&mut brought.notes);
    import.env_files = env_files;
    import.directories = std::mem::take(&mut brought.directories);
    import.meant = env::meant(yaml, services);
    let name = document.get("name").and_then(Yaml::text).map(|name| by_default(name, ""));
    let mut draft = Draft::default();
    draft.preface.push("Made by `windlass import compose`.".to_owned());
    draft.section("[app]").set("name", draft::text(name_of(name.as_deref().unwrap_or(app)).as_str()));
    import.fronts(services);
    let mut body = Draft::default();
    for (key, service) in depends::in_order(services, &import.jobs) {
        import.service(key, service, services, &mut body);
    }
    import.scheduled(services, &mut body);
    import.top_level(&document, services);
    import.variables.write(&mut draft);
    import.write_build(&mut draft);
    import.resources.write(&mut draft);
    draft.append(body);
    import.routes(&mut draft);
    brought.correct(&mut import.notes);
    import.notes.sort_by(|a, b| (a.line, &a.place).cmp(&(b.line, &b.place)));
    Ok(Imported { text: draft.render(), notes: import.notes })
}

/// The name that `text` can have.
fn name_of(text: &str) -> Name {
    let made =
        Name::new(text).or_else(|refused| Name::new(refused.suggestion.unwrap_or_else(|| "app".to_owned())));
    // "app" is a name, and a suggestion always is one.
    made.unwrap_or_else(|_| unreachable!("a suggested name is a name"))
}

impl Import {
    fn new(
        services: &[(String, Yaml)],
        candidates: &[String],
        Project { files, build, .. }: Project<'_>,
    ) -> Self {
        let mut names: Vec<(String, Name)> = Vec::new();
        for (key, _) in services {
            let mut name = name_of(key);
            let mut number = 2;
            while names.iter().any(|(_, other)| *other == name) || RESERVED.contains(&name.as_str()) {
                name = name_of(&format!("{key}-{number}"));
                number += 1;
            }
            names.push((key.clone(), name));
        }
        let mut jobs = Vec::new();
        for (_, service) in services {
            for (other, condition) in service.get("depends_on").map(Yaml::map).unwrap_or_default() {
                if condition.get("condition").and_then(Yaml::text) == Some("service_completed_successfully") {
                    jobs.push(other.clone());
                }
            }
        }
        let is_guessed = |key: &String, service: &Yaml| {
            candidates.contains(key) && !jobs.contains(key) && oneshot::may_end(key, service, services)
        };
        let guessed = services.iter().filter(|(key, service)| is_guessed(key, service));
        let guessed_jobs: Vec<String> = guessed.map(|(key, _)| key.clone()).collect();
        jobs.extend(guessed_jobs.iter().cloned());
        let mut left_out: Vec<String> = services
            .iter()
            .filter(|(_, service)| service.get("profiles").is_some_and(|node| !node.items().is_empty()))
            .map(|(key, _)| key.clone())
            .collect();
        let foreign = services.iter().filter(|(_, service)| image::foreign(service).is_some());
        // One that ends is a client of such a server.
        left_out.extend(foreign.map(|(key, _)| key.clone()).filter(|key| !jobs.contains(key)));
        let fronts = front::find(services, &left_out, &jobs);
        left_out.extend(fronts.iter().map(|front| front.key.clone()));
        let others = [left_out.as_slice(), jobs.as_slice()].concat();
        let runners = crond::find(services, &others, files);
        let schedulers = ofelia::find(services, &others, files);
        Self {
            notes: vec![],
            fronts,
            routed: None,
            filed: vec![],
            kept_out: IndexMap::new(),
            env_files: EnvFiles::default(),
            directories: IndexMap::new(),
            meant: IndexSet::new(),
            variables: Variables::default(),
            resources: Resources::find(services, &names, &left_out),
            names,
            jobs,
            guessed_jobs,
            left_out,
            front: None,
            shared: vec![],
            needs: vec![],
            fixed: vec![],
            runners,
            schedulers,
            cron_names: vec![],
            build,
            told_build: false,
            built_here: false,
            targets: vec![],
            node: String::new(),
            beats: 0,
        }
    }

    fn note(&mut self, line: u64, place: impl Into<String>, message: impl Into<String>) {
        self.notes.push(Note { line, place: place.into(), message: message.into() });
    }

    fn name(&self, key: &str) -> Option<&Name> {
        self.names.iter().find(|(other, _)| other == key).map(|(_, name)| name)
    }

    fn top_level(&mut self, document: &Yaml, services: &[(String, Yaml)]) {
        for (key, value) in document.map() {
            let message = match key.as_str() {
                "services" | "name" | "version" => continue,
                key if key.starts_with("x-") => continue,
                "volumes" => "processes use directories; name those that releases share in build.shared",
                "networks" => "there are no networks: all processes of an environment see the same machine",
                "secrets" => {
                    self.secrets(value, services);
                    continue;
                }
                "configs" => "declare them as settings, with their values in .env",
                "include" => "included files are not read; import them one by one",
                _ => "has no counterpart",
            };
            self.note(value.line, key, message);
        }
    }

    /// Notes what the variables of the value that stands at `place` could not say.
    fn tell_lost(&mut self, line: u64, place: &str) {
        for message in self.variables.take_lost() {
            self.note(line, place, message);
        }
    }
}

/// Names that Windlass keeps for itself.
const RESERVED: [&str; 4] = ["access", "build", "host", "proxy"];
