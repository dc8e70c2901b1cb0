//! Checks in SQL: the library, parameters, the form of results, and redaction.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use serde_json::Value;

use crate::support::{Workshop, run, write_parquet};

const PAIR: &str = "[old]\npath = \"old.parquet\"\n[new]\npath = \"new.parquet\"\n[compare]\nkey = \"id\"\n";

/// Payments: an ID, the account, a state, and a card that may be private.
fn payments(shop: &Workshop, file: &str, rows: &[(i64, &str, Option<&str>, &str)]) {
    let ids: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>());
    let accounts: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.1)).collect::<StringArray>());
    let states: ArrayRef = Arc::new(rows.iter().map(|row| row.2).collect::<StringArray>());
    let cards: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.3)).collect::<StringArray>());
    let at = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.0 * 1_000_000)).with_timezone("UTC");
    let columns = [("id", ids), ("account", accounts), ("state", states), ("card", cards), ("at", Arc::new(at))];
    write_parquet(&shop.path(file), &RecordBatch::try_from_iter(columns).unwrap(), rows.len().div_ceil(2));
}

fn snapshots(shop: &Workshop) {
    payments(
        shop,
        "old.parquet",
        &[(1, "a", Some("done"), "SECRET-1"), (2, "a", Some("stuck"), "SECRET-2"), (3, "b", None, "   ")],
    );
    payments(shop, "new.parquet", &[(1, "a", Some("done"), "SECRET-1"), (2, "a", Some("stuck"), "SECRET-9")]);
}

fn job(shop: &Workshop, text: &str) {
    fs::write(shop.path("job.toml"), text).unwrap();
}

/// The list of a check of the last run.
fn list(shop: &Workshop, check: &str) -> String {
    fs::read_to_string(shop.path(&format!("runs/job/latest/check-{check}.csv"))).unwrap()
}

