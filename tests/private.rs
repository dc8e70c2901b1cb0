//! No value of a private column is in any output, whichever name makes the column private.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int64Array, ListArray, MapBuilder, RecordBatch, StringArray, StringBuilder, StructArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::{SignedDuration, Timestamp};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use walkdir::WalkDir;

use crate::support::{Workshop, run, write_parquet};

/// A row: its ID, and the number and the letter at the end of its values.
type Row = (i64, i64, char);

/// Equal, mismatched, missing, extra, duplicate, and swapped rows.
const OLD: [Row; 9] = [
    (1, 1, 'a'),
    (2, 2, 'a'),
    (3, 3, 'a'),
    (4, 4, 'a'),
    (5, 5, 'a'),
    (6, 6, 'a'),
    (6, 6, 'b'),
    (8, 8, 'a'),
    (9, 9, 'a'),
];
const NEW: [Row; 8] =
    [(1, 1, 'a'), (2, 2, 'a'), (3, 3, 'b'), (4, 4, 'b'), (6, 6, 'a'), (7, 7, 'a'), (8, 9, 'a'), (9, 8, 'a')];

/// The names of a side's columns, and which fields of a person the side has.
struct Names {
    tax: &'static str,
    phone: &'static str,
    written: &'static str,
    has_ssn: bool,
}

const OLD_NAMES: Names = Names { tax: "ssn", phone: "Phone", written: "upd_old", has_ssn: true };
const NEW_NAMES: Names = Names { tax: "tax", phone: "phone", written: "upd_new", has_ssn: true };

fn snapshot(rows: &[Row], names: &Names) -> RecordBatch {
    let text = |kind: &str| -> ArrayRef {
        let texts = rows.iter().map(|(_, number, letter)| Some(format!("{kind}-SECRET-{number}-{letter}")));
        Arc::new(texts.collect::<StringArray>())
    };
    let field = |name: &str| Arc::new(Field::new(name, DataType::Utf8, true));
    let person = |kind: &str, has_ssn: bool| {
        let mut fields = vec![(field("name"), text("NAME"))];
        if has_ssn {
            fields.push((field("ssn"), text(kind)));
        }
        StructArray::from(fields)
    };
    let people = person("PEOPLE", true);
    let item = Arc::new(Field::new("item", people.data_type().clone(), true));
    let one_each = OffsetBuffer::from_lengths(vec![1; rows.len()]);
    let mut attributes = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for (_, number, letter) in rows {
        attributes.keys().append_value("colour");
        attributes.values().append_value(format!("ATTRIBUTE-SECRET-{number}-{letter}"));
        attributes.append(true).unwrap();
    }
    let written = rows.iter().map(|(_, number, _)| 920_000_000_000_000 + number);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>())),
        (names.tax, text("TAX")),
        (names.phone, text("PHONE")),
        ("mail", text("MAIL")),
        ("region", Arc::new(StringArray::from(vec!["eu-central"; rows.len()]))),
        ("person", Arc::new(person("PERSON", names.has_ssn))),
        ("people", Arc::new(ListArray::new(item, one_each, Arc::new(people), None))),
        ("attributes", Arc::new(attributes.finish())),
        (names.written, Arc::new(TimestampMicrosecondArray::from_iter_values(written).with_timezone("UTC"))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Which columns a job makes private, and how.
struct Case {
    /// The names under `[private]`.
    private: &'static str,
    /// The settings of the sides besides their paths.
    old: &'static str,
    new: &'static str,
    /// The columns that `[compare]` ignores, and the settings of columns.
    ignore: &'static str,
    settings: &'static str,
    /// Values that must not appear anywhere.
    hidden: &'static [&'static str],
    /// Values that are not private and must appear.
    seen: &'static [&'static str],
    /// Queries whose results would show private values.
    refused: &'static [&'static str],
}

const TAX: &str = "[compare.columns.tax]\nold = \"ssn\"\n";

const PLAIN: Case = Case {
    private: "\"mail\"",
    old: "",
    new: "",
    ignore: "",
    settings: TAX,
    hidden: &["MAIL-"],
    seen: &["TAX-", "PERSON-", "PEOPLE-", "ATTRIBUTE-", "PHONE-", "1999-02-26"],
    refused: &["SELECT id, mail FROM old", "SELECT id, upper(mail) AS x FROM new"],
};

