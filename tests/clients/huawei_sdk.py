"""Huawei Cloud's own SDK for Python, unchanged, through the whole life of a key.

Runs against `kmsd dev`, alone with it: what it says of lists and counters is exact. Every way in
which that SDK authenticates is used, and every refusal a client may come to depend on.
"""

import base64
import json
import os
import time
import uuid

from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.region.region import Region
from huaweicloudsdkkms import v2 as kms_v2
from huaweicloudsdkkms.v2 import KmsClient

from common import check, done, fail, password_token, setting, user_of
from sdk_calls import Calls, is_about_keystores

ENDPOINT = setting("KMS_ENDPOINT")
PROJECT = setting("KMS_PROJECT_ID")
REGION = setting("KMS_REGION")
AK, SK = setting("KMS_AK"), setting("KMS_SK")
DAY_MS = 24 * 60 * 60 * 1000


def client(credentials=None, endpoint=ENDPOINT):
    credentials = credentials or BasicCredentials(AK, SK, PROJECT)
    return KmsClient.new_builder().with_credentials(credentials).with_endpoint(endpoint).build()


def a_name():
    return f"sdk/{uuid.uuid4()}"


def create(kms, **members):
    members = {"key_alias": a_name()} | members
    body = kms_v2.CreateKeyRequestBody(**members)
    return kms.create_key(kms_v2.CreateKeyRequest(body=body)).key_info


def operate(call, request, key_id, **members):
    """The calls whose body is a key id, and little else."""
    return call(request(body=kms_v2.OperateKeyRequestBody(key_id=key_id, **members)))


def describe(kms, key_id):
    return operate(kms.list_key_detail, kms_v2.ListKeyDetailRequest, key_id).key_info


def enable(kms, key_id):
    return operate(kms.enable_key, kms_v2.EnableKeyRequest, key_id).key_info


def disable(kms, key_id):
    return operate(kms.disable_key, kms_v2.DisableKeyRequest, key_id).key_info


def schedule(kms, key_id, days):
    body = kms_v2.ScheduleKeyDeletionRequestBody(key_id=key_id, pending_days=days)
    return kms.delete_key(kms_v2.DeleteKeyRequest(body=body))


def cancel(kms, key_id):
    return operate(kms.cancel_key_deletion, kms_v2.CancelKeyDeletionRequest, key_id)


def rename(kms, key_id, name):
    body = kms_v2.UpdateKeyAliasRequestBody(key_id=key_id, key_alias=name)
    return kms.update_key_alias(kms_v2.UpdateKeyAliasRequest(body=body)).key_info


def redescribe(kms, key_id, text):
    body = kms_v2.UpdateKeyDescriptionRequestBody(key_id=key_id, key_description=text)
    return kms.update_key_description(kms_v2.UpdateKeyDescriptionRequest(body=body)).key_info


def list_keys(kms, **filters):
    body = kms_v2.ListKeysRequestBody(**filters)
    return kms.list_keys(kms_v2.ListKeysRequest(body=body))


def refused(what, status, code, call, *arguments, **members):
    """The call must fail with this status and code; gives the exception."""
    try:
        call(*arguments, **members)
    except ClientRequestException as error:
        check(what, (error.status_code, error.error_code), (status, code))
        if not error.request_id:
            fail(f"{what}: the answer has no X-Request-Id")
        return error
    fail(f"{what}: was not refused")


def life_of_a_key(kms):
    name = a_name()
    before = int(time.time() * 1000)
    made = create(kms, key_alias=name, key_description="orders database")
    key = made.key_id
    check("create-key tells the region", made.region_id, REGION)
    found = describe(kms, key).to_dict()
    created = int(found.pop("creation_date"))
    if not before - 60_000 <= created <= time.time() * 1000 + 60_000:
        fail(f"creation_date {created} is not now, in milliseconds")
    check("describe-key tells everything about the new key", found, {
        "key_id": key,
        "domain_id": made.domain_id,
        "key_alias": name,
        "realm": REGION,
        "key_spec": "AES_256",
        "key_usage": "ENCRYPT_DECRYPT",
        "key_description": "orders database",
        "scheduled_deletion_date": "",
        "key_state": "2",
        "default_key_flag": "0",
        "key_type": "1",
        "expiration_time": "",
        "origin": "kms",
        "key_rotation_enabled": "false",
        "sys_enterprise_project_id": "0",
        "keystore_id": "0",
    })

    refused("enable-key when enabled", 400, "KMS.1201", enable, kms, key)
    check("disable-key", disable(kms, key).key_state, "3")
    refused("disable-key when disabled", 400, "KMS.1301", disable, kms, key)
    check("enable-key", enable(kms, key).key_state, "2")

    new_name = a_name()
    check("update-key-alias", rename(kms, key, new_name).key_alias, new_name)
    check("update-key-description", redescribe(kms, key, "").key_description, "")
    found = describe(kms, key)
    check("both show", (found.key_alias, found.key_description), (new_name, ""))

    refused("cancel when not scheduled", 400, "KMS.1501", cancel, kms, key)
    for days in ("6", "1097", "0", "-7", "seven", "7.5"):
        refused(f"schedule in {days} days", 400, "KMS.1401", schedule, kms, key, days)
    refused("schedule without days", 400, "KMS.0204", schedule, kms, key, None)
    check("refusals change nothing", describe(kms, key).key_state, "2")

    for days in (7, 1096):
        before = int(time.time() * 1000)
        check(f"schedule in {days} days", schedule(kms, key, str(days)).key_state, "4")
        found = describe(kms, key)
        late = int(found.scheduled_deletion_date) - before - days * DAY_MS
        if not -60_000 <= late <= 60_000:
            fail(f"scheduled_deletion_date is {late} ms from {days} days ahead")
        check("describe-key agrees", found.key_state, "4")
        refused("schedule twice", 400, "KMS.1402", schedule, kms, key, "7")
        refused("enable-key when scheduled", 400, "KMS.1201", enable, kms, key)
        refused("disable-key when scheduled", 400, "KMS.1301", disable, kms, key)
        refused("rename when scheduled", 400, "KMS.0210", rename, kms, key, a_name())
        refused("re-describe when scheduled", 400, "KMS.0210", redescribe, kms, key, "no")
        check("cancel leaves the key disabled", cancel(kms, key).key_state, "3")
        found = describe(kms, key)
        check("and without a date", (found.key_state, found.scheduled_deletion_date), ("3", ""))
        check("enable-key is a separate step", enable(kms, key).key_state, "2")
    return key


