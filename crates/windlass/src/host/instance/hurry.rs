//! Whether what stops is to stop soon, because somebody waits for it with something urgent.

use tokio::sync::watch;
use windlass_core::units::Span;

/// The longest grace of what is to stop soon. What it had in hand may be cut.
pub(in crate::host) const SOON: Span = Span::from_secs(5);

/// Whether somebody is in a hurry.
pub(in crate::host) struct Hurry(Option<watch::Receiver<bool>>);

impl Hurry {
    /// Nobody is, and nobody is going to be.
    pub(in crate::host) const fn never() -> Self {
        Self(None)
    }

    /// Somebody may say so.
    pub(in crate::host) const fn of(said: watch::Receiver<bool>) -> Self {
        Self(Some(said))
    }

    /// Whether somebody has said so.
    pub(in crate::host) fn has_come(&self) -> bool {
        self.0.as_ref().is_some_and(|said| *said.borrow())
    }

    /// Waits until somebody says so.
    pub(in crate::host) async fn comes(&mut self) {
        if let Some(said) = &mut self.0
            && said.wait_for(|said| *said).await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }

    /// Waits for `work` as long as nobody is in a hurry.
    pub(in crate::host) async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.comes() => None,
            done = work => Some(done),
        }
    }
}