/// A private column by each kind of name that it has.
fn cases() -> Vec<Case> {
    let without = |hidden: &str| -> &'static [&'static str] {
        PLAIN.seen.iter().copied().filter(|seen| *seen != hidden).collect::<Vec<_>>().leak()
    };
    let person: &[&str] = &[
        "SELECT id, person.ssn AS x FROM old",
        "SELECT id, person FROM new",
        "SELECT id, p.ssn AS x FROM (SELECT id, person AS p FROM old)",
        "SELECT id, coalesce(person['ssn'], '') AS x FROM new",
    ];
    vec![
        PLAIN,
        // by old's name, and by new's
        Case {
            private: "\"ssn\"",
            hidden: &["TAX-"],
            seen: without("TAX-"),
            refused: &["SELECT id, tax FROM new", "SELECT id, ssn FROM old"],
            ..PLAIN
        },
        Case {
            private: "\"tax\"",
            hidden: &["TAX-"],
            seen: without("TAX-"),
            refused: &["SELECT id, ssn FROM old", "SELECT id, tax FROM new"],
            ..PLAIN
        },
        Case {
            private: "\"Phone\"",
            hidden: &["PHONE-"],
            seen: without("PHONE-"),
            refused: &["SELECT id, phone FROM new"],
            ..PLAIN
        },
        // paths into structs, lists of them, and maps; the field is compared, ignored, or one side's alone
        Case {
            private: "\"person.ssn\"",
            hidden: &["PERSON-"],
            seen: &["TAX-", "MAIL-", "PEOPLE-", "ATTRIBUTE-"],
            refused: person,
            ..PLAIN
        },
        Case {
            private: "\"person.ssn\"",
            ignore: "\"person.ssn\", ",
            hidden: &["PERSON-"],
            seen: &["TAX-", "MAIL-", "PEOPLE-", "ATTRIBUTE-"],
            refused: person,
            ..PLAIN
        },
        Case {
            private: "\"people[].ssn\"",
            hidden: &["PEOPLE-"],
            seen: without("PEOPLE-"),
            refused: &["SELECT id, unnest(people) AS x FROM old", "SELECT id, people[1] AS x FROM new"],
            ..PLAIN
        },
        Case {
            private: "\"attributes.value\"",
            hidden: &["ATTRIBUTE-"],
            seen: without("ATTRIBUTE-"),
            refused: &[
                "SELECT id, attributes['colour'] AS x FROM old",
                "SELECT id, map_values(attributes) AS x FROM new",
            ],
            ..PLAIN
        },
        // what expressions are made of, and what is made of them
        Case {
            private: "\"mail\"",
            settings: "[compare.columns.tax]\nold = \"ssn\"\n[compare.columns.contact]\nold_expr = \"lower(mail)\"\n\
                       new_expr = \"lower(mail)\"\n[compare.columns.mail]\nold_expr = \"concat(mail, ' ')\"\nrtrim = true\n",
            hidden: &["MAIL-", "mail-secret"],
            refused: &["SELECT id, mail FROM old", "SELECT id, \"contact (new_expr)\" AS x FROM new"],
            ..PLAIN
        },
        Case {
            private: "\"contact\"",
            settings: "[compare.columns.tax]\nold = \"ssn\"\n[compare.columns.contact]\nold_expr = \"lower(mail)\"\n\
                       new_expr = \"lower(mail)\"\n",
            hidden: &["MAIL-", "mail-secret"],
            ..PLAIN
        },
        Case {
            private: "\"person.ssn\"",
            settings: "[compare.columns.tax]\nold = \"ssn\"\n[compare.columns.number]\nold_expr = \"person['ssn']\"\n\
                       new_expr = \"person['ssn']\"\n",
            hidden: &["PERSON-"],
            seen: &["TAX-", "MAIL-", "PEOPLE-", "ATTRIBUTE-"],
            refused: person,
            ..PLAIN
        },
        // what queries make of it; by the stored name, and by that of the result
        Case {
            private: "\"ssn\"",
            old: "query = \"SELECT * EXCEPT (ssn), ssn AS number, concat('x', ssn) AS longer FROM snapshot\"\n",
            new: "query = \"SELECT * EXCEPT (tax), tax AS number, concat('x', tax) AS longer FROM snapshot\"\n",
            settings: "",
            hidden: &["TAX-"],
            seen: without("TAX-"),
            refused: &["SELECT id, number FROM new", "SELECT id, longer FROM new", "SELECT id, longer FROM old"],
            ..PLAIN
        },
        Case {
            private: "\"number\"",
            old: "query = \"SELECT * EXCEPT (ssn), ssn AS number, concat('x', ssn) AS longer FROM snapshot\"\n",
            new: "query = \"SELECT * EXCEPT (tax), tax AS number, concat('x', tax) AS longer FROM snapshot\"\n",
            settings: "",
            hidden: &["TAX-"],
            seen: without("TAX-"),
            refused: &["SELECT id, longer FROM new", "SELECT id, longer FROM old"],
            ..PLAIN
        },
        Case {
            private: "\"person.ssn\"",
            old: "query = \"SELECT * EXCEPT (person), person.ssn AS number FROM snapshot\"\n",
            new: "query = \"SELECT * EXCEPT (person), person.ssn AS number FROM snapshot\"\n",
            hidden: &["PERSON-"],
            seen: without("PERSON-"),
            refused: &["SELECT id, number FROM new"],
            ..PLAIN
        },
        // columns that are paired and not compared
        Case {
            private: "\"phone\"",
            ignore: "\"phone\", \"tax\", ",
            hidden: &["PHONE-"],
            seen: &["MAIL-", "PERSON-"],
            refused: &["SELECT id, \"Phone\" AS x FROM old", "SELECT id, phone FROM new"],
            ..PLAIN
        },
        Case {
            private: "\"tax\"",
            ignore: "\"phone\", \"tax\", ",
            hidden: &["TAX-"],
            seen: &["MAIL-", "PERSON-"],
            refused: &["SELECT id, ssn FROM old"],
            ..PLAIN
        },
        // versions
        Case {
            private: "\"upd_new\"",
            hidden: &["1999-02-26"],
            seen: &["TAX-", "MAIL-"],
            refused: &["SELECT id, upd_old FROM old", "SELECT id, upd_new FROM new"],
            ..PLAIN
        },
        Case {
            private: "\"upd_old\"",
            hidden: &["1999-02-26"],
            seen: &["TAX-", "MAIL-"],
            refused: &["SELECT id, upd_old FROM old", "SELECT id, upd_new FROM new"],
            ..PLAIN
        },
    ]
}

