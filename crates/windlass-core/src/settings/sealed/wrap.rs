//! The file key, wrapped for each recipient.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use jiff::civil::Date;
use zeroize::{Zeroize, Zeroizing};

use super::derive::{self, Purpose};
use super::document::{Document, Recipient, Wrapped};
use super::key::{Identity, PublicKey, Stretch};
use super::{Random, base64};

/// The key that all keys of a file come from. Wiped from memory when it is dropped; has no `Debug`.
#[derive(Clone)]
pub struct FileKey(Zeroizing<[u8; 32]>);

impl FileKey {
    /// A new one.
    #[must_use]
    pub fn new(random: &mut Random) -> Self {
        Self(Zeroizing::new(random.bytes()))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether two are the same, in constant time.
    pub(super) fn is(&self, other: &Self) -> bool {
        blake3::hash(&*self.0) == blake3::hash(&*other.0)
    }
}

/// The line of a recipient.
pub(super) fn wrap(
    document: &Document,
    key: &FileKey,
    name: &str,
    date: Date,
    stretch: Option<Stretch>,
    public: PublicKey,
    random: &mut Random,
) -> Option<Recipient> {
    let ephemeral = Identity::new(random);
    let from = ephemeral.public();
    let nonce: [u8; 12] = random.bytes();
    let aad = derive::place(&document.id, &document.environment, name, date);
    let cipher = cipher(document, &ephemeral, &public, &from, &public)?;
    let sealed = cipher.encrypt(&nonce.into(), Payload { msg: key.bytes(), aad: &aad }).ok()?;
    let wrapped = Wrapped { ephemeral: *from.bytes(), nonce, key: sealed.try_into().ok()? };
    let mut recipient =
        Recipient { name: name.to_owned(), date, stretch, public, wrapped, tag: [0; 16], line: 0 };
    recipient.tag = tag(document, key, &recipient);
    Some(recipient)
}

/// The file key, if `identity` is this recipient's and the line belongs to this document.
pub(super) fn unwrap(document: &Document, recipient: &Recipient, identity: &Identity) -> Option<FileKey> {
    let Wrapped { ephemeral, nonce, key } = &recipient.wrapped;
    let ephemeral = PublicKey::from_bytes(*ephemeral);
    let cipher = cipher(document, identity, &ephemeral, &ephemeral, &identity.public())?;
    let aad = derive::place(&document.id, &document.environment, &recipient.name, recipient.date);
    let mut bytes = cipher.decrypt(&(*nonce).into(), Payload { msg: key, aad: &aad }).ok()?;
    let key = bytes.as_slice().try_into().ok().map(|key| FileKey(Zeroizing::new(key)));
    bytes.zeroize();
    key
}

/// Whether the line was written by somebody who knew the file key.
pub(super) fn is_genuine(document: &Document, key: &FileKey, recipient: &Recipient) -> bool {
    let tagging = tagging_key(document, key);
    derive::is_tag(&tagging, recipient.body().as_bytes(), &recipient.tag)
}

fn tag(document: &Document, key: &FileKey, recipient: &Recipient) -> [u8; 16] {
    let whole = derive::tag(&tagging_key(document, key), recipient.body().as_bytes());
    let mut tag = [0; 16];
    tag.copy_from_slice(&whole[..16]);
    tag
}

fn tagging_key(document: &Document, key: &FileKey) -> Zeroizing<[u8; 32]> {
    derive::key(key.bytes(), document.id.as_bytes(), &document.environment, &Purpose::Recipients)
}

/// The cipher that both sides arrive at: its key depends on the file and on both public keys.
fn cipher(
    document: &Document,
    own: &Identity,
    with: &PublicKey,
    ephemeral: &PublicKey,
    recipient: &PublicKey,
) -> Option<Aes256Gcm> {
    let shared = own.agree(with)?;
    let salt = [document.id.as_str(), &base64::encode(ephemeral.bytes()), &base64::encode(recipient.bytes())];
    let salt = salt.join("\n");
    let key = derive::key(&shared, salt.as_bytes(), &document.environment, &Purpose::Wrap);
    Some(Aes256Gcm::new((&*key).into()))
}
