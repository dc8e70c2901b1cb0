//! Nested types, dictionaries, encodings, and page versions, without pyarrow: with either strategy and any order of
//! files, a comparison has the result of a recomputation from the drawn values.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use countersign::Strategy;
use countersign::job::Identity;
use countersign::report::Report;

use super::generator::random::Random;
use super::generator::value::Value;
use super::generator::write::write;
use super::generator::{Expected, Table};
use super::{answer, comparison, for_seeds, found, same};

/// Writes a table as several files in one directory, each in its own forms.
fn write_files(table: &Table, dir: &Path, random: &mut Random) {
    fs::create_dir(dir).unwrap();
    let files = 1 + random.below(3);
    for file in 0..files {
        let (from, to) = (table.rows.len() * file / files, table.rows.len() * (file + 1) / files);
        let part = Table { rows: table.rows[from..to].to_vec(), ..table.clone() };
        write(&part.restyled(random), &dir.join(format!("{file}.parquet")), random);
    }
}

/// The classes by the drawn values: the numbers of matched rows, and of rows or keys of the other classes.
fn recompute(old: &Table, new: &Table) -> (Expected, u64) {
    let compared: Vec<usize> =
        (0..old.columns.len()).filter(|at| !old.incomparable().contains(&old.columns[*at].name)).collect();
    let mut keys: BTreeMap<String, [Vec<&Vec<Value>>; 2]> = BTreeMap::new();
    for (side, table) in [old, new].into_iter().enumerate() {
        for row in &table.rows {
            keys.entry(format!("{:?}", &row[..old.keys])).or_default()[side].push(row);
        }
    }
    let mut expected = Expected::default();
    compared.iter().for_each(|at| assert_eq!(expected.by_column.insert(old.columns[*at].name.clone(), 0), None));
    let mut duplicate_keys = 0;
    for [olds, news] in keys.values() {
        match (olds.as_slice(), news.as_slice()) {
            ([_], []) => expected.missing.push(0),
            ([], [_]) => expected.extra.push(0),
            ([one], [two]) => {
                let differ: Vec<usize> = compared.iter().copied().filter(|at| one[*at] != two[*at]).collect();
                match differ.is_empty() {
                    true => expected.matched += 1,
                    false => expected.mismatch.push(0),
                }
                for at in differ {
                    *expected.by_column.get_mut(&old.columns[at].name).unwrap() += 1;
                }
            }
            _ => duplicate_keys += 1,
        }
    }
    (expected, duplicate_keys)
}

/// Rows as a multiset: matched, missing, and extra.
fn multiset(old: &Table, new: &Table) -> [u64; 3] {
    let mut rest: Vec<&Vec<Value>> = new.rows.iter().collect();
    let mut matched = 0;
    for row in &old.rows {
        if let Some(at) = rest.iter().position(|other| *other == row) {
            rest.swap_remove(at);
            matched += 1;
        }
    }
    [matched, old.rows.len() as u64 - matched, rest.len() as u64]
}

/// The counts, with rows identified by their number only.
fn check(what: &str, report: &Report, (expected, duplicate_keys): &(Expected, u64)) -> Result<(), String> {
    same(what, &found(report, None), expected)?;
    match report.counts().duplicate_keys == *duplicate_keys {
        true => Ok(()),
        false => Err(format!("{what}: {} duplicate keys, not {duplicate_keys}", report.counts().duplicate_keys)),
    }
}

#[test]
fn both_ways_find_what_a_recomputation_finds_in_nested_tables() {
    for_seeds("ways", 90, |seed, shop| {
        let mut random = Random::new(seed ^ 0x5eed_0003);
        let mut old = Table::draw(&mut random);
        old.rows.truncate(200);
        let (mut new, _) = old.changed(&mut random);
        // both sides are restyled file by file, so that the drawn values can be in the types of either side
        new.columns = old.columns.clone();
        for table in [&mut old, &mut new] {
            for _ in 0..random.below(3) {
                if let Some(at) = table.rows.len().checked_sub(1).map(|last| random.below(last + 1)) {
                    table.rows.insert(at, table.rows[at].clone());
                }
            }
        }
        for (name, table) in [("old", &mut old), ("new", &mut new)] {
            let written = if random.percent(50) { table.shuffled(&mut random) } else { table.clone() };
            write_files(&written, &shop.path(name), &mut random);
        }
        let expected = recompute(&old, &new);
        let key = old.key();
        for (way, key_hash_bits) in
            [(None, 64), (Some(Strategy::Ordered), 64), (Some(Strategy::Hashed), 64), (Some(Strategy::Hashed), 3)]
        {
            let mut trial = comparison(shop, "old", "new", &key);
            trial.options.strategy = way;
            trial.options.limits.key_hash_bits = key_hash_bits;
            check(&format!("{way:?} with {key_hash_bits} bits"), &answer(&trial)?, &expected)?;
        }
        if old.incomparable().is_empty() {
            let mut trial = comparison(shop, "old", "new", &key);
            trial.job.identity = Identity::WholeRow;
            let counts = answer(&trial)?.counts();
            let (found, expected) = ([counts.matched, counts.missing, counts.extra], multiset(&old, &new));
            if found != expected {
                return Err(format!("without a key: {found:?}, not {expected:?}"));
            }
        }
        Ok(())
    });
}
