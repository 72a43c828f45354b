"""AWS's own SDK for Python, unchanged: every operation of its model that is offered here.

botocore reads each answer by AWS's model of the service, so what is wrong in a name or a type is
noticed here. The same model says whether src/aws/shapes.json is still what AWS says.
"""

import base64
import datetime
import hashlib
import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile

import aws_encryption_sdk
import boto3
import botocore.config
import botocore.exceptions
import botocore.model
import botocore.session
import requests
from aws_encryption_sdk.identifiers import CommitmentPolicy
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, mlkem, padding

from common import check, done, fail, setting

ENDPOINT = setting("AWS_ENDPOINT_URL_KMS")
REGION = setting("AWS_DEFAULT_REGION")
ACCOUNT = setting("AWS_ACCOUNT_ID")
SHAPES = pathlib.Path(__file__).parents[2] / "src" / "aws" / "shapes.json"

called = set()


def config(**more):
    return botocore.config.Config(retries={"total_max_attempts": 1}, **more)


def client(suffix="", config=config(), region=REGION):
    kms = boto3.client(
        "kms",
        endpoint_url=ENDPOINT,
        region_name=region,
        aws_access_key_id=setting(f"AWS_ACCESS_KEY_ID{suffix}"),
        aws_secret_access_key=setting(f"AWS_SECRET_ACCESS_KEY{suffix}"),
        config=config,
    )
    kms.meta.events.register("after-call.kms", note)
    return kms


def note(model, **_):
    called.add(model.name)


def refused(what, kind, call, **members):
    """The error must be the typed one, with status 400 and a request id; gives its text."""
    try:
        call(**members)
    except botocore.exceptions.ClientError as error:
        check(f"{what}: {kind}", error.response["Error"]["Code"], kind)
        meta = error.response["ResponseMetadata"]
        check(f"{what}: 400", meta["HTTPStatusCode"], 400)
        if not meta.get("RequestId"):
            fail(f"{what}: no request id")
        return error.response["Error"].get("Message", "")
    fail(f"{what}: {kind} expected")


def operations(model):
    """Every operation of the model is offered, told by the server: each is called with nothing."""
    loose = client(config=config(parameter_validation=False))
    for name in model.operation_names:
        kind, status = "", 200
        try:
            loose._make_api_call(name, {})
        except botocore.exceptions.ClientError as error:
            kind = error.response["Error"]["Code"]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status >= 500:
            fail(f"{name} with nothing: {status}")
        if kind == "UnknownOperationException":
            fail(f"{name} is not offered")
    check("there are 56 operations", len(model.operation_names), 56)


def shapes(model):
    """src/aws/shapes.json says of requests what the model says."""
    ours = json.loads(SHAPES.read_text())
    check("operations", sorted(ours["operations"]), sorted(model.operation_names))
    for name, told in ours["operations"].items():
        shape = model.operation_model(name).input_shape
        if shape and told != shape.name:
            fail(f"shapes.json: the input of {name} is {told}, the model says {shape.name}")
    for name, told in ours["shapes"].items():
        try:
            shape = model.shape_for(name)
        except botocore.model.NoShapeFoundError:
            fail(f"shapes.json: the model has no {name}")
        kinds = {"long": "integer"}
        same = {
            "type": kinds.get(shape.type_name, shape.type_name),
            "min": shape.metadata.get("min"),
            "max": shape.metadata.get("max"),
            "pattern": shape.metadata.get("pattern"),
        }
        # Order is AWS's own in the texts of its errors, which the model does not tell.
        words = getattr(shape, "enum", []) or []
        if shape.type_name == "structure":
            same["members"] = {key: value.name for key, value in shape.members.items()}
            same["required"] = sorted(shape.required_members)
        for rule, value in same.items():
            ours_says = told.get(rule)
            if rule == "required":
                ours_says = sorted(ours_says or [])
            if rule == "members":
                ours_says = ours_says or {}
            if ours_says != value:
                fail(f"shapes.json: {name}.{rule} is {ours_says}, the model says {value}")
        if sorted(told.get("enum", [])) != sorted(words):
            fail(f"shapes.json: {name}'s words are not {words}")
    done("shapes.json is what the model says")


