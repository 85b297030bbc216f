//! Lines and columns of a file, without a list of all its lines.

/// A place as people count: lines and columns from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// A known place about every so many bytes: what a place costs depends neither on the length of the file nor on
/// that of the line.
const STEP_BYTES: usize = 4_096;

/// Places known in a file, from which others are found by counting on.
#[derive(Debug)]
pub(crate) struct LineIndex {
    /// In the order of their bytes; the first is the start of the file. All but the first are at ASCII
    /// characters, so that text before and after them can be decoded on its own.
    known: Vec<(usize, Position)>,
}

impl LineIndex {
    pub(crate) fn of(text: &[u8]) -> Self {
        let start = (0, Position { line: 1, column: 1 });
        let mut known = Vec::with_capacity(text.len() / STEP_BYTES + 1);
        known.push(start);
        let (mut from, mut position) = start;
        while let Some(rest) = text.get(from..) {
            let ascii = |rest: &[u8]| rest.iter().position(u8::is_ascii);
            let Some(further) = rest.get(STEP_BYTES..).and_then(ascii) else { break };
            let passed = rest.get(..STEP_BYTES + further).unwrap_or_default();
            position = after(position, passed);
            from += passed.len();
            known.push((from, position));
        }
        Self { known }
    }

    /// The place of a byte of the same text. Past the end: the start of its last line.
    pub(crate) fn position(&self, text: &[u8], offset: usize) -> Position {
        let before = self.known.partition_point(|(at, _)| *at <= offset).saturating_sub(1);
        let (from, position) =
            self.known.get(before).copied().unwrap_or((0, Position { line: 1, column: 1 }));
        match text.get(from..offset) {
            Some(passed) => after(position, passed),
            None => {
                let rest = text.get(from..).unwrap_or_default();
                Position { column: 1, ..after(position, rest) }
            }
        }
    }
}

/// The place behind text that begins at `position`.
fn after(position: Position, text: &[u8]) -> Position {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let columns = |text: &[u8]| match text.is_ascii() {
        true => count(text.len()),
        false => count(String::from_utf8_lossy(text).chars().count()),
    };
    match text.iter().rposition(|byte| *byte == b'\n') {
        None => Position { column: position.column.saturating_add(columns(text)), ..position },
        Some(last) => {
            let lines = count(text.iter().filter(|byte| **byte == b'\n').count());
            let line = text.get(last + 1..).unwrap_or_default();
            Position { line: position.line.saturating_add(lines), column: columns(line).saturating_add(1) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By counting from the start of the file.
    fn counted(text: &[u8], offset: usize) -> Position {
        after(Position { line: 1, column: 1 }, &text[..offset])
    }

    #[test]
    fn places_are_those_that_counting_from_the_start_gives() {
        let mut text = Vec::new();
        for line in 0..2_000_usize {
            text.extend_from_slice(&b"\xc3\xa4 x \xe2\x82\xac \xff "[..line % 11]);
            text.extend(std::iter::repeat_n(b'y', line % 61));
            text.push(b'\n');
        }
        text.extend("\u{20ac}".repeat(3_000).bytes());
        text.extend(b"end of a long line");
        let index = LineIndex::of(&text);
        assert!(index.known.len() > 10);
        for offset in (0..text.len()).filter(|offset| offset % 37 == 0 && text[*offset].is_ascii()) {
            assert_eq!(index.position(&text, offset), counted(&text, offset), "{offset}");
        }
        assert_eq!(index.position(&text, text.len()), counted(&text, text.len()));
    }

    #[test]
    fn places_past_the_end_are_in_the_last_line() {
        let text = b"a\nbc";
        let index = LineIndex::of(text);
        assert_eq!(index.position(text, 100), Position { line: 2, column: 1 });
        assert_eq!(LineIndex::of(b"").position(b"", 0), Position { line: 1, column: 1 });
    }
}