def external_key(kms):
    key = create(kms, origin="external").key_id
    found = describe(kms, key)
    check("a key without material", (found.key_state, found.origin), ("5", "external"))
    refused("enable-key without material", 400, "KMS.1201", enable, kms, key)
    refused("disable-key without material", 400, "KMS.1301", disable, kms, key)
    check("schedule it", schedule(kms, key, "7").key_state, "4")
    check("cancel waits for material again", cancel(kms, key).key_state, "5")
    check("describe-key agrees", describe(kms, key).key_state, "5")


def refusals(kms):
    for key, status, code in (
        (str(uuid.uuid4()), 404, "KMS.0207"),
        ("not-an-id", 400, "KMS.0205"),
        ("", 400, "KMS.0204"),
    ):
        for call in (describe, enable, disable, cancel):
            refused(f"{call.__name__} of {key!r}", status, code, call, kms, key)
        refused(f"schedule of {key!r}", status, code, schedule, kms, key, "7")
        refused(f"rename of {key!r}", status, code, rename, kms, key, a_name())

    taken = a_name()
    key = create(kms, key_alias=taken).key_id
    refused("a name that is taken", 400, "KMS.1104", create, kms, key_alias=taken)
    refused("a reserved name", 400, "KMS.1101", create, kms, key_alias="mine/default")
    refused("a name with a space", 400, "KMS.1101", create, kms, key_alias="a b")
    refused("an unknown key_spec", 400, "KMS.1110", create, kms, key_spec="AES_257")
    refused("a long description", 400, "KMS.1103", create, kms, key_description="x" * 256)
    refused("rename to a name that is taken", 400, "KMS.1104",
            rename, kms, create(kms).key_id, taken)
    refused("a bad sequence", 400, "KMS.0206",
            operate, kms.list_key_detail, kms_v2.ListKeyDetailRequest, key, sequence="1")
    refused("a bad limit", 400, "KMS.1601", list_keys, kms, limit="many")
    refused("a bad marker", 400, "KMS.1602", list_keys, kms, marker="here")


def other_account(kms):
    """Another account's key answers exactly as a key that does not exist."""
    project = setting("KMS_PROJECT_ID_2")
    others = client(BasicCredentials(setting("KMS_AK_2"), setting("KMS_SK_2"), project))
    key = create(others).key_id
    for call, rest in ((describe, ()), (enable, ()), (disable, ()), (cancel, ()),
                       (schedule, ("7",)), (rename, (a_name(),))):
        answers = [
            refused(f"{call.__name__} of {whose} key", 404, "KMS.0207", call, kms, which, *rest)
            for whose, which in (("another account's", key), ("nobody's", str(uuid.uuid4())))
        ]
        check("in the same words", answers[0].error_msg, answers[1].error_msg)
    check("the key is untouched", describe(others, key).key_state, "2")
    if key in list_keys(kms, key_spec="ALL").keys:
        fail("list-keys shows another account's key")
    intruder = client(BasicCredentials(AK, SK, project))
    refused("another account's project", 403, "KMS.0321", describe, intruder, key)
    intruder = client(BasicCredentials(AK, SK, uuid.uuid4().hex))
    refused("nobody's project", 403, "KMS.0321", describe, intruder, key)


def lists(kms):
    made = {create(kms).key_id for _ in range(5)}
    off = create(kms).key_id
    disable(kms, off)
    rsa = create(kms, key_spec="RSA_2048", key_usage="SIGN_VERIFY").key_id
    everything = list_keys(kms, key_spec="ALL")
    check("one page holds all", (everything.truncated, everything.next_marker), ("false", ""))
    check("total", everything.total, len(everything.keys))
    check("key_details are of the same keys",
          [detail.key_id for detail in everything.key_details], everything.keys)
    if not made | {off, rsa} <= set(everything.keys):
        fail("list-keys misses a key that was just made")

    paged, count, marker = [], 0, None
    while marker != "":
        page = list_keys(kms, key_spec="ALL", limit="2", marker=marker)
        count += 1
        check(f"page {count}", (page.total, page.truncated),
              (everything.total, "true" if page.next_marker else "false"))
        if not 1 <= len(page.keys) <= 2:
            fail(f"a page of {len(page.keys)} keys for limit 2")
        paged += page.keys
        marker = page.next_marker
    check("the pages make the whole list", paged, everything.keys)

    check("filter by state", {d.key_state for d in list_keys(kms, key_state="3").key_details}, {"3"})
    if off not in list_keys(kms, key_state="3").keys:
        fail("list-keys of state 3 misses a disabled key")
    if off in list_keys(kms, key_state="2").keys:
        fail("list-keys of state 2 shows a disabled key")
    check("filter by key_spec", {d.key_spec for d in list_keys(kms, key_spec="RSA_2048").key_details},
          {"RSA_2048"})
    check("without key_spec only AES_256", {d.key_spec for d in list_keys(kms).key_details},
          {"AES_256"})
    refused("a state that cannot be searched for", 400, "KMS.0308", list_keys, kms, key_state="7")


def counters(kms):
    listed = list_keys(kms, key_spec="ALL").key_details
    # The keys of cloud services are listed, and count for nothing.
    total = len([key for key in listed if key.default_key_flag == "0"])
    count = kms.show_user_instances(kms_v2.ShowUserInstancesRequest()).instance_num
    check("user-instances counts all keys", count, total)
    resources = kms.show_user_quotas(kms_v2.ShowUserQuotasRequest()).quotas.resources
    quotas = {resource.type: resource for resource in resources}
    check("user-quotas counts them too", quotas["CMK"].used, total)
    if not quotas["CMK"].quota > total:
        fail(f"a quota of {quotas['CMK'].quota} with {total} keys")


