//! What is fuzzed, and what must hold whatever the bytes are.
//!
//! Each function takes an input and panics if kmsd did something that it must never do. The targets
//! in `fuzz_targets/` are one line each over these functions, and kmsd's own tests include this
//! file to run the kept corpus through them.

mod crypto;
mod outside;
mod service;
mod texts;

pub use crypto::{blobs, import, public_keys, sealed, signatures, wrapped};
pub use outside::{issuers, jwks, keystone};
pub use service::{close, every_route, logins, requests, strangers, tokens};
pub use texts::{escapes, json, settings};

/// What is called with an input.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its file and of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("blobs", blobs),
    ("escapes", escapes),
    ("import", import),
    ("issuers", issuers),
    ("json", json),
    ("jwks", jwks),
    ("keystone", keystone),
    ("logins", logins),
    ("public_keys", public_keys),
    ("requests", requests),
    ("sealed", sealed),
    ("settings", settings),
    ("signatures", signatures),
    ("strangers", strangers),
    ("tokens", tokens),
    ("wrapped", wrapped),
];
