//! Who is woken when something happens to a connection to an endpoint.
//!
//! Its driver is polled by whoever uses it. What the driver and the user tell each other within that very poll (here is
//! a request, a part of the body is wanted, here it is) would wake the task that is running, for a turn in which there
//! is nothing to do. So the connection has a waker of its own, which all that it waits for knows: it passes on what
//! happens while its user waits, and only that.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// It has rung since it was hushed.
const RUNG: u8 = 1;
/// Somebody waits for it to ring.
const HEARD: u8 = 2;

/// See the module.
pub(super) struct Bell {
    shared: Arc<Shared>,
    /// The connection's own.
    waker: Waker,
}

struct Shared {
    state: AtomicU8,
    user: Mutex<Waker>,
}

impl Bell {
    pub(super) fn new() -> Self {
        let shared = Arc::new(Shared { state: AtomicU8::new(0), user: Mutex::new(Waker::noop().clone()) });
        Self { waker: Waker::from(Arc::clone(&shared)), shared }
    }

    /// Does `work`, whose wakes nobody hears.
    pub(super) fn unheard<T>(&self, work: impl FnOnce(&mut Context<'_>) -> T) -> T {
        self.shared.state.store(0, Ordering::Release);
        work(&mut Context::from_waker(&self.waker))
    }

    /// Forgets who was last woken, which may have ended long before the connection is used again.
    pub(super) fn forget_user(&self) {
        *self.shared.user.lock().unwrap_or_else(PoisonError::into_inner) = Waker::noop().clone();
    }

    /// Does `work` for a task, which is woken when it is to be done again.
    pub(super) fn heard<T>(
        &self,
        cx: &Context<'_>,
        work: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let done = self.unheard(work);
        if done.is_pending() {
            self.shared.is_heard_by(cx.waker());
        }
        done
    }
}

impl Shared {
    fn is_heard_by(&self, task: &Waker) {
        self.user.lock().unwrap_or_else(PoisonError::into_inner).clone_from(task);
        // It has rung in the middle of the work: when the driver lets others run, for instance.
        if self.state.swap(HEARD, Ordering::AcqRel) & RUNG != 0 {
            task.wake_by_ref();
        }
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.fetch_or(RUNG, Ordering::AcqRel) & HEARD != 0 {
            self.user.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
        }
    }
}

/// A task that counts how often it is woken.
#[cfg(test)]
#[derive(Default)]
pub(super) struct Task(std::sync::atomic::AtomicUsize);

#[cfg(test)]
impl Task {
    pub(super) fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> (Arc<Task>, Waker) {
        let task = Arc::<Task>::default();
        (Arc::clone(&task), Waker::from(task))
    }

    #[test]
    fn who_waits_is_woken_and_nobody_else() {
        let ((first, first_waker), (second, second_waker)) = (task(), task());
        let bell = Bell::new();
        let mut own = None;
        let _pending = bell.heard(&Context::from_waker(&first_waker), |cx| {
            own = Some(cx.waker().clone());
            Poll::<()>::Pending
        });
        let own = own.unwrap();
        own.wake_by_ref();
        assert_eq!(first.wakes(), 1);
        let _pending = bell.heard(&Context::from_waker(&second_waker), |_| Poll::<()>::Pending);
        own.wake_by_ref();
        assert_eq!((first.wakes(), second.wakes()), (1, 1));
        bell.unheard(|_| ());
        own.wake_by_ref();
        assert_eq!((first.wakes(), second.wakes()), (1, 1), "nobody waits");
    }

    #[test]
    fn what_happens_within_the_work_wakes_its_task_only_if_that_goes_on_waiting() {
        let (task, waker) = task();
        let bell = Bell::new();
        let ring = |cx: &mut Context<'_>| cx.waker().wake_by_ref();
        let done = bell.heard(&Context::from_waker(&waker), |cx| {
            ring(cx);
            Poll::Ready(())
        });
        assert_eq!((done, task.wakes()), (Poll::Ready(()), 0));
        let done = bell.heard(&Context::from_waker(&waker), |cx| {
            ring(cx);
            Poll::<()>::Pending
        });
        assert_eq!((done, task.wakes()), (Poll::Pending, 1));
    }
}
