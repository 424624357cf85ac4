//! One controller's conversation.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use windlass_core::event::What;
use windlass_core::journal::Turn;
use windlass_core::protocol::{Answer, Ask, Hello, PROTOCOL_VERSION, Refusal};

use crate::host::Host;
use crate::host::logs::{Line, Wanted};
use crate::host::run::handle::RunHandle;
use crate::host::run::no::No;
use crate::observe::debug;
use crate::transport::{FrameError, receive, send};

/// One side of the conversation: what the controller asks comes through a channel, so that its going
/// away is noticed also while a run is followed.
pub(in crate::host) struct Session {
    writer: OwnedWriteHalf,
    asks: mpsc::Receiver<Ask>,
}

/// Talks until the controller goes.
pub(in crate::host) async fn converse(host: &Rc<Host>, stream: UnixStream) {
    // The socket's directory admits its owner only; this holds also where its mode was changed.
    let peer = stream.peer_cred().map(|peer| peer.uid());
    let own = rustix::process::geteuid().as_raw();
    if !matches!(peer, Ok(uid) if uid == own || uid == 0) {
        return;
    }
    // From the first: who is here is not left alone.
    let Some(_here) = host.welcome() else { return };
    let (mut reader, mut writer) = stream.into_split();
    let Ok(hello) = receive::<Hello>(&mut reader).await else { return };
    let ours = Hello { protocol: PROTOCOL_VERSION, program: crate::host::build() };
    if send(&mut writer, &ours).await.is_err() || hello.protocol != PROTOCOL_VERSION {
        return;
    }
    let (sender, asks) = mpsc::channel(16);
    let reading = tokio::task::spawn_local(read(reader, sender));
    let mut session = Session { writer, asks };
    while let Some(ask) = session.asks.recv().await {
        if session.answer(host, ask).await.is_err() {
            break;
        }
    }
    reading.abort();
}

async fn read(mut reader: OwnedReadHalf, asks: mpsc::Sender<Ask>) {
    while let Ok(ask) = receive(&mut reader).await {
        if asks.send(ask).await.is_err() {
            return;
        }
    }
}

impl Session {
    async fn answer(&mut self, host: &Rc<Host>, ask: Ask) -> Result<(), FrameError> {
        debug::ask("host", &ask);
        match ask {
            Ask::Observe => {
                let seen = crate::host::observe(&host.layout, &host.journal.borrow());
                let answer = match (seen, crate::host::settings::values::key(&host.layout)) {
                    (Ok(seen), Ok(key)) => Answer::Observed { observed: Box::new(seen), key },
                    (Err(error), _) => failed(&error),
                    (_, Err(error)) => failed(&error),
                };
                self.say(answer).await
            }
            Ask::Begin { plan, values, passed, key, by } => {
                match host.begin(*plan, (values, passed), &key, &by) {
                    Ok(run) => self.follow(&run).await,
                    Err(no) => self.refuse(no).await,
                }
            }
            Ask::Claim { how, by, run, interrupted } => {
                match host.claim(how, &by, run.as_deref(), interrupted) {
                    Ok(run) => self.follow(&run).await,
                    Err(no) => self.refuse(no).await,
                }
            }
            Ask::Cancel { run, by } => {
                if let Some(handle) = host.run(&run) {
                    handle.cancel(Turn::Cancelled { by });
                }
                self.say(Answer::Done).await
            }
            Ask::Hurry { run, .. } => match host.hurry(&run) {
                Ok(()) => self.say(Answer::Done).await,
                Err(no) => self.refuse(no).await,
            },
            Ask::OpenRun => self.say(Answer::OpenRun(host.open_run())).await,
            Ask::Status => {
                let mut status = host.status().await;
                host.look_at_audit(&mut status);
                self.say(Answer::Status(Box::new(status))).await
            }
            Ask::Releases => {
                let releases = host.release_records();
                self.say(releases.map(Answer::Releases).unwrap_or_else(|error| failed(&error))).await
            }
            Ask::Schema => match host.schema_now().await {
                Ok(schema) => self.say(Answer::Schema(schema)).await,
                Err(no) => self.refuse(no).await,
            },
            Ask::Recall { release } => {
                let row = host.journal.borrow().release(release);
                let answer = match row {
                    Ok(Some(row)) => Answer::Recalled { spec: Box::new(row.spec), source: row.source },
                    Ok(None) => Answer::Refused {
                        kind: Refusal::NotFound,
                        message: format!("the ledger does not know {release}"),
                        hint: "see windlass releases".to_owned(),
                    },
                    Err(error) => failed(&error),
                };
                self.say(answer).await
            }
            Ask::Runs { limit } => {
                let runs = host.journal.borrow().run_records(limit);
                self.say(runs.map(Answer::Runs).unwrap_or_else(|error| failed(&error))).await
            }
            Ask::Audit => {
                let audit = host.journal.borrow().audit();
                self.say(audit.map(Answer::Audit).unwrap_or_else(|error| failed(&error))).await
            }
            Ask::Acknowledge { by } => {
                let known = host.journal.borrow_mut().acknowledge(&by, crate::clock::wall_millis());
                self.say(known.map(Answer::Acknowledged).unwrap_or_else(|error| failed(&error))).await
            }
            Ask::Logs { of, release, lines, since, follow, notes } => {
                self.logs(host, &Wanted { of, release, lines, since, notes }, follow).await
            }
            Ask::Run { what, attached: false, by } => self.run(host, what, &by).await,
            Ask::Run { what, attached: true, by } => match host.attach(what, &by).await {
                Ok(answer) => self.say(answer).await,
                Err(no) => self.refuse(no).await,
            },
            Ask::Rest => match host.rest_when_left() {
                Ok(()) => self.say(Answer::Done).await,
                Err(no) => self.refuse(no).await,
            },
            Ask::Shutdown { delete_data } => {
                let answer = match host.shutdown(delete_data).await {
                    Ok(()) => Answer::Done,
                    Err(no) => Answer::Refused { kind: no.kind, message: no.message, hint: no.hint },
                };
                self.say(answer).await
            }
        }
    }

