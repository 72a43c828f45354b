//! Sealing of what the database keeps secret: key material, project keys, secrets of access keys.
//!
//! The construction of customers' blobs with another label: one derived key per message, so that no
//! (key, nonce) pair can repeat (I-27), and a commitment, so that a blob opens under one key only
//! (I-28). Where the bytes belong is part of the derivation, so a moved blob does not open (I-42).
//!
//! ```text
//! info   = "kmsd/seal/1" ‖ 00 ‖ version ‖ salt ‖ SHA-256(context)
//! okm    = KBKDF-CTR-HMAC-SHA256(key, info, 64);  message key = okm[0..32], commitment = okm[32..64]
//!
//! offset  0  version, 01
//!         1  salt, 32 bytes
//!        33  iv, 12 bytes
//!        45  commitment, 32 bytes
//!        77  AES-256-GCM(message key, iv, aad = the 77 bytes before, plaintext), then the 16-byte tag
//! ```

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::CryptoError;
use super::hash::{constant_time_eq, sha256};
use super::kdf::kbkdf;
use super::secret::Secret;
use crate::env::Entropy;

/// How much longer a sealed value is than its plaintext.
pub const OVERHEAD: usize = HEADER + TAG;

const LABEL: &[u8] = b"kmsd/seal/1";
const VERSION: u8 = 1;
const SALT: usize = 32;
const IV: usize = 12;
const COMMITMENT: usize = 32;
const HEADER: usize = 1 + SALT + IV + COMMITMENT;
const TAG: usize = 16;

/// Where a sealed value belongs: a purpose and named byte strings, in the order given.
///
/// Every string is preceded by its length (u32, big endian), so no two lists of names and values
/// have the same encoding.
pub struct Context(Vec<u8>);

impl Context {
    /// A context for one purpose: the table and column, as in `keys.material`.
    pub fn new(purpose: &str) -> Self {
        Self(Vec::new()).append(purpose.as_bytes())
    }

    /// Adds a named value.
    pub fn with(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.append(name.as_bytes()).append(value.as_ref())
    }

    /// Adds a named number, as 8 bytes, big endian.
    pub fn with_number(self, name: &str, value: i64) -> Self {
        self.with(name, value.to_be_bytes())
    }

    /// The canonical encoding.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn append(mut self, part: &[u8]) -> Self {
        let len = u32::try_from(part.len()).expect("names and ids are far below 4 GiB");
        self.0.extend(len.to_be_bytes());
        self.0.extend(part);
        self
    }
}

/// Seals `plaintext` under `key` (32 bytes), for `context` only.
///
/// The result is [`OVERHEAD`] bytes longer than the plaintext.
pub fn seal(key: &Secret, context: &Context, plaintext: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
    let mut salt = [0; SALT];
    let mut iv = [0; IV];
    entropy.fill(&mut salt);
    entropy.fill(&mut iv);
    let (message_key, commitment) = derive(key, context, &salt);

    let mut sealed = Vec::with_capacity(plaintext.len() + OVERHEAD);
    sealed.push(VERSION);
    sealed.extend(salt);
    sealed.extend(iv);
    sealed.extend(commitment);
    let header = sealed.clone();
    // A vector with room for all of it is never moved, so no unwiped copy of the plaintext stays.
    sealed.extend(plaintext);
    let tag = message_key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(iv),
            Aad::from(&header),
            sealed.get_mut(HEADER..).unwrap_or_default(),
        )
        .expect("a plaintext in memory is below the 64 GiB of GCM");
    sealed.extend(tag.as_ref());
    sealed
}

/// Opens what [`seal`] made with the same key and context.
///
/// [`CryptoError::Invalid`] for everything else. The plaintext is not looked at before its tag is
/// verified (I-31).
pub fn open(key: &Secret, context: &Context, sealed: &[u8]) -> Result<Secret, CryptoError> {
    let (header, body) = sealed
        .split_at_checked(HEADER)
        .ok_or(CryptoError::Invalid)?;
    let (version, rest) = header.split_first().ok_or(CryptoError::Invalid)?;
    let (salt, rest) = rest
        .split_first_chunk::<SALT>()
        .ok_or(CryptoError::Invalid)?;
    let (iv, commitment) = rest.split_first_chunk::<IV>().ok_or(CryptoError::Invalid)?;
    if *version != VERSION {
        return Err(CryptoError::Invalid);
    }
    let (message_key, expected) = derive(key, context, salt);
    if !constant_time_eq(commitment, &expected) {
        return Err(CryptoError::Invalid);
    }
    let (ciphertext, tag) = body
        .len()
        .checked_sub(TAG)
        .and_then(|len| body.split_at_checked(len))
        .ok_or(CryptoError::Invalid)?;
    let mut plaintext = Zeroizing::new(vec![0; ciphertext.len()]);
    message_key
        .open_separate_gather(
            Nonce::assume_unique_for_key(*iv),
            Aad::from(header),
            ciphertext,
            tag,
            &mut plaintext,
        )
        .map_err(|_| CryptoError::Invalid)?;
    Ok(Secret::new(std::mem::take(&mut plaintext)))
}