def answers(model):
    """src/aws/answers.json says of answers and errors what the model says."""
    ours = json.loads(SHAPES.with_name("answers.json").read_text())
    check("operations", sorted(ours["operations"]), sorted(model.operation_names))
    for name, told in ours["operations"].items():
        operation = model.operation_model(name)
        output = operation.output_shape
        same = {"errors": sorted(shape.name for shape in operation.error_shapes)}
        if output:
            same["output"] = output.name
        if told != same:
            fail(f"answers.json: {name} is {told}, the model says {same}")
    for name, told in ours["shapes"].items():
        shape = model.shape_for(name)
        members = {key: value.name for key, value in getattr(shape, "members", {}).items()}
        if told.get("members", {}) != members:
            fail(f"answers.json: {name} is {told}, the model says {members}")
        if sorted(told.get("enum", [])) != sorted(getattr(shape, "enum", []) or []):
            fail(f"answers.json: {name}'s words differ")
    done("answers.json is what the model says")


def life(kms):
    made = kms.create_key(Description="by boto3")["KeyMetadata"]
    arn, key = made["Arn"], made["KeyId"]
    check("ARN", arn, f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}")
    if not isinstance(made["CreationDate"], datetime.datetime):
        fail("CreationDate is no date")
    check("describe_key", kms.describe_key(KeyId=key)["KeyMetadata"], made)
    kms.disable_key(KeyId=key)
    text = refused("a disabled key", "DisabledException", kms.encrypt, KeyId=key, Plaintext=b"x")
    check("its text", text, f"{arn} is disabled.")
    kms.enable_key(KeyId=key)
    kms.update_key_description(KeyId=key, Description="new")
    told = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    check("scheduled", (told["KeyId"], told["KeyState"]), (arn, "PendingDeletion"))
    refused(
        "twice", "KMSInvalidStateException", kms.schedule_key_deletion, KeyId=key
    )
    check("cancelled", kms.cancel_key_deletion(KeyId=key)["KeyId"], arn)
    text = refused("again", "KMSInvalidStateException", kms.cancel_key_deletion, KeyId=key)
    check("its text", text, f"{arn} is not pending deletion.")
    check("Disabled", kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"], "Disabled")
    refused("no such key", "NotFoundException", kms.describe_key, KeyId="no-such-key")
    try:
        kms.describe_key(KeyId="no-such-key")
    except kms.exceptions.NotFoundException:
        done("errors are typed")
    other = client("_2")
    refused("another account's key", "NotFoundException", other.describe_key, KeyId=arn)
    wrong = boto3.client(
        "kms", endpoint_url=ENDPOINT, region_name=REGION,
        aws_access_key_id="NOBODY", aws_secret_access_key="x",
    )
    refused("a stranger", "InvalidSignatureException", wrong.list_keys)


def pages(kms):
    made = {kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(5)}
    paginator = kms.get_paginator("list_keys")
    found = []
    for page in paginator.paginate(PaginationConfig={"PageSize": 2}):
        found += [key["KeyId"] for key in page["Keys"]]
    check("every key once", len(found), len(set(found)))
    if not made <= set(found):
        fail("the paginator lost keys")
    done("list_keys page by page")
    refused("a made-up marker", "InvalidMarkerException", kms.list_keys, Marker="x")


def ciphers(kms):
    key = kms.create_key()["KeyMetadata"]["Arn"]
    context = {"b": "2", "a": "1"}
    sealed = kms.encrypt(KeyId=key, Plaintext=b"secret", EncryptionContext=context)
    check("encrypt's KeyId", sealed["KeyId"], key)
    blob = sealed["CiphertextBlob"]
    opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext={"a": "1", "b": "2"})
    check("decrypt", (opened["Plaintext"], opened["KeyId"]), (b"secret", key))
    refused("no context", "InvalidCiphertextException", kms.decrypt, CiphertextBlob=blob)
    other = kms.create_key()["KeyMetadata"]["Arn"]
    refused(
        "another key", "IncorrectKeyException", kms.decrypt,
        CiphertextBlob=blob, EncryptionContext=context, KeyId=other,
    )
    again = kms.re_encrypt(
        CiphertextBlob=blob, SourceEncryptionContext=context, DestinationKeyId=other
    )
    check("re_encrypt", (again["SourceKeyId"], again["KeyId"]), (key, other))
    check("it opens", kms.decrypt(CiphertextBlob=again["CiphertextBlob"])["Plaintext"], b"secret")
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    check("data key", len(made["Plaintext"]), 32)
    opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"]
    check("it opens", opened, made["Plaintext"])
    kms.generate_data_key_without_plaintext(KeyId=key, NumberOfBytes=24)
    pair = kms.generate_data_key_pair(KeyId=key, KeyPairSpec="ECC_NIST_P256")
    opened = kms.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"])["Plaintext"]
    check("pair opens", opened, pair["PrivateKeyPlaintext"])
    kms.generate_data_key_pair_without_plaintext(KeyId=key, KeyPairSpec="RSA_2048")
    check("random", len(kms.generate_random(NumberOfBytes=33)["Plaintext"]), 33)
    refused(
        "dry run", "DryRunOperationException", kms.encrypt,
        KeyId=key, Plaintext=b"x", DryRun=True,
    )
    without = {"DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
    refused("nothing to open", "DryRunOperationException", kms.decrypt, KeyId=key, **without)
    refused("nothing to open anew", "DryRunOperationException", kms.re_encrypt,
            SourceKeyId=key, DestinationKeyId=other, **without)


def signatures(kms):
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    digest = hashlib.sha256(b"hello").digest()
    by = {"KeyId": key, "SigningAlgorithm": "ECDSA_SHA_256"}
    signature = kms.sign(Message=b"hello", **by)["Signature"]
    public = serialization.load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])
    public.verify(signature, b"hello", ec.ECDSA(hashes.SHA256()))
    done("cryptography verifies what was signed")
    told = kms.verify(Message=digest, MessageType="DIGEST", Signature=signature, **by)
    check("verify", told["SignatureValid"], True)
    refused(
        "another message", "KMSInvalidSignatureException", kms.verify,
        Message=b"other", Signature=signature, **by,
    )
    mac = kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"]
    by = {"KeyId": mac, "MacAlgorithm": "HMAC_SHA_256", "Message": b"hello"}
    code = kms.generate_mac(**by)["Mac"]
    check("verify_mac", kms.verify_mac(Mac=code, **by)["MacValid"], True)
    refused("a wrong code", "KMSInvalidMacException", kms.verify_mac, Mac=b"x", **by)
    agree = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")["KeyMetadata"]["KeyId"]
    private = ec.generate_private_key(ec.SECP256R1())
    spki = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    shared = kms.derive_shared_secret(KeyId=agree, KeyAgreementAlgorithm="ECDH", PublicKey=spki)
    peer = serialization.load_der_public_key(kms.get_public_key(KeyId=agree)["PublicKey"])
    check("derive_shared_secret", shared["SharedSecret"], private.exchange(ec.ECDH(), peer))


