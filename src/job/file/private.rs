//! `[private]`: values that must not leave, and the key of their digests.

use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::FormReader;
use super::form::{PrivateForm, PrivateLists};
use crate::job::{Origin, Private};
use crate::regular_file;

/// Where the key is, if no file holds it.
const KEY_VARIABLE: &str = "COUNTERSIGN_PRIVATE_KEY";
/// What is read of a key file; a key and the white space around it are far shorter.
const KEY_BYTES: u64 = 4 << 10;

/// A key file.
struct PrivateKeyFile {
    mode: u32,
    text: String,
}

/// Reads the text and the mode of one and the same file: its name may be given to another one meanwhile.
fn read_key(file: &Path) -> io::Result<PrivateKeyFile> {
    let opened = regular_file::open(file)?;
    let mode = opened.metadata()?.permissions().mode();
    let mut text = String::new();
    opened.take(KEY_BYTES).read_to_string(&mut text)?;
    Ok(PrivateKeyFile { mode, text })
}

impl FormReader<'_> {
    pub(super) fn private(&mut self, form: PrivateForm) -> Option<Private> {
        let place = self.document.place(&["private", "columns"]);
        let columns = self.words(form.columns, &["private", "columns"]);
        if columns.is_empty() {
            self.wrong(&place, "no column is named; leave [private] out, or name some");
        }
        let key_place = self.document.place(&["private", "key_file"]);
        let key = match form.key_file {
            Some(file) => Some(self.key_of_file(file, &key_place)?),
            None => match std::env::var(KEY_VARIABLE) {
                Ok(text) => Some(self.key(&text, KEY_VARIABLE, &place)?),
                Err(_) => None,
            },
        };
        Some(Private { columns, mode: form.mode, plain_lists: form.lists == Some(PrivateLists::Plain), key })
    }

    fn key_of_file(&mut self, file: String, place: &Origin) -> Option<[u8; 32]> {
        let file = self.dir.join(self.expand(file, place));
        let shown = format!("`{}`", file.display());
        match read_key(&file) {
            Ok(PrivateKeyFile { mode, .. }) if mode & 0o077 != 0 => {
                self.wrong(place, format!("{shown} can be read by others; make it yours alone: chmod 600 {shown}"));
                None
            }
            Ok(PrivateKeyFile { text, .. }) => self.key(&text, &shown, place),
            Err(error) => {
                self.wrong(place, format!("cannot read {shown}: {error}"));
                None
            }
        }
    }

    /// 64 hexadecimal digits. What is wrong with them is told without them.
    fn key(&mut self, text: &str, from: &str, place: &Origin) -> Option<[u8; 32]> {
        match blake3::Hash::from_hex(text.trim()) {
            Ok(key) => Some(*key.as_bytes()),
            Err(_) => {
                self.wrong(
                    place,
                    format!("{from} is no key: 64 hexadecimal digits, such as `openssl rand -hex 32` writes"),
                );
                None
            }
        }
    }
}
