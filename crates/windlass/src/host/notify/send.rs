//! Sending, apart from everything else: a bounded number of messages under way, each with a time
//! limit and a few tries. What could not be delivered is said in the log and by `status`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use windlass_core::journal::Fault;
use windlass_core::name::{Name, ReleaseId};
use windlass_core::notice::Notice;
use windlass_core::spec::{Notify, Reference, Spec};
use zeroize::Zeroizing;

use super::streak::Streak;
use super::unready::Unready;
use super::webhook::Webhook;
use crate::host::Host;
use crate::host::settings::lookup::Settings;
use crate::host::settings::values;
use crate::host::supervise::loops::note;
use crate::http_client::{Client, Patience, Proxies, Request};

/// How many messages may be under way; more are dropped.
const MOST: usize = 32;

/// How long one try may take, of those that are counted here.
const ONCE: Patience =
    Patience { attempts: 1, connect: Duration::from_secs(10), answer: Duration::from_secs(10) };

/// The pauses between tries.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(25)];

/// What is under way, and what could not be delivered.
#[derive(Default)]
pub(in crate::host) struct Post {
    under_way: Cell<usize>,
    /// Why the last message to each could not be delivered.
    undelivered: RefCell<IndexMap<Name, String>>,
    /// Copies that are not ready.
    pub(super) unready: RefCell<Unready>,
    /// When certificates were told of last, and what.
    pub(super) certificates: RefCell<Option<(Instant, Vec<String>)>>,
    /// How private resources hold out.
    pub(super) streaks: RefCell<IndexMap<Name, Streak>>,
}

/// Why a message was not delivered.
enum Missed {
    /// It may be delivered yet.
    ForNow(String),
    ForGood(String),
}

impl Post {
    /// Whether a message is on its way.
    pub(in crate::host) fn is_under_way(&self) -> bool {
        self.under_way.get() > 0
    }
}

impl Host {
    /// Tells everybody whom the specification names for such an occasion. Returns at once.
    pub(super) fn tell(self: &Rc<Self>, spec: &Spec, release: ReleaseId, notice: &Notice) {
        let asked = spec.notify.iter().filter(|(_, notify)| notify.on.contains(&notice.occasion));
        let asked: Vec<(&Name, &Notify)> = asked.collect();
        if asked.is_empty() {
            return;
        }
        let values = values::read(&self.layout, release).unwrap_or_default();
        let mut notice = notice.clone();
        let redactor = self.redactor(release);
        notice.reason = notice.reason.map(|reason| redactor.redact(&reason).into_owned());
        for (name, notify) in asked {
            match self.address(notify, Settings { values: &values, known: &spec.settings }) {
                Ok(url) => self.post(name.clone(), url, notice.body(notify.format)),
                Err(why) => self.missed(name, why),
            }
        }
    }

    fn post(self: &Rc<Self>, name: Name, url: String, body: String) {
        let under_way = self.post.under_way.get();
        if under_way >= MOST {
            return self.missed(&name, format!("{MOST} messages are under way already"));
        }
        self.post.under_way.set(under_way + 1);
        let host = self.clone();
        tokio::task::spawn_local(async move {
            match deliver(&url, &body).await {
                Ok(()) => {
                    note(&format!("notify.{name} was told"));
                    host.post.undelivered.borrow_mut().shift_remove(&name);
                }
                Err(why) => host.missed(&name, why),
            }
            host.post.under_way.set(host.post.under_way.get() - 1);
        });
    }

    fn missed(&self, name: &Name, why: String) {
        note(&format!("notify.{name} could not be told: {why}"));
        self.post.undelivered.borrow_mut().insert(name.clone(), why);
    }

    /// What could not be delivered, for people.
    pub(in crate::host) fn undelivered(&self) -> Vec<String> {
        let undelivered = self.post.undelivered.borrow();
        undelivered
            .iter()
            .map(|(name, why)| {
                format!("notify.{name} could not be told: {why}; windlass logs host shows when")
            })
            .collect()
    }

    fn address(&self, notify: &Notify, settings: Settings<'_>) -> Result<String, String> {
        let (app, environment) = self.names();
        let other = |reference: &Reference| match reference {
            Reference::App => Ok(app.to_string()),
            Reference::Environment => Ok(environment.to_string()),
            other => Err(Fault::new(format!("{{{other}}} stands for nothing in an address"), "")),
        };
        let filled = notify.url.fill(|reference| match reference {
            Reference::Setting(key) => settings.text(key, &other),
            reference => other(reference),
        });
        filled.map_err(|fault| fault.message)
    }
}

async fn deliver(url: &str, body: &str) -> Result<(), String> {
    let webhook = Webhook::parse(url)?;
    let mut pauses = PAUSES.iter();
    loop {
        match attempt(&webhook, body).await {
            Ok(()) => return Ok(()),
            Err(Missed::ForGood(why)) => return Err(why),
            Err(Missed::ForNow(why)) => match pauses.next() {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => return Err(format!("{why} ({} tries)", PAUSES.len() + 1)),
            },
        }
    }
}

async fn attempt(webhook: &Webhook, body: &str) -> Result<(), Missed> {
    let proxies = Proxies::of_env(|name| std::env::var(name).ok());
    // What is told holds no secret, and within a network of one's own a webhook often has no TLS.
    let client = Client::new(None, true, proxies, ONCE.answer);
    let body = Zeroizing::new(body.as_bytes().to_vec());
    let request =
        Request::post(&webhook.server, webhook.path.as_str(), "application/json", body).patience(ONCE);
    match client.tell(&request).await {
        Ok(200..=299) => Ok(()),
        Ok(status @ (408 | 425 | 429 | 500..=599)) => Err(Missed::ForNow(format!("it answered {status}"))),
        // A redirect is not followed: the message would go where nobody said it may.
        Ok(status) => Err(Missed::ForGood(format!("it answered {status}"))),
        // Without the hint: it speaks of what can be said of a store in the manifest.
        Err(trouble) => Err(Missed::ForNow(format!("it {}", trouble.what))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    fn attempt_at(address: &str) -> Result<(), Missed> {
        let webhook = Webhook::parse(address).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(attempt(&webhook, "{}"))
    }

    #[test]
    fn what_went_wrong_is_told_without_the_secret_part_of_the_address() {
        let port = windlass_testkit::ports::free_port();
        let Err(Missed::ForNow(why)) = attempt_at(&format!("https://127.0.0.1:{port}/secret?secret")) else {
            panic!("it was told, or given up");
        };
        assert_eq!(why, format!("it cannot be reached at https://127.0.0.1:{port}: connection refused"));
    }

    #[test]
    fn whoever_answers_has_been_told_however_long_the_answer_goes_on() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // Whoever answers before it is asked speaks no HTTP.
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n{}") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                asked.extend(byte);
            }
            stream.write_all(b"HTTP/1.1 200 Said\r\nContent-Length: 9999999999\r\n\r\n").unwrap();
            // Until the client has gone.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        assert!(attempt_at(&format!("http://{address}/")).is_ok());
        server.join().unwrap();
    }
}
