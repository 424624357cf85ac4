//! Certificates, chosen by the name that the client asks for.
//!
//! Their files are looked at all the time, and read again when they change: whatever renews them need
//! tell nobody. One that cannot be used never takes the place of one that can; what was read last is
//! shown until the files are whole again, also by the next process ([`LastGood`]).

use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{ServerName, UnixTime};
use tokio_rustls::rustls::server::{
    ClientHello, ParsedCertificate, ResolvesServerCert, ServerSessionMemoryCache, StoresServerSessions,
};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};
use windlass_core::spec::Tls;

use crate::certificate::{self, Lapse, Texts};
use crate::proxy::control::last_good::LastGood;
use crate::proxy::edge::Edge;
use crate::proxy::run::say;

/// How often the files are looked at.
const PACE: Duration = Duration::from_secs(5);

/// How long before a certificate expires it is told of. Whoever renews them does so a month before.
const NOTICE: Duration = Duration::from_secs(14 * 24 * 3600);

/// How many sessions are remembered.
const SESSIONS: usize = 1024;

/// What TLS connections are answered with.
pub(in crate::proxy) struct Certificates {
    config: Option<Arc<ServerConfig>>,
    choice: Arc<Choice>,
    /// What clients that come again need not negotiate anew; goes on from table to table.
    sessions: Arc<dyn StoresServerSessions>,
    /// Why none can be used, whatever the files hold.
    broken: Option<String>,
}

/// The certificates of a table, in its order.
#[derive(Debug, Default)]
struct Choice(RwLock<Vec<Shown>>);

/// One certificate.
#[derive(Debug, Clone)]
struct Shown {
    files: Tls,
    stamp: [Option<Stamp>; 2],
    /// What was read last and could be used.
    pair: Option<Arc<CertifiedKey>>,
    /// Why the files as they are cannot be used.
    fault: Option<String>,
}

/// What changes when a file does.
type Stamp = (u64, u64, Option<SystemTime>, (i64, i64));

impl Certificates {
    pub(in crate::proxy) fn none() -> Self {
        let sessions = ServerSessionMemoryCache::new(SESSIONS);
        Self { config: None, choice: Arc::default(), sessions, broken: None }
    }

    /// Reads the files. Of one that cannot be used, what was read `before` or by an earlier process
    /// is shown.
    pub(in crate::proxy) fn load(files: &[Tls], before: &Self, last_good: &LastGood) -> Self {
        let known = before.choice.shown();
        let sessions = Arc::clone(&before.sessions);
        let shown: Vec<Shown> = files.iter().map(|files| Shown::read(files, &known, last_good)).collect();
        if shown.is_empty() {
            return Self { sessions, ..Self::none() };
        }
        let choice = Arc::new(Choice(RwLock::new(shown)));
        let (config, broken) = match config(&choice, &sessions) {
            Ok(config) => (Some(Arc::new(config)), None),
            Err(error) => (None, Some(format!("TLS cannot be used: {error}"))),
        };
        Self { config, choice, sessions, broken }
    }

    /// Reads those again whose files have changed; tells what came of it.
    fn refresh(&self, last_good: &LastGood) -> Vec<String> {
        let known = self.choice.shown();
        let mut said = Vec::new();
        for (at, old) in known.iter().enumerate().filter(|(_, old)| stamp(&old.files) != old.stamp) {
            let new = Shown::read(&old.files, &known, last_good);
            said.push(match &new.fault {
                Some(fault) => fault.clone(),
                None => format!("certificate {} was read again", new.files.certificate),
            });
            self.choice.0.write().unwrap_or_else(PoisonError::into_inner)[at] = new;
        }
        said
    }

    /// How to answer a TLS connection; `None` when no certificate can be used.
    pub(in crate::proxy) fn config(&self) -> Option<Arc<ServerConfig>> {
        self.config.clone()
    }

