//! The pages.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::data::Data;
use crate::form;
use crate::http::{Request, Response, Server};
use crate::log::{self, quoted};
use crate::page;
use crate::settings::{self, Fault};
use crate::signal::{self, Signal};

/// The longest time that `/slow` takes.
const SLOWEST: Duration = Duration::from_secs(60);

/// Serves until it is asked to stop, then finishes what it holds.
pub fn run() -> io::Result<()> {
    let signals = signal::subscribe()?;
    let fault = settings::fault()?;
    if fault == Fault::Crash {
        return Err(io::Error::other("GUESTBOOK_FAULT=crash: web ends on purpose"));
    }
    let site = Site { data: Data::open()?, release: settings::release(), fault };
    let server = Server::bind(settings::port()?)?;
    log::event("listening", &[("port", &server.port()?.to_string())]);
    server.start(move |request| site.answer(request));
    wait_for_stop(&signals);
    log::event("stopping", &[]);
    let unfinished = server.drain();
    log::event("stopped", &[("unfinished", &unfinished.to_string())]);
    Ok(())
}

fn wait_for_stop(signals: &mpsc::Receiver<Signal>) {
    while matches!(signals.recv(), Ok(Signal::Quiet)) {}
}

struct Site {
    data: Data,
    release: String,
    fault: Fault,
}

impl Site {
    fn answer(&self, request: &Request) -> Response {
        if self.fault == Fault::Errors && request.path != "/health" {
            return Response::text(500, "GUESTBOOK_FAULT=errors: this page fails on purpose");
        }
        let result = match (request.method.as_str(), request.path.as_str()) {
            ("GET" | "HEAD", "/") => self.guestbook(),
            ("GET" | "HEAD", "/entries") => self.entries(),
            ("POST", "/entries") => self.submit(request),
            ("GET" | "HEAD", "/health") => Ok(self.health()),
            ("GET" | "HEAD", "/version") => Ok(Response::text(200, &self.release)),
            ("GET" | "HEAD", "/slow") => Ok(slow(request)),
            ("GET" | "HEAD", "/static/guestbook.css") => Ok(Response::new(200, "text/css", page::STYLE)),
            (_, "/" | "/health" | "/version" | "/slow") => Ok(Response::not_allowed("GET, HEAD")),
            (_, "/entries") => Ok(Response::not_allowed("GET, HEAD, POST")),
            _ => Ok(Response::text(404, "There is no such page.")),
        };
        result.unwrap_or_else(|error| {
            log::event("error", &[("path", &request.path), ("error", &error.to_string())]);
            Response::text(500, "The guestbook cannot be read or written at the moment.")
        })
    }

    fn guestbook(&self) -> io::Result<Response> {
        let page = page::guestbook(&self.data, &self.release)?;
        Ok(Response::new(200, "text/html; charset=utf-8", page).header("Cache-Control", "no-store"))
    }

    fn entries(&self) -> io::Result<Response> {
        let mut json = format!("{{\"waiting\":{},\"entries\":[", self.data.waiting()?.len());
        for (index, entry) in page::newest(&self.data)?.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let (id, name, message) = (quoted(&entry.id), quoted(&entry.name), quoted(&entry.message));
            json.push_str(&format!("{comma}{{\"id\":{id},\"name\":{name},\"message\":{message}}}"));
        }
        json.push_str("]}\n");
        Ok(Response::json(200, json))
    }

    fn submit(&self, request: &Request) -> io::Result<Response> {
        let fields = form::decode(&String::from_utf8_lossy(&request.body));
        let message = form::field(&fields, "message").unwrap_or_default().trim();
        if message.is_empty() {
            return Ok(Response::text(422, "Please write a message."));
        }
        let name = form::field(&fields, "name").unwrap_or_default();
        let id = self.data.submit(name, message)?;
        log::event("submitted", &[("entry", &id)]);
        Ok(Response::text(303, &id).header("Location", "/"))
    }

    /// Readiness. While the process stops it says so, and whoever balances sends nothing more.
    fn health(&self) -> Response {
        let (status, word) = if signal::stopping() {
            (503, "stopping")
        } else if self.fault == Fault::NeverReady {
            (503, "starting")
        } else if self.data.waiting().is_err() {
            (503, "no data directory")
        } else {
            (200, "ok")
        };
        Response::json(
            status,
            format!("{{\"status\":{},\"release\":{}}}\n", quoted(word), quoted(&self.release)),
        )
    }
}

/// Takes `ms` milliseconds to answer.
fn slow(request: &Request) -> Response {
    let fields = form::decode(&request.query);
    let asked = form::field(&fields, "ms").unwrap_or("1000").parse();
    let Ok(time) = asked.map(Duration::from_millis) else {
        return Response::text(400, "ms is a number of milliseconds.");
    };
    let time = time.min(SLOWEST);
    log::event("slow", &[("ms", &time.as_millis().to_string())]);
    thread::sleep(time);
    Response::text(200, &format!("This took {} ms.", time.as_millis()))
}
