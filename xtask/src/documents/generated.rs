//! Parts of pages that are made from something else, between `<!-- generated: NAME -->` and `<!-- end of generated -->`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Finding;
use super::page::Page;
use crate::packages;

const BEGIN: &str = "<!-- generated: ";
const END: &str = "<!-- end of generated -->";

/// Rows of docs/performance.md that the READMEs show: how the row begins there, and what it is called here.
const AGAINST_KEEPALIVED: [(&str, &str, &str); 5] = [
    (
        "client outage, planned stop, 1 s",
        "What a client misses when the master is stopped, adverts once a second",
        "计划内停止 master 时客户端的中断(通告间隔 1 秒)",
    ),
    (
        "client outage, power loss, 100 ms",
        "What a client misses when the master loses power, adverts every 100 ms",
        "master 断电时客户端的中断(通告间隔 100 毫秒)",
    ),
    (
        "power loss of a master of 250",
        "From its power loss to all 250 addresses at the backup, adverts once a second, with `fast_detection`",
        "断电到备机持有全部 250 个地址(通告间隔 1 秒,使用 `fast_detection`)",
    ),
    (
        "CPU a sent advert",
        "Processor time an advert sent, 250 masters",
        "发送每个通告的 CPU 时间(250 个 master)",
    ),
    ("memory (PSS", "Memory of all processes, 250 masters", "全部进程的内存(250 个 master)"),
];

/// Parts of a page that are not what they should be.
pub(crate) fn check(page: &Page, root: &Path) -> Result<Vec<Finding>> {
    let text: String = page.lines.iter().map(|line| format!("{}\n", line.text)).collect();
    let wanted = made(&text, root).with_context(|| page.name.clone())?;
    let differs = text.lines().zip(wanted.lines()).position(|(has, wants)| has != wants);
    let differs = differs.or((text != wanted).then_some(0));
    Ok(differs
        .map(|index| Finding {
            page: page.name.clone(),
            line: index + 1,
            what: "this part is made from something else and is not up to date: cargo xtask docs --write"
                .to_owned(),
        })
        .into_iter()
        .collect())
}

/// Makes the parts of a page anew.
pub(crate) fn write(root: &Path, name: &str) -> Result<()> {
    let path = root.join(name);
    let text = fs::read_to_string(&path)?;
    let wanted = made(&text, root).with_context(|| name.to_owned())?;
    if text != wanted {
        fs::write(path, wanted)?;
    }
    Ok(())
}

/// A page with its parts as they should be.
fn made(text: &str, root: &Path) -> Result<String> {
    let mut page = String::new();
    let mut rest = text;
    // At the beginning of a line; elsewhere it is only spoken of.
    let begin = format!("\n{BEGIN}");
    while let Some((before, behind)) = rest.split_once(begin.as_str()) {
        let (name, behind) = behind.split_once(" -->").context("a mark is not closed")?;
        let (_, behind) = behind.split_once(END).with_context(|| format!("'{name}' has no end"))?;
        page.push_str(before);
        page.push_str(&format!("{begin}{name} -->\n{}{END}", part(name, root)?));
        rest = behind;
    }
    page.push_str(rest);
    Ok(page)
}

fn part(name: &str, root: &Path) -> Result<String> {
    match name {
        "against keepalived" => against_keepalived(root, "| | keepalived | steadfast |", |row| row.1),
        "against keepalived, in Chinese" => {
            against_keepalived(root, "| | keepalived | steadfast |", |row| row.2)
        }
        "packages" => {
            Ok(packages::names().map(|(package, what_for)| format!("- `{package}`: {what_for}\n")).collect())
        }
        _ => bail!("nothing is known that makes '{name}'"),
    }
}

type Row = (&'static str, &'static str, &'static str);

fn against_keepalived(root: &Path, head: &str, title: impl Fn(Row) -> &'static str) -> Result<String> {
    let measured = fs::read_to_string(root.join("docs/performance.md"))?;
    let mut text = format!("{head}\n|---|---|---|\n");
    for row in AGAINST_KEEPALIVED {
        let line =
            measured.lines().find(|line| line.strip_prefix("| ").is_some_and(|line| line.starts_with(row.0)));
        let line = line.with_context(|| format!("docs/performance.md has no row '{}'", row.0))?;
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, _, keepalived, steadfast, ..] = cells.as_slice() else {
            bail!("a row without cells: {line}")
        };
        text.push_str(&format!("| {} | {keepalived} | {steadfast} |\n", title(row)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    #[test]
    fn a_part_that_is_old_is_found_and_made_anew() {
        let text = format!("a\n{BEGIN}packages -->\nold\n{END}\nb\n");
        let wanted = made(&text, workspace()).unwrap();
        assert!(
            wanted.starts_with("a\n") && wanted.ends_with("\nb\n") && wanted.contains("`keepalived`"),
            "{wanted}"
        );
        assert_eq!(made(&wanted, workspace()).unwrap(), wanted);
        let page = |text: &str| Page::new("p".to_owned(), text);
        assert_eq!(check(&page(&wanted), workspace()).unwrap(), []);
        assert_eq!(check(&page(&text), workspace()).unwrap().len(), 1);
    }

    #[test]
    fn each_row_against_keepalived_is_measured() {
        let table = part("against keepalived", workspace()).unwrap();
        assert_eq!(table.lines().count(), 2 + AGAINST_KEEPALIVED.len());
    }
}
