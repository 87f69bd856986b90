//! Every fault that a proxy service can have, by the specification in `tests/support/faults.rs`: the right
//! reason, nothing taken from the others, in time, nothing left behind, over with the first good answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use qlik_sense_simulator::{FAULTS, Fault};

use crate::support::expected::{counts, expected, expected_of, failures, of_pair};
use crate::support::exporter::Exporter;
use crate::support::faults::{Outcome, SPECIFICATION, as_sent};
use crate::support::scrape::Scrape;
use crate::support::site::{Pair, Site};
use crate::support::wait::{becomes, eventually};

/// The first has the faults.
const PREFIXES: &[&str] = &["", "sales"];
const SETTINGS: &str = "cache_ttl = \"0s\"\nrequest_timeout = \"4s\"\nmax_response_size = \"4MiB\"\n";
/// The scrape's timeout in seconds: queries end before it.
const TIMEOUT: &str = "10";
/// How often every fault is met; each time a proxy service has another one.
const ROUNDS: usize = 3;

/// A fault, and what it comes to.
type Row = (Fault, Outcome);

/// The fault of each node in one round; one node is left well.
fn faults(round: usize) -> BTreeMap<usize, Row> {
    let all = SPECIFICATION.iter().cycle().skip(round * 5).take(SPECIFICATION.len());
    (1..).zip(all.map(|(fault, outcome)| (fault.parse().unwrap(), *outcome))).collect()
}

/// What a pair's query comes to.
fn outcome(faults: &BTreeMap<usize, Row>, pair: Pair) -> (Option<Fault>, Outcome) {
    match faults.get(&pair.0) {
        Some(&(fault, outcome)) if pair.1 == PREFIXES[0] || fault.is_of_whole_node() => {
            (Some(fault), outcome)
        }
        _ => (None, Outcome::Up),
    }
}

async fn set(site: &Site, exporter: &Exporter, faults: &BTreeMap<usize, Row>) {
    let files = exporter.footprint().await.files;
    let mut cut = 0;
    for (&node, &(fault, _)) in faults {
        let whole = fault.is_of_whole_node();
        cut += if whole { site.simulator.connections(node) } else { 0 };
        site.simulator.set_fault(node, (!whole).then_some(PREFIXES[0]), fault).await.unwrap();
    }
    // A query on a connection that was just cut fails with `connect`, whatever the fault is.
    eventually("the exporter has noticed the connections that were cut", async || {
        (exporter.footprint().await.files <= files - cut as f64 || files == 0.0).then_some(())
    })
    .await;
}

/// What a round's queries added to a pair's counters: queries, and failures by reason.
fn added(before: &Scrape, after: &Scrape, pair: Pair) -> (f64, BTreeMap<String, f64>) {
    let queries = |scrape| of_pair(scrape, "qlik_proxy_queries_total", pair).unwrap();
    let (mut more, earlier) = (failures(after, pair), failures(before, pair));
    more.iter_mut().for_each(|(reason, count)| *count -= earlier.get(reason).copied().unwrap_or_default());
    more.retain(|_, count| *count != 0.0);
    (queries(after) - queries(before), more)
}

/// Asserts that this scrape, the first after `before`, has exactly what these faults come to.
fn assert_matches(site: &Site, faults: &BTreeMap<usize, Row>, before: &Scrape, scrape: &Scrape) {
    let mut answering = Vec::new();
    for pair in site.pairs() {
        let (fault, outcome) = outcome(faults, pair);
        let what = fault.map_or_else(|| "nothing".to_owned(), |fault| fault.to_string());
        let (up, failed) = match outcome {
            Outcome::Up => (1.0, BTreeMap::new()),
            Outcome::Fails(reason) => (0.0, [(reason.to_owned(), 1.0)].into()),
        };
        assert_eq!(added(before, scrape, pair), (1.0, failed), "{what} wrong with {pair:?}");
        assert_eq!(of_pair(scrape, "qlik_proxy_up", pair), Some(up), "{what} wrong with {pair:?}");
        if outcome == Outcome::Up {
            answering.push((pair, as_sent(fault, site.simulator.sessions(pair.0, pair.1))));
        }
    }
    let (found, expected) = (counts(scrape), expected_of(&answering));
    for (name, series) in expected {
        // Ids of 64 KiB are among the labels: what differs is enough to read.
        let differs = found[name].iter().find(|(labels, value)| series.get(*labels) != Some(*value));
        assert!(differs.is_none() && found[name].len() == series.len(), "{name}: {differs:.300?}");
    }
}

