//! What services, jobs, crons and the build have in common: names, environments, directories.

use super::Scene;
use crate::diag::Diag;
use crate::manifest::{self, Node, Value};
use crate::settings::audit::{is_for_others, why_weak};
use crate::settings::{literal_password, sounds_secret};
use crate::spec::{Template, Undo, When};

/// Names whose log files or directories would be those of Windlass itself.
const RESERVED: [&str; 4] = ["access", "build", "host", "proxy"];

pub(super) fn find(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    names(scene, diags);
    for section in ["services", "jobs", "cron"] {
        let table = scene.root.get(section).and_then(Node::table).into_iter().flatten();
        for (name, node) in table {
            environment(node, section == "services" && node.get("port").is_some(), diags);
            undo(scene, section, name, diags);
        }
    }
    environment(scene.root, false, diags);
    if let Some(build) = scene.root.get("build") {
        environment(build, false, diags);
        steps(build, diags);
    }
    directories(scene, diags);
}

fn names(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for section in ["services", "jobs", "cron", "resources"] {
        for (name, node) in scene.root.get(section).and_then(Node::table).into_iter().flatten() {
            if RESERVED.contains(&name.as_str()) {
                let message = format!("{name:?} is a name of Windlass's own");
                diags.push(
                    Diag::error("reserved-name", node.key_span.clone(), message)
                        .help(format!("use another, such as \"{name}-app\"")),
                );
            }
            if let Some((other, _)) = seen.iter().find(|(_, known)| *known == name) {
                let message = format!("{section}.{name} has the name of {other}.{name}");
                diags.push(
                    Diag::error("duplicate-name", node.key_span.clone(), message)
                        .help("services, jobs, crons and resources share one set of names, which `logs` and `needs` use"),
                );
            } else {
                seen.push((section, name));
            }
        }
    }
}

fn environment(node: &Node, listens: bool, diags: &mut Vec<Diag>) {
    for (key, value) in node.get("env").and_then(Node::table).into_iter().flatten() {
        if key == "PORT" && listens {
            diags.push(
                Diag::warning(
                    "port-overridden",
                    value.key_span.clone(),
                    "PORT is set to the copy's own port, and this replaces it",
                )
                .help("leave PORT out; $PORT and {port} are the port that the copy is to listen on"),
            );
        }
        diags.extend(own_variable(key, value));
        let Some((what, _)) = literal_secret(key, value) else { continue };
        diags.push(Diag::warning("literal-secret", value.span.clone(), what).help(format!(
            "declare it as `{key} = {{ secret = true }}` under [settings] and put its value into .env"
        )));
    }
}

/// What is to be said of a variable whose value is a secret as it stands there, or has one in it, and that value.
fn literal_secret<'n>(key: &str, node: &'n Node) -> Option<(String, &'n str)> {
    let text = node.text().filter(|text| !text.is_empty())?;
    let literal =
        |text: &str| Template::parse(text).is_ok_and(|template| template.references().next().is_none());
    let all = "stands in the manifest for all to read";
    if sounds_secret(key) && literal(text) {
        return Some((format!("{key} looks like a secret, and {all}"), text));
    }
    literal_password(text).map(|_| (format!("the password in {key} {all}"), text))
}

/// Literals that can be guessed, where others depend on the environment. Those of the build are there so that it runs
/// at all: `collectstatic` wants a key, and signs nothing with it.
pub(super) fn weak(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    if !is_for_others(scene.spec.environment.as_str()) {
        return;
    }
    let processes = ["services", "jobs", "cron"].into_iter().flat_map(|section| {
        scene.root.get(section).and_then(Node::table).into_iter().flatten().map(|(_, node)| node)
    });
    for node in processes.chain([scene.root]) {
        for (key, value) in node.get("env").and_then(Node::table).into_iter().flatten() {
            let why =
                literal_secret(key, value).and_then(|(_, text)| why_weak(scene.spec.app.as_str(), key, text));
            diags.extend(why.map(|why| {
                Diag::error("weak-secret", value.span.clone(), format!("{key}: {why}")).help(format!(
                    "make another one (openssl rand -base64 32), put it into .env, and declare it as \
                     `{key} = {{ secret = true }}` under [settings]"
                ))
            }));
        }
    }
}

/// The fault of a variable or a setting with the name of one that Windlass sets itself.
pub(super) fn own_variable(key: &str, node: &Node) -> Option<Diag> {
    let what = manifest::own_variable(key)?;
    let message = format!("{key} is a variable of Windlass's own: it says {what}");
    let diag = Diag::error("reserved-name", node.key_span.clone(), message);
    Some(diag.help("call yours something else"))
}

