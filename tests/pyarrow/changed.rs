//! A file compared with itself and with changed copies: the drawn values, pyarrow, and both strategies must agree on
//! every row.

use countersign::Out;
use serde_json::json;

use super::generator::random::Random;
use super::generator::write::write;
use super::generator::{Expected, Table};
use super::oracle::Oracle;
use super::{Told, answer, both_ways, comparison, for_seeds, found, same, told};
use crate::support::Workshop;

/// Everything is equal.
fn clean(table: &Table) -> Expected {
    let incomparable = table.incomparable();
    let compared = table.columns.iter().filter(|column| !incomparable.contains(&column.name));
    Expected {
        matched: table.rows.len() as u64,
        by_column: compared.map(|column| (column.name.clone(), 0)).collect(),
        ..Expected::default()
    }
}

/// The result of pyarrow for two files.
pub fn ask(oracle: &mut Oracle, shop: &Workshop, old: &str, new: &str, table: &Table) -> Told {
    let ignore = table.incomparable();
    let question = json!({
        "ask": "compare", "old": shop.path(old), "new": shop.path(new), "key": table.key(), "ignore": ignore,
    });
    told(&oracle.ask(&question))
}

#[test]
fn a_file_is_equal_to_itself_and_every_change_is_found() {
    let oracle = std::cell::RefCell::new(Oracle::new());
    let refused = std::cell::Cell::new(0);
    for_seeds("changed", 110, |seed, shop| {
        let mut random = Random::new(seed);
        let old = Table::draw(&mut random);
        write(&old, &shop.path("old"), &mut random);
        let key = old.key();
        let report = answer(&comparison(shop, "old", "old", &key))?;
        same("the file against itself", &found(&report, None), &clean(&old))?;
        let verdict = if old.incomparable().is_empty() { "match" } else { "unverified" };
        if report.verdict.name() != verdict || report.coverage().incomparable != old.incomparable() {
            return Err(format!("the file against itself is {:?}: {:?}", report.verdict, report.coverage()));
        }
        let (new, expected) = old.changed(&mut random);
        write(&new, &shop.path("new"), &mut random);
        match ask(&mut oracle.borrow_mut(), shop, "old", "new", &old) {
            Told::Compared { found, .. } => same("pyarrow", &found, &expected)?,
            Told::Apart(columns) => return Err(format!("pyarrow takes {columns} for different kinds")),
            Told::Refused(_) => refused.set(refused.get() + 1),
        }
        for (way, trial) in both_ways(&comparison(shop, "old", "new", &key), shop) {
            let report = answer(&trial)?;
            let Some(Out::At(out)) = &trial.options.out else { unreachable!() };
            same(&way, &found(&report, Some(out)), &expected)?;
        }
        write(&new.shuffled(&mut random), &shop.path("shuffled"), &mut random);
        let mut trial = comparison(shop, "old", "shuffled", &key);
        trial.options.out = Some(Out::At(shop.path("run shuffled")));
        same("shuffled", &found(&answer(&trial)?, Some(&shop.path("run shuffled"))), &expected)
    });
    // what pyarrow does not read has two opinions only, and must stay the exception
    assert!(refused.get() < 30, "pyarrow refused {}", refused.get());
}
