//! Pictures at several sizes.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Modifier;

use super::*;
use crate::commands::sessions::watch::refresh::SiteRefresh;
use crate::commands::sessions::watch::testing::{at, down, failure, pair, refresh, site, view};

fn drawn(state: &mut ViewState, (width, height): (u16, u16), colors: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let theme = Theme::new(colors, true);
    terminal.draw(|frame| draw(frame, state, &theme, at(125))).unwrap();
    terminal.backend().buffer().clone()
}

/// The lines as they are seen, without the blanks at their ends.
fn picture(state: &mut ViewState, size: (u16, u16)) -> String {
    let buffer = drawn(state, size, true);
    let mut lines = Vec::new();
    for row in buffer.area.rows() {
        let mut line = String::new();
        let mut column = row.x;
        while column < row.right() {
            let symbol = buffer[(column, row.y)].symbol();
            line += symbol;
            // A wide character takes the next cell, too.
            column += u16::try_from(Span::raw(symbol).width().max(1)).unwrap();
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

fn lab() -> Vec<SiteRefresh> {
    vec![site(
        "lab",
        vec![
            pair("Central", "/", &[("anna", 3), ("bert", 1), ("anonymous1", 1)]),
            pair("Central", "/sales", &[("anna", 2), ("cora", 4)]),
            pair("Node2", "/", &[("dieter", 1), ("Ärmelkanal-Überquerung-日本語-ﬀ", 1)]),
            pair("Node2", "/sales", &[]),
        ],
    )]
}

/// The same with a proxy service that has gone.
fn lab_in_trouble() -> ViewState {
    let mut state = view(lab());
    let mut sites = lab();
    for pair in &mut sites[0].pairs[2..] {
        *pair = down(&pair.proxy, &pair.virtual_proxy, "node2.lab:4243 refuses connections");
    }
    state.refresh(refresh(at(2), sites));
    state
}

fn focused(focus: Focus, mut state: ViewState) -> ViewState {
    state.focus = focus;
    state
}

#[test]
fn eighty_columns_show_proxies_and_users() {
    assert_eq!(picture(&mut view(lab()), (80, 24)), include_str!("tests/80x24.txt").trim_end_matches('\n'));
}

#[test]
fn a_proxy_that_is_down_has_a_clear_line_and_no_figures() {
    let expected = include_str!("tests/80x24-down.txt").trim_end_matches('\n');
    assert_eq!(picture(&mut lab_in_trouble(), (80, 24)), expected);
}

#[test]
fn a_small_screen_shows_one_panel() {
    let expected = include_str!("tests/40x10-down.txt").trim_end_matches('\n');
    assert_eq!(picture(&mut focused(Focus::Users, lab_in_trouble()), (40, 10)), expected);
}

#[test]
fn a_great_screen_shows_sessions_of_several_sites() {
    let sites =
        [lab(), vec![SiteRefresh { discovery: Some(failure("no such host")), ..site("far", vec![]) }]];
    let expected = include_str!("tests/200x60.txt").trim_end_matches('\n');
    let mut state = focused(Focus::Sessions, view(sites.into_iter().flatten().collect()));
    let seen = picture(&mut state, (200, 60));
    assert_eq!(seen, expected);
}

#[test]
fn problems_are_told_with_what_to_try() {
    let expected = include_str!("tests/60x12-problems.txt").trim_end_matches('\n');
    assert_eq!(picture(&mut focused(Focus::Problems, lab_in_trouble()), (60, 12)), expected);
}

#[test]
fn the_panel_that_has_the_keys_keeps_its_count_and_its_filter() {
    let mut state = focused(Focus::Users, view(lab()));
    let titles =
        |state: &mut ViewState, width| picture(state, (width, 24)).lines().nth(1).unwrap().to_owned();
    for (width, expected) in [
        (61, " 1 Proxies (4)  2 Users (5)  3 Sessions (13)  4 Problems (0)"),
        (45, "1 Proxies  2 Users (5) 3 Sessions 4 Problems"),
        (40, "1 Proxies 2 Users 3 Sessions 4 Problems"),
        (30, "1  2 Users (5) 3 4"),
    ] {
        assert_eq!(titles(&mut state, width), expected, "{width}");
    }
    state.panels.get_mut(Focus::Users).filter = "anna".to_owned();
    state.lines.forget_one(Focus::Users);
    for (width, expected) in [
        (80, " 1 Proxies (4)  2 Users (1 of 5) /anna  3 Sessions (13)  4 Problems (0)"),
        (60, "1 Proxies  2 Users (1 of 5) /anna 3 Sessions 4 Problems"),
        (40, "1  2 Users (1 of 5) /anna 3 4"),
        (27, "1  2 Users (1 of 5) /a…3 4"),
    ] {
        assert_eq!(titles(&mut state, width), expected, "{width}");
    }
    state.focus = Focus::Sessions;
    assert_eq!(titles(&mut state, 50), "1 Proxies 2 Users /…  3 Sessions (13) 4 Problems");
}

#[test]
fn figures_are_told_whole_or_not_at_all() {
    let mut state = view(lab());
    let figures = ["13 sessions", "5 users", "1 at the limit of 5", "1 one below"];
    for width in 14..90 {
        let line = picture(&mut state, (width, 24)).lines().next().unwrap().to_owned();
        let (told, _) = line.split_once("10:15:00 UTC").unwrap();
        let told: Vec<_> = told.trim_end().split("  ").filter(|figure| !figure.is_empty()).collect();
        assert_eq!(told, figures[..told.len()], "{width}");
        // Then there is room for all of them beside the time.
        assert_eq!(told.len() == figures.len(), width >= 67, "{width}");
    }
}

#[test]
fn no_size_is_too_small() {
    let mut state = lab_in_trouble();
    for typing in [false, true] {
        state.typing = typing;
        for focus in Focus::ALL {
            state.focus = focus;
            for width in [0, 1, 2, 3, 5, 9, 14, 40, 300] {
                for height in [0, 1, 2, 3, 4, 5, 6, 9, 18, 60] {
                    drawn(&mut state, (width, height), true);
                }
            }
        }
    }
}

#[test]
fn nothing_that_a_terminal_obeys_is_drawn() {
    const HOSTILE: &str = "\u{1b}[2Jx\n\u{202e}y\u{9b}";
    let pairs = vec![pair(HOSTILE, HOSTILE, &[(HOSTILE, 5)]), down(HOSTILE, "/b", HOSTILE)];
    let mut state = view(vec![SiteRefresh { discovery: Some(failure(HOSTILE)), ..site(HOSTILE, pairs) }]);
    for focus in Focus::ALL {
        state.focus = focus;
        let seen = picture(&mut state, (120, 40));
        assert!(seen.contains(r"\u{1b}[2Jx\n\u{202e}y\u{9b}"), "{seen}");
        assert!(!seen.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{seen:?}");
    }
}

#[test]
fn without_colours_what_matters_is_bold_or_reversed() {
    let buffer = drawn(&mut lab_in_trouble(), (80, 24), false);
    assert!(buffer.content.iter().all(|cell| cell.fg == ratatui::style::Color::Reset));
    let row = |text: &str| {
        let lines: Vec<String> = buffer
            .area
            .rows()
            .map(|row| row.columns().map(|at| buffer[(at.x, at.y)].symbol()).collect())
            .collect();
        lines.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{lines:#?}"))
    };
    let style = |text: &str| buffer[(0, u16::try_from(row(text)).unwrap())].modifier;
    assert_eq!(style("at the limit  ").union(Modifier::REVERSED), style("LAB\\anna"));
    assert_eq!(style("LAB\\anna"), Modifier::BOLD | Modifier::REVERSED);
    assert_eq!(style("one below the limit"), Modifier::BOLD);
    assert_eq!(style("✗ Node2"), Modifier::BOLD | Modifier::REVERSED);
}

#[test]
fn before_the_first_answer_the_view_says_that_it_asks() {
    let mut state = ViewState::new(crate::commands::sessions::watch::testing::SETTINGS);
    let seen = picture(&mut state, (80, 24));
    assert!(seen.contains("refreshing for the sessions"), "{seen}");
}
