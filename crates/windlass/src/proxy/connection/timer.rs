//! A timer that costs nothing as long as deadlines only move into the future.

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// One timer for all deadlines of one task, one after another. Nearly every deadline is met, and the
/// next one is later; so the armed one is left to fire early and armed again then, instead of being
/// moved with every request.
#[derive(Default)]
pub(in crate::proxy) struct Timer(RefCell<Option<Pin<Box<Sleep>>>>);

impl Timer {
    /// Ready once `deadline` has passed. All calls for one timer come from one task.
    pub(in crate::proxy) fn poll(&self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let mut slot = self.0.borrow_mut();
        let sleep = match &mut *slot {
            // It knows this task already, and fires early enough.
            Some(armed) if armed.deadline() <= deadline && !armed.is_elapsed() => return Poll::Pending,
            slot => slot.get_or_insert_with(|| Box::pin(sleep_until(deadline))),
        };
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        // Unconstrained: pending must mean armed, and not that the task has done enough for one turn.
        while pin!(unconstrained(sleep.as_mut())).poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn deadlines_may_move_either_way() {
        let timer = Timer::default();
        let start = Instant::now();
        for millis in [30, 10, 50] {
            let deadline = Instant::now() + Duration::from_millis(millis);
            std::future::poll_fn(|cx| timer.poll(cx, deadline)).await;
        }
        assert!(start.elapsed() >= Duration::from_millis(90));
    }

    #[tokio::test]
    async fn a_deadline_that_moves_away_does_not_fire_early() {
        let timer = Timer::default();
        let start = Instant::now();
        let near = start + Duration::from_millis(10);
        let far = start + Duration::from_millis(50);
        std::future::poll_fn(|cx| {
            assert!(timer.poll(cx, near).is_pending());
            Poll::Ready(())
        })
        .await;
        std::future::poll_fn(|cx| timer.poll(cx, far)).await;
        assert!(start.elapsed() >= Duration::from_millis(50));
    }

    #[tokio::test]
    async fn a_task_that_has_done_enough_for_one_turn_is_woken_in_time() {
        let timer = Timer::default();
        let deadline = Instant::now() + Duration::from_millis(20);
        std::future::poll_fn(|cx| {
            // Until it is to let others run, once.
            while tokio::task::coop::has_budget_remaining() {
                let Poll::Ready(turn) = tokio::task::coop::poll_proceed(cx) else { break };
                turn.made_progress();
            }
            timer.poll(cx, deadline)
        })
        .await;
        assert!(Instant::now() >= deadline);
    }
}
