//! Links the unwinder of the C compiler's own library into the program, where that library is at hand. Only the
//! backtrace of a panic needs it; as a shared library it would cost every process a tenth of a megabyte and the
//! start of each the time to load it.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Command;

/// GCC's unwinder as a static library.
const UNWINDER: &str = "libgcc_eh.a";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is_gnu = std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|environment| environment == "gnu");
    if is_gnu && compiler_has_unwinder() {
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}

/// GCC answers with the whole path of a library that it has, and with the bare name of one that it has not.
fn compiler_has_unwinder() -> bool {
    let answer = Command::new("cc").arg(format!("-print-file-name={UNWINDER}")).output();
    answer.is_ok_and(|answer| {
        let path = String::from_utf8_lossy(&answer.stdout);
        Path::new(path.trim()).is_absolute()
    })
}