    /// What is wrong with them now, or soon will be.
    pub(in crate::proxy) fn problems(&self) -> Vec<String> {
        let shown = self.choice.shown();
        let mut problems: Vec<String> = self.broken.iter().cloned().collect();
        problems.extend(shown.iter().filter_map(Shown::problem));
        if !shown.is_empty() && shown.iter().all(|shown| shown.pair.is_none()) {
            problems.push("no certificate can be used: TLS connections are refused until one can".to_owned());
        }
        problems
    }
}

/// Looks after the certificates of whatever table is in force.
pub(in crate::proxy) async fn watch(edge: Arc<Edge>) {
    loop {
        tokio::time::sleep(PACE).await;
        let live = edge.live();
        let edge = Arc::clone(&edge);
        let said = tokio::task::spawn_blocking(move || live.certificates.refresh(edge.last_good())).await;
        for line in said.unwrap_or_default() {
            say(&line);
        }
    }
}

impl Shown {
    fn read(files: &Tls, known: &[Self], last_good: &LastGood) -> Self {
        // Before the files are read: a change while they are is seen the next time.
        let stamp = stamp(files);
        let certificate = &files.certificate;
        let texts = Texts::read(files);
        let found = texts.and_then(|texts| Ok((certificate::pair(files, &texts)?, texts)));
        match found {
            Ok((pair, texts)) => {
                // It is missed only by a start while the files are broken; a full disk is told of elsewhere.
                let _kept = last_good.keep(files, &texts);
                Self { files: files.clone(), stamp, pair: Some(pair), fault: None }
            }
            Err(why) => {
                let before = known.iter().find(|shown| shown.files == *files);
                let pair = before.and_then(|shown| shown.pair.clone()).or_else(|| last_good.read(files));
                let instead = match pair {
                    Some(_) => "; what was read before is shown",
                    None => "",
                };
                let fault = Some(format!("certificate {certificate} is not used: {why}{instead}"));
                Self { files: files.clone(), stamp, pair, fault }
            }
        }
    }

    fn problem(&self) -> Option<String> {
        let certificate = &self.files.certificate;
        let pair = self.pair.as_ref().filter(|_| self.fault.is_none());
        let dates = pair.and_then(|pair| {
            let now = UnixTime::now();
            let soon = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + NOTICE);
            match (certificate::lapse(pair, now), certificate::lapse(pair, soon)) {
                (Some(Lapse::Expired(day)), _) => Some(format!("certificate {certificate} expired on {day}")),
                (Some(Lapse::NotYet(day)), _) => {
                    Some(format!("certificate {certificate} is not valid before {day}"))
                }
                (None, Some(Lapse::Expired(day))) => {
                    Some(format!("certificate {certificate} expires on {day}: renew it"))
                }
                _ => None,
            }
        });
        self.fault.clone().or(dates)
    }
}

/// What tells the files from any that will replace them.
fn stamp(files: &Tls) -> [Option<Stamp>; 2] {
    [&files.certificate, &files.key].map(|path| {
        let seen = std::fs::metadata(path).ok()?;
        // The last two tell of a mode or an owner that was put right.
        Some((seen.ino(), seen.len(), seen.modified().ok(), (seen.ctime(), seen.ctime_nsec())))
    })
}

fn config(
    choice: &Arc<Choice>,
    sessions: &Arc<dyn StoresServerSessions>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(choice) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.send_tls13_tickets = 2;
    config.session_storage = Arc::clone(sessions);
    Ok(config)
}

impl Choice {
    fn shown(&self) -> Vec<Shown> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Choice {
    /// The first certificate that is for the name; else the first of all.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut pairs = shown.iter().filter_map(|shown| shown.pair.as_ref());
        let first = pairs.clone().next();
        name.and_then(|name| pairs.find(|pair| is_for(pair, &name))).or(first).cloned()
    }
}

fn is_for(pair: &CertifiedKey, name: &ServerName<'_>) -> bool {
    pair.end_entity_cert()
        .and_then(ParsedCertificate::try_from)
        .is_ok_and(|certificate| rustls::client::verify_server_name(&certificate, name).is_ok())
}
