//! One picture of the view, for a screen of any size.

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

/// From so many lines on proxies and users are seen together.
const BOTH: u16 = 14;

/// Draws everything. The state learns how much of it is to be seen, for scrolling.
pub fn draw(frame: &mut Frame<'_>, state: &mut ViewState, theme: &Theme, now: SystemTime) {
    state.prepare(Focus::Problems);
    let problems = if state.focus == Focus::Problems { 0 } else { pressing(state).count() };
    let room_for_problems = (frame.area().height / 5).max(1);
    let problems = u16::try_from(problems).unwrap_or(u16::MAX).min(room_for_problems);
    let rows = [1, 1].map(Constraint::Length);
    let rest = [Constraint::Fill(1), Constraint::Length(problems), Constraint::Length(1)];
    let [summary, titles, body, warnings, help] =
        Layout::vertical(rows.into_iter().chain(rest)).areas(frame.area());
    for focus in seen(state.focus, body) {
        state.prepare(*focus);
    }
    draw_summary(frame, summary, state, theme);
    draw_titles(frame, titles, state, theme);
    draw_body(frame, body, state, theme, now);
    draw_problems(frame, warnings, state, theme, now);
    draw_help(frame, help, state, theme);
}

/// The panels that are seen when this one has the keys.
fn seen(focus: Focus, body: Rect) -> &'static [Focus] {
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
        return frame.render_widget(Line::styled("refreshing for the sessions ...", theme.faint()), area);
    }
    let seen = seen(state.focus, area);
    if seen.len() < 2 {
        return panels::draw(frame, area, state, state.focus, theme, now);
    }
    // The proxies take what they need, as far as that leaves half of it to the users, or what these need.
    let lines = |count: Option<usize>| u16::try_from(count.unwrap_or_default() + 1).unwrap_or(u16::MAX);
    let proxies = lines(state.lines.proxies.as_ref().map(Vec::len));
    let users = lines(state.lines.users.as_ref().map(Vec::len));
    let most = (area.height / 2).max(area.height.saturating_sub(users.saturating_add(1)));
    let rows = [Constraint::Length(proxies.min(most)), Constraint::Length(1), Constraint::Fill(1)];
    let [above, _, below] = Layout::vertical(rows).areas(area);
    panels::draw(frame, above, state, Focus::Proxies, theme, now);
    panels::draw(frame, below, state, Focus::Users, theme, now);
}

/// The figures of everything, and how old they are.
fn draw_summary(frame: &mut Frame<'_>, area: Rect, state: &ViewState, theme: &Theme) {
    let Some(at) = state.refreshed else { return };
    let mut age = Line::from(match state.paused {
        true => Span::styled(format!("PAUSED at {}", clock(at)), theme.focused()),
        false => Span::raw(clock(at)),
    });
    let room = usize::from(area.width);
    let figures = text::spaced(figures(state, theme), room.saturating_sub(age.width() + 1));
    // Where these leave room for it.
    let interval = format!(", every {}", humantime::format_duration(state.settings.interval));
    if !state.paused && figures.width() + 1 + age.width() + interval.len() <= room {
        age.push_span(interval);
    }
    frame.render_widget(figures, area);
    frame.render_widget(age.right_aligned(), area);
}

fn figures(state: &ViewState, theme: &Theme) -> Vec<Span<'static>> {
    let sites = &state.sites.all;
    let whole = sites.iter().all(SiteView::is_whole);
    let sum = |of: fn(&SiteView) -> usize| sites.iter().map(of).sum::<usize>();
    let limit = state.settings.session_limit;
    let (at_limit, one_below) = (
        state.sites.users.iter().filter(|user| user.sessions >= limit).count(),
        state.sites.users.iter().filter(|user| user.sessions + 1 == limit).count(),
    );
    let (pairs, down, late) = (sum(|site| site.pairs.len()), sum(SiteView::down), sum(SiteView::late));
    let mut spans = vec![
        Span::styled(text::counted(sum(|site| site.sessions), whole, "session"), theme.strong()),
        Span::styled(text::counted(sum(|site| site.users), whole, "user"), theme.strong()),
    ];
    let mut add = |count: usize, text: String, style| {
        if count > 0 {
            spans.push(Span::styled(text, style));
        }
    };
    add(down, format!("{down} of {pairs} down"), theme.alarm());
    add(late, format!("{late} waiting"), theme.warning());
    add(at_limit, format!("{at_limit} at the limit of {limit}"), theme.alarm());
    add(one_below, format!("{one_below} one below"), theme.warning());
    spans
}

/// How much a title tells.
#[derive(Debug, Clone, Copy)]
enum Title {
    Number,
    Name,
    /// With the count, and what the panel is filtered by.
    Whole,
}

/// The panels with their numbers, and as much more as there is room for: most of the one that has the keys.
fn draw_titles(frame: &mut Frame<'_>, area: Rect, state: &ViewState, theme: &Theme) {
    use Title::{Name, Number, Whole};
    /// What the numbers of the other panels take.
    const OTHERS: usize = "1 2 3 ".len();

    let room = usize::from(area.width);
    let is_filtered = |focus| !state.panels.get(focus).filter.is_empty();
    let titles = |focused: Title, others: Title| {
        let title = |(number, focus): (usize, Focus)| {
            let (style, how) =
                if focus == state.focus { (theme.focused(), focused) } else { (theme.faint(), others) };
            let name = focus.title();
            let (title, gap) = match how {
                Number => (number.to_string(), " "),
                Name if is_filtered(focus) => (format!("{number} {name} /…"), " "),
                Name => (format!("{number} {name}"), " "),
                Whole => (format!(" {number} {name}{} ", panel_count(state, focus)), ""),
            };
            [Span::styled(cut(&title, room.saturating_sub(OTHERS)), style), Span::raw(gap)]
        };
        Line::from_iter((1..).zip(Focus::ALL).flat_map(title))
    };
    // The names of the others are worth more than a count, but not more than the filter.
    let names = (!is_filtered(state.focus)).then_some((Name, Name));
    let ways = [(Whole, Whole), (Whole, Name)].into_iter().chain(names);
    let fitting = ways.map(|(focused, others)| titles(focused, others)).find(|line| line.width() <= room);
    frame.render_widget(fitting.unwrap_or_else(|| titles(Whole, Number)), area);
}

/// How many lines a panel has, of how many.
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

/// The problems that are told wherever one looks.
fn pressing(state: &ViewState) -> impl Iterator<Item = &SiteProblem> + Clone {
    state.lines.problems.iter().flatten().filter(|problem| problem.kind != ProblemKind::Note)
}

/// A line for each pressing problem, as far as there is room.
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

/// What a problem's line begins with.
fn in_a_line(SiteProblem { kind, place, message, .. }: &SiteProblem, now: SystemTime) -> String {
    match *kind {
        ProblemKind::Down(since) => format!("{place} down {}: {message}", text::since(since, now)),
        ProblemKind::Late(since) => format!("{place}: {message} {}", text::since(since, now)),
        ProblemKind::Missing | ProblemKind::Note => format!("{place}: {message}"),
    }
}

/// What the keys do now.
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
        Some(if state.paused { "p go on" } else { "p pause" }.to_owned()),
        Some("r refresh".to_owned()),
        Some("Up Down scroll".to_owned()),
    ];
    let keys = keys.into_iter().flatten().map(|key| Span::styled(key, theme.faint()));
    frame.render_widget(text::spaced(keys, area.width.into()), area);
}
