//! What the command line makes of its notes when they are damaged.

use std::path::PathBuf;

use super::rotation::Note;
use crate::damaged::{Damaged, Read, Sample};

/// Its files.
pub(crate) fn samples() -> Vec<Sample> {
    vec![Sample {
        page: "state/rotating/",
        path: "state/rotating/PASSWORD".into(),
        make: |layout| {
            std::fs::create_dir(layout.state().join("rotating")).unwrap();
            let note = Note {
                version: Note::VERSION,
                setting: "PASSWORD".to_owned(),
                file: PathBuf::from("/srv/shop/.env"),
                old: "0ld".to_owned(),
                new: "n3w".to_owned(),
            };
            note.write(layout).map_err(|failure| failure.message).unwrap();
        },
        read: |layout| {
            assert_eq!(Note::names(layout), ["PASSWORD"], "it is known that there is one");
            match Note::read(layout, "PASSWORD") {
                Ok(note) => Read::Found(format!("{note:?}")),
                Err(failure) => Read::Refused(format!("{}: {}", failure.message, failure.hint)),
            }
        },
        then: Damaged::Refused("remove state/rotating/PASSWORD"),
        ..Sample::of("")
    }]
}
