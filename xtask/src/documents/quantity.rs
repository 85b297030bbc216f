//! Numbers as people write them.

use super::Finding;
use super::expression::Value;
use super::page::{Line, Page};

const WORDS: [&str; 13] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
];

const ORDINALS: [&str; 9] = ["", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"];

/// How a share of one by this number is called.
const SHARES: [(i128, &str); 4] = [(2, "half"), (3, "third"), (4, "quarter"), (8, "eighth")];

/// Names of units of time, with their nanoseconds.
const TIMES: [(&str, i128); 13] = [
    ("ns", 1),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("milliseconds", 1_000_000),
    ("毫秒", 1_000_000),
    ("s", 1_000_000_000),
    ("second", 1_000_000_000),
    ("seconds", 1_000_000_000),
    ("秒", 1_000_000_000),
    ("min", 60_000_000_000),
    ("minute", 60_000_000_000),
    ("minutes", 60_000_000_000),
    ("分钟", 60_000_000_000),
];

/// Names of units of size, with their octets.
const SIZES: [(&str, i128); 6] =
    [("B", 1), ("bytes", 1), ("octets", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Every way to write a value.
pub(crate) fn renderings(value: &Value) -> Vec<String> {
    match value {
        Value::Text(text) => vec![text.clone()],
        Value::Number(number) => {
            let mut forms = counts(*number);
            forms.push(format!("0{number:o}"));
            for (unit, size) in SIZES {
                // The largest size of a file is one less than what its name says.
                for exact in [*number, number + 1, number + 2] {
                    if exact % size == 0 && exact >= size && (exact == *number || *number > 1 << 30) {
                        forms.extend(counts(exact / size).into_iter().map(|count| format!("{count} {unit}")));
                    }
                }
            }
            forms
        }
        Value::Time(nanoseconds) => {
            let mut forms = Vec::new();
            for (unit, size) in TIMES {
                // Thousandths are as fine as anybody writes.
                if nanoseconds * 1_000 % size == 0 {
                    for count in counts_of_thousandths(nanoseconds * 1_000 / size) {
                        forms.push(format!("{count} {unit}"));
                        forms.push(format!("{count}{unit}"));
                    }
                }
            }
            forms
        }
    }
}

fn counts(number: i128) -> Vec<String> {
    let mut forms = vec![number.to_string(), grouped(number)];
    let index = usize::try_from(number).unwrap_or(usize::MAX);
    forms.extend(WORDS.get(index).map(|word| (*word).to_owned()));
    forms.extend(ORDINALS.get(index).filter(|word| !word.is_empty()).map(|word| (*word).to_owned()));
    let share = SHARES.into_iter().find(|(parts, _)| *parts == number);
    forms.extend(share.map(|(_, word)| word.to_owned()));
    match number {
        1 => forms.extend(["a", "once"].map(str::to_owned)),
        2 => forms.push("twice".to_owned()),
        _ => {}
    }
    if number > 1 {
        forms.push(format!("1/{number}"));
    }
    if number >= 1_000_000 && number % 1_000_000 == 0 {
        forms.push(format!("{} million", number / 1_000_000));
    }
    forms
}

fn counts_of_thousandths(thousandths: i128) -> Vec<String> {
    if thousandths % 1_000 == 0 {
        return counts(thousandths / 1_000);
    }
    let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    vec![text.trim_end_matches('0').to_owned()]
}

/// With a comma before each group of three digits.
fn grouped(number: i128) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Whether a text ends with one of these forms, as a word of its own.
pub(crate) fn ends_with(text: &str, forms: &[String]) -> bool {
    let text = text.trim_end().trim_end_matches(['`', '*']).to_lowercase();
    forms.iter().any(|form| {
        let before = text.strip_suffix(form.to_lowercase().as_str());
        before.is_some_and(|before| {
            !before.ends_with(|sign: char| sign.is_alphanumeric() || ".,/".contains(sign))
                || before.ends_with(", ")
        })
    })
}

/// Numbers with a unit that do not say where they come from.
pub(crate) fn without_mark(page: &Page) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in page.prose().filter(|line| line.section != "Bounds" && !inside_generated(page, line)) {
        let text = line.without_spans();
        for (quantity, behind) in quantities(&text) {
            if !behind.trim_start().starts_with("<!--") {
                findings.push(Finding {
                    page: page.name.clone(),
                    line: line.number,
                    what: format!("'{quantity}' does not say where it comes from; CONTRIBUTING.md tells how"),
                });
            }
        }
    }
    findings
}

fn inside_generated(page: &Page, line: &Line) -> bool {
    let before = page.lines.iter().take(line.number).rev();
    let mut marks = before.filter(|line| line.text.starts_with("<!-- "));
    marks
        .find(|line| line.text.contains("generated"))
        .is_some_and(|line| line.text.starts_with("<!-- generated"))
}

/// Each number with a unit of time or size, and what stands behind it.
fn quantities(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(begin) = text.get(from..).and_then(|rest| rest.find(|sign: char| sign.is_ascii_digit())) {
        let begin = from + begin;
        let rest = text.get(begin..).unwrap_or_default();
        let end =
            rest.find(|sign: char| !sign.is_ascii_digit() && !".,".contains(sign)).unwrap_or(rest.len());
        // A comma or full stop behind it is no part of it.
        let length = rest.get(..end).unwrap_or_default().trim_end_matches(['.', ',']).len();
        from = begin + length;
        let behind = rest.get(length..).unwrap_or_default();
        let unit_text = behind.strip_prefix(' ').unwrap_or(behind);
        let unit = TIMES.iter().chain(&SIZES).map(|(unit, _)| *unit).filter(|unit| {
            unit_text.strip_prefix(*unit).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
        });
        if let Some(unit) = unit.max_by_key(|unit| unit.len()) {
            let end = from + (behind.len() - unit_text.len()) + unit.len();
            if let (Some(quantity), Some(behind)) = (text.get(begin..end), text.get(end..)) {
                found.push((quantity, behind));
            }
            from = end;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_recognised_as_people_write_them() {
        let time = |nanoseconds| renderings(&Value::Time(nanoseconds));
        assert!(ends_with("gives up `20 ms`", &time(20_000_000)));
        assert!(ends_with("0.02 s", &time(20_000_000)));
        assert!(ends_with("waits a second", &time(1_000_000_000)));
        assert!(ends_with("大约 8 秒", &time(8_000_000_000)));
        assert!(!ends_with("120 ms", &time(20_000_000)));
        let number = |number| renderings(&Value::Number(number));
        assert!(ends_with("the last 1,000", &number(1000)));
        assert!(ends_with("at most four", &number(4)));
        assert!(ends_with("the fourth", &number(4)));
        assert!(ends_with("an eighth", &number(8)));
        assert!(ends_with("64 KiB", &number(65_536)));
        assert!(ends_with("mode 0644", &number(0o644)));
        assert!(ends_with("4 GiB", &number(i128::from(u32::MAX) - 1)));
        assert!(!ends_with("21,000", &number(1000)));
        assert!(!ends_with("64 MiB", &number(65_536)));
    }

    #[test]
    fn a_number_with_a_unit_wants_a_mark() {
        let page = |text: &str| Page::new("p".to_owned(), text);
        assert_eq!(without_mark(&page("It waits 20 ms.")).len(), 1);
        assert_eq!(without_mark(&page("It waits 20 ms<!-- GRACE -->, and `30 s`, section 7.3 s.")).len(), 1);
        assert_eq!(without_mark(&page("text\n\n    sleep 20 s\n")), []);
        assert_eq!(without_mark(&page("RFC 9568 section 6.1 says 3 things, below 100,B")), []);
        assert_eq!(without_mark(&page("<!-- generated: x -->\n5 s\n<!-- end of generated -->\n")), []);
    }
}
