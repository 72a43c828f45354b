"""An enclave that shares no code with kmsd: it makes its attestation document with cbor2 and
cryptography, asks through Huawei Cloud's SDK, and opens the answer with pyasn1 and cryptography.

    enclave.py --make-root FOLDER    makes the root that `kmsd dev --enclave-root` is told of
    enclave.py FOLDER                asks that kmsd
"""

import base64
import datetime
import pathlib
import sys
import time

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding as rsa_padding, rsa, utils
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509.oid import NameOID
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkkms import v2 as kms_v2
from huaweicloudsdkkms.v2 import KmsClient
from pyasn1.codec.ber import decoder
from pyasn1.type import namedtype, tag, univ
from pyasn1_modules import rfc4055, rfc5652

from common import check, done, fail, setting

DER = serialization.Encoding.DER
PEM = serialization.Encoding.PEM
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


class ContentInfo(univ.Sequence):
    """That of RFC 5652 with the one content that is expected: pyasn1 does not find the end of an
    indefinite length within what may be anything."""

    componentType = namedtype.NamedTypes(
        namedtype.NamedType("contentType", rfc5652.ContentType()),
        namedtype.NamedType("content", rfc5652.EnvelopedData().subtype(
            explicitTag=tag.Tag(tag.tagClassContext, tag.tagFormatSimple, 0))))


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, key, issuer, issuer_key, is_authority):
    now = datetime.datetime.now(datetime.timezone.utc)
    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
         "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
    usage["key_cert_sign" if is_authority else "digital_signature"] = True
    return (
        x509.CertificateBuilder()
        .subject_name(name_of(subject)).issuer_name(name_of(issuer))
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .sign(issuer_key, hashes.SHA384())
    )


