//! The file key and the origin, wrapped for each recipient.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use jiff::civil::Date;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use super::derive::{self, Purpose};
use super::document::{Document, Recipient, Wrapped};
use super::key::{Identity, PublicKey, Stretch};
use super::{HEADER, Random, base64};

/// The key that all keys of a file come from, and the origin that its id comes from. Wiped from memory
/// when it is dropped; has no `Debug`.
#[derive(Clone)]
pub struct FileKey {
    key: Zeroizing<[u8; 32]>,
    /// Stays for as long as the file lives, whatever becomes of the key.
    origin: Zeroizing<[u8; 32]>,
}

impl FileKey {
    /// That of a new file.
    #[must_use]
    pub fn new(random: &mut Random) -> Self {
        Self { key: Zeroizing::new(random.bytes()), origin: Zeroizing::new(random.bytes()) }
    }

    /// Another one for the same file.
    pub(super) fn renewed(&self, random: &mut Random) -> Self {
        Self { key: Zeroizing::new(random.bytes()), origin: self.origin.clone() }
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.key
    }

    #[cfg(test)]
    pub(super) fn origin(&self) -> &[u8; 32] {
        &self.origin
    }

    /// The id of the file. Of two origins with the same one nobody finds the second.
    pub(super) fn id(&self) -> String {
        let hash = Sha256::new().chain_update(HEADER).chain_update("\nid\n").chain_update(*self.origin);
        base64::encode(&hash.finalize()[..16])
    }

    /// What is wrapped.
    fn both(&self) -> Zeroizing<[u8; 64]> {
        let mut both = Zeroizing::new([0; 64]);
        both[..32].copy_from_slice(&*self.key);
        both[32..].copy_from_slice(&*self.origin);
        both
    }

    fn from_both(both: &[u8]) -> Option<Self> {
        let (key, origin) = both.split_at_checked(32)?;
        Some(Self {
            key: Zeroizing::new(key.try_into().ok()?),
            origin: Zeroizing::new(origin.try_into().ok()?),
        })
    }

    /// Whether two are the same, in constant time.
    pub(super) fn is(&self, other: &Self) -> bool {
        blake3::hash(&*self.both()) == blake3::hash(&*other.both())
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
    let sealed = cipher.encrypt(&nonce.into(), Payload { msg: key.both().as_slice(), aad: &aad }).ok()?;
    let wrapped = Wrapped { ephemeral: *from.bytes(), nonce, key: sealed.try_into().ok()? };
    let mut recipient =
        Recipient { name: name.to_owned(), date, stretch, public, wrapped, tag: [0; 16], line: 0 };
    recipient.tag = tag(document, key, &recipient);
    Some(recipient)
}

/// The file key, if `identity` is this recipient's and the line belongs to this document. Everybody can
/// write such a line: whether the key is this file's, its [`id`](FileKey::id) says.
pub(super) fn unwrap(document: &Document, recipient: &Recipient, identity: &Identity) -> Option<FileKey> {
    let Wrapped { ephemeral, nonce, key } = &recipient.wrapped;
    let ephemeral = PublicKey::from_bytes(*ephemeral);
    let cipher = cipher(document, identity, &ephemeral, &ephemeral, &identity.public())?;
    let aad = derive::place(&document.id, &document.environment, &recipient.name, recipient.date);
    let mut bytes = cipher.decrypt(&(*nonce).into(), Payload { msg: key, aad: &aad }).ok()?;
    let key = FileKey::from_both(&bytes);
    bytes.zeroize();
    key
}

/// Whether the line was written by somebody who knew the file key.
pub(super) fn is_genuine(document: &Document, key: &FileKey, recipient: &Recipient) -> bool {
    let tagging = tagging_key(document, key);
    derive::is_tag(&tagging, recipient.body().as_bytes(), &recipient.tag)
}

/// What says that the line was written by somebody who knew the file key.
pub(super) fn tag(document: &Document, key: &FileKey, recipient: &Recipient) -> [u8; 16] {
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
