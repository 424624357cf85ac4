//! The last certificates that could be used, so that a process that is started while their files are
//! broken has something to show.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::sign::CertifiedKey;
use windlass_core::spec::Tls;

use crate::certificate::{self, Texts};
use crate::layout;

/// How long what no table names is kept.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A directory with one file for each certificate: its chain, then its key.
pub(in crate::proxy) struct LastGood {
    directory: PathBuf,
}

impl LastGood {
    pub(in crate::proxy) fn below(proxy: &Path) -> Self {
        Self { directory: proxy.join("certificates") }
    }

    /// Keeps what the files hold.
    pub(in crate::proxy) fn keep(&self, files: &Tls, texts: &Texts) -> io::Result<()> {
        let text = [texts.chain.as_slice(), b"\n", texts.key.as_slice()].concat();
        let path = self.path(files);
        if std::fs::read(&path).is_ok_and(|kept| kept == text) {
            return Ok(());
        }
        layout::make_dir(&self.directory, 0o700)?;
        layout::replace_file(&path, &text, 0o600)
    }

    /// What was kept, if it can be used.
    pub(in crate::proxy) fn read(&self, files: &Tls) -> Option<Arc<CertifiedKey>> {
        let path = self.path(files).to_str()?.to_owned();
        certificate::read(&Tls { certificate: path.clone(), key: path }).ok()
    }

    /// Removes what was kept of others than these, a day after it was written: no copy of a key stays that
    /// nobody needs, and a run that goes back to the table before still finds it.
    pub(in crate::proxy) fn forget_others(&self, files: &[Tls]) {
        let wanted: Vec<PathBuf> = files.iter().map(|files| self.path(files)).collect();
        for entry in std::fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let written = entry.metadata().and_then(|seen| seen.modified());
            let age = written.ok().and_then(|written| written.elapsed().ok()).unwrap_or_default();
            if age > DAY && !wanted.contains(&entry.path()) {
                let _not_there = std::fs::remove_file(entry.path());
            }
        }
    }

    fn path(&self, files: &Tls) -> PathBuf {
        let name = blake3::hash(format!("{}\0{}", files.certificate, files.key).as_bytes()).to_hex();
        self.directory.join(format!("{}.pem", &name[..16]))
    }
}
