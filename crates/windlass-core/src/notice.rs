//! What is told to those who asked for it (`[notify]`): short, without log lines and without
//! secrets, and the same facts in every form.

use serde_json::json;

use crate::event::RunRecord;
use crate::journal::{Fault, Verdict};
use crate::spec::{MessageFormat, Occasion};

/// The longest explanation that is sent, in characters.
const LONGEST: usize = 500;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What kind of thing.
    pub occasion: Occasion,
    /// The application.
    pub app: String,
    /// The environment.
    pub environment: String,
    /// What it happened to: a release (`r12`), a copy of a service, a cron job.
    pub subject: String,
    /// What happened, in one sentence.
    pub summary: String,
    /// Why, where that is known; secrets are masked in it.
    pub reason: Option<String>,
    /// Who asked for the run, where it was one.
    pub by: Option<String>,
    /// When, milliseconds since 1970.
    pub at: i64,
}

impl Notice {
    /// What to tell of a run that has ended; nothing where it was refused, because then nothing was
    /// begun, and nothing where services were stopped, because somebody stood beside it.
    #[must_use]
    pub fn of_run(app: &str, environment: &str, record: &RunRecord, verdict: &Verdict) -> Option<Self> {
        let release = record.release?;
        if record.previous == Some(release) {
            return None;
        }
        let (occasion, what, fault): (_, _, Option<&Fault>) = match verdict {
            Verdict::Done => (Occasion::Deployed, "is live".to_owned(), None),
            Verdict::Failed(fault) => {
                (Occasion::Failed, "failed; nothing was changed".to_owned(), Some(fault))
            }
            Verdict::RolledBack(fault) => {
                let back = record.previous.map_or_else(
                    || "failed and was taken back".to_owned(),
                    |previous| format!("failed; {previous} has the requests again"),
                );
                (Occasion::RolledBack, back, Some(fault))
            }
            Verdict::DoneWithProblems(faults) => {
                (Occasion::NeedsPerson, "is live, but something is left to do".to_owned(), faults.first())
            }
            Verdict::Stuck { cause, .. } => (
                Occasion::NeedsPerson,
                "failed, and going back did not wholly succeed".to_owned(),
                Some(cause),
            ),
            Verdict::Refused(_) => return None,
        };
        Some(Self {
            occasion,
            app: app.to_owned(),
            environment: environment.to_owned(),
            subject: release.to_string(),
            summary: format!("{release} {what}"),
            reason: fault.map(|fault| reason(fault, environment)),
            by: Some(record.by.clone()),
            at: record.ended,
        })
    }

    /// The body of the request that tells it.
    #[must_use]
    pub fn body(&self, format: MessageFormat) -> String {
        let reason = self.reason.as_deref().map(shortened);
        match format {
            MessageFormat::Json => json!({
                "event": self.occasion.word(),
                "app": self.app,
                "environment": self.environment,
                "subject": self.subject,
                "summary": self.summary,
                "reason": reason,
                "by": self.by,
                "at": jiff::Timestamp::from_millisecond(self.at).unwrap_or_default().to_string(),
            })
            .to_string(),
            MessageFormat::Slack => {
                let mut text = format!("{} ({}): {}", self.app, self.environment, self.summary);
                if let Some(reason) = reason {
                    text.push_str(": ");
                    text.push_str(&reason);
                }
                // These three characters have a meaning of their own there.
                let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                json!({ "text": text }).to_string()
            }
        }
    }
}

/// Why, and what stays for a person to look at. Whoever reads it stands in no project, so that a command
/// says which environment it is about.
fn reason(fault: &Fault, environment: &str) -> String {
    let mut reason = fault.message.clone();
    for stays in &fault.stays {
        reason.push_str("; ");
        reason.push_str(stays);
    }
    reason.replace("`windlass run ", &format!("`windlass run --env {environment} "))
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::ReleaseId;

    fn record(previous: Option<u64>) -> RunRecord {
        RunRecord {
            release: Some(ReleaseId(12)),
            previous: previous.map(ReleaseId),
            by: "ada@build".to_owned(),
            ended: 1_795_222_923_004,
            ..RunRecord::default()
        }
    }

    fn told(previous: Option<u64>, verdict: &Verdict) -> Option<Notice> {
        Notice::of_run("shop", "production", &record(previous), verdict)
    }

    // proves: APE-15
    #[test]
    fn a_run_is_told_as_it_ended() {
        let fault = || Fault::new("web.r12.1 ended before it was ready: exit code 1", "see the log");
        let summary = |verdict: &Verdict| told(Some(11), verdict).map(|n| (n.occasion, n.summary));
        assert_eq!(summary(&Verdict::Done), Some((Occasion::Deployed, "r12 is live".to_owned())));
        assert_eq!(
            summary(&Verdict::RolledBack(fault())),
            Some((Occasion::RolledBack, "r12 failed; r11 has the requests again".to_owned()))
        );
        assert_eq!(
            summary(&Verdict::Failed(fault())),
            Some((Occasion::Failed, "r12 failed; nothing was changed".to_owned()))
        );
        assert_eq!(
            summary(&Verdict::Stuck { cause: fault(), left: vec![] }).map(|(occasion, _)| occasion),
            Some(Occasion::NeedsPerson)
        );
        assert_eq!(summary(&Verdict::Refused(fault())), None);
        assert_eq!(told(Some(12), &Verdict::Done), None, "a stop");
    }

    #[test]
    fn a_message_has_the_facts_and_no_log_lines() {
        let mut fault = Fault::new("the job migrate failed: exit code 1", "");
        fault.tail = vec!["password=hunter2".to_owned()];
        let notice = told(Some(11), &Verdict::RolledBack(fault)).unwrap();
        assert_eq!(
            notice.body(MessageFormat::Json),
            r#"{"event":"rolled-back","app":"shop","environment":"production","subject":"r12","summary":"r12 failed; r11 has the requests again","reason":"the job migrate failed: exit code 1","by":"ada@build","at":"2026-11-21T01:02:03.004Z"}"#
        );
        assert_eq!(
            notice.body(MessageFormat::Slack),
            r#"{"text":"shop (production): r12 failed; r11 has the requests again: the job migrate failed: exit code 1"}"#
        );
    }

    #[test]
    fn what_stays_is_told_with_the_command_for_this_environment() {
        let mut fault = Fault::new("the job migrate failed: exit code 1", "the lines above");
        fault.stays.push("it ended half-way: `windlass run migrate --undo` runs its undo".to_owned());
        assert_eq!(
            told(Some(11), &Verdict::RolledBack(fault)).unwrap().reason.unwrap(),
            "the job migrate failed: exit code 1; it ended half-way: `windlass run --env production migrate --undo` \
             runs its undo"
        );
    }

    #[test]
    fn what_has_a_meaning_to_slack_is_escaped_and_nothing_is_endless() {
        let fault = Fault::new(format!("<!channel> & {}", "x".repeat(2000)), "");
        let body = told(None, &Verdict::Failed(fault)).unwrap().body(MessageFormat::Slack);
        assert!(body.contains("&lt;!channel&gt; &amp; xxx"), "{body}");
        assert!(body.len() < 700 && body.ends_with("...\"}"), "{body}");
    }
}
