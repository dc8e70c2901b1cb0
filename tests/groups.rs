//! Groups that move as a whole: in one job, in several jobs, and what prevents a group from being ready.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{Workshop, lines, run, write_parquet};

type Row = (i64, &'static str, i64);

fn write(shop: &Workshop, file: &str, rows: &[Row]) {
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>())),
        ("account", Arc::new(rows.iter().map(|row| Some(row.1)).collect::<StringArray>())),
        ("value", Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>())),
    ];
    write_parquet(&shop.path(file), &RecordBatch::try_from_iter(columns).unwrap(), 3);
}

fn job(shop: &Workshop, name: &str, more: &str) {
    let sides = format!(
        "[old]\npath = \"{name}-old.parquet\"\nallow_empty = true\n[new]\npath = \"{name}-new.parquet\"\nallow_empty = true\n"
    );
    let text = format!("{sides}[compare]\nkey = \"id\"\n[group]\nby = \"account\"\n{more}");
    fs::write(shop.path(&format!("{name}.toml")), text).unwrap();
}

/// The groups in each state, according to the lists in a directory.
fn states(shop: &Workshop, dir: &str, prefix: &str) -> [Vec<String>; 3] {
    ["ready", "partial", "untouched"].map(|state| lines(&shop.path(&format!("{dir}/{prefix}{state}.csv"))))
}

#[test]
fn a_group_is_ready_only_when_all_its_tables_are() {
    let shop = Workshop::new();
    write(
        &shop,
        "sites-old.parquet",
        &[(1, "a", 0), (2, "b", 0), (3, "c", 0), (4, "d", 0), (5, "e", 0), (5, "f", 0), (6, "g", 0)],
    );
    write(&shop, "sites-new.parquet", &[(1, "a", 0), (2, "b", 1), (3, "c", 0), (5, "e", 0), (6, "h", 0), (9, "i", 0)]);
    write(&shop, "plans-old.parquet", &[(1, "a", 0), (2, "c", 0), (3, "j", 0)]);
    write(&shop, "plans-new.parquet", &[(1, "a", 0), (3, "j", 0)]);
    job(&shop, "sites", "");
    job(&shop, "plans", "");
    let (code, out, said) = run(&shop, &["run", "sites.toml", "plans.toml"]);
    assert_eq!(code, 1, "{said}");
    // b differs, e and f share a duplicate key, g's row has become h's, i is only in new
    let [ready, partial, untouched] = states(&shop, "runs/sites/latest", "groups_");
    assert_eq!(
        (ready.join(" "), partial.join(" "), untouched.join(" ")),
        ("a c".into(), "b e h i".into(), "d f g".into())
    );
    let [ready, partial, untouched] = states(&shop, "runs/groups/latest", "");
    assert_eq!(
        (ready.join(" "), partial.join(" "), untouched.join(" ")),
        ("a j".into(), "b c e h i".into(), "d f g".into())
    );
    assert!(out.contains("over sites, plans; complete in runs/groups/"), "{out}");
    let told: Value =
        serde_json::from_str(&fs::read_to_string(shop.path("runs/groups/latest/groups.json")).unwrap()).unwrap();
    assert_eq!((&told["ready"], &told["jobs"][1]["job"]), (&2.into(), &"plans".into()));
    // a job that failed leaves everything in doubt
    let (code, out, _) = run(&shop, &["run", "sites.toml", "nothing.toml"]);
    assert_eq!(code, 2);
    assert!(out.contains("none is called ready: nothing: the job failed"), "{out}");
    assert_eq!(states(&shop, "runs/groups/latest", "")[0], Vec::<String>::new());
}

#[test]
fn what_may_concern_any_group_keeps_all_from_being_ready() {
    let shop = Workshop::new();
    write(&shop, "t-old.parquet", &[(1, "a", 0), (2, "b", 0)]);
    write(&shop, "t-new.parquet", &[(1, "a", 0), (2, "b", 0)]);
    let ready = |more: &str| {
        job(&shop, "t", more);
        let (_, out, said) = run(&shop, &["run", "t.toml", "--format", "json"]);
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{said}"));
        (report["groups"]["ready"].as_u64().unwrap(), report["groups"]["doubts"].as_array().map_or(0, Vec::len))
    };
    assert_eq!(ready(""), (2, 0));
    assert_eq!(ready("[[check]]\nname = \"c\"\nsql = \"SELECT id, account FROM old WHERE id = 2\"\n"), (1, 0));
    assert_eq!(ready("[[check]]\nname = \"c\"\nsql = \"SELECT count(*) FROM old\"\nexpect = { value = 3 }\n"), (0, 1));
    assert_eq!(ready("[[check]]\nname = \"c\"\nsql = \"SELECT count(*) FROM old\"\nexpect = { value = 2 }\n"), (2, 0));
    let refused = |more: &str| {
        job(&shop, "t", more);
        run(&shop, &["run", "t.toml"]).2
    };
    assert!(
        refused("[[check]]\nname = \"c\"\nsql = \"SELECT id FROM old\"\n")
            .contains("no column `account`, by which [group]")
    );
    assert!(refused("[private]\ncolumns = \"account\"\n").contains("`account` is private, and groups would show it"));
    fs::write(shop.path("x.toml"), "[old]\npath = \"t-old.parquet\"\n[new]\npath = \"t-new.parquet\"\n[compare]\nkey = \"id\"\n[group]\nby = \"acount\"\n").unwrap();
    assert!(run(&shop, &["validate", "x.toml"]).2.contains("no compared column is called `acount`"));
}