def uses(kms):
    key = create(kms).key_id
    aad = "tenant-1"
    encrypted = kms.encrypt_data(kms_v2.EncryptDataRequest(body=kms_v2.EncryptDataRequestBody(
        key_id=key, plain_text="card=4111", additional_authenticated_data=aad)))
    opened = kms.decrypt_data(kms_v2.DecryptDataRequest(body=kms_v2.DecryptDataRequestBody(
        cipher_text=encrypted.cipher_text, additional_authenticated_data=aad)))
    check("decrypt-data", (opened.key_id, opened.plain_text), (key, "card=4111"))
    refused("without what it was bound to", 400, "KMS.2201", kms.decrypt_data,
            kms_v2.DecryptDataRequest(body=kms_v2.DecryptDataRequestBody(
                cipher_text=encrypted.cipher_text)))

    made = kms.create_datakey(kms_v2.CreateDatakeyRequest(body=kms_v2.CreateDatakeyRequestBody(
        key_id=key, datakey_length="512")))
    unwrapped = kms.decrypt_datakey(kms_v2.DecryptDatakeyRequest(
        body=kms_v2.DecryptDatakeyRequestBody(
            key_id=key, cipher_text=made.cipher_text, datakey_cipher_length="64")))
    check("decrypt-datakey", unwrapped.data_key, made.plain_text)
    wrapped = kms.encrypt_datakey(kms_v2.EncryptDatakeyRequest(
        body=kms_v2.EncryptDatakeyRequestBody(
            key_id=key, plain_text=made.plain_text + unwrapped.datakey_dgst,
            datakey_plain_length="64")))
    check("encrypt-datakey", wrapped.datakey_length, "64")
    alone = kms.create_datakey_without_plaintext(kms_v2.CreateDatakeyWithoutPlaintextRequest(
        body=kms_v2.CreateDatakeyRequestBody(key_id=key, key_spec="AES_256")))
    check("create-datakey-without-plaintext", alone.key_id, key)
    data = kms.create_random(kms_v2.CreateRandomRequest(
        body=kms_v2.GenRandomRequestBody(random_data_length="512"))).random_data
    check("gen-random", len(data), 128)

    other = create(kms).key_id
    moved = kms.re_encrypt(kms_v2.ReEncryptRequest(body=kms_v2.ReEncryptRequestBody(
        cipher_text=encrypted.cipher_text, source_additional_authenticated_data=aad,
        destination_key_id=other)))
    check("re-encrypt", (moved.source_key_id, moved.key_id), (key, other))
    for call, request, body, spec in (
        (kms.create_rsa_datakey_pair, kms_v2.CreateRsaDatakeyPairRequest,
         kms_v2.CreateRsaDatakeyPairRequestBody, "RSA_2048"),
        (kms.create_ec_datakey_pair, kms_v2.CreateEcDatakeyPairRequest,
         kms_v2.CreateEcDatakeyPairRequestBody, "ECC_NIST_P256"),
    ):
        pair = call(request(body=body(key_id=key, key_spec=spec)))
        private = serialization.load_der_private_key(
            base64.b64decode(pair.private_key_plain_text), None)
        public = serialization.load_der_public_key(base64.b64decode(pair.public_key))
        check(f"a pair of {spec}", private.public_key(), public)
    agree = create(kms, key_spec="EC_P256", key_usage="KEY_AGREEMENT").key_id
    peer = ec.generate_private_key(ec.SECP256R1())
    agreed = kms.derive_shared_secret(kms_v2.DeriveSharedSecretRequest(
        body=kms_v2.DeriveSharedSecretRequestBody(
            key_id=agree, key_agreement_algorithm="ECDH", public_key=base64.b64encode(
                peer.public_key().public_bytes(
                    serialization.Encoding.DER,
                    serialization.PublicFormat.SubjectPublicKeyInfo)).decode())))
    shown = operate(kms.show_public_key, kms_v2.ShowPublicKeyRequest, agree).public_key
    check("derive-shared-secret", base64.b64decode(agreed.shared_secret),
          peer.exchange(ec.ECDH(), serialization.load_pem_public_key(shown.encode())))

    signer = create(kms, key_spec="EC_P256", key_usage="SIGN_VERIFY").key_id
    signed = kms.sign(kms_v2.SignRequest(body=kms_v2.SignRequestBody(
        key_id=signer, message="aGVsbG8=", signing_algorithm="ECDSA_SHA_256", message_type="RAW")))
    valid = kms.validate_signature(kms_v2.ValidateSignatureRequest(body=kms_v2.VerifyRequestBody(
        key_id=signer, message="aGVsbG8=", signature=signed.signature,
        signing_algorithm="ECDSA_SHA_256", message_type="RAW")))
    check("verify", valid.signature_valid, "true")
    public = operate(kms.show_public_key, kms_v2.ShowPublicKeyRequest, signer).public_key
    # A library that shares nothing with kmsd checks the signature with the key that kmsd shows.
    serialization.load_pem_public_key(public.encode()).verify(
        base64.b64decode(signed.signature), b"hello", ec.ECDSA(hashes.SHA256()))
    done("the signature, checked elsewhere")

    hmac = create(kms, key_spec="HMAC_256", key_usage="GENERATE_VERIFY_MAC").key_id
    mac = kms.generate_mac(kms_v2.GenerateMacRequest(body=kms_v2.GenerateMacRequestBody(
        key_id=hmac, mac_algorithm="HMAC_SHA_256", message="aGVsbG8="))).mac
    valid = kms.verify_mac(kms_v2.VerifyMacRequest(body=kms_v2.VerifyMacRequestBody(
        key_id=hmac, mac_algorithm="HMAC_SHA_256", message="aGVsbG8=", mac=mac)))
    check("verify-mac", valid.mac_valid, True)


