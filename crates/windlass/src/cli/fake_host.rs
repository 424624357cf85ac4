//! A host side that says what a test has it say, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use tokio::net::UnixStream;
use windlass_core::event::{Event, What};
use windlass_core::protocol::{Answer, Ask, Hello, PROTOCOL_VERSION};

use crate::host;
use crate::layout::Layout;
use crate::transport::{self, Frames};

/// What it was asked, in order.
#[derive(Clone, Default)]
pub(super) struct Asked(Arc<Mutex<Vec<Ask>>>);

impl Asked {
    /// By kind.
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().iter().map(Ask::kind).collect()
    }
}

/// What is answered to an ask, where so many of its kind came before.
type Says = dyn Fn(&Ask, usize) -> Vec<Answer> + Send + Sync;

/// Answers at the place of this environment's host side. Where what it says of a run is not the end, it dies there, and
/// is there again at once.
pub(super) fn serve(
    layout: &Layout,
    says: impl Fn(&Ask, usize) -> Vec<Answer> + Send + Sync + 'static,
) -> Asked {
    std::fs::create_dir_all(layout.host()).unwrap();
    let listener = transport::bind(&layout.host(), "sock").unwrap();
    let (asked, says): (_, Arc<Says>) = (Asked::default(), Arc::new(says));
    let answering = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, answering.clone(), Arc::clone(&says)));
        }
    });
    asked
}

async fn converse(stream: UnixStream, asked: Asked, says: Arc<Says>) {
    let (reader, writer) = stream.into_split();
    let mut frames = Frames::new(reader, writer);
    let _theirs: Hello = frames.receive().await.unwrap();
    frames.send(&Hello { protocol: PROTOCOL_VERSION, program: host::build() }).await.unwrap();
    while let Ok(ask) = frames.receive::<Ask>().await {
        let before = asked.kinds().iter().filter(|kind| **kind == ask.kind()).count();
        let answers = says(&ask, before);
        asked.0.lock().unwrap().push(ask);
        let dies = matches!(
            answers.last(),
            Some(Answer::Event(Event { what, .. }))
                if !matches!(what, What::RunEnded { .. } | What::Interrupted { .. })
        );
        for answer in answers {
            frames.send(&answer).await.unwrap();
        }
        if dies {
            return;
        }
    }
}
