//! Which requests go where, and how many came.

use windlass_core::edge::Report;
use windlass_core::protocol::RouteStatus;
use windlass_core::spec::Spec;

use crate::host::proxy::table::label;

/// The routes of the release in force, the most specific first. What the proxy has counted is told where its report
/// knows the route: it does not where the proxy is away.
pub(super) fn routes(spec: &Spec, report: &Report) -> Vec<RouteStatus> {
    let routes = spec.routes.iter().enumerate();
    let told = routes.map(|(number, route)| RouteStatus {
        host: route.host.clone(),
        path: route.path.clone(),
        to: route.to.clone(),
        counts: report.routes.get(&label(&spec.routes, number)).copied(),
    });
    told.collect()
}
