//! Deletes in a terminal: the prompt, and what the answers do.

use super::commands::open;
use crate::support::exporter::command;
use crate::support::signal::send;
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
async fn it_shows_the_sessions_and_deletes_them_when_the_answer_is_yes() {
    let site = site().await;
    let left = answered(&site, &["--user", r"LAB\anna"], "Delete 3 sessions?", "y\r").await;
    left.assert_code(0);
    assert!(left.screen.contains("3 sessions of 1 user") && left.screen.contains("3 sessions deleted"));
    assert_eq!(open(&site).values().map(Vec::len).collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_answer_ends_nothing() {
    let site = site().await;
    let before = open(&site);
    for keys in ["n\r", "\r", "\u{3}", "\u{1b}"] {
        let left = answered(&site, &["--user", r"LAB\anna"], "Delete 3 sessions?", keys).await;
        left.assert_code(1);
        assert!(left.screen.contains("no sessions deleted"), "{keys:?}: {}", left.screen);
    }
    for (keys, reported) in [
        ("\r", r#"expected /sales, found """#),
        ("y\r", r#"expected /sales, found "y""#),
        ("/finance\r", r#"expected /sales, found "/finance""#),
        ("/\r", r#"expected /sales, found "/""#),
        ("\u{3}", "no sessions deleted"),
    ] {
        let left = answered(&site, ALL, "confirm (/sales):", keys).await;
        left.assert_code(1);
        assert!(left.screen.contains(reported), "{keys:?}: {}", left.screen);
    }
    assert_eq!(open(&site), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sessions_of_a_virtual_proxy_end_when_its_name_is_typed() {
    for keys in ["/sales\r", "Sales/\r"] {
        let site = site().await;
        let left = answered(&site, ALL, "Delete 3 sessions of all users?", keys).await;
        left.assert_code(0);
        assert_eq!(open(&site).values().map(Vec::len).collect::<Vec<_>>(), [1, 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_gone_by_then_is_reported_and_no_failure() {
    let site = site().await;
    let mut terminal = delete(&site, &["--user", r"LAB\anna"]);
    terminal.shows("Delete 3 sessions?").await;
    let id = site.simulator.sessions(1, "")[0].session_id.clone();
    assert!(site.simulator.close_session(1, "", &id));
    terminal.press("y\r").await;
    let left = terminal.ended().await;
    left.assert_code(0);
    assert!(left.screen.contains(r"a session of LAB\anna was already gone"), "{}", left.screen);
    assert!(left.screen.contains("2 sessions deleted, 1 already gone"), "{}", left.screen);
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
    left.assert_code(0);
    assert!(!left.screen.contains("/60 sessions"), "it goes with the end: {}", left.screen);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_leave_nothing_of_the_progress_bar() {
    let site =
        Site::with(1, &["sales"], |options| options.latency = std::time::Duration::from_millis(100)).await;
    site.open(1, "sales", ANNA, 60);
    let terminal = delete(&site, &["--user", r"LAB\anna", "--yes"]);
    terminal.has_written("/60 sessions").await;
    // A key would be echoed by the terminal itself.
    send("INT", &terminal.id());
    let left = terminal.ended().await;
    left.assert_code(1);
    assert!(left.screen.contains("stopping: ") && left.screen.contains("stopped: "), "{}", left.screen);
    assert!(!left.screen.contains("/60 sessions"), "{}", left.screen);
}

/// A delete of anna's sessions by a shell that does this with it, in a terminal: `"$0" "$@"` is the delete.
fn by_shell(site: &Site, script: &str) -> Terminal {
    let config = site.discovery_config("", "");
    let args = ["sessions", "delete", "--user", r"LAB\anna", "--config.file", config.to_str().unwrap()];
    let plain = command(&args, &[], config.parent().unwrap());
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script]).arg(plain.get_program()).args(plain.get_args());
    Terminal::run(&shell, config.parent().unwrap(), (40, 100))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_at_the_prompt_ends_nothing_and_restores_the_terminal() {
    let site = site().await;
    let before = open(&site);
    let script = "sh -c 'echo \"process $$.\"; exec \"$0\" \"$@\"' \"$0\" \"$@\"; echo \"exit $?\"; stty -a";
    let terminal = by_shell(&site, script);
    terminal.shows("Delete 3 sessions?").await;
    let screen = terminal.screen();
    let id = screen.split_once("process ").unwrap().1.split_once('.').unwrap().0;
    send("TERM", id);
    let left = terminal.ended().await;
    assert!(left.screen.contains("no sessions deleted") && left.screen.contains("exit 1"), "{}", left.screen);
    for mode in ["icanon", "echo", "isig"] {
        assert!(left.screen.split_whitespace().any(|word| word == mode), "{mode}: {}", left.screen);
    }
    assert!(!left.hidden_cursor, "{}", left.screen);
    assert!(left.written.contains("\u{1b}[?2004l"), "no bracketed paste");
    assert_eq!(open(&site), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prompt_shows_the_sessions_also_when_the_output_is_a_file() {
    let site = site().await;
    let mut terminal = by_shell(&site, "\"$0\" \"$@\" > output; echo \"exit $?\"; cat output");
    terminal.shows("Delete 3 sessions?").await;
    terminal.shows("3 sessions of 1 user").await;
    terminal.press("y\r").await;
    let left = terminal.ended().await;
    assert!(left.screen.contains("exit 0"), "{}", left.screen);
    let (_, output) = left.screen.split_once("exit 0").unwrap();
    assert!(output.contains("3 sessions deleted") && !output.contains("of 1 user"), "{}", left.screen);
}
