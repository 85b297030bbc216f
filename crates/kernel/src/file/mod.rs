//! Opening files that others may have put there.

pub mod fifo;
pub mod watch;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Opens a file (mode 0644 less the umask if it has to be made) to write at its end. A symbolic link is refused:
/// logs may lie where others can write.
///
/// # Errors
/// ELOOP for a link, and what opening it answers.
pub fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o644).custom_flags(libc::O_NOFOLLOW).open(path)
}

/// Makes a file (mode 0644 less the umask) with these contents, or gives one that is there these contents where
/// `replace` is set. What was a symbolic link or no regular file is left alone.
///
/// # Errors
/// EEXIST for a file that is there and is to stay, ELOOP for a link, and what opening and writing answer.
pub fn put(path: &Path, contents: &[u8], replace: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o644).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    if replace {
        options.create(true)
    } else {
        options.create_new(true)
    };
    let mut file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    file.set_len(0)?;
    file.write_all(contents)
}

/// The first `bytes_max` bytes of a regular file. Never waits for the writer of a FIFO.
///
/// # Errors
/// What opening and reading answer; [`io::ErrorKind::InvalidInput`] for what is no regular file.
pub fn beginning(path: &Path, bytes_max: u32) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut contents = Vec::new();
    file.take(u64::from(bytes_max)).read_to_end(&mut contents)?;
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_not_appended_to_and_devices_are_not_read() {
        let folder = std::env::temp_dir().join(format!("steadfast-file-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (log, link) = (folder.join("log"), folder.join("link"));
        append(&log).unwrap().write_all(b"one\n").unwrap();
        append(&log).unwrap().write_all(b"two\n").unwrap();
        std::os::unix::fs::symlink(&log, &link).unwrap();
        let refused = append(&link).unwrap_err();
        let begins = beginning(&link, 5).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(refused.raw_os_error(), Some(libc::ELOOP));
        assert_eq!(begins, b"one\nt");
        assert_eq!(beginning(Path::new("/dev/null"), 1).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
