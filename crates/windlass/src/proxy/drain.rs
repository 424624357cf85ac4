//! What happens to requests and connections when their endpoint leaves the table, or the proxy
//! itself goes.
//!
//! A request in flight has the whole drain time. An event stream or an upgraded connection has no
//! end of its own, so it is closed politely at its turn, because each client comes back at once: a few
//! soon one after another, many spread evenly over the drain time.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::proxy::connection::worker::{Closing, Worker};
use crate::proxy::endpoint::claim::{Holder, Note};

/// The longest that connections without a request in flight are kept open for a next one, which is
/// answered with `Connection: close`, while the process ends. Closing one at once would race with a
/// request that is just being sent.
const QUIET: Duration = Duration::from_secs(5);

/// How long a request that was told to end has to do so.
const GRACE: Duration = Duration::from_millis(500);

/// Follows the table: gives up connections to endpoints that left it, and sets the requests that are
/// still there a deadline.
pub(super) async fn follow(worker: Rc<Worker>) {
    let mut changed = worker.edge.changed.subscribe();
    loop {
        worker.links.forget_left();
        let drain = worker.edge.live().table.drain.as_duration();
        if set_deadlines(&worker, drain, |note| note.backend.has_left()) {
            tokio::task::spawn_local(give_up(Rc::clone(&worker), drain + GRACE));
        }
        if changed.changed().await.is_err() {
            return;
        }
    }
}

/// A client that takes nothing of what it is sent does not even notice that its request is over: its
/// connection is given up, once no request to an endpoint that stays is on it.
async fn give_up(worker: Rc<Worker>, after: Duration) {
    sleep(after).await;
    loop {
        let now = Instant::now();
        let mut waits = false;
        {
            let claims = worker.claims.borrow();
            let is_stuck = |note: &Note| note.close_at.is_some_and(|close_at| close_at + GRACE <= now);
            for (_, note) in claims.iter().filter(|(_, note)| is_stuck(note)) {
                let serves = |other: &Note| other.close_at.is_none() && Rc::ptr_eq(&other.conn, &note.conn);
                if note.conn.multiplexed.get() && claims.iter().any(|(_, other)| serves(other)) {
                    waits = true;
                } else {
                    note.conn.give_up();
                }
            }
        }
        if !waits {
            return;
        }
        sleep(GRACE).await;
    }
}

/// Sets deadlines for claims that leave and have none yet. Returns whether there were any.
fn set_deadlines(worker: &Worker, drain: Duration, leaves: impl Fn(&Note) -> bool) -> bool {
    let now = Instant::now();
    let mut claims = worker.claims.borrow_mut();
    let mut any = false;
    for (_, note) in claims.iter_mut() {
        if note.close_at.is_some() || !leaves(note) {
            continue;
        }
        note.close_at = Some(match note.holder {
            Holder::Request => now + drain,
            Holder::Stream => now + share(drain, worker.edge.next_turn().max(1)),
        });
        if let Some(waker) = note.waker.take() {
            waker.wake();
        }
        any = true;
    }
    any
}

/// How long after one stream the next one ends, as long as there are few: nobody waits for one client as for
/// thousands.
const PACE: Duration = Duration::from_millis(100);

/// The moment of the `turn`-th stream, from 1, within the first nine tenths of `drain`: the last ones need time to
/// say goodbye. No worker knows how many the others have; so they end one after another until that time is full,
/// and then once more from its beginning, each time halving one of the widest gaps that the rounds before have left
/// (van der Corput).
fn share(drain: Duration, turn: u32) -> Duration {
    let window = drain.mul_f64(0.9);
    let places = u32::try_from(window.as_millis() / PACE.as_millis()).unwrap_or(u32::MAX).max(1);
    let (round, place) = ((turn - 1) / places, (turn - 1) % places);
    let earlier = f64::from(round.reverse_bits()) / f64::from(u32::MAX);
    (window / places).mul_f64(f64::from(place) + 1.0 - earlier)
}

/// Ends the worker's connections: each after its request, at the latest after `within`.
pub(super) async fn close(worker: &Rc<Worker>, within: Duration) {
    let now = Instant::now();
    let closing = Closing { quiet: now + within.min(QUIET), all: now + within };
    worker.closing.set(Some(closing));
    set_deadlines(worker, within, |_| true);
    wake_all(worker);
    for deadline in [closing.quiet, closing.all + Duration::from_millis(100)] {
        while !worker.conns.borrow().is_empty() && Instant::now() < deadline {
            sleep(Duration::from_millis(20)).await;
            // Requests that began meanwhile, on connections that were kept, have the same deadline.
            set_deadlines(worker, closing.all.saturating_duration_since(Instant::now()), |_| true);
        }
        if worker.conns.borrow().is_empty() {
            return;
        }
        sleep_until(deadline).await;
        wake_all(worker);
    }
}

fn wake_all(worker: &Worker) {
    for (_, conn) in worker.conns.borrow().iter() {
        conn.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_turns_come_soon_and_many_are_spread_over_the_drain_time() {
        let drain = Duration::from_secs(10);
        let turns = |count| (1..=count).map(|turn| share(drain, turn).as_millis());
        assert_eq!(turns(3).collect::<Vec<_>>(), [100, 200, 300]);
        assert_eq!(turns(90).max(), Some(9000));
        assert_eq!(turns(92).skip(90).collect::<Vec<_>>(), [50, 150]);
        for rounds in 1..20 {
            let mut sorted: Vec<_> = turns(90 * rounds).chain([0]).collect();
            sorted.sort_unstable();
            let widest = sorted.windows(2).map(|two| two[1] - two[0]).max().unwrap();
            assert!(widest <= 2 * 100 / u128::from(rounds) + 1, "{rounds}: {widest}");
        }
        // Where there is hardly any time, all of them are in it.
        assert!((1..9).all(|turn| share(Duration::from_millis(50), turn) <= Duration::from_millis(45)));
    }
}
