use std::os::unix::fs::PermissionsExt;

use super::testing::{PIN, Token};
use super::*;
use crate::crypto::algorithm::{EncryptionAlgorithm, MacAlgorithm};
use crate::crypto::testing::Seeded;
use crate::crypto::{asymmetric, mac};

const ID: &str = "8d1c7f04-26b3-4c9a-bf5e-0e92a7d3b615";

struct Fixture {
    token: Token,
    folder: tempfile::TempDir,
    cluster: Arc<Cluster>,
}

fn fixture() -> Fixture {
    let token = Token::new();
    let folder = tempfile::tempdir().unwrap();
    let pin_file = folder.path().join("pin");
    std::fs::write(&pin_file, format!("{PIN}\n")).unwrap();
    std::fs::set_permissions(&pin_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings = serde_json::from_value(token.settings(ID, &pin_file)).unwrap();
    let cluster = Arc::new(Cluster::open(settings).unwrap());
    Fixture {
        token,
        folder,
        cluster,
    }
}

fn name(id: &str) -> ObjectName {
    ObjectName {
        id: id.to_owned(),
        label: format!("kmsd {id}"),
    }
}

impl Fixture {
    fn generate(
        &self,
        kind: MaterialKind,
        usage: KeyUsage,
        id: &str,
    ) -> Result<Material, CryptoError> {
        self.cluster
            .generate(kind, usage, &name(id), &Seeded::new(1))
    }
}

/// Making a key includes using it once for all that it is for.
#[test]
fn keys_of_every_kind_are_made_and_work() {
    let all = fixture();
    for (kind, usage) in [
        (MaterialKind::Aes256, KeyUsage::EncryptDecrypt),
        (MaterialKind::Hmac256, KeyUsage::GenerateVerifyMac),
        (MaterialKind::Hmac384, KeyUsage::GenerateVerifyMac),
        (MaterialKind::Hmac512, KeyUsage::GenerateVerifyMac),
        (MaterialKind::Rsa2048, KeyUsage::SignVerify),
        (MaterialKind::EcP256, KeyUsage::SignVerify),
        (MaterialKind::EcP384, KeyUsage::SignVerify),
        (MaterialKind::EcP256, KeyUsage::KeyAgreement),
        (MaterialKind::EcP384, KeyUsage::KeyAgreement),
    ] {
        let made = all.generate(kind, usage, &format!("{kind:?} {usage:?}"));
        assert_eq!(made.err(), None, "{kind:?} {usage:?}");
    }
}

/// SoftHSM2 2.6 does OAEP with SHA-1 only, so a key that is to decrypt with SHA-256 is refused when
/// it is made, and no object is left of it.
#[test]
fn what_the_token_cannot_do_is_refused_when_the_key_is_made() {
    let all = fixture();
    let made = all.generate(MaterialKind::Rsa2048, KeyUsage::EncryptDecrypt, "a");
    assert_eq!(made.err(), Some(CryptoError::Unsupported));
    let made = all.generate(MaterialKind::Secp256k1, KeyUsage::SignVerify, "a");
    assert_eq!(made.err(), Some(CryptoError::Unsupported));
    let key = all.cluster.key(MaterialKind::Rsa2048, "a".into());
    let used = key.decrypt(EncryptionAlgorithm::RsaOaepSha1, &[1; 256]);
    assert_eq!(
        used.err(),
        Some(CryptoError::Unreachable),
        "it is not there"
    );
}

/// The way of a decryption, shown with the one hash that this token has.
#[test]
fn a_token_decrypts_and_tells_what_does_not() {
    let all = fixture();
    let (kind, sha1) = (MaterialKind::Rsa2048, EncryptionAlgorithm::RsaOaepSha1);
    let public = all
        .cluster
        .with_session(|session| key::generate(session, kind, KeyUsage::EncryptDecrypt, &name("a")))
        .unwrap();
    let material = Material::in_hsm(kind, all.cluster.key(kind, "a".into()), public);
    let mut sealed = asymmetric::encrypt(&material, sha1, b"text", &Seeded::new(1)).unwrap();
    let opened = asymmetric::decrypt(&material, sha1, &sealed).ok().unwrap();
    assert_eq!(opened.expose(), b"text");
    sealed[9] ^= 1;
    let opened = asymmetric::decrypt(&material, sha1, &sealed);
    assert_eq!(opened.err(), Some(CryptoError::Invalid));
    let opened = asymmetric::decrypt(&material, sha1, b"short");
    assert_eq!(opened.err(), Some(CryptoError::Invalid));
}

#[test]
fn a_destroyed_key_is_gone_and_destroying_again_is_fine() {
    let all = fixture();
    let made = all.generate(MaterialKind::Hmac256, KeyUsage::GenerateVerifyMac, "a");
    let code = |material: &Material| mac::mac(material, MacAlgorithm::HmacSha256, b"text");
    let material = made.ok().unwrap();
    assert!(code(&material).is_ok());
    all.cluster.destroy("a").unwrap();
    all.cluster.destroy("a").unwrap();
    assert_eq!(code(&material).err(), Some(CryptoError::Unreachable));
}

/// Were there two objects of one name, which of them computes would be chance.
#[test]
fn making_a_key_again_leaves_one() {
    let all = fixture();
    for _ in 0..2 {
        let made = all.generate(MaterialKind::Hmac256, KeyUsage::GenerateVerifyMac, "a");
        assert_eq!(made.err(), None);
    }
}

#[test]
fn a_token_that_went_away_is_found_again() {
    let all = fixture();
    let made = all.generate(MaterialKind::Hmac256, KeyUsage::GenerateVerifyMac, "a");
    let material = made.ok().unwrap();
    let code = || mac::mac(&material, MacAlgorithm::HmacSha256, b"text");
    let before = code().unwrap();
    // Only a new log-in helps, and there is no PIN for it.
    let pin_file = all.folder.path().join("pin");
    std::fs::remove_file(&pin_file).unwrap();
    all.token.log_everybody_out();
    assert_eq!(code().err(), Some(CryptoError::Unreachable));
    assert_eq!(
        all.cluster.destroy("a").err(),
        Some(CryptoError::Unreachable)
    );
    std::fs::write(&pin_file, PIN).unwrap();
    assert_eq!(code().unwrap(), before);
}

/// A token shows strangers no private objects, which must not pass for there being none.
#[test]
fn nothing_counts_as_destroyed_while_nobody_is_logged_in() {
    let all = fixture();
    let made = all.generate(MaterialKind::Hmac256, KeyUsage::GenerateVerifyMac, "a");
    assert_eq!(made.err(), None);
    assert_eq!(all.token.count_objects(), 1);
    let pin_file = all.folder.path().join("pin");
    std::fs::remove_file(&pin_file).unwrap();
    all.token.log_everybody_out();
    assert_eq!(
        all.cluster.destroy("a").err(),
        Some(CryptoError::Unreachable)
    );
    std::fs::write(&pin_file, PIN).unwrap();
    assert_eq!(all.cluster.destroy("a").err(), None);
    assert_eq!(all.token.count_objects(), 0);
}

#[test]
fn a_session_that_died_is_replaced_unnoticed() {
    let all = fixture();
    let made = all.generate(MaterialKind::Hmac256, KeyUsage::GenerateVerifyMac, "a");
    let material = made.ok().unwrap();
    let code = || mac::mac(&material, MacAlgorithm::HmacSha256, b"text");
    let before = code().unwrap();
    all.token.log_everybody_out();
    assert_eq!(code().unwrap(), before);
}

/// A few wrong PINs lock a token: kmsd tries each once.
#[test]
fn a_refused_pin_is_not_tried_again_until_the_file_changes() {
    let all = fixture();
    let pin_file = all.folder.path().join("pin");
    std::fs::write(&pin_file, "wrong").unwrap();
    for _ in 0..20 {
        assert_eq!(
            all.cluster.destroy("a").err(),
            Some(CryptoError::Unreachable)
        );
    }
    assert!(all.cluster.refused_pin.lock().unwrap().is_some());
    std::fs::write(&pin_file, PIN).unwrap();
    assert_eq!(all.cluster.destroy("a").err(), None);
    std::fs::remove_file(&pin_file).unwrap();
    assert_eq!(all.cluster.destroy("a").err(), None, "the session is kept");
}

#[test]
fn settings_that_cannot_work_are_told_in_a_sentence() {
    let good = serde_json::json!({
        "id": ID, "module": "/lib/x.so", "token_label": "kmsd", "pin_file": "/etc/pin",
    });
    let check = |member: &str, value: &str| {
        let mut settings = good.clone();
        settings[member] = value.into();
        let settings: ClusterSettings = serde_json::from_value(settings).unwrap();
        settings.check().err().unwrap_or_default()
    };
    assert_eq!(check("token_label", "kmsd"), "");
    assert!(check("module", "x.so").contains("module"));
    assert!(check("token_label", " kmsd").contains("token_label"));
    assert!(check("token_label", &"k".repeat(33)).contains("token_label"));
    assert!(check("ca_file", "/nowhere").contains("ca_file"));
    let nowhere: ClusterSettings = serde_json::from_value(good).unwrap();
    let cluster = Cluster::open(nowhere).unwrap();
    assert_eq!(cluster.destroy("a").err(), Some(CryptoError::Unreachable));
}
