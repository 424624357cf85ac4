"""Prints the values of an encrypted file: decrypt.py FILE KEYFILE. Needs `pip install cryptography`, and no Windlass."""
import base64, hashlib, hmac, json, sys
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

b64 = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
text64 = lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("=")
own = X25519PrivateKey.from_private_bytes(b64(open(sys.argv[2]).read().split()[-1][len("wlkey1_"):])[:32])
above, _, seal = open(sys.argv[1], newline="").read().rpartition("seal = ")
header, ident, environment, epoch, follows, *lines = (line.rpartition(" = ")[2] if i < 5 else line for i, line in enumerate(above.splitlines()))

def derive(key, salt, purpose, name=""):
    info = f"windlass-secrets 2\n{purpose}\n{environment}\n{name}\n"
    return HKDF(SHA256(), 32, salt.encode(), info.encode()).derive(key)

def unseal(key, name, date, nonce, sealed):
    return AESGCM(key).decrypt(b64(nonce), b64(sealed), f"{ident}\n{environment}\n{name}\n{date}\n".encode())

for name, date, how, public, wrapped, tag in (line.split()[2:] for line in lines if line.startswith("recipient = ")):
    if b64(public[len("wlpub1_"):])[:32] == own.public_key().public_bytes_raw():
        ephemeral, nonce, sealed = wrapped.split(".")
        shared = own.exchange(X25519PublicKey.from_public_bytes(b64(ephemeral)))
        salt = f"{ident}\n{ephemeral}\n{text64(own.public_key().public_bytes_raw())}"
        file_key, origin = (both := unseal(derive(shared, salt, "wrap"), name, date, nonce, sealed))[:32], both[32:]
is_sealed = hmac.compare_digest(hmac.new(derive(file_key, ident, "seal"), above.encode(), hashlib.sha256).digest(), b64(seal.strip()))
assert is_sealed and text64(hashlib.sha256(b"windlass-secrets 2\nid\n" + origin).digest()[:16]) == ident, "changed or forged"
entries = ((name, *rest.replace(".", " ").split()) for name, _, rest in (line.partition(" = ") for line in lines) if name != "recipient")
print(json.dumps({name: unseal(derive(file_key, ident, "value", name), name, date, nonce, sealed).rstrip(b"\0")[:-1].decode() for name, date, nonce, sealed in entries}))