#[test]
fn every_kind_of_fault_is_specified() {
    let kind = |fault: &'static str| fault.split_once(':').map_or(fault, |(kind, _)| kind);
    let specified: BTreeSet<_> = SPECIFICATION.iter().map(|(fault, _)| kind(fault)).collect();
    assert_eq!(specified, FAULTS.iter().map(|kind| kind.name).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_has_its_reason_and_affects_no_other_pair() {
    let nodes = SPECIFICATION.len() + 1;
    let site = Site::busy(nodes.try_into().unwrap(), PREFIXES, 60 * nodes, 10 * nodes).await;
    // Half of a list, or its bytes one by one, is distinguished from the whole.
    assert!(site.pairs().iter().all(|pair| site.simulator.sessions(pair.0, pair.1).len() >= 4));
    let exporter = site.exporter(SETTINGS).await;
    let well = BTreeMap::new();
    let mut last = exporter.scrape_within("60").await;
    let mut settled = exporter.footprint().await;
    for round in 0..ROUNDS {
        let faults = faults(round);
        set(&site, &exporter, &faults).await;
        let start = Instant::now();
        let scrape = exporter.scrape_within(TIMEOUT).await;
        let took = start.elapsed();
        assert_matches(&site, &faults, &last, &scrape);
        assert!(took < Duration::from_secs(10), "a scrape of {TIMEOUT} s took {took:?}");

        site.simulator.clear_faults().await.unwrap();
        last = exporter.scrape_within(TIMEOUT).await;
        assert_matches(&site, &well, &scrape, &last);
        if round == 0 {
            // By now everything has happened once that may need memory for good.
            settled = exporter.footprint().await;
        }
    }

    becomes(Vec::<usize>::new(), "nodes with more connections than queries at once", async || {
        let open = (1..=nodes).filter(|node| site.simulator.connections(*node) > PREFIXES.len());
        open.collect::<Vec<_>>()
    })
    .await;
    let end = exporter.footprint().await;
    println!("{settled:?} after the first round, {end:?} after the last");
    assert!(end.files <= settled.files + 8.0, "{settled:?} became {end:?}");
    assert!(end.memory_mib <= settled.memory_mib + 16.0, "{settled:?} became {end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_answers_every_second_request_is_up_every_second_time() {
    let site = Site::busy(1, &[""], 20, 5).await;
    let exporter = site.exporter("cache_ttl = \"0s\"\nrequest_timeout = \"2s\"\n").await;
    site.simulator.set_fault(1, None, Fault::EverySecond).await.unwrap();

    for round in 1..=4 {
        let scrape = exporter.scrape().await;
        let answers = round % 2 == 0;
        let answering: &[Pair] = if answers { &[(1, "")] } else { &[] };
        assert_eq!(counts(&scrape), expected(&site, answering), "round {round}");
        let failed = f64::from((round + 1) / 2);
        assert_eq!(failures(&scrape, (1, "")), [("timeout".to_owned(), failed)].into(), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_answer_ends_at_its_limit_and_is_never_held() {
    let site = Site::busy(2, &[""], 40, 10).await;
    let settings = "cache_ttl = \"0s\"\nrequest_timeout = \"50s\"\n";
    let exporter = site.exporter(settings).await;
    exporter.scrape().await;
    let before = exporter.peak_memory_mib();
    site.simulator.set_fault(2, None, Fault::Endless).await.unwrap();

    let scrape = exporter.scrape_within("60").await;

    assert_eq!(failures(&scrape, (2, "")), [("too_large".to_owned(), 1.0)].into());
    assert_eq!(counts(&scrape), expected(&site, &[(1, "")]));
    let peak = exporter.peak_memory_mib();
    assert!(
        peak <= before + 8.0,
        "{before} MiB for a small answer, {peak} MiB for one of 64 MiB, the default limit"
    );
}