fn undo(scene: &Scene<'_>, section: &str, name: &str, diags: &mut Vec<Diag>) {
    let job = scene.spec.jobs.iter().find(|(job, _)| section == "jobs" && job.as_str() == name);
    let Some((_, job)) = job else { return };
    // When it runs is not known where that was refused.
    if scene.root.at(&["jobs", name, "when"]).is_some_and(|node| node.value == Value::Invalid) {
        return;
    }
    if job.when == When::BeforeStart && !scene.typed(&["jobs", name, "undo"]) {
        diags.push(
            Diag::warning("no-undo", scene.span(&["jobs", name]), format!("jobs.{name} does not say how it is undone when the deploy goes back"))
                .help("write undo = \"compatible\" if the old release works with what it leaves, else \"irreversible\" or { command = ... }, the latter with `schema`, so that only what the deploy changed is undone"),
        );
    }
    let is_command = matches!(job.undo, Undo::Command(_)) && scene.typed(&["jobs", name, "undo", "command"]);
    if job.when == When::BeforeStart && is_command && !scene.typed(&["jobs", name, "schema"]) {
        let message = format!(
            "jobs.{name} is undone also where it had nothing to do: its undo then takes back what an earlier deploy did"
        );
        diags.push(
            Diag::warning("undo-without-schema", scene.span(&["jobs", name, "undo"]), message)
                .help("declare `schema`, a command that prints the schema's version: a deploy that did not change it undoes nothing, and the undo gets the version before the job as \"$WINDLASS_SCHEMA_BEFORE\""),
        );
    }
    if matches!(job.when, When::AfterSwitch | When::Manual) && scene.typed(&["jobs", name, "undo"]) {
        let when = if job.when == When::Manual { "manual" } else { "after-switch" };
        diags.push(
            Diag::warning(
                "unused-undo",
                scene.span(&["jobs", name, "undo"]),
                format!("a job that runs {when} is never undone by a deploy"),
            )
            .help("take `undo` away, or say when = \"before-start\""),
        );
    }
}

fn steps(build: &Node, diags: &mut Vec<Diag>) {
    let Some(Value::List(steps)) = build.get("steps").map(|node| &node.value) else { return };
    for step in steps.iter().filter(|step| step.table().is_some()) {
        match (step.get("command"), step.get("shell")) {
            (None, None) => diags.push(
                Diag::error("missing-key", step.span.clone(), "this step lacks `command` or `shell`")
                    .help("such as { shell = \"npm ci && npm run build\", timeout = \"10m\" }"),
            ),
            (Some(_), Some(shell)) => diags.push(
                Diag::error("conflict", shell.key_span.clone(), "a step has `command` or `shell`, not both")
                    .help("make two steps of it"),
            ),
            _ => {}
        }
    }
}

fn directories(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    let build = &scene.spec.build;
    for (index, path) in build.cache.iter().enumerate() {
        if build.shared.contains(path) {
            let span = scene.span(&["build", "cache", &index.to_string()]);
            diags.push(
                Diag::error("conflict", span, format!("{path:?} is both `shared` and `cache`")).help(
                    "`shared` is one directory for all releases; `cache` is copied from one to the next",
                ),
            );
        }
    }
    // Linked away with what is above it, one would be replaced by itself.
    let lies_below = |path: &str, other: &str| {
        path.strip_prefix(other).is_some_and(|rest| !other.is_empty() && rest.starts_with('/'))
    };
    for (key, paths) in [("shared", &build.shared), ("cache", &build.cache)] {
        for (index, path) in paths.iter().enumerate() {
            let others = build.shared.iter().chain(build.cache.iter().filter(|_| key == "shared"));
            for other in others.filter(|other| lies_below(path, other)) {
                let span = scene.span(&["build", key, &index.to_string()]);
                let message = format!("{path:?} lies in {other:?}, which is kept as a whole");
                diags.push(
                    Diag::error("conflict", span, message).help("leave it out, or name what is beside it"),
                );
            }
        }
        for (index, path) in paths.iter().enumerate().filter(|(_, path)| path.is_empty()) {
            let span = scene.span(&["build", key, &index.to_string()]);
            let message =
                format!("the whole release cannot be {key}{}", if path.is_empty() { "" } else { path });
            diags.push(
                Diag::error("bad-path", span, message).help("name a directory inside it, such as \"media\""),
            );
        }
    }
}
