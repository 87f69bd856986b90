//! What stands in the panels.

use std::time::SystemTime;

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use super::severity::{mark, style};
use super::table::{self, Cell, PanelColumn};
use super::text::{at_least, since};
use crate::commands::sessions::watch::lines::{ProxyLine, user_text};
use crate::commands::sessions::watch::panel::Focus;
use crate::commands::sessions::watch::problems::ProblemKind;
use crate::commands::sessions::watch::sites::{SessionPosition, SiteView, UserView};
use crate::commands::sessions::watch::state::ViewState;
use crate::commands::sessions::watch::theme::Theme;
use crate::terminal::escaped;

/// Draws one panel into its area.
pub fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    state: &mut ViewState,
    focus: Focus,
    theme: &Theme,
    now: SystemTime,
) {
    let count = match focus {
        Focus::Proxies => state.lines.proxies.as_ref().map(Vec::len),
        Focus::Users => state.lines.users.as_ref().map(Vec::len),
        Focus::Sessions => state.lines.sessions.as_ref().map(Vec::len),
        Focus::Problems => state.lines.problems.as_ref().map(Vec::len),
    };
    let count = count.unwrap_or_default();
    // Problems are of many lines: one is scrolled at a time. The others have a heading.
    let page = if focus == Focus::Problems { 1 } else { usize::from(area.height).saturating_sub(1) };
    let offset = state.panels.get_mut(focus).fit(page, count);
    let heading = if state.focus == focus { theme.focused() } else { theme.strong() };
    match focus {
        Focus::Proxies => proxies(frame, area, state, offset, heading, theme),
        Focus::Users => users(frame, area, state, offset, heading, theme),
        Focus::Sessions => sessions(frame, area, state, offset, heading, theme),
        Focus::Problems => problems(frame, area, state, offset, theme, now),
    }
}

/// How many of these are pairs.
pub fn pairs(lines: &[ProxyLine]) -> usize {
    lines.iter().filter(|line| matches!(line, ProxyLine::Pair { .. })).count()
}

fn proxies(
    frame: &mut Frame<'_>,
    area: Rect,
    state: &ViewState,
    offset: usize,
    heading: Style,
    theme: &Theme,
) {
    const COLUMNS: &[PanelColumn] = &[
        PanelColumn::text("proxy", Constraint::Fill(3)),
        PanelColumn::text("virtual proxy", Constraint::Fill(2)),
        PanelColumn::number("sessions", 8),
        PanelColumn::number("users", 6),
        PanelColumn::text("last refreshes", Constraint::Fill(4)),
    ];
    let lines = state.lines.proxies.iter().flatten().skip(offset);
    let cells = lines.filter_map(|line| match *line {
        ProxyLine::Site(site) => Some(site_cells(state.sites.all.get(site)?, theme)),
        ProxyLine::Pair { site, pair } => pair_cells(state, SessionPosition { site, pair, row: 0 }, theme),
    });
    table::draw(frame, area, COLUMNS, heading, theme, cells);
}

fn site_cells<'a>(site: &'a SiteView, theme: &Theme) -> Vec<Cell<'a>> {
    let strong = theme.strong();
    let anybody = site.pairs.iter().any(|pair| pair.count().is_some());
    let figure = |figure: usize| match anybody {
        true => Cell::Text(format!("{}{figure}", at_least(site.is_whole())), strong),
        false => Cell::Text("-".to_owned(), strong),
    };
    let (note, style) = match (site.pairs.len(), site.down(), site.late()) {
        (0, ..) if site.discovery.as_ref().is_some_and(|it| it.failure.is_late()) => {
            ("waiting".to_owned(), theme.warning())
        }
        (0, ..) => ("no answer".to_owned(), theme.alarm()),
        (pairs, down @ 1.., _) => (format!("{down} of {pairs} down"), theme.alarm()),
        (pairs, _, late @ 1..) => (format!("{late} of {pairs} waiting"), theme.warning()),
        _ => (String::new(), strong),
    };
    vec![
        Cell::Text(escaped(&site.name), strong),
        Cell::Text(note, style),
        figure(site.sessions),
        figure(site.users),
        Cell::History(&site.history),
    ]
}

