//! Documents that are good, and every way of being bad.

use coset::cbor::value::Value;
use coset::{CborSerializable, CoseSign1, iana};

use super::*;
use crate::crypto::der::definite;

#[path = "../../../tests/support/enclave.rs"]
mod enclave;
use enclave::{Enclave, Signer, attester, authority, payload, set, sign};

/// 2027-01-15.
const NOW: i64 = 1_800_000_000_000;

fn roots(of: &[&Signer]) -> Roots {
    let mut roots = Roots::default();
    for signer in of {
        roots.add_pem(signer.pem.as_bytes()).unwrap();
    }
    roots
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// What is said of a document under the enclave's own root, now.
fn said(enclave: &Enclave, document: &[u8]) -> Result<Attested, &'static str> {
    verify(document, &roots(&[&enclave.root]), at(NOW)).map_err(|why| why.0)
}

#[test]
fn a_good_document_is_believed() {
    let enclave = Enclave::new(NOW);
    let document = enclave.document(NOW);
    let attested = said(&enclave, &document).unwrap();
    assert_eq!(attested.module_id, "i-1-enc1");
    assert_eq!(attested.public_key, Enclave::public_key());
    assert_eq!(attested.pcrs.len(), 16);
    assert_eq!(attested.pcrs[&5], [5; 48]);

    // The tag may stand in front; QingTian documents the key under another name.
    let tagged = [&[0xd2][..], &document].concat();
    assert_eq!(said(&enclave, &tagged).as_ref(), Ok(&attested));
    let mut fields = enclave.fields(NOW);
    set(&mut fields, "public_key", Value::Null);
    set(&mut fields, "pubkey", Value::Bytes(Enclave::public_key()));
    let document = enclave.sign(&payload(fields));
    assert_eq!(said(&enclave, &document).as_ref(), Ok(&attested));
}

/// A document that an enclave of AWS (in debug mode) wrote on 2024-11-14 and published (the test
/// vector of MystenLabs/sui, `nitro_attestation_tests.rs`), under the root that AWS publishes. It
/// holds no public key, which is what is found out last.
#[test]
fn a_document_of_aws_is_in_order_but_for_its_key() {
    const DOCUMENT: &str = include_str!("../../../tests/vectors/aws_nitro_document.hex");
    const ROOT: &str = include_str!("../../../tests/vectors/aws_nitro_root_g1.pem");
    let mut document = crate::crypto::testing::unhex(&DOCUMENT.replace('\n', ""));
    let mut roots = Roots::default();
    roots.add_pem(ROOT.as_bytes()).unwrap();
    let then = at(1_731_627_989_450);
    let said = |document: &[u8]| verify(document, &roots, then).unwrap_err().0;
    assert_eq!(said(&document), "has no public key");

    let signed = open(&document).unwrap();
    let fields = super::Fields::read(signed.payload.as_deref().unwrap()).unwrap();
    assert_eq!(fields.module_id, "i-0f73a4b4cb74cc9f2-enc0192e4188fef781d");
    assert_eq!(fields.timestamp, then);
    assert_eq!(fields.pcrs.len(), 16);
    assert_eq!(fields.pcrs[&0], [0; 48]);
    assert_eq!(fields.pcrs[&4][..4], [0x9a, 0xb5, 0xa1, 0xab]);
    assert_eq!(fields.cabundle.len(), 4);

    document[4492] ^= 1;
    assert_eq!(said(&document), "was not signed by its certificate");
}

#[test]
fn what_is_sealed_for_an_enclave_opens_there() {
    let enclave = Enclave::new(NOW);
    let attested = said(&enclave, &enclave.document(NOW)).unwrap();
    let entropy = crate::crypto::testing::Seeded::new(1);
    for len in [0, 1, 15, 16, 17, 32, 66, 100] {
        let bytes: Vec<u8> = (0..len).collect();
        let secret = crate::crypto::secret::Secret::from_slice(&bytes);
        let envelope = crate::crypto::envelope::seal(&attested, &secret, &entropy).unwrap();
        assert_eq!(Enclave::open(&envelope), bytes);
    }
}

