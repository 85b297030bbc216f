//! The tables of iproute2 that give numbers names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use steadfast_config::load::{NameFolders, NameTable};
use steadfast_kernel::file;

/// Longest table that is read, bytes.
const TABLE_BYTES_MAX: u32 = 1 << 20;
/// Where distributions have the vendor's tables; the first folder that is there counts.
const VENDOR: [&str; 2] = ["/usr/share/iproute2", "/usr/lib/iproute2"];
const ADMINISTRATOR: &str = "/etc/iproute2";

/// The names of a table, those of the administrator before the vendor's. What is put beside the tables only adds: FRR
/// calls its own number `static` too, which is to stay the kernel's.
pub(super) fn read(table: NameTable, folders: &NameFolders) -> BTreeMap<String, u32> {
    let vendor = match folders.vendor.as_deref() {
        Some(folder) => Some(Path::new(folder)),
        None => VENDOR.iter().map(Path::new).find(|folder| folder.is_dir()),
    };
    let administrator = Path::new(folders.administrator.as_deref().unwrap_or(ADMINISTRATOR));
    let files = || vendor.into_iter().chain([administrator]).map(|folder| folder.join(table.file()));
    let mut names: BTreeMap<String, u32> = files().flat_map(|file| of_file(&file)).collect();
    for addition in files().flat_map(|file| additions(&file.with_extension("d"))) {
        for (name, number) in of_file(&addition) {
            names.entry(name).or_insert(number);
        }
    }
    names
}

/// The files that packages and administrators put beside a table.
fn additions(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    files.sort();
    files
}

/// Lines of a number, decimal or hexadecimal, and a name; `#` begins a comment.
fn of_file(path: &Path) -> Vec<(String, u32)> {
    let Ok(contents) = file::beginning(path, TABLE_BYTES_MAX) else { return Vec::new() };
    let text = String::from_utf8_lossy(&contents);
    let entry = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let number = words.next()?;
        let number = match number.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        Some((words.next()?.to_owned(), number))
    };
    text.lines().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_administrator_overrides_the_vendor() {
        let folder = std::env::temp_dir().join(format!("steadfast-names-{}", std::process::id()));
        let (vendor, administrator) = (folder.join("usr"), folder.join("etc"));
        std::fs::create_dir_all(administrator.join("rt_tables.d")).unwrap();
        std::fs::create_dir_all(&vendor).unwrap();
        std::fs::write(vendor.join("rt_tables"), "254 main\n100\tblue # the vendor's\n#7 none\n").unwrap();
        std::fs::write(administrator.join("rt_tables"), "0x65 blue\nnonsense\n8\n").unwrap();
        std::fs::write(administrator.join("rt_tables.d/a.conf"), "102 green\n196 main\n").unwrap();
        std::fs::write(administrator.join("rt_tables.d/a.bak"), "103 red\n").unwrap();
        let text = |path: &Path| path.to_str().map(Into::into);
        let folders = NameFolders { vendor: text(&vendor), administrator: text(&administrator) };
        let names = read(NameTable::RoutingTables, &folders);
        std::fs::remove_dir_all(&folder).unwrap();
        let expected = [("blue", 101), ("green", 102), ("main", 254)];
        assert_eq!(names, expected.map(|(name, number)| (name.to_owned(), number)).into());
    }
}
