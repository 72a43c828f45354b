"""Both vendors' SDKs for Python on the same keys: what one does, the other finds.

A key is made and scheduled with one and rescued with the other, in both directions; ciphertexts,
signatures, names and tags cross over.
"""

import base64
import json

import boto3
import botocore.exceptions
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkkms import v2 as kms_v2

from common import check, done, fail, setting

HUAWEI = (
    kms_v2.KmsClient.new_builder()
    .with_credentials(BasicCredentials(setting("KMS_AK"), setting("KMS_SK"), setting("KMS_PROJECT_ID")))
    .with_endpoint(setting("KMS_ENDPOINT")).build()
)
# Both accounts' endpoint, region and credentials are in the environment.
AWS = boto3.client("kms")


def operate(call, request, key_id, **members):
    return call(request(body=kms_v2.OperateKeyRequestBody(key_id=key_id, **members)))


def describe(key_id):
    return operate(HUAWEI.list_key_detail, kms_v2.ListKeyDetailRequest, key_id).key_info


def metadata(key_id):
    return AWS.describe_key(KeyId=key_id)["KeyMetadata"]


def schedule(key_id, days):
    body = kms_v2.ScheduleKeyDeletionRequestBody(key_id=key_id, pending_days=days)
    return HUAWEI.delete_key(kms_v2.DeleteKeyRequest(body=body)).key_state


def create(name, **members):
    body = kms_v2.CreateKeyRequestBody(key_alias=name, **members)
    return HUAWEI.create_key(kms_v2.CreateKeyRequest(body=body)).key_info.key_id


def both_see(what, key_id, theirs, ours):
    """What state each of them shows, and until when."""
    found, told = describe(key_id), metadata(key_id)
    check(f"{what}: seen by both", (found.key_state, told["KeyState"]), (theirs, ours))
    date = told.get("DeletionDate")
    same = str(round(date.timestamp() * 1000)) if date else ""
    check("with the same date", found.scheduled_deletion_date, same)


def huaweis_error(what, status, code, call, *arguments, **members):
    try:
        call(*arguments, **members)
    except ClientRequestException as error:
        return check(what, (error.status_code, error.error_code), (status, code))
    return fail(f"{what}: was not refused")


def awss_error(what, kind, call, **members):
    try:
        call(**members)
    except botocore.exceptions.ClientError as error:
        return check(what, error.response["Error"]["Code"], kind)
    return fail(f"{what}: was not refused")


def made_by_aws_rescued_by_huawei():
    key = AWS.create_key(Description="by boto3")["KeyMetadata"]["KeyId"]
    AWS.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    both_see("scheduled by boto3", key, "4", "PendingDeletion")
    huaweis_error("it is not scheduled twice", 400, "KMS.1402", schedule, key, "7")
    told = operate(HUAWEI.cancel_key_deletion, kms_v2.CancelKeyDeletionRequest, key)
    check("cancelled by Huawei's SDK", (told.key_id, told.key_state), (key, "3"))
    both_see("cancelled", key, "3", "Disabled")
    awss_error("it is not cancelled twice", "KMSInvalidStateException", AWS.cancel_key_deletion, KeyId=key)
    check("its description", describe(key).key_description, "by boto3")
    operate(HUAWEI.enable_key, kms_v2.EnableKeyRequest, key)
    both_see("enabled by Huawei's SDK", key, "2", "Enabled")


def made_by_huawei_rescued_by_aws():
    key = create("both/kms")
    check("scheduled by Huawei's SDK", schedule(key, "1096"), "4")
    both_see("scheduled for longer than AWS knows", key, "4", "PendingDeletion")
    check("cancelled by boto3", AWS.cancel_key_deletion(KeyId=key)["KeyId"], metadata(key)["Arn"])
    both_see("cancelled", key, "3", "Disabled")
    huaweis_error("it is not cancelled twice", 400, "KMS.1501", operate,
                  HUAWEI.cancel_key_deletion, kms_v2.CancelKeyDeletionRequest, key)

    empty = create("both/external", origin="external")
    both_see("a key without material", empty, "5", "PendingImport")
    schedule(empty, "7")
    both_see("scheduled", empty, "4", "PendingDeletion")
    AWS.cancel_key_deletion(KeyId=empty)
    both_see("waits for its material again", empty, "5", "PendingImport")


