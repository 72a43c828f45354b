// AWS's SDK for JavaScript against a kmsd that lets a project make one call in a second: the SDK
// waits and tries again, which takes that the refusal is one that it knows as such.
"use strict";

const { KMSClient, ListKeysCommand } = require("@aws-sdk/client-kms");
const { check, done, fail } = require("./common.js");

// Endpoint, region and credentials as a program in the field has them: from the environment.
const client = (maxAttempts) => new KMSClient({ maxAttempts });

async function main() {
  const once = client(1);
  const results = await Promise.allSettled([1, 2, 3].map(() => once.send(new ListKeysCommand({}))));
  const refused = results.filter((one) => one.status === "rejected").map((one) => one.reason);
  check("two of three at once are too many", refused.length, 2);
  for (const error of refused) {
    const { httpStatusCode, attempts, requestId } = error.$metadata;
    check("the refusal", [error.name, httpStatusCode, attempts], ["ThrottlingException", 400, 1]);
    if (!requestId) fail("no request id");
  }
  const patient = client(20);
  const answers = await Promise.all([1, 2, 3].map(() => patient.send(new ListKeysCommand({}))));
  const tries = answers.map((one) => one.$metadata.attempts);
  if (!tries.some((count) => count > 1)) fail(`nobody had to try again: ${tries}`);
  done(`who tries again gets through: ${tries.sort()} tries`);
}

main().catch((error) => fail(error.stack));