impl Case {
    fn job(&self, key: &str, private: &str, more: &str) -> String {
        let Case { private: columns, old, new, ignore, settings, .. } = self;
        let taken = Timestamp::now() - SignedDuration::from_hours(2);
        let in_flight = match key {
            "" => "",
            _ => "[in_flight]\nold_column = \"upd_old\"\nnew_column = \"upd_new\"\n[misplaced]\ncolumns = \"mail\"\n",
        };
        let key = if key.is_empty() { "no_key = true".into() } else { format!("key = \"{key}\"") };
        format!(
            "[old]\npath = \"old.parquet\"\ntaken_at = {taken}\n{old}[new]\npath = \"new.parquet\"\ntaken_at = {taken}\n{new}\
             [compare]\n{key}\nignore = [{ignore}\"upd_old\", \"upd_new\"]\n{settings}{in_flight}\
             [private]\ncolumns = [{columns}]\nkey_file = \"key\"\n{private}{more}"
        )
    }
}

fn shop(old: &Names, new: &Names) -> Workshop {
    let shop = Workshop::new();
    write_parquet(&shop.path("old.parquet"), &snapshot(&OLD, old), 3);
    write_parquet(&shop.path("new.parquet"), &snapshot(&NEW, new), 3);
    fs::write(shop.path("key"), "ab".repeat(32)).unwrap();
    fs::set_permissions(shop.path("key"), fs::Permissions::from_mode(0o600)).unwrap();
    shop
}

fn write_job(shop: &Workshop, text: &str) {
    fs::write(shop.path("job.toml"), text).unwrap();
}

/// The contents of a file: its bytes, with the statistics of a Parquet file's footer and pages, and every value.
fn content(path: &Path) -> String {
    let mut text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    if path.extension().is_some_and(|ending| ending == "parquet") {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        text += &format!("{:?}", reader.metadata());
        for batch in reader.build().unwrap() {
            for column in batch.unwrap().columns() {
                let shown = ArrayFormatter::try_new(column, &FormatOptions::default()).unwrap();
                (0..column.len()).for_each(|row| text += &format!("{}\n", shown.value(row)));
            }
        }
    }
    text
}

