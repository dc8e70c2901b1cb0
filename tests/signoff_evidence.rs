//! Evidence of a sign-off: IDs of any type, sides that a query shapes, a second store that changes, keys of every kind,
//! and tables that are no longer written to.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float64Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use countersign::certificate::Certificate;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::signoff::{OLD, OLD_TERMS, Row, candidates, job, pair, sign, write};
use crate::support::{Workshop, lines, run, write_parquet};

fn edit(shop: &Workshop, edit: impl Fn(String) -> String) {
    let text = fs::read_to_string(shop.path("job.toml")).unwrap();
    fs::write(shop.path("job.toml"), edit(text)).unwrap();
}

fn certificate(shop: &Workshop) -> Certificate {
    let bytes = fs::read(shop.path("out/certificate.json")).unwrap();
    Certificate::parse(&bytes, Path::new("out/certificate.json")).unwrap()
}

/// How a check may write its IDs: pandas writes integers with NULLs as floats, and others write decimals or text.
#[test]
fn a_check_blocks_whom_it_names_whatever_type_its_ids_have() {
    let parents: [(&str, ArrayRef); 6] = [
        ("whole numbers", Arc::new(Int64Array::from(vec![Some(2), None, Some(6)]))),
        ("floats", Arc::new(Float64Array::from(vec![Some(2.0), None, Some(6.0)]))),
        (
            "decimals",
            Arc::new(Decimal128Array::from(vec![Some(200), None, Some(600)]).with_precision_and_scale(12, 2).unwrap()),
        ),
        ("text with leading zeros", Arc::new(StringArray::from(vec![Some("02"), None, Some("0006")]))),
        ("text with blanks", Arc::new(StringArray::from(vec![Some(" 2"), None, Some("6   ")]))),
        ("text with a point", Arc::new(StringArray::from(vec![Some("2.0"), None, Some("6.000")]))),
    ];
    for (what, parent) in parents {
        let shop = Workshop::new();
        pair(&shop);
        let child = RecordBatch::try_from_iter([("parent", parent)]).unwrap();
        write_parquet(&shop.path("child.parquet"), &child, 5);
        let check =
            "[[signoff.check]]\nname = \"used\"\nsql = \"SELECT parent AS id FROM child WHERE parent IS NOT NULL\"\n";
        job(&shop, &format!("[tables.child]\npath = \"child.parquet\"\n{OLD_TERMS}{check}"));
        candidates(&shop, "id", &["1", "2", "6"]);
        let (code, approved, blocked) = sign(&shop);
        assert_eq!((code, approved.into_iter().collect::<Vec<_>>()), (1, vec!["1".to_string()]), "{what}");
        assert_eq!((blocked["2"].as_str(), blocked["6"].as_str()), ("check:used", "check:used"), "{what}");
    }
}

#[test]
fn an_id_that_nobody_has_is_counted_and_one_that_cannot_be_read_verifies_nothing() {
    let shop = Workshop::new();
    pair(&shop);
    candidates(&shop, "id", &["1"]);
    let check = |sql: &str| {
        job(&shop, &format!("{OLD_TERMS}[[signoff.check]]\nname = \"c\"\nsql = \"{sql}\"\n"));
        sign(&shop)
    };
    // 3 is a row of both sides, 9 only of new; no side has 77 and 2.5
    let (code, approved, _) = check("SELECT id FROM (VALUES (3.0), (9.0), (77.0), (2.5)) AS t(id)");
    assert_eq!((code, approved.len()), (0, 1));
    let page = fs::read_to_string(shop.path("out/signoff.md")).unwrap();
    assert!(page.contains("2 IDs of 4 that the checks name: no candidate and no row of either side has it"), "{page}");
    let evidence = certificate(&shop).statement.predicate.evidence.unwrap();
    assert_eq!((evidence.named, evidence.of_nobody, evidence.unreadable, evidence.lost), (4, 2, 0, 0));
    let (code, approved, blocked) = check("SELECT id FROM (VALUES ('1'), ('none')) AS t(id)");
    assert_eq!((code, approved.len()), (2, 0));
    assert_eq!(blocked["1"], "check:c unverified sign_off_unverified");
}