def rules(kms):
    """What stands around a key: aliases, tags, grants, its policy."""
    made = kms.create_key(Tags=[{"TagKey": "env", "TagValue": "test"}])["KeyMetadata"]
    key, arn, account = made["KeyId"], made["Arn"], made["AWSAccountId"]
    other = kms.create_key()["KeyMetadata"]["KeyId"]

    name = f"alias/boto3-{key}"
    kms.create_alias(AliasName=name, TargetKeyId=key)
    check("by its alias", kms.describe_key(KeyId=name)["KeyMetadata"]["KeyId"], key)
    kms.update_alias(AliasName=name, TargetKeyId=other)
    listed = kms.get_paginator("list_aliases").paginate(KeyId=other).build_full_result()
    check("ListAliases", [one["AliasName"] for one in listed["Aliases"]], [name])
    kms.delete_alias(AliasName=name)
    refused("an alias that went", "NotFoundException", kms.describe_key, KeyId=name)

    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "team", "TagValue": "pay"}])
    kms.untag_resource(KeyId=key, TagKeys=["env", "nothing"])
    tags = kms.list_resource_tags(KeyId=key)["Tags"]
    check("ListResourceTags", tags, [{"TagKey": "team", "TagValue": "pay"}])

    me = f"arn:aws:iam::{account}:user/dev"
    granted = kms.create_grant(KeyId=key, GranteePrincipal=me, RetiringPrincipal=me,
                               Operations=["Encrypt", "Decrypt"])
    listed = kms.list_grants(KeyId=key)["Grants"]
    check("ListGrants", [one["GrantId"] for one in listed], [granted["GrantId"]])
    retirable = kms.list_retirable_grants(RetiringPrincipal=me)["Grants"]
    check("ListRetirableGrants", [one["KeyId"] for one in retirable], [arn])
    kms.retire_grant(GrantToken=granted["GrantToken"])
    granted = kms.create_grant(KeyId=key, GranteePrincipal=me, Operations=["DescribeKey"])
    kms.revoke_grant(KeyId=key, GrantId=granted["GrantId"])
    check("no grants", kms.list_grants(KeyId=key)["Grants"], [])

    policy = json.loads(kms.get_key_policy(KeyId=key)["Policy"])
    check("ListKeyPolicies", kms.list_key_policies(KeyId=key)["PolicyNames"], ["default"])
    policy["Statement"].append({"Sid": "none", "Effect": "Deny", "Principal": "*",
                                "Action": "kms:Encrypt", "Resource": "*"})
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))
    refused("what the policy denies", "AccessDeniedException",
            kms.encrypt, KeyId=key, Plaintext=b"x")
    policy["Statement"][-1]["Condition"] = {
        "StringNotEquals": {"kms:EncryptionContext:user": "${aws:username}"},
        "DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"},
    }
    kms.put_key_policy(KeyId=key, Policy=json.dumps(policy))
    kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"user": "dev"})
    refused("a context that the policy denies", "AccessDeniedException",
            kms.encrypt, KeyId=key, Plaintext=b"x", EncryptionContext={"user": "eve"})