/// Every query of the library finds the rows at fault among a few rows.
const LIBRARY: [(&str, &str, &str); 13] = [
    (
        "balance_per_group",
        "inputs.debit = \"SELECT * FROM (VALUES (1,'eur',10.00),(1,'eur',5.00),(1,'usd',1.00),(2,'eur',3.00),(3,'eur',NULL)) AS t(id, unit, amount)\"\n\
         inputs.credit = \"SELECT * FROM (VALUES (1,'eur',15.00),(1,'usd',1.01),(2,'eur',3.00),(3,'eur',NULL),(4,'eur',0.00)) AS t(id, unit, amount)\"",
        "id,unit,old_entries,new_entries,old_sum,new_sum,difference\n1,eur,2,1,15.00,15.00,0.00\n\
         1,usd,1,1,1.00,1.01,0.01\n4,eur,0,1,0.00,0.00,0.00\n",
    ),
    (
        "duplicate_business_key",
        "inputs.item = \"SELECT * FROM (VALUES (1,'x'),(2,'y'),(3,'x'),(4,NULL),(5,NULL)) AS t(id, business_key)\"",
        "id,business_key,copies\n1,x,2\n3,x,2\n",
    ),
    (
        "embedded_list_not_empty",
        "inputs.holder = \"SELECT 1 AS id, make_array(7, 8) AS items UNION ALL SELECT 2, NULL UNION ALL SELECT 3, array_resize(make_array(1), 0)\"",
        "id,items\n1,2\n",
    ),
    (
        "hybrid_group",
        "inputs.member = \"SELECT * FROM (VALUES (1,'old'),(1,'new'),(2,'old'),(2,'old'),(3,'new')) AS t(id, store)\"",
        "id,stores,first_store,last_store,members\n1,2,new,old,2\n",
    ),
    (
        "lost_update",
        "inputs.before = \"SELECT * FROM (VALUES (1,5),(2,5),(3,5),(4,NULL)) AS t(id, version)\"\n\
         inputs.after = \"SELECT * FROM (VALUES (1,5),(2,4),(3,6),(4,1)) AS t(id, version)\"",
        "id,before,after\n2,5,4\n",
    ),
    (
        "never_fits",
        "inputs.field = \"SELECT * FROM (VALUES (1,'note','abcd',NULL),(2,'note',NULL,NULL),(3,'sum',NULL,11),(4,'sum',NULL,-1),(5,'sum',NULL,10),(6,'free','abcdefgh',NULL)) AS t(id, name, text, number)\"\n\
         inputs.bound = \"SELECT * FROM (VALUES ('note',true,3,NULL,NULL),('sum',false,NULL,0,10)) AS t(name, required, longest, least, most)\"",
        "id,name,problem\n1,note,too long\n2,note,missing\n3,sum,too large\n4,sum,too small\n",
    ),
    (
        "orphan_child",
        "inputs.child = \"SELECT * FROM (VALUES (1,10),(2,20),(3,NULL)) AS t(id, parent)\"\n\
         inputs.parent = \"SELECT * FROM (VALUES (10),(30)) AS t(id)\"",
        "id,parent\n2,20\n3,\n",
    ),
    (
        "residual_value",
        "inputs.item = \"SELECT * FROM (VALUES (1,'x'),(2,'   '),(3,''),(4,NULL),(5,' x ')) AS t(id, value)\"",
        "id\n1\n5\n",
    ),
    (
        "state_and_data_disagree",
        "inputs.item = \"SELECT * FROM (VALUES (1,'new',true),(2,'new',false),(3,'old',true),(4,NULL,false),(5,'new',NULL)) AS t(id, state, has_data)\"\n\
         params = { state = \"new\" }",
        "id,state,has_data\n2,new,false\n3,old,true\n5,new,\n",
    ),
    (
        "statuses_disagree",
        "inputs.truth = \"SELECT * FROM (VALUES (1,'m'),(2,'m'),(3,NULL),(4,'m')) AS t(id, state)\"\n\
         inputs.copy = \"SELECT * FROM (VALUES (1,'m'),(2,'n'),(3,NULL),(5,'m')) AS t(id, state)\"",
        "id,truth,copy\n2,m,n\n4,m,\n5,,m\n",
    ),
    (
        "stuck_in_progress",
        "inputs.item = \"SELECT id, state, at AS since FROM old UNION ALL SELECT 9, 'stuck', NULL\"\n\
         params = { state = \"stuck\", older_than = \"1h\", taken_at = 1970-01-01T01:00:02.000001Z }",
        "id,state,since\n2,stuck,1970-01-01T00:00:02Z\n9,stuck,\n",
    ),
    (
        "stuck_in_progress",
        "name = \"not_yet_stuck\"\ninputs.item = \"SELECT id, state, at AS since FROM old\"\n\
         params = { state = \"stuck\", older_than = \"1h\", taken_at = 1970-01-01T01:00:02Z }",
        "id,state,since\n",
    ),
    (
        "unmigrated_parent",
        "inputs.child = \"SELECT * FROM (VALUES (1,10),(2,20),(3,30),(4,40)) AS t(id, parent)\"\n\
         inputs.status = \"SELECT * FROM (VALUES (10,'migrated'),(20,'pending'),(30,NULL)) AS t(id, state)\"\n\
         params = { migrated = \"migrated\" }",
        "id,parent,state\n2,20,pending\n3,30,\n4,40,\n",
    ),
];

