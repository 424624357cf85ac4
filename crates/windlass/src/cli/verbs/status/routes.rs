//! The routes in the status.

use std::fmt::Write as _;

use windlass_core::protocol::RouteStatus;
use windlass_core::spec::Destination;

/// A line for each route; nothing where there is none.
pub(super) fn table(routes: &[RouteStatus]) -> String {
    if routes.is_empty() {
        return String::new();
    }
    let head = ["ROUTE", "TO", "ANSWERS", "5XX"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(routes.iter().map(row)).collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default();
    let (from, to) = (width(0).max(20), width(1).max(12));
    let mut text = String::from("\n");
    for [route, leads, answers, errors] in &rows {
        let line = format!("{route:from$}  {leads:to$} {answers:>9} {errors:>7}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn row(route: &RouteStatus) -> [String; 4] {
    let from = format!("{}{}", route.host.as_deref().unwrap_or_default(), route.path);
    let counts = route.counts.map(|counts| (counts.answers.to_string(), counts.server_errors.to_string()));
    let (answers, errors) = counts.unwrap_or_default();
    [from, destination(&route.to), answers, errors]
}

fn destination(to: &Destination) -> String {
    match to {
        Destination::Service(name) => name.to_string(),
        Destination::Files { root, fallback: Some(fallback), .. } => format!("files {root}, else {fallback}"),
        Destination::Files { root, fallback: None, .. } => format!("files {root}"),
        Destination::Health => "the health page".to_owned(),
        Destination::Metrics => "the metrics".to_owned(),
        Destination::Redirect { to, status, .. } => format!("{status} to {to}"),
    }
}

#[cfg(test)]
mod tests {
    use windlass_core::edge::RouteCounts;
    use windlass_core::name::Name;

    use super::*;

    #[test]
    fn each_route_says_where_it_leads_and_what_came_of_it() {
        let route = |host: Option<&str>, path: &str, to, counts: Option<(u64, u64)>| RouteStatus {
            host: host.map(ToOwned::to_owned),
            path: path.to_owned(),
            to,
            counts: counts.map(|(answers, server_errors)| RouteCounts { answers, server_errors }),
        };
        let files = |root: &str, fallback: Option<&str>| Destination::Files {
            root: root.to_owned(),
            fallback: fallback.map(ToOwned::to_owned),
            cache_control: None,
        };
        let away = Destination::Redirect { to: "https://shop.example".to_owned(), status: 308, exact: false };
        let routes = [
            route(Some("www.shop.example"), "/", away, Some((3, 0))),
            route(None, "/.health", Destination::Health, Some((17, 2))),
            route(None, "/.metrics", Destination::Metrics, None),
            route(None, "/media", files("shared:media", None), Some((0, 0))),
            route(None, "/api", Destination::Service(Name::new("web").unwrap()), Some((123_456_789, 12))),
            route(None, "/", files("dist", Some("index.html")), None),
        ];
        let expected = "
ROUTE                 TO                            ANSWERS     5XX
www.shop.example/     308 to https://shop.example         3       0
/.health              the health page                    17       2
/.metrics             the metrics
/media                files shared:media                  0       0
/api                  web                         123456789      12
/                     files dist, else index.html
";
        assert_eq!(table(&routes), expected);
        assert_eq!(table(&[]), "");
    }
}
