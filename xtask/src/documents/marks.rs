//! Marks: comments behind a number that tell where it comes from.

use super::Finding;
use super::page::Page;
use super::quantity::{ends_with, renderings};
use super::source::Source;

/// Where a number comes from that the code does not know.
const ELSEWHERE: [&str; 5] = ["example", "keepalived", "kernel", "measured", "protocol"];

/// Says that the code span before it is what the program prints.
const SAYS: &str = "says";

/// Compares what stands before each mark with the code.
pub(crate) fn check(page: &Page, source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in page.prose() {
        let mut before = String::new();
        let mut rest = line.text.as_str();
        while let Some((text, behind)) = rest.split_once("<!--") {
            before.push_str(text);
            if before.matches('`').count() % 2 == 1 {
                // Within a code span it is shown.
                before.push_str("<!--");
                rest = behind;
                continue;
            }
            let (mark, behind) = behind.split_once("-->").unwrap_or((behind, ""));
            if let Err(what) = agrees(&before, mark.trim(), source) {
                findings.push(Finding { page: page.name.clone(), line: line.number, what });
            }
            rest = behind;
        }
    }
    findings
}

/// What stands in the marks of a page.
pub(crate) fn all(page: &Page) -> Vec<String> {
    let marks = page.prose().flat_map(|line| line.text.split("<!--").skip(1));
    marks.filter_map(|rest| Some(rest.split_once("-->")?.0.trim().to_owned())).collect()
}

fn agrees(before: &str, mark: &str, source: &Source) -> Result<(), String> {
    if ELSEWHERE.contains(&mark) || mark.starts_with("generated") || mark.starts_with("end of generated") {
        return Ok(());
    }
    if mark == SAYS {
        let said = before.trim_end().strip_suffix('`').and_then(|text| text.rsplit_once('`'));
        let Some((_, said)) = said else { return Err("no code span stands before 'says'".to_owned()) };
        return if source.says(said) { Ok(()) } else { Err(format!("the program never says `{said}`")) };
    }
    let forms = renderings(&source.value(mark)?);
    if ends_with(before, &forms) {
        return Ok(());
    }
    let shown = forms
        .iter()
        .find(|form| form.contains(' '))
        .or(forms.first())
        .map(String::as_str)
        .unwrap_or_default();
    let told: Vec<&str> = before.split_whitespace().rev().take(3).collect();
    let told: Vec<&str> = told.into_iter().rev().collect();
    Err(format!("{mark} is {shown}, and the page says '{}'", told.join(" ")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn findings(grace: &str, text: &str) -> Vec<String> {
        let mut source = Source::default();
        let code = format!(
            "const GRACE: Duration = Duration::from_millis({grace});\nfn f() {{ g(\"heard no master\"); }}"
        );
        source.take(Path::new("crates/vrrp/src/transition.rs"), &code);
        let found = check(&Page::new("page.md".to_owned(), text), &source);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_constant_that_changed_is_found() {
        let text = "It gives up\nafter 20 ms<!-- GRACE --> at most, `40 ms`<!-- 2 * GRACE -->.";
        assert_eq!(findings("20", text), [""; 0]);
        let [first, second] = &findings("21", text)[..] else { panic!("two findings") };
        assert!(
            first.starts_with("page.md:2: GRACE is ") && first.ends_with("'up after 20 ms'")
                || first.contains("'after 20 ms'"),
            "{first}"
        );
        assert!(second.contains("2 * GRACE"), "{second}");
    }

    #[test]
    fn a_constant_that_is_gone_and_a_sentence_that_nobody_says_are_found() {
        assert_eq!(findings("20", "5 s<!-- NOSUCH -->"), ["page.md:1: there is no constant NOSUCH"]);
        assert_eq!(findings("20", "WHY is `heard no master`<!-- says -->"), [""; 0]);
        let told = findings("20", "WHY is `saw no master`<!-- says -->");
        assert_eq!(told, ["page.md:1: the program never says `saw no master`"]);
    }

    #[test]
    fn a_number_of_elsewhere_is_left_alone() {
        assert_eq!(findings("20", "keepalived takes 3.6 s<!-- keepalived -->"), [""; 0]);
    }
}