#[test]
fn the_library_finds_what_it_asks_for_and_nothing_else() {
    let shop = Workshop::new();
    snapshots(&shop);
    let checks = LIBRARY.map(|(library, inputs, _)| format!("[[check]]\nlibrary = \"{library}\"\n{inputs}\n"));
    job(&shop, &format!("[old]\npath = \"old.parquet\"\n{}", checks.concat()));
    let (code, out, said) = run(&shop, &["run", "job.toml", "--format", "json"]);
    assert_eq!(code, 1, "{said}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["run"]["way"], &report["rows"]["new"]), (&"none".into(), &0.into()));
    let reports = report["checks"].as_array().unwrap();
    assert_eq!(reports.len(), LIBRARY.len());
    for ((library, _, expected), report) in LIBRARY.iter().zip(reports) {
        let name = report["name"].as_str().unwrap();
        assert_eq!(list(&shop, name), *expected, "{name}");
        assert_eq!(report["found"].as_u64().unwrap() as usize, expected.lines().count() - 1, "{name}");
        assert_eq!(report["holds"], expected.lines().count() == 1, "{name}");
        // the header of each query is what the manual is made of
        let path = format!("{}/queries/checks/{library}.sql", env!("CARGO_MANIFEST_DIR"));
        let sql = fs::read_to_string(path).unwrap();
        for word in ["-- Question:", "-- Inputs:", "-- Output:"] {
            assert!(sql.contains(word), "{library}: {word}");
        }
        assert!(report["question"].as_str().unwrap().ends_with('?'), "{library}");
        assert!(LIBRARY.iter().any(|(known, ..)| known == library));
    }
    let files = fs::read_dir(format!("{}/queries/checks", env!("CARGO_MANIFEST_DIR"))).unwrap().count();
    let known: std::collections::BTreeSet<&str> = LIBRARY.iter().map(|(library, ..)| *library).collect();
    assert_eq!(files, known.len());
}

/// A custom check is one SQL file and four lines of TOML.
#[test]
fn a_check_of_ones_own_is_one_file_and_four_lines() {
    let shop = Workshop::new();
    snapshots(&shop);
    fs::write(
        shop.path("account_lost.sql"),
        "-- Question: which accounts have lost a payment?\n\
         SELECT DISTINCT get_field(old, 'account') AS account FROM discrepancies WHERE class = 'missing'",
    )
    .unwrap();
    let four_lines = "[[check]]\nsql    = \"account_lost.sql\"\nid     = [\"account\"]\nexpect = \"empty\"\n";
    assert_eq!(four_lines.lines().count(), 4);
    job(&shop, &format!("{PAIR}{four_lines}[gate]\nmissing = 1\nmismatch = 1\n"));
    let (code, out, said) = run(&shop, &["run", "job.toml"]);
    assert_eq!(code, 1, "{said}");
    assert!(out.contains("check account_lost: 1 violation, where none is allowed"), "{out}");
    assert!(out.contains("which accounts have lost a payment?"), "{out}");
    assert_eq!(list(&shop, "account_lost"), "account\nb\n");
    // within its limit it is accepted, and no match
    job(
        &shop,
        &format!("{PAIR}{}[gate]\nmissing = 1\nmismatch = 1\n", four_lines.replace("\"empty\"", "{ at_most = 1 }")),
    );
    let (code, out, _) = run(&shop, &["run", "job.toml", "--format", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["verdict"]), (0, &"accepted".into()));
    let metrics = ["run", "job.toml", "--quiet", "--metrics", "m.prom"];
    assert_eq!(run(&shop, &metrics).0, 0);
    let metrics = fs::read_to_string(shop.path("m.prom")).unwrap();
    assert!(metrics.contains("countersign_violations{job=\"job\",check=\"account_lost\"} 1"), "{metrics}");
}

#[test]
fn violations_within_a_limit_are_no_match_even_where_nothing_differs() {
    let shop = Workshop::new();
    payments(&shop, "old.parquet", &[(1, "a", None, "x")]);
    payments(&shop, "new.parquet", &[(1, "a", None, "x")]);
    let verdict = |expect: &str, sql: &str| {
        job(&shop, &format!("{PAIR}[[check]]\nname = \"c\"\nsql = \"{sql}\"\nexpect = {expect}\n"));
        let (code, out, said) = run(&shop, &["run", "job.toml", "--format", "json"]);
        let report: Value = serde_json::from_str(&out).unwrap_or_default();
        (code, report["verdict"].as_str().unwrap_or_default().to_string(), said)
    };
    assert_eq!(verdict("\"empty\"", "SELECT id FROM old WHERE id > 5").1, "match");
    assert_eq!(verdict("\"empty\"", "SELECT id FROM old").1, "discrepant");
    assert_eq!(verdict("{ at_most = 1 }", "SELECT id FROM old").1, "accepted");
    assert_eq!(verdict("{ value = 1 }", "SELECT count(*) FROM new").1, "match");
    assert_eq!(verdict("{ value = 1.0 }", "SELECT sum(id) FROM new").1, "match");
    assert_eq!(verdict("{ value = \"a\" }", "SELECT account FROM new").1, "match");
    assert_eq!(verdict("{ value = 1 }", "SELECT sum(id) FROM new WHERE id > 5").1, "discrepant");
    assert_eq!(verdict("{ value = 2 }", "SELECT count(*) FROM new").1, "discrepant");
    let (code, _, said) = verdict("{ value = 2 }", "SELECT id FROM new WHERE id > 5");
    assert!(code == 2 && said.contains("the answer has no row"), "{said}");
    let (code, _, said) = verdict("{ value = 2 }", "SELECT id, account FROM new");
    assert!(code == 2 && said.contains("one value is expected, but the result has columns id, account"), "{said}");
}

#[test]
fn mistakes_in_checks_are_told_before_anything_is_compared() {
    let shop = Workshop::new();
    snapshots(&shop);
    fs::write(shop.path("p.sql"), "-- Parameters: $min integer; $what text\nSELECT id FROM old WHERE id > $min")
        .unwrap();
    for (check, words) in [
        ("name = \"c\"\nsql = \"SELECT account FROM old\"", "its result has no ID: neither the key (id) nor `id`"),
        ("name = \"c\"\nsql = \"SELECT id FROM old\"\nid = \"nope\"", "its result has no column `nope`; it has id"),
        ("name = \"c\"\nsql = \"SELECT nope FROM old\"", "No field named nope"),
        ("name = \"c\"\nsql = \"DROP TABLE old\"", "cannot read"),
        ("name = \"c\"\nsql = \"WITH a AS (SELECT 1) DELETE FROM old\"", "cannot be planned"),
        ("sql = \"SELECT id FROM old\"", "needs a `name`"),
        ("library = \"orphan_chld\"", "did you mean `orphan_child`?"),
        ("library = \"orphan_child\"", "table 'child' not found"),
        ("name = \"c\"", "a check needs `sql`"),
        ("sql = \"p.sql\"\nparams = { min = 1 }", "parameter `what` has no value; expected a text"),
        ("sql = \"p.sql\"\nparams = { min = \"x\", what = \"y\" }", "`min` is `x`; expected an integer"),
        ("sql = \"p.sql\"\nparams = { min = 1, what = \"y\", more = 2 }", "the query declares no parameter `$more`"),
        ("name = \"c\"\nsql = \"SELECT id FROM old WHERE id > $n\"", "`$n` has no value; declare it"),
        ("name = \"c\"\nsql = \"SELECT id FROM old\"\nexpect = \"none\"", "expected \"empty\""),
        ("name = \"a b\"\nsql = \"SELECT id FROM old\"", "cannot name a list"),
        ("name = \"c\"\nsql = \"SELECT id FROM old\"\ninputs.new = \"SELECT 1\"", "is already a table of the job"),
        (
            "name = \"c\"\nsql = \"SELECT id FROM old\"\n[[check]]\nname = \"c\"\nsql = \"SELECT id FROM new\"",
            "duplicate check name `c`",
        ),
    ] {
        job(&shop, &format!("{PAIR}[[check]]\n{check}\n"));
        for command in ["validate", "run"] {
            let (code, _, said) = run(&shop, &[command, "job.toml"]);
            assert!(code == 2 && said.contains(words), "{check}\n{said}");
            assert!(said.contains("job.toml:7") || said.contains("job.toml:10"), "{said}");
        }
        assert_eq!(shop.runs("runs/job"), Vec::<String>::new());
    }
}

/// A value never becomes part of the SQL text.
#[test]
fn parameters_are_values_and_no_text_of_sql() {
    let shop = Workshop::new();
    snapshots(&shop);
    let sql = "-- Parameters: $account text; $least integer; $share decimal; $since timestamp; $day date; $on boolean\n\
               SELECT id FROM old WHERE account = $account AND id >= $least AND $share < 0.5 AND $on\n\
               AND at < $since AND CAST(at AS DATE) < $day";
    fs::write(shop.path("p.sql"), sql).unwrap();
    let check = |account: &str| {
        job(
            &shop,
            &format!(
                "{PAIR}[[check]]\nsql = \"p.sql\"\n[check.params]\naccount = \"{account}\"\nleast = -2\nshare = 0.25\n\
                 since = 2026-01-01T00:00:00+09:00\nday = 2026-01-01\non = true\n"
            ),
        );
        assert_ne!(run(&shop, &["run", "job.toml", "--quiet"]).0, 2);
        list(&shop, "p")
    };
    assert_eq!(check("a"), "id\n1\n2\n");
    assert_eq!(check("a' OR '1' = '1"), "id\n");
    assert_eq!(check("x'; DROP TABLE old; --"), "id\n");
}

#[test]
fn keys_of_further_tables_are_held_to() {
    let shop = Workshop::new();
    snapshots(&shop);
    payments(&shop, "status.parquet", &[(1, "a", None, "x"), (2, "b", None, "x"), (2, "c", None, "x")]);
    let tables = |key: &str| format!("{PAIR}[tables.status]\npath = \"status.parquet\"\nkey = {key}\n");
    job(&shop, &tables("\"id\""));
    let (code, _, said) = run(&shop, &["run", "job.toml"]);
    assert!(code == 2 && said.contains("`id` is not a key of table `status`: 2 in 2 rows"), "{said}");
    job(&shop, &tables("[\"id\", \"account\"]"));
    assert_eq!(run(&shop, &["run", "job.toml", "--quiet"]).0, 1);
    job(&shop, &tables("[\"id\", \"state\"]"));
    let (code, _, said) = run(&shop, &["run", "job.toml"]);
    assert!(code == 2 && said.contains("1, NULL in 1 row"), "{said}");
}

#[test]
fn no_answer_shows_private_values() {
    let shop = Workshop::new();
    snapshots(&shop);
    let private = "[private]\ncolumns = [\"card\"]\n";
    for sql in [
        "SELECT id, card FROM old",
        "SELECT id, upper(card) AS x FROM new",
        "SELECT id, x FROM (SELECT id, substr(card, 1, 2) AS x FROM old)",
        "SELECT id, max(card) AS x FROM old GROUP BY id",
        "SELECT card AS id FROM old",
        "SELECT o.id, (SELECT max(n.card) FROM new AS n) AS x FROM old AS o",
        "SELECT id, lag(card) OVER (ORDER BY id) AS x FROM old",
        "SELECT id, x FROM (SELECT id, state AS x FROM old UNION ALL SELECT id, card FROM new)",
        "WITH c AS (SELECT * FROM old) SELECT c.id, c.card FROM c JOIN new ON c.id = new.id",
        "SELECT id, CASE WHEN state = 'done' THEN card END AS x FROM old",
        "SELECT id, named_struct('c', card) AS x FROM old",
        "SELECT o.id, (SELECT max(concat(o.c, n.state)) FROM new AS n) AS x FROM (SELECT id, card AS c FROM old) AS o",
        "SELECT o.id, l.x FROM (SELECT id, card AS c FROM old) AS o, LATERAL (SELECT concat(o.c, '') AS x) AS l",
        "SELECT DISTINCT ON (id) id, concat(card, '') AS x FROM old",
        "SELECT id, unnest([card, state]) AS x FROM old",
        "SELECT id, x FROM (VALUES (1, (SELECT max(card) FROM old))) AS v (id, x)",
        "WITH RECURSIVE r AS (SELECT id, card AS x, 0 AS n FROM old UNION ALL SELECT id, x, n + 1 FROM r WHERE n < 1) SELECT id, x FROM r",
    ] {
        job(&shop, &format!("{PAIR}{private}[[check]]\nname = \"c\"\nsql = \"{sql}\"\n"));
        let (code, out, said) = run(&shop, &["run", "job.toml"]);
        assert!(code == 2 && said.contains("shows private values"), "{sql}: {said}");
        assert!(!(out + &said).contains("SECRET"), "{sql}");
    }
    for (sql, expected) in [
        ("SELECT id FROM old WHERE btrim(card) <> ''", "id\n1\n2\n"),
        ("SELECT id, card IS NULL AS x FROM old WHERE card LIKE 'SECRET-1%'", "id,x\n1,false\n"),
        ("SELECT id, count(card) AS x FROM old GROUP BY id", "id,x\n1,1\n2,1\n3,1\n"),
        (
            "SELECT DISTINCT ON (id) id, state AS x FROM (SELECT id, state, card FROM old) WHERE id = 1",
            "id,x\n1,done\n",
        ),
        (
            "SELECT o.id, (SELECT max(n.state) FROM new AS n WHERE n.card = o.card) AS x FROM old AS o WHERE o.id = 1",
            "id,x\n1,done\n",
        ),
        ("SELECT o.id, n.state FROM old AS o JOIN new AS n ON o.card = n.card", "id,state\n1,done\n"),
    ] {
        job(&shop, &format!("{PAIR}{private}[[check]]\nname = \"c\"\nsql = \"{sql}\"\n"));
        let (code, out, said) = run(&shop, &["run", "job.toml"]);
        assert_eq!((code, list(&shop, "c").as_str()), (1, expected), "{sql}: {said}");
        assert!(!out.contains("SECRET"), "{sql}: {out}");
    }
}

#[test]
fn lists_are_the_same_whatever_the_threads() {
    let shop = Workshop::new();
    let rows: Vec<(i64, &str, Option<&str>, &str)> =
        (0..5_000).map(|id| (id * 7 % 5_000, ["a", "b", "c"][id as usize % 3], None, "x")).collect();
    payments(&shop, "old.parquet", &rows);
    payments(&shop, "new.parquet", &rows[..4_000]);
    let sql = "SELECT account, id % 10 AS last, count(*) AS n FROM old GROUP BY account, id % 10";
    job(&shop, &format!("{PAIR}[[check]]\nname = \"c\"\nsql = \"{sql}\"\nid = \"account\"\n"));
    let lists = ["1", "2", "7"].map(|threads| {
        assert_eq!(run(&shop, &["run", "job.toml", "--quiet", "--threads", threads]).0, 1);
        list(&shop, "c")
    });
    assert_eq!(lists[0].lines().count(), 31);
    assert!(lists.iter().all(|other| *other == lists[0]));
}

#[test]
fn lengths_of_text_and_of_bytes() {
    let shop = Workshop::new();
    let bytes: ArrayRef = Arc::new(arrow::array::BinaryArray::from_iter([Some(&b"\x00\xff\xfe"[..]), None]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("é"), None]));
    write_parquet(&shop.path("old.parquet"), &RecordBatch::try_from_iter([("b", bytes), ("t", texts)]).unwrap(), 2);
    for (sql, value) in [
        ("sum(octet_length(b))", "3"),
        ("sum(length(b))", "3"),
        ("sum(bit_length(b))", "24"),
        ("sum(octet_length(t))", "2"),
        ("sum(length(t))", "1"),
        ("sum(character_length(t))", "1"),
        ("count(length(NULL))", "0"),
    ] {
        let check =
            format!("[[check]]\nname = \"c\"\nsql = \"SELECT {sql} FROM old\"\nexpect = {{ value = {value} }}\n");
        job(&shop, &format!("[old]\npath = \"old.parquet\"\n{check}"));
        let (code, out, said) = run(&shop, &["run", "job.toml"]);
        assert_eq!(code, 0, "{sql}: {out}{said}");
    }
    let wrong = "[[check]]\nname = \"c\"\nsql = \"SELECT length(1) FROM old\"\nexpect = { value = 1 }\n";
    job(&shop, &format!("[old]\npath = \"old.parquet\"\n{wrong}"));
    let (code, _, said) = run(&shop, &["validate", "job.toml"]);
    assert!(code == 2 && said.contains("length is for text and binary, not for Int64"), "{said}");
}

