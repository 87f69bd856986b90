//! A site's figures over all its pairs, and who gets series: (user, pair) per second.

use std::collections::HashMap;

use criterion::{Criterion, Throughput};
use qlik_session_exporter::collector::tally::Keep;
use qlik_session_exporter::collector::{PairSnapshot, SiteSnapshot};
use qlik_session_exporter::config::UserLabel;
use qlik_session_exporter::exposition::users::SiteUsers;

use super::{SIZES, sample};

pub fn bench(criterion: &mut Criterion) {
    for sessions in SIZES {
        let site = sample::site(sessions, &Keep::Names);
        let without_names = sample::site(sessions, &Keep::Hashes { exclude: [].into() });
        let series: usize = site.pairs.iter().filter_map(PairSnapshot::tally).map(|it| it.user_count()).sum();
        let mut group = criterion.benchmark_group(format!("site with {sessions} sessions a pair"));
        group.throughput(Throughput::Elements(series as u64));
        let all = sample::settings(UserLabel::Plain, series);
        let half = sample::settings(UserLabel::Plain, series / 2);
        let off = sample::settings(UserLabel::Off, 0);
        for (name, site, settings) in [
            ("all series fit", &site, all),
            ("half of the series fit", &site, half),
            ("no names, sums only", &without_names, off),
        ] {
            group.bench_function(name, |bencher| {
                bencher.iter(|| SiteUsers::new(&site.pairs, &settings).map(|users| users.unlisted));
            });
        }
        group.bench_function("plain: a map of texts, sorted", |bencher| bencher.iter(|| plainly(&site)));
        group.finish();
    }
}

fn plainly(site: &SiteSnapshot) -> Vec<((String, String), u32)> {
    let mut users = HashMap::<_, u32>::new();
    for (user, sessions) in site.pairs.iter().filter_map(PairSnapshot::tally).flat_map(|tally| tally.users())
    {
        *users.entry((user.directory.to_owned(), user.id.to_owned())).or_default() += sessions;
    }
    let mut ranked: Vec<_> = users.into_iter().collect();
    ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    ranked
}
