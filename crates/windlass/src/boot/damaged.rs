//! What the start of the machine makes of a damaged file.

use super::Environment;
use crate::damaged::{Damaged, Read, Sample};
use crate::{checksummed, layout::Layout};

/// Its files.
pub(crate) fn samples() -> Vec<Sample> {
    vec![Sample {
        page: "host/",
        path: "host/environment.json".into(),
        make: |layout: &Layout| {
            checksummed::write(&layout.host().join("environment.json"), &Environment::own()).unwrap();
        },
        read: |layout| Read::Found(format!("{:?}", Environment::last(layout))),
        then: Damaged::Otherwise("None"),
        ..Sample::of("")
    }]
}
