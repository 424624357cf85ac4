//! Volumes: what was mounted lies in the release, in a directory that releases share, or on the machine.

use super::Import;
use super::interpolate::by_default;
use super::yaml::Yaml;
use crate::manifest::Format;

/// A `volumes` entry.
pub(super) struct Mount {
    pub(super) source: Option<String>,
    pub(super) target: String,
    read_only: bool,
    in_memory: bool,
    bind: bool,
}

impl Import {
    pub(super) fn volumes(&mut self, place: &str, node: &Yaml) {
        for item in node.items() {
            let message = match mount(item) {
                Some(mount) if self.is_crontab(&mount) => continue,
                Some(mount) => self.mounted(&mount),
                None => "is no volume that is known".to_owned(),
            };
            self.note(item.line, format!("{place}.volumes"), message);
        }
    }

    /// What becomes of it, and what to do.
    fn mounted(&mut self, mount: &Mount) -> String {
        let target = &mount.target;
        if mount.in_memory {
            return in_memory(target);
        }
        let Some(source) = &mount.source else {
            return format!(
                "{target} is in every release of its own; if releases share it, name the directory in build.shared"
            );
        };
        if source.contains('$') {
            return format!(
                "where {target} lies is not known here; if it is in the project, name the directory in build.shared, else tell the program its path"
            );
        }
        if matches!(source.as_str(), "." | "./") {
            return format!(
                "the source itself is the release: the program's working directory, not {target}"
            );
        }
        if source == target {
            return format!("{target} is the machine's own: the program's account needs the right to use it");
        }
        if source.starts_with(['/', '~']) || source.starts_with("..") {
            return format!(
                "{source:?} is outside of the release: tell the program its whole path instead of {target}"
            );
        }
        let inside = source.strip_prefix("./").or_else(|| mount.bind.then_some(source.as_str()));
        let Some(path) = inside.map(|path| path.trim_end_matches('/')) else {
            return format!(
                "the volume {source:?} has no counterpart, and its data is not copied: name a directory in build.shared, \
                 such as {source:?}, and tell the program {{shared}}/{source} instead of {target}"
            );
        };
        if Format::Path.check(path).is_err() {
            return format!("{source:?} is no path inside the release");
        }
        if mount.read_only || is_file(path) && is_file(target) {
            return format!(
                "{path:?} is a part of the release: the program finds it there from its working directory, not at {target}"
            );
        }
        if !self.shared.iter().any(|shared| shared == path) {
            self.shared.push(path.to_owned());
        }
        format!(
            "{path:?} is in build.shared, one directory for all releases: the program finds it at {path} from its working \
             directory, or as {{shared}}/{path}, not at {target}. It begins with the files there that a release has, which are \
             none that .gitignore or another ignore file leaves out: {}; if it is source code, take it out of build.shared",
            bring_over(path)
        )
    }
}

/// How the files that no release has come into the shared directory.
fn bring_over(path: &str) -> String {
    // It is to be run as it stands.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    match path.chars().all(is_plain) {
        true => format!(
            "bring those over after the first deploy, from here: windlass run -- cp -a \"$PWD/{path}/.\" {path}/"
        ),
        false => "copy those into it after the first deploy".to_owned(),
    }
}

/// Where in the container the service's volumes are, but for those that are at the same place here.
pub(super) fn targets(service: &Yaml) -> Vec<String> {
    let items = service.get("volumes").map(Yaml::items).unwrap_or_default();
    let mounts = items.iter().filter_map(mount).filter(|mount| mount.source.as_ref() != Some(&mount.target));
    let targets = mounts.map(|mount| mount.target.trim_end_matches('/').to_owned());
    targets.filter(|target| target.starts_with('/')).collect()
}

/// For a directory that was in memory.
pub(super) fn in_memory(target: &str) -> String {
    format!("{target} is not in memory here: let the program use a directory of the machine, such as /tmp")
}

pub(super) fn mount(item: &Yaml) -> Option<Mount> {
    let text = |key: &str| item.get(key).and_then(Yaml::text).map(|text| by_default(text, "$"));
    let Some(short) = item.text() else {
        let kind = text("type").unwrap_or_default();
        return Some(Mount {
            source: text("source").or_else(|| text("src")).filter(|source| !source.is_empty()),
            target: ["target", "destination", "dst"].into_iter().find_map(text)?,
            read_only: item.get("read_only").is_some_and(Yaml::is_true),
            in_memory: kind == "tmpfs",
            bind: kind == "bind",
        });
    };
    let short = by_default(short, "$");
    let mut parts = short.split(':').map(str::to_owned);
    let (first, target) = (parts.next()?, parts.next());
    let read_only = parts.next().is_some_and(|mode| mode.split(',').any(|option| option == "ro"));
    let (source, target) = match target {
        Some(target) => (Some(first), target),
        None => (None, first),
    };
    let full = !target.is_empty() && source.as_deref() != Some("");
    full.then_some(Mount { source, target, read_only, in_memory: false, bind: false })
}

/// Whether the last name of the path looks like a file's: `nginx.conf`, and not `.cache`.
fn is_file(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.trim_start_matches('.').contains('.'))
}
