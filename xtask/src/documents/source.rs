//! The constants and the words of the code, read as text: what is private to a room can be told in a document too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::expression::{Value, evaluate};

/// What the documents can speak of.
#[derive(Default)]
pub(crate) struct Source {
    constants: BTreeMap<String, Vec<Constant>>,
    /// Identifiers of any kind.
    words: BTreeSet<String>,
    /// What stands between quotes.
    literals: Vec<String>,
    /// From the workspace's manifest.
    rust_version: String,
    /// Settings of the systemd unit.
    unit: BTreeMap<String, String>,
    /// Defaults of keywords, as docs/reference.md has them from the keyword table.
    defaults: BTreeMap<String, String>,
}

/// One constant, and where it stands.
struct Constant {
    /// The parts of the file's path, without `src` and the ending.
    place: Vec<String>,
    expression: String,
}

/// How deep constants may lead to constants.
const DEPTH_MAX: usize = 8;

impl Source {
    /// Reads every room of a workspace.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut source = Self::default();
        let manifest = fs::read_to_string(root.join("Cargo.toml")).context("Cargo.toml")?;
        let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
        source.rust_version = version.unwrap_or_default().trim_matches('"').to_owned();
        let unit = fs::read_to_string(root.join("packaging/steadfast.service")).context("the unit")?;
        let settings = unit.lines().filter_map(|line| line.split_once('='));
        source.unit = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let reference = fs::read_to_string(root.join("docs/reference.md")).context("the reference")?;
        source.defaults = reference.lines().filter_map(default_of).collect();
        let mut folders = vec![root.join("crates"), root.join("xtask")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                if path.is_dir() {
                    if !["tests", "target", "benches", "examples"].contains(&name) {
                        folders.push(path);
                    }
                } else if name.ends_with(".rs") && name != "tests.rs" {
                    let place = path.strip_prefix(root).unwrap_or(&path);
                    source.take(place, &fs::read_to_string(&path)?);
                }
            }
        }
        Ok(source)
    }

    /// Takes one file in.
    pub(crate) fn take(&mut self, path: &Path, text: &str) {
        let parts = path.with_extension("");
        let place: Vec<String> = parts
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .filter(|part| !["crates", "src", "mod"].contains(&part.as_str()))
            .collect();
        let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for declaration in text.split("const ").skip(1) {
            let Some((name, rest)) = declaration.split_once(':') else { continue };
            let Some(expression) = declared_value(rest) else { continue };
            if is_constant(name) {
                let expression = expression.to_owned();
                self.constants
                    .entry(name.to_owned())
                    .or_default()
                    .push(Constant { place: place.clone(), expression });
            }
        }
        let words = text.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_');
        self.words.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
        self.literals.extend(literals(text));
    }

    /// The value of an expression of constants, such as `BEAT * 3` or `journal::KEPT_MAX`.
    pub(crate) fn value(&self, expression: &str) -> Result<Value, String> {
        self.value_at(expression, &[], 0)
    }

    fn value_at(&self, expression: &str, place: &[String], depth: usize) -> Result<Value, String> {
        if expression == "rust-version" {
            return Ok(Value::Text(self.rust_version.clone()));
        }
        let told = expression.strip_prefix("unit ").and_then(|name| self.unit.get(name));
        let told = told.or_else(|| self.defaults.get(expression.strip_prefix("default of ")?));
        if let Some(told) = told {
            return Ok(Value::Text(told.clone()));
        }
        if depth > DEPTH_MAX {
            return Err("constants lead to each other".to_owned());
        }
        evaluate(expression, &|path| self.constant(path, place, depth))
    }

    fn constant(&self, path: &[&str], from: &[String], depth: usize) -> Result<Value, String> {
        let (name, room) = path.split_last().ok_or("no name")?;
        let known = self.constants.get(*name).map(Vec::as_slice).unwrap_or_default();
        let mut found: Vec<&Constant> = known
            .iter()
            .filter(|constant| {
                let mut named = room.iter().filter(|part| !["Self", "crate", "super"].contains(part));
                named.all(|part| constant.place.iter().any(|word| word == part))
            })
            .collect();
        if found.iter().any(|constant| constant.place == from) {
            found.retain(|constant| constant.place == from);
        }
        let mut values = Vec::new();
        for constant in &found {
            let value = self.value_at(&constant.expression, &constant.place, depth + 1)?;
            if !values.contains(&value) {
                values.push(value);
            }
        }
        match values.as_slice() {
            [value] => Ok(with_unit(name, value)),
            [] => Err(format!("there is no constant {}", path.join("::"))),
            _ => {
                let places: Vec<_> = found.iter().map(|constant| constant.place.join("::")).collect();
                Err(format!("{} is ambiguous: say which one ({})", path.join("::"), places.join(", ")))
            }
        }
    }

    /// Whether anything in the code has this name.
    pub(crate) fn knows(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    /// Whether the program says this: every part of it that stands between `…`.
    pub(crate) fn says(&self, text: &str) -> bool {
        let mut parts = text.split('…').map(str::trim).filter(|part| !part.is_empty());
        parts.all(|part| self.literals.iter().any(|literal| literal.contains(part)))
    }

    /// The names of constants that bound something, in the rooms whose processes live for months.
    pub(crate) fn bounds(&self) -> impl Iterator<Item = &str> {
        let bounding = |name: &str| name.ends_with("_MAX") || name.starts_with("MAX_");
        let lasting = |constant: &Constant| {
            constant
                .place
                .first()
                .is_some_and(|room| !["lab", "sim", "steadfast", "wire", "xtask"].contains(&room.as_str()))
        };
        let named = self.constants.iter().filter(move |(name, _)| bounding(name));
        named.filter(move |(_, places)| places.iter().any(lasting)).map(|(name, _)| name.as_str())
    }
}

