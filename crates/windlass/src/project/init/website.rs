//! Static sites.

use windlass_core::manifest::draft;

use super::files::Files;
use super::node;
use super::sketch::Sketch;

/// What stands in a page of which a builder makes another one.
const TEMPLATE: [&str; 4] = ["<%", "%PUBLIC_URL%", "%BASE_URL%", "{{ content"];

pub(super) fn sketch(files: &Files) -> Option<Sketch> {
    // Programs in other languages have pages of their own that are parts of them.
    if ["composer.json", "Gemfile"].into_iter().any(|name| files.has(name)) {
        return None;
    }
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
    let page = if root.is_empty() { "index.html".to_owned() } else { format!("{root}/index.html") };
    let is_built = node::has_build(files);
    let is_template = files.read(&page).is_some_and(|text| TEMPLATE.iter().any(|mark| text.contains(mark)));
    if is_built {
        node::build(files, &mut sketch);
        if root.is_empty() {
            // They would be pages.
            sketch.step(&["rm", "-rf", "node_modules"]);
        }
    }
    if is_built || is_template {
        sketch.note(match is_template {
            true => format!(
                "{page} is a template, of which a build makes the page: write the steps that do under [build], and the directory \
                 that they write as `files`, in place of \"dist\""
            ),
            false => format!(
                "package.json has a script `build`: where it writes its pages elsewhere than beside {page}, write that directory \
                 as `files`"
            ),
        });
    }
    let root = if is_template { "dist" } else { root };
    let route = sketch.route();
    route.comment("The proxy answers the files itself: nothing runs.");
    route.set("files", draft::text(if root.is_empty() { "." } else { root }));
    route.suggest("fallback", "\"index.html\"").because("for single-page applications");
    route.suggest("cache_control", "\"public, max-age=3600\"");
    Some(sketch)
}
