//! A server's certificate and its key, from files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{CertificateError, Error, InconsistentKeys, RootCertStore};
use windlass_core::spec::Tls;

/// How the headers of keys say that one cannot be read without a passphrase.
const ENCRYPTED: [&str; 2] = ["ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"];

/// What the two files hold.
pub(crate) struct Texts {
    pub(crate) chain: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

impl Texts {
    /// Reads them.
    ///
    /// # Errors
    /// Which one cannot be read, and why.
    pub(crate) fn read(files: &Tls) -> Result<Self, String> {
        Ok(Self { chain: read_file(&files.certificate)?, key: read_file(&files.key)? })
    }
}

/// Reads a certificate with its chain, and its key, and sees that they can be used together.
///
/// # Errors
/// What is wrong, and with which file.
pub(crate) fn read(files: &Tls) -> Result<Arc<CertifiedKey>, String> {
    pair(files, &Texts::read(files)?)
}

/// Sees that what the files hold can be used together.
///
/// # Errors
/// What is wrong, and with which file.
pub(crate) fn pair(files: &Tls, texts: &Texts) -> Result<Arc<CertifiedKey>, String> {
    let Tls { certificate, key } = files;
    let chain: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(&texts.chain)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{certificate} is damaged: {error}"))?;
    if chain.is_empty() {
        return Err(format!("{certificate} holds no certificate in PEM form"));
    }
    let private = PrivateKeyDer::from_pem_slice(&texts.key).map_err(|error| {
        let text = String::from_utf8_lossy(&texts.key);
        match ENCRYPTED.iter().any(|mark| text.contains(mark)) {
            true => format!(
                "the key {key} has a passphrase: write one without (openssl pkey -in {key} -out FILE)"
            ),
            false => format!("{key} holds no private key in PEM form ({error})"),
        }
    })?;
    let pair =
        CertifiedKey::from_der(chain, private, &ring::default_provider()).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                format!("the key {key} is not that of {certificate}")
            }
            other => format!("{certificate} and {key} cannot be used: {other}"),
        })?;
    parsed(&pair).map_err(|error| format!("{certificate} is no usable certificate: {error}"))?;
    Ok(Arc::new(pair))
}

fn read_file(path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{path} cannot be read: {error}"))
}

/// Whether everybody on this machine may read a key, and so pass for the server.
pub(crate) fn is_open(key: &str) -> bool {
    fs::metadata(key).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

/// Why clients refuse a certificate at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lapse {
    /// It has expired by then; on this day, where it is known.
    Expired(String),
    /// It is not valid before this day.
    NotYet(String),
}

/// Whether a certificate is out of date at a moment. Who signed it is not looked at.
pub(crate) fn lapse(pair: &CertifiedKey, moment: UnixTime) -> Option<Lapse> {
    let algorithms = ring::default_provider().signature_verification_algorithms;
    let nobody = RootCertStore::empty();
    // Its dates are looked at before its signature.
    let found =
        verify_server_cert_signed_by_trust_anchor(&parsed(pair).ok()?, &nobody, &[], moment, algorithms.all);
    match found {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(Lapse::Expired(day(not_after)))
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
            Some(Lapse::NotYet(day(not_before)))
        }
        _ => None,
    }
}

fn parsed(pair: &CertifiedKey) -> Result<ParsedCertificate<'_>, Error> {
    pair.end_entity_cert().and_then(ParsedCertificate::try_from)
}

fn day(moment: UnixTime) -> String {
    let seconds = i64::try_from(moment.as_secs()).unwrap_or(i64::MAX);
    let day = jiff::Timestamp::from_second(seconds).map(|day| day.strftime("%Y-%m-%d").to_string());
    day.unwrap_or_else(|_| "an unknown day".to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn write(directory: &Path, name: &str, text: &str) -> String {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    struct Made {
        certificate: String,
        key: String,
    }

    /// A certificate that is valid from 2020 to 2040.
    fn made() -> Made {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["shop.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2040, 1, 1);
        Made { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (made(), made());
        let certificate = write(directory.path(), "shop.pem", &one.certificate);
        let key = write(directory.path(), "shop.key", &one.key);
        let why = |certificate: &str, key: &str| {
            let files = Tls { certificate: certificate.to_owned(), key: key.to_owned() };
            let text = read(&files).map(drop).unwrap_err();
            text.replace(&format!("{}/", directory.path().display()), "")
        };
        assert!(read(&Tls { certificate: certificate.clone(), key: key.clone() }).is_ok());
        let stranger = write(directory.path(), "other.key", &other.key);
        assert_eq!(why(&certificate, &stranger), "the key other.key is not that of shop.pem");
        let empty = write(directory.path(), "empty.pem", "");
        assert_eq!(why(&empty, &key), "empty.pem holds no certificate in PEM form");
        assert!(why(&certificate, &empty).starts_with("empty.pem holds no private key in PEM form"));
        let half = write(directory.path(), "half.pem", &one.certificate[..200]);
        assert!(why(&half, &key).starts_with("half.pem is damaged"), "{}", why(&half, &key));
        let rubbish = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        let rubbish = write(directory.path(), "rubbish.pem", rubbish);
        assert!(why(&rubbish, &key).contains("rubbish.pem"), "{}", why(&rubbish, &key));
        let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\naGVsbG8=\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let locked = write(directory.path(), "locked.key", locked);
        assert!(why(&certificate, &locked).starts_with("the key locked.key has a passphrase"));
        assert!(why("none.pem", &key).starts_with("none.pem cannot be read"));
    }

    #[test]
    fn its_days_are_known() {
        let directory = tempfile::tempdir().unwrap();
        let made = made();
        let certificate = write(directory.path(), "shop.pem", &made.certificate);
        let key = write(directory.path(), "shop.key", &made.key);
        let pair = read(&Tls { certificate, key }).unwrap();
        let at = |day: &str| {
            let seconds = format!("{day}T12:00:00Z").parse::<jiff::Timestamp>().unwrap().as_second();
            lapse(&pair, UnixTime::since_unix_epoch(Duration::from_secs(seconds.try_into().unwrap())))
        };
        assert_eq!(at("2019-12-31"), Some(Lapse::NotYet("2020-01-01".to_owned())));
        assert_eq!(at("2030-06-01"), None);
        assert_eq!(at("2040-01-02"), Some(Lapse::Expired("2040-01-01".to_owned())));
    }
}
