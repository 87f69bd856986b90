//! Deletes in a terminal: what is asked, and what the answers do.

use crate::commands::open;
use crate::support::site::Site;
use crate::support::terminal::{Left, Terminal};

const ANNA: (&str, &str) = ("LAB", "anna");
const ALL: &[&str] = &["--all", "--proxy", "Central", "--virtual-proxy", "/sales"];

/// A delete with these arguments in a terminal.
fn delete(site: &Site, args: &[&str]) -> Terminal {
    let config = site.discovery_config("", "");
    let args = [&["sessions", "delete"], args, &["--config.file", config.to_str().unwrap()]].concat();
    Terminal::start(&args, config.parent().unwrap(), (40, 100))
}

/// A site where anna has sessions that a test ends or keeps.
async fn site() -> Site {
    let site = Site::empty(1, &["", "sales"]).await;
    site.open(1, "", ANNA, 1);
    site.open(1, "sales", ANNA, 2);
    site.open(1, "sales", ("LAB", "bob"), 1);
    site
}

async fn answered(site: &Site, args: &[&str], question: &str, keys: &str) -> Left {
    let mut terminal = delete(site, args);
    terminal.shows(question).await;
    terminal.press(keys).await;
    terminal.ended().await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_what_will_go_and_ends_it_when_the_answer_is_yes() {
    let site = site().await;
    let left = answered(&site, &["--user", r"LAB\anna"], "End 3 sessions?", "y\r").await;
    assert_eq!(left.status.code(), Some(0), "{}", left.screen);
    assert!(left.screen.contains("3 sessions of 1 user") && left.screen.contains("3 sessions ended"));
    assert_eq!(open(&site).values().map(Vec::len).collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_answer_ends_nothing() {
    let site = site().await;
    let before = open(&site);
    for keys in ["n\r", "\r", "\u{3}", "\u{1b}"] {
        let left = answered(&site, &["--user", r"LAB\anna"], "End 3 sessions?", keys).await;
        assert_eq!(left.status.code(), Some(1), "{keys:?}: {}", left.screen);
        assert!(left.screen.contains("nothing was ended"), "{keys:?}: {}", left.screen);
    }
    for keys in ["sales\r", "\r", "y\r", "/finance\r", "/\r", "\u{3}"] {
        let left = answered(&site, ALL, "type the virtual proxy's name /sales:", keys).await;
        assert_eq!(left.status.code(), Some(1), "{keys:?}: {}", left.screen);
    }
    assert_eq!(open(&site), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sessions_of_a_virtual_proxy_end_when_its_name_is_typed() {
    let site = site().await;
    let left = answered(&site, ALL, "To end 3 sessions, everybody's", "/sales\r").await;
    assert_eq!(left.status.code(), Some(0), "{}", left.screen);
    assert_eq!(open(&site).values().map(Vec::len).collect::<Vec<_>>(), [1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_gone_by_then_is_told_and_is_no_failure() {
    let site = site().await;
    let mut terminal = delete(&site, &["--user", r"LAB\anna"]);
    terminal.shows("End 3 sessions?").await;
    let id = site.simulator.sessions(1, "")[0].session_id.clone();
    assert!(site.simulator.close_session(1, "", &id));
    terminal.press("y\r").await;
    let left = terminal.ended().await;
    assert_eq!(left.status.code(), Some(0), "{}", left.screen);
    assert!(left.screen.contains(r"a session of LAB\anna was already gone"), "{}", left.screen);
    assert!(left.screen.contains("2 sessions ended, 1 already gone"), "{}", left.screen);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_have_a_progress_bar() {
    let site =
        Site::with(1, &["sales"], |options| options.latency = std::time::Duration::from_millis(50)).await;
    site.open(1, "sales", ANNA, 60);
    let mut terminal = delete(&site, &["--user", r"LAB\anna", "--yes"]);
    terminal.has_written("/60 sessions").await;
    terminal.press("").await;
    let left = terminal.ended().await;
    assert_eq!(left.status.code(), Some(0), "{}", left.screen);
    assert!(!left.screen.contains("/60 sessions"), "it goes with the end: {}", left.screen);
}