#[test]
fn a_status_is_found_by_value_and_one_that_cannot_be_read_verifies_nothing() {
    let shop = Workshop::new();
    pair(&shop);
    let terms = "[tables.truth]\npath = \"truth.parquet\"\n[signoff]\ndelete_from = \"old\"\n\
                 source_of_truth = { table = \"truth\", key = \"id\", column = \"state\", must_be = \"go\" }\n";
    job(&shop, terms);
    candidates(&shop, "id", &["1", "2", "6"]);
    let truth = |ids: ArrayRef, states: Vec<&str>| {
        let states: ArrayRef = Arc::new(StringArray::from(states));
        let batch = RecordBatch::try_from_iter([("id", ids), ("state", states)]).unwrap();
        write_parquet(&shop.path("truth.parquet"), &batch, 5);
        sign(&shop)
    };
    let (code, approved, blocked) =
        truth(Arc::new(Float64Array::from(vec![1.0, 2.0, 6.0, 50.0])), vec!["go", "stay", "go", "go"]);
    assert_eq!((code, approved.len(), blocked["2"].as_str()), (1, 2, "source_of_truth_says_otherwise"));
    // the same ID in two spellings is there twice
    let (_, approved, blocked) = truth(Arc::new(StringArray::from(vec!["1", "2", "2.0", "06"])), vec!["go"; 4]);
    assert_eq!((approved.len(), blocked["2"].as_str()), (2, "source_of_truth_has_several"));
    let (code, approved, _) = truth(Arc::new(StringArray::from(vec!["1", "2", "6", "x-7"])), vec!["go"; 4]);
    assert_eq!((code, approved.len()), (2, 0));
}

#[test]
fn a_column_that_a_query_leaves_out_does_not_go() {
    let shop = Workshop::new();
    pair(&shop);
    candidates(&shop, "id", &["1", "2"]);
    let query = "query = \"SELECT id, account, at FROM snapshot\"\n";
    let shaped = |text: String| {
        let text = text.replace("path = \"old.parquet\"\n", &format!("path = \"old.parquet\"\n{query}"));
        text.replace("path = \"new.parquet\"\n", &format!("path = \"new.parquet\"\n{query}"))
    };
    for terms in [OLD_TERMS.to_string(), format!("{OLD_TERMS}cleanup = {{ column = \"value\", becomes = \"null\" }}\n")]
    {
        job(&shop, &terms);
        edit(&shop, shaped);
        let (code, approved, blocked) = sign(&shop);
        assert_eq!((code, approved.len(), blocked["1"].as_str()), (1, 0, "uncovered"), "{terms}");
        let certificate = certificate(&shop);
        let covered = certificate.statement.predicate.requirements.iter().find(|own| own.name == "uncovered").unwrap();
        assert!(!covered.holds && covered.description.contains("not compared: value"), "{}", covered.description);
    }
    // with another table's column of the same name, the stored one is as uncovered
    let other = "query = \"SELECT s.id, s.account, s.at, t.value FROM snapshot AS s JOIN other AS t ON s.id = t.id\"\n";
    job(&shop, &format!("[tables.other]\npath = \"new.parquet\"\n{OLD_TERMS}"));
    edit(&shop, |text| text.replacen("path = \"old.parquet\"\n", &format!("path = \"old.parquet\"\n{other}"), 1));
    assert!(sign(&shop).2["1"].contains("uncovered"));
}