    /// Sends the run's events until it is over. When the last controller that follows a run goes away before
    /// that has taken the lock, the run is dropped; later it finishes by itself.
    async fn follow(&mut self, run: &Rc<RunHandle>) -> Result<(), FrameError> {
        let following = run.follow();
        let followed = self.tell(run).await;
        if followed.is_err() {
            // It went while it was being told something; what it asked before it went still holds.
            while let Some(ask) = self.asks.recv().await {
                heed(run, ask);
            }
            following.go_away();
        }
        followed
    }

    async fn tell(&mut self, run: &Rc<RunHandle>) -> Result<(), FrameError> {
        let mut news = run.news();
        let mut sent = 0;
        loop {
            while let Some((event, next)) = run.event(sent) {
                sent = next;
                let over = matches!(event.what, What::RunEnded { .. } | What::Interrupted { .. });
                self.say(Answer::Event(event)).await?;
                if over {
                    return Ok(());
                }
            }
            tokio::select! {
                changed = news.changed() => if changed.is_err() { return Ok(()) },
                ask = self.asks.recv() => match ask {
                    Some(ask) => heed(run, ask),
                    None => return Err(FrameError::Closed),
                },
            }
        }
    }

    async fn logs(&mut self, host: &Host, wanted: &Wanted, follow: bool) -> Result<(), FrameError> {
        let mut logs = match host.open_logs(wanted) {
            Ok(logs) => logs,
            Err(no) => return self.refuse(no).await,
        };
        for text in std::mem::take(&mut logs.notes) {
            self.say(Answer::Note { text }).await?;
        }
        for line in logs.past() {
            self.say_line(line).await?;
        }
        if !follow {
            return self.say(Answer::Done).await;
        }
        loop {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(100)) => {
                    for line in logs.news(host) {
                        self.say_line(line).await?;
                    }
                }
                ask = self.asks.recv() => if ask.is_none() { return Err(FrameError::Closed) },
            }
        }
    }

    async fn run(
        &mut self,
        host: &Rc<Host>,
        what: windlass_core::protocol::RunWhat,
        by: &str,
    ) -> Result<(), FrameError> {
        let (lines, mut output) = mpsc::unbounded_channel();
        let label = match host.prepare_run(what, by) {
            Ok(label) => label,
            Err(no) => return self.refuse(no).await,
        };
        if let Some(text) = label.announced() {
            self.say(Answer::Note { text }).await?;
        }
        let directory = host.layout.job(&label.name);
        let line = move |line: String| drop(lines.send(line));
        let run = host.run_now(&label, &line);
        tokio::pin!(run);
        // Whoever asked may go away: it is ended then, and waited for, because it is cleaned up after.
        let mut gone = None;
        let mut ending = false;
        let ended = loop {
            tokio::select! {
                ended = &mut run => break ended,
                // It may only just be starting when its end is asked for.
                () = tokio::time::sleep(Duration::from_millis(100)), if ending => stop(&directory).await,
                Some(text) = output.recv() => {
                    let source = label.name.clone();
                    if gone.is_none()
                        && let Err(error) = send(&mut self.writer, &Answer::Line { source, copy: None, text }).await
                    {
                        gone = Some(error);
                        ending = true;
                    }
                }
                ask = self.asks.recv(), if gone.is_none() => {
                    if ask.is_none() {
                        gone = Some(FrameError::Closed);
                    }
                    ending |= matches!(ask, None | Some(Ask::Cancel { .. }));
                }
            }
        };
        if let Some(error) = gone {
            return Err(error);
        }
        while let Ok(text) = output.try_recv() {
            self.say(Answer::Line { source: label.name.clone(), copy: None, text }).await?;
        }
        match ended {
            Ok((code, how)) => self.say(Answer::Exited { code, how }).await,
            Err(fault) => self.refuse(No::new(Refusal::Failed, fault.message, fault.hint)).await,
        }
    }

    async fn refuse(&mut self, no: No) -> Result<(), FrameError> {
        self.say(Answer::Refused { kind: no.kind, message: no.message, hint: no.hint }).await
    }

    async fn say_line(&mut self, Line { source, copy, text }: Line) -> Result<(), FrameError> {
        self.say(Answer::Line { source, copy, text }).await
    }

    async fn say(&mut self, answer: Answer) -> Result<(), FrameError> {
        send(&mut self.writer, &answer).await
    }
}

fn heed(run: &RunHandle, ask: Ask) {
    if let Ask::Cancel { by, .. } = ask {
        run.cancel(Turn::Cancelled { by });
    }
}

async fn stop(directory: &Path) {
    if let Some(seen) = crate::runtime::process::observe(directory).filter(|seen| seen.keeper_alive) {
        crate::host::cron::outcomes::note_asked(directory);
        let stop = &seen.launch.stop;
        let _ = crate::runtime::process::stop(directory, &stop.signal, stop.grace).await;
    }
}

fn failed(error: &dyn std::fmt::Display) -> Answer {
    Answer::Refused { kind: Refusal::Failed, message: error.to_string(), hint: String::new() }
}
