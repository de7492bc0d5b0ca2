//! Strict verification: the recorded crafted keys and signatures, and replays.

use treaty_engine::codec::Reader;
use treaty_engine::hash::EntryId;
use treaty_engine::identity::{
    Identity, Keypair, Signature, SignatureError, Suite, Unverified, check_key, verify_entry,
};
use treaty_engine::log::UnverifiedHeader;
use treaty_testkit::{Dag, keypair};

use crate::vectors::{Vectors, unhex};

fn identity(hex: &str) -> Identity {
    Identity { suite: Suite::Ed25519, key: unhex(hex).try_into().unwrap() }
}

fn check_vector(line: &str, expected: Result<(), SignatureError>) {
    let (key, signature) = line.split_once(' ').unwrap();
    let signature = Signature(unhex(signature).try_into().unwrap());
    assert_eq!(verify_entry(&identity(key), &EntryId([0x5a; 32]), &signature), expected, "{line}");
}

#[test]
fn crafted_signatures_are_judged_as_recorded() {
    let vectors = Vectors::of_page("entry.md");
    for line in vectors.all("accepted") {
        check_vector(line, Ok(()));
    }
    for line in vectors.all("refused") {
        check_vector(line, Err(SignatureError::Mismatch));
    }
}

#[test]
fn keys_that_prove_nothing_are_refused() {
    let vectors = Vectors::of_page("entry.md");
    // R the identity, S zero: holds for every message under most small-order keys, unless they are refused.
    let mut nothing = Signature([0; 64]);
    nothing.0[0] = 1;
    for key in vectors.all("weak") {
        assert_eq!(check_key(&identity(key)), Err(SignatureError::WeakKey), "{key}");
        assert_eq!(verify_entry(&identity(key), &EntryId([0; 32]), &nothing), Err(SignatureError::WeakKey));
    }
    for key in vectors.all("not_a_key") {
        assert_eq!(check_key(&identity(key)), Err(SignatureError::NotAKey), "{key}");
    }
    assert_eq!(check_key(&keypair(1).identity()), Ok(()));
}

#[test]
fn a_signature_serves_no_other_entry_and_no_other_author() {
    let entries = Dag::drawn("a, b-a").entries();
    let (a, b) = (&entries[0], &entries[1]);
    let moved = Unverified { value: (**b.header()).clone(), signature: *a.header().signature() };
    assert_eq!(moved.verify().unwrap_err(), SignatureError::Mismatch);
    let other = verify_entry(&keypair(1).identity(), b.id(), b.header().signature());
    assert_eq!(other, Err(SignatureError::Mismatch));
}

#[test]
fn a_header_is_verified_by_the_key_that_it_names() {
    let entry = Dag::drawn("a").entries().remove(0);
    let mut bytes = entry.header().encode_signed();
    // The signature stays, the author's key becomes another's.
    bytes[35..67].copy_from_slice(&keypair(1).identity().key);
    let stolen = UnverifiedHeader::read(&mut Reader::new(&bytes)).unwrap();
    assert_eq!(stolen.verify().unwrap_err(), SignatureError::Mismatch);
}

#[test]
fn a_key_pair_reads_back_from_its_file() {
    let pem = keypair(7).to_pem();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert_eq!(Keypair::from_pem(&pem).unwrap().identity(), keypair(7).identity());
    assert!(Keypair::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").is_err());
    assert!(!format!("{:?}", keypair(7)).contains(&hex_of_seed(7)));
}

fn hex_of_seed(seed: u8) -> String {
    crate::vectors::hex(&[seed; 32])
}