fn derive(key: &Secret, context: &Context, salt: &[u8; SALT]) -> (LessSafeKey, [u8; COMMITMENT]) {
    let mut info = Vec::with_capacity(LABEL.len() + 2 + SALT + 32);
    info.extend(LABEL);
    info.extend([0, VERSION]);
    info.extend(salt);
    info.extend(sha256(context.as_bytes()));
    let mut okm = Zeroizing::new([0; 32 + COMMITMENT]);
    kbkdf(key, &info, okm.as_mut_slice());
    let (message_key, tail) = okm.split_at(32);
    let message_key = UnboundKey::new(&AES_256_GCM, message_key).expect("32 bytes are a key");
    let mut commitment = [0; COMMITMENT];
    commitment.copy_from_slice(tail);
    (LessSafeKey::new(message_key), commitment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{Seeded, every_bit_flipped};

    fn key(byte: u8) -> Secret {
        Secret::from_slice(&[byte; 32])
    }

    fn context() -> Context {
        Context::new("keys.material")
            .with("project", b"p1")
            .with_number("version", 3)
    }

    #[test]
    fn opens_what_it_sealed() {
        let entropy = Seeded::new(2);
        for len in [0, 1, 16, 32, 4096] {
            let plaintext = vec![0x5a; len];
            let sealed = seal(&key(1), &context(), &plaintext, &entropy);
            assert_eq!(sealed.len(), len + OVERHEAD);
            let opened = open(&key(1), &context(), &sealed).expect("it opens");
            assert_eq!(opened.expose(), plaintext);
        }
    }

    #[test]
    fn the_format_does_not_change() {
        let sealed = seal(&key(1), &context(), b"secret", &Seeded::new(3));
        assert_eq!(hex::encode(sealed), include_str!("sealed.v1.hex").trim());
    }

    #[test]
    fn every_bit_counts() {
        let sealed = seal(
            &key(1),
            &context(),
            b"thirty-two bytes of key material",
            &Seeded::new(4),
        );
        every_bit_flipped(&sealed, |changed| {
            assert_eq!(
                open(&key(1), &context(), changed).err(),
                Some(CryptoError::Invalid)
            );
        });
    }

    /// What GCM alone would let through: the right key and a good tag over another commitment.
    #[test]
    fn the_commitment_counts_even_under_a_good_tag() {
        let sealed = seal(&key(1), &context(), b"secret", &Seeded::new(8));
        let salt: [u8; SALT] = sealed[1..=SALT].try_into().unwrap();
        let iv: [u8; IV] = sealed[33..45].try_into().unwrap();
        let (message_key, _) = derive(&key(1), &context(), &salt);
        for flip in [0, 1] {
            let mut forged = sealed[..HEADER].to_vec();
            forged[45] ^= flip;
            let mut body = b"secret".to_vec();
            let (nonce, aad) = (Nonce::assume_unique_for_key(iv), Aad::from(&forged));
            let tag = message_key.seal_in_place_separate_tag(nonce, aad, &mut body);
            forged.extend(body);
            forged.extend(tag.unwrap().as_ref());
            assert_eq!(open(&key(1), &context(), &forged).is_ok(), flip == 0);
        }
    }

    #[test]
    fn every_length_is_survived() {
        let mut sealed = seal(&key(1), &context(), b"x", &Seeded::new(5));
        for len in 0..sealed.len() {
            assert_eq!(
                open(&key(1), &context(), &sealed[..len]).err(),
                Some(CryptoError::Invalid)
            );
        }
        sealed.push(0);
        assert_eq!(
            open(&key(1), &context(), &sealed).err(),
            Some(CryptoError::Invalid)
        );
    }

    #[test]
    fn another_key_or_place_does_not_open() {
        let sealed = seal(&key(1), &context(), b"x", &Seeded::new(6));
        let elsewhere = [
            Context::new("keys.material")
                .with("project", b"p2")
                .with_number("version", 3),
            Context::new("keys.material")
                .with("project", b"p1")
                .with_number("version", 2),
            Context::new("keys.secret")
                .with("project", b"p1")
                .with_number("version", 3),
            Context::new("keys.material").with("project", b"p1"),
        ];
        for context in elsewhere {
            assert_eq!(
                open(&key(1), &context, &sealed).err(),
                Some(CryptoError::Invalid)
            );
        }
        assert_eq!(
            open(&key(2), &context(), &sealed).err(),
            Some(CryptoError::Invalid)
        );
    }

    #[test]
    fn contexts_do_not_run_together() {
        let one = Context::new("t").with("ab", b"c");
        let two = Context::new("t").with("a", b"bc");
        let three = Context::new("t").with("a", b"b").with("c", b"");
        assert_ne!(one.as_bytes(), two.as_bytes());
        assert_ne!(two.as_bytes(), three.as_bytes());
    }

    #[test]
    fn no_two_sealings_are_alike() {
        let entropy = Seeded::new(7);
        let one = seal(&key(1), &context(), b"x", &entropy);
        let two = seal(&key(1), &context(), b"x", &entropy);
        assert_ne!(one, two);
    }
}
