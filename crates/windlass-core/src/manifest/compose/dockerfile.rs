//! What the Dockerfile that `build` names says of how its image is run, for what the compose file does not say.

use indexmap::IndexMap;

use super::Note;
use super::built::context;
use super::env::{entries, lookup};
use super::yaml::{Value, Yaml};
use crate::settings::{password_in, sounds_secret};

/// An image that is built, as `build` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The directory that it is built of, from that of the compose file.
    pub context: String,
    /// The Dockerfile, from there.
    pub dockerfile: String,
    /// The stage that is run; the last one where none is named.
    pub target: Option<String>,
}

/// What a Dockerfile says of how its image is run. Paths are those of the project, from `directory`.
#[derive(Debug, Clone, Default)]
pub struct Image {
    /// The program, and the words that it is told first.
    pub entrypoint: Option<Vec<String>>,
    /// What follows.
    pub command: Option<Vec<String>>,
    /// What it finds in its environment.
    pub env: Vec<(String, String)>,
    /// The ports that it listens on.
    pub ports: Vec<u16>,
    /// The account that it runs as.
    pub user: Option<String>,
    /// The signal that stops it.
    pub stop_signal: Option<String>,
    /// The directory of the project that it runs in; none for the project's own.
    pub directory: Option<String>,
}

/// The image that is built so, where its Dockerfile can be read.
pub type Images<'i> = &'i dyn Fn(&Recipe) -> Option<Image>;

impl Recipe {
    fn of(service: &Yaml) -> Option<Self> {
        let build = service.get("build")?;
        let text = |key: &str| build.get(key).and_then(Yaml::text).map(str::to_owned);
        if build.get("dockerfile_inline").is_some() {
            return None;
        }
        Some(Self {
            context: context(build)?.to_owned(),
            dockerfile: text("dockerfile").unwrap_or_else(|| "Dockerfile".to_owned()),
            target: text("target"),
        })
    }
}

/// What Dockerfiles brought to the services of a compose file.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// The directories that services run in.
    pub(super) directories: IndexMap<String, String>,
    /// The places of what is theirs, with the instruction that says it.
    places: IndexMap<String, String>,
    /// What stays there.
    pub(super) notes: Vec<Note>,
}

impl Brought {
    /// Says of notes on what the compose file does not have where that stands.
    pub(super) fn correct(&self, notes: &mut [Note]) {
        for note in notes {
            let Some((place, instruction)) = self.places.iter().find(|(place, _)| note.place == **place)
            else {
                continue;
            };
            let service = place.split('.').take(2).collect::<Vec<_>>().join(".");
            note.message = format!("{instruction} of its Dockerfile: {}", note.message);
            note.place = format!("{service}.build");
        }
    }
}

/// Puts what Dockerfiles say where the compose file says nothing.
pub(super) fn bring(document: &mut Yaml, images: Images<'_>) -> Brought {
    let mut brought = Brought::default();
    for (key, service) in document.get_mut("services").map(Yaml::map_mut).into_iter().flatten() {
        let Some(mut image) = Recipe::of(service).and_then(|recipe| images(&recipe)) else { continue };
        let line = service.get("build").map_or(service.line, |build| build.line);
        if let Some(directory) = image.directory.clone().filter(|_| service.get("working_dir").is_none()) {
            brought.directories.insert(key.clone(), directory);
        }
        let is_secret = |(key, value): &(String, String)| {
            (sounds_secret(key) && !value.is_empty()) || password_in(value).is_some()
        };
        let (secrets, env) = std::mem::take(&mut image.env).into_iter().partition(is_secret);
        image.env = env;
        let is_said = |key: &str| {
            service
                .get("environment")
                .is_some_and(|env| entries(env).iter().any(|(_, other, _)| other == key))
        };
        let secrets: Vec<(String, String)> = secrets;
        for (secret, _) in secrets.iter().filter(|(secret, _)| !is_said(secret)) {
            let message = format!(
                "ENV {secret} of its Dockerfile was not carried over: it looks like a secret; where the service needs it, declare \
                 it under [settings] with secret = true"
            );
            brought.notes.push(Note { line, place: format!("services.{key}.build"), message });
        }
        for (place, instruction) in add(service, line, image) {
            brought.places.insert(format!("services.{key}.{place}"), instruction);
        }
    }
    brought
}

/// Answers what was added: the key, and the instruction that says it.
fn add(service: &mut Yaml, line: u64, image: Image) -> Vec<(String, String)> {
    let said = |key: &str| service.get(key).is_some_and(|node| !matches!(node.value, Value::Null));
    let node = |value: Value| Yaml { line, value };
    // Compose would look for variables in it.
    let plain = |text: &str| node(Value::Scalar(text.replace('$', "$$")));
    let list = |words: Vec<String>| node(Value::List(words.iter().map(|word| plain(word)).collect()));
    let mut added: Vec<(&str, Yaml)> = Vec::new();
    let runs_its_own = !said("entrypoint") && !said("command");
    // A program that the compose file names takes no words of the image's.
    match (image.entrypoint, image.command.filter(|_| runs_its_own)) {
        (Some(entrypoint), command) if !said("entrypoint") => {
            added.push(("entrypoint", list(entrypoint)));
            added.extend(command.map(|command| ("command", list(command))));
        }
        // The words of CMD are all of it, and no arguments of something else.
        (None, Some(command)) => added.push(("entrypoint", list(command))),
        _ => {}
    }
    // What another command is told says nothing of where it listens.
    if runs_its_own && !said("ports") && !said("expose") && !image.ports.is_empty() {
        let ports = image.ports.iter().map(|port| plain(&port.to_string())).collect();
        added.push(("expose", node(Value::List(ports))));
    }
    for (key, text) in [("user", image.user), ("stop_signal", image.stop_signal)] {
        added.extend(text.filter(|_| !said(key)).map(|text| (key, plain(&text))));
    }
    let is_new = |key: &str| service.get("environment").is_none_or(|env| lookup(env, key).is_none());
    let env: Vec<_> = image.env.into_iter().filter(|(key, _)| is_new(key)).collect();
    let instruction = |key: &str| match key {
        "command" => "CMD",
        "entrypoint" => "ENTRYPOINT",
        "expose" => "EXPOSE",
        "stop_signal" => "STOPSIGNAL",
        _ => "USER",
    };
    let of_env = env.iter().map(|(key, _)| (format!("environment.{key}"), format!("ENV {key}")));
    let told = added.iter().map(|(key, _)| ((*key).to_owned(), instruction(key).to_owned()));
    let told: Vec<(String, String)> = told.chain(of_env).collect();
    let Value::Map(entries) = &mut service.value else { return vec![] };
    for (key, value) in added {
        entries.retain(|(other, _)| other != key);
        entries.push((key.to_owned(), value));
    }
    if env.is_empty() {
        return told;
    }
    let pairs = || env.iter().map(|(key, value)| (key.clone(), plain(value)));
    match entries.iter_mut().find(|(key, _)| key == "environment").map(|(_, node)| &mut node.value) {
        Some(Value::Map(there)) => there.extend(pairs()),
        Some(Value::List(there)) => {
            there.extend(env.iter().map(|(key, value)| plain(&format!("{key}={value}"))));
        }
        Some(other) => *other = Value::Map(pairs().collect()),
        None => entries.push(("environment".to_owned(), node(Value::Map(pairs().collect())))),
    }
    told
}