def multi_region_keys(kms):
    regions = kms.list_support_regions(kms_v2.ListSupportRegionsRequest(limit=100)).regions
    if REGION in regions or not regions:
        fail(f"regions to copy to: {regions}")
    there = regions[0]
    key = create(kms).key_id
    copied = kms.replicate_key(kms_v2.ReplicateKeyRequest(
        key_id=key, body=kms_v2.ReplicateKeyRequestBody(
            key_id=key, replica_region=there, key_alias=a_name(), replica_project_id=PROJECT)))
    check("a replica's id", copied.key_id, key)
    check("a replica's region", copied.region, there)
    check("a replica's account", copied.domain_id, describe(kms, key).domain_id)
    moved = kms.update_primary_region(kms_v2.UpdatePrimaryRegionRequest(
        key_id=key, body=kms_v2.UpdatePrimaryRegionRequestBody(key_id=key, primary_region=there)))
    check("the primary's region", moved.primary_region, there)
    check("the primary's id", moved.key_id, key)
    refused("copying a replica", 400, "KMS.0308", kms.replicate_key, kms_v2.ReplicateKeyRequest(
        key_id=key, body=kms_v2.ReplicateKeyRequestBody(
            key_id=key, replica_region=regions[1], key_alias=a_name(),
            replica_project_id=PROJECT)))


def grants(kms):
    """One account opens a key to the other, which uses it with its own project in the path."""
    me, other = user_of(), user_of("_2")
    project = setting("KMS_PROJECT_ID_2")
    others = client(BasicCredentials(setting("KMS_AK_2"), setting("KMS_SK_2"), project))
    key = create(kms).key_id

    def grant(by, **members):
        members = {"key_id": key, "grantee_principal": other["id"]} | members
        body = kms_v2.CreateGrantRequestBody(**members)
        return by.create_grant(kms_v2.CreateGrantRequest(body=body)).grant_id

    def encrypt(by):
        return by.encrypt_data(kms_v2.EncryptDataRequest(body=kms_v2.EncryptDataRequestBody(
            key_id=key, plain_text="shared")))

    def decrypt(by, sealed):
        return by.decrypt_data(kms_v2.DecryptDataRequest(body=kms_v2.DecryptDataRequestBody(
            cipher_text=sealed.cipher_text)))

    def listed(by, **members):
        body = kms_v2.ListGrantsRequestBody(**({"key_id": key} | members))
        return by.list_grants(kms_v2.ListGrantsRequest(body=body))

    def retirable(by, **members):
        body = kms_v2.ListRetirableGrantsRequestBody(**members)
        return by.list_retirable_grants(kms_v2.ListRetirableGrantsRequest(body=body))

    def end(call, request, grant_id):
        return call(request(body=kms_v2.RevokeGrantRequestBody(key_id=key, grant_id=grant_id)))

    refused("a key that is not granted", 404, "KMS.0207", encrypt, others)
    before = int(time.time() * 1000)
    first = grant(kms, operations=["encrypt-data", "describe-key"], name="billing",
                  retiring_principal=other["id"])
    sealed = encrypt(others)
    check("encrypt-data by a grant", sealed.key_id, key)
    check("describe-key by a grant tells the owner's domain",
          describe(others, key).domain_id, me["domain"]["id"])
    refused("what is not listed", 403, "KMS.0306", decrypt, others, sealed)
    for call, rest in ((enable, ()), (disable, ()), (cancel, ()), (schedule, ("7",)),
                       (rename, (a_name(),)), (redescribe, ("no",))):
        refused(f"{call.__name__} by a grant", 403, "KMS.0306", call, others, key, *rest)
    refused("list-grants by a grant", 403, "KMS.0306", listed, others)

    second = grant(kms, operations=["decrypt-data"], grantee_principal=other["domain"]["id"],
                   grantee_principal_type="domain")
    check("decrypt-data by a grant to the domain", decrypt(others, sealed).plain_text, "shared")
    check("and by the owner", decrypt(kms, sealed).plain_text, "shared")

    page = listed(kms)
    check("list-grants", (page.total, page.truncated, page.next_marker), (2, "false", ""))
    shown = {found.grant_id: found.to_dict() for found in page.grants}
    created = int(shown[first].pop("creation_date"))
    if not before - 60_000 <= created <= time.time() * 1000 + 60_000:
        fail(f"creation_date {created} is not now, in milliseconds")
    check("a grant to a user", shown[first], {
        "key_id": key,
        "grant_id": first,
        "grantee_principal": other["id"],
        "grantee_principal_type": "user",
        "operations": ["describe-key", "encrypt-data"],
        "issuing_principal": me["id"],
        "name": "billing",
        "retiring_principal": other["id"],
    })
    check("a grant to a domain", (shown[second]["grantee_principal_type"],
                                  shown[second]["grantee_principal"]),
          ("domain", other["domain"]["id"]))
    page = listed(kms, limit="1")
    check("a page of one", (len(page.grants), page.truncated, page.next_marker),
          (1, "true", "1"))
    page = listed(kms, limit="1000", marker="1")
    check("the next", (len(page.grants), page.truncated, page.next_marker), (1, "false", ""))

    page = retirable(others)
    check("list-retirable-grants", ([found.grant_id for found in page.grants], page.total),
          ([first], 1))
    check("of the caller only", retirable(kms).total, 0)

    for what, code, members in (
        ("nothing but granting", "KMS.2401", {"operations": ["create-grant"]}),
        ("no operation", "KMS.0308", {"operations": []}),
        ("an unknown operation", "KMS.0308", {"operations": ["sign"]}),
        ("a malformed grantee", "KMS.2402",
         {"operations": ["encrypt-data"], "grantee_principal": "a b"}),
    ):
        refused(f"a grant of {what}", 400, code, grant, kms, **members)
    elsewhere = create(kms).key_id
    stray = grant(kms, key_id=elsewhere, operations=["encrypt-data"])
    for name, call, request in (
        ("revoke-grant", kms.cancel_grant, kms_v2.CancelGrantRequest),
        ("retire-grant", kms.cancel_self_grant, kms_v2.CancelSelfGrantRequest),
    ):
        refused(f"{name} of no grant", 400, "KMS.2501", end, call, request, "0" * 64)
        refused(f"{name} of another key's", 400, "KMS.2502", end, call, request, stray)

    check("retire-grant by the retiring principal",
          end(others.cancel_self_grant, kms_v2.CancelSelfGrantRequest, first).status_code, 200)
    refused("what the grant had opened", 403, "KMS.0306", encrypt, others)
    check("revoke-grant",
          end(kms.cancel_grant, kms_v2.CancelGrantRequest, second).status_code, 200)
    refused("a key that is granted no more", 404, "KMS.0207", decrypt, others, sealed)
    check("list-grants", listed(kms).total, 0)