/// An overflow is an error or a wider number, and never another number.
#[test]
fn sums_do_not_wrap_around() {
    let shop = Workshop::new();
    let half = i64::MAX;
    let rows: Vec<(i64, &str, Option<&str>, &str)> =
        vec![(half, "a", None, "x"), (half, "a", None, "x"), (2, "a", None, "x")];
    let ids: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>());
    write_parquet(&shop.path("old.parquet"), &RecordBatch::try_from_iter([("n", ids)]).unwrap(), 2);
    let asked = |sql: &str, value: &str| {
        let check = format!("[[check]]\nname = \"c\"\nsql = \"{sql}\"\nexpect = {{ value = \"{value}\" }}\n");
        job(&shop, &format!("[old]\npath = \"old.parquet\"\n{check}"));
        let (code, out, said) = run(&shop, &["run", "job.toml"]);
        (code, out + &said)
    };
    let (code, said) = asked("SELECT sum(n) FROM old", "18446744073709551616");
    assert_eq!(code, 0, "{said}");
    assert_eq!(asked("SELECT max(s) FROM (SELECT sum(n) OVER () AS s FROM old)", "18446744073709551616").0, 0);
    assert_eq!(asked("SELECT sum(DISTINCT n) FROM old", "9223372036854775809").0, 0);
    for sql in [
        "SELECT sum(n * 4) FROM old",
        "SELECT max(n * 4) FROM old",
        "SELECT n * 4 FROM old WHERE n > 2 LIMIT 1",
        // constants are calculated before the query runs
        "SELECT 9223372036854775807 + 1",
        "SELECT max(n) - (9223372036854775807 * 2) FROM old",
        "SELECT max(n) FROM old WHERE n > -9223372036854775807 - 2",
        "SELECT max(n) FROM old WHERE n > abs(-4611686018427387904) * 2",
    ] {
        let (code, said) = asked(sql, "0");
        assert!(code == 2 && said.contains("verflow"), "{sql}: {said}");
    }
    let balance = "[[check]]\nlibrary = \"balance_per_group\"\ninputs.debit = \"SELECT 1 AS id, 'x' AS unit, n AS amount FROM old\"\n\
                   inputs.credit = \"SELECT 1 AS id, 'x' AS unit, CAST(0 AS BIGINT) AS amount FROM old\"\n";
    job(&shop, &format!("[old]\npath = \"old.parquet\"\n{balance}"));
    assert_eq!(run(&shop, &["run", "job.toml", "--quiet"]).0, 1);
    assert!(list(&shop, "balance_per_group").contains("-18446744073709551616"));
}

