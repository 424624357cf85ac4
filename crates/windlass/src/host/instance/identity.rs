//! What is written beside an instance's keeper: everything needed to start it again.

use std::io;
use std::path::Path;

use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use windlass_core::name::{InstanceId, ReleaseId};
use windlass_core::spec::{Port, Service};

use crate::checksummed;
use crate::layout::{self, Layout};

/// An instance as it was first started. Holds references to secrets, never their values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::host) struct Identity {
    /// Which.
    pub id: InstanceId,
    /// The digest of what it runs.
    pub digest: String,
    /// The tree it runs from.
    pub tree: ReleaseId,
    /// The port it was given, if it listens.
    pub port: Option<u16>,
    /// Its definition.
    pub service: Service,
    /// Where each resource it may refer to comes from.
    pub resources: IndexMap<windlass_core::name::Name, windlass_core::spec::Resource>,
}

const FILE: &str = "instance.json";

/// What tells an instance from others: a small part of its identity, in which all that it is given stands too.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(in crate::host) struct Outline {
    /// Which.
    pub id: InstanceId,
    /// The digest of what it runs.
    pub digest: String,
    /// The port it was given, if it listens.
    pub port: Option<u16>,
    service: Manner,
}

/// How a service's copies stand to each other: see [`Service`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Manner {
    singleton: bool,
    port: Option<Port>,
}

impl Outline {
    /// See [`Service::is_alone`].
    pub(in crate::host) fn is_alone(&self) -> bool {
        self.service.singleton || matches!(self.service.port, Some(Port::Fixed(_)))
    }

    /// All instances of the environment, in no order: see [`Identity::all`].
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub(in crate::host) fn all(layout: &Layout) -> io::Result<Vec<Self>> {
        all(layout)
    }
}

impl Identity {
    /// Reads what stands in an instance's directory.
    ///
    /// # Errors
    /// When there is nothing, or it cannot be understood.
    pub(in crate::host) fn read(directory: &Path) -> io::Result<Self> {
        checksummed::read(&directory.join(FILE))?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Writes it, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(in crate::host) fn write(&self, layout: &Layout) -> io::Result<()> {
        let directory = layout.instance(&self.id);
        layout::make_dir(&directory, 0o700)?;
        checksummed::write(&directory.join(FILE), self)
    }

    /// All instances of the environment, in no order. Directories that cannot be understood are
    /// passed over: they are the leftovers of a start that never came about.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub(in crate::host) fn all(layout: &Layout) -> io::Result<Vec<Self>> {
        let mut found: Vec<Self> = all(layout)?;
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }
}

/// What can be read of each instance's directory.
fn all<T: DeserializeOwned>(layout: &Layout) -> io::Result<Vec<T>> {
    let entries = match std::fs::read_dir(layout.instances()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        found.extend(checksummed::read::<T>(&entry?.path().join(FILE)).ok().flatten());
    }
    Ok(found)
}
