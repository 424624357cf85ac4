//! Counters, and how they are told to Prometheus.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use windlass_core::edge::{Counters, LATENCY_BOUNDS_MICROS, Report, RouteCounts};

use crate::proxy::request::ticket::Cut;

const BUCKETS: usize = LATENCY_BOUNDS_MICROS.len() + 1;

/// How long answers took to begin.
#[derive(Default)]
pub(in crate::proxy) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_micros: AtomicU64,
}

impl Histogram {
    pub(in crate::proxy) fn record(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn counts(&self) -> Vec<u64> {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect()
    }
}

/// What one release answered; see [`Counters`].
#[derive(Default)]
pub(in crate::proxy) struct Release {
    pub(in crate::proxy) name: String,
    pub(in crate::proxy) served: AtomicU64,
    pub(in crate::proxy) server_errors: AtomicU64,
    pub(in crate::proxy) client_errors: AtomicU64,
    pub(in crate::proxy) failed: AtomicU64,
    pub(in crate::proxy) server_errors_rescued: AtomicU64,
    pub(in crate::proxy) failed_rescued: AtomicU64,
    pub(in crate::proxy) drained: AtomicU64,
    cut: AtomicU64,
    cut_at_drain: AtomicU64,
    cut_server_errors: AtomicU64,
    waiting: AtomicU64,
    pub(in crate::proxy) latency: Histogram,
}

/// A request that waits for its answer; counted until it is dropped.
pub(in crate::proxy) struct Waiting<'release>(&'release Release);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Release {
    pub(in crate::proxy) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// A request begins to wait.
    pub(in crate::proxy) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }

    /// An answer with this status ended before it was whole.
    pub(in crate::proxy) fn count_cut(&self, by: Cut, status: u16) {
        self.cut.fetch_add(1, Ordering::Relaxed);
        if status >= 500 {
            self.cut_server_errors.fetch_add(1, Ordering::Relaxed);
        }
        if by == Cut::Drain {
            self.cut_at_drain.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(in crate::proxy) fn counters(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            served: read(&self.served),
            server_errors: read(&self.server_errors),
            client_errors: read(&self.client_errors),
            failed: read(&self.failed),
            server_errors_rescued: read(&self.server_errors_rescued),
            failed_rescued: read(&self.failed_rescued),
            drained: read(&self.drained),
            cut: read(&self.cut),
            cut_at_drain: read(&self.cut_at_drain),
            cut_server_errors: read(&self.cut_server_errors),
            waiting: read(&self.waiting),
            latency: self.latency.counts(),
        }
    }
}

/// What one route answered.
#[derive(Default)]
pub(in crate::proxy) struct RouteCounters {
    /// By the status's hundreds, 1 to 5.
    statuses: [AtomicU64; 6],
    bytes: AtomicU64,
    latency: Histogram,
}

impl RouteCounters {
    pub(in crate::proxy) fn record(&self, status: u16, latency: Duration) {
        self.statuses[usize::from(status / 100).min(5)].fetch_add(1, Ordering::Relaxed);
        self.latency.record(latency);
    }

    pub(in crate::proxy) fn sent(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(in crate::proxy) fn counts(&self) -> RouteCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RouteCounts { answers: self.statuses.iter().map(read).sum(), server_errors: read(&self.statuses[5]) }
    }
}

