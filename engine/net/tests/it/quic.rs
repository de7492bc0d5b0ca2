//! The QUIC transport alone: both keys are proven, or there is no link.

use std::sync::Arc;

use bytes::Bytes;
use treaty_net::transport::quic::QuicTransport;
use treaty_net::transport::{Link, LinkError, Transport};

use crate::node::keypair;

fn listen(seed: u8) -> Arc<QuicTransport> {
    Arc::new(QuicTransport::listen("127.0.0.1:0".parse().unwrap(), keypair(seed)).unwrap())
}

/// Connects the second seed to the first, and has it write first.
async fn connect(listener: &Arc<QuicTransport>, dialler: &Arc<QuicTransport>) -> (Link, Link) {
    let accepting = listener.clone();
    let accepted = tokio::spawn(async move { accepting.accept().await.unwrap().await.unwrap() });
    let mut dialled = dialler.dial(listener.local_address(), Some(keypair(1).identity())).await.unwrap();
    dialled.writer.write(Bytes::from_static(b"hello")).await.unwrap();
    (accepted.await.unwrap(), dialled)
}

#[tokio::test]
async fn both_sides_learn_the_key_of_the_other() {
    let (listener, dialler) = (listen(1), listen(2));
    let (mut accepted, dialled) = connect(&listener, &dialler).await;
    assert_eq!(accepted.identity, keypair(2).identity());
    assert_eq!(dialled.identity, keypair(1).identity());
    assert_eq!(accepted.reader.read().await.unwrap().unwrap(), "hello");
}

#[tokio::test]
async fn a_listener_with_another_key_than_expected_is_refused() {
    let (listener, dialler) = (listen(1), listen(2));
    let accepting = listener.clone();
    let accepted = tokio::spawn(async move { accepting.accept().await.unwrap().await.map(|_| ()) });
    let expected = Some(keypair(3).identity());
    let error = dialler.dial(listener.local_address(), expected).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, LinkError::Identity { expected: Some(_), .. }), "{error:?}");
    assert!(accepted.await.unwrap().is_err());
}

#[tokio::test]
async fn last_words_arrive_although_the_connection_is_closed_behind_them() {
    let (listener, dialler) = (listen(1), listen(2));
    let (mut accepted, mut dialled) = connect(&listener, &dialler).await;
    accepted.writer.write(Bytes::from(vec![7; 100_000])).await.unwrap();
    let finishing = tokio::spawn(async move {
        accepted.writer.finish().await;
        listener.close().await;
    });
    let mut received_bytes = 0;
    while let Ok(Some(bytes)) = dialled.reader.read().await {
        received_bytes += bytes.len();
    }
    assert_eq!(received_bytes, 100_000);
    dialled.writer.finish().await;
    finishing.await.unwrap();
}

#[tokio::test]
async fn nobody_at_an_address_and_no_address_are_different_errors() {
    let dialler = listen(2);
    let error = dialler.dial("no address".to_owned(), None).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, LinkError::Address { .. }), "{error:?}");
}
