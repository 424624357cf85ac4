use clap::Parser as _;
use tempfile::TempDir;
use windlass_core::event::{Event, RunRecord, What};
use windlass_core::journal::Verdict;
use windlass_core::protocol::Remaining;

use super::*;
use crate::cli::args::Arguments;
use crate::cli::failure::INTERRUPTED;
use crate::cli::fake_host;
use crate::layout::Layout;

/// A call in a project of which everything lies in that directory.
fn call(place: &TempDir) -> (Context, Project) {
    let manifest = place.path().join("windlass.toml");
    std::fs::write(&manifest, "[app]\nname = \"shop\"\n").unwrap();
    let typed = ["windlass", "--file", manifest.to_str().unwrap(), "stop"];
    let context = Context::new(Arguments::try_parse_from(typed).unwrap().options).unwrap();
    let project = Project { layout: Layout::at(place.path().join("state")), ..context.draft().unwrap() };
    (context, project)
}

/// A run that nobody follows.
fn interrupted(remaining: Option<Remaining>) -> Answer {
    Answer::OpenRun(Some(OpenRun {
        run: "a1".to_owned(),
        headline: "Deploy shop (local): r1 -> r2".to_owned(),
        by: String::new(),
        began: 0,
        under_way: false,
        locked: true,
        settles_at: None,
        remaining,
    }))
}

fn event(what: What) -> Answer {
    Answer::Event(Event { at: 0, what })
}

fn began() -> Answer {
    event(What::RunBegan { run: "a1".to_owned(), headline: String::new(), steps: 1 })
}

fn seen() -> Vec<Answer> {
    vec![Answer::Observed { observed: Box::default(), key: None }]
}

#[tokio::test]
async fn a_run_that_cannot_be_settled_is_not_tried_again() {
    let place = tempfile::tempdir().unwrap();
    let (context, project) = call(&place);
    let asked = fake_host::serve(&project.layout, |ask, _| match ask {
        Ask::Observe => seen(),
        Ask::OpenRun => vec![interrupted(None)],
        _ => vec![began(), event(What::Interrupted { why: "its end cannot be written".to_owned() })],
    });
    let ended = settled(&context, &project, Patience::Long).await;
    assert_eq!(asked.kinds(), ["observe", "open run", "claim"]);
    let failure = ended.err().unwrap();
    assert_eq!(failure.code, INTERRUPTED);
    assert_eq!(
        failure.message,
        "what was asked for is not begun, because the run before it cannot be settled: its end cannot be written"
    );
}

#[tokio::test]
async fn who_is_in_a_hurry_says_so_again_to_a_host_side_that_was_started_again() {
    let place = tempfile::tempdir().unwrap();
    let (context, project) = call(&place);
    let remaining = Remaining { steps: vec!["stop web.r1.1".to_owned()], at_most: None };
    let asked = fake_host::serve(&project.layout, move |ask, before| match (ask, before) {
        (Ask::Observe, _) => seen(),
        (Ask::OpenRun, ..2) => vec![interrupted(Some(remaining.clone()))],
        (Ask::OpenRun, _) => vec![Answer::OpenRun(None)],
        (Ask::Hurry { .. }, _) => vec![Answer::Done],
        (Ask::Runs { .. }, _) => vec![Answer::Runs(Vec::new())],
        // It dies over the first one.
        (_, 0) => vec![began()],
        _ => vec![
            began(),
            event(What::RunEnded { verdict: Verdict::Done, record: Box::<RunRecord>::default() }),
        ],
    });
    assert!(settled(&context, &project, Patience::None).await.is_ok());
    let before = ["observe", "open run", "hurry", "claim"];
    let again = ["open run", "hurry", "runs", "claim", "open run"];
    assert_eq!(asked.kinds(), [&before[..], &again[..]].concat());
}
