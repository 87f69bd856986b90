//! The hot path piece by piece, each beside the plain way of doing the same: `cargo bench`, or only a part,
//! `cargo bench -- decode`. What a whole scrape costs is measured by `benches/scrape`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unreachable,
    reason = "a benchmark stops when its input is wrong"
)]

mod decode;
mod encode;
mod sample;
mod site;
mod tally;

use criterion::{criterion_group, criterion_main};

/// Sessions of a small virtual proxy and of a large one.
const SIZES: [usize; 2] = [100, 20_000];

criterion_group!(hot_path, decode::bench, tally::bench, site::bench, encode::bench);
criterion_main!(hot_path);
