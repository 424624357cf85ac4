//! Celery: its workers and its clock, in whatever kind of project.

use windlass_core::manifest::{draft, roles};

use super::files::Files;
use super::python::PYTHON;
use super::sketch::Sketch;

/// The worker of the application that is called so, and its clock where something is scheduled.
/// `directory` is where its module is found from.
pub(super) fn services(files: &Files, sketch: &mut Sketch, application: &str, directory: Option<&str>) {
    let mut celery = vec![PYTHON, "-m", "celery"];
    if let Some(directory) = directory {
        celery.extend(["--workdir", directory]);
    }
    celery.extend(["-A", application]);
    let node = roles::node_name("worker");
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
        // What it last did outlives a release, and is where the account may write.
        beat.set("command", command(&["beat", "--loglevel", "info", "--schedule", &roles::beat_schedule()]));
        beat.set("singleton", "true");
        sketch.share(files, roles::BEAT);
    }
}
