//! Static sites.

use windlass_core::manifest::draft;

use super::files::Files;
use super::sketch::Sketch;

pub(super) fn sketch(files: &Files) -> Option<Sketch> {
    let root = ["", "public", "site", "html", "www", "docs"].into_iter().find(|directory| {
        let page =
            if directory.is_empty() { "index.html".to_owned() } else { format!("{directory}/index.html") };
        files.has(&page)
    })?;
    let mut sketch = Sketch::new("static site");
    if root.is_empty() {
        // The manifest lies beside the pages and is nobody's business.
        for pattern in ["windlass.toml", ".env*"] {
            sketch.exclude(pattern);
        }
    }
    let route = sketch.route();
    route.comment("The proxy answers the files itself: nothing runs.");
    route.set("files", draft::text(if root.is_empty() { "." } else { root }));
    route.suggest("fallback", "\"index.html\"").because("for single-page applications");
    route.suggest("cache_control", "\"public, max-age=3600\"");
    Some(sketch)
}