/// Everything that was written to a workshop, except the test's own files and what `leaves_out` specifies.
fn written(shop: &Workshop, leaves_out: impl Fn(&Path) -> bool) -> String {
    const OWN: [&str; 5] = ["old.parquet", "new.parquet", "job.toml", "key", "ids.csv"];
    let files = WalkDir::new(shop.path("")).into_iter().map(|entry| entry.unwrap().into_path());
    let files = files.filter(|path| path.is_file() && !leaves_out(path));
    let outputs =
        files.filter(|path| path.parent() != Some(&shop.path("")) || !OWN.iter().any(|own| path.ends_with(own)));
    outputs.map(|path| content(&path)).collect()
}

fn require(said: &str, hidden: &[&str], seen: &[&str], what: &str) {
    for value in hidden {
        let at = said.find(value).map(|at| said[at.saturating_sub(200)..].chars().take(400).collect::<String>());
        assert!(at.is_none(), "{value} of {what}: {at:?}");
    }
    for value in seen {
        assert!(said.contains(value), "{value} of {what} is not seen");
    }
}

/// Runs a job in all formats, queries it, and returns everything that it printed and wrote.
fn everything(shop: &Workshop, what: &str) -> String {
    let mut said = String::new();
    for format in ["text", "json", "markdown"] {
        let (code, out, err) =
            run(shop, &["run", "job.toml", "--format", format, "--metrics", "m.prom", "--notify", "cat >> told.json"]);
        assert_eq!(code, 1, "{what}: {out}{err}");
        said += &(out + &err);
    }
    let (code, out, err) = run(shop, &["query", "job.toml", "SELECT * FROM discrepancies", "--format", "json"]);
    assert_eq!(code, 0, "{what}: {err}");
    said += &(out + &err);
    for table in ["old", "new"] {
        let (code, out, err) = run(shop, &["query", "job.toml", &format!("SELECT * FROM {table}")]);
        assert_eq!(code, 2, "{what}");
        said += &(out + &err);
    }
    assert!(shop.path("told.json").exists() && shop.path("m.prom").exists());
    said
}

fn require_hidden(mode: &str) {
    let more = "[segments]\nby = \"region\"\n[[waiver]]\nname = \"w\"\nwhere = \"old['region'] = new['region']\"\nlimit = 99\n\
                owner = \"o\"\nreason = \"r\"\nexpires = 2999-01-01\n";
    for (number, case) in cases().iter().enumerate() {
        let what = format!("case {number} ({}), {mode}", case.private);
        let shop = shop(&OLD_NAMES, &NEW_NAMES);
        write_job(&shop, &case.job("id", &format!("mode = \"{mode}\"\n"), more));
        let said = everything(&shop, &what) + &written(&shop, |_| false);
        require(&said, case.hidden, case.seen, &what);
        // the report states this
        assert!(said.contains(case.private.trim_matches('"')), "{what}");
    }
}

#[test]
fn a_private_column_is_hashed_by_every_name_that_it_has() {
    require_hidden("hash");
}

#[test]
fn a_private_column_is_left_out_by_every_name_that_it_has() {
    require_hidden("omit");
}

#[test]
fn whole_rows_show_private_values_in_plain_lists_alone() {
    for (number, case) in cases().iter().enumerate().filter(|(_, case)| !case.private.contains("upd_")) {
        let what = format!("case {number} ({}), without a key", case.private);
        let shop = shop(&OLD_NAMES, &NEW_NAMES);
        write_job(&shop, &case.job("", "", ""));
        let (code, out, err) = run(&shop, &["run", "job.toml"]);
        let is_compared = !case.ignore.contains("phone");
        assert_eq!(code, if is_compared { 2 } else { 1 }, "{what}: {out}{err}");
        assert!(!is_compared || err.contains("lists = \"plain\""), "{what}: {err}");
        require(&(out + &err), case.hidden, &[], &what);
        let _ = fs::remove_dir_all(shop.path("runs"));
        write_job(&shop, &case.job("", "lists = \"plain\"\n", ""));
        let said = everything(&shop, &what);
        let is_plain_list = |path: &Path| {
            let is_list = path.extension().is_some_and(|ending| ending == "csv");
            let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert!(!is_list || mode == 0o600, "{path:?}");
            is_list
        };
        // rows without a key have no versions to show here
        let seen: Vec<&str> = case.seen.iter().copied().filter(|seen| *seen != "1999-02-26").collect();
        require(&(said + &written(&shop, is_plain_list)), case.hidden, &seen, &what);
    }
}