/// Newer hypervisors of AWS write the map without its length.
#[test]
fn a_map_of_unsaid_length_is_believed() {
    let enclave = Enclave::new(NOW);
    let mut bytes = payload(enclave.fields(NOW));
    assert_eq!(bytes[0], 0xa9, "a map of nine");
    bytes[0] = 0xbf;
    bytes.push(0xff);
    said(&enclave, &enclave.sign(&bytes)).unwrap();
}

#[test]
fn every_byte_counts() {
    let enclave = Enclave::new(NOW);
    let mut document = enclave.document(NOW);
    let roots = roots(&[&enclave.root]);
    for place in 0..document.len() {
        document[place] ^= 1 << (place % 8);
        let said = verify(&document, &roots, at(NOW));
        assert!(said.is_err(), "byte {place}: {said:?}");
        document[place] ^= 1 << (place % 8);
    }
    verify(&document, &roots, at(NOW)).unwrap();
    for end in 0..document.len() {
        assert!(verify(&document[..end], &roots, at(NOW)).is_err(), "{end}");
    }
    document.push(0);
    assert!(verify(&document, &roots, at(NOW)).is_err());
}

#[test]
fn garbage_is_refused_without_a_panic_i_24() {
    let none = Roots::default();
    for garbage in [
        &[][..],
        &[0xd2],
        &[0xd2, 0xd2, 0x84],
        &[0x84; 200],
        &[0x81; 30_000], // arrays in arrays
        &[0xd2; 30_000], // tags of tags
        &[0xbf; 30_000], // maps in maps
        &[0x5f; 30_000], // strings of strings
        &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x84, 0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        let said = verify(garbage, &none, at(NOW)).unwrap_err();
        assert_eq!(
            said.0,
            "is no COSE_Sign1 structure",
            "{:x?}",
            garbage.first()
        );
    }
    let long = vec![0x84; ATTESTATION_BYTES + 1];
    assert_eq!(
        verify(&long, &none, at(NOW)),
        Err(Disbelief("is longer than 32 KiB"))
    );
}

/// What the signature does not cover has one form only.
#[test]
fn nothing_can_be_added_around_what_is_signed() {
    let enclave = Enclave::new(NOW);
    let document = enclave.document(NOW);
    let form = Err("is a COSE_Sign1 structure in another form than enclaves write");

    let mut signed = CoseSign1::from_slice(&document).unwrap();
    signed.unprotected.key_id = vec![1];
    assert_eq!(said(&enclave, &signed.to_vec().unwrap()), form);

    let long_array = [&[0x98, 4], &document[1..]].concat();
    assert_eq!(said(&enclave, &long_array), form);
    let unsaid_length = [&[0x9f], &document[1..], &[0xff]].concat();
    assert_eq!(said(&enclave, &unsaid_length), form);

    let other = sign(
        &enclave.signer,
        iana::Algorithm::ES256,
        &payload(enclave.fields(NOW)),
    );
    assert_eq!(said(&enclave, &other), Err("is not signed with ES384"));
    let mut detached = CoseSign1::from_slice(&document).unwrap();
    detached.payload = None;
    assert_eq!(
        said(&enclave, &detached.to_vec().unwrap()),
        Err("does not hold one CBOR map")
    );
}

