//! Any text is read, resolved and reported without a crash, and every fault points into the text.

use windlass_core::{diag, manifest, resolve};

pub(crate) fn check(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
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
}