def tags(kms):
    name = a_name()
    key = create(kms, key_alias=name).key_id
    item = kms_v2.TagItem

    def add(which, tag, value):
        body = kms_v2.CreateKmsTagRequestBody(tag=item(key=tag, value=value))
        kms.create_kms_tag(kms_v2.CreateKmsTagRequest(key_id=which, body=body))

    def change(action, *list_of_tags):
        body = kms_v2.BatchCreateKmsTagsRequestBody(action=action, tags=list(list_of_tags))
        kms.batch_create_kms_tags(kms_v2.BatchCreateKmsTagsRequest(key_id=key, body=body))

    def drop(tag):
        kms.delete_tag(kms_v2.DeleteTagRequest(key_id=key, key=tag))

    def shown():
        answer = kms.show_kms_tags(kms_v2.ShowKmsTagsRequest(key_id=key))
        check("existTagsNum", answer.exist_tags_num, len(answer.tags))
        return [(tag.key, tag.value) for tag in answer.tags]

    add(key, "env", "test")
    add(key, "env", "prod")
    add(key, "a b/c", "")
    check("a tag is replaced", shown(), [("a b/c", ""), ("env", "prod")])
    drop("a b/c")
    refused("a tag that is gone", 404, "KMS.0416", drop, "a b/c")
    change("create", item(key="team", value="pay"), item(key="x"))
    change("delete", item(key="x", value="whatever"))
    check("tags/action", shown(), [("env", "prod"), ("team", "pay")])
    refused("another action", 400, "KMS.0404", change, "update", item(key="x"))
    refused("no tags", 400, "KMS.0401", change, "create")
    refused("too many tags", 400, "KMS.0409", change, "create",
            *[item(key=f"tag-{n}") for n in range(19)])
    refused("a bad tag", 400, "KMS.0406", add, key, "a=b", "")
    everything = {tag.key: tag.values for tag in
                  kms.list_kms_tags(kms_v2.ListKmsTagsRequest()).tags}
    check("the tags of the project", everything, {"env": ["prod"], "team": ["pay"]})

    def find(**members):
        body = kms_v2.ListKmsByTagsRequestBody(**members)
        return kms.list_kms_by_tags(kms_v2.ListKmsByTagsRequest(
            resource_instances="resource_instances", body=body))

    by_tags = [kms_v2.Tag(key="env", values=["prod", "test"]), kms_v2.Tag(key="team", values=[])]
    by_name = [item(key="resource_name", value=name[:20])]
    found = find(action="filter", limit="10", offset="0", tags=by_tags, matches=by_name)
    check("resource_instances", [(key_.resource_id, key_.resource_name) for key_ in found.resources],
          [(key, name)])
    check("total_count", found.total_count, 1)
    check("resource_detail", found.resources[0].resource_detail, describe(kms, key))
    check("its tags", [(tag.key, tag.value) for tag in found.resources[0].tags], shown())
    check("count", find(action="count", tags=by_tags).total_count, 1)
    refused("count with an offset", 400, "KMS.0418", find, action="count", offset="0")

    default = [key for key in list_keys(kms).key_details if key.default_key_flag == "1"]
    check("default keys", {key.key_alias for key in default},
          {"obs/default", "evs/default", "csms/default"})
    refused("a tag of a default key", 400, "KMS.0211", add, default[0].key_id, "env", "prod")
    refused("a default key", 400, "KMS.0211", disable, kms, default[0].key_id)


def aliases(kms):
    key, other = create(kms).key_id, create(kms).key_id
    name = f"alias/sdk-{uuid.uuid4()}"

    def make(alias, which):
        body = kms_v2.CreateAliasRequestBody(key_id=which, alias=alias)
        return kms.create_alias(kms_v2.CreateAliasRequest(body=body))

    def remove(which, *names):
        body = kms_v2.DeleteAliasRequestBody(key_id=which, aliases=list(names))
        kms.delete_alias(kms_v2.DeleteAliasRequest(body=body))

    made = make(name, key)
    check("create-alias", (made.alias, made.key_id), (name, key))
    check("its URN", made.alias_urn, f"kms:{REGION}:{made.domain_id}:{name.replace('/', ':')}")
    refused("an alias that is taken", 400, "KMS.1104", make, name, other)
    refused("a bad alias", 400, "KMS.1101", make, "a b", key)
    for by in (name, made.alias_urn):
        check(f"describe-key by {by}", describe(kms, by).key_id, key)
        encrypted = kms.encrypt_data(kms_v2.EncryptDataRequest(
            body=kms_v2.EncryptDataRequestBody(key_id=by, plain_text="card=4111")))
        check("encrypt-data by it", encrypted.key_id, key)
        refused("disable-key by it", 400, "KMS.0205", disable, kms, by)
    moved = kms.associate_alias(kms_v2.AssociateAliasRequest(
        body=kms_v2.AssociateAliasRequestBody(alias=name, target_key_id=other)))
    check("alias/associate", (moved.key_id, moved.alias_urn), (other, made.alias_urn))
    check("the alias names the other key", describe(kms, name).key_id, other)
    # The SDK was told of a bare list, where the service sends an object; it keeps what it gets.
    listed = kms.list_aliases(kms_v2.ListAliasesRequest(key_id=other, limit="50")).to_json_object()
    listed = listed.get("body", listed)
    check("list-aliases", [alias["alias"] for alias in listed["aliases"]], [name])
    check("its page", listed["page_info"], {"next_marker": "", "current_count": 1})
    refused("another key's alias", 404, "KMS.0207", remove, key, name)
    remove(other, name)
    refused("an alias that is gone", 404, "KMS.0207", describe, kms, name)