#[test]
fn every_field_has_its_bounds() {
    let enclave = Enclave::new(NOW);
    let long = |len: usize| Value::Bytes(vec![1; len]);
    let registers = |numbers: &[u8], len: usize| {
        let register = |number: &u8| (Value::from(*number), long(len));
        Value::Map(numbers.iter().map(register).collect())
    };
    let thirty_two: Vec<u8> = (0..32).collect();
    let own = |signer: &Signer| Value::Bytes(signer.der.clone());
    let good: &[(&str, Value)] = &[
        ("module_id", Value::from("m".repeat(256))),
        ("pcrs", registers(&[31], 48)),
        ("pcrs", registers(&thirty_two, 48)),
        ("user_data", long(0)),
        ("user_data", long(4096)),
        ("nonce", long(4096)),
        ("cabundle", Value::Array(vec![own(&enclave.intermediate)])),
        (
            "cabundle",
            Value::Array(vec![own(&enclave.intermediate); 8]),
        ),
    ];
    for (name, value) in good {
        let mut fields = enclave.fields(NOW);
        set(&mut fields, name, value.clone());
        let said = said(&enclave, &enclave.sign(&payload(fields)));
        assert!(said.is_ok(), "{name}: {said:?}");
    }

    let module_id = "has no module_id of 1 to 256 printable characters";
    let digest = "has a digest other than SHA384";
    let timestamp = "has no timestamp in milliseconds since 1970";
    let pcrs = "has no pcrs, 1 to 32 registers of 48 bytes";
    let certificate = "has no certificate of 1 to 4096 bytes";
    let bundle = "has no cabundle of 1 to 8 certificates of 1 to 4096 bytes";
    let size = "has a public_key of the wrong size";
    let added = "has user_data or a nonce of the wrong size";
    let rsa =
        "has a public key that is no RSA key of 2048 to 4096 bits (SubjectPublicKeyInfo, DER)";
    let bad: &[(&str, Value, &str)] = &[
        ("module_id", Value::Null, module_id),
        ("module_id", Value::from(""), module_id),
        ("module_id", Value::from("m".repeat(257)), module_id),
        ("module_id", Value::from("a\nb"), module_id),
        ("module_id", Value::from("é"), module_id),
        ("module_id", long(3), module_id),
        ("digest", Value::Null, digest),
        ("digest", Value::from("SHA256"), digest),
        ("timestamp", Value::Null, timestamp),
        ("timestamp", Value::from(0), timestamp),
        ("timestamp", Value::from(-1), timestamp),
        ("timestamp", Value::from(u64::MAX), timestamp),
        ("timestamp", Value::from("1"), timestamp),
        ("pcrs", Value::Null, pcrs),
        ("pcrs", registers(&[], 48), pcrs),
        ("pcrs", registers(&[0], 32), pcrs),
        ("pcrs", registers(&[0], 49), pcrs),
        ("pcrs", registers(&[32], 48), pcrs),
        ("pcrs", registers(&[1, 1], 48), pcrs),
        ("pcrs", Value::Map(vec![(Value::from("0"), long(48))]), pcrs),
        ("certificate", Value::Null, certificate),
        ("certificate", long(0), certificate),
        ("certificate", long(4097), certificate),
        (
            "certificate",
            long(9),
            "holds a certificate that is no X.509 certificate",
        ),
        ("cabundle", Value::Null, bundle),
        ("cabundle", Value::Array(vec![]), bundle),
        ("cabundle", Value::Array(vec![long(1); 9]), bundle),
        ("cabundle", Value::Array(vec![long(0)]), bundle),
        ("cabundle", Value::Array(vec![long(4097)]), bundle),
        ("cabundle", Value::Array(vec![Value::from("x")]), bundle),
        ("public_key", Value::Null, "has no public key"),
        ("public_key", long(0), size),
        ("public_key", long(4097), size),
        ("public_key", Value::from("key"), size),
        ("public_key", long(294), rsa),
        (
            "pubkey",
            Value::Bytes(Enclave::public_key()),
            "has two public keys",
        ),
        ("user_data", long(4097), added),
        ("nonce", Value::from("n"), added),
        (
            "more",
            Value::Null,
            "has a field that is none of the format's",
        ),
    ];
    for (name, value, why) in bad {
        let mut fields = enclave.fields(NOW);
        set(&mut fields, name, value.clone());
        let said = said(&enclave, &enclave.sign(&payload(fields)));
        assert_eq!(said, Err(*why), "{name}: {value:?}");
    }

    let twice = [enclave.fields(NOW), enclave.fields(NOW)].concat();
    assert_eq!(
        said(&enclave, &enclave.sign(&payload(twice))),
        Err("has a field twice")
    );
    for no_map in [&[][..], &[0x80], &[0xf6], b"\x63abc"] {
        let said = said(&enclave, &enclave.sign(no_map));
        assert_eq!(said, Err("does not hold one CBOR map"), "{no_map:x?}");
    }
    let more = [payload(enclave.fields(NOW)), vec![0]].concat();
    assert_eq!(
        said(&enclave, &enclave.sign(&more)),
        Err("does not hold one CBOR map")
    );
}

