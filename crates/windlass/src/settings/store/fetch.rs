//! Asking: all stores at the same time, each for every path once.

use std::time::Instant;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use indexmap::IndexMap;
use windlass_core::settings::Secret;
use windlass_core::store::{Edition, Place, Store};

use super::fault::StoreFault;
use super::session;
use super::surroundings::Surroundings;
use crate::observe::debug;
use crate::trouble::{Trouble, Whose};

/// How many questions one store is asked at the same time.
const AT_ONCE: usize = 8;

/// What the stores answered.
#[derive(Debug, Default)]
pub struct Fetched {
    /// The values, by where they are.
    pub values: IndexMap<Place, Secret>,
    /// Why the others are not among them.
    pub faults: Vec<StoreFault>,
}

/// Asks `stores` for the values at `places`, and waits for all of them. A place in a store that is
/// not declared is left out: it is a fault of the manifest.
#[must_use]
pub fn fetch(stores: &IndexMap<String, Store>, places: &[Place], around: &Surroundings) -> Fetched {
    if places.is_empty() {
        return Fetched::default();
    }
    // A thread of its own: whoever asks may itself run on a runtime, which must not be blocked on.
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok::<_, std::io::Error>(runtime.block_on(all(stores, places, around)))
        });
        let unable = |why: String| {
            let trouble =
                Trouble::new(Whose::Deployer, format!("cannot be asked: {why}"), "try again").passing();
            let faults = by_store(stores, places).into_iter();
            let faults = faults
                .map(|(name, _, places)| StoreFault::new(name, trouble.clone(), places, true))
                .collect();
            Fetched { values: IndexMap::new(), faults }
        };
        match asked.join() {
            Ok(Ok(fetched)) => fetched,
            Ok(Err(error)) => unable(error.to_string()),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

async fn all(stores: &IndexMap<String, Store>, places: &[Place], around: &Surroundings) -> Fetched {
    let asked =
        by_store(stores, places).into_iter().map(|(name, store, places)| one(name, store, places, around));
    let mut together = Fetched::default();
    for fetched in join_all(asked).await {
        together.values.extend(fetched.values);
        together.faults.extend(fetched.faults);
    }
    together
}

fn by_store<'a>(
    stores: &'a IndexMap<String, Store>,
    places: &[Place],
) -> Vec<(&'a str, &'a Store, Vec<Place>)> {
    let of = |name: &str| places.iter().filter(|place| place.store == name).cloned().collect::<Vec<_>>();
    stores
        .iter()
        .map(|(name, store)| (name.as_str(), store, of(name)))
        .filter(|(.., places)| !places.is_empty())
        .collect()
}

async fn one(name: &str, store: &Store, places: Vec<Place>, around: &Surroundings) -> Fetched {
    debug::say("stores", || format!("{name}: open"));
    let session = match session::open(store, around).await {
        Ok(session) => session,
        Err(trouble) => {
            return Fetched {
                values: IndexMap::new(),
                faults: vec![StoreFault::new(name, trouble, places, true)],
            };
        }
    };
    let mut by_path: IndexMap<(String, Option<Edition>), Vec<Place>> = IndexMap::new();
    for place in places {
        by_path.entry((place.path.clone(), place.edition.clone())).or_default().push(place);
    }
    let session = &session;
    let asked = by_path.into_iter().map(async |((path, edition), places)| {
        let began = Instant::now();
        let payload = session.read(&path, edition.as_ref()).await;
        let how = if payload.is_ok() { "answered" } else { "failed" };
        debug::say("stores", || {
            format!("{name}: read {path}: {how} after {} ms", began.elapsed().as_millis())
        });
        (path, places, payload)
    });
    // In order, so that the same faults are told in the same words every time.
    let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
    session.close().await;
    let mut fetched = Fetched::default();
    for (path, places, payload) in answers {
        let payload = match payload {
            Ok(payload) => payload,
            Err(trouble) => {
                fetched.faults.push(StoreFault::new(name, trouble, places, false));
                continue;
            }
        };
        for place in places {
            match payload.value(&path, place.field.as_deref()) {
                Ok(value) => {
                    fetched.values.insert(place, value);
                }
                Err(trouble) => fetched.faults.push(StoreFault::new(name, trouble, vec![place], false)),
            }
        }
    }
    fetched
}
