//! Converts text in other encodings to UTF-8, while it is read.

use std::io::{self, Read};

use encoding_rs::{CoderResult, Decoder, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::job::FileEncoding;

const INPUT_BYTES: usize = 64 << 10;
/// The most bytes of UTF-8 that a byte of another encoding becomes.
const GROWTH: usize = 3;

/// Text as UTF-8, without a byte order mark.
pub(crate) fn as_utf8(input: Box<dyn Read + Send>, encoding: FileEncoding) -> io::Result<Box<dyn Read + Send>> {
    let mut input = input;
    let mut start = vec![];
    input.by_ref().take(3).read_to_end(&mut start)?;
    let (encoding, mark) = match (&start[..], encoding) {
        ([0xef, 0xbb, 0xbf], FileEncoding::Utf8) => (FileEncoding::Utf8, 3),
        ([0xff, 0xfe, ..], FileEncoding::Utf8 | FileEncoding::Utf16) => (FileEncoding::Utf16, 2),
        ([0xfe, 0xff, ..], FileEncoding::Utf8 | FileEncoding::Utf16) => {
            return Ok(converted(&start[2..], input, UTF_16BE));
        }
        _ => (encoding, 0),
    };
    let rest = start.split_off(mark);
    Ok(match encoding {
        FileEncoding::Utf8 => Box::new(io::Cursor::new(rest).chain(input)),
        FileEncoding::Utf16 => converted(&rest, input, UTF_16LE),
        FileEncoding::Windows1252 => converted(&rest, input, WINDOWS_1252),
        FileEncoding::Latin1 => Box::new(Latin1 { input: io::Cursor::new(rest).chain(input), ready: vec![], at: 0 }),
    })
}

fn converted(
    start: &[u8],
    input: Box<dyn Read + Send>,
    encoding: &'static encoding_rs::Encoding,
) -> Box<dyn Read + Send> {
    Box::new(Converter {
        input: io::Cursor::new(start.to_vec()).chain(input),
        decoder: encoding.new_decoder_without_bom_handling(),
        ready: vec![],
        at: 0,
        has_ended: false,
    })
}

/// Text in an encoding that `encoding_rs` knows.
struct Converter<R> {
    input: R,
    decoder: Decoder,
    ready: Vec<u8>,
    at: usize,
    has_ended: bool,
}

impl<R: Read> Converter<R> {
    fn refill(&mut self) -> io::Result<()> {
        let mut bytes = vec![0; INPUT_BYTES];
        let read = self.input.read(&mut bytes)?;
        self.has_ended = read == 0;
        self.ready.resize(INPUT_BYTES * GROWTH + 16, 0);
        let (result, _, written, had_errors) =
            self.decoder.decode_to_utf8(&bytes[..read], &mut self.ready, self.has_ended);
        if had_errors || result != CoderResult::InputEmpty {
            let reason = format!("it is not {}", self.decoder.encoding().name());
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        self.ready.truncate(written);
        self.at = 0;
        Ok(())
    }
}

impl<R: Read> Read for Converter<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.ready.len() {
            if self.has_ended {
                return Ok(0);
            }
            self.refill()?;
        }
        Ok(deliver(&self.ready, &mut self.at, out))
    }
}

/// ISO 8859-1, in which each byte is the character with that number. (`encoding_rs` follows the web, where the name means
/// Windows-1252.)
struct Latin1<R> {
    input: R,
    ready: Vec<u8>,
    at: usize,
}

impl<R: Read> Read for Latin1<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.ready.len() {
            let mut bytes = vec![0; INPUT_BYTES];
            let read = self.input.read(&mut bytes)?;
            self.ready = bytes[..read].iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes();
            self.at = 0;
        }
        Ok(deliver(&self.ready, &mut self.at, out))
    }
}

fn deliver(ready: &[u8], at: &mut usize, out: &mut [u8]) -> usize {
    let count = out.len().min(ready.len() - *at);
    out[..count].copy_from_slice(&ready[*at..*at + count]);
    *at += count;
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], encoding: FileEncoding) -> io::Result<String> {
        let mut text = String::new();
        as_utf8(Box::new(io::Cursor::new(bytes.to_vec())), encoding)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn text_becomes_utf8() {
        let utf16 = |mark: &[u8], order: fn(u16) -> [u8; 2]| {
            [mark, &"é\n😀".encode_utf16().flat_map(order).collect::<Vec<_>>()].concat()
        };
        for encoding in [FileEncoding::Utf8, FileEncoding::Utf16] {
            assert_eq!(text(&utf16(b"\xff\xfe", u16::to_le_bytes), encoding).unwrap(), "é\n😀");
            assert_eq!(text(&utf16(b"\xfe\xff", u16::to_be_bytes), encoding).unwrap(), "é\n😀");
        }
        assert_eq!(text(&utf16(b"", u16::to_le_bytes), FileEncoding::Utf16).unwrap(), "é\n😀");
        assert_eq!(text(b"\xef\xbb\xbfa", FileEncoding::Utf8).unwrap(), "a");
        assert_eq!(text(b"a", FileEncoding::Utf8).unwrap(), "a");
        assert_eq!(text(b"", FileEncoding::Utf16).unwrap(), "");
        assert_eq!(text(b"\x80\xe9", FileEncoding::Windows1252).unwrap(), "€é");
        assert_eq!(text(b"\x80\xe9", FileEncoding::Latin1).unwrap(), "\u{80}é");
        assert!(text(b"\xff\xfea", FileEncoding::Utf16).is_err());
        assert!(text(&[0x00, 0xd8, 0x41, 0x00], FileEncoding::Utf16).is_err());
    }
}
