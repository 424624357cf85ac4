//! Control-C and SIGTERM, from the first run that a call follows to the call's end.
//!
//! Before that they end this process, as they do any other: nothing has begun. Once a run is followed they ask
//! for its end, and what the call would begin afterwards is not begun.

use std::cell::Cell;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::{Failure, INTERRUPTED};

/// Long enough for a signal that has come to be seen.
const INSTANT: Duration = Duration::from_millis(1);

/// What asks to stop. A terminal that goes away does not: that ends this process, as it does any other
/// that nohup does not shield, and the run goes on.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    pub(super) async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The signals of a call.
#[derive(Default)]
pub(super) struct Interrupts {
    /// Held once a run was followed. The process would not get them back.
    signals: Cell<Option<Signals>>,
    came: Cell<bool>,
}

impl Interrupts {
    /// From now on they do not end this process. They are to be given back.
    pub(super) fn take(&self) -> Result<Signals, Failure> {
        match self.signals.take() {
            Some(signals) => Ok(signals),
            None => Signals::new()
                .map_err(|error| Failure::failed(format!("signals cannot be awaited: {error}"), "")),
        }
    }

    pub(super) fn give_back(&self, signals: Signals) {
        self.signals.set(Some(signals));
    }

    /// Remembers that one came.
    pub(super) fn note(&self) {
        self.came.set(true);
    }

    /// Refuses to begin anything more once one has come.
    pub(super) async fn refuse(&self) -> Result<(), Failure> {
        if !self.came.get() {
            let _ = tokio::time::timeout(INSTANT, self.next()).await;
        }
        match self.came.get() {
            true => Err(refusal()),
            false => Ok(()),
        }
    }

    /// Waits for `asked`, unless one comes or has come.
    pub(super) async fn or<T>(&self, asked: impl Future<Output = T>) -> Result<T, Failure> {
        if self.came.get() {
            return Err(refusal());
        }
        tokio::select! {
            answer = asked => Ok(answer),
            () = self.next() => Err(refusal()),
        }
    }

    /// Waits for `asked`, unless another one comes.
    pub(super) async fn until_another(&self, asked: impl Future<Output = ()>) {
        tokio::select! {
            () = asked => {}
            () = self.next() => {}
        }
    }

    /// Waits for one; for ever where they end the process.
    async fn next(&self) {
        let Some(signals) = self.signals.take() else { return std::future::pending().await };
        let mut lent = Lent { of: self, signals: Some(signals) };
        if let Some(signals) = &mut lent.signals {
            signals.any().await;
        }
        self.note();
    }
}

/// Signals that are given back however the wait for them ends.
struct Lent<'i> {
    of: &'i Interrupts,
    signals: Option<Signals>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.of.signals.set(self.signals.take());
    }
}

fn refusal() -> Failure {
    Failure::new(
        INTERRUPTED,
        "interrupted: what was asked for is not begun",
        "`windlass status` says how things stand",
    )
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn what_comes_while_nobody_waits_is_known_to_the_next_who_asks() {
        let interrupts = Interrupts::default();
        assert!(interrupts.refuse().await.is_ok());
        let signals = interrupts.take().unwrap();
        interrupts.give_back(signals);
        assert!(interrupts.refuse().await.is_ok());
        assert_eq!(interrupts.or(std::future::ready(7)).await.unwrap(), 7);
        kill_process(getpid(), Signal::TERM).unwrap();
        let refused = interrupts.or(std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(refused.code, INTERRUPTED);
        assert!(interrupts.refuse().await.is_err(), "once is enough");
        assert!(interrupts.or(std::future::ready(7)).await.is_err(), "nobody is asked any more");
        interrupts.until_another(std::future::ready(())).await;
        kill_process(getpid(), Signal::TERM).unwrap();
        interrupts.until_another(std::future::pending()).await;
    }
}
