//! Tables for a terminal, written a few rows at a time: the first is there before the last is laid out. Where no
//! table fits, a block of lines for each row.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width};
use unicode_width::UnicodeWidthStr;

/// Rows that are laid out together.
const ROWS: usize = 500;

/// How wide a column gets where no terminal bounds it: one long name does not widen each of many rows.
const MAX_COLUMN: usize = 200;

/// How narrow a column gets at least, so that it can be read, and before one that is kept gives way.
const MIN_COLUMN: usize = 8;
const MIN_BESIDE_KEPT: usize = 16;

/// A column: its title, and what stands in it.
pub struct TextColumn<'c, R> {
    title: &'static str,
    cell: Box<dyn Fn(&R) -> String + 'c>,
    /// Whether the others give way first: it is there to be copied.
    is_kept: bool,
}

impl<'c, R> TextColumn<'c, R> {
    pub fn new(title: &'static str, cell: impl Fn(&R) -> String + 'c) -> Self {
        Self { title, cell: Box::new(cell), is_kept: false }
    }

    /// The same; the others give way to it.
    pub fn kept(self) -> Self {
        Self { is_kept: true, ..self }
    }
}

/// How many characters fit beside each other on standard output; None where it is no terminal.
pub fn terminal_width() -> Option<usize> {
    width_of_terminal(io::stdout().is_terminal())
}

/// The same for another output, where that is a terminal.
pub fn width_of_terminal(is_terminal: bool) -> Option<usize> {
    let size = is_terminal.then(crossterm::terminal::size)?;
    // Some tell that they have none.
    let columns = size.ok().map(|(columns, _)| columns.into()).filter(|columns| *columns > 0);
    Some(columns.unwrap_or(80))
}

/// Writes all rows under one head, or each as a block where the columns do not fit beside each other. `rows` is
/// walked twice: first for the widths. Cells are to be escaped.
pub fn write<R, I: Iterator<Item = R>>(
    out: &mut impl Write,
    columns: &[TextColumn<'_, R>],
    rows: impl Fn() -> I,
    width: Option<usize>,
) -> io::Result<()> {
    let mut natural: Vec<usize> = columns.iter().map(|column| column.title.width()).collect();
    for row in rows() {
        for (width, column) in natural.iter_mut().zip(columns) {
            *width = (*width).max((column.cell)(&row).width());
        }
    }
    let kept: Vec<bool> = columns.iter().map(|column| column.is_kept).collect();
    let Some(widths) = fitting(&natural, &kept, width) else { return write_blocks(out, columns, rows()) };
    let mut rows = rows();
    let mut is_first = true;
    loop {
        let mut table = Table::new();
        table.load_style(style()).set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::MAX);
        if is_first {
            table.set_header(columns.iter().map(|column| column.title));
        }
        for row in rows.by_ref().take(ROWS) {
            table.add_row(columns.iter().map(|column| (column.cell)(&row)));
        }
        if !is_first && table.is_empty() {
            return Ok(());
        }
        for (column, width) in table.column_iter_mut().zip(&widths) {
            column.set_padding((0, PADDING));
            let width = u16::try_from(*width).unwrap_or(u16::MAX).saturating_add(PADDING);
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        }
        for line in table.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        is_first = false;
    }
}

/// A line for each cell that is not empty, and an empty one between two rows. The terminal breaks what is long.
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

/// Right of each cell.
const PADDING: u16 = 1;

/// Between two columns: the padding, and a place for lines that are not drawn.
const GAP: usize = 2;

/// No lines but the one under the head.
fn style() -> TableStyle {
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'))
}

/// The widths of columns that fit: the widest give way first, and those that are kept last. None where they would
/// become too narrow.
fn fitting(natural: &[usize], kept: &[bool], width: Option<usize>) -> Option<Vec<usize>> {
    let gaps = GAP * natural.len();
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(gaps));
    let bound = width.unwrap_or(MAX_COLUMN);
    let capped = |cap: usize, keep: bool| -> Vec<usize> {
        let columns = natural.iter().zip(kept);
        columns.map(|(width, kept)| (*width).min(if keep && *kept { bound } else { cap })).collect()
    };
    let widest = natural.iter().copied().max().unwrap_or_default().min(bound);
    let from_widest = |least: usize, keep| (least..=widest.max(least)).rev().map(move |cap| (cap, keep));
    from_widest(MIN_BESIDE_KEPT, true)
        .chain(from_widest(MIN_COLUMN, false))
        .map(|(cap, keep)| capped(cap, keep))
        .find(|widths| widths.iter().sum::<usize>() <= room)
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
    fn what_does_not_fit_goes_on_in_the_next_line_whole() {
        let text = written(&[["short", "0123456789abcdef0123456789abcdef"]], Some(24));
        assert!(text.lines().all(|line| line.chars().count() <= 24), "{text}");
        let second: String = text.lines().skip(2).filter_map(|line| line.get(7..)).map(str::trim).collect();
        assert_eq!(second, "0123456789abcdef0123456789abcdef", "{text}");
    }

    #[test]
    fn where_no_table_fits_each_row_is_a_block() {
        let text = written(&[["0123456789", "0123456789"], ["", "y"]], Some(2 * (MIN_COLUMN + GAP) - 1));
        assert_eq!(text, "a: 0123456789\nb: 0123456789\n\nb: y\n");
    }

    #[test]
    fn rows_of_later_pieces_stand_under_the_same_head() {
        let rows = vec![["x", "y"]; 2 * ROWS + 1];
        let text = written(&rows, Some(80));
        assert_eq!(text.lines().count(), 2 + rows.len());
        assert_eq!(text.lines().filter(|line| line.starts_with('a')).count(), 1);
    }

    #[test]
    fn the_widest_columns_give_way_first() {
        let plain = |natural: &[usize], width| fitting(natural, &vec![false; natural.len()], width).unwrap();
        assert_eq!(plain(&[3, 50, 36], Some(60)), [3, 25, 25]);
        assert_eq!(plain(&[3, 5, 36], Some(60)), [3, 5, 36]);
        assert_eq!(plain(&[30, 30], Some(2 * (MIN_COLUMN + GAP))), [MIN_COLUMN; 2]);
        assert_eq!(plain(&[3, 70_000], None), [3, MAX_COLUMN]);
    }

    #[test]
    fn what_is_kept_gives_way_when_nothing_else_can() {
        let last_kept = |width| fitting(&[10, 50, 36], &[false, false, true], Some(width)).unwrap();
        assert_eq!(last_kept(100), [10, 48, 36]);
        assert_eq!(last_kept(70), [10, 18, 36]);
        assert_eq!(last_kept(60), [10, 22, 22]);
    }
}
