//! Jobs, cron jobs and the build.

use super::read::{Reader, command};
use super::service::{directory, limits};
use crate::manifest::fields::{BUILD, CRON, JOB, LIMITS, STEP, UNDO};
use crate::manifest::{Node, Value, words};
use crate::spec::{Build, BuildStep, Command, Cron, Env, Job, Missed, Overlap, Undo, When};

/// A job; `common` is the environment it shares with others.
pub(super) fn job(node: &Node, common: Env) -> Job {
    let read = Reader::new(&JOB, Some(node));
    let mut env = common;
    env.extend(read.templates("env"));
    Job {
        command: read.command("command"),
        directory: directory(read),
        env,
        user: read.owned("user"),
        when: match read.text("when") {
            Some("before-start") => When::BeforeStart,
            Some("after-switch") => When::AfterSwitch,
            Some("once") => When::Once,
            _ => When::Manual,
        },
        undo: match read.given("undo") {
            Some(node) if node.table().is_some() => {
                Undo::Command(Reader::new(&UNDO, Some(node)).command("command"))
            }
            Some(node) if node.text() == Some("irreversible") => Undo::Irreversible,
            _ => Undo::Compatible,
        },
        timeout: read.span("timeout"),
        limits: limits(read.inner(&LIMITS, "limits")),
        schema: read.given("schema").and_then(command),
    }
}

/// A cron job; `common` is the environment it shares with others.
pub(super) fn cron(node: &Node, common: Env) -> Cron {
    let read = Reader::new(&CRON, Some(node));
    let mut env = common;
    env.extend(read.templates("env"));
    Cron {
        command: read.command("command"),
        directory: directory(read),
        env,
        user: read.owned("user"),
        schedule: read.owned("schedule").unwrap_or_default(),
        time_zone: read.owned("time_zone").unwrap_or_default(),
        overlap: match read.text("overlap") {
            Some("queue") => Overlap::Queue,
            Some("replace") => Overlap::Replace,
            Some("allow") => Overlap::Allow,
            _ => Overlap::Skip,
        },
        missed: match read.text("missed") {
            Some("once") => Missed::Once,
            _ => Missed::Skip,
        },
        timeout: read.span("timeout"),
        limits: limits(read.inner(&LIMITS, "limits")),
    }
}

/// The build; `common` is the environment its steps get beside their own.
pub(super) fn build(node: Option<&Node>, common: Env) -> Build {
    let read = Reader::new(&BUILD, node);
    let mut env = common;
    env.extend(read.templates("env"));
    Build {
        exclude: read.texts("exclude"),
        include: read.texts("include"),
        steps: read.items("steps").into_iter().filter_map(step).collect(),
        shared: read.texts("shared").iter().map(|path| clean(path)).collect(),
        cache: read.texts("cache").iter().map(|path| clean(path)).collect(),
        env,
    }
}

fn step(node: &Node) -> Option<BuildStep> {
    let read = Reader::new(&STEP, matches!(node.value, Value::Table(_)).then_some(node));
    let command = match &node.value {
        Value::Table(_) => match read.owned("shell") {
            Some(line) => Some(Command::Shell(words::shell_line(&line))),
            None => read.given("command").and_then(command),
        },
        _ => command(node),
    }?;
    Some(BuildStep { command, timeout: read.span("timeout") })
}

fn clean(path: &str) -> String {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
}
