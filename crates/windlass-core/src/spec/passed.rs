//! What a release gets of the environment of whoever deploys.

/// Variables by which programs that fetch what a build needs find their way out of this machine: a proxy, whom to
/// trust, and where packages come from. Nothing else of whoever deploys reaches a build but [`PLACES`], and nothing of it
/// a process.
/// In `docs/reference/manifest.md` they stand under `[build]`.
pub const PASSED: [&str; 45] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "CARGO_HTTP_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "CARGO_HTTP_CAINFO",
    "PIP_CERT",
    "PIP_CONFIG_FILE",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_NO_INDEX",
    "PIP_TRUSTED_HOST",
    "PIPENV_PYPI_MIRROR",
    "PDM_PYPI_URL",
    "UV_INDEX",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_NO_INDEX",
    "UV_NATIVE_TLS",
    "NPM_CONFIG_REGISTRY",
    "NPM_CONFIG_CAFILE",
    "NPM_CONFIG_USERCONFIG",
    "npm_config_registry",
    "npm_config_cafile",
    "npm_config_userconfig",
    "YARN_NPM_REGISTRY_SERVER",
    "COREPACK_NPM_REGISTRY",
    "GOPROXY",
    "GOPRIVATE",
    "GOSUMDB",
    "RUSTUP_DIST_SERVER",
];

/// Variables that say where the programs of this machine are. Those of whoever deploys are what all of a release runs
/// with: its build, its jobs and its copies, also when it is restarted or gone back to. They make no release differ from
/// another: who deploys from another shell restarts nothing by that.
pub const PLACES: [&str; 3] = ["PATH", "CARGO_HOME", "RUSTUP_HOME"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::fields::BUILD;

    #[test]
    fn the_reference_names_them_and_no_others() {
        let named = BUILD.help.split('`').skip(1).step_by(2).filter(|word| !word.contains(['[', '=']));
        let mut named: Vec<&str> = named.collect();
        let mut passed = PASSED.to_vec();
        named.sort_unstable();
        passed.sort_unstable();
        assert_eq!(named, passed);
    }
}
