//! The soak: the real binary beside a simulated site with churn, random faults, a repository that fails now and
//! then, and reloads. Every scrape is compared, exactly, with what the site sent. Started by `tests/soak`.
//!
//! - `trouble` what goes wrong next, out of a seed
//! - `checker` whether a scrape has what was sent

mod checker;
mod trouble;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use qlik_sense_simulator::Delivery;
use reqwest::{Method, StatusCode};

use crate::support::exporter::Exporter;
use crate::support::footprint::Footprint;
use crate::support::scrape::Scrape;
use crate::support::site::{Pair, SITE, Site, TRUSTED, proxy};
use crate::support::wait::eventually;
use checker::{Checker, Kind};
use trouble::Trouble;

const NODES: u16 = 4;
const PREFIXES: &[&str] = &["", "sales", "finance"];
/// Between two scrapes, when the first did not take longer.
const PAUSE: Duration = Duration::from_millis(250);
/// Scrapes before memory is looked at for the first time.
const WARM_UP: u64 = 20;

/// What the allocator may keep of what lists with ids of 64 KiB once needed: some twenty MiB, however long it runs.
const MORE_MEMORY_MIB: f64 = 32.0;

/// What a run came to.
#[derive(Debug, Default)]
struct Sum {
    scrapes: u64,
    gave_up: u64,
    compared: u64,
    reloads: u64,
    mismatches: u64,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes as long as its argument: tests/soak MINUTES"]
async fn soak() {
    let minutes: f64 = setting("SOAK_MINUTES").expect("started by tests/soak").parse().unwrap();
    let seed = setting("SOAK_SEED").map_or_else(|| fastrand::u64(..1_000_000), |seed| seed.parse().unwrap());
    let corrupt = setting("SOAK_CORRUPT").map(|number| number.parse().unwrap());
    println!("soak: {minutes} minutes, seed {seed}");

    let site = Site::with(NODES, PREFIXES, |options| {
        (options.sessions, options.users, options.churn, options.seed) = (600, 200, 20.0, seed);
        options.host_names = (1..=usize::from(NODES)).map(proxy).collect();
    })
    .await;
    let config = write_config(&site, 4);
    let exporter = Exporter::with_config(&config, &["--web.enable-lifecycle"]).await;
    let mut trouble = Trouble::new(&site, seed);
    let mut checker = Checker::new(corrupt);
    let (mut sum, mut start) = (Sum::default(), None);
    let (begin, end) = (Instant::now(), Duration::from_secs_f64(minutes * 60.0));
    let mut ticks = tokio::time::interval(PAUSE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut minute = 0;
    while begin.elapsed() < end {
        ticks.tick().await;
        step(&site, &exporter, &mut trouble, &mut checker, &mut sum).await;
        if start.is_none() && sum.scrapes >= WARM_UP {
            trouble.clear(&site, &mut checker).await;
            start = Some(settle(&site, &exporter, &mut checker, &mut sum).await);
        }
        if begin.elapsed().as_secs() / 60 > minute {
            minute += 1;
            println!("minute {minute}: {} faults, {sum:?}", trouble.faults);
        }
    }

    trouble.clear(&site, &mut checker).await;
    let end = settle(&site, &exporter, &mut checker, &mut sum).await;
    // A run that ends within the warm-up shows nothing of growth.
    let start = start.unwrap_or(end);
    report(&sum, trouble.faults, seed, start, end);
    assert_eq!(sum.mismatches, 0, "listed above");
    assert!(end.files <= start.files + 8.0, "open files have grown");
    assert!(end.memory_mib <= start.memory_mib + MORE_MEMORY_MIB, "memory has grown");
}

/// What `tests/soak` has set: the test harness lets no arguments through.
#[expect(clippy::disallowed_methods, reason = "no setting of the program")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Something goes wrong or right, and a scrape is compared.
async fn step(site: &Site, exporter: &Exporter, trouble: &mut Trouble, checker: &mut Checker, sum: &mut Sum) {
    trouble.next(site, checker).await;
    if trouble.chance(20) && checker.all_settled() {
        // Other bounds mean other connections; counters go on. A query of the old ones may not be on its way.
        write_config(site, trouble.between(2, 4));
        reload(exporter).await;
        sum.reloads += 1;
    }
    let kind = if trouble.chance(6) { Kind::MayGiveUp } else { Kind::Complete };
    if trouble.chance(20) {
        // The same configuration in the middle of a scrape changes nothing.
        tokio::join!(scrape(site, exporter, kind, checker, sum), reload(exporter));
        sum.reloads += 1;
    } else {
        scrape(site, exporter, kind, checker, sum).await;
    }
}

async fn scrape(
    site: &Site,
    exporter: &Exporter,
    kind: Kind,
    checker: &mut Checker,
    sum: &mut Sum,
) -> Scrape {
    checker.begin();
    let seconds = match kind {
        Kind::Complete => "15",
        Kind::MayGiveUp => "1",
    };
    let scrape = exporter.scrape_within(seconds).await;
    let sent = sent(site).await;
    let mismatches = checker.check(kind, &scrape, &sent);
    for mismatch in &mismatches {
        println!("MISMATCH in scrape {}: {mismatch:.600}", sum.scrapes + 1);
    }
    sum.scrapes += 1;
    sum.gave_up += u64::from(!checker.all_settled());
    sum.compared = checker.compared;
    sum.mismatches += mismatches.len() as u64;
    scrape
}

/// What the site sent last of each pair's list. Only queries that no scrape waits for are on their way.
async fn sent(site: &Site) -> BTreeMap<Pair, Delivery> {
    let delivery = |pair: Pair| site.simulator.delivery(pair.0, pair.1).unwrap();
    eventually("no list is about to be counted", async || {
        let all: BTreeMap<_, _> = site.pairs().into_iter().map(|pair| (pair, delivery(pair))).collect();
        all.values().all(|delivery| delivery.finishing == 0).then_some(all)
    })
    .await
}

/// Waits until all is well again, comparing as before.
async fn settle(site: &Site, exporter: &Exporter, checker: &mut Checker, sum: &mut Sum) -> Footprint {
    eventually("all is well again", async || {
        let scrape = scrape(site, exporter, Kind::Complete, checker, sum).await;
        let repository = scrape.sum("qlik_repository_up", &[("site", SITE)]);
        (repository == 1.0 && scrape.sum("qlik_proxy_up", &[]) == site.pairs().len() as f64).then_some(())
    })
    .await;
    exporter.footprint().await
}

fn write_config(site: &Site, at_once: u32) -> std::path::PathBuf {
    let settings = format!(
        "cache_ttl = \"0s\"\nrequest_timeout = \"3s\"\nmax_response_size = \"4MiB\"\n\
         max_requests_per_proxy = {at_once}\n"
    );
    let repository = format!("repository = \"{}\"\nrepository_refresh = \"2s\"\n", site.url("qrs"));
    site.config_with(&settings, &(TRUSTED.to_owned() + &repository))
}

async fn reload(exporter: &Exporter) {
    let answer = exporter.request(Method::POST, "/-/reload", &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}

fn report(sum: &Sum, faults: u64, seed: u64, start: Footprint, end: Footprint) {
    println!("scrapes     {} ({} of them gave up on a pair)", sum.scrapes, sum.gave_up);
    println!("compared    {} answers of pairs, exactly", sum.compared);
    println!("faults      {faults}");
    println!("reloads     {}", sum.reloads);
    println!("mismatches  {}", sum.mismatches);
    println!("memory      {:.1} MiB at the start, {:.1} MiB at the end", start.memory_mib, end.memory_mib);
    println!("open files  {} at the start, {} at the end", start.files, end.files);
    println!("seed        {seed}");
}
