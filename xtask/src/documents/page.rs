//! A Markdown page, line by line.

/// A page with what each of its lines is.
pub(crate) struct Page {
    /// Its path in the workspace.
    pub(crate) name: String,
    /// In order.
    pub(crate) lines: Vec<Line>,
}

/// One line.
pub(crate) struct Line {
    /// Counted from one.
    pub(crate) number: usize,
    /// As it stands there.
    pub(crate) text: String,
    /// Whether it is shown as code.
    pub(crate) code: bool,
    /// The heading that it stands below.
    pub(crate) section: String,
}

impl Page {
    /// Takes a page apart.
    pub(crate) fn new(name: String, text: &str) -> Self {
        let mut lines: Vec<Line> = Vec::new();
        let (mut fenced, mut section, mut may_begin) = (false, String::new(), true);
        for (index, text) in text.lines().enumerate() {
            let fence = text.trim_start().starts_with("```");
            let blank = text.trim().is_empty();
            // A line that is indented behind a paragraph belongs to it.
            let indented = text.starts_with("    ") && may_begin;
            let code = fenced || fence || (indented && !blank);
            if fence {
                fenced = !fenced;
            }
            if !code && let Some(heading) = heading(text) {
                section = heading.to_owned();
            }
            may_begin = blank || code;
            lines.push(Line { number: index + 1, text: text.to_owned(), code, section: section.clone() });
        }
        Self { name, lines }
    }

    /// Its text without code, a line for each.
    pub(crate) fn prose(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| !line.code)
    }

    /// The anchors of its headings, as GitHub makes them.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for heading in self.prose().filter_map(|line| heading(&line.text)) {
            let anchor = slug(heading);
            let before = anchors.iter().filter(|known| **known == anchor).count();
            anchors.push(if before == 0 { anchor } else { format!("{anchor}-{before}") });
        }
        anchors
    }
}

impl Line {
    /// What stands between backquotes, each with where it begins.
    pub(crate) fn spans(&self) -> Vec<&str> {
        self.text.split('`').skip(1).step_by(2).collect()
    }

    /// The text with code spans blanked out: every offset stays.
    pub(crate) fn without_spans(&self) -> String {
        let mut inside = false;
        let blank = |sign: char| {
            if sign == '`' {
                inside = !inside;
            }
            if inside || sign == '`' { " ".repeat(sign.len_utf8()) } else { sign.to_string() }
        };
        self.text.chars().map(blank).collect()
    }
}

fn heading(line: &str) -> Option<&str> {
    line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')).map(str::trim)
}

fn slug(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|sign| sign.is_alphanumeric() || " -_".contains(*sign));
    kept.map(|sign| if sign == ' ' { '-' } else { sign }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_prose() {
        let page = Page::new(
            "p".to_owned(),
            "# A\ntext\n    goes on\n\n    code\n\n    more\n\n```\nfenced\n```\nend",
        );
        let code: Vec<_> = page.lines.iter().filter(|line| line.code).map(|line| line.number).collect();
        assert_eq!(code, [5, 7, 9, 10, 11]);
    }

    #[test]
    fn anchors_are_those_of_github() {
        let page = Page::new(
            "p".to_owned(),
            "# A worker's death\n## `-t` with *x*\n## Bounds\n## Bounds\n## 三点\n",
        );
        assert_eq!(page.anchors(), ["a-workers-death", "-t-with-x", "bounds", "bounds-1", "三点"]);
    }
}
