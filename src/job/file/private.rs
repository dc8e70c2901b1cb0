//! Reads `[private]`: the private columns, and the key of their digests.

use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::FormReader;
use super::form::{PrivateForm, PrivateLists};
use crate::job::{Origin, Private};
use crate::regular_file;

/// The key, if no file is configured.
const KEY_VARIABLE: &str = "COUNTERSIGN_PRIVATE_KEY";
/// The number of bytes that are read from a key file. A key with surrounding white space is far shorter.
const KEY_BYTES: u64 = 4 << 10;

struct PrivateKeyFile {
    mode: u32,
    text: String,
}

/// Reads the text and the mode of the same open file, because its name may be reused for another file in between.
fn read_key(file: &Path) -> io::Result<PrivateKeyFile> {
    let opened = regular_file::open(file)?;
    let mode = opened.metadata()?.permissions().mode();
    let mut text = String::new();
    opened.take(KEY_BYTES).read_to_string(&mut text)?;
    Ok(PrivateKeyFile { mode, text })
}

impl FormReader<'_> {
    pub(super) fn private(&mut self, form: PrivateForm) -> Option<Private> {
        let origin = self.document.origin(&["private", "columns"]);
        let columns = self.settings(form.columns, &["private", "columns"]);
        if columns.is_empty() {
            self.wrong(&origin, "the list of columns is empty; name at least one, or omit [private]");
        }
        let key_origin = self.document.origin(&["private", "key_file"]);
        let key = match form.key_file {
            Some(file) => Some(self.key_of_file(file, &key_origin)?),
            None => match std::env::var(KEY_VARIABLE) {
                Ok(text) => Some(self.key(&text, KEY_VARIABLE, &origin)?),
                Err(_) => None,
            },
        };
        Some(Private { columns, mode: form.mode, plain_lists: form.lists == Some(PrivateLists::Plain), key })
    }

    fn key_of_file(&mut self, file: String, origin: &Origin) -> Option<[u8; 32]> {
        let file = self.dir.join(self.expand(file, origin));
        let shown = format!("`{}`", file.display());
        match read_key(&file) {
            Ok(PrivateKeyFile { mode, .. }) if mode & 0o077 != 0 => {
                self.wrong(origin, format!("{shown} is readable by other users; restrict it: chmod 600 {shown}"));
                None
            }
            Ok(PrivateKeyFile { text, .. }) => self.key(&text, &shown, origin),
            Err(error) => {
                self.wrong(origin, format!("cannot read {shown}: {error}"));
                None
            }
        }
    }

    /// Parses 64 hexadecimal digits. The error does not contain them.
    fn key(&mut self, text: &str, from: &str, origin: &Origin) -> Option<[u8; 32]> {
        match blake3::Hash::from_hex(text.trim()) {
            Ok(key) => Some(*key.as_bytes()),
            Err(_) => {
                self.wrong(
                    origin,
                    format!("{from} is not a key; expected 64 hexadecimal digits, such as from `openssl rand -hex 32`"),
                );
                None
            }
        }
    }
}
