//! Decompresses files, by their first bytes.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

/// Bytes that are read from a file at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// The beginnings of compressed files, with the file name extensions of each compression.
const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
const BZIP2: &[u8] = b"BZh";
const XZ: &[u8] = b"\xfd7zXZ\0";
const EXTENSIONS: [&str; 6] = [".gz", ".zst", ".zstd", ".bz2", ".xz", ".gzip"];

/// Opens a file for reading from its beginning, decompressed if it is compressed.
///
/// # Errors
/// If the file cannot be read. While reading, [`io::ErrorKind::UnexpectedEof`] means that the file is cut short.
pub(crate) fn decompressed(file: File) -> io::Result<Box<dyn Read + Send>> {
    let mut beginning = [0; 6];
    let read = file.read_at(&mut beginning, 0)?;
    let begins = |magic: &[u8]| beginning[..read].starts_with(magic);
    let input = BufReader::with_capacity(BUFFER_BYTES, file);
    Ok(match () {
        () if begins(GZIP) => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        () if begins(ZSTD) => Box::new(zstd::stream::read::Decoder::with_buffer(input)?),
        () if begins(BZIP2) => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
        () if begins(XZ) => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(input)),
        () => Box::new(input),
    })
}

/// A file name without the extension of its compression.
pub(crate) fn without_compression(name: &str) -> &str {
    EXTENSIONS.iter().find_map(|extension| name.strip_suffix(extension)).unwrap_or(name)
}
