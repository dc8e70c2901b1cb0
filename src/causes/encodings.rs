//! Text that was read in another encoding than it was written in.

use encoding_rs::{
    Encoding, IBM866, ISO_8859_2, ISO_8859_5, ISO_8859_15, KOI8_R, MACINTOSH, UTF_8, WINDOWS_1250, WINDOWS_1251,
    WINDOWS_1252, WINDOWS_1254,
};

use super::observation::{Cause, Observation};
use crate::sides::Side;

/// The encodings that may have been mistaken for one another.
const ENCODINGS: [&Encoding; 11] = [
    UTF_8,
    WINDOWS_1252,
    ISO_8859_15,
    MACINTOSH,
    WINDOWS_1250,
    ISO_8859_2,
    WINDOWS_1251,
    KOI8_R,
    IBM866,
    ISO_8859_5,
    WINDOWS_1254,
];

/// What `other` shows if it is `whole` in the bytes of one encoding, read in another.
pub(super) fn misread(whole: &str, other: &str) -> Option<Observation> {
    // all of them have ASCII in common
    let is_ascii = |c: &char| c.is_ascii();
    if !whole.chars().filter(is_ascii).eq(other.chars().filter(is_ascii)) {
        return None;
    }
    for written in ENCODINGS {
        let (bytes, _, has_unknown) = written.encode(whole);
        if has_unknown || bytes.len() > other.len() * 2 && written == UTF_8 {
            continue;
        }
        if written == UTF_8 && is_latin1_of(&bytes, other) {
            return Some(Observation::plain(Cause::DoubleEncoded, Side::New));
        }
        for read in ENCODINGS.into_iter().filter(|read| *read != written) {
            // encodings that agree in these bytes explain nothing
            let (text, has_errors) = read.decode_without_bom_handling(&bytes);
            if text == other && text != whole && !has_errors {
                let is_double = written == UTF_8 && read == WINDOWS_1252;
                return Some(match is_double {
                    true => Observation::plain(Cause::DoubleEncoded, Side::New),
                    false => Observation::how(Cause::MisreadEncoding, Side::New, how(written, read)),
                });
            }
        }
    }
    None
}

/// Whether a text has these bytes as its characters. Latin-1 proper has all 256, unlike what browsers call so.
fn is_latin1_of(bytes: &[u8], text: &str) -> bool {
    text.chars().map(u32::from).eq(bytes.iter().map(|byte| u32::from(*byte)))
}

fn how(written: &'static Encoding, read: &'static Encoding) -> &'static str {
    // names of pairs would be many constants; the encoding that was used wrongly says more
    if written == UTF_8 { read.name() } else { written.name() }
}