/// A keyword and its default, from a line of the reference.
fn default_of(line: &str) -> Option<(String, String)> {
    let (word, rest) = line.strip_prefix("- **`")?.split_once('`')?;
    let (_, default) = rest.split_once(" Default: ")?;
    let (default, _) = default.split_once('.')?;
    let default = default.split(" when ").next().unwrap_or(default);
    Some((word.to_owned(), default.to_owned()))
}

/// What stands between `=` and the end of a declaration whose type comes first.
fn declared_value(rest: &str) -> Option<&str> {
    let (kind, value) = rest.split_once(" = ").or_else(|| rest.split_once(" =\n"))?;
    if kind.contains([';', '{', '(']) {
        return None;
    }
    let mut quoted = false;
    let end = value.find(|sign| {
        quoted ^= sign == '"';
        sign == ';' && !quoted
    })?;
    value.get(..end).map(str::trim)
}

fn is_constant(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|sign| sign.is_ascii_uppercase() || sign.is_ascii_digit() || sign == '_')
}

/// A number whose name tells its unit: a time is one, and a size is in octets.
fn with_unit(name: &str, value: &Value) -> Value {
    let units = [
        ("_NANOSECONDS", 1),
        ("_MICROSECONDS", 1_000),
        ("_MILLISECONDS", 1_000_000),
        ("_SECONDS", 1_000_000_000),
    ];
    let unit = units.into_iter().find(|(unit, _)| name.ends_with(unit));
    match (value, unit) {
        (Value::Number(number), None) if name.ends_with("_KIB") => Value::Number(number << 10),
        (Value::Number(number), Some((_, nanoseconds))) => Value::Time(number * nanoseconds),
        _ => value.clone(),
    }
}

/// The strings of a file, with a line that goes on joined as the compiler does it.
fn literals(text: &str) -> Vec<String> {
    let code = text.lines().map(|line| match line.trim_start().starts_with("//") {
        true => "",
        false => line,
    });
    let code: String = code.collect::<Vec<_>>().join("\n");
    let mut literals = Vec::new();
    let mut signs = code.chars().peekable();
    let mut literal: Option<String> = None;
    while let Some(sign) = signs.next() {
        match (&mut literal, sign) {
            (None, '"') => literal = Some(String::new()),
            (None, '\'') => {
                // A character such as '"'; a lifetime has no end.
                let ahead: String = signs.clone().take(2).collect();
                if ahead == "\"'" || ahead == "\\\"" {
                    signs.by_ref().take(2).for_each(drop);
                }
            }
            (None, _) => {}
            (Some(_), '"') => literals.extend(literal.take()),
            (Some(text), '\\') => match signs.next() {
                Some('\n') => while signs.next_if(|next| next.is_whitespace()).is_some() {},
                Some('n') => text.push('\n'),
                Some(next) => text.push(next),
                None => {}
            },
            (Some(text), _) => text.push(sign),
        }
    }
    literals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        let mut source = Source::default();
        source.take(
            Path::new("crates/daemon/src/supervisor/notify.rs"),
            "/// Doc.\nconst WAITING_MAX: usize = 64;\nconst PATIENCE: Duration = Duration::from_secs(1);\n",
        );
        source.take(
            Path::new("crates/daemon/src/supervisor/hooks.rs"),
            "const PATIENCE: Duration = Duration::from_secs(14);\nconst LONG: Duration = PATIENCE;\n\
             pub(crate) const WAIT_NANOSECONDS: u64 =\n    2 * 1_000;\nfn f() { g(\"no \\\n   news; {x}\"); h('\"'); }\n",
        );
        source
    }

    #[test]
    fn constants_are_found_by_name_and_told_apart_by_place() {
        let source = source();
        assert_eq!(source.value("WAITING_MAX"), Ok(Value::Number(64)));
        assert_eq!(source.value("hooks::PATIENCE"), Ok(Value::Time(14_000_000_000)));
        assert!(source.value("PATIENCE").unwrap_err().contains("ambiguous"));
        assert_eq!(source.value("LONG"), Ok(Value::Time(14_000_000_000)));
        assert_eq!(source.value("WAIT_NANOSECONDS"), Ok(Value::Time(2_000)));
        assert!(source.value("nosuch::WAITING_MAX").is_err());
    }

    #[test]
    fn what_the_program_says_is_known() {
        let source = source();
        assert!(source.says("no news") && source.says("no … news; …"));
        assert!(!source.says("good news"));
        assert!(source.knows("WAITING_MAX") && !source.knows("Doc2"));
    }
}
