//! Any users on any pairs with any settings, as text in both formats, read again, equal a plain computation.
//!
//! The reader here is quick and strict. Some inputs go through the parser of others as well, which is far
//! slower.

#![no_main]

mod input;
mod plain;
mod read;

use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;
use qlik_sense::{QueryError, UserKey, VirtualProxy};
use qlik_session_exporter::collector::pair::Answer;
use qlik_session_exporter::collector::tally::{Counting, Keep};
use qlik_session_exporter::site::topology::{ProxyPlan, Topology};
use qlik_session_exporter::collector::{PairSnapshot, SiteSnapshot, Used};
use qlik_session_exporter::exposition::SiteMetrics;

use input::{Answered, Input, State, World};
use read::{read, read_by_others};

fuzz_target!(|input: Input| {
    let world = World::new(&input);
    let expected = plain::expected(&world);
    let settings = Arc::new(world.settings());
    for openmetrics in [false, true] {
        let mut registry = Registry::default();
        let keep = Keep::of(&settings);
        let snapshots = world.sites.iter().map(|site| snapshot(site, &keep)).collect();
        registry.register_collector(Box::new(SiteMetrics { snapshots, users: settings.clone() }));
        let mut output = String::new();
        match openmetrics {
            false => prometheus_text::encode(&mut output, &registry).unwrap(),
            true => text::encode(&mut output, &registry).unwrap(),
        }
        assert_eq!(read(&output, openmetrics), expected, "{output}");
        if input.session_limit < 16 {
            assert_eq!(read_by_others(&output, openmetrics), expected, "{output}");
        }
    }
});

fn snapshot((name, pairs): &(String, Vec<(Answered, State)>), keep: &Keep) -> SiteSnapshot {
    SiteSnapshot {
        name: name.as_str().into(),
        topology: Arc::new(Topology::default()),
        pairs: pairs.iter().map(|it| pair(it, keep)).collect(),
        expiries: Vec::new(),
        discovery: None,
    }
}

fn pair(((proxy, virtual_proxy, answer), state): &(Answered, State), keep: &Keep) -> PairSnapshot {
    let outcome = answer.as_ref().ok_or(QueryError::HttpStatus(500)).map(|rows| {
        let mut counting = Counting::default().keeping(keep.clone());
        for (directory, id, count) in rows {
            (0..*count).for_each(|n| counting.add(UserKey { directory, id }, &n.to_string()));
        }
        counting.finish().0
    });
    let answer = || {
        let (at, took) = (tokio::time::Instant::now(), Duration::from_millis(20));
        Arc::new(Answer::new(outcome, at, took))
    };
    PairSnapshot {
        proxy: Arc::new(ProxyPlan {
            name: proxy.as_str().into(),
            host: "sense1".into(),
            port: 4243,
            url: "https://sense1:4243".parse().unwrap(),
            virtual_proxies: Vec::new(),
            left_out: Vec::new(),
            found: None,
        }),
        virtual_proxy: VirtualProxy::parse(virtual_proxy).unwrap(),
        used: match state {
            State::Kept => Used::Cached(answer()),
            State::Awaited | State::Failed => Used::Awaited(answer()),
            State::GaveUp => Used::TimedOut,
        },
        history: Default::default(),
    }
}