def parameters(kms, key):
    body = kms_v2.GetParametersForImportRequestBody(
        key_id=key, wrapping_algorithm="RSAES_OAEP_SHA_256")
    request = kms_v2.CreateParametersForImportRequest(body=body)
    return kms.create_parameters_for_import(request)


def wrapped(given, secret):
    """OAEP with SHA-256, by a library that shares nothing with kmsd."""
    public = serialization.load_der_public_key(base64.b64decode(given.public_key))
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    return base64.b64encode(public.encrypt(secret, oaep)).decode()


def import_material(kms, key, given, secret, **members):
    body = kms_v2.ImportKeyMaterialRequestBody(
        key_id=key, import_token=given.import_token,
        encrypted_key_material=wrapped(given, secret), **members)
    return kms.import_key_material(kms_v2.ImportKeyMaterialRequest(body=body))


def drop_material(kms, key):
    return operate(kms.delete_imported_key_material, kms_v2.DeleteImportedKeyMaterialRequest, key)


def rotate(kms, key):
    body = kms_v2.RotateOnDemandRequestBody(key_id=key)
    return kms.rotate_on_demand(kms_v2.RotateOnDemandRequest(body=body))


def rotation(kms, key):
    return operate(kms.show_key_rotation_status, kms_v2.ShowKeyRotationStatusRequest, key)


def encrypt(kms, key):
    return kms.encrypt_data(kms_v2.EncryptDataRequest(body=kms_v2.EncryptDataRequestBody(
        key_id=key, plain_text="card=4111"))).cipher_text


def decrypt(kms, blob):
    return kms.decrypt_data(kms_v2.DecryptDataRequest(body=kms_v2.DecryptDataRequestBody(
        cipher_text=blob))).plain_text


def imports(kms):
    key = create(kms, origin="external").key_id
    given = parameters(kms, key)
    check("get-parameters-for-import", given.key_id, key)
    ahead = given.expiration_time - time.time()
    if not 86_400 - 60 <= ahead <= 86_400 + 60:
        fail(f"the token is over in {ahead} s, not in a day")
    first, second, until = os.urandom(32), os.urandom(32), int(time.time()) + 3600
    refused("an end in the past", 400, "KMS.2602",
            import_material, kms, key, given, first, expiration_time=until - 7200)
    refused("31 bytes", 400, "KMS.2604", import_material, kms, key, given, first[1:])
    import_material(kms, key, given, first, expiration_time=until)
    found = describe(kms, key)
    check("the material is there", (found.key_state, found.expiration_time),
          ("2", str(until * 1000)))
    blob = encrypt(kms, key)
    refused("a token of another key", 400, "KMS.2603",
            import_material, kms, create(kms, origin="external").key_id, given, first)

    drop_material(kms, key)
    check("without material", describe(kms, key).key_state, "5")
    refused("nothing opens", 400, "KMS.1301", decrypt, kms, blob)
    refused("other bytes", 400, "KMS.2606", import_material, kms, key, given, second)
    refused("drop twice", 400, "KMS.2701", drop_material, kms, key)
    import_material(kms, key, given, first)
    check("the same bytes", (describe(kms, key).key_state, describe(kms, key).expiration_time),
          ("2", ""))
    check("open what was encrypted before", decrypt(kms, blob), "card=4111")

    refused("nothing to rotate to", 400, "KMS.0312", rotate, kms, key)
    import_material(kms, key, parameters(kms, key), second)
    states = [one.state for one in rotation(kms, key).key_materials]
    check("one is in use, one waits", states, [2, 0])
    check("rotate-on-demand", rotate(kms, key).key_id, key)
    shown = rotation(kms, key)
    check("both are in use", [one.state for one in shown.key_materials], [2, 2])
    check("number_of_rotations", shown.number_of_rotations, 1)
    check("the old ciphertext opens", decrypt(kms, blob), "card=4111")
    check("and a new one", decrypt(kms, encrypt(kms, key)), "card=4111")
    refused("parameters for a key of kmsd's", 400, "KMS.0309",
            parameters, kms, create(kms).key_id)

    # Private keys, wrapped under a temporary key with RFC 5649.
    for spec, private in (
        ("EC_P256", ec.generate_private_key(ec.SECP256R1())),
        ("RSA_3072", rsa.generate_private_key(65537, 3072)),
    ):
        signer = create(kms, key_spec=spec, key_usage="SIGN_VERIFY", origin="external").key_id
        given, temporary = parameters(kms, signer), os.urandom(32)
        pkcs8 = private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption())
        refused("without the private key", 400, "KMS.2608",
                import_material, kms, signer, given, temporary)
        beside = base64.b64encode(keywrap.aes_key_wrap_with_padding(temporary, pkcs8)).decode()
        import_material(kms, signer, given, temporary, encrypted_privatekey=beside)
        shown = operate(kms.show_public_key, kms_v2.ShowPublicKeyRequest, signer).public_key
        check(f"the public half of an imported {spec}",
              serialization.load_pem_public_key(shown.encode()), private.public_key())
        refused("drop a private key", 400, "KMS.2702", drop_material, kms, signer)


