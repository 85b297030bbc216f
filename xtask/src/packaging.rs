//! What a package installs is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Source and destination of each file of the Debian package.
fn assets(manifest: &str) -> Vec<(String, String)> {
    let metadata = manifest.split("[package.metadata.deb]").nth(1).unwrap_or_default();
    let lines = metadata.lines().filter_map(|line| line.trim().strip_prefix("[\""));
    let words = lines.map(|line| line.split('"').step_by(2).map(str::to_owned).collect::<Vec<_>>());
    words.filter_map(|words| Some((words.first()?.clone(), words.get(1)?.clone()))).collect()
}

#[test]
fn every_file_of_the_package_is_there_or_made() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let package = root.join("crates/steadfast");
    let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
    let generate = fs::read_to_string(root.join("packaging/generate")).unwrap();
    let assets = assets(&manifest);
    assert!(assets.len() > 8, "{assets:?}");
    for (source, destination) in &assets {
        if let Some(made) = source.strip_prefix("../../target/package/") {
            assert!(generate.contains(&format!("\"$folder/{made}\"")), "nothing makes {made}");
        } else if source != "target/release/steadfast" {
            let folder = source.strip_suffix("*.md").unwrap_or(source);
            assert!(package.join(folder).exists(), "{source} is not there");
        }
        assert!(!destination.starts_with('/'), "{destination}");
    }
    let kept: BTreeSet<_> = assets.iter().map(|(_, destination)| format!("/{destination}")).collect();
    assert!(
        manifest.contains("conf-files = [\"/etc/default/steadfast\"]")
            && kept.contains("/etc/default/steadfast")
    );
    for file in
        ["LICENSE-APACHE", "packaging/deb/postinst", "packaging/deb/postrm", "packaging/steadfast.service"]
    {
        assert!(root.join(file).is_file(), "{file} is not there");
    }
    let records = fs::read_to_string(root.join("crates/daemon/src/supervisor/records.rs")).unwrap();
    let purge = fs::read_to_string(root.join("packaging/deb/postrm")).unwrap();
    assert!(
        records.contains("\"/var/lib/steadfast/records\"") && purge.contains("rm -rf /var/lib/steadfast\n")
    );
    let unit = fs::read_to_string(root.join("packaging/steadfast.service")).unwrap();
    assert!(unit.contains("EnvironmentFile=-/etc/default/steadfast"));
    assert!(unit.contains("ExecStart=/usr/sbin/steadfast ") && unit.contains("ExecReload="));
}