#[test]
fn no_check_shows_a_private_column_by_another_name() {
    for (number, case) in cases().iter().enumerate() {
        for sql in case.refused {
            let what = format!("case {number} ({}): {sql}", case.private);
            let shop = shop(&OLD_NAMES, &NEW_NAMES);
            let sql = sql.replace('"', "\\\"");
            write_job(&shop, &case.job("id", "", &format!("[[check]]\nname = \"c\"\nsql = \"{sql}\"\n")));
            for command in ["validate", "run"] {
                let (code, out, err) = run(&shop, &[command, "job.toml"]);
                assert!(
                    code == 2 && (out.contains("shows private values") || err.contains("shows private values")),
                    "{what}: {out}{err}"
                );
                require(&(out + &err), case.hidden, &[], &what);
            }
        }
    }
}

/// Features that output values of a private column by design are refused, whatever name they use.
#[test]
fn lists_segments_and_groups_of_private_columns_are_refused() {
    let shop = shop(&OLD_NAMES, &NEW_NAMES);
    let item = "[[check]]\nname = \"c\"\nsql = \"SELECT id, value FROM item\"\n";
    for (private, more, words) in [
        (
            "\"ssn\"",
            "[lists]\ncolumns = \"tax\"\n",
            "`tax` is private because of `ssn`: the ID lists have column `tax`",
        ),
        ("\"person.ssn\"", "[lists]\ncolumns = \"person\"\n", "`person` is private because of `person.ssn`"),
        ("\"ssn\"", "[segments]\nby = \"substr(tax, 1, 20)\"\n", "would show values of `tax`"),
        ("\"person.ssn\"", "[segments]\nby = \"person['name']\"\n", "would show values of `person`"),
        ("\"ssn\"", "[group]\nby = \"tax\"\n", "`tax` is private, and groups would show it"),
        ("\"Phone\"", "[group]\nby = \"phone\"\n", "`phone` is private, and groups would show it"),
        ("\"ssn\"", &format!("{item}inputs.item = \"SELECT id, tax AS value FROM new\"\n"), "shows private values"),
        (
            "\"person.ssn\"",
            &format!("{item}inputs.item = \"SELECT id, person.ssn AS value FROM old\"\n"),
            "shows private values",
        ),
    ] {
        write_job(&shop, &Case { private, ..PLAIN }.job("id", "", more));
        for command in ["validate", "run"] {
            let (code, out, err) = run(&shop, &[command, "job.toml"]);
            assert!(code == 2 && (out.clone() + &err).contains(words), "{private}, {more}: {out}{err}");
            require(&(out + &err), &["SECRET"], &[], more);
        }
    }
}

/// Columns keep their origin when a query splits or filters them: only those computed from the private column are
/// private.
#[test]
fn what_is_not_made_of_a_private_column_is_shown() {
    for query in [
        "SELECT id, p.ssn AS number, mail FROM (SELECT id, mail, unnest(people) AS p FROM snapshot)",
        "SELECT DISTINCT ON (id) id, people AS number, mail FROM snapshot ORDER BY id, mail",
        "SELECT s.id, s.people AS number, t.mail FROM snapshot AS s JOIN (SELECT id, max(mail) AS mail FROM snapshot GROUP BY id) AS t ON s.id = t.id",
        "SELECT id, count(*) AS many, max(mail) AS mail, first_value(people) AS number FROM snapshot GROUP BY id",
    ] {
        let shop = shop(&OLD_NAMES, &NEW_NAMES);
        let query = format!("query = \"{query}\"\n").leak();
        let case = Case { private: "\"people[].ssn\"", old: query, new: query, settings: "", ..PLAIN };
        let job = case.job("id", "", "").replace("\nignore = [\"upd_old\", \"upd_new\"]", "");
        let from = job.find("[in_flight]").unwrap()..job.find("[private]").unwrap();
        write_job(&shop, &job.replace(&job[from], ""));
        let said = everything(&shop, query) + &written(&shop, |_| false);
        require(&said, &["PEOPLE-"], &["MAIL-"], query);
    }
}