#[test]
fn a_public_key_of_another_kind_is_refused() {
    let enclave = Enclave::new(NOW);
    let kind = crate::crypto::material::MaterialKind::EcP256;
    let curve = crate::crypto::testing::sample(kind)
        .public_key_der()
        .unwrap();
    let good = Enclave::public_key();
    let behind = [&good[..], &[0]].concat();
    // 33 bytes of frame, a modulus of 256 bytes, and the exponent.
    let modulus = &good[33..289];
    let key = |modulus: &[u8], exponent: &[u8]| {
        let positive = |number: &[u8]| definite(2, &[&[0], number].concat());
        let numbers = [positive(modulus), definite(2, exponent)].concat();
        let key = definite(3, &[&[0][..], &definite(0x30, &numbers)].concat());
        let algorithm = [0x30, 13, 6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 1, 5, 0];
        definite(0x30, &[&algorithm[..], &key].concat())
    };
    assert_eq!(key(modulus, &[1, 0, 1]), good);
    let short = key(&modulus[..128], &[1, 0, 1]);
    let not_quite = key(&[&[0x81], &modulus[..254]].concat(), &[1, 0, 1]);
    let long = key(&modulus.repeat(3)[..513], &[1, 0, 1]);
    // To the power of one is no encryption.
    let (one, even) = (key(modulus, &[1]), key(modulus, &[1, 0, 0]));
    for key in [curve, behind, short, not_quite, long, one, even] {
        let mut fields = enclave.fields(NOW);
        set(&mut fields, "public_key", Value::Bytes(key));
        let why = said(&enclave, &enclave.sign(&payload(fields))).unwrap_err();
        assert!(
            why.starts_with("has a public key that is no RSA key"),
            "{why}"
        );
    }
}

#[test]
fn a_document_is_good_for_five_minutes() {
    let enclave = Enclave::new(NOW);
    let roots = roots(&[&enclave.root]);
    let document = enclave.document(NOW);
    let late = Disbelief("was not made within 5 minutes of the service's clock");
    let five = 5 * 60 * 1000;
    for (moment, good) in [
        (NOW - five - 1, false),
        (NOW - five, true),
        (NOW + five, true),
        (NOW + five + 1, false),
    ] {
        let said = verify(&document, &roots, at(moment));
        assert_eq!(said.err(), (!good).then_some(late), "{}", moment - NOW);
    }
}

/// Each certificate of the path, one after the other, is not valid when the document is looked at.
#[test]
fn certificates_are_valid_at_the_time_of_the_call() {
    let later = NOW + 2 * 3600 * 1000;
    let expired = "holds a certificate that is not valid now";
    for (root, intermediate, signer, why) in [
        (NOW, NOW, NOW, None),
        (later, NOW, NOW, Some(expired)),
        (NOW, later, NOW, Some(expired)),
        (NOW, NOW, later, Some(expired)),
    ] {
        let root = enclave::root(authority("enclaves", root));
        let intermediate = root.issue(authority("zone", intermediate));
        let signer = intermediate.issue(attester("i-1-enc1", signer));
        let enclave = Enclave {
            root,
            intermediate,
            signer,
        };
        assert_eq!(said(&enclave, &enclave.document(NOW)).err(), why);
    }

    // The root's own days count even where the bundle leaves it out.
    let root = enclave::root(authority("enclaves", later));
    let intermediate = root.issue(authority("zone", NOW));
    let signer = intermediate.issue(attester("i-1-enc1", NOW));
    let enclave = Enclave {
        root,
        intermediate,
        signer,
    };
    let mut fields = enclave.fields(NOW);
    let bundle = Value::Array(vec![Value::Bytes(enclave.intermediate.der.clone())]);
    set(&mut fields, "cabundle", bundle);
    assert_eq!(
        said(&enclave, &enclave.sign(&payload(fields))),
        Err("holds a certificate that does not lead to a trusted root that is valid now")
    );
}

