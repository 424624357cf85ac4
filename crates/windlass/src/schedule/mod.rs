//! Cron jobs' clock. When a job is due is decided in `windlass_core::policy::cron`.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use windlass_core::policy::cron::Schedule;
use windlass_core::spec::Cron;

/// The longest sleep in one piece. The wall clock is looked at again after each, because it may
/// have been set, and the machine may have been suspended.
const LONGEST: Duration = Duration::from_secs(20);

/// The schedule of `cron`.
///
/// # Errors
/// What is wrong with the expression or the time zone, and what to write instead.
pub fn schedule(cron: &Cron) -> Result<Schedule, String> {
    let zone = TimeZone::get(&cron.time_zone).map_err(|_| {
        format!(
            "{:?} is not a time zone that this machine knows: write one like Europe/Berlin or UTC, and see that \
             the package tzdata is installed",
            cron.time_zone
        )
    })?;
    Schedule::parse(&cron.schedule, zone).map_err(|error| error.to_string())
}

/// Returns when the wall clock has reached `instant`; for ever waits when there is none.
pub async fn sleep_until(instant: Option<Timestamp>) {
    loop {
        let left = instant.map_or(LONGEST, |instant| {
            Duration::try_from(instant.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
        });
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LONGEST)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_core::spec::{Command, Limits, Missed, Overlap};
    use windlass_core::units::Span;

    fn cron(schedule: &str, time_zone: &str) -> Cron {
        Cron {
            command: Command::Shell("true".into()),
            directory: String::new(),
            env: Default::default(),
            user: None,
            schedule: schedule.into(),
            time_zone: time_zone.into(),
            overlap: Overlap::Skip,
            missed: Missed::Once,
            timeout: Span::ZERO,
            limits: Limits::default(),
        }
    }

    #[test]
    fn zones_and_expressions_are_checked() {
        assert!(schedule(&cron("@daily", "UTC")).is_ok());
        assert!(
            schedule(&cron("@daily", "Mars/Base"))
                .unwrap_err()
                .starts_with("\"Mars/Base\" is not a time zone")
        );
        assert!(schedule(&cron("daily", "UTC")).unwrap_err().starts_with("\"daily\" is not a schedule"));
    }

    #[test]
    fn the_past_is_not_waited_for() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            sleep_until(Some(Timestamp::UNIX_EPOCH)).await;
            let soon = Timestamp::now() + Duration::from_millis(30);
            sleep_until(Some(soon)).await;
            assert!(Timestamp::now() >= soon);
        });
    }
}
