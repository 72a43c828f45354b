// AWS's own SDK for JavaScript, unchanged: a key's life, errors as classes, pages, and what the SDK
// makes of a clock that is wrong. boto3_suite.py calls every operation; this is about what is the
// JavaScript SDK's own: it signs other headers, reads answers with other code, and repeats calls by
// other rules.
"use strict";

const crypto = require("node:crypto");
const kms = require("@aws-sdk/client-kms");
const { check, done, fail, setting } = require("./common.js");

const REGION = setting("AWS_DEFAULT_REGION");
const ACCOUNT = setting("AWS_ACCOUNT_ID");

/** A client of an account; only once per call, unless told otherwise. */
function client(suffix = "", more = {}) {
  return new kms.KMSClient({
    endpoint: setting("AWS_ENDPOINT_URL_KMS"),
    region: REGION,
    credentials: {
      accessKeyId: setting(`AWS_ACCESS_KEY_ID${suffix}`),
      secretAccessKey: setting(`AWS_SECRET_ACCESS_KEY${suffix}`),
    },
    ...more,
  });
}

const aws = client();

/** Calls an operation by its name; every answer tells its status and its request. */
async function call(operation, input = {}, by = aws) {
  const answer = await by.send(new kms[`${operation}Command`](input));
  const { httpStatusCode, requestId } = answer.$metadata;
  if (httpStatusCode !== 200 || !requestId) {
    fail(`${operation}: ${JSON.stringify(answer.$metadata)}`);
  }
  return answer;
}

/** Whatever a call throws. */
async function thrown(operation, input, by = aws) {
  try {
    await by.send(new kms[`${operation}Command`](input));
  } catch (error) {
    return error;
  }
  return fail(`${operation} ${JSON.stringify(input)} should have failed`);
}

/** The error must be of its class, with status 400 and a request id, and must not have been tried
 *  again; gives its text. */
async function refused(what, kind, operation, input, by = aws) {
  const error = await thrown(operation, input, by);
  const { httpStatusCode, requestId, attempts } = error.$metadata ?? {};
  check(`${what}: ${kind}`, [error.name, error.$fault, httpStatusCode, attempts], [kind, "client", 400, 1]);
  if (!(error instanceof kms[kind]) || !(error instanceof kms.KMSServiceException)) {
    fail(`${what}: ${error.constructor.name} is not the class ${kind}`);
  }
  if (!requestId) fail(`${what}: no request id`);
  return error.message;
}

const bytes = (text) => new TextEncoder().encode(text);
const text = (data) => Buffer.from(data).toString();

/** What is offered is told by the server: each operation of the SDK, with nothing. */
async function operations() {
  const names = Object.keys(kms)
    .filter((name) => /Command$/.test(name) && name !== "$Command")
    .map((name) => name.slice(0, -"Command".length));
  for (const name of names) {
    let error = { name: "", $metadata: { httpStatusCode: 200 } };
    try {
      await call(name);
    } catch (one) {
      error = one;
    }
    if (error.name === "UnknownOperationException" || !(error.$metadata?.httpStatusCode < 500)) {
      fail(`${name} with nothing: ${error.name} ${error.message}`);
    }
  }
  if (names.length < 53) fail(`the SDK has only ${names.length} operations`);
  done(`each of the SDK's ${names.length} operations is known`);
}

async function life() {
  const tags = [{ TagKey: "env", TagValue: "test" }];
  const made = (await call("CreateKey", { Description: "by JavaScript", Tags: tags })).KeyMetadata;
  const { KeyId: key, Arn: arn } = made;
  check("ARN", arn, `arn:aws:kms:${REGION}:${ACCOUNT}:key/${key}`);
  check("CreationDate is a Date", made.CreationDate instanceof Date, true);
  check("and of now", Math.abs(made.CreationDate - Date.now()) < 60_000, true);

  const alias = `alias/js-${key}`;
  await call("CreateAlias", { AliasName: alias, TargetKeyId: key });
  for (const form of [key, arn, alias, arn.replace(`key/${key}`, alias)]) {
    check(`described by ${form}`, (await call("DescribeKey", { KeyId: form })).KeyMetadata, made);
  }

  await call("DisableKey", { KeyId: key });
  const encrypt = { KeyId: key, Plaintext: bytes("x") };
  check("its text", await refused("a disabled key", "DisabledException", "Encrypt", encrypt), `${arn} is disabled.`);
  await call("EnableKey", { KeyId: key });

  const told = await call("ScheduleKeyDeletion", { KeyId: arn, PendingWindowInDays: 7 });
  check("scheduled", [told.KeyId, told.KeyState, told.PendingWindowInDays], [arn, "PendingDeletion", 7]);
  const left = told.DeletionDate - Date.now();
  check("in seven days", Math.abs(left - 7 * 86_400_000) < 60_000, true);
  await refused("twice", "KMSInvalidStateException", "ScheduleKeyDeletion", { KeyId: key });
  check("cancelled", (await call("CancelKeyDeletion", { KeyId: key })).KeyId, arn);
  const again = await refused("again", "KMSInvalidStateException", "CancelKeyDeletion", { KeyId: key });
  check("its text", again, `${arn} is not pending deletion.`);
  const after = (await call("DescribeKey", { KeyId: key })).KeyMetadata;
  check("Disabled, with no date", [after.KeyState, after.Enabled, after.DeletionDate], ["Disabled", false, undefined]);

  await refused("no such key", "NotFoundException", "DescribeKey", { KeyId: crypto.randomUUID() });
  await refused("another account's key", "NotFoundException", "DescribeKey", { KeyId: arn }, client("_2"));
  const range = await thrown("ScheduleKeyDeletion", { KeyId: key, PendingWindowInDays: 6 });
  check("six days", [range.name, range.$metadata.httpStatusCode, range.$metadata.attempts], ["ValidationException", 400, 1]);
}

