//! Draws the view on a screen of any size.

mod panels;
mod severity;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::time::SystemTime;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use super::lines::{order, orders};
use super::panel::Focus;
use super::problems::{ProblemKind, SiteProblem};
use super::sites::{PairView, SiteView};
use super::state::ViewState;
use super::theme::Theme;
use crate::terminal::escaped;
use severity::{mark, style};
use text::{clock, cut};

/// The height from which on proxies and users are shown together.
const BOTH: u16 = 14;

/// Draws the view. The state records how many lines are visible, for scrolling.
pub fn draw(frame: &mut Frame<'_>, state: &mut ViewState, theme: &Theme, now: SystemTime) {
    state.prepare(Focus::Problems);
    let problems = if state.focus == Focus::Problems { 0 } else { pressing(state).count() };
    let room_for_problems = (frame.area().height / 5).max(1);
    let problems = u16::try_from(problems).unwrap_or(u16::MAX).min(room_for_problems);
    let rows = [1, 1].map(Constraint::Length);
    let rest = [Constraint::Fill(1), Constraint::Length(problems), Constraint::Length(1)];
    let [summary, titles, body, warnings, help] =
        Layout::vertical(rows.into_iter().chain(rest)).areas(frame.area());
    for focus in visible(state.focus, body) {
        state.prepare(*focus);
    }
    draw_summary(frame, summary, state, theme);
    draw_titles(frame, titles, state, theme);
    draw_body(frame, body, state, theme, now);
    draw_problems(frame, warnings, state, theme, now);
    draw_help(frame, help, state, theme);
}

/// Returns the panels that are visible when this one is focused.
fn visible(focus: Focus, body: Rect) -> &'static [Focus] {
    match focus {
        Focus::Proxies | Focus::Users if body.height >= BOTH => &[Focus::Proxies, Focus::Users],
        Focus::Proxies => &[Focus::Proxies],
        Focus::Users => &[Focus::Users],
        Focus::Sessions => &[Focus::Sessions],
        Focus::Problems => &[Focus::Problems],
    }
}

fn draw_body(frame: &mut Frame<'_>, area: Rect, state: &mut ViewState, theme: &Theme, now: SystemTime) {
    if state.refreshed.is_none() {
        return frame.render_widget(Line::styled("waiting for the first answers ...", theme.faint()), area);
    }
    if visible(state.focus, area).len() < 2 {
        return panels::draw(frame, area, state, state.focus, theme, now);
    }
    // The proxies get the height that they need, but leave the users half of it or the height that these need.
    let proxies = panel_height(state.lines.proxies.as_deref());
    let users = panel_height(state.lines.users.as_deref());
    let most = (area.height / 2).max(area.height.saturating_sub(users.saturating_add(1)));
    let rows = [Constraint::Length(proxies.min(most)), Constraint::Length(1), Constraint::Fill(1)];
    let [above, _, below] = Layout::vertical(rows).areas(area);
    panels::draw(frame, above, state, Focus::Proxies, theme, now);
    panels::draw(frame, below, state, Focus::Users, theme, now);
}

/// Returns the height of a panel with these lines and a heading.
fn panel_height<T>(lines: Option<&[T]>) -> u16 {
    u16::try_from(lines.map_or(0, <[T]>::len) + 1).unwrap_or(u16::MAX)
}

/// Draws the figures of all sites and their time.
fn draw_summary(frame: &mut Frame<'_>, area: Rect, state: &ViewState, theme: &Theme) {
    let Some(at) = state.refreshed else { return };
    let mut age = Line::from(match state.paused {
        true => Span::styled(format!("PAUSED at {}", clock(at)), theme.focused()),
        false => Span::raw(clock(at)),
    });
    let room = usize::from(area.width);
    let figures = text::spaced(figures(state, theme), room.saturating_sub(age.width() + 1));
    // The interval is the least important.
    let interval = format!(", every {}", humantime::format_duration(state.settings.interval));
    if !state.paused && figures.width() + 1 + age.width() + interval.len() <= room {
        age.push_span(interval);
    }
    frame.render_widget(figures, area);
    frame.render_widget(age.right_aligned(), area);
}

