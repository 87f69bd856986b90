//! Many clients at once, and clients that take their time.
//!
//! These need more than a thousand open files, here and in the exporter: `tests/run` raises the limit.

use std::time::{Duration, Instant};

use futures::future::join_all;
use qlik_sense_simulator::Fault;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use crate::support::expected::{counts, expected};
use crate::support::exporter::Exporter;
use crate::support::raw;
use crate::support::scrape::Scrape;
use crate::support::site::{Site, TRUSTED};
use crate::support::wait::{becomes, eventually};

const EIGHT: &[&str] = &["", "a", "b", "c", "d", "e", "f", "g"];
/// Connections that the exporter serves at once.
const SERVED: usize = 1000;

/// So many clients that have sent nothing yet. They come in portions, so that the operating system's own queue
/// never overflows: whoever is put off there is served after those who came later.
async fn connect(exporter: &Exporter, count: usize) -> Vec<TcpStream> {
    let files = exporter.footprint().await.files;
    let mut clients = Vec::new();
    while clients.len() < count {
        let portion = (count - clients.len()).min(100);
        clients.extend(join_all((0..portion).map(|_| raw::connect(exporter.authority()))).await);
        becomes(true, "the exporter has them", async || {
            let now = exporter.footprint().await.files;
            now >= files + clients.len() as f64 || now == 0.0
        })
        .await;
    }
    clients
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_scrapes_of_a_hanging_proxy_are_four_queries() {
    let site = Site::busy(1, EIGHT, 80, 20).await;
    site.simulator.set_fault(1, None, Fault::Hang).await.unwrap();
    let exporter = site.exporter("request_timeout = \"50s\"\nscrape_timeout_offset = \"3s\"\n").await;
    let before = exporter.peak_memory_mib();

    let start = Instant::now();
    let headers = [("X-Prometheus-Scrape-Timeout-Seconds", "6")];
    let scrapes = join_all((0..500).map(|_| exporter.text("/metrics", &headers))).await;
    let took = start.elapsed();

    assert!(took < Duration::from_secs(6), "{took:?}");
    assert_eq!(site.simulator.most_in_flight(1), 4);
    assert_eq!(site.queries().into_values().sum::<u64>(), 4);
    let one = Scrape::classic(&scrapes[0]);
    assert_eq!(counts(&one), expected(&site, &[]));
    assert_eq!(one.series("qlik_proxy_up").into_values().collect::<Vec<_>>(), [0.0; EIGHT.len()]);
    let figures = |text: &String| text.lines().filter(|line| line.starts_with("qlik_proxy_up{")).count();
    assert!(scrapes.iter().all(|text| figures(text) == EIGHT.len()));
    let peak = exporter.peak_memory_mib();
    println!("{before} MiB before, {peak} MiB at most");
    assert!(peak < before + 64.0, "{before} MiB became {peak} MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn six_hundred_slow_readers_do_no_harm() {
    let site = Site::busy(1, &[""], 20_000, 20_000).await;
    let settings = "cache_ttl = \"0s\"\nrequest_timeout = \"20s\"\n";
    let config = site.config_with(settings, &format!("{TRUSTED}verify = \"ca\"\n"));
    // Host names are resolved on the threads that encode, too.
    let named = std::fs::read_to_string(&config).unwrap().replace("https://127.0.0.1:", "https://localhost:");
    std::fs::write(&config, named).unwrap();
    let exporter = Exporter::with_config(&config, &[]).await;
    exporter.scrape_within("60").await;
    let before = exporter.peak_memory_mib();

    let mut slow = connect(&exporter, 600).await;
    for stream in &mut slow {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    }
    eventually("the first answers have begun", async || {
        slow.iter().any(|stream| stream.try_read(&mut [0]).is_ok()).then_some(())
    })
    .await;
    let slow: Vec<_> = slow
        .into_iter()
        .map(|stream| AbortOnDropHandle::new(tokio::spawn(raw::read_slowly(stream))))
        .collect();

    for _ in 0..3 {
        // Without a connection, so that its name has to be resolved.
        site.simulator.stop_node(1).await;
        site.simulator.start_node(1).await.unwrap();
        let start = Instant::now();
        let headers = [("X-Prometheus-Scrape-Timeout-Seconds", "10")];
        let text = exporter.text("/metrics", &headers).await;
        let took = start.elapsed();
        println!("{took:?}, {} readers left", slow.iter().filter(|task| !task.is_finished()).count());
        assert!(took < Duration::from_secs(10), "{took:?}");
        assert!(text.contains("qlik_proxy_up{site=\"simulated\",proxy=\"Central\",virtual_proxy=\"/\"} 1\n"));
    }

    let peak = exporter.peak_memory_mib();
    println!("{before} MiB before, {peak} MiB at most");
    assert!(peak < before + 128.0, "{before} MiB became {peak} MiB");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn connections_above_a_thousand_get_503_and_the_exporter_recovers() {
    let site = Site::busy(8, &EIGHT[..4], 80, 20).await;
    let exporter = Exporter::with_few_files(&site.config("cache_ttl = \"0s\"\n")).await;
    let good = counts(&exporter.scrape().await);
    let files = exporter.footprint().await.files;

    // The first of the served is the client that sent the scrape above.
    let idle = connect(&exporter, SERVED - 1).await;
    let head = raw::scrape_head("10");
    let more = join_all((0..100).map(|_| raw::send(exporter.authority(), &head))).await;
    let reported = join_all(more.into_iter().map(async |mut stream| raw::status(&mut stream).await)).await;
    assert_eq!(reported, [Some(503); 100]);
    // Those who have a connection are served as before, and there are sockets left for queries.
    for node in 1..=8 {
        site.simulator.stop_node(node).await;
        site.simulator.start_node(node).await.unwrap();
    }
    assert_eq!(counts(&exporter.scrape().await), good);

    drop(idle);
    becomes(true, "open files are few again", async || exporter.footprint().await.files <= files).await;
    let mut again = raw::send(exporter.authority(), &raw::scrape_head("10")).await;
    assert_eq!(raw::status(&mut again).await, Some(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_send_half_a_head_do_no_harm() {
    let site = Site::busy(1, &[""], 20, 5).await;
    let exporter = site.exporter("").await;

    let mut half = connect(&exporter, 500).await;
    for stream in &mut half {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHos").await.unwrap();
    }

    let start = Instant::now();
    let scrape = exporter.scrape_within("10").await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(counts(&scrape), expected(&site, &site.pairs()));
}
