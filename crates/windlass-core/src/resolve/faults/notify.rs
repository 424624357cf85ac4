//! Addresses that are told: an address that can be one, and a secret that is kept as one.

use super::Scene;
use crate::diag::Diag;

pub(super) fn find(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    for name in scene.spec.notify.keys() {
        let Some(node) = scene.root.at(&["notify", name.as_str(), "url"]) else { continue };
        let Some(url) = node.text().filter(|url| !url.starts_with('{')) else { continue };
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let Some(rest) = rest else {
            diags.push(
                Diag::error("bad-address", node.span.clone(), format!("{url:?} is not an address for HTTP"))
                    .help("write https://..., or \"{settings.NAME}\" where it is kept apart"),
            );
            continue;
        };
        let path = rest.split_once('/').map_or("", |(_, path)| path);
        if path.len() >= 16 && !path.contains('{') {
            diags.push(
                Diag::warning(
                    "literal-secret",
                    node.span.clone(),
                    "this address may be a secret: whoever knows it can write there",
                )
                .help(
                    "put it into .env, declare it as { secret = true }, and write url = \"{settings.NAME}\"",
                ),
            );
        }
    }
}
