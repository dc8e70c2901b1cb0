//! Opens files that a user or an earlier run has named: job files, keys, lists, reports, certificates.
//!
//! Only regular files are read. Opening a pipe blocks until another process writes to it, and a device may have no end;
//! an unattended run would hang. Files that are read whole have a maximum size, because a larger file is not of the
//! expected kind and could exhaust memory.

use std::fs::{self, File, FileType, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use bytesize::ByteSize;
use rustix::fs::OFlags;

/// The maximum bytes of a job file, a waiver file, or an SQL file.
pub const TEXT_BYTES_MAX: u64 = 64 << 20;
/// The maximum bytes of a report or manifest of a run, or of the JSON document of a set of waves.
pub const DOCUMENT_BYTES_MAX: u64 = 1 << 30;

/// Opens a regular file for reading.
///
/// # Errors
/// If the file cannot be opened, or if it is not a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    // before opening, because opening a pipe can block
    require_regular(&fs::metadata(path)?)?;
    // if a pipe has replaced the file since, opening it must not block
    let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    // the path may refer to something else by now
    require_regular(&file.metadata()?)?;
    Ok(file)
}

/// Reads a whole regular file of at most `bytes_max` bytes.
pub fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let too_large = || {
        let reason = format!("it has more than {}, which is too large for a file of this kind", size(bytes_max));
        Err(io::Error::new(io::ErrorKind::FileTooLarge, reason))
    };
    let bytes = file.metadata()?.len();
    if bytes > bytes_max {
        return too_large();
    }
    // the length is not trusted: some file systems report 0 for files that have content
    let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    file.take(bytes_max + 1).read_to_end(&mut content)?;
    if content.len() as u64 > bytes_max { too_large() } else { Ok(content) }
}

/// Reads a whole regular file of UTF-8 text of at most `bytes_max` bytes.
pub fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    let reason = "it is not UTF-8 text";
    String::from_utf8(read(path, bytes_max)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, reason))
}

fn require_regular(metadata: &Metadata) -> io::Result<()> {
    match kind(metadata.file_type()) {
        None => Ok(()),
        Some(kind) => {
            let reason = format!("it is {kind}, but only regular files are read");
            Err(io::Error::new(io::ErrorKind::InvalidInput, reason))
        }
    }
}

/// The kind of a file in messages; `None` for a regular file.
fn kind(file_type: FileType) -> Option<&'static str> {
    match file_type {
        kind if kind.is_file() => None,
        kind if kind.is_dir() => Some("a directory"),
        kind if kind.is_fifo() => Some("a pipe"),
        kind if kind.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}

fn size(bytes: u64) -> String {
    ByteSize(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_the_expected_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "12345").unwrap();
        assert_eq!(read(&file, 5).unwrap(), b"12345");
        let reason = read(&file, 4).unwrap_err().to_string();
        assert_eq!(reason, "it has more than 4 B, which is too large for a file of this kind");
        assert_eq!(open(dir.path()).unwrap_err().to_string(), "it is a directory, but only regular files are read");
        assert!(open(Path::new("/dev/zero")).unwrap_err().to_string().contains("a device"));
        let socket = dir.path().join("socket");
        let _bound = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(open(&socket).unwrap_err().to_string().contains("a socket"));
        fs::write(&file, [0xff]).unwrap();
        assert_eq!(read_text(&file, 4).unwrap_err().to_string(), "it is not UTF-8 text");
        // generated files of the system have a length of 0, but have content
        assert!(!read(Path::new("/proc/self/status"), TEXT_BYTES_MAX).unwrap().is_empty());
    }
}