#[test]
fn a_folded_key_keeps_all_of_its_groups_from_being_ready() {
    let shop = Workshop::new();
    let rows: [Row; 3] = [(1, "a", 0), (1, "A", 0), (1, "b", 0)];
    write(&shop, "t-old.parquet", &rows);
    write(&shop, "t-new.parquet", &rows);
    let sides = "[old]\npath = \"t-old.parquet\"\n[new]\npath = \"t-new.parquet\"\n";
    let compare = "[compare]\nkey = [\"account\", \"id\"]\n[compare.columns.account]\ncasefold = true\n[group]\nby = \"account\"\n";
    fs::write(shop.path("t.toml"), format!("{sides}{compare}")).unwrap();
    let (_, out, said) = run(&shop, &["run", "t.toml"]);
    assert!(out.contains("could not be found again by their keys"), "{out}{said}");
    assert_eq!(states(&shop, "runs/t/latest", "groups_")[0], Vec::<String>::new());
}

#[test]
fn a_violation_of_no_known_group_leaves_everything_in_doubt() {
    let shop = Workshop::new();
    write(&shop, "t-old.parquet", &[(1, "a", 0), (2, "b", 0)]);
    write(&shop, "t-new.parquet", &[(1, "a", 0), (2, "b", 0), (2, "b", 0)][..2]);
    for account in ["CAST(NULL AS VARCHAR)", "upper(account)"] {
        job(
            &shop,
            "t",
            &format!("[[check]]\nname = \"c\"\nsql = \"SELECT id, {account} AS account FROM old WHERE id = 1\"\n"),
        );
        let (_, out, said) = run(&shop, &["run", "t.toml"]);
        assert!(out.contains("1 violation is of a group that neither side has"), "{out}{said}");
        let found = states(&shop, "runs/t/latest", "groups_");
        assert_eq!(found.map(|groups| groups.join(" ")), [String::new(), "a b".into(), String::new()]);
    }
    job(&shop, "t", "[[check]]\nname = \"c\"\nsql = \"SELECT id, 1.5 AS account FROM old\"\n");
    assert!(run(&shop, &["validate", "t.toml"]).2.contains("groups must be integers or text"));
}

#[test]
fn jobs_may_have_the_group_as_number_and_as_text() {
    let shop = Workshop::new();
    write(&shop, "texts-old.parquet", &[(1, "7", 0), (2, "8", 0)]);
    write(&shop, "texts-new.parquet", &[(1, "7", 0)]);
    job(&shop, "texts", "");
    let numbers = "query = \"SELECT id, CAST(account AS BIGINT) AS account, value FROM snapshot\"\n";
    let sides = format!("[old]\npath = \"texts-old.parquet\"\n{numbers}[new]\npath = \"texts-new.parquet\"\n{numbers}");
    fs::write(shop.path("numbers.toml"), format!("{sides}[compare]\nkey = \"id\"\n[group]\nby = \"account\"\n"))
        .unwrap();
    let (code, _, said) = run(&shop, &["run", "texts.toml", "numbers.toml", "--quiet"]);
    assert_eq!(code, 1, "{said}");
    let [ready, partial, untouched] = states(&shop, "runs/groups/latest", "");
    assert_eq!((ready, partial, untouched), (vec!["7".to_string()], vec![], vec!["8".to_string()]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A group is ready if and only if every key of its rows occurs exactly once on each side, with equal rows (a naive
    /// model).
    #[test]
    fn groups_are_as_a_naive_model_has_them(
        old in prop::collection::vec((0..12_i64, 0..4_usize, 0..2_i64), 0..14),
        new in prop::collection::vec((0..12_i64, 0..4_usize, 0..2_i64), 0..14),
    ) {
        const ACCOUNTS: [&str; 4] = ["a", "b", "c", "d"];
        let rows = |rows: &[(i64, usize, i64)]| -> Vec<Row> {
            rows.iter().map(|(id, account, value)| (*id, ACCOUNTS[*account], *value)).collect()
        };
        let (old, new) = (rows(&old), rows(&new));
        let shop = Workshop::new();
        write(&shop, "t-old.parquet", &old);
        write(&shop, "t-new.parquet", &new);
        job(&shop, "t", "");
        let (code, _, said) = run(&shop, &["run", "t.toml", "--quiet"]);
        prop_assert!(code != 2, "{}", said);
        let of = |rows: &[Row], id: i64| rows.iter().filter(|row| row.0 == id).copied().collect::<Vec<_>>();
        let mut expected: BTreeMap<&str, &str> = BTreeMap::new();
        for account in ACCOUNTS {
            let own = |rows: &[Row]| rows.iter().filter(|row| row.1 == account).copied().collect::<Vec<_>>();
            let all = [own(&old), own(&new)].concat();
            let is_right = |row: &Row| of(&old, row.0).len() == 1 && of(&new, row.0).len() == 1 && of(&old, row.0) == of(&new, row.0);
            if all.is_empty() {
                continue;
            }
            let state = if own(&new).is_empty() { "untouched" } else if all.iter().all(is_right) { "ready" } else { "partial" };
            expected.insert(account, state);
        }
        let found = states(&shop, "runs/t/latest", "groups_");
        for (state, found) in ["ready", "partial", "untouched"].iter().zip(found) {
            let expected: Vec<&str> = expected.iter().filter(|(_, of)| *of == state).map(|(account, _)| *account).collect();
            prop_assert_eq!(found, expected, "{} of {:?} and {:?}", state, old, new);
        }
    }
}
