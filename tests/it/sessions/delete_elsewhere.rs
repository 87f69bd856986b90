//! Deletes where a proxy service lists sessions under two of its virtual proxies.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use qlik_sense_simulator::Fault;
use reqwest::StatusCode;

use super::commands::{list_of_annas as list, open, sessions, stand_in};
use crate::support::program::Ended;
use crate::support::site::Site;
use crate::support::stand_in::{StandIn, response};

const ALL: [&str; 5] = ["--all", "--proxy", "Central", "--virtual-proxy", "/"];
const ANNAS: [&str; 2] = ["--user", r"LAB\anna"];
const OF_DEFAULT: [&str; 2] = ["--virtual-proxy", "/"];

/// A proxy service that lists all that it has for the default virtual proxy. Each session is named after its own
/// virtual proxy; one of them the configuration leaves out.
struct ListsAll {
    _proxy: StandIn,
    config: PathBuf,
    /// The paths of the DELETEs.
    gone: Arc<Mutex<BTreeSet<String>>>,
}

impl ListsAll {
    async fn start(site: &Site) -> Self {
        let all = ["/", "/sales", "/left-out"];
        Self::configured(site, &all, r#"exclude_virtual_proxies = ["/left-out"]"#).await
    }

    /// One that the repository knows, too. A section names its default virtual proxy alone.
    async fn found(site: &Site) -> Self {
        Self::configured(site, &["/"], &format!("repository = \"{}\"", site.url("qrs"))).await
    }

    /// With these virtual proxies in its section, and this in the site's.
    async fn configured(site: &Site, virtual_proxies: &[&str], setting: &str) -> Self {
        let gone = Arc::new(Mutex::new(BTreeSet::<String>::new()));
        let (proxy, config) = stand_in(site, virtual_proxies, {
            let gone = gone.clone();
            move |request| {
                let mut gone = gone.lock().unwrap();
                let left = |ids: &[&str]| {
                    let is_gone = |id: &str| gone.iter().any(|path| path.ends_with(&format!("/{id}")));
                    let left: Vec<&str> = ids.iter().copied().filter(|id| !is_gone(id)).collect();
                    Some(list(&left))
                };
                match request.path {
                    "/qps/session" => left(&["default", "sales", "left-out"]),
                    "/qps/sales/session" => left(&["sales"]),
                    "/qps/left-out/session" => left(&["left-out"]),
                    path => {
                        gone.insert(path.to_owned());
                        Some(response("200 OK", "", "{}"))
                    }
                }
            }
        })
        .await;
        let text = std::fs::read_to_string(&config).unwrap();
        let section = "\n[site.simulated.proxy";
        let text = text.replace(section, &format!("\n{setting}{section}"));
        Self { _proxy: proxy, config: site.write_config(&text), gone }
    }

    async fn delete(&self, args: &[&str]) -> Ended {
        sessions(&self.config, &[&["delete", "--yes"], args].concat()).await
    }

    fn gone(&self) -> Vec<String> {
        self.gone.lock().unwrap().iter().cloned().collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_another_virtual_proxy_stay_when_the_default_one_is_deleted() {
    let site = Site::empty(1, &[""]).await;
    for whose in [&ALL[..], &[&ANNAS[..], &OF_DEFAULT].concat()] {
        let proxy = ListsAll::start(&site).await;
        let ended = proxy.delete(whose).await;
        ended.assert().code(0);
        assert_eq!(proxy.gone(), ["/qps/session/default"], "{whose:?}");
        let reported: Vec<_> = ended.stderr.iter().filter(|line| line.contains("skipped ")).collect();
        assert!(
            matches!(&reported[..], [line] if line.contains("skipped 2 sessions of another virtual proxy")),
            "{whose:?}: {reported:?}"
        );
        ended.assert().stdout_has_line("1 session deleted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn virtual_proxies_left_out_by_a_section_keep_their_sessions_too() {
    let site = Site::empty(1, &["", "sales", "left-out"]).await;
    for whose in [&ALL[..], &ANNAS] {
        let proxy = ListsAll::found(&site).await;
        proxy.delete(whose).await.assert().code(0);
        assert_eq!(proxy.gone(), ["/qps/session/default"], "{whose:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_default_one_ends_while_the_others_are_unknown() {
    let site = Site::empty(1, &["", "sales", "left-out"]).await;
    site.simulator.set_repository_fault(Some(Fault::Status(StatusCode::SERVICE_UNAVAILABLE))).await.unwrap();
    for whose in [&ALL[..], &ANNAS] {
        let proxy = ListsAll::found(&site).await;
        let ended = proxy.delete(whose).await;
        ended.assert().code(1);
        assert_eq!(proxy.gone(), [""; 0], "{ended:?}");
        ended.assert().stderr_contains(" /: no session is deleted here: ");
    }
    // What is named is meant.
    let proxy = ListsAll::found(&site).await;
    proxy.delete(&[&["--session-id", "default"], &ALL[1..]].concat()).await;
    assert_eq!(proxy.gone(), ["/qps/session/default"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_another_one_end_whatever_is_listed_for_the_default_one() {
    let site = Site::empty(1, &[""]).await;
    let proxy = ListsAll::start(&site).await;
    proxy.delete(&["--all", "--proxy", "Central", "--virtual-proxy", "sales"]).await.assert().code(0);
    assert_eq!(proxy.gone(), ["/qps/sales/session/sales"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_another_one_are_but_those_of_a_third() {
    let site = Site::empty(1, &[""]).await;
    let gone = Arc::new(Mutex::new(BTreeSet::<String>::new()));
    let (_proxy, config) = stand_in(&site, &["/", "/sales", "/finance"], {
        let gone = gone.clone();
        move |request| match request.path {
            "/qps/sales/session" => Some(list(&["sales", "finance"])),
            "/qps/finance/session" => Some(list(&["finance"])),
            path => {
                gone.lock().unwrap().insert(path.to_owned());
                Some(response("200 OK", "", "{}"))
            }
        }
    })
    .await;
    let args = ["delete", "--yes", "--all", "--proxy", "Central", "--virtual-proxy", "sales"];
    sessions(&config, &args).await.assert().code(0);
    assert_eq!(gone.lock().unwrap().iter().collect::<Vec<_>>(), ["/qps/sales/session/sales"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_sessions_end_on_all_selected_pairs_and_nowhere_else() {
    let site = Site::empty(1, &[""]).await;
    for (place, expected) in [
        (&[][..], &["default", "sales"][..]),
        (&["--virtual-proxy", "/", "--virtual-proxy", "sales"], &["default", "sales"]),
        // There the user can be helped, whatever is listed for the default one.
        (&["--virtual-proxy", "sales"], &["sales"]),
    ] {
        let proxy = ListsAll::start(&site).await;
        proxy.delete(&[&ANNAS[..], place].concat()).await.assert().code(0);
        let gone = proxy.gone();
        let ids: BTreeSet<&str> = gone.iter().map(|path| path.rsplit('/').next().unwrap()).collect();
        assert_eq!(ids, expected.iter().copied().collect(), "{place:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_by_id_ends_exactly_that_session() {
    let site = Site::empty(1, &[""]).await;
    let proxy = ListsAll::start(&site).await;
    proxy.delete(&[&["--session-id", "sales"], &ALL[1..]].concat()).await.assert().code(0);
    assert_eq!(proxy.gone(), ["/qps/session/sales"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_virtual_proxy_stay_where_the_others_cannot_be_listed() {
    for whose in [&ALL[..], &[&ANNAS[..], &OF_DEFAULT].concat()] {
        let site = Site::empty(1, &["", "sales"]).await;
        site.open(1, "", ("LAB", "anna"), 2);
        let fault = Fault::Status(StatusCode::SERVICE_UNAVAILABLE);
        site.simulator.set_fault(1, Some("sales"), fault).await.unwrap();
        let config = site.discovery_config("", "");
        sessions(&config, &[&["delete", "--yes"], whose].concat())
            .await
            .assert()
            .code(1)
            .stdout_is_empty()
            .stderr_lines_with(1, &[" /sales: ", "503"])
            .stderr_lines_with(1, &[" /: no session is deleted here: ", "--session-id"]);
        assert_eq!(open(&site)[&(1, "")].len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_sessions_on_one_proxy_service_block_no_other() {
    let site = Site::empty(2, &["", "sales"]).await;
    site.open(1, "", ("LAB", "anna"), 2);
    site.open(2, "", ("LAB", "anna"), 3);
    site.simulator.set_fault(2, Some("sales"), Fault::Reset).await.unwrap();
    let args = [&["delete", "--yes"], &ANNAS[..], &OF_DEFAULT].concat();
    sessions(&site.discovery_config("", ""), &args)
        .await
        .assert()
        .code(1)
        .stdout_has_line("2 sessions deleted")
        .stderr_lines_with(1, &["no session is deleted here"]);
    assert_eq!((open(&site)[&(1, "")].len(), open(&site)[&(2, "")].len()), (0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_pair_is_queried_where_none_can_share_sessions() {
    let site = Site::empty(1, &["", "sales"]).await;
    site.open(1, "sales", ("LAB", "anna"), 1);
    let config = site.discovery_config("", "");
    let args = [&["delete", "--yes"], &ANNAS[..], &["--virtual-proxy", "sales"]].concat();
    sessions(&config, &args).await.assert().code(0);
    assert_eq!(site.simulator.list_queries(1, ""), 0);
}