fn figures(state: &ViewState, theme: &Theme) -> Vec<Span<'static>> {
    let (mut sessions, mut users, mut pairs, mut down, mut late) = (0, 0, 0, 0, 0);
    for site in &state.sites.all {
        sessions += site.sessions;
        users += site.users;
        pairs += site.pairs.len();
        down += site.down();
        late += site.late();
    }
    let limit = state.settings.session_limit;
    let (mut at_limit, mut one_below) = (0, 0);
    for user in &state.sites.users {
        at_limit += usize::from(user.sessions >= limit);
        one_below += usize::from(user.sessions + 1 == limit);
    }
    let is_complete = state.sites.all.iter().all(SiteView::is_complete);
    let mut spans = vec![
        Span::styled(text::counted(sessions, is_complete, "session"), theme.strong()),
        Span::styled(text::counted(users, is_complete, "user"), theme.strong()),
    ];
    if down > 0 {
        spans.push(Span::styled(format!("{down} of {pairs} down"), theme.alarm()));
    }
    if late > 0 {
        spans.push(Span::styled(format!("{late} waiting"), theme.warning()));
    }
    if at_limit > 0 {
        spans.push(Span::styled(format!("{at_limit} at the limit of {limit}"), theme.alarm()));
    }
    if one_below > 0 {
        spans.push(Span::styled(format!("{one_below} one below"), theme.warning()));
    }
    spans
}

/// The parts of a panel's title.
#[derive(Debug, Clone, Copy)]
enum Title {
    Number,
    Name,
    /// With the count and the filter.
    Full,
}

/// Draws the titles of the panels. When there is little room, the focused panel keeps more of its title.
fn draw_titles(frame: &mut Frame<'_>, area: Rect, state: &ViewState, theme: &Theme) {
    let width = usize::from(area.width);
    let mut line = titles(state, theme, width, Title::Full, Title::Full);
    if line.width() > width {
        line = titles(state, theme, width, Title::Full, Title::Name);
    }
    // The names of the others matter more than the count, but less than the filter.
    if line.width() > width && state.panels.get(state.focus).filter.is_empty() {
        line = titles(state, theme, width, Title::Name, Title::Name);
    }
    if line.width() > width {
        line = titles(state, theme, width, Title::Full, Title::Number);
    }
    frame.render_widget(line, area);
}

/// Returns the titles of all panels, with these parts for the focused one and for the others.
fn titles(state: &ViewState, theme: &Theme, width: usize, focused: Title, others: Title) -> Line<'static> {
    /// What the numbers of the other panels need.
    const NUMBERS: usize = "1 2 3 ".len();

    let mut line = Line::default();
    for (number, focus) in (1..).zip(Focus::ALL) {
        let is_focused = focus == state.focus;
        let style = if is_focused { theme.focused() } else { theme.faint() };
        let name = focus.title();
        let is_filtered = !state.panels.get(focus).filter.is_empty();
        let (title, gap) = match if is_focused { focused } else { others } {
            Title::Number => (number.to_string(), " "),
            Title::Name if is_filtered => (format!("{number} {name} /…"), " "),
            Title::Name => (format!("{number} {name}"), " "),
            Title::Full => (format!(" {number} {name}{} ", panel_count(state, focus)), ""),
        };
        line.push_span(Span::styled(cut(&title, width.saturating_sub(NUMBERS)), style));
        line.push_span(gap);
    }
    line
}

