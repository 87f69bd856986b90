//! Tables, JSON and CSV: what names and ids look like in them, whatever they hold.

use super::commands::{listed, sessions};
use crate::docs;
use crate::support::exporter::command;
use crate::support::hostile::hostile_ids;
use crate::support::program::Ended;
use crate::support::simulator::session;
use crate::support::site::{Site, virtual_proxy};

/// A site with a session of each hostile user, whose session id is as hostile.
async fn hostile_site() -> (Site, Vec<String>) {
    let site = Site::empty(1, &[""]).await;
    let ids = hostile_ids();
    for (number, id) in ids.iter().enumerate() {
        let mut session = session((id, id), &format!("{number} {id}"));
        session.user_name = Some(id.clone());
        session.attributes = vec![(id.clone(), id.clone())];
        site.simulator.open_session(1, "", session);
    }
    (site, ids)
}

/// The characters that a terminal would obey.
fn commands(ended: &Ended) -> Vec<char> {
    let is_command = |c: &char| {
        c.is_control()
            || ('\u{202a}'..='\u{202e}').contains(c)
            || ('\u{2066}'..='\u{2069}').contains(c)
            || ['\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}'].contains(c)
    };
    ended.stdout.iter().flat_map(|line| line.chars()).filter(is_command).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_controls_the_terminal() {
    let (site, ids) = hostile_site().await;
    let config = site.config("");
    for args in [&["list"][..], &["list", "--wide"], &["list", "--output", "json"]] {
        let ended = sessions(&config, args).await;
        ended.assert().code(0).stderr_is_empty();
        assert_eq!(commands(&ended), Vec::<char>::new(), "{args:?}");
        assert!(ended.stdout.len() > ids.len(), "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_has_every_name_unchanged() {
    let (site, ids) = hostile_site().await;
    let mut found = listed(&site.config(""), &[]).await;
    found.sort_by_key(|row| {
        let id = row["session_id"].as_str().unwrap();
        id.split(' ').next().unwrap().parse::<usize>().unwrap()
    });
    assert_eq!(found.len(), ids.len());
    for (number, (row, id)) in found.iter().zip(&ids).enumerate() {
        for member in ["user_directory", "user_id", "user_name"] {
            assert_eq!(row[member], **id, "{member}");
        }
        assert_eq!(row["session_id"], format!("{number} {id}"));
        assert_eq!(row["attributes"], serde_json::json!([{ id: id }]));
    }
}

/// The records of CSV, the head first.
async fn csv_of(site: &Site) -> Vec<Vec<String>> {
    let config = site.config("");
    let args = ["sessions", "list", "--output", "csv", "--config.file", config.to_str().unwrap()];
    let mut list = command(&args, &[], site.certificates().as_path());
    let ended = tokio::task::spawn_blocking(move || list.output().unwrap()).await.unwrap();
    assert_eq!((ended.status.code(), &*ended.stderr), (Some(0), &b""[..]));
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&*ended.stdout);
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_has_one_header_and_every_name_unchanged() {
    let (site, ids) = hostile_site().await;
    let records = csv_of(&site).await;
    assert_eq!(records.len(), 1 + ids.len());
    assert_eq!(records[0][0], "site");
    let mut users: Vec<_> = records[1..].iter().map(|record| record[8].clone()).collect();
    let mut expected = ids;
    users.sort();
    expected.sort();
    assert_eq!(users, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cell_of_csv_is_run_by_a_spreadsheet() {
    let site = Site::empty(1, &[""]).await;
    for id in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", " =1", "plain", "a=b"] {
        let mut session = session((id, id), id);
        session.attributes = vec![(id.to_owned(), "x".to_owned())];
        site.simulator.open_session(1, "", session);
    }
    let records = csv_of(&site).await;
    assert_eq!(records.len(), 10);
    for cell in records.iter().flatten() {
        assert!(
            !cell.trim_start().starts_with(['=', '+', '-', '@']) && !cell.starts_with(['\t', '\r']),
            "{cell:?}"
        );
    }
    assert!(records.iter().any(|record| record[8] == "'=1+1" && record[11] == "'=1+1"), "{records:?}");
    assert!(records.iter().any(|record| record[8] == "a=b"), "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_at_the_limit_are_marked_by_their_sum_over_the_site() {
    let site = Site::empty(2, &["", "sales"]).await;
    for (node, prefix) in site.pairs() {
        site.open(node, prefix, ("LAB", "anna"), 1);
        site.open(node, prefix, ("NONE", "anonymous1"), 4);
    }
    site.open(1, "", ("LAB", "bob"), 3);
    let config = site.discovery_config("users.session_limit = 4", "");

    let ended = sessions(&config, &["list"]).await;
    let marked: Vec<_> =
        ended.stdout.iter().filter(|line| line.contains("  LAB\\") && line.contains(" * ")).collect();
    assert_eq!(marked.len(), 4, "{:#?}", ended.stdout);
    assert!(marked.iter().all(|line| line.contains(r"LAB\anna *")), "{marked:#?}");
    assert!(ended.stdout.iter().any(|line| line.starts_with("* at the limit: 4 sessions or more")));
}

#[tokio::test(flavor = "multi_thread")]
async fn under_the_table_stand_the_sums_of_each_virtual_proxy() {
    let site = Site::empty(2, &["", "sales"]).await;
    for (node, prefix) in site.pairs() {
        site.open(node, prefix, ("LAB", "anna"), 2);
        site.open(node, prefix, ("LAB", &format!("only-{node}")), 1);
        site.open(node, prefix, ("NONE", "anonymous1"), 1);
    }
    let ended = sessions(&site.discovery_config("", ""), &["list"]).await;
    let sums: Vec<Vec<_>> =
        ended.stdout.iter().rev().take(2).map(|line| line.split_whitespace().skip(1).collect()).collect();
    assert_eq!(sums, [[virtual_proxy("sales").as_str(), "8", "3", "2"], [&virtual_proxy(""), "8", "3", "2"]]);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_table_fits_the_terminal_and_keeps_ids_whole() {
    use crate::support::terminal::Terminal;

    let site = Site::empty(1, &[""]).await;
    let id = "940aa6f6-2738-495c-b994-bb1b03b0fabd";
    site.simulator.open_session(1, "", session(("LABORATORY", "somebody.with.a.long.name@company.com"), id));
    let config = site.discovery_config("", "");
    // A terminal without a size is taken for one of 80 columns.
    for (reported, columns) in [((40, 60), 60), ((40, 80), 80), ((40, 200), 200), ((0, 0), 80)] {
        let args = ["sessions", "list", "--config.file", config.to_str().unwrap()];
        let terminal = Terminal::start(&args, site.certificates().as_path(), reported);
        let left = terminal.ended().await;
        assert!(left.status.success());
        let longest = left.written.lines().map(|line| line.trim_end().chars().count()).max().unwrap();
        assert!(longest <= columns, "{longest} in {columns}:\n{}", left.written);
        // What does not fit beside the others goes on below itself.
        let rows: Vec<_> = left.screen.lines().collect();
        let place = rows[0].find("session id").unwrap();
        let column = rows[2..].iter().take_while(|row| !row.is_empty()).filter_map(|row| row.get(place..));
        assert_eq!(column.map(str::trim).collect::<String>(), id, "{}", left.screen);
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn wide_output_fits_the_terminal_as_a_table_or_as_blocks() {
    use crate::support::terminal::Terminal;

    let site = Site::empty(2, &["sales"]).await;
    let ids = ["940aa6f6-2738-495c-b994-bb1b03b0fabd", "0d9a4fe0-6c13-4b8c-8f0c-4b0f6ab20d53"];
    for id in ids {
        let mut session = session(("LABORATORY", "somebody.with.a.long.name@company.com"), id);
        session.user_name = Some("Somebody".to_owned());
        session.attributes = vec![("group".to_owned(), "Finance".to_owned())];
        site.simulator.open_session(1, "sales", session);
    }
    let config = site.discovery_config("", "");
    for (columns, as_blocks) in [(60, true), (80, true), (200, false)] {
        let args = ["sessions", "list", "--wide", "--config.file", config.to_str().unwrap()];
        let left = Terminal::start(&args, site.certificates().as_path(), (60, columns)).ended().await;
        assert!(left.status.success());
        let longest = left.written.lines().map(|line| line.trim_end().chars().count()).max().unwrap();
        assert!(longest <= columns.into(), "{longest} in {columns}:\n{}", left.written);
        let lines: Vec<_> = left.written.lines().map(str::trim_end).collect();
        for line in [format!("session id: {}", ids[0]), "attributes: group=Finance".to_owned()] {
            assert_eq!(lines.contains(&&*line), as_blocks, "{line} in {columns}:\n{}", left.written);
        }
        assert!(ids.iter().all(|id| left.written.contains(id)), "{columns}:\n{}", left.written);
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_pictures_in_the_documentation_are_what_it_writes() {
    use crate::support::terminal::Terminal;

    let site =
        Site::with(2, &["", "sales", "finance"], |options| (options.sessions, options.users) = (12, 4)).await;
    let config = site.discovery_config("", "");
    let run = async |args: &[&str]| {
        let args = [args, &["--config.file", config.to_str().unwrap()]].concat();
        Terminal::start(&args, site.certificates().as_path(), (40, 100)).ended().await.screen
    };
    let pictures = docs::fenced(&docs::text("docs/sessions.md"), "");
    let has = |picture: &str| assert!(pictures.iter().any(|block| block.contains(picture)), "{picture}");
    let plain = |screen: &str| screen.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");

    has(plain(&run(&["sessions", "list"]).await).trim_end());
    let delete = ["sessions", "delete", "--user", r"CORP\anna.berg", "--log.level", "warn"];
    has(plain(&run(&[&delete[..], &["--dry-run"]].concat()).await).trim_end());
    let ended = run(&[&delete[..], &["--yes"]].concat()).await;
    ended.lines().rev().skip_while(|line| line.is_empty()).take(2).for_each(has);
}