/// Everything in Prometheus' text format.
pub(in crate::proxy) fn prometheus<'route>(
    report: &Report,
    routes: impl Iterator<Item = (&'route str, &'route RouteCounters)>,
) -> String {
    let mut page = Page::default();
    page.gauge("windlass_table_generation", "The table in force.", &[("", report.generation)]);
    page.gauge("windlass_held_requests", "Requests waiting for a ready endpoint.", &[("", report.held)]);
    page.gauge(
        "windlass_longest_gap_microseconds",
        "Longest time in which no answer began although several requests waited, since the last switch.",
        &[("", report.longest_gap_micros)],
    );
    page.endpoints(report);
    page.releases(report);
    page.drained(report);
    page.routes(routes);
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn gauge(&mut self, name: &str, help: &str, values: &[(&str, u64)]) {
        self.head(name, "gauge", help);
        for (labels, value) in values {
            let _ = writeln!(self.text, "{name}{labels} {value}");
        }
    }

    fn endpoints(&mut self, report: &Report) {
        self.head("windlass_endpoint_up", "gauge", "Whether the endpoint gets requests.");
        for (instance, endpoint) in &report.endpoints {
            let up = u8::from(endpoint.healthy);
            let _ = writeln!(self.text, "windlass_endpoint_up{{instance=\"{}\"}} {up}", escape(instance));
        }
        self.head("windlass_endpoint_in_flight", "gauge", "Requests and connections in flight.");
        for (instance, endpoint) in &report.endpoints {
            let count = endpoint.in_flight;
            let _ = writeln!(
                self.text,
                "windlass_endpoint_in_flight{{instance=\"{}\"}} {count}",
                escape(instance)
            );
        }
    }

    fn releases(&mut self, report: &Report) {
        self.head("windlass_release_answers_total", "counter", "Requests by release and outcome, each once.");
        for (release, counters) in &report.releases {
            let release = escape(release);
            let cut = counters.cut.saturating_sub(counters.cut_server_errors);
            for (outcome, count) in [
                ("served", counters.served.saturating_sub(counters.server_errors + cut)),
                ("server_error", counters.server_errors),
                ("failed", counters.failed),
                ("cut", cut),
            ] {
                let _ = writeln!(
                    self.text,
                    "windlass_release_answers_total{{release=\"{release}\",outcome=\"{outcome}\"}} {count}"
                );
            }
        }
    }

    fn drained(&mut self, report: &Report) {
        self.head(
            "windlass_release_drained_total",
            "counter",
            "Requests finished by copies that were leaving.",
        );
        for (release, counters) in &report.releases {
            let (release, count) = (escape(release), counters.drained);
            let _ = writeln!(self.text, "windlass_release_drained_total{{release=\"{release}\"}} {count}");
        }
    }

    fn routes<'route>(&mut self, routes: impl Iterator<Item = (&'route str, &'route RouteCounters)>) {
        let routes: Vec<_> = routes.map(|(name, counters)| (escape(name), counters)).collect();
        self.head("windlass_route_answers_total", "counter", "Answers by route and status class.");
        for (name, counters) in &routes {
            for (class, count) in counters.statuses.iter().enumerate().skip(1) {
                let count = count.load(Ordering::Relaxed);
                let _ = writeln!(
                    self.text,
                    "windlass_route_answers_total{{route=\"{name}\",status=\"{class}xx\"}} {count}"
                );
            }
        }
        self.head("windlass_route_sent_bytes_total", "counter", "Bytes of answers' bodies.");
        for (name, counters) in &routes {
            let bytes = counters.bytes.load(Ordering::Relaxed);
            let _ = writeln!(self.text, "windlass_route_sent_bytes_total{{route=\"{name}\"}} {bytes}");
        }
        self.head("windlass_route_latency_seconds", "histogram", "Time until the answer began.");
        for (name, counters) in &routes {
            self.histogram(name, &counters.latency);
        }
    }

    fn histogram(&mut self, route: &str, latency: &Histogram) {
        let mut total = 0;
        for (index, count) in latency.counts().into_iter().enumerate() {
            total += count;
            let bound = LATENCY_BOUNDS_MICROS.get(index).map_or_else(
                || "+Inf".to_owned(),
                |micros| Duration::from_micros(*micros).as_secs_f64().to_string(),
            );
            let _ = writeln!(
                self.text,
                "windlass_route_latency_seconds_bucket{{route=\"{route}\",le=\"{bound}\"}} {total}"
            );
        }
        let sum = Duration::from_micros(latency.sum_micros.load(Ordering::Relaxed)).as_secs_f64();
        let _ = writeln!(self.text, "windlass_route_latency_seconds_sum{{route=\"{route}\"}} {sum}");
        let _ = writeln!(self.text, "windlass_route_latency_seconds_count{{route=\"{route}\"}} {total}");
    }
}

fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_falls_into_the_bucket_whose_bound_it_does_not_pass() {
        let histogram = Histogram::default();
        for micros in [0, 100, 101, 10_000_000, 10_000_001] {
            histogram.record(Duration::from_micros(micros));
        }
        let counts = histogram.counts();
        assert_eq!((counts[0], counts[1], counts[19], counts[20]), (2, 1, 1, 1));
    }

    #[test]
    fn each_request_has_one_outcome() {
        let release = Release::new("r1");
        for (counter, count) in
            [(&release.served, 5), (&release.server_errors, 2), (&release.failed, 1), (&release.drained, 3)]
        {
            counter.store(count, Ordering::Relaxed);
        }
        release.count_cut(Cut::Application, 200);
        release.count_cut(Cut::Application, 500);
        let counters = release.counters();
        assert_eq!((counters.cut, counters.bad()), (2, 4));
        let report = Report { releases: [("r1".to_owned(), counters)].into(), ..Report::default() };
        let page = prometheus(&report, std::iter::empty());
        let answers: Vec<_> = page.lines().filter(|line| line.starts_with("windlass_release_")).collect();
        assert_eq!(
            answers,
            [
                r#"windlass_release_answers_total{release="r1",outcome="served"} 2"#,
                r#"windlass_release_answers_total{release="r1",outcome="server_error"} 2"#,
                r#"windlass_release_answers_total{release="r1",outcome="failed"} 1"#,
                r#"windlass_release_answers_total{release="r1",outcome="cut"} 1"#,
                r#"windlass_release_drained_total{release="r1"} 3"#,
            ]
        );
    }

    #[test]
    fn the_page_escapes_labels_and_counts_buckets_up() {
        let route = RouteCounters::default();
        route.record(200, Duration::from_micros(200));
        route.record(502, Duration::from_micros(80));
        route.sent(7);
        assert_eq!(route.counts(), RouteCounts { answers: 2, server_errors: 1 });
        let page = prometheus(&Report::default(), [("a\"b", &route)].into_iter());
        for line in [
            r#"windlass_route_answers_total{route="a\"b",status="5xx"} 1"#,
            r#"windlass_route_latency_seconds_bucket{route="a\"b",le="0.0001"} 1"#,
            r#"windlass_route_latency_seconds_bucket{route="a\"b",le="+Inf"} 2"#,
            r#"windlass_route_sent_bytes_total{route="a\"b"} 7"#,
        ] {
            assert!(page.lines().any(|found| found == line), "no line {line} in\n{page}");
        }
    }
}
