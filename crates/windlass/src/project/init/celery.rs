//! Celery: its workers and its clock, in whatever kind of project.

use windlass_core::manifest::draft;

use super::files::Files;
use super::python::PYTHON;
use super::sketch::Sketch;

/// The node name of a worker of the service `name`. While a deploy has old and new workers side by
/// side, and with several copies, no two may have the same: it names a queue that is one worker's alone.
pub(super) fn node(name: &str) -> String {
    format!("{name}-{{release}}-{{replica}}@%h")
}

/// Whether the words start a worker that was given no node name.
pub(super) fn is_nameless_worker<T: AsRef<str>>(words: &[T]) -> bool {
    let has = |wanted: &dyn Fn(&str) -> bool| words.iter().any(|word| wanted(word.as_ref()));
    let named = |word: &str| word == "-n" || word.starts_with("--hostname");
    has(&|word| word.rsplit('/').next() == Some("celery")) && has(&|word| word == "worker") && !has(&named)
}

/// The worker of the application that is called so, and its clock where something is scheduled.
/// `directory` is where its module is found from.
pub(super) fn services(files: &Files, sketch: &mut Sketch, application: &str, directory: Option<&str>) {
    let mut celery = vec![PYTHON, "-m", "celery"];
    if let Some(directory) = directory {
        celery.extend(["--workdir", directory]);
    }
    celery.extend(["-A", application]);
    let node = node("worker");
    let command = |words: &[&str]| draft::command(&[&celery, words].concat());
    let worker = sketch.service("worker");
    worker.set("command", command(&["worker", "--loglevel", "info", "-n", &node]));
    worker.set("stop", "{ grace = \"60s\" }").because("tasks that run longer are started again elsewhere");
    let scheduled = files.sources(".py").any(|(_, source)| {
        source.contains("beat_schedule")
            || source.contains("CELERY_BEAT_SCHEDULE")
            || source.contains("django_celery_beat")
    });
    if scheduled {
        let beat = sketch.service("beat");
        beat.comment("The clock of Celery: never two of it, or tasks would run twice.");
        beat.set("command", command(&["beat", "--loglevel", "info"]));
        beat.set("singleton", "true");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_without_a_name_is_known() {
        let nameless = |line: &str| is_nameless_worker(&line.split(' ').collect::<Vec<_>>());
        assert!(nameless("celery -A shop worker"));
        assert!(nameless(".venv/bin/celery --app shop worker -c 4"));
        assert!(nameless("python -m celery -A shop worker -B"));
        for line in [
            "celery -A shop beat",
            "celery -A shop worker -n a@%h",
            "celery worker --hostname=a",
            "celery-worker",
            "python worker",
        ] {
            assert!(!nameless(line), "{line}");
        }
    }
}
