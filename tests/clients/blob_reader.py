"""Opens kmsd's blobs, format version 1, without any of kmsd's code.

    blob_reader.py --selftest [CORPUS]
    blob_reader.py MATERIAL DEPLOYMENT PROJECT BLOB [--object JSON | --text TEXT]

MATERIAL and BLOB are hexadecimal; the plaintext is printed in hexadecimal. Nothing is needed but
Python and `cryptography`. Written from the description of the format, so that both that description
and the Rust code are checked; and so that a ciphertext can be read when there is no kmsd any more.
"""

import argparse
import hashlib
import hmac
import json
import pathlib
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HEADER, TAG = 124, 16
# Suite: the hash, and the length of the material and of the message key.
SUITES = {1: ("sha256", 32), 2: ("sm3", 16)}


class Refused(Exception):
    """The bytes are no blob, or not of this key, place and context."""


def canonical(pairs=None, text=None, pin=None):
    """The canonical context: none, an object of strings, or a text, and a PIN beside it."""
    if pin is not None:
        bare = canonical(pairs, text)
        return bytes([bare[0] | 4]) + bare[1:] + hashlib.sha256(pin.encode()).digest()

    def part(string):
        data = string.encode()
        return len(data).to_bytes(4, "big") + data

    if pairs:
        names = sorted(pairs, key=str.encode)
        body = b"".join(part(name) + part(pairs[name]) for name in names)
        return b"\x01" + len(pairs).to_bytes(4, "big") + body
    if text:
        return b"\x02" + part(text)
    return b"\x00"


def kbkdf(key, info, length, hash_name):
    """NIST SP 800-108r1, counter mode, 32-bit counter in front."""
    out, count = b"", 0
    while len(out) < length:
        count += 1
        out += hmac.new(key, count.to_bytes(4, "big") + info, hash_name).digest()
    return out[:length]


def decrypt(suite, key, iv, aad, ciphertext, tag):
    try:
        if suite == 1:
            return AESGCM(key).decrypt(iv, ciphertext + tag, aad)
        decryptor = Cipher(algorithms.SM4(key), modes.GCM(iv, tag)).decryptor()
        decryptor.authenticate_additional_data(aad)
        return decryptor.update(ciphertext) + decryptor.finalize()
    except InvalidTag:
        raise Refused("tag") from None


def read(material, deployment, project, context, blob):
    """The plaintext, or Refused."""
    if len(blob) < HEADER + TAG or blob[0] != 0x4B or blob[1] != 1:
        raise Refused("no blob of version 1")
    suite, flags = blob[2], blob[3]
    if suite not in SUITES or (flags & ~4 not in (0, 1, 2) and flags != 8):
        raise Refused("unknown suite or flags")
    hash_name, key_length = SUITES[suite]
    if len(material) != key_length:
        raise Refused("material of another length")
    fixed, salt, iv, commitment = blob[:44], blob[44:76], blob[76:88], blob[88:120]
    if blob[120:124] != hashlib.sha256(deployment.encode()).digest()[:4]:
        raise Refused("deployment")
    context_hash = hashlib.new(hash_name, context).digest()
    info = b"kmsd/blob/1\0" + fixed + deployment.encode() + project.encode() + salt + context_hash
    okm = kbkdf(material, info, key_length + 32, hash_name)
    if not hmac.compare_digest(okm[key_length:], commitment):
        raise Refused("commitment")
    return decrypt(suite, okm[:key_length], iv, blob[:HEADER], blob[HEADER:-TAG], blob[-TAG:])


def read_capsule(material, deployment, project, capsule):
    """The policy, as ("id" or "rules", text), and the data key; or Refused."""
    if len(capsule) < 5 or capsule[:2] != b"\x43\x01" or capsule[2] not in (1, 2):
        raise Refused("no capsule of version 1")
    end = 5 + int.from_bytes(capsule[3:5], "big")
    # The blob is bound to the policy, under a type byte that no caller of decrypt-data can give.
    context = b"\x08" + (end - 2).to_bytes(4, "big") + capsule[2:end]
    if capsule[end + 3:end + 4] != b"\x08":
        raise Refused("its blob is not that of a capsule")
    data_key = read(material, deployment, project, context, capsule[end:])
    return ("id" if capsule[2] == 1 else "rules", capsule[5:end].decode()), data_key


def selftest_capsules(corpus):
    opened = refused = 0
    for sample in json.loads(corpus.read_text()):
        capsule = bytes.fromhex(sample["capsule"])
        place = bytes.fromhex(sample["material"]), sample["deployment"], sample["project"]
        policy, data_key = read_capsule(*place, capsule)
        wanted = ("id", sample["policy_id"]) if sample["policy_id"] else ("rules", sample["rules"])
        assert (policy, data_key.hex()) == (wanted, sample["plaintext"])
        opened += 1
        for at in range(len(capsule)):
            changed = bytearray(capsule)
            changed[at] ^= 1
            try:
                read_capsule(*place, bytes(changed))
            except Refused:
                refused += 1
            else:
                raise AssertionError(f"a capsule opened with byte {at} changed")
    print(f"blob_reader: {opened} capsules opened, {refused} changed ones refused")
    assert opened >= 4


def selftest(corpus):
    opened = refused = 0
    for sample in json.loads(corpus.read_text()):
        blob = bytes.fromhex(sample["blob"])
        material = bytes.fromhex(sample["material"])
        place = sample["deployment"], sample["project"]
        context = canonical(sample["object"], sample["text"], sample.get("pin"))
        plaintext = read(material, *place, context, blob)
        assert plaintext.hex() == sample["plaintext"], sample["name"]
        assert blob[8:44].decode() == sample["key_id"], sample["name"]
        assert int.from_bytes(blob[4:8], "big") == sample["key_version"], sample["name"]
        opened += 1
        wrong = [
            (material, *place, canonical(text="another"), blob),
            (material, place[0], place[1][::-1], context, blob),
            (bytes(len(material)), *place, context, blob),
        ]
        for at in range(len(blob)):
            changed = bytearray(blob)
            changed[at] ^= 1
            wrong.append((material, *place, context, bytes(changed)))
        for arguments in wrong:
            try:
                read(*arguments)
            except Refused:
                refused += 1
            else:
                raise AssertionError(f"{sample['name']}: opened what it should refuse")
    print(f"blob_reader: {opened} blobs opened, {refused} changed ones refused")
    assert opened >= 8


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--selftest", action="store_true")
    parser.add_argument("--object", type=json.loads)
    parser.add_argument("--text")
    parser.add_argument("--pin")
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    if arguments.selftest:
        default = pathlib.Path(__file__).parent.parent / "vectors" / "blobs.v1.json"
        selftest_capsules(default.with_name("capsules.v1.json"))
        return selftest(pathlib.Path(arguments.words[0]) if arguments.words else default)
    if len(arguments.words) != 4:
        parser.error("MATERIAL DEPLOYMENT PROJECT BLOB are needed")
    material, deployment, project, blob = arguments.words
    context = canonical(arguments.object, arguments.text, arguments.pin)
    try:
        plaintext = read(bytes.fromhex(material), deployment, project, context, bytes.fromhex(blob))
    except Refused as refused:
        sys.exit(f"blob_reader: refused: {refused}")
    print(plaintext.hex())


if __name__ == "__main__":
    main()
