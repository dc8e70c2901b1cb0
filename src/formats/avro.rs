//! Checks the blocks of an Avro file. The reader takes a file that is cut within a block for a whole one, and does not
//! compare the markers between blocks.

use std::io::{self, Read};

/// The size of the marker after each block, in bytes.
const MARKER_BYTES: usize = 16;

/// The number of rows of a file, by its blocks.
///
/// # Errors
/// If the file ends within a block, or if a marker is wrong.
pub(super) fn rows(input: impl Read) -> io::Result<u64> {
    let mut blocks = AvroBlocks { input };
    blocks.skip(4)?;
    // the header is a map, in pieces; the last one is empty
    loop {
        let entries = blocks.long()?;
        if entries == 0 {
            break;
        }
        if entries < 0 {
            blocks.long()?;
        }
        for _ in 0..entries.unsigned_abs() {
            for _ in ["name", "value"] {
                let bytes = blocks.length()?;
                blocks.skip(bytes)?;
            }
        }
    }
    let marker = blocks.marker()?;
    let mut rows = 0;
    while let Some(count) = blocks.next_count()? {
        rows += count;
        let bytes = blocks.length()?;
        blocks.skip(bytes)?;
        if blocks.marker()? != marker {
            return Err(wrong("the marker after a block is wrong"));
        }
    }
    Ok(rows)
}

struct AvroBlocks<R> {
    input: R,
}

impl<R: Read> AvroBlocks<R> {
    /// The number of rows of the next block, or `None` at the end of the file.
    fn next_count(&mut self) -> io::Result<Option<u64>> {
        let mut first = [0];
        if self.input.read(&mut first)? == 0 {
            return Ok(None);
        }
        let count = self.long_after(first[0])?;
        u64::try_from(count).map(Some).map_err(|_| wrong("a block has a negative number of rows"))
    }

    fn long(&mut self) -> io::Result<i64> {
        let mut first = [0];
        self.input.read_exact(&mut first)?;
        self.long_after(first[0])
    }

    /// A number in zigzag encoding, seven bits a byte, of which the first byte was read.
    fn long_after(&mut self, first: u8) -> io::Result<i64> {
        let mut number = 0_u64;
        let mut byte = [first];
        for shift in (0..64).step_by(7) {
            number |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
            self.input.read_exact(&mut byte)?;
        }
        Err(wrong("a number does not end"))
    }

    fn length(&mut self) -> io::Result<u64> {
        u64::try_from(self.long()?).map_err(|_| wrong("a length is negative"))
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        match io::copy(&mut self.input.by_ref().take(bytes), &mut io::sink())? {
            skipped if skipped == bytes => Ok(()),
            _ => Err(wrong("it ends within a block: it is cut short")),
        }
    }

    fn marker(&mut self) -> io::Result<[u8; MARKER_BYTES]> {
        let mut marker = [0; MARKER_BYTES];
        self.input.read_exact(&mut marker).map_err(|_| wrong("it ends within a block: it is cut short"))?;
        Ok(marker)
    }
}

fn wrong(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