#[test]
fn rows_that_a_query_hides_block_their_candidate() {
    let shop = Workshop::new();
    let mut old = OLD.to_vec();
    // a second row 2, which the query does not show
    old.push((2, "a", -1, 50));
    write(&shop, "old.parquet", &old);
    let mut new = OLD.to_vec();
    new.push((9, "e", 9, 50));
    write(&shop, "new.parquet", &new);
    candidates(&shop, "id", &["1", "2"]);
    let shaped = |query: &str| {
        job(&shop, OLD_TERMS);
        edit(&shop, |text| {
            text.replace("path = \"old.parquet\"\n", &format!("path = \"old.parquet\"\nquery = \"{query}\"\n"))
        });
    };
    shaped("SELECT * FROM snapshot WHERE value >= 0");
    let (code, approved, blocked) = sign(&shop);
    assert_eq!((code, approved.len(), blocked["2"].as_str()), (1, 1, "hidden_rows"));
    // rows that a query filters out before a join are also hidden
    shaped("SELECT s.* FROM (SELECT * FROM snapshot WHERE value >= 0) AS s LEFT JOIN new AS n ON s.id = n.id");
    edit(&shop, |text| {
        text.replace("LEFT JOIN new AS n", "LEFT JOIN other AS n") + "[tables.other]\npath = \"new.parquet\"\n"
    });
    assert_eq!(sign(&shop).2["2"], "hidden_rows");
    for (query, words) in [
        ("SELECT DISTINCT ON (id) * FROM snapshot ORDER BY id, value DESC", "it has DISTINCT"),
        (
            "SELECT id, min(account) AS account, max(value) AS value, max(at) AS at FROM snapshot GROUP BY id",
            "GROUP BY",
        ),
        ("SELECT id + 0 AS id, account, value, at FROM snapshot", "computes `id` from something other"),
        ("SELECT * FROM snapshot UNION ALL SELECT * FROM snapshot", "UNION"),
        ("SELECT s.* FROM snapshot AS s JOIN snapshot AS t ON s.id = t.id", "a join of `snapshot` with itself"),
        (
            "SELECT t.i AS id, account, value, at FROM snapshot, (VALUES (1), (2)) AS t(i)",
            "computes `id` from something other",
        ),
    ] {
        shaped(query);
        let (code, _, said) = run(&shop, &["signoff", "job.toml", "--candidates", "ids.csv", "--out", "x"]);
        assert!(code == 2 && said.contains(words) && said.contains("SELECT … FROM snapshot"), "{query}: {said}");
        assert!(!shop.path("x").exists());
    }
}

/// With a key of another table, a join could duplicate one stored row in place of another that the query filters out.
#[test]
fn a_key_that_comes_from_another_table_stands_for_no_stored_row() {
    let shop = Workshop::new();
    pair(&shop);
    candidates(&shop, "account", &["a"]);
    job(&shop, &format!("[tables.other]\npath = \"new.parquet\"\n{OLD_TERMS}candidate_key = \"account\"\n"));
    let query =
        "SELECT o.id, s.account, s.value, s.at FROM snapshot AS s JOIN other AS o ON s.id = o.id WHERE s.value < 9";
    edit(&shop, |text| {
        text.replacen("path = \"old.parquet\"\n", &format!("path = \"old.parquet\"\nquery = \"{query}\"\n"), 1)
    });
    let (code, _, said) = run(&shop, &["signoff", "job.toml", "--candidates", "ids.csv", "--out", "x"]);
    assert!(code == 2 && said.contains("it takes key `id` from another table"), "{said}");
    assert!(!shop.path("x").exists());
}

/// Signs off rows 1 and 2, deletes them from old, and verifies the deletions.
fn after(new: &[Row]) -> (i32, String) {
    let shop = Workshop::new();
    pair(&shop);
    job(&shop, OLD_TERMS);
    candidates(&shop, "id", &["1", "2"]);
    assert_eq!(sign(&shop).0, 0);
    write(&shop, "old.parquet", &OLD[2..]);
    write(&shop, "new.parquet", new);
    let (code, out, said) = run(&shop, &["signoff", "job.toml", "--after", "out/certificate.json", "--quiet"]);
    (code, out + &said)
}

#[test]
fn after_the_delete_the_other_store_has_to_have_the_rows() {
    let mut new = OLD.to_vec();
    new[2].2 = 99;
    new.remove(3);
    new.push(OLD[4]);
    new.push((9, "e", 9, 50));
    let (code, said) = after(&new);
    assert!(code == 0 && said.starts_with("PROVED"), "{said}");
    // the last copy is gone
    let (code, said) = after(&new[1..]);
    assert!(code == 1 && said.contains("lost         1  1"), "{said}");
    // it is there twice
    let twice: Vec<Row> = new.iter().copied().chain([new[1]]).collect();
    let (code, said) = after(&twice);
    assert!(code == 1 && said.contains("lost         1  2"), "{said}");
    // its value was overwritten, but its version was not updated
    let mut changed = new.clone();
    changed[0].2 = -1;
    let (code, said) = after(&changed);
    assert!(code == 1 && said.contains("lost         1  1"), "{said}");
    // it was written since: a newer version is no disproof
    changed[0].3 = 0;
    let (code, said) = after(&changed);
    assert!(code == 0 && said.contains("newer        1"), "{said}");
}

