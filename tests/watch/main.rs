//! `sessions watch` as it is seen: the real binary in a terminal, against the simulated site, over mutual TLS on
//! loopback.
#![cfg(feature = "simulator")]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "what the tests share is more than these need")]
mod support;

#[cfg(unix)]
mod end;
mod stream;
#[cfg(unix)]
mod view;
