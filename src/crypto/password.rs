//! Passwords of built-in users: Argon2id (RFC 9106), kept as PHC strings.

use argon2::password_hash::phc::PasswordHash;
use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
};

use super::CryptoError;
use crate::env::Entropy;

/// 19 MiB, two passes, one lane: the first choice of OWASP's password storage cheat sheet.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT: usize = 16;
const OUTPUT: usize = 32;

/// Stored hashes may cost this many times more (an operator raised the figures and went back);
/// anything beyond is an altered row that wants to exhaust us.
const TOLERANCE: u32 = 8;

/// The hash of a password nobody knows: random bytes in place of an output.
const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1\
    $IGMotyxQSBOTzThuiaIwpQ$tlhD/b6hJxXjzNMkVGOVtDTPt3GhQHoT1zqyBUYPWpM";

/// Hashes a password with a fresh salt. Takes about 20 ms of one core: not for the event loop.
pub fn hash(password: &[u8], entropy: &dyn Entropy) -> Result<String, CryptoError> {
    let mut salt = [0; SALT];
    entropy.fill(&mut salt);
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT))
        .map_err(|_| CryptoError::Internal("the Argon2 parameters"))?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password, &salt)
        .map(|hash| hash.to_string())
        .map_err(|_| CryptoError::Internal("Argon2"))
}

/// Whether this is the password that was hashed. A malformed hash is nobody's.
pub fn verify(password: &[u8], phc: &str) -> bool {
    let Ok(hash) = PasswordHash::new(phc) else {
        return false;
    };
    let Ok(params) = Params::try_from(&hash) else {
        return false;
    };
    hash.algorithm == ARGON2ID_IDENT
        && params.m_cost() <= MEMORY_KIB * TOLERANCE
        && params.t_cost() <= PASSES * TOLERANCE
        && params.p_cost() <= LANES * TOLERANCE
        && Argon2::default().verify_password(password, &hash).is_ok()
}

/// What to verify against when there is no such user, so that the answer takes as long (I-8).
pub fn dummy_hash() -> &'static str {
    DUMMY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::Seeded;

    #[test]
    fn knows_the_password_again() {
        let entropy = Seeded::new(40);
        let phc = hash(b"correct horse", &entropy).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify(b"correct horse", &phc));
        assert!(!verify(b"correct hors", &phc));
        assert!(!verify(b"", &phc));
        assert_ne!(phc, hash(b"correct horse", &entropy).unwrap());
    }

    /// From the test suite of the reference implementation.
    #[test]
    fn verifies_what_others_hashed() {
        let phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$\
            CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(verify(b"password", phc));
        assert!(!verify(b"passwore", phc));
    }

    #[test]
    fn the_dummy_costs_the_same_and_is_nobodys() {
        let hash = PasswordHash::new(dummy_hash()).unwrap();
        let params = Params::try_from(&hash).unwrap();
        assert_eq!(
            (params.m_cost(), params.t_cost(), params.p_cost()),
            (MEMORY_KIB, PASSES, LANES)
        );
        assert_eq!(hash.hash.unwrap().len(), OUTPUT);
        assert_eq!(hash.salt.unwrap().len(), SALT);
        assert!(!verify(b"", dummy_hash()));
    }

    #[test]
    fn nonsense_and_excess_are_refused() {
        let output = "tlhD/b6hJxXjzNMkVGOVtDTPt3GhQHoT1zqyBUYPWpM";
        for phc in [
            "".to_owned(),
            "password".to_owned(),
            format!("$argon2i$v=19$m=19456,t=2,p=1$IGMotyxQSBOTzThuiaIwpQ${output}"),
            format!("$argon2id$v=19$m=4000000,t=2,p=1$IGMotyxQSBOTzThuiaIwpQ${output}"),
            format!("$argon2id$v=19$m=19456,t=4000,p=1$IGMotyxQSBOTzThuiaIwpQ${output}"),
            "$argon2id$v=19$m=19456,t=2,p=1$IGMotyxQSBOTzThuiaIwpQ".to_owned(),
        ] {
            assert!(!verify(b"password", &phc));
        }
    }
}