/// A field that only one side has is a coverage gap, but is still shown in the struct.
#[test]
fn a_private_field_of_one_side_alone_is_hidden() {
    for (old, new) in [(true, false), (false, true)] {
        let what = format!("person.ssn of {}", if old { "old" } else { "new" });
        let shop = shop(&Names { has_ssn: old, ..OLD_NAMES }, &Names { has_ssn: new, ..NEW_NAMES });
        let case = Case { private: "\"person.ssn\"", hidden: &["PERSON-"], ..PLAIN };
        write_job(&shop, &case.job("id", "", ""));
        let said = everything(&shop, &what) + &written(&shop, |_| false);
        require(&said, case.hidden, &["TAX-", "only in "], &what);
    }
}

#[test]
fn names_that_are_no_column_and_no_field_are_refused() {
    let shop = shop(&OLD_NAMES, &NEW_NAMES);
    for (private, words) in [
        ("\"person.snn\"", "`person` has no field `person.snn`"),
        ("\"mail.x\"", "`mail` has no field `mail.x`"),
        ("\"persn\"", "did you mean `person`"),
        ("\"people.item.ssn\"", "`people` has no field"),
    ] {
        let case = Case { private, ..PLAIN };
        write_job(&shop, &case.job("id", "", ""));
        for command in ["validate", "run"] {
            let (code, out, err) = run(&shop, &[command, "job.toml"]);
            assert!(code == 2 && (out.clone() + &err).contains(words), "{private}: {out}{err}");
        }
    }
}

/// Manifests, certificates, and errors contain file names, and therefore values of Hive partitions.
#[test]
fn a_private_column_may_not_be_a_partition() {
    let shop = shop(&OLD_NAMES, &NEW_NAMES);
    fs::create_dir_all(shop.path("parts/mail=MAIL-SECRET")).unwrap();
    let rows = snapshot(&OLD[..1], &OLD_NAMES);
    let kept: Vec<usize> = (0..rows.num_columns()).filter(|at| rows.schema().field(*at).name() != "mail").collect();
    write_parquet(&shop.path("parts/mail=MAIL-SECRET/a.parquet"), &rows.project(&kept).unwrap(), 3);
    let job = PLAIN.job("id", "", "");
    write_job(&shop, &job.replace("old.parquet", "parts"));
    let (code, out, err) = run(&shop, &["run", "job.toml"]);
    assert!(code == 2 && err.contains("in directory names of the old snapshot"), "{err}");
    require(&(out + &err), PLAIN.hidden, &[], "a partition");
    write_job(&shop, &(job + "[tables.t]\npath = \"parts\"\n"));
    let (code, out, err) = run(&shop, &["run", "job.toml"]);
    assert!(code == 2 && err.contains("in directory names of table `t`"), "{err}");
    require(&(out + &err), PLAIN.hidden, &[], "a table's partition");
}

/// A key that is private by its name in old is also private when later runs recognize rows by it.
#[test]
fn rows_of_a_private_key_are_recognised_by_its_digests() {
    let shop = shop(&OLD_NAMES, &NEW_NAMES);
    let case = Case { private: "\"ssn\"", ..PLAIN };
    let job = case.job("tax", "lists = \"plain\"\n", "");
    write_job(&shop, &job);
    let standing = || {
        let (code, out, err) = run(&shop, &["run", "job.toml", "--format", "json", "--quiet"]);
        assert_eq!(code, 1, "{err}");
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        report["history"]["new_baseline"].as_str().map(String::from)
    };
    let next_night = |rows: &[Row]| write_parquet(&shop.path("new.parquet"), &snapshot(rows, &NEW_NAMES), 3);
    assert_eq!(standing(), None);
    next_night(&NEW[1..]);
    assert_eq!(standing(), None);
    fs::write(shop.path("key"), "cd".repeat(32)).unwrap();
    next_night(&NEW[2..]);
    assert!(standing().unwrap().contains("digest key differs"));
    let said = written(&shop, |path| path.extension().is_some_and(|ending| ending == "csv"));
    require(&said, &["TAX-"], &[], "a private key");
    // without a permanent digest key, rows would be excused forever
    write_job(&shop, &job.replace("key_file = \"key\"\n", ""));
    let (code, _, err) = run(&shop, &["run", "job.toml"]);
    let parts = ["`tax` is private because of `ssn`", "would excuse rows forever"];
    assert!(code == 2 && parts.iter().all(|part| err.contains(part)), "{err}");
}

