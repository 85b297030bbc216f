//! Columns that fold instead of cutting.

use unicode_width::UnicodeWidthStr as _;

use crate::terminal::{Paint, Palette, harmless};

/// Columns between two cells.
const GAP: usize = 2;
/// A last column narrower than this goes below its row instead.
const LAST_COLUMN_MIN: usize = 28;
/// Indent of what goes below.
const BELOW: usize = 4;

/// One piece of text in one colour.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    paint: Option<Paint>,
}

impl Cell {
    pub(crate) fn plain(text: impl AsRef<str>) -> Self {
        Self { text: harmless(text.as_ref()).replace('\n', " "), paint: None }
    }

    pub(crate) fn painted(paint: Paint, text: impl AsRef<str>) -> Self {
        Self { paint: Some(paint), ..Self::plain(text) }
    }

    fn show(&self, palette: Palette) -> String {
        self.paint.map_or_else(|| self.text.clone(), |paint| palette.paint(paint, &self.text))
    }
}

/// A table: its last column takes what is left of the width, and folds.
#[derive(Debug)]
pub(crate) struct Table<const COLUMNS: usize> {
    headings: [&'static str; COLUMNS],
    rows: Vec<[Cell; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(crate) fn new(headings: [&'static str; COLUMNS]) -> Self {
        Self { headings, rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: [Cell; COLUMNS]) {
        self.rows.push(row);
    }

    /// Appends the table to `text`.
    pub(crate) fn write(&self, text: &mut String, palette: Palette, width: Option<usize>) {
        let headings = self.headings.map(|heading| Cell::painted(Paint::Strong, heading));
        let widths: Vec<usize> = (0..COLUMNS)
            .map(|column| {
                std::iter::once(&headings)
                    .chain(&self.rows)
                    .filter_map(|row| row.get(column))
                    .map(|cell| cell.text.width())
                    .max()
                    .unwrap_or_default()
            })
            .collect();
        let last_starts = widths.iter().rev().skip(1).map(|width| width + GAP).sum::<usize>();
        let last = match width {
            None => Last::Beside { room: usize::MAX },
            Some(width) if width >= last_starts + LAST_COLUMN_MIN => {
                Last::Beside { room: width - last_starts }
            }
            Some(width) => Last::Below { room: width.saturating_sub(BELOW).max(LAST_COLUMN_MIN) },
        };
        for row in std::iter::once(&headings).chain(&self.rows) {
            write_row(text, row, &widths, last_starts, last, palette);
        }
    }
}

/// Where the last column goes.
#[derive(Debug, Clone, Copy)]
enum Last {
    Beside { room: usize },
    Below { room: usize },
}

fn write_row(text: &mut String, row: &[Cell], widths: &[usize], starts: usize, last: Last, palette: Palette) {
    let Some((last_cell, cells)) = row.split_last() else { return };
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        line.push_str(&cell.show(palette));
        line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.text.width()) + GAP));
    }
    match last {
        Last::Beside { room } => {
            text.push_str(&line);
            write_folded(text, last_cell, room, starts, palette);
        }
        Last::Below { room } => {
            text.push_str(line.trim_end());
            text.push('\n');
            if !last_cell.text.is_empty() {
                text.extend(std::iter::repeat_n(' ', BELOW));
                write_folded(text, last_cell, room, BELOW, palette);
            }
        }
    }
}

fn write_folded(text: &mut String, cell: &Cell, room: usize, indent: usize, palette: Palette) {
    for (position, piece) in fold(&cell.text, room).into_iter().enumerate() {
        if position > 0 {
            text.extend(std::iter::repeat_n(' ', indent));
        }
        let piece = Cell { text: piece, paint: cell.paint };
        text.push_str(&piece.show(palette));
        while text.ends_with(' ') {
            text.pop();
        }
        text.push('\n');
    }
}

/// Breaks at spaces; a word longer than the room stays whole.
pub(crate) fn fold(text: &str, room: usize) -> Vec<String> {
    if text.width() <= room {
        return vec![text.to_owned()];
    }
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.width() + 1 + word.width() <= room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// A labelled list: labels on the left, values folded beside them.
#[derive(Debug)]
pub(crate) struct Facts {
    indent: usize,
    rows: Vec<(&'static str, Cell)>,
}

impl Facts {
    pub(crate) fn new(indent: usize) -> Self {
        Self { indent, rows: Vec::new() }
    }

    /// A value; an empty label goes on with the one above.
    pub(crate) fn push(&mut self, label: &'static str, value: Cell) {
        self.rows.push((label, value));
    }

    /// Appends the list to `text`.
    pub(crate) fn write(&self, text: &mut String, palette: Palette, width: Option<usize>) {
        /// Wide enough for the longest label.
        const LABEL: usize = 16;
        let starts = self.indent + LABEL;
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(starts).max(LAST_COLUMN_MIN));
        for (label, value) in &self.rows {
            text.extend(std::iter::repeat_n(' ', self.indent));
            text.push_str(&palette.paint(Paint::Faint, label));
            text.extend(std::iter::repeat_n(' ', LABEL.saturating_sub(label.width())));
            write_folded(text, value, room, starts, palette);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_loses_no_word() {
        assert_eq!(fold("one two three", 7), ["one two", "three"]);
        assert_eq!(fold("a-very-long-word b", 4), ["a-very-long-word", "b"]);
        assert_eq!(fold("", 4), [""]);
    }

    #[test]
    fn a_narrow_terminal_has_the_last_column_below() {
        let mut table = Table::new(["NAME", "WHY"]);
        table.push([
            Cell::plain("a-long-instance-name"),
            Cell::plain("heard nothing from 10.0.0.2 for 3609 ms"),
        ]);
        let mut text = String::new();
        table.write(&mut text, Palette::Plain, Some(40));
        assert_eq!(
            text,
            "NAME\n    WHY\na-long-instance-name\n    heard nothing from 10.0.0.2 for 3609\n    ms\n"
        );
    }

    #[test]
    fn wide_characters_count_as_two_columns() {
        let mut table = Table::new(["N", "X"]);
        table.push([Cell::plain("主机"), Cell::plain("1")]);
        let mut text = String::new();
        table.write(&mut text, Palette::Plain, None);
        assert_eq!(text, "N     X\n主机  1\n");
    }
}
