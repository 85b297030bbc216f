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
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    expendable: &'static [&'static str],
}

impl Table {
    pub(crate) fn new(headings: impl Into<Vec<&'static str>>) -> Self {
        Self { headings: headings.into(), rows: Vec::new(), expendable: &[] }
    }

    /// Columns that are left out, the first one first, where the terminal is too narrow for all but the last.
    pub(crate) fn expendable(self, columns: &'static [&'static str]) -> Self {
        Self { expendable: columns, ..self }
    }

    pub(crate) fn push(&mut self, row: impl Into<Vec<Cell>>) {
        self.rows.push(row.into());
    }

    /// Leaves out what is expendable until the columns before the last fit.
    fn fit(&mut self, width: usize) {
        let mut expendable = self.expendable.iter();
        while self.widths().iter().rev().skip(1).map(|width| width + GAP).sum::<usize>() > width + GAP {
            let Some(name) = expendable.next() else { return };
            let Some(column) = self.headings.iter().position(|heading| heading == name) else { continue };
            self.headings.remove(column);
            for row in self.rows.iter_mut().filter(|row| column < row.len()) {
                row.remove(column);
            }
        }
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.width());
            let heading = self.headings.get(column).map(|heading| heading.width());
            heading.into_iter().chain(cells).max().unwrap_or_default()
        };
        (0..self.headings.len()).map(width).collect()
    }

    /// Appends the table to `text`.
    pub(crate) fn write(mut self, text: &mut String, palette: Palette, width: Option<usize>) {
        if let Some(width) = width {
            self.fit(width);
        }
        let headings: Vec<Cell> =
            self.headings.iter().map(|heading| Cell::painted(Paint::Strong, heading)).collect();
        let widths = self.widths();
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
            Cell::plain("heard nothing from 10.0.0.2 for 3.609 s"),
        ]);
        let mut text = String::new();
        table.write(&mut text, Palette::Plain, Some(40));
        assert_eq!(
            text,
            "NAME\n    WHY\na-long-instance-name\n    heard nothing from 10.0.0.2 for\n    3.609 s\n"
        );
    }

    #[test]
    fn expendable_columns_go_first() {
        let table = || {
            let mut table = Table::new(["NAME", "ONE", "TWO", "WHY"]).expendable(&["TWO", "ONE"]);
            table.push(["name", "1", "2", "why"].map(Cell::plain));
            table
        };
        for (width, gone) in
            [(Some(14), ""), (Some(13), "TWO"), (Some(9), "TWO"), (Some(8), "ONE"), (None, "")]
        {
            let mut text = String::new();
            table().write(&mut text, Palette::Plain, width);
            assert_eq!(text.contains("TWO"), gone.is_empty(), "{text}");
            assert_eq!(text.contains("ONE"), gone != "ONE", "{text}");
            assert!(text.contains("NAME") && text.contains("why"), "{text}");
        }
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