#[test]
fn keys_of_every_kind_that_a_list_can_write_are_signed_off() {
    let uuids = |bytes: bool| -> ArrayRef {
        let raw = (0..4_u8).map(|at| [at; 16]);
        match bytes {
            true => Arc::new(FixedSizeBinaryArray::try_from_iter(raw).unwrap()),
            false => {
                let text = raw.map(|raw| {
                    let hex = raw.map(|byte| format!("{byte:02x}")).concat();
                    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-").to_uppercase()
                });
                Arc::new(StringArray::from_iter_values(text))
            }
        }
    };
    let text = |texts: [&str; 4]| -> ArrayRef { Arc::new(StringArray::from_iter_values(texts)) };
    let dates = || -> ArrayRef { Arc::new(Date32Array::from(vec![1, 2, 3, 20_000])) };
    let binary = || -> ArrayRef { Arc::new(BinaryArray::from_iter_values([b"\x00", b"\x01", b"\x02", b"\xff"])) };
    let cents = || -> ArrayRef {
        Arc::new(Decimal128Array::from(vec![100, 150, 200, 250]).with_precision_and_scale(9, 2).unwrap())
    };
    let cases: [(&str, ArrayRef, ArrayRef, &str, &str); 6] = [
        ("uuid", uuids(false), uuids(true), "as = \"uuid\"\n", "02020202-0202-0202-0202-020202020202"),
        ("padded", text(["a ", "b ", "c ", "d "]), text(["a", "b", "c", "d"]), "rtrim = true\n", "c "),
        (
            "text and numbers",
            text(["1", "2", "3", "4"]),
            Arc::new(Int64Array::from(vec![1, 2, 3, 4])),
            "as = \"integer\"\n",
            "3",
        ),
        ("dates", dates(), dates(), "", "1970-01-04"),
        ("binary", binary(), binary(), "", "02"),
        ("decimals", cents(), cents(), "", "2.00"),
    ];
    for (what, old, new, rule, id) in cases {
        let shop = Workshop::new();
        let side = |file: &str, ids: ArrayRef, fourth: i64| {
            let time = (Timestamp::now() - SignedDuration::from_hours(50)).as_microsecond();
            let times = TimestampMicrosecondArray::from_iter_values([time; 4]).with_timezone("UTC");
            let columns: [(&str, ArrayRef); 3] =
                [("id", ids), ("value", Arc::new(Int64Array::from(vec![1, 2, 3, fourth]))), ("at", Arc::new(times))];
            write_parquet(&shop.path(file), &RecordBatch::try_from_iter(columns).unwrap(), 5);
        };
        side("old.parquet", old, 4);
        side("new.parquet", new, 5);
        job(&shop, OLD_TERMS);
        let rule = if rule.is_empty() { String::new() } else { format!("[compare.columns.id]\n{rule}") };
        edit(&shop, |text| {
            let text = text.replace("[in_flight]", &format!("{rule}[in_flight]"));
            text.replace("delete_from = \"old\"\n", "delete_from = \"old\"\naccept_tiers = [\"exact\", \"by_rule\"]\n")
        });
        candidates(&shop, "id", &[id, "unlikely"]);
        let (code, _, said) = run(&shop, &["signoff", "job.toml", "--candidates", "ids.csv", "--out", "x", "--quiet"]);
        let is_text = matches!(what, "padded" | "uuid" | "text and numbers");
        assert!(is_text || code == 2 && said.contains("line 3: `unlikely` is not a value of id"), "{what}: {said}");
        candidates(&shop, "id", &[id]);
        let (code, approved, blocked) = sign(&shop);
        assert_eq!((code, approved.into_iter().collect::<Vec<_>>()), (0, vec![id.to_string()]), "{what}: {blocked:?}");
    }
}

