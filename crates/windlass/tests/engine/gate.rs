//! Where every act of the fake world waits until it is its turn: so whoever tells the story decides what happens next,
//! and may drop the engine at any place at which it waits.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use serde::{Deserialize, Serialize};

/// What becomes of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// It is done.
    Happens,
    /// It is not, and that is said.
    Fails,
    /// It is, and yet it is said that it failed.
    HappensAndFails,
}

/// Whose turn it may be: a run, and a step of it that acts; `None`: it looks, or interrupts.
pub(crate) type Who = (usize, Option<u32>);

/// All that wait.
#[derive(Clone, Default)]
pub(crate) struct Gate(Rc<RefCell<Waiting>>);

#[derive(Default)]
struct Waiting {
    number: u64,
    all: Vec<Waiter>,
}

struct Waiter {
    number: u64,
    who: Who,
    waker: Waker,
    fate: Option<Fate>,
}

impl Gate {
    /// Waits for a turn.
    pub(crate) fn pass(&self, who: Who) -> Pass {
        Pass { gate: self.clone(), who, number: None }
    }

    /// Who waits, in an order that is the same for the same story.
    pub(crate) fn waiting(&self) -> Vec<Who> {
        let mut all: Vec<Who> = self.0.borrow().all.iter().map(|waiter| waiter.who).collect();
        all.sort_unstable();
        all
    }

    /// Gives one its turn; says whether it waited.
    pub(crate) fn let_pass(&self, who: Who, fate: Fate) -> bool {
        let mut waiting = self.0.borrow_mut();
        let Some(waiter) = waiting.all.iter_mut().find(|waiter| waiter.who == who) else { return false };
        waiter.fate = Some(fate);
        let waker = waiter.waker.clone();
        drop(waiting);
        waker.wake();
        true
    }
}

/// A wait that ends with its turn.
pub(crate) struct Pass {
    gate: Gate,
    who: Who,
    number: Option<u64>,
}

impl Future for Pass {
    type Output = Fate;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Fate> {
        let gate = self.gate.clone();
        let mut waiting = gate.0.borrow_mut();
        let Some(number) = self.number else {
            waiting.number += 1;
            let number = waiting.number;
            self.number = Some(number);
            waiting.all.push(Waiter { number, who: self.who, waker: cx.waker().clone(), fate: None });
            return Poll::Pending;
        };
        let at = waiting.all.iter().position(|waiter| waiter.number == number);
        let Some(at) = at else { return Poll::Pending };
        match waiting.all[at].fate {
            Some(fate) => {
                waiting.all.remove(at);
                Poll::Ready(fate)
            }
            None => {
                waiting.all[at].waker = cx.waker().clone();
                Poll::Pending
            }
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let number = self.number;
        self.gate.0.borrow_mut().all.retain(|waiter| Some(waiter.number) != number);
    }
}