/// Columns computed from a private column, its name on the other side, and columns that are not compared are private.
#[test]
fn private_columns_are_followed_through_queries_and_names() {
    let shop = Workshop::new();
    snapshots(&shop);
    let shaped = "query = \"SELECT id, account, state, card AS pan, upper(card) AS masked, at FROM snapshot\"\n";
    let old = format!("[old]\npath = \"old.parquet\"\n{shaped}");
    let ask = |private: &str, sql: &str| {
        format!("[private]\ncolumns = [\"{private}\"]\n[[check]]\nname = \"c\"\nsql = \"{sql}\"\n")
    };
    let refused = |text: String, words: &str| {
        job(&shop, &text);
        let (code, out, said) = run(&shop, &["run", "job.toml"]);
        assert!(code == 2 && said.contains(words) && !(out + &said).contains("SECRET"), "{text}: {said}");
    };
    for sql in ["SELECT id, pan FROM old", "SELECT id, masked FROM old"] {
        refused(format!("{old}{}", ask("card", sql)), "shows private values");
        refused(format!("{old}{}", ask("pan", sql)), "shows private values");
    }
    refused(format!("{old}{}", ask("crad", "SELECT id FROM old")), "no column is called `crad`");
    // one that is mapped, and not compared
    let mapped = PAIR.replace(
        "key = \"id\"",
        "key = \"id\"\nignore = [\"number\", \"card\"]\n[compare.columns.number]\nold = \"card\"",
    );
    let new = "path = \"new.parquet\"\nquery = \"SELECT id, account, state, card AS number, at FROM snapshot\"";
    let mapped = mapped.replace("path = \"new.parquet\"", new);
    refused(format!("{mapped}{}", ask("number", "SELECT id, card FROM old")), "shows private values");
    let table = "[tables.cards]\npath = \"old.parquet\"\n";
    refused(format!("{mapped}{table}{}", ask("number", "SELECT id, card FROM cards")), "shows private values");
    // also in the table of discrepancies
    let both =
        format!("{old}[new]\npath = \"new.parquet\"\n{shaped}[compare]\nkey = \"id\"\n[private]\ncolumns = \"card\"\n");
    job(&shop, &both);
    let (_, out, said) = run(&shop, &["run", "job.toml"]);
    assert!(said.is_empty() && !out.contains("SECRET"), "{out}{said}");
}

