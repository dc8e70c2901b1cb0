//! Keys that are missing on one side and extra on the other, and differ only as texts of mismatches do.

use unicode_normalization::UnicodeNormalization;

use super::cell::Cell;
use super::decide::reports_of_keys;
use super::report::CauseReport;
use super::tally::{CauseExample, ColumnTally};
use super::{Observer, observe_cells};

/// A missing and an extra key that differ in one column.
pub(crate) struct KeyPair {
    /// The column, as an index in the pairing.
    pub column: usize,
    /// The key of old as text.
    pub key: String,
    /// The values of the column.
    pub old: String,
    pub new: String,
}

/// Appends what a part of a key has in common with the keys that it may have been: its text without white space around
/// it, zeros in front, capitals, and forms of Unicode. Other bytes stay as they are.
pub(crate) fn common_form(part: &[u8], out: &mut Vec<u8>) {
    match std::str::from_utf8(part) {
        Ok(text) => {
            let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
            let text = text.trim_start_matches('0');
            match text.is_ascii() {
                true => out.extend(text.bytes().map(|byte| byte.to_ascii_lowercase())),
                false => out.extend(text.to_lowercase().nfc().collect::<String>().into_bytes()),
            }
        }
        Err(_) => out.extend_from_slice(part),
    }
    // what follows is another part
    out.push(0xff);
}

impl Observer {
    /// The causes of pairs of keys, each with its share of `missing` rows. `times` is how many pairs each stands for.
    pub(crate) fn causes_of_keys(&self, pairs: &[KeyPair], missing: u64, times: f64) -> Vec<CauseReport> {
        let mut columns: Vec<ColumnTally> = vec![ColumnTally::default(); self.columns.len()];
        for (order, KeyPair { column, key, old, new }) in pairs.iter().enumerate() {
            let cells = [old, new].map(|text| Cell::Text(text.as_str().into()));
            let Some(seen) = observe_cells(&cells[0], &cells[1]) else { continue };
            let example = || CauseExample { key: key.clone(), old: old.clone(), new: new.clone(), order: order as u64 };
            let tally = columns[*column].path("");
            tally.cells += 1;
            tally.find(seen, &mut || Some(example()).filter(|_| !self.columns[*column].is_private));
        }
        reports_of_keys(self, &columns, missing, times)
    }
}