def rotations(kms):
    key = create(kms).key_id

    def call(what, request):
        return operate(what, request, key)

    def set_interval(days):
        body = kms_v2.UpdateKeyRotationIntervalRequestBody(key_id=key, rotation_interval=days)
        return kms.update_key_rotation_interval(
            kms_v2.UpdateKeyRotationIntervalRequest(body=body))

    shown = rotation(kms, key)
    check("rotation is off", (shown.key_rotation_enabled, shown.number_of_rotations), (False, 0))
    refused("an interval while off", 400, "KMS.0313", set_interval, 90)
    call(kms.enable_key_rotation, kms_v2.EnableKeyRotationRequest)
    refused("rotation twice", 400, "KMS.2901",
            call, kms.enable_key_rotation, kms_v2.EnableKeyRotationRequest)
    check("the default interval", rotation(kms, key).rotation_interval, 365)
    set_interval(30)
    shown = rotation(kms, key)
    check("rotation is on", (shown.key_rotation_enabled, shown.rotation_interval,
                             shown.last_rotation_time), (True, 30, ""))
    check("describe-key agrees", describe(kms, key).key_rotation_enabled, "true")
    refused("29 days", 400, "KMS.3001", set_interval, 29)
    call(kms.disable_key_rotation, kms_v2.DisableKeyRotationRequest)
    check("rotation is off again", rotation(kms, key).key_rotation_enabled, False)
    refused("off twice", 400, "KMS.0313",
            call, kms.disable_key_rotation, kms_v2.DisableKeyRotationRequest)
    refused("on demand, of kmsd's own material", 400, "KMS.0309", rotate, kms, key)
