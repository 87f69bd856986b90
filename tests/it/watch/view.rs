//! What the screen shows.

use qlik_sense_simulator::Fault;

use crate::support::site::Site;
use crate::support::terminal::Terminal;
use crate::support::wait::{becomes, eventually};

const PREFIXES: &[&str] = &["", "sales"];

/// A site of two nodes with a few users, one of them at the limit.
pub async fn site() -> Site {
    let site = Site::empty(2, PREFIXES).await;
    site.open(1, "", ("LAB", "anna"), 3);
    site.open(2, "sales", ("LAB", "anna"), 2);
    site.open(1, "sales", ("LAB", "bert"), 4);
    site.open(2, "", ("Büro", "日本語 e\u{301}\u{202e}"), 1);
    site
}

/// The view of this site, queried very often.
pub fn watch(site: &Site, size: (u16, u16), args: &[&str]) -> Terminal {
    watch_with(site, "", size, args)
}

fn watch_with(site: &Site, settings: &str, size: (u16, u16), args: &[&str]) -> Terminal {
    let config = site.discovery_config(settings, "");
    let common = ["sessions", "watch", "--config.file", config.to_str().unwrap()];
    let often = if args.contains(&"--interval") { &[][..] } else { &["--interval", "100ms"] };
    Terminal::start(&[&common, often, args].concat(), config.parent().unwrap(), size)
}

/// The words of the row on the screen that begins with these.
fn row(terminal: &Terminal, begin: &[&str]) -> Vec<String> {
    let screen = terminal.screen();
    let mut rows = screen.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let found = rows
        .find(|words| words.iter().zip(begin).filter(|(word, begin)| word == begin).count() == begin.len());
    found.unwrap_or_else(|| panic!("no {begin:?}: {screen}"))
}

