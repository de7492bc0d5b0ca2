//! The harness of the end-to-end tests: real processes, real files, real QUIC on loopback.
