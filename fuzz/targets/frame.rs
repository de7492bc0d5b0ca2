//! The stream from a peer: what decodes as a frame encodes to the same bytes, however the stream is cut.
#![no_main]

use treaty_engine::sync::FrameReader;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (whole, frames) = frames_of(&[bytes]);
    let encoded: Vec<u8> = frames.iter().flat_map(|frame| frame.encode()).collect();
    assert!(bytes.starts_with(&encoded), "frames are canonical");
    let (first, rest) = bytes.split_at(bytes.len() / 3);
    let (cut, frames_cut) = frames_of(&[first, rest]);
    assert_eq!((whole, frames), (cut, frames_cut), "where the stream is cut makes no difference");
});

/// Whether the stream was sound to its end, and the frames before.
fn frames_of(pieces: &[&[u8]]) -> (bool, Vec<treaty_engine::sync::Frame>) {
    let mut reader = FrameReader::default();
    let mut frames = Vec::new();
    for piece in pieces {
        reader.push(piece);
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (false, frames),
            }
        }
    }
    (true, frames)
}
