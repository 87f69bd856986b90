//! Who has how many sessions, and which sessions there are: sessions per second.

use std::collections::{HashMap, HashSet};

use criterion::{BatchSize, Criterion, Throughput};
use qlik_sense::UserKey;
use qlik_session_exporter::collector::tally::{Counting, Keep, SessionIds, Tally};

use super::SIZES;
use super::sample::{self, Row};

pub fn bench(criterion: &mut Criterion) {
    for sessions in SIZES {
        let rows = sample::rows(sessions, 0);
        let mut group = criterion.benchmark_group(format!("tally {sessions} sessions"));
        group.throughput(Throughput::Elements(sessions as u64));
        let names = || Counting::default();
        let hashes = || Counting::default().keeping(Keep::Hashes { exclude: [].into() });
        group.bench_function("one text and hashes", |bencher| bencher.iter(|| count(&rows, names())));
        group.bench_function("hashes only", |bencher| bencher.iter(|| count(&rows, hashes())));
        // As every answer but the first two is counted.
        group.bench_function("one text and hashes, in the room of an earlier answer", |bencher| {
            let room = || {
                let (tally, ids) = count(&rows, names());
                let mut room = Counting::reusing(Some(tally), Some(ids));
                room.reserve_for(&count(&rows, names()).0);
                room
            };
            bencher.iter_batched(room, |room| count(&rows, room), BatchSize::LargeInput);
        });
        group.bench_function("plain: maps of texts", |bencher| bencher.iter(|| plainly(&rows)));
        group.finish();
    }
}

fn count(rows: &[Row], mut counting: Counting) -> (Tally, SessionIds) {
    for (directory, id, session) in rows {
        counting.add(UserKey { directory, id }, session);
    }
    counting.finish()
}

fn plainly(rows: &[Row]) -> (HashMap<(String, String), u32>, HashSet<String>) {
    let (mut users, mut sessions) = (HashMap::new(), HashSet::new());
    for (directory, id, session) in rows {
        *users.entry((directory.clone(), id.clone())).or_default() += 1;
        sessions.insert(session.clone());
    }
    (users, sessions)
}
