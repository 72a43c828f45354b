// What the suites in JavaScript share; common.py is the same for those in Python.
"use strict";

const { isDeepStrictEqual, inspect } = require("node:util");

/** A variable printed by `kmsd dev` (or by the test that runs the suite). */
function setting(name) {
  return process.env[name] ?? fail(`${name} is not set: start \`kmsd dev\` and eval what it prints`);
}

/** Tells what was done; the last line of a failed run is then the last thing that worked. */
function done(what) {
  console.log(`ok    ${what}`);
}

function fail(what) {
  console.error(`WRONG ${what}`);
  process.exit(1);
}

/** Ends the run, saying what differed, unless both are equal. */
function check(what, got, wanted) {
  if (!isDeepStrictEqual(got, wanted)) {
    fail(`${what}\n      got    ${inspect(got)}\n      wanted ${inspect(wanted)}`);
  }
  done(what);
}

module.exports = { check, done, fail, setting };