fn sign_off(shop: &Workshop, more: &[&str]) -> (i32, String) {
    let _ = fs::remove_dir_all(shop.path("out"));
    let args = ["signoff", "job.toml", "--candidates", "ids.csv", "--out", "out"];
    let (code, out, err) = run(shop, &[&args, more].concat());
    (code, out + &err)
}

const TERMS: &str = "[signoff]\ndelete_from = \"old\"\n";

#[test]
fn a_sign_off_shows_no_private_value() {
    for (number, case) in cases().iter().enumerate() {
        let what = format!("sign-off of case {number} ({})", case.private);
        let shop = shop(&OLD_NAMES, &NEW_NAMES);
        fs::write(shop.path("ids.csv"), "id\n1\n2\n3\n5\n6\n").unwrap();
        write_job(&shop, &case.job("id", "", TERMS));
        let (code, said) = sign_off(&shop, &[]);
        assert_eq!(code, 1, "{what}: {said}");
        require(&(said + &written(&shop, |_| false)), case.hidden, &[], &what);
        let (code, said) = sign_off(&shop, &["--rows"]);
        assert!(code == 2 && said.contains("--rows would write private values"), "{what}: {said}");
        require(&said, case.hidden, &[], &what);
    }
}

/// Guards of rows with private values are keyed, so they cannot be found by trying values.
#[test]
fn the_guards_of_private_rows_are_keyed() {
    let shop = shop(&OLD_NAMES, &NEW_NAMES);
    fs::write(shop.path("ids.csv"), "id\n1\n2\n").unwrap();
    let case = Case { private: "\"ssn\", \"upd_new\"", hidden: &["TAX-", "1999-"], ..PLAIN };
    let job = case.job("id", "", TERMS);
    let guards = |job: &str| {
        write_job(&shop, job);
        let (code, said) = sign_off(&shop, &[]);
        assert_eq!(code, 0, "{said}");
        let text = fs::read_to_string(shop.path("out/approved.csv")).unwrap();
        assert!(text.starts_with("id,row_hash\n1,"), "{text}");
        text
    };
    let keyed = guards(&job);
    assert_eq!(keyed, guards(&job));
    fs::write(shop.path("key"), "cd".repeat(32)).unwrap();
    assert_ne!(keyed, guards(&job));
    // where nothing that is compared is private, the key does not count
    let plain = job.replace("\"ssn\", ", "");
    let unkeyed = guards(&plain);
    fs::write(shop.path("key"), "ab".repeat(32)).unwrap();
    assert_eq!(unkeyed, guards(&plain));
    assert_ne!(unkeyed, keyed);
    // a delete job could not check a guard made with the key of one run
    write_job(&shop, &job.replace("key_file = \"key\"\n", ""));
    let (code, said) = sign_off(&shop, &[]);
    assert!(code == 2 && said.contains("COUNTERSIGN_PRIVATE_KEY") && !shop.path("out").exists(), "{said}");
}

/// Keys and candidates that are private by the other side's name cannot identify rows.
#[test]
fn private_ids_are_not_signed_off_whatever_they_are_called() {
    let shop = shop(&OLD_NAMES, &NEW_NAMES);
    for (private, key, terms, header, words) in [
        ("\"ssn\"", "tax", TERMS.to_string(), "tax", "`tax` is private"),
        ("\"tax\"", "tax", TERMS.to_string(), "tax", "`tax` is private"),
        ("\"ssn\"", "id", format!("{TERMS}candidate_key = \"tax\"\n"), "tax", "`tax` is private"),
        ("\"Phone\"", "id", format!("{TERMS}candidate_key = \"phone\"\n"), "phone", "`phone` is private"),
    ] {
        let case = Case { private, ..PLAIN };
        write_job(&shop, &case.job(key, "lists = \"plain\"\n", &terms));
        fs::write(shop.path("ids.csv"), format!("{header}\nTAX-SECRET-1-a\nPHONE-SECRET-1-a\n")).unwrap();
        let (code, said) = sign_off(&shop, &[]);
        assert!(code == 2 && said.contains(words) && !shop.path("out").exists(), "{private}: {said}");
        require(&said, &["TAX-", "PHONE-"], &[], private);
    }
}
