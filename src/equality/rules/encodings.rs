//! Text in an encoding.

use std::borrow::Cow;

use crate::job::rule::Encoding;

/// The characters of the bytes 0x80 to 0x9F in Windows-1252, which has none for five of them. All other bytes are those
/// of ISO 8859-1.
const WINDOWS_1252: [Option<char>; 32] = [
    Some('€'),
    None,
    Some('‚'),
    Some('ƒ'),
    Some('„'),
    Some('…'),
    Some('†'),
    Some('‡'),
    Some('ˆ'),
    Some('‰'),
    Some('Š'),
    Some('‹'),
    Some('Œ'),
    None,
    Some('Ž'),
    None,
    None,
    Some('‘'),
    Some('’'),
    Some('“'),
    Some('”'),
    Some('•'),
    Some('–'),
    Some('—'),
    Some('˜'),
    Some('™'),
    Some('š'),
    Some('›'),
    Some('œ'),
    None,
    Some('ž'),
    Some('Ÿ'),
];

/// Decodes bytes; `None` if they are not text in this encoding.
pub(super) fn decode(bytes: &[u8], encoding: Encoding) -> Option<Cow<'_, str>> {
    match encoding {
        Encoding::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Encoding::Latin1 => Some(bytes.iter().copied().map(char::from).collect()),
        Encoding::Windows1252 => bytes.iter().copied().map(windows_1252).collect::<Option<String>>().map(Cow::Owned),
    }
}

fn windows_1252(byte: u8) -> Option<char> {
    match byte {
        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
        _ => Some(char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_text_in_their_encoding() {
        let decoded = |bytes: &[u8], encoding| decode(bytes, encoding).map(Cow::into_owned);
        assert_eq!(decoded("é".as_bytes(), Encoding::Utf8).as_deref(), Some("é"));
        assert_eq!(decoded(b"\xe9", Encoding::Utf8), None);
        assert_eq!(decoded(b"caf\xe9\x80", Encoding::Latin1).as_deref(), Some("café\u{80}"));
        assert_eq!(decoded(b"caf\xe9\x80\x9f\xff", Encoding::Windows1252).as_deref(), Some("café€Ÿÿ"));
        assert_eq!(decoded(b"", Encoding::Windows1252).as_deref(), Some(""));
    }

    #[test]
    fn no_two_bytes_are_one_character() {
        for (encoding, undefined) in [(Encoding::Latin1, 0), (Encoding::Windows1252, 5)] {
            let all = (0..=255).filter_map(|byte: u8| decode(&[byte], encoding).map(Cow::into_owned));
            assert_eq!(all.collect::<std::collections::HashSet<_>>().len(), 256 - undefined, "{encoding}");
        }
    }
}
