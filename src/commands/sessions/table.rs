//! Tables for a terminal. Where the columns do not fit beside each other, a block of lines for each row.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width};
use unicode_width::UnicodeWidthStr;

/// The number of rows that comfy-table arranges. A longer table is written in pages with the widths of [`fitting`]:
/// comfy-table keeps all rows in memory, and writes the first one when the last one is laid out.
const MAX_ARRANGED: usize = 10_000;

/// The number of rows of a page.
const PAGE: usize = 500;

/// The maximum width of a column without a terminal: one long name must not widen all rows.
const MAX_COLUMN: usize = 200;

/// The minimum width of a column, for legibility.
const MIN_COLUMN: usize = 8;

/// The minimum width of the other columns before a kept column shrinks.
const MIN_BESIDE_KEPT: usize = 16;

/// A column: its title and the text of its cells, which must be escaped.
pub struct TextColumn<'c, R> {
    title: &'static str,
    cell: Box<dyn Fn(&R) -> String + 'c>,
    /// Whether the other columns shrink first: its texts are to be copied.
    is_kept: bool,
}

impl<'c, R> TextColumn<'c, R> {
    pub fn new(title: &'static str, cell: impl Fn(&R) -> String + 'c) -> Self {
        Self { title, cell: Box::new(cell), is_kept: false }
    }

    /// Returns the column as one that shrinks last.
    pub fn kept(self) -> Self {
        Self { is_kept: true, ..self }
    }
}

/// Returns the width of the terminal on standard output; None where it is no terminal.
pub fn terminal_width() -> Option<usize> {
    width_of_terminal(io::stdout().is_terminal())
}

/// Returns the width of the terminal if the output is one.
pub fn width_of_terminal(is_terminal: bool) -> Option<usize> {
    let size = is_terminal.then(crossterm::terminal::size)?;
    // Some terminals report no size.
    let columns = size.ok().map(|(columns, _)| columns.into()).filter(|columns| *columns > 0);
    Some(columns.unwrap_or(80))
}

/// Writes all rows below a heading, or as blocks where the columns do not fit. Calls `rows` several times: first for
/// the widths.
pub fn write<R, I: Iterator<Item = R>>(
    out: &mut impl Write,
    columns: &[TextColumn<'_, R>],
    rows: impl Fn() -> I,
    width: Option<usize>,
) -> io::Result<()> {
    let widths = natural_widths(columns, rows());
    let Some(fitting) = fitting(&widths, width) else { return write_blocks(out, columns, rows()) };
    if rows().nth(MAX_ARRANGED).is_none() {
        let mut table = new_table(columns, rows(), true);
        arrange(&mut table, &widths, width);
        return write_lines(out, &table);
    }
    let mut rows = rows();
    let mut is_first = true;
    loop {
        let mut table = new_table(columns, rows.by_ref().take(PAGE), is_first);
        if table.is_empty() {
            return Ok(());
        }
        for (column, width) in table.column_iter_mut().zip(&fitting) {
            column.set_constraint(ColumnConstraint::Absolute(padded(*width)));
        }
        write_lines(out, &table)?;
        is_first = false;
    }
}

/// The width that a column needs.
#[derive(Debug, Clone, Copy)]
struct ColumnWidth {
    title: usize,
    natural: usize,
    is_kept: bool,
}

fn natural_widths<R>(columns: &[TextColumn<'_, R>], rows: impl Iterator<Item = R>) -> Vec<ColumnWidth> {
    let mut widths = Vec::new();
    for column in columns {
        let title = column.title.width();
        widths.push(ColumnWidth { title, natural: title, is_kept: column.is_kept });
    }
    for row in rows {
        for (width, column) in widths.iter_mut().zip(columns) {
            width.natural = width.natural.max((column.cell)(&row).width());
        }
    }
    widths
}

fn new_table<R>(columns: &[TextColumn<'_, R>], rows: impl Iterator<Item = R>, with_heading: bool) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')));
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::MAX);
    if with_heading {
        table.set_header(columns.iter().map(|column| column.title));
    }
    for row in rows {
        table.add_row(columns.iter().map(|column| (column.cell)(&row)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, PADDING));
    }
    table
}

/// Sets what comfy-table needs to arrange the columns: the width, and the minimum widths.
fn arrange(table: &mut Table, widths: &[ColumnWidth], width: Option<usize>) {
    let Some(width) = width else {
        for column in table.column_iter_mut() {
            column.set_constraint(ColumnConstraint::UpperBoundary(padded(MAX_COLUMN)));
        }
        return;
    };
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    let keeps = fits(&capped(widths, MIN_BESIDE_KEPT, Some(width)), Some(width));
    let mut minimum = capped(widths, MIN_COLUMN, keeps.then_some(width));
    let whole_titles: Vec<usize> =
        minimum.iter().zip(widths).map(|(minimum, column)| column.title.max(*minimum)).collect();
    if fits(&whole_titles, Some(width)) {
        minimum = whole_titles;
    }
    for (column, minimum) in table.column_iter_mut().zip(minimum) {
        column.set_constraint(ColumnConstraint::LowerBoundary(padded(minimum)));
    }
}

