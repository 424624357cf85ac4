//! Asking stores as the manifest declares them.

use std::path::Path;

use windlass::settings::store::{Fetched, StoreFault, Surroundings, fetch};
use windlass_core::manifest;
use windlass_core::store::Place;

/// What may be in no message.
const CREDENTIALS: [&str; 6] =
    ["tok-8b1f3c9d", "sec-5d7e1a2b", "role-77aa", "hunter2-value", "AKIA55XYZ", "wJal-secret-key"];

/// A manifest with these stores.
pub(crate) fn manifest(stores: &str) -> manifest::Manifest {
    let text = format!("[app]\nname = \"shop\"\n[services.web]\ncommand = \"web\"\n{stores}");
    let (manifest, diags) = manifest::load(&text);
    assert!(diags.is_empty(), "{diags:?}");
    manifest.unwrap()
}

/// Asks for what is at these places, in a project that is the directory `project`.
pub(crate) fn ask_in(project: &Path, stores: &str, places: &[&str], env: &[(&str, &str)]) -> Fetched {
    let stores = manifest(stores).stores("local");
    let places: Vec<Place> = places.iter().map(|place| Place::parse(place).unwrap()).collect();
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let fetched = fetch(&stores, &places, &Surroundings::new(project, env));
    for fault in &fetched.faults {
        let said = format!("{fault} {fault:?}");
        assert!(!CREDENTIALS.iter().any(|secret| said.contains(secret)), "{said}");
        assert!(!fault.absent || says_that_there_is_none(&fault.message), "{said}");
    }
    assert!(!CREDENTIALS.iter().any(|secret| format!("{fetched:?}").contains(secret)), "{fetched:?}");
    fetched
}

/// Whether that is all that is wrong.
fn says_that_there_is_none(message: &str) -> bool {
    let field = message.contains(" no field ") && !message.contains("JSON object");
    field || ["has nothing at", "printed nothing"].iter().any(|what| message.contains(what))
}

pub(crate) fn ask(stores: &str, places: &[&str], env: &[(&str, &str)]) -> Fetched {
    ask_in(Path::new("/nonexistent"), stores, places, env)
}

/// The values, as `PLACE=VALUE`; there may be no fault.
#[track_caller]
pub(crate) fn values(fetched: &Fetched) -> Vec<String> {
    assert!(fetched.faults.is_empty(), "{:?}", fetched.faults);
    fetched.values.iter().map(|(place, value)| format!("{place}={}", value.expose())).collect()
}

/// The one fault that there is.
#[track_caller]
pub(crate) fn fault(fetched: &Fetched) -> &StoreFault {
    assert_eq!((fetched.values.len(), fetched.faults.len()), (0, 1), "{fetched:?}");
    &fetched.faults[0]
}

/// What it says, with `PORT` for the number.
#[track_caller]
pub(crate) fn told(fetched: &Fetched, port: u16) -> String {
    fault(fetched).to_string().replace(&port.to_string(), "PORT")
}