def trusted_key_space(kms):
    """Capsules, and the access points and policies that say who may open them."""
    space = str(uuid.uuid4())

    def point(**members):
        body = kms_v2.CreateAccessPointRequestBody(
            keyspace_id=space, access_point_name=a_name(), **members)
        return kms.create_access_point(kms_v2.CreateAccessPointRequest(body=body)).access_point_id

    cluster_key = ec.generate_private_key(ec.SECP256R1())
    cluster = point(type=2, cluster_id="cluster-1", identity=cluster_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode())
    custom = point(type=3, description="the batch jobs")
    listed, marker = [], None
    while marker != "":
        page = kms.list_access_point(kms_v2.ListAccessPointRequest(
            keyspace_id=space, limit="1", marker=marker))
        check("a page of one access point", page.page_info.current_count, 1)
        listed += page.access_points
        marker = page.page_info.next_marker
    check("list-access-point", {(one.access_point_id, one.type, one.state) for one in listed},
          {(cluster, 2, 1), (custom, 3, 1)})
    told = kms.download_access_point_private_key(
        kms_v2.DownloadAccessPointPrivateKeyRequest(access_point_id=custom))
    check("get-privatekey", told.access_point_id, custom)
    private = serialization.load_pem_private_key(told.private_key.encode(), None)
    public = base64.b64encode(private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).decode()

    document = json.dumps({"version": "1.0", "allowed_access_point": [custom]})
    policy = kms.create_key_policy(kms_v2.CreateKeyPolicyRequest(
        body=kms_v2.CreateKeyPolicyRequestBody(
            keyspace_id=space, policy_name="batch-only", policy=document))).policy_id
    shown = kms.show_key_policy(kms_v2.ShowKeyPolicyRequest(policy_id=policy))
    check("show-key-policy", (shown.policy_name, shown.policy.version,
                              shown.policy.allowed_access_point, shown.last_access_time),
          ("batch-only", "1.0", [custom], ""))
    document = json.dumps({"version": "1.0", "allowed_access_point": [custom, cluster],
                           "validity_period": {"end_time": "2099-01-01T00:00:00Z"}})
    updated = kms.update_key_policy(kms_v2.UpdateKeyPolicyRequest(
        policy_id=policy, body=kms_v2.UpdateKeyPolicyRequestBody(
            policy=document, description="v2")))
    check("update-key-policy", (updated.description, updated.policy.validity_period.end_time),
          ("v2", "2099-01-01T00:00:00Z"))
    listed = kms.list_key_policy(kms_v2.ListKeyPolicyRequest(keyspace_id=space))
    check("list-key-policy", [
        (one.policy_id, one.policy.allowed_access_point, one.policy.validity_period.end_time)
        for one in listed.keyspace_policies
    ], [(policy, [custom, cluster], "2099-01-01T00:00:00Z")])

    key = create(kms).key_id
    made = kms.create_datakey_capsule(kms_v2.CreateDatakeyCapsuleRequest(
        body=kms_v2.CreateDatakeyCapsuleRequestBody(
            key_id=key, datakey_length="256", policy_id=policy)))
    check("a data key of 256 bits", len(base64.b64decode(made.datakey)), 32)

    def attested(**proof):
        return kms_v2.DecryptDatakeyCapsuleRequest(body=kms_v2.DecryptDatakeyCapsuleRequestBody(
            key_id=key, datakey_capsule=made.datakey_capsule, public_key=proof.pop("to", None),
            attestation_document=kms_v2.DecryptDatakeyCapsuleRequestBodyAttestationDocument(
                **proof)))

    def by_custom(recipient=None):
        expire_time = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600))
        message = f"{made.datakey_capsule}\n{expire_time}\n{recipient or ''}"
        signature = private.sign(message.encode(), ec.ECDSA(hashes.SHA256()))
        return attested(custom_signature=base64.b64encode(signature).decode(),
                        custom_public_key=public, expire_time=expire_time, to=recipient)

    opened = kms.decrypt_datakey_capsule(by_custom())
    check("decrypt-datakey-capsule", (opened.key_id, opened.instance_id, opened.datakey),
          (key, custom, made.datakey))
    recipient = rsa.generate_private_key(65537, 2048)
    opened = kms.decrypt_datakey_capsule(by_custom(recipient.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()))
    data_key = recipient.decrypt(base64.b64decode(opened.datakey_cipher), padding.OAEP(
        padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    check("for a recipient", (base64.b64encode(data_key).decode(), opened.datakey),
          (made.datakey, None))
    opened = kms.decrypt_datakey_capsule(attested(
        service_token=service_account_token(cluster_key, cluster)))
    check("for a cluster", (opened.instance_id, opened.datakey), ("cluster-1", made.datakey))
    if not kms.show_key_policy(kms_v2.ShowKeyPolicyRequest(policy_id=policy)).last_access_time:
        fail("last_access_time is empty after a use")

    kms.disable_access_point(kms_v2.DisableAccessPointRequest(access_point_id=custom))
    refused("a disabled access point", 403, "KMS.0306", kms.decrypt_datakey_capsule, by_custom())
    kms.enable_access_point(kms_v2.EnableAccessPointRequest(access_point_id=custom))
    kms.decrypt_datakey_capsule(by_custom())
    refused("a server's document", 400, "KMS.3804", kms.decrypt_datakey_capsule,
            attested(ecs_signature="AAAA"))
    kms.delete_key_policy(kms_v2.DeleteKeyPolicyRequest(policy_id=policy))
    refused("a policy that is gone", 403, "KMS.0306", kms.decrypt_datakey_capsule, by_custom())
    refused("to read it", 404, "KMS.0207", kms.show_key_policy,
            kms_v2.ShowKeyPolicyRequest(policy_id=policy))
    for one in (custom, cluster):
        kms.delete_access_point(kms_v2.DeleteAccessPointRequest(access_point_id=one))
    refused("an access point that is gone", 404, "KMS.0207", kms.delete_access_point,
            kms_v2.DeleteAccessPointRequest(access_point_id=custom))


def service_account_token(key, audience):
    """A token as the API server of a cluster signs it (ES256)."""
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")
    now = int(time.time())
    claims = {"sub": "system:serviceaccount:shop:web", "aud": [audience], "iat": now,
              "nbf": now, "exp": now + 600}
    signed = b".".join(part(json.dumps(one).encode())
                       for one in ({"alg": "ES256", "kid": "k1"}, claims))
    r, s = utils.decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return b".".join((signed, part(signature))).decode()


def versions(kms):
    shown = kms.show_versions(kms_v2.ShowVersionsRequest()).versions
    if "v1.0" not in [version.id for version in shown]:
        fail(f"GET / does not list v1.0: {shown}")
    one = kms.show_version(kms_v2.ShowVersionRequest(version_id="v1.0")).version
    check("GET /v1.0", one["id"], "v1.0")
    refused("GET /v9", 404, "APIGW.0101",
            kms.show_version, kms_v2.ShowVersionRequest(version_id="v9"))


def ways_to_authenticate(kms, key):
    refused("an unknown access key", 401, "APIGW.0301",
            describe, client(BasicCredentials("NOSUCHACCESSKEY", SK, PROJECT)), key)
    refused("a wrong secret", 401, "APIGW.0301",
            describe, client(BasicCredentials(AK, "wrong", PROJECT)), key)

    region = Region(REGION, ENDPOINT)
    derived = BasicCredentials(AK, SK, PROJECT).with_derived_predicate(lambda request: True)
    # The KMS client names no service for derived keys, so whoever turns them on has to.
    signed_v11 = (KmsClient.new_builder()._with_derived_auth_service_name("kms")
                  .with_credentials(derived).with_region(region).build())
    check("a signature by a derived key (V11)", describe(signed_v11, key).key_id, key)
    elsewhere = BasicCredentials(AK, SK, PROJECT).with_derived_predicate(lambda request: True)
    signed_v11 = (KmsClient.new_builder()._with_derived_auth_service_name("obs")
                  .with_credentials(elsewhere).with_region(region).build())
    refused("a key derived for another service", 401, "APIGW.0301", describe, signed_v11, key)

    token = password_token()
    # A preset Authorization keeps the SDK from signing.
    by_token = client(BasicCredentials("unused", "unused", PROJECT))
    by_token.preset_headers.update({"X-Auth-Token": token, "Authorization": "none"})
    check("a token for all calls of a client", describe(by_token, key).key_id, key)
    # Per call: the token goes beside a signature by a key that does not exist.
    listed = (client(BasicCredentials("unused", "unused", PROJECT))
              .list_keys_invoker(kms_v2.ListKeysRequest(body=kms_v2.ListKeysRequestBody()))
              .add_header("X-Auth-Token", token).invoke())
    if key not in listed.keys:
        fail("list-keys by token misses the key")
    done("a token for one call")
    # And a good signature does not rescue a bad token.
    bad = client()
    bad.preset_headers.update({"X-Auth-Token": "rubbish"})
    refused("a bad token beside a good signature", 401, "KMS.0302", describe, bad, key)

    # Without a project id the SDK asks the identity service for the project named like the region.
    os.environ["HUAWEICLOUD_SDK_IAM_ENDPOINT"] = setting("IAM_AUTH_URL").removesuffix("/v3")
    by_region = BasicCredentials(AK, SK)
    asked = KmsClient.new_builder().with_credentials(by_region).with_region(region).build()
    check("the project of the region", by_region.project_id, PROJECT)
    check("and its keys", describe(asked, key).key_id, key)

    # Without either it sends its own template; anything but a fault of the server will do.
    try:
        describe(client(BasicCredentials(AK, SK)), key)
    except ClientRequestException as error:
        done(f"neither project nor region: {error.status_code} {error.error_code}")
    else:
        fail("a path without a project was answered")


def main():
    calls = Calls(lambda operation: not is_about_keystores(operation))
    kms = client()
    key = life_of_a_key(kms)
    external_key(kms)
    refusals(kms)
    other_account(kms)
    lists(kms)
    counters(kms)
    uses(kms)
    multi_region_keys(kms)
    grants(kms)
    tags(kms)
    aliases(kms)
    imports(kms)
    rotations(kms)
    trusted_key_space(kms)
    versions(kms)
    ways_to_authenticate(kms, key)
    calls.check_complete()


if __name__ == "__main__":
    main()
