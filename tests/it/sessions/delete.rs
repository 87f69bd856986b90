//! What ends, and that nothing else does.

use std::path::Path;

use super::commands::{open, sessions};
use crate::support::hostile::hostile_ids;
use crate::support::program::Ended;
use crate::support::simulator::session;
use crate::support::site::Site;

async fn delete(config: &Path, args: &[&str]) -> Ended {
    sessions(config, &[&["delete"], args].concat()).await
}

/// Ids that an own session module of a site could make.
fn ids() -> Vec<String> {
    let more =
        ["a/b", "a//b", "/", "%2e%2e", "%", "a%2Fb", "..a", "...", "../x", "a b", "?x=y", "#x", "a\\b", "-x"];
    let hostile = hostile_ids().into_iter().filter(|id| !id.is_empty() && !id.contains('\0'));
    more.map(str::to_owned).into_iter().chain(hostile).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_sessions_end_everywhere_and_no_others() {
    let site = Site::busy(2, &["", "sales"], 100, 30).await;
    for (node, prefix) in site.pairs() {
        for user in [("LAB", "Anna"), ("lab", "anna"), ("LAB", "ann"), ("LAB", "anna2"), ("LAB", r"an\na")] {
            site.open(node, prefix, user, 1);
        }
    }
    let before = open(&site);
    for (number, (node, prefix)) in site.pairs().into_iter().enumerate() {
        for (place, id) in ids().iter().enumerate() {
            let id = format!("{number}{place}{id}");
            site.simulator.open_session(node, prefix, session(("LAB", "anna"), &id));
        }
    }

    let ended = delete(&site.discovery_config("", ""), &["--user", r"LAB\anna", "--yes"]).await;
    ended.assert().code(0);
    assert_eq!(open(&site), before);
    let all = 4 * ids().len();
    ended
        .assert()
        .stdout_has_line(format!("{all} sessions of 1 user"))
        .stdout_has_line(format!("{all} sessions deleted"));
    let deletions = site.pairs().into_iter().map(|(node, prefix)| site.simulator.deletions(node, prefix));
    assert_eq!(deletions.sum::<u64>(), all as u64);
    ended.assert().stdout_contains("five minutes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_any_id_ends_and_only_that_one() {
    let site = Site::empty(1, &["", "sales"]).await;
    for prefix in ["", "sales"] {
        for id in ids() {
            site.simulator.open_session(1, prefix, session(("LAB", "anna"), &id));
        }
        site.open(1, prefix, ("LAB", "anna"), 1);
    }
    let mut before = open(&site);
    let config = site.discovery_config("", "");
    let ids: Vec<_> = ids().into_iter().map(|id| format!("--session-id={id}")).collect();
    // Three of them, one by one; the rest together.
    let mut rest = ids.iter().map(String::as_str);
    for _ in 0..3 {
        let id = rest.next().unwrap();
        delete(&config, &[id, "--proxy", "Central", "--virtual-proxy", "/sales", "--yes"])
            .await
            .assert()
            .code(0);
        let id = id.strip_prefix("--session-id=").unwrap();
        before.get_mut(&(1, "sales")).unwrap().retain(|other| other != id);
        assert_eq!(open(&site), before, "{id}");
    }
    let rest: Vec<_> = rest.chain(["--proxy", "Central", "--virtual-proxy", "/sales", "--yes"]).collect();
    delete(&config, &rest).await.assert().code(0);
    before.get_mut(&(1, "sales")).unwrap().retain(|id| id.starts_with("opened-"));
    assert_eq!(open(&site), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sessions_of_one_pair_end_and_no_others() {
    let site = Site::busy(2, &["", "sales"], 100, 30).await;
    let mut before = open(&site);
    let place = ["--proxy", "Node2", "--virtual-proxy", "/"];
    delete(&site.discovery_config("", ""), &[&["--all", "--yes"][..], &place].concat())
        .await
        .assert()
        .code(0);
    assert!(!before.insert((2, ""), vec![]).unwrap().is_empty());
    assert_eq!(open(&site), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlisted_id_beside_a_listed_one_is_reported_and_no_failure() {
    let site = Site::empty(1, &[""]).await;
    site.simulator.open_session(1, "", session(("LAB", "anna"), "here"));
    let config = site.discovery_config("", "");
    let place = ["--proxy", "Central", "--virtual-proxy", "/", "--yes"];

    delete(&config, &[&["--session-id", "here", "gone"][..], &place].concat())
        .await
        .assert()
        .code(0)
        .stderr_contains("gone: no such session");
    assert!(open(&site).values().all(Vec::is_empty));

    delete(&config, &[&["--session-id", "here"][..], &place].concat()).await.assert().code(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_found_is_a_failure() {
    let site = Site::busy(1, &[""], 20, 5).await;
    let before = open(&site);
    let ended = delete(&site.discovery_config("", ""), &["--user", r"LAB\nobody", "--yes"]).await;
    let reported = [r"--user LAB\nobody: there is no session of that user", "no matching sessions"];
    ended.assert().code(1).stderr_is(&reported);
    assert_eq!(open(&site), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_in_another_case_is_reported_and_keeps_the_sessions() {
    let site = Site::empty(1, &[""]).await;
    site.open(1, "", ("LAB", "Anna"), 2);
    site.open(1, "", ("LAB", "bob"), 1);
    let config = site.discovery_config("", "");
    let ended = delete(&config, &["--user", r"lab\anna", "--yes"]).await;
    ended.assert().code(1).stdout_is_empty();
    let reported =
        r"--user lab\anna: there is no session of that user, listed as LAB\Anna: upper and lower case count";
    ended.assert().stderr_is(&[reported, "no matching sessions"]);

    // A user with sessions gets no such hint, also when they have ended.
    site.open(1, "", ("lab", "anna"), 1);
    delete(&config, &["--user", r"lab\anna", r"LAB\bob", "--yes", "--log.level", "error"])
        .await
        .assert()
        .code(0)
        .stderr_is_empty();
    assert_eq!(open(&site).values().map(Vec::len).sum::<usize>(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_one_value_is_reported_by_its_flag() {
    let site = Site::empty(2, &["", "sales"]).await;
    let config = site.write_config(&(site.discovered("one") + &site.discovered("two")));
    let pair = ["--proxy", "Central", "--virtual-proxy", "/", "--yes"];
    for whose in [&["--all"][..], &["--session-id", "x"]] {
        for (more, reported) in [
            (&["--site", "one", "--site", "two"][..], "expected --site once, found one, two"),
            (&["--site", "one", "--proxy", "Node2"], "expected --proxy once, found Central, Node2"),
            (
                &["--site", "one", "--virtual-proxy", "Sales"],
                "expected --virtual-proxy once, found /, /sales",
            ),
        ] {
            delete(&config, &[whose, &pair, more].concat())
                .await
                .assert()
                .code(2)
                .stdout_is_empty()
                .stderr_contains(reported);
        }
    }
    assert_eq!(site.queries(), site.queried(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_what_would_go_and_ends_nothing() {
    let site = Site::busy(2, &["", "sales"], 50, 10).await;
    site.open(1, "", ("LAB", "anna"), 3);
    site.open(2, "sales", ("LAB", "anna"), 2);
    let before = open(&site);
    let ended = delete(&site.discovery_config("", ""), &["--user", r"LAB\anna", "--dry-run"]).await;
    ended.assert().code(0).stderr_is_empty();
    let rows: Vec<Vec<_>> =
        ended.stdout[2..4].iter().map(|line| line.split_whitespace().skip(1).collect()).collect();
    assert_eq!(rows, [["Central", "/", r"LAB\anna", "3"], ["Node2", "/sales", r"LAB\anna", "2"]]);
    ended.assert().stdout_last_line("5 sessions of 1 user");
    assert_eq!(open(&site), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_nothing_ends_unless_yes_is_given() {
    let site = Site::busy(1, &[""], 20, 5).await;
    site.open(1, "", ("LAB", "anna"), 1);
    let before = open(&site);
    let place = ["--proxy", "Central", "--virtual-proxy", "/"];
    for args in [&["--user", r"LAB\anna"][..], &["--all", place[0], place[1], place[2], place[3]]] {
        delete(&site.discovery_config("", ""), args)
            .await
            .assert()
            .code(2)
            .stdout_is_empty()
            .stderr_contains("--yes");
    }
    assert_eq!(open(&site), before);
    assert_eq!(site.queries(), site.queried(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_arguments_end_nothing() {
    let site = Site::busy(2, &["", "sales"], 40, 5).await;
    let before = open(&site);
    let config = site.discovery_config("", "");
    let pair = ["--proxy", "Central", "--virtual-proxy", "/", "--yes"];
    for args in [
        &["--yes"][..],
        &["--all", "--yes"],
        &["--all", "--yes", "--proxy", "Central"],
        &["--all", "--yes", "--virtual-proxy", "/"],
        &["--session-id", "x", "--yes"],
        &[&["--all", "--user", r"LAB\anna"][..], &pair].concat(),
        &[&["--all", "--session-id", "x"][..], &pair].concat(),
        &[&["--all", "--proxy", "Node2"][..], &pair].concat(),
        &[&["--all", "--virtual-proxy", "sales"][..], &pair].concat(),
        &[&["--all", "--site", "elsewhere"][..], &pair].concat(),
        &[&["--session-id", ""][..], &pair].concat(),
        &[&["--session-id", "."][..], &pair].concat(),
        &[&["--session-id", "x", ".."][..], &pair].concat(),
        &["--user", "anna", "--yes"],
    ] {
        delete(&config, args).await.assert().code(2).stdout_is_empty();
    }
    assert_eq!(open(&site), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_several_sites_one_is_to_be_named() {
    let (site, other) = (Site::empty(1, &[""]).await, Site::empty(1, &[""]).await);
    for site in [&site, &other] {
        site.open(1, "", ("LAB", "anna"), 2);
    }
    let config = site.write_config(&(site.discovered("one") + &other.discovered("two")));
    delete(&config, &["--user", r"LAB\anna", "--yes"])
        .await
        .assert()
        .code(2)
        .stdout_is_empty()
        .stderr_contains("--site with one of one, two");

    delete(&config, &["--site", "two", "--user", r"LAB\anna", "--yes"]).await.assert().code(0);
    assert_eq!((open(&site)[&(1, "")].len(), open(&other)[&(1, "")].len()), (2, 0));
    assert_eq!(site.queries(), site.queried(0), "the other site was not queried");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_named_by_a_name_that_fits_no_other() {
    let site = Site::empty(1, &[""]).await;
    site.open(1, "", ("LAB", "anna"), 2);
    let config = site.write_config(&(site.discovered("one") + &site.discovered("One")));
    let all = ["--all", "--proxy", "Central", "--virtual-proxy", "/"];
    for whose in [&["--user", r"LAB\anna"][..], &all] {
        let ended = delete(&config, &[&["--site", "ONE", "--yes"], whose].concat()).await;
        ended.assert().code(2).stdout_is_empty();
        let reported = "error: --site ONE: matches several sites, expected one of One, one";
        ended.assert().stderr_is(&[reported]);
    }
    assert_eq!(site.queries(), site.queried(0));

    delete(&config, &["--site", "One", "--yes", "--user", r"LAB\anna"]).await.assert().code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_who_ended_how_many_of_whom_and_no_ids() {
    let site = Site::empty(1, &[""]).await;
    site.open(1, "", ("LAB", "anna"), 3);
    let ended =
        delete(&site.discovery_config("", ""), &["--user", r"LAB\anna", "--yes", "--log.level", "trace"])
            .await;
    ended.assert().code(0);
    let line = ended.stderr.iter().find(|line| line.contains("message=\"sessions deleted\"")).unwrap();
    for part in ["level=info", "by=", "site=simulated", "proxy=Central", "virtual_proxy=/", "sessions=3"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(line.contains("user_directory=LAB") && line.contains("user_id=anna"), "{line}");
    let all = ended.lines().join("\n");
    assert!(!all.contains("opened-"), "{all}");
}