#[test]
fn old_alone_is_held_to_what_snapshots_have_to_be() {
    let shop = Workshop::new();
    let alone = |more: &str| {
        format!(
            "[old]\npath = \"old.parquet\"\n{more}[[check]]\nname = \"c\"\nsql = \"SELECT id FROM old WHERE id < 0\"\n"
        )
    };
    let rows: Vec<(i64, &str, Option<&str>, &str)> = (0..100).map(|id| (id, "a", None, "x")).collect();
    payments(&shop, "old.parquet", &rows);
    job(&shop, &alone("max_drop = \"5 %\"\n"));
    assert_eq!(run(&shop, &["run", "job.toml", "--quiet"]).0, 0);
    payments(&shop, "old.parquet", &rows[..50]);
    let (code, out, _) = run(&shop, &["run", "job.toml", "--quiet"]);
    assert!(code == 2 && out.contains("50 fewer than in run"), "{out}");
    // it does not affect a later comparison
    payments(&shop, "new.parquet", &rows[..50]);
    job(&shop, &PAIR.replace("old.parquet\"", "old.parquet\"\nmust_change = true"));
    assert_eq!(run(&shop, &["run", "job.toml", "--quiet"]).0, 0);
    for section in
        ["[gate]\nmissing = 1\n", "[segments]\nby = \"account\"\n", "[misplaced]\n", "[in_flight]\ncolumn = \"at\"\n"]
    {
        job(&shop, &format!("{}{section}", alone("")));
        let (code, _, said) = run(&shop, &["run", "job.toml"]);
        assert!(
            code == 2 && said.contains("needs a comparison, but the job lacks the section [new]"),
            "{section}: {said}"
        );
    }
}

#[test]
fn inputs_have_any_name_and_any_order() {
    let shop = Workshop::new();
    snapshots(&shop);
    let check = "[[check]]\nname = \"c\"\nsql = \"SELECT \\\"a.b\\\".id FROM \\\"a.b\\\" JOIN \\\"Zwei\\\" ON \\\"a.b\\\".id = \\\"Zwei\\\".id\"\n\
                 inputs.\"a.b\" = \"SELECT id FROM \\\"Zwei\\\"\"\ninputs.Zwei = \"SELECT id FROM old WHERE id = 2\"\n";
    job(&shop, &format!("{PAIR}{check}"));
    let (code, _, said) = run(&shop, &["run", "job.toml", "--quiet"]);
    assert_eq!(code, 1, "{said}");
    assert_eq!(list(&shop, "c"), "id\n2\n");
}
