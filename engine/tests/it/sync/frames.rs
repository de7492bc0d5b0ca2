//! The frames of docs/spec/sync.md, and what their codec promises for all bytes.

use proptest::prelude::*;
use treaty_engine::hash::{EntryId, SpaceId};
use treaty_engine::identity::Unverified;
use treaty_engine::log::Header;
use treaty_engine::sync::{
    Bye, ByeCode, Credit, EntryItem, Frame, FrameError, FrameReader, Heads, Hello, PayloadChunk,
};

use super::world::Node;
use crate::vectors::{Vectors, hex, unhex};

const IDS: [EntryId; 2] = [EntryId([0x22; 32]), EntryId([0x33; 32])];

/// One frame of each type, by its name in the page.
fn samples() -> Vec<(&'static str, Frame)> {
    let genesis = Node::founder(1).store_genesis();
    let header = Unverified { value: Header::clone(genesis.header()), signature: *genesis.header().signature() };
    let inline = EntryItem { header: header.clone(), payload: Some(genesis.payload().to_vec()) };
    let heads = Heads { ids: vec![IDS[0]], is_partial: false };
    vec![
        ("hello", Frame::Hello(Hello { space: SpaceId(EntryId([0x11; 32])), heads })),
        ("locator", Frame::Locator(IDS.iter().map(EntryId::prefix).collect())),
        ("have", Frame::Have),
        ("entries", Frame::Entries(vec![inline, EntryItem { header, payload: None }])),
        ("want", Frame::Want(IDS.to_vec())),
        ("payload", Frame::Payload(PayloadChunk { id: IDS[0], offset: 65536, bytes: vec![1, 2, 3] })),
        ("credit", Frame::Credit(Credit { entries: 512, bytes: 524_288 })),
        ("heads", Frame::Heads(Heads { ids: IDS.to_vec(), is_partial: true })),
        ("missing", Frame::Missing(vec![IDS[1]])),
        ("done", Frame::Done),
        ("bye", Frame::Bye(Bye { code: ByeCode::Leaving, text: "bis später".to_owned() })),
    ]
}

#[test]
fn every_frame_is_encoded_as_the_page_says_and_read_back() {
    let vectors = Vectors::of_page("sync.md");
    let ours: Vec<String> =
        samples().iter().map(|(name, frame)| format!("{name} = {}", hex(&frame.encode()))).collect();
    for (name, frame) in samples() {
        assert_eq!(vectors.one(name), hex(&frame.encode()), "ours are:\n{}", ours.join("\n"));
        assert_eq!(Frame::decode(&unhex(vectors.one(name))[4..]), Ok(frame), "{name}");
    }
}

#[test]
fn what_deviates_is_refused() {
    let vectors = Vectors::of_page("sync.md");
    for text in vectors.all("refused") {
        let (reason, digits) = text.rsplit_once(' ').unwrap();
        let mut reader = FrameReader::default();
        reader.push(&unhex(digits));
        assert_eq!(reader.next_frame().map_err(|error| error.to_string()), Err(reason.to_owned()));
    }
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_the_frame_is_here() {
    let mut reader = FrameReader::default();
    reader.push(&262_145_u32.to_le_bytes());
    assert_eq!(reader.next_frame(), Err(FrameError::Length { length_bytes: 262_145 }));
}

proptest! {
    #[test]
    fn whatever_decodes_is_its_encoding(kind in 0_u8..13, body in proptest::collection::vec(any::<u8>(), 0..120)) {
        let framed = [&[kind], &body[..]].concat();
        if let Ok(frame) = Frame::decode(&framed) {
            prop_assert_eq!(&frame.encode()[4..], &framed[..]);
        }
    }

    #[test]
    fn damaged_frames_are_refused_or_other_frames(index in 0_usize..11, at: prop::sample::Index, bit in 0_u8..8) {
        let (_, frame) = samples().swap_remove(index);
        let mut framed = frame.encode().split_off(4);
        let at = at.index(framed.len());
        framed[at] ^= 1 << bit;
        match Frame::decode(&framed) {
            Ok(other) => {
                prop_assert_ne!(&other, &frame);
                prop_assert_eq!(&other.encode()[4..], &framed[..]);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn how_a_stream_is_cut_makes_no_difference(cuts in proptest::collection::vec(1_usize..200, 1..60)) {
        let frames: Vec<Frame> = samples().into_iter().map(|(_, frame)| frame).collect();
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        let mut reader = FrameReader::default();
        let mut read = vec![];
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            let (piece, left) = rest.split_at((*cut).min(rest.len()));
            reader.push(piece);
            while let Some(frame) = reader.next_frame().unwrap() {
                read.push(frame);
            }
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(read, frames);
    }
}
