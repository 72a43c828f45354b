//! Every bound, each with its reason.

use std::time::Duration;

/// Body of a request on Huawei's and IAM's paths. The largest legal one (import-key-material) is
/// under 13 KiB.
pub const BODY_BYTES: usize = 64 * 1024;

/// Body of a request in AWS's dialect: key policies and attestation documents are long (contract,
/// section 1.1).
pub const AWS_BODY_BYTES: usize = 512 * 1024;

/// How long a body may take to arrive (threat model I-22): actix bounds the head only.
pub const BODY_TIME: Duration = Duration::from_secs(10);

/// How long a head may take to arrive (I-22).
pub const HEAD_TIME: Duration = Duration::from_secs(5);

/// How deep JSON may be nested (I-22); no legal request goes deeper than six.
pub const JSON_DEPTH: usize = 32;

/// How many members JSON may have in all (I-22).
pub const JSON_MEMBERS: usize = 1000;

/// Our own tokens (I-5). Ours are about 700 bytes.
pub const TOKEN_BYTES: usize = 8 * 1024;

/// Tokens that are checked online: the vendor's are long opaque strings.
pub const OUTSIDE_TOKEN_BYTES: usize = 16 * 1024;

/// Rows of a page when the caller names no limit (contract, section 7.5).
pub const PAGE_ROWS: u32 = 2000;

/// Audit records of a page when the caller names no limit, and the most that they may ask for.
pub const RECORD_ROWS: u32 = 50;
/// See [`RECORD_ROWS`].
pub const MOST_RECORD_ROWS: u32 = 200;

/// Checked credentials kept in memory: at most this many, some 1 KiB each.
pub const CACHED_CREDENTIALS: u64 = 10_000;

/// Changes and records waiting for the database; beyond it the answer is 503 at once (I-49).
pub const QUEUED_WRITES: usize = 4096;

/// Calls that wait for their keys to be read; beyond it the answer is 503 at once (I-49).
pub const QUEUED_READS: usize = 4096;

/// How often a change is tried again after losing a race (architecture: read, decide, save).
pub const CONFLICT_RETRIES: u32 = 5;

/// Refused credentials of one source per second that get a record each; more are counted and
/// the count is recorded (I-45).
pub const REFUSAL_RECORDS_PER_SECOND: u32 = 10;

/// Keys that one step of upkeep destroys (I-40: bounded steps).
pub const DESTROYED_PER_STEP: i64 = 100;

/// Keys whose material one step of upkeep renews, and keys whose material it drops because its time is
/// over (I-40). At a step every 20 seconds that is more than 400,000 a day.
pub const RENEWED_PER_STEP: usize = 100;

/// Materials that may ever be imported into one key: each is remembered as long as the key lives.
pub const MATERIALS_PER_KEY: usize = 100;

/// How long a graceful stop waits for calls in flight.
pub const STOP_SECONDS: u64 = 8;

/// Project keys kept in memory, opened: 200 bytes each.
pub const CACHED_PROJECT_KEYS: u64 = 100_000;

/// Sources whose refused credentials are counted apart; beyond it the rest share one count.
pub const METERED_SOURCES: usize = 10_000;

/// Passwords that are hashed at once: each takes 19 MiB and 20 ms of a core.
pub const HASHES_AT_ONCE: usize = 2;

/// Passwords that may wait to be hashed; beyond it the answer is 503 at once (I-49).
pub const HASHES_WAITING: usize = 64;

/// What of a body that is too large is read and thrown away, so that the client gets to read the
/// refusal instead of a reset connection.
pub const DRAINED_BYTES: usize = 64 * 1024 * 1024;

/// Slow cryptography (finding RSA keys) that runs at once; one core stays free for fast calls.
pub const SLOW_AT_ONCE: usize = 1;

/// Slow cryptography that may wait; beyond it the answer is 503 at once (I-49).
pub const SLOW_WAITING: usize = 64;

