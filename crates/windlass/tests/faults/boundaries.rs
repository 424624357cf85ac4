//! Acting at every boundary of a deploy: when each of its steps has begun, and when it is done.

use std::process::Child;
use std::sync::Mutex;
use std::time::Duration;

use windlass_testkit::sandbox::score::Running;
use windlass_testkit::sandbox::{Manifest, Sandbox, until};

use super::{act_at, deployed};

/// So many boundaries one sandbox sees under one load.
const PER_SANDBOX: usize = 11;

/// So many sandboxes there are side by side.
const TOGETHER: usize = 3;

fn manifest() -> Manifest {
    Manifest {
        worker: Some("settle = \"30ms\"".into()),
        scheduler: Some("settle = \"30ms\"".into()),
        deploy: "bake = \"50ms\"".into(),
        ..Manifest::default()
    }
}

/// How many boundaries the next deploy has.
fn count(sandbox: &Sandbox) -> usize {
    let plan = sandbox.succeed(&["plan", "--json"]).json();
    plan["steps"].as_array().unwrap().len() * 2
}

/// One deploy for each boundary, at which `act` is done; `is_well` judges the exit code. So many requests may fail for
/// each. Answers how many boundaries there are: each of them was reached.
pub(super) fn act_at_each(
    line: &Running,
    act: impl Fn(&Sandbox, &Child) + Sync,
    is_well: impl Fn(Option<i32>) -> bool + Sync,
    may_fail: usize,
) -> usize {
    let first = deployed(&manifest());
    first.change();
    let all: Vec<usize> = (0..=count(&first)).collect();
    let (chunks, first) = (Mutex::new(all.chunks(PER_SANDBOX)), Mutex::new(Some(first)));
    std::thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                loop {
                    let Some(chunk) = chunks.lock().unwrap().next() else { return };
                    let first = first.lock().unwrap().take();
                    let sandbox = first.unwrap_or_else(|| deployed(&manifest()));
                    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(20));
                    for boundary in chunk {
                        sandbox.change();
                        let (code, reached) = act_at(&sandbox, *boundary, |deploy| act(&sandbox, deploy));
                        assert!(reached, "boundary {boundary} was not reached");
                        assert!(is_well(code), "{boundary}: {code:?}\n{}", sandbox.logs());
                        until("the run to be over", || sandbox.status()["run"].is_null().then_some(()));
                        line.is_sound(&sandbox, &format!("at boundary {boundary}"));
                    }
                    if may_fail == 0 {
                        watch.end_without_loss();
                    } else {
                        let seen = watch.end();
                        let failed = seen.failed();
                        assert!(failed.len() <= may_fail * chunk.len(), "{chunk:?}: {failed:#?}");
                    }
                    sandbox.down();
                }
            });
        }
    });
    all.len()
}
