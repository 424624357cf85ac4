//! Any text is read, resolved and reported without a crash, and every fault points into the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use windlass_core::{diag, manifest, resolve};

fuzz_target!(|text: &str| {
    let (manifest, mut diags) = manifest::load(text);
    if let Some(manifest) = manifest {
        for environment in manifest.environments() {
            if let Err(more) = resolve::resolve(&manifest, &environment, &Default::default()) {
                diags.extend(more);
            }
        }
    }
    for diag in &diags {
        assert!(diag.span.start <= diag.span.end && diag.span.end <= text.len(), "{diag:?}");
    }
    let _ = diag::render_all(&diags, text, "windlass.toml");
});
