//! The aggregate health of the application (MDC-9): every service and resource, for people and as
//! JSON, 200 or 503, on a unix socket that the proxy forwards to.

use std::borrow::Cow;
use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use indexmap::IndexMap;
use serde::Serialize;
use windlass_core::name::{InstanceId, Name};
use windlass_core::protocol::{EnvironmentStatus, ServiceStatus};

use crate::host::Host;
use crate::host::supervise::loops::note;
use crate::transport;

#[derive(Serialize)]
struct Page {
    status: &'static str,
    app: String,
    environment: String,
    release: Option<String>,
    at: String,
    checks: IndexMap<String, Entry>,
}

#[derive(Serialize)]
struct Entry {
    status: &'static str,
    ready: usize,
    wanted: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'static, str>>,
}

impl Host {
    /// Answers on the socket `host/health`, as long as the host side lives.
    pub(in crate::host) async fn serve_health(self: &Rc<Self>) {
        let listener = match transport::bind(&self.layout.host(), "health") {
            Ok(listener) => listener,
            Err(error) => return note(&format!("the health page is off: {error}")),
        };
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let host = self.clone();
            tokio::task::spawn_local(async move {
                let service = hyper::service::service_fn(|request| answer(host.clone(), request));
                let io = hyper_util::rt::TokioIo::new(stream);
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
            });
        }
    }
}

async fn answer(host: Rc<Host>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let asked = host.answers().await;
    let status = host.status().await;
    let is_exchanging = status.run.as_ref().is_some_and(|run| run.locked && run.under_way);
    let handed_over = if is_exchanging { host.handed_over() } else { Vec::new() };
    let page = page(&status, &asked, &host.scaled_to_none(), &handed_over);
    let code = if page.status == "ok" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let (kind, body) = if accept.contains("text/html") {
        ("text/html; charset=utf-8", html(&page))
    } else {
        ("application/json", serde_json::to_string_pretty(&page).unwrap_or_default())
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    Ok(response)
}

impl Host {
    /// The services of the release in force that are to have no copy.
    fn scaled_to_none(&self) -> Vec<Name> {
        let active = self.in_force();
        let services = active.iter().flat_map(|active| &active.release.spec.services);
        services.filter(|(_, service)| service.replicas == 0).map(|(name, _)| name.clone()).collect()
    }

    /// The services without requests whose copies a run has in hand just now: one that must not overlap has none for a
    /// while.
    fn handed_over(&self) -> Vec<Name> {
        let kept = self.kept();
        let in_hand: Vec<InstanceId> =
            self.active_copies().into_iter().filter(|id| !kept.contains(id)).collect();
        let active = self.in_force();
        let services = active.iter().flat_map(|active| &active.release.spec.services);
        services
            .filter(|(name, service)| service.port.is_none() && in_hand.iter().any(|id| id.service == **name))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

/// `idle` are the services that are meant to have no copy, `handed_over` those that may have none for now.
fn page(
    status: &EnvironmentStatus,
    asked: &IndexMap<Name, bool>,
    idle: &[Name],
    handed_over: &[Name],
) -> Page {
    let services = status.services.iter().map(|service| {
        let meant = !status.stopped && service.instances.is_empty() && idle.contains(&service.name);
        let none = Entry { status: "ok", ready: 0, wanted: 0, reason: None };
        let entry = || entry(service, handed_over.contains(&service.name));
        (service.name.to_string(), if meant { none } else { entry() })
    });
    let private = |name: &Name| status.resources.iter().find(|resource| resource.name == *name);
    let resources = asked.iter().map(|(name, answers)| {
        let well = *answers && private(name).is_none_or(|resource| entry(resource, false).status == "ok");
        let status = if well { "ok" } else { "unhealthy" };
        let reason = (!well).then_some("does not answer".into());
        (name.to_string(), Entry { status, ready: usize::from(well), wanted: 1, reason })
    });
    let mut checks: IndexMap<String, Entry> = services.chain(resources).collect();
    if status.release.is_some() {
        // Its name cannot be a service's: those have no dots.
        checks.insert("windlass.storage".to_owned(), storage(status.storage.ok));
    }
    if !status.certificates.is_empty() {
        // It answers yet: whoever sends requests by this page is not to send them elsewhere for it.
        let reason = Some("one cannot be used, or soon not any more".into());
        let entry = Entry { status: "warning", ready: 0, wanted: 1, reason };
        checks.insert("windlass.certificates".to_owned(), entry);
    }
    let well = status.release.is_some() && checks.values().all(|entry| entry.status != "unhealthy");
    Page {
        status: if well { "ok" } else { "unhealthy" },
        app: status.app.clone(),
        environment: status.environment.clone(),
        release: status.release.as_ref().map(|release| release.release.to_string()),
        at: jiff::Timestamp::now().to_string(),
        checks,
    }
}

/// Says how many copies are ready, not why others are not: the page may be public. As long as one is, whoever sends
/// requests by this page is not to send them elsewhere.
fn entry(service: &ServiceStatus, handed_over: bool) -> Entry {
    let ready = service.instances.iter().filter(|instance| instance.ready).count();
    let again = service.instances.iter().filter_map(|instance| instance.again_in).min();
    let not_ready = |what: &str| match again {
        Some(left) => format!("{what}; tried again in {left}"),
        None => what.to_owned(),
    };
    let (status, reason): (_, Option<Cow<'static, str>>) = match (ready, service.wanted) {
        (_, 0) => ("unhealthy", Some("stopped".into())),
        (ready, wanted) if ready >= wanted as usize => ("ok", None),
        (0, _) if handed_over => ("warning", Some("a run exchanges it".into())),
        (0, _) => ("unhealthy", Some(not_ready("not ready").into())),
        _ => ("warning", Some(not_ready("not all are ready").into())),
    };
    Entry { status, ready, wanted: service.wanted, reason }
}

fn storage(ok: bool) -> Entry {
    let reason = (!ok).then_some("full or read-only".into());
    Entry { status: if ok { "ok" } else { "unhealthy" }, ready: usize::from(ok), wanted: 1, reason }
}

fn html(page: &Page) -> String {
    // Names are checked to be letters, digits and dashes, so nothing here can be markup.
    let rows: String = page
        .checks
        .iter()
        .map(|(name, entry)| {
            let class = if entry.status == "ok" { "ok" } else { "bad" };
            format!(
                "<tr class=\"{class}\"><td>{name}</td><td>{}</td><td>{} of {}</td></tr>",
                entry.status, entry.ready, entry.wanted
            )
        })
        .collect();
    format!(
        "<!doctype html><meta charset=\"utf-8\"><title>{app}: {status}</title>\
         <style>body{{font:16px system-ui;margin:3rem auto;max-width:36rem}}td{{padding:.3rem 1rem .3rem 0}}\
         .bad td{{color:#b00020;font-weight:600}}</style>\
         <h1>{app} ({environment}) is {status}</h1><table>{rows}</table><p>{release} at {at}</p>",
        app = page.app,
        environment = page.environment,
        status = page.status,
        release = page.release.as_deref().unwrap_or("no release"),
        at = page.at,
    )
}