async function ciphers() {
  const key = (await call("CreateKey")).KeyMetadata.Arn;
  const context = { b: "2", a: "1" };
  const sealed = await call("Encrypt", { KeyId: key, Plaintext: bytes("card=4111"), EncryptionContext: context });
  check("Encrypt's KeyId", sealed.KeyId, key);
  const blob = sealed.CiphertextBlob;
  const opened = await call("Decrypt", { CiphertextBlob: blob, EncryptionContext: { a: "1", b: "2" } });
  check("Decrypt", [text(opened.Plaintext), opened.KeyId, opened.EncryptionAlgorithm],
    ["card=4111", key, "SYMMETRIC_DEFAULT"]);
  await refused("no context", "InvalidCiphertextException", "Decrypt", { CiphertextBlob: blob });
  const made = await call("GenerateDataKey", { KeyId: key, KeySpec: "AES_256", EncryptionContext: context });
  check("a data key", made.Plaintext.length, 32);
  const same = await call("Decrypt", { CiphertextBlob: made.CiphertextBlob, EncryptionContext: context });
  check("it opens", Buffer.from(same.Plaintext).equals(made.Plaintext), true);
  check("random", (await call("GenerateRandom", { NumberOfBytes: 33 })).Plaintext.length, 33);
  await refused("a dry run", "DryRunOperationException", "Encrypt",
    { KeyId: key, Plaintext: bytes("x"), DryRun: true });

  const signing = (await call("CreateKey", { KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" })).KeyMetadata.KeyId;
  const by = { KeyId: signing, SigningAlgorithm: "ECDSA_SHA_256" };
  const { Signature } = await call("Sign", { ...by, Message: bytes("hello") });
  const { PublicKey } = await call("GetPublicKey", { KeyId: signing });
  const spki = crypto.createPublicKey({ key: Buffer.from(PublicKey), format: "der", type: "spki" });
  check("Node verifies what was signed", crypto.verify("sha256", bytes("hello"), spki, Signature), true);
  check("Verify", (await call("Verify", { ...by, Message: bytes("hello"), Signature })).SignatureValid, true);
  await refused("another message", "KMSInvalidSignatureException", "Verify",
    { ...by, Message: bytes("other"), Signature });
}

async function pages() {
  const made = new Set();
  const key = (await call("CreateKey")).KeyMetadata.KeyId;
  for (let n = 0; n < 5; n += 1) {
    made.add((await call("CreateKey")).KeyMetadata.KeyId);
    await call("CreateAlias", { AliasName: `alias/js-page-${n}`, TargetKeyId: key });
    await call("TagResource", { KeyId: key, Tags: [{ TagKey: `t${n}`, TagValue: "" }] });
  }
  const walk = async (paginator, member, input, least) => {
    const found = [];
    let count = 0;
    for await (const page of kms[`paginate${paginator}`]({ client: aws, pageSize: 2 }, input)) {
      found.push(...page[member]);
      count += 1;
    }
    if (found.length < least || count < Math.ceil(found.length / 2)) {
      fail(`${paginator}: ${found.length} in ${count} pages`);
    }
    done(`paginate${paginator}: ${found.length} in ${count} pages`);
    return found;
  };
  const keys = (await walk("ListKeys", "Keys", {}, 6)).map((one) => one.KeyId);
  check("every key once", new Set(keys).size, keys.length);
  check("and none is lost", [...made].filter((one) => !keys.includes(one)), []);
  const aliases = await walk("ListAliases", "Aliases", { KeyId: key }, 5);
  check("dates in lists", aliases.every((one) => one.CreationDate instanceof Date), true);
  await walk("ListResourceTags", "Tags", { KeyId: key }, 5);
  await refused("a made-up marker", "InvalidMarkerException", "ListKeys", { Marker: "x" });
}

/** The SDK sets its clock by the Date of a refusal, and tries once more. */
async function clock() {
  const HOUR = 3_600_000;
  for (const [offset, attempts] of [[HOUR, 2], [-HOUR, 2], [240_000, 1], [-240_000, 1]]) {
    const by = client("", { systemClockOffset: offset });
    check(`a clock wrong by ${offset / 60_000} minutes: tries`, (await call("ListKeys", {}, by)).$metadata.attempts, attempts);
    check("and right from then on", (await call("ListKeys", {}, by)).$metadata.attempts, 1);
  }
  const stubborn = client("", { systemClockOffset: HOUR, maxAttempts: 1 });
  const error = await thrown("ListKeys", {}, stubborn);
  check("without another try it is refused", [error.name, error.$metadata.httpStatusCode], ["InvalidSignatureException", 400]);
  const stranger = client("", { credentials: { accessKeyId: "NOBODY", secretAccessKey: "x" } });
  const who = await thrown("ListKeys", {}, stranger);
  check("a stranger", [who.name, who.$metadata.attempts], ["InvalidSignatureException", 1]);
}

async function main() {
  for (const part of [operations, life, ciphers, pages, clock]) await part();
}

main().catch((error) => fail(error.stack));
