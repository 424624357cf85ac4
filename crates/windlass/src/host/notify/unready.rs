//! Copies that are not ready: told of once for each service, when it has lasted.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use windlass_core::name::{InstanceId, Name};

/// So long a copy is not ready before anybody is told, however short its start may be.
const LEAST: Duration = Duration::from_secs(10);

/// Which copies are not ready.
#[derive(Default)]
pub(super) struct Unready {
    since: IndexMap<InstanceId, Instant>,
    /// The services of which was told, until all their copies are ready.
    told: BTreeSet<Name>,
}

impl Unready {
    /// Takes which copies of a service are not ready, each of which may take so long to `start`. Answers the one
    /// of which is to be told, and since when.
    pub(super) fn look(
        &mut self,
        service: &Name,
        unready: &[InstanceId],
        start: Duration,
        now: Instant,
    ) -> Option<(InstanceId, Duration)> {
        self.since.retain(|id, _| id.service != *service || unready.contains(id));
        if unready.is_empty() {
            self.told.remove(service);
            return None;
        }
        let lasted = |id: &InstanceId| {
            let since = *self.since.entry(id.clone()).or_insert(now);
            (id.clone(), now.duration_since(since))
        };
        let longest = unready.iter().map(lasted).max_by_key(|(_, lasted)| *lasted)?;
        let is_long = longest.1 > start.max(LEAST);
        (is_long && self.told.insert(service.clone())).then_some(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_service_is_told_of_once_when_a_copy_was_not_ready_for_longer_than_a_start_takes() {
        let [one, two] = ["web.r1.1", "web.r1.2"].map(|id| id.parse::<InstanceId>().unwrap());
        let (mut all, began) = (Unready::default(), Instant::now());
        let mut look = |second: u64, unready: &[&InstanceId]| {
            let unready: Vec<InstanceId> = unready.iter().copied().cloned().collect();
            let told = all.look(&one.service, &unready, MINUTE, began + Duration::from_secs(second));
            told.map(|(id, lasted)| (id.to_string(), lasted.as_secs()))
        };
        assert_eq!(look(0, &[&one]), None);
        // By turns: neither of them for long.
        assert_eq!(look(40, &[&two]), None);
        assert_eq!(look(80, &[&one]), None);
        assert_eq!(look(130, &[&one, &two]), None);
        assert_eq!(look(141, &[&one, &two]), Some(("web.r1.1".to_owned(), 61)));
        assert_eq!(look(500, &[&one, &two]), None, "once");
        assert_eq!(look(501, &[]), None);
        assert_eq!(look(502, &[&two]), None, "another episode");
        assert_eq!(look(563, &[&two]), Some(("web.r1.2".to_owned(), 61)));
    }

    #[test]
    fn a_start_that_takes_no_time_is_no_reason_to_tell_of_every_blink() {
        let one = "web.r1.1".parse::<InstanceId>().unwrap();
        let (mut all, began) = (Unready::default(), Instant::now());
        let mut look = |second| {
            let now = began + Duration::from_secs(second);
            all.look(&one.service, std::slice::from_ref(&one), Duration::ZERO, now)
        };
        assert!(look(0).is_none() && look(10).is_none() && look(11).is_some());
    }
}
