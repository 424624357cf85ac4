//! Twice as many settings cost about twice as much, and not four times: counted, so that it holds on any machine.
//!
//! Counted are allocations and their bytes, which nearly all of the work on texts comes with.

#![allow(unsafe_code, reason = "the interface of allocators")]
#![allow(clippy::unwrap_used, reason = "what stands around a test may end it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write as _;

use indexmap::IndexMap;
use windlass_core::manifest;
use windlass_core::resolve::resolve;
use windlass_core::settings::audit::Audited;
use windlass_core::settings::{File, Layers, assemble, check, dotenv};
use windlass_core::spec::Setting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

/// The system's, which counts for each thread.
struct Counting;

// What it is told it hands on as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        BYTES.with(|bytes| bytes.set(bytes.get() + layout.size() as u64));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations something takes, and how many bytes.
fn cost(of: impl FnOnce()) -> [u64; 2] {
    let before = [COUNT.get(), BYTES.get()];
    of();
    [COUNT.get() - before[0], BYTES.get() - before[1]]
}

/// A manifest with so many settings of several kinds, some of them put together from others in a row, and a `.env` for
/// it.
fn project(count: usize) -> (String, String) {
    let mut manifest =
        "[app]\nname = \"shop\"\n\n[services.web]\ncommand = \"serve\"\n\n[settings]\n".to_owned();
    let mut env = String::new();
    for number in 0..count {
        let before = number.saturating_sub(4);
        let (declaration, value) = match number % 4 {
            0 => ("{ type = \"integer\", min = 0 }".to_owned(), "4711"),
            1 => ("{ secret = true }".to_owned(), "Zk31-blau-Fenster"),
            2 if number < 4 => ("{ value = \"{settings.S_1}\" }".to_owned(), ""),
            2 => (format!("{{ value = \"{{settings.S_{before}}}\" }}"), ""),
            _ => ("{ required = false }".to_owned(), "${S_0}-x"),
        };
        let _ = writeln!(manifest, "S_{number} = {declaration}");
        if !value.is_empty() {
            let _ = writeln!(env, "S_{number}={value}");
        }
    }
    (manifest, env)
}

/// All that a deploy makes of settings, but for reading files.
fn work(manifest: &str, env: &str) {
    let (manifest, faults) = manifest::load(manifest);
    assert_eq!(faults, []);
    let manifest = manifest.unwrap();
    let declared = manifest.settings("local");
    let assembled = assemble(&declared, layers(env));
    assert_eq!(check(&declared, &assembled, "windlass.toml"), []);
    let audited = Audited {
        app: "shop",
        environment: "local",
        declared: &declared,
        assembled: &assembled,
        manifest: "windlass.toml",
    };
    assert_eq!(audited.weak(), []);
    assert_eq!(audited.sought().len(), 1);
    let known = assembled.settings.iter().filter(|(_, resolved)| resolved.value.text.known().is_some());
    let known: IndexMap<String, Setting> =
        known.map(|(name, _)| (name.clone(), Setting::default())).collect();
    let spec = resolve(&manifest, "local", &known).unwrap();
    assert_eq!(spec.settings.len(), declared.len());
}

/// A `.env` file alone.
fn layers(env: &str) -> Layers<'static> {
    let parsed = dotenv::parse(".env", env, &|_| None, &|_| None);
    assert_eq!(parsed.faults, []);
    Layers { files: vec![File { name: ".env".to_owned(), entries: parsed.entries }], ..Layers::default() }
}

/// What twice as many cost is about twice as much.
fn grows_in_step(some: [u64; 2], twice: [u64; 2]) {
    for (what, (some, twice)) in ["allocations", "bytes"].iter().zip(some.into_iter().zip(twice)) {
        // Tables grow by doubling: that may take a little more, or less.
        assert!(twice * 10 < some * 26, "{what}: {some} for 400 settings, {twice} for 800");
    }
}

#[test]
fn twice_as_many_settings_cost_about_twice_as_much() {
    let of = |count: usize| {
        let (manifest, env) = project(count);
        cost(|| work(&manifest, &env))
    };
    // Whatever is made once only.
    of(4);
    grows_in_step(of(400), of(800));
}

/// What begins anew with the rest after each step copies it each time.
#[test]
fn a_row_of_a_file_twice_as_long_costs_about_twice_as_much() {
    let of = |count: usize| {
        let mut env = "S_0_TOKEN=Zk31-blau-Fenster\nS_0=${S_0_TOKEN}\n".to_owned();
        for number in 1..count {
            let _ = writeln!(env, "S_{number}=${{S_{}}}", number - 1);
        }
        let layers = layers(&env);
        cost(|| {
            let assembled = assemble(&IndexMap::new(), layers);
            let last = assembled.settings.last().unwrap().1;
            assert!(last.value.of_secret);
        })
    };
    grows_in_step(of(400), of(800));
}
