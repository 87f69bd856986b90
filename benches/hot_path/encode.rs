//! A site as text, in both formats: bytes per second.

use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use futures::StreamExt;
use prometheus_client::registry::Registry;
use qlik_session_exporter::collector::SiteSnapshot;
use qlik_session_exporter::collector::tally::Keep;
use qlik_session_exporter::config::UserLabel;
use qlik_session_exporter::exposition::{Encoders, Format, SiteMetrics, encode_few};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::{SIZES, sample};

pub fn bench(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    for sessions in SIZES {
        let site = sample::site(sessions, &Keep::Names);
        for (name, format) in [("OpenMetrics", Format::OpenMetrics), ("classic", Format::Classic)] {
            let size = encode_few(&registry(&site), format).len();
            let mut group = criterion.benchmark_group(format!("encode {sessions} sessions a pair, {name}"));
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function("in pieces", |bencher| {
                bencher.iter_with_setup(
                    || registry(&site),
                    |registry| runtime.block_on(stream(registry, format)),
                );
            });
            group.bench_function("plain: one String", |bencher| {
                bencher.iter_with_setup(|| registry(&site), |registry| encode_few(&registry, format));
            });
            group.finish();
        }
    }
}

fn registry(site: &SiteSnapshot) -> Registry {
    let users = Arc::new(sample::settings(UserLabel::Plain, usize::MAX));
    let mut registry = Registry::default();
    registry.register_collector(Box::new(SiteMetrics { snapshots: vec![sample::again(site)], users }));
    registry
}

/// As a response takes it; returns its length.
async fn stream(registry: Registry, format: Format) -> usize {
    let until = Instant::now() + Duration::from_secs(60);
    let pieces = Encoders::default().encode(registry, format, until).await.unwrap();
    pieces.fold(0, async |length, piece| length + piece.unwrap().len()).await
}