#[test]
fn a_table_without_versions_goes_once_writes_have_stopped() {
    let shop = Workshop::new();
    pair(&shop);
    candidates(&shop, "id", &["1", "2"]);
    let without_versions = |text: String| text.replace("[in_flight]\ncolumn = \"at\"\n", "");
    job(&shop, OLD_TERMS);
    edit(&shop, without_versions);
    assert_eq!(sign(&shop).2["1"], "in_flight_unknown");
    let stopped = |hours: i64| {
        let stopped = Timestamp::now() - SignedDuration::from_hours(hours);
        job(&shop, &format!("{OLD_TERMS}writes_stopped = \"{stopped}\"\n"));
        edit(&shop, without_versions);
        sign(&shop)
    };
    let (code, approved, _) = stopped(3);
    assert_eq!((code, approved.len()), (0, 2));
    assert!(fs::read_to_string(shop.path("out/signoff.md")).unwrap().contains("| writes stopped | "));
    assert!(certificate(&shop).statement.predicate.writes_stopped.is_some());
    // after the exports is too late
    assert_eq!(stopped(1).2["1"], "writes_not_stopped");
    // and a run since that saw other data contradicts it
    write(&shop, "new.parquet", &OLD);
    assert!(run(&shop, &["run", "job.toml", "--quiet"]).0 <= 1);
    pair(&shop);
    let (code, approved, blocked) = stopped(3);
    assert_eq!((code, approved.len(), blocked["1"].as_str()), (1, 0, "writes_not_stopped"));
}

#[test]
fn terms_that_make_no_sense_are_refused_with_their_line() {
    let shop = Workshop::new();
    pair(&shop);
    candidates(&shop, "id", &["1"]);
    job(&shop, &format!("{OLD_TERMS}accept_tiers = []\n"));
    let (code, _, said) = run(&shop, &["signoff", "job.toml", "--candidates", "ids.csv", "--out", "x"]);
    assert!(code == 2 && said.contains("the list is empty") && said.contains("job.toml:"), "{said}");
    fs::write(shop.path("ids.csv"), "id,id\n1,2\n").unwrap();
    job(&shop, OLD_TERMS);
    let (code, _, said) = run(&shop, &["signoff", "job.toml", "--candidates", "ids.csv", "--out", "x"]);
    assert!(code == 2 && said.contains("line 1: duplicate column `id` in the header"), "{said}");
    assert!(!shop.path("x").exists());
}

/// A guard that a delete can use as is: in UTC, without a time zone.
#[test]
fn guards_are_times_that_databases_take() {
    let shop = Workshop::new();
    pair(&shop);
    job(&shop, OLD_TERMS);
    candidates(&shop, "id", &["1"]);
    assert_eq!(sign(&shop).0, 0);
    let line = lines(&shop.path("out/approved.csv"))[0].clone();
    let guard = line.strip_prefix("1,").unwrap();
    assert!(!guard.contains('T') && !guard.contains('Z') && guard.as_bytes()[10] == b' ', "{guard}");
}

