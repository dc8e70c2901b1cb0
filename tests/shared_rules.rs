//! Rules that do not belong to a column: for a kind of types, and for `diff`.

use std::fs;

use crate::support::{Workshop, run};

/// Two CSV files with columns of several kinds, all of which differ in their notation.
fn shop() -> Workshop {
    let shop = Workshop::new();
    let old =
        "id,name,price,at,seen\n1,a ,1.00,2026-01-01 00:00:00,2026-01-01 10:00:00\n2,b ,2.001,2026-06-01 00:00:00,\n";
    let new = "id,name,price,at,seen\n1,a,1.0,2025-12-31T23:00:00Z,2026-01-01T09:00:00Z\n\
               2,b,2,2026-05-31T22:00:00Z,\n";
    fs::write(shop.path("old.csv"), old).unwrap();
    fs::write(shop.path("new.csv"), new).unwrap();
    shop
}

const SIDES: &str = "[old]\npath = \"old.csv\"\n[new]\npath = \"new.csv\"\n[compare]\nkey = \"id\"\n";

#[test]
fn rules_of_a_type_are_for_all_its_columns_and_the_weakest() {
    let shop = shop();
    let rules = "[compare.types.timestamp]\nassume_tz = \"Europe/Berlin\"\n[compare.types.number]\nround = 1\n\
                 [compare.types.text]\nrtrim = true\n[compare.types.boolean]\ntrim = true\n";
    fs::write(shop.path("job.toml"), format!("{SIDES}{rules}")).unwrap();
    let (code, out, err) = run(&shop, &["run", "job.toml", "--quiet"]);
    assert!(code == 0, "{out}{err}");
    for line in [
        "at     as = \"timestamp\"",
        "assume_tz = \"Europe/Berlin\"",
        "price  as = \"decimal\"",
        "round = 1",
        "rtrim = true",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    assert!(!out.contains("id     round"), "a key is never rounded: {out}");
    // a pattern overrides the type, and a column's own rule overrides both
    let own = "[[compare.rules]]\ncolumns = \"pri*\"\nround = 4\n[compare.columns.at]\nassume_tz = \"UTC\"\n";
    fs::write(shop.path("job.toml"), format!("{SIDES}{rules}{own}")).unwrap();
    let (code, out, _) = run(&shop, &["run", "job.toml", "--quiet"]);
    assert!(code == 1 && out.contains("2 mismatches"), "{out}");
    let (code, _, err) = run(&shop, &["run", "job.toml", "--set", "compare.types.timestam.round=1"]);
    assert!(code == 2 && err.contains("unknown key `timestam`; did you mean `timestamp`?"), "{err}");
}

#[test]
fn validate_explains_which_rules_a_column_has() {
    let shop = shop();
    let rules = "[compare.types.text]\nrtrim = true\n[compare.columns.name]\ncasefold = true\n";
    fs::write(shop.path("job.toml"), format!("{SIDES}{rules}")).unwrap();
    let (code, out, err) = run(&shop, &["validate", "job.toml", "--explain"]);
    assert!(code == 0, "{err}");
    assert!(out.starts_with("job.toml: job `job` is valid\n  column  old   new   rules\n"), "{out}");
    assert!(out.contains("  name    text  text  rtrim = true, casefold = true\n"), "{out}");
}

#[test]
fn diff_names_all_columns_at_fault_and_takes_rules() {
    let shop = shop();
    let diff = ["diff", "old.csv", "new.csv", "--key", "id", "--quiet"];
    let (code, _, err) = run(&shop, &diff);
    assert_eq!(code, 2);
    for text in
        ["column `at` have a zone", "column `seen` have a zone", "--rule 'COLUMN: RULE=VALUE'", "countersign init"]
    {
        assert!(err.contains(text), "{text}: {err}");
    }
    let rules = ["at: assume_tz=Europe/Berlin", "seen: assume_tz=Europe/Berlin", "price: tolerance=0.01"];
    let all: Vec<&str> = diff.into_iter().chain(rules.iter().flat_map(|rule| ["--rule", rule])).collect();
    let (code, out, err) = run(&shop, &all);
    assert!(code == 0, "{out}{err}");
    fs::write(shop.path("rules.toml"), "[compare.types.timestamp]\nassume_tz = \"Europe/Berlin\"\n").unwrap();
    let with_file = [&diff[..], &["--rules", "rules.toml", "--rule", "price: round=2"]].concat();
    assert_eq!(run(&shop, &with_file).0, 0);
    let (code, _, err) = run(&shop, &[&diff[..], &["--rule", "prise: round=2"]].concat());
    assert!(
        code == 2
            && err.contains("--rule 'prise: round=2': no compared column is called `prise`; did you mean `price`?"),
        "{err}"
    );
    fs::write(shop.path("rules.toml"), "[compare]\nkey = \"id\"\n").unwrap();
    let (code, _, err) = run(&shop, &with_file);
    assert!(code == 2 && err.contains("rules.toml:2: unknown key `key`"), "{err}");
}
