//! `sessions watch` as it is seen: the real binary in a terminal, against the simulated site, over mutual TLS on
//! loopback.

#[cfg(unix)]
mod end;
mod stream;
#[cfg(unix)]
mod view;