def ciphertexts():
    ours, theirs = AWS.create_key()["KeyMetadata"], metadata(create("both/ciphers"))
    for key in (ours, theirs):
        blob = AWS.encrypt(KeyId=key["KeyId"], Plaintext=b"card=4111")["CiphertextBlob"]
        body = kms_v2.DecryptDataRequestBody(cipher_text=base64.b64encode(blob).decode())
        opened = HUAWEI.decrypt_data(kms_v2.DecryptDataRequest(body=body))
        check("Huawei's SDK opens boto3's", (opened.key_id, opened.plain_text), (key["KeyId"], "card=4111"))
        body = kms_v2.EncryptDataRequestBody(key_id=key["KeyId"], plain_text="card=4111")
        sealed = HUAWEI.encrypt_data(kms_v2.EncryptDataRequest(body=body)).cipher_text
        opened = AWS.decrypt(CiphertextBlob=base64.b64decode(sealed))
        check("boto3 opens Huawei's", (opened["KeyId"], opened["Plaintext"]), (key["Arn"], b"card=4111"))

    # A context is pairs, and what Huawei binds is one text: neither can say the other's.
    blob = AWS.encrypt(KeyId=ours["KeyId"], Plaintext=b"x", EncryptionContext={"a": "1"})["CiphertextBlob"]
    for aad in (None, json.dumps({"a": "1"}, separators=(",", ":"))):
        body = kms_v2.DecryptDataRequestBody(
            cipher_text=base64.b64encode(blob).decode(), additional_authenticated_data=aad)
        huaweis_error(f"bound to a context, opened with {aad}", 400, "KMS.2201",
                      HUAWEI.decrypt_data, kms_v2.DecryptDataRequest(body=body))
    body = kms_v2.EncryptDataRequestBody(
        key_id=ours["KeyId"], plain_text="x", additional_authenticated_data="tenant-1")
    sealed = HUAWEI.encrypt_data(kms_v2.EncryptDataRequest(body=body)).cipher_text
    awss_error("bound to Huawei's text", "InvalidCiphertextException",
               AWS.decrypt, CiphertextBlob=base64.b64decode(sealed))

    made = AWS.generate_data_key(KeyId=ours["KeyId"], KeySpec="AES_256")
    body = kms_v2.DecryptDataRequestBody(cipher_text=base64.b64encode(made["CiphertextBlob"]).decode())
    opened = HUAWEI.decrypt_data(kms_v2.DecryptDataRequest(body=body))
    check("boto3's data key", base64.b64decode(opened.plain_text_base64), made["Plaintext"])


def signatures():
    key = AWS.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    by = {"KeyId": key, "SigningAlgorithm": "ECDSA_SHA_256", "Message": b"hello"}
    signed = AWS.sign(**by)["Signature"]
    body = kms_v2.VerifyRequestBody(
        key_id=key, message=base64.b64encode(b"hello").decode(), message_type="RAW",
        signature=base64.b64encode(signed).decode(), signing_algorithm="ECDSA_SHA_256")
    told = HUAWEI.validate_signature(kms_v2.ValidateSignatureRequest(body=body))
    check("Huawei's SDK verifies boto3's signature", told.signature_valid, "true")
    body = kms_v2.SignRequestBody(
        key_id=key, message=base64.b64encode(b"hello").decode(), message_type="RAW",
        signing_algorithm="ECDSA_SHA_256")
    signed = HUAWEI.sign(kms_v2.SignRequest(body=body)).signature
    told = AWS.verify(Signature=base64.b64decode(signed), **by)
    check("boto3 verifies Huawei's", told["SignatureValid"], True)


def around_a_key():
    key = create("both/around")
    body = kms_v2.CreateAliasRequestBody(key_id=key, alias="alias/both")
    HUAWEI.create_alias(kms_v2.CreateAliasRequest(body=body))
    check("Huawei's alias leads boto3", metadata("alias/both")["KeyId"], key)
    body = kms_v2.CreateKmsTagRequestBody(tag=kms_v2.TagItem(key="env", value="test"))
    HUAWEI.create_kms_tag(kms_v2.CreateKmsTagRequest(key_id=key, body=body))
    tags = AWS.list_resource_tags(KeyId=key)["Tags"]
    check("boto3 lists Huawei's tag", tags, [{"TagKey": "env", "TagValue": "test"}])
    AWS.enable_key_rotation(KeyId=key, RotationPeriodInDays=90)
    shown = operate(HUAWEI.show_key_rotation_status, kms_v2.ShowKeyRotationStatusRequest, key)
    check("and Huawei's SDK the plan of boto3", (shown.key_rotation_enabled, shown.rotation_interval), (True, 90))


def main():
    for part in (made_by_aws_rescued_by_huawei, made_by_huawei_rescued_by_aws, ciphertexts, signatures, around_a_key):
        part()
    done("two SDKs, one set of keys")


main()
