//! Damaged files: each is refused by name, or read as pyarrow reads it.

use std::fs;

use countersign::report::Verdict;

use super::changed::ask;
use super::generator::Table;
use super::generator::random::Random;
use super::generator::write::write;
use super::oracle::Oracle;
use super::{Told, answer, comparison, for_seeds, found, same};
use crate::support::Workshop;

/// Damages a file, and returns a description of the damage.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let footer = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap()) as usize;
    let pages = bytes.len() - 8 - footer;
    match random.below(10) {
        0 => {
            let at = random.below(bytes.len());
            bytes.truncate(at);
            format!("cut at {at}")
        }
        1 => {
            let (from, length) = (4 + random.below(pages), 1 + random.below(64));
            let to = (from + length).min(bytes.len() - 8);
            bytes[from..to].fill(0);
            format!("zeros at {from} to {to}")
        }
        2..5 => {
            let at = pages + random.below(footer);
            bytes[at] ^= 1 << random.below(8);
            format!("a bit of byte {at}, in the footer")
        }
        _ => {
            let at = 4 + random.below(pages - 4 + 1);
            bytes[at] ^= 1 << random.below(8);
            format!("a bit of byte {at}, before the footer")
        }
    }
}

#[test]
fn damage_is_refused_or_read_as_pyarrow_reads_it() {
    let oracle = std::cell::RefCell::new(Oracle::new());
    for_seeds("damaged", 80, |seed, shop| {
        let mut random = Random::new(seed ^ 0x5eed_0002);
        let table = Table::draw(&mut random);
        write(&table, &shop.path("old"), &mut random);
        let whole = fs::read(shop.path("old")).unwrap();
        for number in 0..4 {
            let mut bytes = whole.clone();
            let what = damage(&mut bytes, &mut random);
            let name = format!("damaged{number}");
            fs::write(shop.path(&name), bytes).unwrap();
            check(shop, &name, &table, &mut oracle.borrow_mut()).map_err(|said| format!("{what}: {said}"))?;
        }
        Ok(())
    });
}

fn check(shop: &Workshop, name: &str, table: &Table, oracle: &mut Oracle) -> Result<(), String> {
    let report = match answer(&comparison(shop, "old", name, &table.key())) {
        Err(said) if said.contains("internal error") => return Err(said),
        // damage of a type or a name may pass for another table, which the error then speaks of by its columns
        Err(said) if said.contains(name) || said.contains("column `") => return Ok(()),
        Err(said) => return Err(format!("neither a file nor a column is named: {said}")),
        Ok(report) => report,
    };
    let whole = report.counts().matched == table.rows.len() as u64;
    match ask(oracle, shop, "old", name, table) {
        Told::Compared { found: told, gaps: 0 } => {
            let mut found = found(&report, None);
            // a letter that changed its case still pairs
            found.by_column = found.by_column.into_iter().map(|(name, n)| (old_name(table, &name), n)).collect();
            // the leaves of a struct may contradict each other in where it is NULL; to see more differences than
            // pyarrow is no lie, to see fewer is one
            match found.matched < told.matched && report.verdict == Verdict::Discrepant {
                true => Ok(()),
                false => same("as pyarrow reads it", &found, &told.without_rows()),
            }
        }
        Told::Compared { .. } | Told::Apart(_) if report.verdict == Verdict::Match => {
            Err("MATCH where pyarrow reads other columns".into())
        }
        Told::Compared { .. } | Told::Apart(_) => Ok(()),
        // what pyarrow looks at and a comparison does not need may be damaged, as long as the values are right
        Told::Refused(_) if whole => Ok(()),
        Told::Refused(refused) if LAXER.iter().any(|(says, _)| refused.contains(says)) => Ok(()),
        Told::Refused(refused) => Err(format!("pyarrow refuses ({refused}), countersign says {:?}", report.counts())),
    }
}

fn old_name(table: &Table, name: &str) -> String {
    let old = table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
    old.map_or(name, |column| &column.name).to_string()
}

/// What pyarrow refuses and this reader reads as other values, which are then reported as differences.
const LAXER: [(&str, &str); 9] = [
    ("Not yet implemented", "an encoding that pyarrow does not know in this place"),
    ("not implemented", "a nested type that pyarrow does not read in chunks"),
    ("level histogram size mismatch", "a damaged schema; few writers leave histograms to hold it against"),
    ("larger than values array", "the leaves of a column disagree on how many entries there are"),
    ("Malformed levels", "a level beyond the greatest of the schema"),
    ("do not match num_values", "fewer levels than the page's header says"),
    ("prefix length too large", "a text that begins with more of the one before than that has"),
    ("Decimal128::FromBigEndian", "a decimal without bytes, or with more than 16"),
    ("not in range", "a number that does not fit its annotated width"),
];