/// The forms in which the result of a check may contain its IDs.
fn written(ids: &[i64], form: u8) -> ArrayRef {
    match form {
        0 => Arc::new(Int64Array::from(ids.to_vec())),
        1 => Arc::new(Float64Array::from_iter_values(ids.iter().map(|id| *id as f64))),
        2 => {
            let cents = Decimal128Array::from_iter_values(ids.iter().map(|id| i128::from(*id) * 100));
            Arc::new(cents.with_precision_and_scale(12, 2).unwrap())
        }
        _ => Arc::new(StringArray::from_iter_values(ids.iter().map(|id| format!(" 00{id}.0 ")))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Agrees with a naive model for evidence of any type, sides that a query shapes, and a second store that changes
    /// before the deletions are verified.
    #[test]
    fn evidence_shapes_and_the_other_store_are_what_a_naive_model_says(
        old in prop::collection::vec((1..9_i64, 0..3_i64), 1..10),
        copied in prop::collection::vec(0..4_u8, 10),
        named in prop::collection::vec(1..12_i64, 0..4),
        form in 0..4_u8,
        is_shaped in any::<bool>(),
        fates in prop::collection::vec(0..5_u8, 10),
    ) {
        let shop = Workshop::new();
        let row = |id: i64, value: i64| -> Row { (id, "a", value, 50) };
        let old: Vec<Row> = old.iter().map(|(id, value)| row(*id, *value)).collect();
        // most rows are copied as they are, one in four is not or is another
        let new = old.iter().zip(&copied).filter_map(|(old, copied)| match copied {
            0 => (old.2 == 0).then(|| row(old.0, 1)),
            _ => Some(*old),
        });
        let new: Vec<Row> = new.chain([row(20, 0)]).collect();
        write(&shop, "old.parquet", &old);
        write(&shop, "new.parquet", &new);
        let child = RecordBatch::try_from_iter([("parent", written(&named, form))]).unwrap();
        write_parquet(&shop.path("child.parquet"), &child, 5);
        let check = "[[signoff.check]]\nname = \"used\"\nsql = \"SELECT parent AS id FROM child\"\n";
        job(&shop, &format!("[tables.child]\npath = \"child.parquet\"\nallow_empty = true\n{OLD_TERMS}{check}"));
        if is_shaped {
            let query = "query = \"SELECT * FROM snapshot WHERE value < 2\"\n";
            edit(&shop, |text| {
                let text = text.replace("path = \"old.parquet\"\n", &format!("path = \"old.parquet\"\n{query}"));
                text.replace("path = \"new.parquet\"\n", &format!("path = \"new.parquet\"\n{query}"))
            });
        }
        let ids: Vec<String> = (1..10).map(|id| id.to_string()).collect();
        candidates(&shop, "id", &ids.iter().map(String::as_str).collect::<Vec<_>>());
        let (code, approved, blocked) = sign(&shop);

        let of = |rows: &[Row], id: i64| rows.iter().filter(|row| row.0 == id).copied().collect::<Vec<Row>>();
        let shown = |rows: Vec<Row>| -> Vec<Row> { rows.into_iter().filter(|row| !is_shaped || row.2 < 2).collect() };
        let may_go = |id: i64| {
            let (stored, there) = (of(&old, id), shown(of(&new, id)));
            let here = shown(stored.clone());
            let is_whole = here.len() == stored.len() && here.len() == 1;
            is_whole && there.len() == 1 && here[0].2 == there[0].2 && !named.contains(&id)
        };
        let model: BTreeSet<String> = (1..10).filter(|id| may_go(*id)).map(|id| id.to_string()).collect();
        prop_assert_eq!(&approved, &model, "{} {:?}: {:?} {:?} {:?}", code, blocked, old, new, named);
        if model.is_empty() {
            return Ok(());
        }

        // what was approved is deleted, and the other store changes
        let is_approved = |row: &Row| model.contains(&row.0.to_string());
        let left: Vec<Row> = old.iter().filter(|row| !is_approved(row)).copied().chain([row(30, 0)]).collect();
        let mut lost = 0;
        let changed = new.iter().zip(fates.iter().cycle()).flat_map(|(row, fate)| match fate {
            0 if is_approved(row) => {
                lost += 1;
                vec![]
            }
            1 if is_approved(row) => {
                lost += 1;
                vec![(row.0, row.1, 1 - row.2.min(1), row.3)]
            }
            2 if is_approved(row) => {
                lost += 1;
                vec![*row, *row]
            }
            // written since, according to its version
            3 if is_approved(row) => vec![(row.0, row.1, 1 - row.2.min(1), 0)],
            _ => vec![*row],
        });
        let changed: Vec<Row> = changed.chain([row(30, 0)]).collect();
        write(&shop, "old.parquet", &left);
        write(&shop, "new.parquet", &changed);
        let (code, out, said) = run(&shop, &["signoff", "job.toml", "--after", "out/certificate.json", "--quiet"]);
        prop_assert_eq!(code, i32::from(lost > 0), "{}{} {:?} {:?}", out, said, changed, left);
        let line = format!("lost         {lost}");
        prop_assert!(out.contains(&line), "{} in {}{:?}", line, out, changed);
    }
}