/// Grants that a key may have (contract, section 7.1).
pub const GRANTS_PER_KEY: u64 = 100;

/// Versions of material kept open: up to 5 KiB each.
pub const OPEN_MATERIAL: u64 = 20_000;

/// Bytes that one call encrypts (contract, section 7.3).
pub const PLAINTEXT_BYTES: usize = 4096;

/// Bytes of a signature to check; the longest that a key here makes (ML_DSA_87) has 4627.
pub const SIGNATURE_BYTES: usize = 6144;

/// Bytes of a data key (contract, section 7.3).
pub const DATA_KEY_BYTES: u64 = 1024;

/// How long PostgreSQL may take for one statement before it counts as unavailable. Its own limit is
/// shorter, but a server that hangs does not keep it.
pub const DATABASE_TIME: Duration = Duration::from_secs(3);

/// Uses of RSA keys that may wait; each takes a few milliseconds.
pub const SLOW_USES_WAITING: usize = 512;

/// Sessions with one cluster of hardware security modules, and so calls to it at once.
pub const HSM_SESSIONS: usize = 8;

/// Calls that may wait for one cluster; beyond it the answer is 503 at once (I-49).
pub const HSM_WAITING: usize = 256;

/// How long a call waits for a cluster before it counts as unavailable. PKCS#11 knows no timeouts.
pub const HSM_TIME: Duration = Duration::from_secs(10);

/// An attestation document of an enclave. AWS's are 5 KiB; QingTian's certificates may be larger.
pub const ATTESTATION_BYTES: usize = 32 * 1024;

/// How far the time of an attestation document may be from the clock: a document that was seen on
/// its way must not be good for ever.
pub const ATTESTATION_AGE: Duration = Duration::from_secs(5 * 60);
/// Tags that a key may have (contract, section 7.8: the console's number).
pub const TAGS_PER_KEY: usize = 20;

/// Bytes of a key's policy (AWS's contract, section 4).
pub const RESOURCE_POLICY_BYTES: usize = 32_768;

/// Grants that a key may have in AWS's dialect (its contract, section 11.12).
pub const AWS_GRANTS_PER_KEY: u64 = 50_000;

/// Tags that a key may have in AWS's dialect (its contract, section 4).
pub const AWS_TAGS_PER_KEY: usize = 50;

/// Characters of a tag's key (contract, section 7.8).
pub const TAG_KEY_CHARACTERS: usize = 128;

/// Characters of a tag's value (contract, section 7.8).
pub const TAG_VALUE_CHARACTERS: usize = 255;

/// Tag keys in one search, and values of each (contract, section 4.8).
pub const TAGS_PER_SEARCH: usize = 10;

/// Keys that one page of a search by tags shows, at most and unless the caller says otherwise
/// (contract, section 7.5).
pub const FOUND_ROWS: (u32, u32) = (1000, 10);

/// How far the keys that have a tag are counted to find out which of several tags is the rarest.
pub const TAGS_COUNTED: i64 = 1000;

/// Different tags of a project that are told; the answer has no pages (1 MiB at most by usual sizes).
pub const PROJECT_TAGS: i64 = 10_000;

/// Aliases that a key may have (contract, section 7.1).
pub const ALIASES_PER_KEY: usize = 50;

/// Aliases that one page shows (contract, section 7.5).
pub const ALIAS_ROWS: u32 = 100;
/// Access points that one policy of capsules may name: each is looked up at every use.
pub const ACCESS_POINTS_PER_POLICY: usize = 100;

/// Rows of a page of access points or key policies at most, and when the caller names no limit
/// (contract, section 7.5).
pub const KEYSPACE_PAGE: (u32, u32) = (100, 50);

/// Characters of a capsule in Base64: the largest, with a policy of its own, has 5,300.
pub const CAPSULE_CHARACTERS: usize = 8192;

/// How far ahead an attestation by signature may end: who overhears one can use it until then.
pub const ATTESTATION_AHEAD: Duration = Duration::from_secs(15 * 60);
