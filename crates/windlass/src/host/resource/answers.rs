//! Whether the resources answer: one truth for the health page, `status`, and whoever waits for them.

use std::time::{Duration, Instant};

use indexmap::IndexMap;
use windlass_core::name::Name;

use crate::host::Host;

/// How long a resource may take to answer before it counts as ill.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long an answer of a resource is taken for the present.
const FRESH: Duration = Duration::from_secs(1);

/// What they answered last.
#[derive(Default)]
pub(in crate::host) struct Answers(tokio::sync::Mutex<Option<(Instant, IndexMap<Name, bool>)>>);

impl Host {
    /// Which resources of the active release answer. However many want to know, they are asked once a second.
    pub(in crate::host) async fn answers(&self) -> IndexMap<Name, bool> {
        let mut last = self.answers.0.lock().await;
        if let Some((_, known)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return known.clone();
        }
        let asked = self.ask_resources(PATIENCE).await;
        *last = Some((Instant::now(), asked.clone()));
        asked
    }
}