/// How often the site's first pair was queried.
fn queried(site: &Site) -> u64 {
    site.simulator.list_queries(1, "")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_screen_shows_pairs_and_users_with_the_limit() {
    let site = site().await;
    let terminal = watch(&site, (24, 80), &[]);
    // What is drawn last.
    terminal.shows("日本語").await;
    assert!(terminal.is_alternate());
    let row = |begin: &[&str]| row(&terminal, begin);
    assert_eq!(row(&["10", "sessions"])[2..4], ["3", "users"]);
    assert_eq!(row(&["simulated"])[1..3], ["10", "3"]);
    assert_eq!(row(&["Central", "/sales"])[2..4], ["4", "1"]);
    assert_eq!(row(&["LAB\\anna"])[1..], ["5", "at", "the", "limit"]);
    assert_eq!(row(&["LAB\\bert"])[1..], ["4", "one", "below", "the", "limit"]);
    // The mark that would turn the text around is shown, and not obeyed.
    assert_eq!(row(&["Büro\\日本語"])[1..], ["e\u{301}\\u{202e}", "1"]);
    row(&["q", "quit"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_on_the_site_is_seen() {
    let site = site().await;
    let terminal = watch(&site, (24, 80), &[]);
    terminal.shows("10 sessions").await;
    site.open(1, "", ("LAB", "cora"), 2);
    terminal.shows("LAB\\cora").await;
    terminal.shows("12 sessions").await;
    assert!(site.simulator.close_session(1, "", "opened-0"));
    terminal.shows("11 sessions").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_filters_and_s_sorts() {
    let site = site().await;
    let mut terminal = watch(&site, (24, 80), &[]);
    terminal.shows("LAB\\bert").await;

    terminal.press("3").await;
    terminal.shows("opened-9").await;
    terminal.press("/BERT").await;
    terminal.shows("filter: BERT").await;
    terminal.shows("3 Sessions (4 of 10) /BERT").await;
    terminal.hides("anna").await;
    terminal.press("\r").await;
    terminal.shows("Esc clear").await;
    terminal.press("\x1b").await;
    terminal.shows("3 Sessions (10)").await;

    // The user of the other directory is on Node2's default virtual proxy.
    let first_and_last = |terminal: &Terminal| -> Vec<bool> {
        let screen = terminal.screen();
        let rows: Vec<_> = screen.lines().filter(|line| line.contains("opened-")).collect();
        [rows.first(), rows.last()].into_iter().flatten().map(|row| row.contains("Büro")).collect()
    };
    terminal.shows("s sort (prefix)").await;
    becomes(vec![false, false], "Büro among all", async || first_and_last(&terminal)).await;
    terminal.press("sss").await;
    terminal.shows("s sort (userdir)").await;
    becomes(vec![true, false], "Büro first", async || first_and_last(&terminal)).await;
    terminal.press("2s").await;
    terminal.shows("s sort (name)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_begin_in_the_order_of_the_flag() {
    let site = site().await;
    let mut terminal = watch(&site, (24, 80), &["--sort-by", "userid"]);
    terminal.press("3").await;
    terminal.shows("s sort (userid)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_leave_what_they_name() {
    let site = site().await;
    let args = ["--proxy", "Central", "--virtual-proxy", "/sales", "--user", "LAB\\bert"];
    let terminal = watch(&site, (24, 80), &args);
    terminal.shows("4 sessions").await;
    terminal.shows("1 Proxies (1)").await;
    assert_eq!((queried(&site), site.simulator.list_queries(2, "sales")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_matches_nothing_is_shown_on_the_screen() {
    let site = site().await;
    let terminal = watch(&site, (24, 80), &["--proxy", "Node9"]);
    terminal.shows("--proxy Node9: there is none of that name, expected one of Central, Node2").await;

    let terminal = watch(&site, (24, 120), &["--user", r"lab\anna"]);
    terminal.shows(r"--user lab\anna: there is no session of that user, listed as LAB\anna: ").await;
    site.open(1, "", ("lab", "anna"), 1);
    terminal.hides("listed as").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_keeps_the_picture_and_the_keys_go_on() {
    let site = site().await;
    let mut terminal = watch(&site, (24, 80), &[]);
    terminal.shows("10 sessions").await;
    terminal.press("p").await;
    terminal.shows("PAUSED").await;
    site.open(1, "", ("LAB", "cora"), 1);
    // Another view sees it, and goes on.
    let other = watch(&site, (24, 80), &[]);
    other.shows("11 sessions").await;
    let before = queried(&site);
    eventually("more refreshes", async || (queried(&site) >= before + 5).then_some(())).await;
    terminal.press("3").await;
    terminal.shows("opened-9").await;
    assert!(terminal.screen().contains("10 sessions") && !terminal.screen().contains("cora"));
    terminal.press(" ").await;
    terminal.shows("11 sessions").await;
    terminal.hides("PAUSED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_size_is_another_picture() {
    let site = site().await;
    let terminal = watch(&site, (24, 80), &[]);
    terminal.shows("LAB\\anna").await;
    terminal.resize(10, 40);
    terminal.hides("LAB\\anna").await;
    terminal.shows("1 Proxies 2 Users 3 Sessions 4 Problems").await;
    terminal.resize(1, 1);
    terminal.hides("Proxies").await;
    terminal.resize(60, 200);
    terminal.shows("LAB\\anna").await;
    terminal.shows("Up Down scroll").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_without_a_size_gets_the_usual_one() {
    let site = site().await;
    let terminal = watch(&site, (0, 0), &[]);
    terminal.shows("LAB\\anna").await;
    terminal.shows("Up Down scroll").await;
    terminal.resize(10, 40);
    terminal.shows("1 Proxies 2 Users 3 Sessions 4 Problems").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_down_has_a_line_until_it_answers_again() {
    let site = site().await;
    let mut terminal = watch(&site, (24, 120), &[]);
    terminal.shows("10 sessions").await;
    site.simulator.set_fault(2, None, Fault::Refuse).await.unwrap();
    terminal.shows("✗ Node2 /").await;
    terminal.shows(" down since ").await;
    terminal.shows("2 of 4 down").await;
    terminal.shows("refuses connections").await;
    terminal.shows("≥7 sessions").await;
    for virtual_proxy in ["/", "/sales"] {
        let row = row(&terminal, &["Node2", virtual_proxy]);
        assert!(row[2] == "down" && row.last().unwrap().ends_with('×'), "{row:?}");
    }
    terminal.press("4").await;
    terminal.shows("Check that the proxy service runs there").await;
    terminal.press("1").await;

    site.simulator.clear_faults().await.unwrap();
    terminal.hides("down").await;
    terminal.shows("10 sessions").await;
    assert!(!terminal.screen().contains('≥'), "{}", terminal.screen());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_repository_is_shown_and_queried_again() {
    let site = site().await;
    site.simulator.set_repository_fault(Some("503".parse().unwrap())).await.unwrap();
    let config = site.discovery_config("", "repository_refresh = \"1s\"");
    let args = ["sessions", "watch", "--config.file", config.to_str().unwrap(), "--interval", "100ms"];
    let terminal = Terminal::start(&args, config.parent().unwrap(), (24, 100));
    terminal.shows("✗ simulated repository down since ").await;
    terminal.shows("HTTP status 503").await;
    terminal.shows("no answer").await;
    site.simulator.set_repository_fault(None).await.unwrap();
    terminal.shows("10 sessions").await;
    terminal.hides("repository down").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_work_while_a_proxy_does_not_answer() {
    let site = site().await;
    let mut terminal = watch_with(&site, "request_timeout = \"60s\"", (24, 80), &[]);
    terminal.shows("10 sessions").await;
    site.simulator.set_fault(2, None, Fault::Hang).await.unwrap();
    terminal.shows(": waiting for an answer since ").await;
    terminal.shows("2 waiting").await;
    terminal.press("3").await;
    terminal.shows("opened-8").await;
    terminal.press("p").await;
    terminal.shows("PAUSED at").await;
    terminal.press("q").await;
    terminal.ended().await.assert_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_without_an_answer_is_named_and_delays_no_other() {
    let site = site().await;
    let terminal = watch_with(&site, "request_timeout = \"10m\"", (24, 120), &[]);
    terminal.shows("10 sessions").await;
    site.simulator.set_fault(2, None, Fault::Hang).await.unwrap();
    terminal.shows(": waiting for an answer since ").await;
    terminal.shows("2 of 4 waiting").await;
    let queries = site.simulator.list_queries(2, "");
    // The others are queried as before, and their answers are seen.
    site.open(1, "", ("LAB", "cora"), 3);
    terminal.shows("LAB\\cora").await;
    terminal.shows("≥10 sessions").await;
    let row = |begin: &[&str]| row(&terminal, begin);
    assert_eq!(row(&["Central", "/"])[2..4], ["6", "2"]);
    assert_eq!(row(&["Node2", "/"])[2..4], ["waiting", "-"]);
    assert_eq!(site.simulator.list_queries(2, ""), queries, "a proxy with a query in flight gets no other");
}

#[tokio::test(flavor = "multi_thread")]
async fn late_answers_are_shown_when_they_arrive() {
    let site = site().await;
    site.simulator.set_fault(2, None, "latency:3s".parse().unwrap()).await.unwrap();
    let terminal = watch(&site, (24, 120), &["--interval", "1day"]);
    terminal.shows("waiting for an answer").await;
    terminal.shows("≥7 sessions").await;
    terminal.hides("≥").await;
    terminal.shows("10 sessions").await;
    terminal.hides("waiting").await;
    assert_eq!(queried(&site), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_only_reads() {
    let site = site().await;
    let before: Vec<_> =
        site.pairs().into_iter().map(|(node, prefix)| site.simulator.sessions(node, prefix)).collect();
    let mut terminal = watch(&site, (24, 80), &[]);
    terminal.shows("10 sessions").await;
    // Every key that there is, but those that end it.
    let keys: String = (' '..='~').filter(|key| !"q/".contains(*key)).collect();
    terminal.press(&keys).await;
    // What the last of these does is seen when all have been read.
    terminal.press("3s").await;
    terminal.shows("s sort (proxyhost)").await;
    let after: Vec<_> =
        site.pairs().into_iter().map(|(node, prefix)| site.simulator.sessions(node, prefix)).collect();
    assert!(before == after);
    let deletions = site.pairs().into_iter().map(|(node, prefix)| site.simulator.deletions(node, prefix));
    assert_eq!(deletions.sum::<u64>(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_color_turns_colours_off() {
    let site = site().await;
    let config = site.discovery_config("", "");
    let args = ["sessions", "watch", "--config.file", config.to_str().unwrap()];
    let colour = |written: &str| written.contains("\x1b[31m") || written.contains("\x1b[38;5;");
    for (objects, expected) in [(false, true), (true, false)] {
        let mut command = crate::support::exporter::command(&args, &[], config.parent().unwrap());
        if objects {
            command.env("NO_COLOR", "1");
        }
        let mut terminal = Terminal::run(&command, config.parent().unwrap(), (24, 80));
        terminal.shows("at the limit").await;
        terminal.press("q").await;
        let written = terminal.ended().await.written;
        assert_eq!(colour(&written), expected, "{written:?}");
    }
}
