//! Digests by which what need not be touched is recognised.

use serde::Serialize;

use super::{Source, Tree};
use crate::name::Name;
use crate::spec::Spec;

/// 16 hexadecimal digits that change when `value` does.
pub(crate) fn of(value: &impl Serialize) -> String {
    // What the specification is made of always serialises; should it ever not, an empty digest
    // differs from every other and only costs a restart.
    serde_json::to_vec(value)
        .map_or_else(|_| String::new(), |bytes| blake3::hash(&bytes).to_hex()[..16].to_owned())
}

/// The digest of what an instance of `service` runs, with the files it sees; empty when there is no
/// such service.
#[must_use]
pub fn service_digest(spec: &Spec, service: &Name, source: &Source) -> String {
    let files = source.parts.get(service).unwrap_or(&source.digest);
    spec.service_digest(service, files).unwrap_or_default()
}

/// The digest of what a job does, and where: when it is unchanged in the same tree, it need not run
/// again. Another tree of the same source lacks the files that it made in the first.
#[must_use]
pub fn job_digest(spec: &Spec, job: &Name, tree: &Tree) -> String {
    spec.job_digest(job, &tree.id.to_string()).unwrap_or_default()
}

/// The digest of what a resource runs; empty when there is no such resource.
#[must_use]
pub fn resource_digest(spec: &Spec, resource: &Name) -> String {
    spec.resource_digest(resource).unwrap_or_default()
}
