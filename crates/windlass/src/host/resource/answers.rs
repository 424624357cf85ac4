//! Whether the resources answer: one truth for the health page, `status`, and whoever waits for them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use windlass_core::name::Name;

use crate::host::Host;
use crate::host::resource::lifecycle::blocking;

/// How long a resource may take to answer before it counts as ill.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long an answer of a resource is taken for the present.
const FRESH: Duration = Duration::from_secs(1);

/// How much longer than a resource is given its answer is waited for: a name server keeps to no time of ours.
const GRACE: Duration = Duration::from_millis(250);

/// What they answered last.
#[derive(Default)]
pub(in crate::host) struct Answers {
    last: tokio::sync::Mutex<Option<(Instant, IndexMap<Name, bool>)>>,
    pub(super) asking: Asking,
}

/// Those that are being asked. Whoever has not answered in time may keep a thread for long: it is not asked again
/// as long as it does.
#[derive(Clone, Default)]
pub(in crate::host) struct Asking(Arc<Mutex<BTreeSet<Name>>>);

/// A question, until this is dropped.
struct UnderWay(Asking, Name);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.names().remove(&self.1);
    }
}

impl Asking {
    /// Asks on a thread of its own; `false` where no good answer came within `patience`.
    pub(super) async fn ask(
        &self,
        name: &Name,
        patience: Duration,
        question: impl FnOnce() -> bool + Send + 'static,
    ) -> bool {
        if !self.names().insert(name.clone()) {
            return false;
        }
        let until_it_answers = UnderWay(self.clone(), name.clone());
        let asked = blocking(move || {
            let _until_it_answers = until_it_answers;
            question()
        });
        matches!(tokio::time::timeout(patience + GRACE, asked).await, Ok(Ok(true)))
    }

    fn names(&self) -> std::sync::MutexGuard<'_, BTreeSet<Name>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    /// Which resources of the active release answer. However many want to know, they are asked once a second.
    pub(in crate::host) async fn answers(&self) -> IndexMap<Name, bool> {
        let mut last = self.answers.last.lock().await;
        if let Some((_, known)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return known.clone();
        }
        let asked = self.ask_resources(PATIENCE).await;
        *last = Some((Instant::now(), asked.clone()));
        asked
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn who_does_not_answer_in_time_is_not_waited_for_and_not_asked_again_meanwhile() {
        let (asking, name) = (Asking::default(), Name::new("far").unwrap());
        let (answer, answered) = mpsc::channel::<()>();
        // As a name server that says nothing.
        let silent = move || answered.recv().is_ok();
        assert!(!asking.ask(&name, Duration::ZERO, silent).await);
        assert!(!asking.ask(&name, Duration::from_secs(9), || true).await, "its thread is there still");
        assert!(asking.ask(&Name::new("near").unwrap(), Duration::from_secs(9), || true).await);
        answer.send(()).unwrap();
        while asking.names().contains(&name) {
            tokio::task::yield_now().await;
        }
        assert!(asking.ask(&name, Duration::from_secs(9), || true).await);
    }
}
