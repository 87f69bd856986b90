//! A session list, in pieces as it arrives: bytes per second.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use qlik_sense::session_list::{Counted, Session, SessionListDecoder};
use serde::Deserialize;

use super::{SIZES, sample};

const KIB: usize = 1024;

/// What the plain way keeps of a session: everything.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "kept, and never looked at")]
struct Whole {
    user_directory: String,
    user_id: String,
    user_name: Option<String>,
    attributes: Vec<serde_json::Map<String, serde_json::Value>>,
    session_id: String,
}

pub fn bench(criterion: &mut Criterion) {
    for sessions in SIZES {
        let body = sample::body(&sample::rows(sessions, 0));
        let mut group = criterion.benchmark_group(format!("decode {sessions} sessions"));
        group.throughput(Throughput::Bytes(body.len() as u64));
        for (name, size) in
            [("1 KiB", KIB), ("16 KiB", 16 * KIB), ("256 KiB", 256 * KIB), ("whole", body.len())]
        {
            group.bench_function(BenchmarkId::new("in pieces", name), |bencher| {
                bencher.iter(|| decode(&body, size));
            });
        }
        group.bench_function("plain: serde_json into a Vec", |bencher| {
            bencher.iter(|| serde_json::from_slice::<Vec<Whole>>(&body).unwrap());
        });
        group.finish();
    }
}

fn decode(body: &[u8], size: usize) {
    let mut each = |session: Session<'_>| drop(black_box(session));
    let mut decoder = SessionListDecoder::<Counted>::default();
    for piece in body.chunks(size) {
        decoder.push(piece, &mut each).unwrap();
    }
    decoder.finish(&mut each).unwrap();
}
