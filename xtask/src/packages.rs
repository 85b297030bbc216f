//! System packages that the tests need.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::leftovers::Marker;
use crate::step::{Step, log_path};

const LIMIT: Duration = Duration::from_secs(300);

/// A program and the Debian package that brings it.
#[derive(Debug, Clone, Copy)]
struct Need {
    program: &'static str,
    package: &'static str,
    what_for: &'static str,
}

const NEEDS: &[Need] = &[
    Need { program: "keepalived", package: "keepalived", what_for: "the peer of the end-to-end tests" },
    Need {
        program: "/usr/lib/frr/vrrpd",
        package: "frr",
        what_for: "the other peer of the end-to-end tests",
    },
    Need { program: "/usr/sbin/bird", package: "bird2", what_for: "the peer that signs packets of BFD" },
    Need { program: "ip", package: "iproute2", what_for: "end-to-end tests that look from outside" },
    Need { program: "mkfs.ext4", package: "e2fsprogs", what_for: "the slow disk of the soak" },
    Need { program: "nft", package: "nftables", what_for: "the other view of packet filters" },
    Need { program: "tcpdump", package: "tcpdump", what_for: "end-to-end tests that look from outside" },
    Need { program: "ipvsadm", package: "ipvsadm", what_for: "the other view of the table of IPVS" },
    Need {
        program: "/usr/lib/python3/dist-packages/aiosmtpd/__init__.py",
        package: "python3-aiosmtpd",
        what_for: "the mail server of the end-to-end tests",
    },
    Need {
        program: "/usr/lib/python3/dist-packages/grpc/__init__.py",
        package: "python3-grpcio",
        what_for: "the health service of the end-to-end tests",
    },
    Need { program: "openssl", package: "openssl", what_for: "the certificate of a real server" },
    Need { program: "nginx", package: "nginx-light", what_for: "the real servers of the end-to-end tests" },
    Need { program: "unbound", package: "unbound", what_for: "the name server of the end-to-end tests" },
];

/// What the guest of [`crate::vm`] needs.
const NEEDS_OF_THE_GUEST: &[Need] = &[
    Need { program: crate::vm::PROGRAM, package: "user-mode-linux", what_for: "a kernel with IPVS" },
    Need { program: "modprobe", package: "kmod", what_for: "the modules of that kernel" },
    Need { program: "ip", package: "iproute2", what_for: "the network of that kernel" },
];

/// Each package, and what it is for.
pub(crate) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    NEEDS.iter().map(|need| (need.package, need.what_for))
}

/// Installs what is missing where that is possible. Returns what is still missing, one line each.
pub(crate) fn provide(marker: &Marker, logs: &Path) -> Result<Vec<String>> {
    let mut needs = NEEDS.to_vec();
    needs.extend_from_slice(NEEDS_OF_THE_GUEST);
    provide_all(&needs, marker, logs)
}

/// The same of what the guest needs.
pub(crate) fn provide_for_guest(marker: &Marker, logs: &Path) -> Result<Vec<String>> {
    provide_all(NEEDS_OF_THE_GUEST, marker, logs)
}

fn provide_all(needs: &[Need], marker: &Marker, logs: &Path) -> Result<Vec<String>> {
    let missing: Vec<_> = needs.iter().filter(|need| !present(need.program)).collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let why_not = if !rustix::process::geteuid().is_root() {
        Some("not root")
    } else if !present("apt-get") {
        Some("no apt-get")
    } else {
        None
    };
    if why_not.is_none() {
        let packages: Vec<_> = missing.iter().map(|need| need.package).collect();
        // Package lists may be absent or old; fetching them is tried only if it does not go without.
        if !install(&packages, marker, logs)? {
            apt_get("package lists", &["update"]).run(marker, &log_path(logs, "package lists")?)?;
            install(&packages, marker, logs)?;
        }
    }
    let still_missing = missing.into_iter().filter(|need| !present(need.program)).map(|need| {
        let Need { program, package, what_for } = need;
        let reason = why_not.unwrap_or("apt-get failed, see target/xtask/packages.log");
        format!("{program}, {what_for}: not installed ({reason}); on Debian: apt-get install {package}")
    });
    Ok(still_missing.collect())
}

fn install(packages: &[&str], marker: &Marker, logs: &Path) -> Result<bool> {
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    Ok(apt_get("packages", &arguments).run(marker, &log_path(logs, "packages")?)?.succeeded)
}

fn apt_get(name: &'static str, arguments: &[&str]) -> Step {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    Step { name, command, limit: LIMIT }
}

/// Whether a program is there, by its path or in PATH or where system programs are.
pub(crate) fn present(program: &str) -> bool {
    if program.starts_with('/') {
        return Path::new(program).is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .any(|folder| folder.join(program).is_file())
}
