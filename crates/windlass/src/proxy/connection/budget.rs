//! Descriptors: what a worker's requests hold beside their clients' connections is counted, so that
//! neither many requests over one connection nor kept connections can use up what the process may open.

use std::cell::Cell;
use std::rc::Rc;

/// How many a worker may still open for its requests: connections to endpoints, and files.
pub(in crate::proxy) struct Budget(Rc<Cell<usize>>);

/// One of them; dropping it gives it back.
pub(in crate::proxy) struct Descriptor(Rc<Cell<usize>>);

impl Budget {
    pub(in crate::proxy) fn new(count: usize) -> Self {
        Self(Rc::new(Cell::new(count)))
    }

    /// One, if there is one left.
    pub(in crate::proxy) fn take(&self) -> Option<Descriptor> {
        self.0.set(self.0.get().checked_sub(1)?);
        Some(Descriptor(Rc::clone(&self.0)))
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}