#[test]
fn a_path_leads_to_a_trusted_root_by_authorities() {
    let enclave = Enclave::new(NOW);
    let document = enclave.document(NOW);
    let stranger = enclave::root(authority("strangers", NOW));
    let no_root = "holds a certificate that does not lead to a trusted root that is valid now";
    for roots in [Roots::default(), roots(&[&stranger])] {
        let said = verify(&document, &roots, at(NOW));
        assert_eq!(said, Err(Disbelief(no_root)));
    }
    verify(&document, &roots(&[&stranger, &enclave.root]), at(NOW)).unwrap();
    // The same name, another's key.
    let bad = "holds a certificate that is not in order";
    let pretender = enclave::root(authority("enclaves", NOW));
    let said_of = verify(&document, &roots(&[&pretender]), at(NOW));
    assert_eq!(said_of, Err(Disbelief(bad)));

    // The signer's certificate may not issue others, and an authority does not sign documents.
    let below = enclave.signer.issue(attester("below", NOW));
    let mut fields = enclave.fields(NOW);
    set(&mut fields, "certificate", Value::Bytes(below.der.clone()));
    let chain = [&enclave.intermediate, &enclave.signer];
    let chain = chain.map(|signer| Value::Bytes(signer.der.clone()));
    set(&mut fields, "cabundle", Value::Array(chain.to_vec()));
    let made = sign(&below, iana::Algorithm::ES384, &payload(fields));
    assert_eq!(said(&enclave, &made), Err(bad));
    let mut fields = enclave.fields(NOW);
    let authority_itself = Value::Bytes(enclave.intermediate.der.clone());
    set(&mut fields, "certificate", authority_itself);
    let made = sign(
        &enclave.intermediate,
        iana::Algorithm::ES384,
        &payload(fields),
    );
    assert_eq!(said(&enclave, &made), Err(bad));

    // Uses of keys are kept to.
    let mut wrong = authority("zone", NOW);
    wrong.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    let intermediate = enclave.root.issue(wrong);
    let signer = intermediate.issue(attester("i-1-enc1", NOW));
    let misused = Enclave {
        root: enclave::root(authority("other", NOW)),
        intermediate,
        signer,
    };
    let said_of = verify(&misused.document(NOW), &roots(&[&enclave.root]), at(NOW));
    assert_eq!(said_of, Err(Disbelief(bad)));
    let mut wrong = attester("i-1-enc1", NOW);
    wrong.key_usages = vec![rcgen::KeyUsagePurpose::KeyAgreement];
    let signer = enclave.intermediate.issue(wrong);
    let mut fields = enclave.fields(NOW);
    set(&mut fields, "certificate", Value::Bytes(signer.der.clone()));
    let made = sign(&signer, iana::Algorithm::ES384, &payload(fields));
    assert_eq!(said(&enclave, &made), Err(bad));
}

#[test]
fn a_document_is_signed_by_its_own_certificate() {
    let enclave = Enclave::new(NOW);
    let signer = enclave.intermediate.issue(attester("i-1-enc1", NOW));
    let made = sign(
        &signer,
        iana::Algorithm::ES384,
        &payload(enclave.fields(NOW)),
    );
    assert_eq!(
        said(&enclave, &made),
        Err("was not signed by its certificate")
    );
}

#[test]
fn roots_are_certificates_of_authorities() {
    let enclave = Enclave::new(NOW);
    let mut roots = Roots::default();
    assert!(roots.is_empty());
    let add = |roots: &mut Roots, pem: &str| roots.add_pem(pem.as_bytes()).map_err(|why| why.0);
    let both = format!("{}{}", enclave.root.pem, enclave.intermediate.pem);
    assert_eq!(add(&mut roots, &both), Ok(()));
    assert_eq!(roots.0.len(), 2);
    let wrong = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (pem, why) in [
        ("", "holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAA", "is not PEM"),
        (wrong, "holds what is no X.509 certificate"),
        (
            &enclave.signer.pem,
            "holds a certificate that may not issue others",
        ),
    ] {
        assert_eq!(add(&mut roots, pem), Err(why));
    }
}