fn pair_cells<'a>(state: &'a ViewState, place: SessionPosition, theme: &Theme) -> Option<Vec<Cell<'a>>> {
    let (_, pair) = state.sites.pair(place)?;
    let plain = Style::new();
    let (sessions, style) = match &pair.sessions {
        Ok(sessions) => (sessions.len().to_string(), plain),
        Err(trouble) if trouble.failure.is_late() => ("waiting".to_owned(), theme.warning()),
        Err(_) => ("down".to_owned(), theme.alarm()),
    };
    let users = if pair.sessions.is_ok() { pair.users.to_string() } else { "-".to_owned() };
    Some(vec![
        Cell::Text(format!("  {}", escaped(&pair.proxy)), plain),
        Cell::Text(escaped(&pair.virtual_proxy), plain),
        Cell::Text(sessions, style),
        Cell::Text(users, plain),
        Cell::History(&pair.history),
    ])
}

fn users(frame: &mut Frame<'_>, area: Rect, state: &ViewState, offset: usize, heading: Style, theme: &Theme) {
    let several = state.sites.all.len() > 1;
    let mut columns = vec![
        PanelColumn::text("user", Constraint::Fill(3)),
        PanelColumn::number("sessions", 8),
        PanelColumn::text("", Constraint::Fill(2)),
    ];
    if several {
        columns.insert(0, PanelColumn::text("site", Constraint::Fill(1)));
    }
    let lines = state.lines.users.iter().flatten().skip(offset);
    let cells = lines.filter_map(|user| {
        let UserView { place, sessions } = *user;
        let (site, _, session) = state.sites.session(place)?;
        let (style, note) = limit(sessions, state.settings.session_limit, theme);
        let mut cells = vec![
            Cell::Text(escaped(&user_text(session.user.directory, session.user.id)), style),
            Cell::Text(sessions.to_string(), style),
            Cell::Text(note.to_owned(), style),
        ];
        if several {
            cells.insert(0, Cell::Text(escaped(&site.name), style));
        }
        Some(cells)
    });
    table::draw(frame, area, &columns, heading, theme, cells);
}

/// How a user with so many sessions is marked.
fn limit(sessions: usize, limit: usize, theme: &Theme) -> (Style, &'static str) {
    match sessions {
        _ if sessions > limit => (theme.alarm(), "above the limit"),
        _ if sessions == limit => (theme.alarm(), "at the limit"),
        _ if sessions + 1 == limit => (theme.warning(), "one below the limit"),
        _ => (Style::new(), ""),
    }
}

fn sessions(
    frame: &mut Frame<'_>,
    area: Rect,
    state: &ViewState,
    offset: usize,
    heading: Style,
    theme: &Theme,
) {
    let several = state.sites.all.len() > 1;
    let mut columns = vec![
        PanelColumn::text("proxy", Constraint::Fill(3)),
        PanelColumn::text("virtual proxy", Constraint::Fill(3)),
        PanelColumn::text("user", Constraint::Fill(4)),
        PanelColumn::text("session id", Constraint::Fill(5)),
    ];
    if several {
        columns.insert(0, PanelColumn::text("site", Constraint::Fill(2)));
    }
    let lines = state.lines.sessions.iter().flatten().skip(offset);
    let cells = lines.filter_map(|place| {
        let (site, pair, session) = state.sites.session(*place)?;
        let user = user_text(session.user.directory, session.user.id);
        let site = several.then_some(&*site.name);
        let texts = [&pair.proxy, &pair.virtual_proxy, &user, session.session_id];
        let texts = site.into_iter().chain(texts);
        Some(texts.map(|text| Cell::Text(escaped(text), Style::new())).collect())
    });
    table::draw(frame, area, &columns, heading, theme, cells);
}

/// Each with everything that is known of it.
fn problems(
    frame: &mut Frame<'_>,
    area: Rect,
    state: &ViewState,
    offset: usize,
    theme: &Theme,
    now: SystemTime,
) {
    let mut lines = Vec::new();
    for problem in state.lines.problems.iter().flatten().skip(offset).take(area.height.into()) {
        let (place, message) = match problem.kind {
            ProblemKind::Down(at) => {
                (format!("{} down {}", problem.place, since(at, now)), problem.message.clone())
            }
            ProblemKind::Late(at) => {
                (problem.place.clone(), format!("{} {}", problem.message, since(at, now)))
            }
            ProblemKind::Missing | ProblemKind::Note => (problem.place.clone(), problem.message.clone()),
        };
        let place = format!("{} {place}", mark(problem.kind, theme));
        lines.push(Line::styled(escaped(&place), style(problem.kind, theme)));
        lines.push(Line::raw(escaped(&message)));
        if !problem.advice.is_empty() {
            lines.push(Line::styled(escaped(&problem.advice), theme.faint()));
        }
        lines.push(Line::raw(""));
    }
    if lines.is_empty() {
        lines.push(Line::styled("everything answers", theme.faint()));
    }
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), area);
}
