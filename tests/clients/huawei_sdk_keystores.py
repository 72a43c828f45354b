"""Huawei Cloud's own SDK for Python, unchanged, on dedicated keystores and PINs.

Runs against a kmsd with one cluster of hardware security modules, by a token.
"""

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkkms import v2 as kms_v2
from huaweicloudsdkkms.v2 import KmsClient

from common import check, fail, setting
from sdk_calls import Calls, is_about_keystores

CLUSTER, CA = setting("KMS_HSM_CLUSTER"), setting("KMS_HSM_CA")


def client():
    unsigned = BasicCredentials("unused", "unused", setting("KMS_PROJECT_ID"))
    kms = (KmsClient.new_builder().with_credentials(unsigned)
           .with_endpoint(setting("KMS_ENDPOINT")).build())
    # A preset Authorization keeps the SDK from signing.
    kms.preset_headers.update({"X-Auth-Token": setting("KMS_TOKEN"), "Authorization": "none"})
    return kms


def refused(what, code, call, request):
    try:
        call(request)
    except ClientRequestException as error:
        check(what, (error.status_code, error.error_code), (400, code))
    else:
        fail(f"{what}: was not refused")


def keystores(kms):
    body = kms_v2.CreateKeyStoreRequestBody(
        keystore_alias="hsm-a", keystore_type="DHSM", hsm_cluster_id=CLUSTER, hsm_ca_cert=CA)
    made = kms.create_key_store(kms_v2.CreateKeyStoreRequest(body=body)).keystore
    keystore = made.keystore_id
    found = kms.show_key_store(kms_v2.ShowKeyStoreRequest(keystore_id=keystore)).keystore
    check("ShowKeyStore", found.to_dict() | {"create_time": ""}, {
        "keystore_id": keystore,
        "domain_id": made.domain_id,
        "keystore_alias": "hsm-a",
        "keystore_type": "DHSM",
        "hsm_cluster_id": CLUSTER,
        "cluster_id": CLUSTER,
        "create_time": "",
    })
    listed = kms.list_key_stores(kms_v2.ListKeyStoresRequest(limit=10, offset=0))
    check("ListKeyStores", (listed.total, [row.to_dict() for row in listed.keystores]),
          (1, [found.to_dict()]))

    new_key = kms_v2.CreateKeyRequest(body=kms_v2.CreateKeyRequestBody(
        key_alias="in-hsm", keystore_id=keystore))
    refused("CreateKey in a disabled keystore", "KMS.0308", kms.create_key, new_key)
    enabled = kms.enable_key_store(kms_v2.EnableKeyStoreRequest(keystore_id=keystore)).keystore
    check("EnableKeyStore", (enabled.keystore_id, enabled.keystore_state), (keystore, "2"))
    key = kms.create_key(new_key).key_info.key_id
    details = kms.list_key_detail(kms_v2.ListKeyDetailRequest(
        body=kms_v2.OperateKeyRequestBody(key_id=key))).key_info
    check("the key is in the keystore", details.keystore_id, keystore)
    made = kms.encrypt_data(kms_v2.EncryptDataRequest(
        body=kms_v2.EncryptDataRequestBody(key_id=key, plain_text="hello")))
    opened = kms.decrypt_data(kms_v2.DecryptDataRequest(
        body=kms_v2.DecryptDataRequestBody(cipher_text=made.cipher_text)))
    check("what the key encrypts it decrypts", opened.plain_text, "hello")
    delete = kms_v2.DeleteKeyStoreRequest(keystore_id=keystore)
    refused("DeleteKeyStore with a key in it", "KMS.0308", kms.delete_key_store, delete)
    disabled = kms.disable_key_store(kms_v2.DisableKeyStoreRequest(keystore_id=keystore)).keystore
    check("DisableKeyStore", (disabled.keystore_id, disabled.keystore_state), (keystore, "3"))


def an_empty_keystore_goes(kms, cluster):
    body = kms_v2.CreateKeyStoreRequestBody(
        keystore_alias="hsm-b", keystore_type="DHSM", hsm_cluster_id=cluster, hsm_ca_cert=CA)
    made = kms.create_key_store(kms_v2.CreateKeyStoreRequest(body=body)).keystore
    kms.delete_key_store(kms_v2.DeleteKeyStoreRequest(keystore_id=made.keystore_id))
    # What Terraform takes for "gone".
    refused("ShowKeyStore after DeleteKeyStore", "KMS.8003", kms.show_key_store,
            kms_v2.ShowKeyStoreRequest(keystore_id=made.keystore_id))


def pins(kms):
    def pin(**members):
        return kms.create_pin(kms_v2.CreatePinRequest(
            body=kms_v2.CreatePinRequestBody(**members))).pin

    plain = pin(pin_type="PlainText")
    sealed = pin(pin_type="CipherText", keystore_id="1")
    check("PINs are not alike", plain == sealed, False)
    key = kms.create_key(kms_v2.CreateKeyRequest(
        body=kms_v2.CreateKeyRequestBody(key_alias="built-in"))).key_info.key_id
    for given, kind in ((plain, "PlainText"), (sealed, "CipherText")):
        made = kms.create_datakey(kms_v2.CreateDatakeyRequest(body=kms_v2.CreateDatakeyRequestBody(
            key_id=key, datakey_length="256", pin=given, pin_type=kind)))
        refused(f"DecryptDatakey without its {kind} PIN", "KMS.2203", kms.decrypt_datakey,
                kms_v2.DecryptDatakeyRequest(body=kms_v2.DecryptDatakeyRequestBody(
                    key_id=key, cipher_text=made.cipher_text, datakey_cipher_length="32")))


def main():
    calls = Calls(is_about_keystores)
    kms = client()
    keystores(kms)
    an_empty_keystore_goes(kms, setting("KMS_HSM_CLUSTER_2"))
    pins(kms)
    calls.check_complete()


if __name__ == "__main__":
    main()