def bring(kms, key, material):
    """Imports material that does not expire; gives its id."""
    given = kms.get_parameters_for_import(
        KeyId=key, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048")
    public = serialization.load_der_public_key(given["PublicKey"])
    wrapped = public.encrypt(material, padding.OAEP(
        padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    return kms.import_key_material(
        KeyId=key, ImportToken=given["ImportToken"], EncryptedKeyMaterial=wrapped,
        ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE")["KeyMaterialId"]


def materials(kms):
    """Versions of material, made and imported; copies in other regions; stores that are not there."""
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=90)
    status = kms.get_key_rotation_status(KeyId=key)
    check("a plan", (status["KeyRotationEnabled"], status["RotationPeriodInDays"]), (True, 90))
    kms.disable_key_rotation(KeyId=key)
    sealed = kms.encrypt(KeyId=key, Plaintext=b"old")["CiphertextBlob"]
    kms.rotate_key_on_demand(KeyId=key)
    check("an old ciphertext", kms.decrypt(CiphertextBlob=sealed)["Plaintext"], b"old")
    turned = kms.list_key_rotations(KeyId=key)["Rotations"]
    check("ListKeyRotations", [one["RotationType"] for one in turned], ["ON_DEMAND"])
    used = kms.get_key_last_usage(KeyId=key)["KeyLastUsage"]
    check("GetKeyLastUsage", used["Operation"], "Decrypt")

    mine = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    bring(kms, mine, bytes(range(32)))
    check("imported", kms.describe_key(KeyId=mine)["KeyMetadata"]["KeyState"], "Enabled")
    kms.delete_imported_key_material(KeyId=mine)
    check("dropped", kms.describe_key(KeyId=mine)["KeyMetadata"]["KeyState"], "PendingImport")

    first = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    there = "eu-west-1" if REGION != "eu-west-1" else "us-west-2"
    copy = kms.replicate_key(KeyId=first, ReplicaRegion=there)["ReplicaKeyMetadata"]
    check("the copy's id", copy["KeyId"], first)
    kms.update_primary_region(KeyId=first, PrimaryRegion=there)
    shown = kms.describe_key(KeyId=first)["KeyMetadata"]["MultiRegionConfiguration"]
    check("the primary moved", shown["PrimaryKey"]["Region"], there)

    mine = kms.create_key(MultiRegion=True, Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    material = bring(kms, mine, bytes(32))
    sealed = kms.encrypt(KeyId=mine, Plaintext=b"far")["CiphertextBlob"]
    policy = json.loads(kms.get_key_policy(KeyId=mine)["Policy"])
    policy["Id"] = "away"
    copy = kms.replicate_key(KeyId=mine, ReplicaRegion=there, Policy=json.dumps(policy),
                             BypassPolicyLockoutSafetyCheck=True)
    check("the copy's policy", json.loads(copy["ReplicaPolicy"])["Id"], "away")
    away = client(region=there)
    refused("other bytes", "IncorrectKeyMaterialException",
            bring, kms=away, key=mine, material=bytes([1]) * 32)
    check("the same material", bring(away, mine, bytes(32)), material)
    check("opened there", away.decrypt(CiphertextBlob=sealed)["Plaintext"], b"far")

    check("no stores", kms.describe_custom_key_stores()["CustomKeyStores"], [])
    nowhere = "cks-00000000000000000"
    for call, more in (
        (kms.connect_custom_key_store, {}),
        (kms.disconnect_custom_key_store, {}),
        (kms.update_custom_key_store, {"NewCustomKeyStoreName": "x"}),
        (kms.delete_custom_key_store, {}),
    ):
        refused("a store that is not there", "CustomKeyStoreNotFoundException",
                call, CustomKeyStoreId=nowhere, **more)
    refused("no store, no chance", "CustomKeyStoreNotFoundException",
            kms.generate_random, NumberOfBytes=16, CustomKeyStoreId=nowhere)
    refused("a cluster that is not there", "CloudHsmClusterNotFoundException",
            kms.create_custom_key_store, CustomKeyStoreName="x",
            CloudHsmClusterId="cluster-aaaaaaaaaaaaaaaa", TrustAnchorCertificate="x",
            KeyStorePassword="password1")


def post_quantum(kms):
    """ML-DSA and ML-KEM, held against another implementation: the one in `cryptography`."""
    for spec, private_key in (
        ("ML_DSA_44", mldsa.MLDSA44PrivateKey),
        ("ML_DSA_65", mldsa.MLDSA65PrivateKey),
        ("ML_DSA_87", mldsa.MLDSA87PrivateKey),
    ):
        made = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]
        check(f"{spec}'s algorithms", made["SigningAlgorithms"], ["ML_DSA_SHAKE_256"])
        by = {"KeyId": made["KeyId"], "SigningAlgorithm": "ML_DSA_SHAKE_256"}
        spki = kms.get_public_key(KeyId=made["KeyId"])["PublicKey"]
        public = serialization.load_der_public_key(spki)
        check(f"{spec} is", type(public), type(private_key.generate().public_key()))
        mu = representative(public.public_bytes_raw(), b"hello")
        for kind, message in (("RAW", b"hello"), ("EXTERNAL_MU", mu)):
            signature = kms.sign(Message=message, MessageType=kind, **by)["Signature"]
            public.verify(signature, b"hello")
            public.verify_mu(signature, mu)
            for other, same in (("RAW", b"hello"), ("EXTERNAL_MU", mu)):
                told = kms.verify(Message=same, MessageType=other, Signature=signature, **by)
                check(f"{spec}: {kind} holds as {other}", told["SignatureValid"], True)
        stranger = private_key.generate().sign(b"hello")
        refused(f"{spec}: another's signature", "KMSInvalidSignatureException",
                kms.verify, Message=b"hello", Signature=stranger, **by)
    wrapping = kms.create_key()["KeyMetadata"]["KeyId"]
    # `cryptography` has no ML-KEM-512.
    for spec, private_key, length in (
        ("ML_KEM_512", None, 768),
        ("ML_KEM_768", mlkem.MLKEM768PrivateKey, 1088),
        ("ML_KEM_1024", mlkem.MLKEM1024PrivateKey, 1568),
    ):
        made = kms.create_key(KeySpec=spec, KeyUsage="ENCAPSULATE_DECAPSULATE")["KeyMetadata"]
        check(f"{spec}'s algorithms", made["EncapsulationAlgorithms"], ["ML_KEM"])
        by = {"KeyId": made["KeyId"], "EncapsulationAlgorithm": "ML_KEM"}
        ours = kms.encapsulate(**by)
        blob = ours["SharedSecretCiphertextBlob"]
        check(f"{spec}'s length", (len(blob), len(ours["SharedSecret"])), (length, 32))
        opened = kms.decapsulate(SharedSecretCiphertextBlob=blob, **by)
        check(f"{spec} opens", opened["SharedSecret"], ours["SharedSecret"])
        refused(f"{spec}: too short", "InvalidCiphertextException",
                kms.decapsulate, SharedSecretCiphertextBlob=blob[1:], **by)
        pair = kms.generate_data_key_pair(KeyId=wrapping, KeyPairSpec=spec)
        opened = kms.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"])["Plaintext"]
        check(f"{spec}'s pair opens", opened, pair["PrivateKeyPlaintext"])
        if private_key is None:
            continue
        spki = kms.get_public_key(KeyId=made["KeyId"])["PublicKey"]
        secret, blob = serialization.load_der_public_key(spki).encapsulate()
        opened = kms.decapsulate(SharedSecretCiphertextBlob=blob, **by)
        check(f"{spec} opens what another made", opened["SharedSecret"], secret)
        private = serialization.load_der_private_key(pair["PrivateKeyPlaintext"], None)
        check(f"{spec}'s pair", spki_of(private.public_key()), pair["PublicKey"])
        secret, blob = private.public_key().encapsulate()
        check(f"{spec}'s pair works", private.decapsulate(blob), secret)
        pkcs8 = private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        check(f"{spec}'s pair is written alike", pair["PrivateKeyPlaintext"], pkcs8)


def representative(public, message):
    """What ML-DSA signs of a message, with no context (FIPS 204, algorithm 2)."""
    of_key = hashlib.shake_256(public).digest(64)
    return hashlib.shake_256(of_key + bytes(2) + message).digest(64)


def spki_of(public):
    return public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def presigned():
    """The query form, as botocore makes it: without a body."""
    credentials = boto3.Session(
        setting("AWS_ACCESS_KEY_ID"), setting("AWS_SECRET_ACCESS_KEY")
    ).get_credentials()
    request = AWSRequest(
        "POST", f"{ENDPOINT}/",
        headers={"X-Amz-Target": "TrentService.ListKeys", "Content-Type": "application/x-amz-json-1.1"},
    )
    SigV4QueryAuth(credentials, "kms", REGION, expires=60).add_auth(request)
    prepared = request.prepare()
    answer = requests.post(prepared.url, headers=dict(prepared.headers), timeout=10)
    check(f"a presigned request ({answer.text[:200]})", answer.status_code, 200)


def command_line(kms):
    """The AWS command line, as a program of its own."""
    key = kms.create_key()["KeyMetadata"]["Arn"]
    aws = [sys.executable, "-m", "awscli"]
    environment = os.environ | {"AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}

    def run(*arguments):
        return subprocess.run(
            [*aws, "kms", *arguments], env=environment, capture_output=True, text=True, timeout=60
        )

    with tempfile.NamedTemporaryFile() as plain, tempfile.NamedTemporaryFile() as blob:
        plain.write(b"card=4111")
        plain.flush()
        sealed = run(
            "encrypt", "--key-id", key, "--plaintext", f"fileb://{plain.name}",
            "--encryption-context", "a=1", "--query", "CiphertextBlob", "--output", "text",
        )
        check(f"aws kms encrypt {sealed.stderr}", sealed.returncode, 0)
        blob.write(base64.b64decode(sealed.stdout))
        blob.flush()
        opened = run(
            "decrypt", "--ciphertext-blob", f"fileb://{blob.name}", "--encryption-context", "a=1",
            "--query", "Plaintext", "--output", "text",
        )
        check(f"aws kms decrypt {opened.stderr}", base64.b64decode(opened.stdout), b"card=4111")
    listed = run("list-keys", "--page-size", "2", "--output", "json")
    arns = [entry["KeyArn"] for entry in json.loads(listed.stdout)["Keys"]]
    if key not in arns:
        fail("aws kms list-keys does not list the key")
    missing = run("describe-key", "--key-id", "11111111-2222-4333-8444-555555555555")
    check("aws kms describe-key of none", missing.returncode, 255)
    if "(NotFoundException)" not in missing.stderr:
        fail(missing.stderr)
    done("the AWS command line")


def encryption_sdk(kms):
    """AWS's library for encrypting on the client: its data keys are wrapped here."""
    key = kms.create_key()["KeyMetadata"]["Arn"]
    session = botocore.session.Session()
    session.set_credentials(setting("AWS_ACCESS_KEY_ID"), setting("AWS_SECRET_ACCESS_KEY"))
    provider = aws_encryption_sdk.StrictAwsKmsMasterKeyProvider(
        key_ids=[key], botocore_session=session
    )
    sdk = aws_encryption_sdk.EncryptionSDKClient(
        commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
    )
    sealed, _ = sdk.encrypt(
        source=b"a long text" * 1000, key_provider=provider, encryption_context={"z": "1", "a": "2"}
    )
    opened, header = sdk.decrypt(source=sealed, key_provider=provider)
    check("aws-encryption-sdk opens what it sealed", opened, b"a long text" * 1000)
    check("its context", header.encryption_context["a"], "2")
    changed = sealed[:-5] + bytes([sealed[-5] ^ 1]) + sealed[-4:]
    logging.disable()  # it tells of refusals with the whole stack
    try:
        sdk.decrypt(source=changed, key_provider=provider)
    except Exception:
        done("aws-encryption-sdk refuses what was changed")
    else:
        fail("aws-encryption-sdk opened what was changed")


def main():
    kms = client()
    model = kms.meta.service_model
    shapes(model)
    answers(model)
    operations(model)
    called.clear()
    life(kms)
    pages(kms)
    ciphers(kms)
    signatures(kms)
    rules(kms)
    materials(kms)
    post_quantum(kms)
    check("every operation was called", sorted(set(model.operation_names) - called), [])
    presigned()
    command_line(kms)
    encryption_sdk(kms)
    print(f"{len(model.operation_names)} operations called")


main()
