//! What the site counts as sent in full.

use std::collections::BTreeSet;

use qlik_sense_simulator::{Counts, Delivery, FAULTS, Fault, Session};
use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::client::{SiteWithClient, request, session};

const SALES: &str = "/qps/sales/session";

fn delivery(site: &SiteWithClient) -> Delivery {
    site.simulator.delivery(1, "sales").unwrap()
}

/// Counted from what a client got.
fn counts(list: &Value) -> Counts {
    let rows: Vec<Session> = serde_json::from_value(list.clone()).unwrap();
    let is_anonymous = |row: &&Session| row.user_directory == "NONE" && row.user_id.starts_with("anonymous");
    let users: BTreeSet<_> =
        rows.iter().filter(|row| !is_anonymous(row)).map(|row| (&row.user_directory, &row.user_id)).collect();
    Counts {
        sessions: rows.len(),
        users: users.len(),
        anonymous_sessions: rows.iter().filter(is_anonymous).count(),
    }
}

#[tokio::test]
async fn each_list_that_is_read_whole_is_numbered_and_counted() {
    let site = SiteWithClient::with(|options| (options.sessions, options.users) = (400, 90)).await;
    assert_eq!(delivery(&site), Delivery::default());
    for number in 1..4 {
        let list = site.json(Method::GET, "qps-1", SALES).await;
        let found = counts(&list);
        assert!(found.users > 1 && found.anonymous_sessions > 0);
        assert_eq!(delivery(&site), Delivery { full_bodies: number, last: Some(found), finishing: 0 });
        site.simulator.open_session(1, "sales", session(&number.to_string()));
    }
    assert_eq!(site.simulator.delivery(2, "sales"), Some(Delivery::default()));
    assert_eq!(site.simulator.delivery(1, "hr"), None);
}

#[tokio::test]
async fn a_list_that_a_fault_changed_is_counted_as_it_was_sent() {
    let site = SiteWithClient::start().await;
    for fault in [Fault::DuplicateIds, Fault::LongIds, Fault::CamelCase] {
        site.simulator.set_fault(1, Some("sales"), fault).await.unwrap();
        let list = site.exchange("qps-1", SALES).await.json();
        assert_eq!(delivery(&site).last, Some(counts(&list)), "{fault}");
    }
    assert_eq!(delivery(&site).full_bodies, 3);
}

#[tokio::test]
async fn what_is_no_whole_list_is_not_counted() {
    let site = SiteWithClient::start().await;
    let lists = [Fault::LongIds, Fault::DuplicateIds, Fault::CamelCase, Fault::EverySecond];
    let delays = |fault: &Fault| matches!(fault, Fault::Latency(_) | Fault::Jitter(..) | Fault::Trickle);
    let others = FAULTS.iter().map(|kind| kind.fault).filter(|fault| !fault.is_of_whole_node());
    // Those without an end are left at the first byte that is too much.
    for fault in others.filter(|fault| !lists.contains(fault) && !delays(fault)) {
        site.simulator.set_fault(1, Some("sales"), fault).await.unwrap();
        let queried = site.simulator.list_queries(1, "sales");
        let mut stream = site.connect("qps-1", site.tls()).await.unwrap();
        stream.write_all(request(SALES).as_bytes()).await.unwrap();
        if fault == Fault::Hang {
            while site.simulator.list_queries(1, "sales") == queried {
                tokio::task::yield_now().await;
            }
        } else {
            // Some end with an error, which is what they are there for.
            let _ = stream.read(&mut [0; 1024]).await;
        }
        drop(stream);
        while site.simulator.connections(1) > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(delivery(&site), Delivery::default(), "{fault}");
    }
}

/// A site with a list that no socket's buffers hold, and a connection on which it is requested and begun to be
/// read.
async fn begun(fault: Option<Fault>) -> (SiteWithClient, TlsStream<TcpStream>) {
    let site = SiteWithClient::with(|options| {
        options.nodes = 1;
        options.virtual_proxies = vec!["sales".into()];
        (options.sessions, options.users) = (80_000, 100);
    })
    .await;
    if let Some(fault) = fault {
        site.simulator.set_fault(1, Some("sales"), fault).await.unwrap();
    }
    let mut stream = site.connect("qps-1", site.tls()).await.unwrap();
    stream.write_all(request(SALES).as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 4096]).await.unwrap();
    (site, stream)
}

#[tokio::test]
async fn a_list_that_its_client_leaves_in_the_middle_is_not_counted() {
    // The second is one piece, which is on its way to the socket as a whole.
    for (fault, finishing) in [(None, 0), (Some(Fault::CamelCase), 1)] {
        let (site, stream) = begun(fault).await;
        assert_eq!(delivery(&site), Delivery { finishing, ..Delivery::default() });
        drop(stream);
        while site.simulator.connections(1) > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(delivery(&site), Delivery::default());
    }
}

#[tokio::test]
async fn a_list_is_finishing_until_its_last_byte_is_with_the_socket() {
    let (site, mut stream) = begun(Some(Fault::CamelCase)).await;
    assert_eq!(delivery(&site), Delivery { finishing: 1, ..Delivery::default() });
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    let Delivery { full_bodies, last, finishing } = delivery(&site);
    assert_eq!((full_bodies, finishing), (1, 0));
    assert_eq!(last.unwrap().sessions, 80_000);
}