def make_root(folder):
    key = ec.generate_private_key(ec.SECP384R1())
    root = certificate("python.enclaves", key, "python.enclaves", key, True)
    (folder / "root.pem").write_bytes(root.public_bytes(PEM))
    (folder / "root.key").write_bytes(key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


class Enclave:
    def __init__(self, folder):
        root = x509.load_pem_x509_certificate((folder / "root.pem").read_bytes())
        root_key = serialization.load_pem_private_key((folder / "root.key").read_bytes(), None)
        zone_key, self.key = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
        zone = certificate("zone", zone_key, "python.enclaves", root_key, True)
        self.certificate = certificate("i-1-enc2", self.key, "zone", zone_key, False)
        self.bundle = [root.public_bytes(DER), zone.public_bytes(DER)]
        self.rsa = rsa.generate_private_key(65537, 3072)

    def document(self, at=None, **fields):
        payload = cbor2.dumps({
            "module_id": "i-1-enc2",
            "digest": "SHA384",
            "timestamp": int((at or time.time()) * 1000),
            "pcrs": {number: bytes(48) for number in range(16)},
            "certificate": self.certificate.public_bytes(DER),
            "cabundle": self.bundle,
            "public_key": self.rsa.public_key().public_bytes(DER, SPKI),
            "user_data": None,
            "nonce": None,
        } | fields)
        header = cbor2.dumps({1: -35})
        signed = cbor2.dumps(["Signature1", header, b"", payload])
        r, s = utils.decode_dss_signature(self.key.sign(signed, ec.ECDSA(hashes.SHA384())))
        signature = r.to_bytes(48, "big") + s.to_bytes(48, "big")
        return cbor2.dumps(cbor2.CBORTag(18, [header, {}, payload, signature]))

    def open(self, envelope):
        """The content of a CMS EnvelopedData, every part of which is looked at."""
        info, rest = decoder.decode(envelope, asn1Spec=ContentInfo())
        check("nothing behind the envelope", rest, b"")
        check("EnvelopedData", info["contentType"], rfc5652.id_envelopedData)
        data = info["content"]
        check("its version", int(data["version"]), 2)
        check("its recipients", len(data["recipientInfos"]), 1)
        recipient = data["recipientInfos"][0]["ktri"]
        digest = hashes.Hash(hashes.SHA256())
        digest.update(self.rsa.public_key().public_bytes(DER, SPKI))
        check("the recipient", bytes(recipient["rid"]["subjectKeyIdentifier"]), digest.finalize())
        algorithm = recipient["keyEncryptionAlgorithm"]
        check("RSAES-OAEP", algorithm["algorithm"], rfc4055.id_RSAES_OAEP)
        oaep, _ = decoder.decode(algorithm["parameters"], asn1Spec=rfc4055.RSAES_OAEP_params())
        check("its hash", oaep["hashFunc"]["algorithm"], rfc4055.id_sha256)
        check("its mask", oaep["maskGenFunc"]["algorithm"], rfc4055.id_mgf1)
        key = self.rsa.decrypt(bytes(recipient["encryptedKey"]), rsa_padding.OAEP(
            rsa_padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
        content = data["encryptedContentInfo"]
        check("data", content["contentType"], rfc5652.id_data)
        cipher = content["contentEncryptionAlgorithm"]
        check("AES-256-CBC", str(cipher["algorithm"]), "2.16.840.1.101.3.4.1.42")
        iv, _ = decoder.decode(cipher["parameters"])
        decryptor = Cipher(algorithms.AES256(key), modes.CBC(bytes(iv))).decryptor()
        padded = decryptor.update(bytes(content["encryptedContent"])) + decryptor.finalize()
        unpadder = padding.PKCS7(128).unpadder()
        return unpadder.update(padded) + unpadder.finalize()


def main(folder):
    enclave = Enclave(folder)
    credentials = BasicCredentials(
        setting("KMS_AK"), setting("KMS_SK"), setting("KMS_PROJECT_ID"))
    kms = (KmsClient.new_builder().with_credentials(credentials)
           .with_endpoint(setting("KMS_ENDPOINT")).build())
    key = kms.create_key(kms_v2.CreateKeyRequest(body=kms_v2.CreateKeyRequestBody(
        key_alias="for-enclaves", key_spec="EC_P384", key_usage="KEY_AGREEMENT"))).key_info.key_id
    shown = kms.show_public_key(kms_v2.ShowPublicKeyRequest(
        body=kms_v2.OperateKeyRequestBody(key_id=key))).public_key
    peer = ec.generate_private_key(ec.SECP384R1())
    secret = peer.exchange(ec.ECDH(), serialization.load_pem_public_key(shown.encode()))

    def derive(document):
        return kms.derive_shared_secret(kms_v2.DeriveSharedSecretRequest(
            body=kms_v2.DeriveSharedSecretRequestBody(
                key_id=key, key_agreement_algorithm="ECDH",
                public_key=base64.b64encode(peer.public_key().public_bytes(DER, SPKI)).decode(),
                recipient=kms_v2.Recipient(
                    attestation_document=base64.b64encode(document).decode(),
                    key_encryption_algorithm="RSAES_OAEP_SHA_256"))))

    agreed = derive(enclave.document())
    check("no plaintext", agreed.shared_secret, None)
    check("the secret in the envelope",
          enclave.open(base64.b64decode(agreed.ciphertext_recipient)), secret)
    qingtian = enclave.document(
        public_key=None, pubkey=enclave.rsa.public_key().public_bytes(DER, SPKI))
    check("a document as QingTian describes it",
          enclave.open(base64.b64decode(derive(qingtian).ciphertext_recipient)), secret)

    stranger = Enclave(folder)
    stranger.certificate, stranger.bundle = enclave.certificate, enclave.bundle
    for what, document in (
        ("a document of an hour ago", enclave.document(at=time.time() - 3600)),
        ("a document signed by another", stranger.document()),
        ("a document without a key", enclave.document(public_key=None)),
    ):
        try:
            derive(document)
        except ClientRequestException as error:
            check(what, (error.status_code, error.error_code), (400, "KMS.3804"))
        else:
            fail(f"{what} was believed")
    done("an enclave")


if __name__ == "__main__":
    if sys.argv[1] == "--make-root":
        make_root(pathlib.Path(sys.argv[2]))
    else:
        main(pathlib.Path(sys.argv[1]))
