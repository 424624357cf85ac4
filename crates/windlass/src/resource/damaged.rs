//! What becomes of a resource whose identity is damaged.

use windlass_core::spec::{Credential, Engine};

use super::identity::Identity;
use crate::damaged::{Damaged, Read, Sample};

/// Its files.
pub(crate) fn samples() -> Vec<Sample> {
    vec![Sample {
        page: "resources/db/",
        path: "resources/db/identity.json".into(),
        make: |layout| {
            let directory = layout.root().join("resources/db");
            std::fs::create_dir(&directory).unwrap();
            drop(Identity::of(&directory, Engine::Postgres, 1, Credential::FIRST).unwrap());
        },
        read: |layout| {
            let directory = layout.root().join("resources/db");
            Read::of(Identity::of(&directory, Engine::Postgres, 1, Credential::FIRST).map(|identity| {
                let password = identity.password(Credential::FIRST).unwrap().expose().to_owned();
                (identity.ports, identity.admin.expose().to_owned(), password)
            }))
        },
        then: Damaged::Refused("is damaged"),
        ..Sample::of("")
    }]
}