/// Returns the number of a panel's lines, and of how many when it is filtered.
fn panel_count(state: &ViewState, focus: Focus) -> String {
    let sites = &state.sites;
    let (all, listed) = match focus {
        Focus::Proxies => {
            let listed = state.lines.proxies.as_ref().map(|lines| panels::pairs(lines));
            (sites.all.iter().map(|site| site.pairs.len()).sum(), listed)
        }
        Focus::Users => (sites.users.len(), state.lines.users.as_ref().map(Vec::len)),
        Focus::Sessions => {
            let all = sites.all.iter().flat_map(|site| &site.pairs).filter_map(PairView::count).sum();
            (all, state.lines.sessions.as_ref().map(Vec::len))
        }
        Focus::Problems => {
            let all = state.lines.problems.as_ref().map_or(0, Vec::len);
            (all, None)
        }
    };
    let filter = escaped(&state.panels.get(focus).filter);
    match listed {
        _ if state.refreshed.is_none() => String::new(),
        _ if filter.is_empty() => format!(" ({all})"),
        Some(listed) => format!(" ({listed} of {all}) /{}", cut(&filter, 20)),
        None => format!(" ({all}) /{}", cut(&filter, 20)),
    }
}

/// Returns the problems that are shown whichever panel is focused.
fn pressing(state: &ViewState) -> impl Iterator<Item = &SiteProblem> + Clone {
    state.lines.problems.iter().flatten().filter(|problem| problem.kind != ProblemKind::Note)
}

/// Draws a line for each pressing problem, as far as there is room.
fn draw_problems(frame: &mut Frame<'_>, area: Rect, state: &ViewState, theme: &Theme, now: SystemTime) {
    let (count, room) = (pressing(state).count(), usize::from(area.height));
    let bad = theme.marks.bad;
    for (number, (row, problem)) in (1..).zip(area.rows().zip(pressing(state))) {
        let line = match number == room && count > room {
            true if room > 1 => format!("{bad} and {} more: press 4", count + 1 - room),
            true => format!("{bad} {count} problems, press 4; {}", in_a_line(problem, now)),
            false => format!("{} {}", mark(problem.kind, theme), in_a_line(problem, now)),
        };
        let line = cut(&escaped(&line), area.width.into());
        frame.render_widget(Line::styled(line, style(problem.kind, theme)), row);
    }
}

/// Returns a problem in one line.
fn in_a_line(SiteProblem { kind, location, message, .. }: &SiteProblem, now: SystemTime) -> String {
    match *kind {
        ProblemKind::Down(since) => format!("{location} down {}: {message}", text::since(since, now)),
        ProblemKind::Late(since) => format!("{location}: {message} {}", text::since(since, now)),
        ProblemKind::Missing | ProblemKind::Note => format!("{location}: {message}"),
    }
}

/// Draws the keys that apply now.
fn draw_help(frame: &mut Frame<'_>, area: Rect, state: &ViewState, theme: &Theme) {
    const TYPING: &str = "   Enter keeps it, Esc clears it";
    let panel = state.panels.get(state.focus);
    if state.typing {
        let filter = escaped(&panel.filter);
        let room = usize::from(area.width).saturating_sub("filter: _".len() + TYPING.len());
        let typed = text::end_of(&filter, room.max(10));
        let spans = [
            Span::styled(format!("filter: {typed}"), theme.strong()),
            Span::styled(" ", theme.focused()),
            Span::styled(TYPING, theme.faint()),
        ];
        return frame.render_widget(Line::from_iter(spans), area);
    }
    let orders = orders(state.focus);
    let sorted = orders.get(order(state.focus, panel)).copied().unwrap_or_default();
    let keys = [
        Some("q quit".to_owned()),
        (!panel.filter.is_empty()).then(|| "Esc clear".to_owned()),
        Some("Tab next".to_owned()),
        (state.focus != Focus::Problems).then(|| "/ filter".to_owned()),
        (orders.len() > 1).then(|| format!("s sort ({sorted})")),
        Some(if state.paused { "p resume" } else { "p pause" }.to_owned()),
        Some("r refresh".to_owned()),
        Some("Up Down scroll".to_owned()),
    ];
    let keys = keys.into_iter().flatten().map(|key| Span::styled(key, theme.faint()));
    frame.render_widget(text::spaced(keys, area.width.into()), area);
}