fn write_lines(out: &mut impl Write, table: &Table) -> io::Result<()> {
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Writes a line for each cell that is not empty, and an empty line between two rows. The terminal wraps long lines.
fn write_blocks<R>(
    out: &mut impl Write,
    columns: &[TextColumn<'_, R>],
    rows: impl Iterator<Item = R>,
) -> io::Result<()> {
    for (number, row) in rows.enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        for TextColumn { title, cell, .. } in columns {
            let text = cell(&row);
            if !text.is_empty() {
                writeln!(out, "{title}: {text}")?;
            }
        }
    }
    Ok(())
}

/// The padding right of each cell.
const PADDING: u16 = 1;

/// The space between two columns: the padding and an invisible line.
const GAP: usize = 2;

fn padded(width: usize) -> Width {
    Width::Fixed(u16::try_from(width).unwrap_or(u16::MAX).saturating_add(PADDING))
}

/// Returns widths that fit: the widest columns shrink first, and those that are kept last. None where the columns would
/// become too narrow.
fn fitting(widths: &[ColumnWidth], width: Option<usize>) -> Option<Vec<usize>> {
    let bound = width.unwrap_or(MAX_COLUMN);
    let widest = widths.iter().map(|column| column.natural).max().unwrap_or_default().min(bound);
    for cap in (MIN_BESIDE_KEPT..=widest.max(MIN_BESIDE_KEPT)).rev() {
        let capped = capped(widths, cap, Some(bound));
        if fits(&capped, width) {
            return Some(capped);
        }
    }
    for cap in (MIN_COLUMN..=widest.max(MIN_COLUMN)).rev() {
        let capped = capped(widths, cap, None);
        if fits(&capped, width) {
            return Some(capped);
        }
    }
    None
}

/// Returns the natural widths, capped. Kept columns have a cap of their own, if there is one.
fn capped(widths: &[ColumnWidth], cap: usize, kept_cap: Option<usize>) -> Vec<usize> {
    let mut capped = Vec::new();
    for column in widths {
        let cap = kept_cap.filter(|_| column.is_kept).unwrap_or(cap);
        capped.push(column.natural.min(cap));
    }
    capped
}

fn fits(widths: &[usize], width: Option<usize>) -> bool {
    width.is_none_or(|width| widths.iter().sum::<usize>() + GAP * widths.len() <= width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(titles: [&'static str; 2]) -> Vec<TextColumn<'static, [&'static str; 2]>> {
        let [first, second] = titles;
        vec![
            TextColumn::new(first, |row: &[&str; 2]| row[0].to_owned()),
            TextColumn::new(second, |row: &[&str; 2]| row[1].to_owned()),
        ]
    }

    fn plain(natural: &[usize], width: Option<usize>) -> Vec<usize> {
        let widths: Vec<_> = natural
            .iter()
            .map(|natural| ColumnWidth { title: 1, natural: *natural, is_kept: false })
            .collect();
        fitting(&widths, width).unwrap()
    }

    fn last_kept(width: usize) -> Vec<usize> {
        let mut widths = [10, 50, 36].map(|natural| ColumnWidth { title: 1, natural, is_kept: false });
        widths[2].is_kept = true;
        fitting(&widths, Some(width)).unwrap()
    }

    fn written(rows: &[[&'static str; 2]], width: Option<usize>) -> String {
        let mut out = Vec::new();
        write(&mut out, &columns(["a", "b"]), || rows.iter().copied(), width).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        assert_eq!(
            written(&[["x", "longer"], ["日本", "y"]], None),
            "a     b\n─────────────\nx     longer\n日本  y\n"
        );
    }

    #[test]
    fn a_long_cell_is_wrapped() {
        let text = written(&[["short", "0123456789abcdef0123456789abcdef"]], Some(24));
        assert!(text.lines().all(|line| line.chars().count() <= 24), "{text}");
        let second: String = text.lines().skip(2).filter_map(|line| line.get(7..)).map(str::trim).collect();
        assert_eq!(second, "0123456789abcdef0123456789abcdef", "{text}");
    }

    #[test]
    fn rows_are_blocks_where_no_table_fits() {
        let text = written(&[["0123456789", "0123456789"], ["", "y"]], Some(2 * (MIN_COLUMN + GAP) - 1));
        assert_eq!(text, "a: 0123456789\nb: 0123456789\n\nb: y\n");
    }

    #[test]
    fn pages_share_one_heading() {
        let rows = vec![["x", "y"]; MAX_ARRANGED + 1];
        let text = written(&rows, Some(80));
        assert_eq!(text.lines().count(), 2 + rows.len());
        assert_eq!(text.lines().filter(|line| line.starts_with('a')).count(), 1);
    }

    #[test]
    fn the_widest_columns_shrink_first() {
        assert_eq!(plain(&[3, 50, 36], Some(60)), [3, 25, 25]);
        assert_eq!(plain(&[3, 5, 36], Some(60)), [3, 5, 36]);
        assert_eq!(plain(&[30, 30], Some(2 * (MIN_COLUMN + GAP))), [MIN_COLUMN; 2]);
        assert_eq!(plain(&[3, 70_000], None), [3, MAX_COLUMN]);
    }

    #[test]
    fn a_kept_column_shrinks_last() {
        assert_eq!(last_kept(100), [10, 48, 36]);
        assert_eq!(last_kept(70), [10, 18, 36]);
        assert_eq!(last_kept(60), [10, 22, 22]);
    }

    #[test]
    fn an_arranged_table_keeps_a_column_whole_while_the_others_are_legible() {
        let cell = "x".repeat(40);
        let columns = [
            TextColumn::new("a", |_: &()| cell.clone()),
            TextColumn::new("b", |_: &()| cell.replace('x', "y")).kept(),
        ];
        for (width, whole) in [(100, true), (70, true), (60, true), (59, false)] {
            let mut out = Vec::new();
            write(&mut out, &columns, || [()].into_iter(), Some(width)).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            assert_eq!(text.contains(&cell.replace('x', "y")), whole, "{width}: {text}");
        }
    }
}
