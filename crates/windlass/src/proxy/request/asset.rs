//! What the name of a file says: whether a page is asked for, and whether the name stands for its content.

use hyper::HeaderMap;
use hyper::header::{ACCEPT, HeaderValue};

/// What bundlers make, beside pages.
const ASSETS: &[&str] = &[
    "js", "mjs", "css", "map", "wasm", "woff", "woff2", "ttf", "otf", "eot", "svg", "png", "jpg", "jpeg",
    "webp", "avif", "gif",
];

/// The least length of a hash in a name: that of Vite, Rollup, webpack, esbuild and Parcel.
const SHORTEST_HASH: usize = 8;

/// Whether what is asked for may be a page of an application, and not only a file that pages need: a page
/// in place of a script breaks whatever asked for that.
pub(in crate::proxy) fn may_be_a_page(path: &str, headers: &HeaderMap) -> bool {
    let wants_page = |accept: &HeaderValue| accept.to_str().is_ok_and(|accept| accept.contains("text/html"));
    let is_file = extension(path).is_some_and(|(_, extension)| {
        !matches!(extension, "html" | "htm") && mime_guess::from_ext(extension).first_raw().is_some()
    });
    !is_file || headers.get_all(ACCEPT).iter().any(wants_page)
}

/// Whether the name has a hash of what is in the file (`index-mUEkpVIN.js`, `main.3f2a9c1b.css.map`): then
/// it is the same in whichever release it is found.
pub(in crate::proxy) fn has_hash(path: &str) -> bool {
    let Some((stem, extension)) = extension(path) else { return false };
    if !ASSETS.contains(&extension.to_ascii_lowercase().as_str()) {
        return false;
    }
    let stem = stem.strip_suffix(".js").or_else(|| stem.strip_suffix(".css")).unwrap_or(stem);
    let mut after_marks = stem.match_indices(['-', '.', '_']).map(|(at, mark)| &stem[at + mark.len()..]);
    after_marks.any(|rest| rest.split('.').next().is_some_and(is_hash))
}

fn is_hash(text: &str) -> bool {
    let has = |kind: fn(&char) -> bool| text.chars().any(|c| kind(&c));
    let of_hash = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    // Words have no digits in them, and dates no letters.
    text.len() >= SHORTEST_HASH
        && text.chars().all(of_hash)
        && has(char::is_ascii_alphabetic)
        && (has(char::is_ascii_digit) || (has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase)))
}

/// The name of a file without its extension, and that.
fn extension(path: &str) -> Option<(&str, &str)> {
    path.rsplit('/').next()?.rsplit_once('.').filter(|(stem, _)| !stem.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_bundlers_give_are_known() {
        for name in [
            "assets/index-mUEkpVIN.js",
            "assets/index-Cm_3x-8q.css",
            "main.3f2a9c1b.js",
            "main.3f2a9c1b.css.map",
            "static/js/787.0a1b2c3d4e5f60718293.chunk.js",
            "logo-B5fR9xQ2.svg",
        ] {
            assert!(has_hash(name), "{name}");
        }
        for name in [
            "index.html",
            "jquery-3.7.1.js",
            "photo-2026-11-29.jpg",
            "my-component.js",
            "secret-document2.pdf",
            "config-production1.json",
            "script.js",
        ] {
            assert!(!has_hash(name), "{name}");
        }
    }

    #[test]
    fn a_page_is_no_answer_to_whoever_asks_for_a_script() {
        let asking = |path: &str, accept: Option<&'static str>| {
            let accept = accept.map(|accept| (ACCEPT, HeaderValue::from_static(accept)));
            may_be_a_page(path, &accept.into_iter().collect())
        };
        assert!(asking("users/7", Some("*/*")) && asking("", None) && asking("a/index.html", None));
        assert!(!asking("assets/index-mUEkpVIN.js", Some("*/*")));
        assert!(!asking("logo.png", Some("image/avif,image/webp,*/*;q=0.8")));
        assert!(asking("users/john.doe", None), "no kind of file that is known");
        assert!(asking("notes/readme.txt", Some("text/html,application/xhtml+xml")), "typed in by a person");
    }
}
