//! Runs with a history: thirty nights, and what breaks a history.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use countersign::Limits;
use countersign::Progress;
use countersign::job::file::JobFile;
use countersign::testing::Engine;
use countersign::testing::Privacy;
use countersign::testing::{KeyDigest, key_digest, past_unclean};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use crate::support::{Workshop, write_parquet};

/// Runs a job, and returns its exit code, its report if there is one, and standard error.
fn run(shop: &Workshop, more: &[&str]) -> (i32, Value, String) {
    let output = shop.run(&[&["run", "job.toml", "--quiet", "--format", "json"], more].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or(Value::Null), said)
}

fn write(shop: &Workshop, name: &str, rows: &[(i64, &str)]) {
    let ids: ArrayRef = Arc::new(rows.iter().map(|(id, _)| *id).collect::<Int64Array>());
    let notes: ArrayRef = Arc::new(rows.iter().map(|(_, note)| Some(*note)).collect::<StringArray>());
    write_parquet(&shop.path(name), &RecordBatch::try_from_iter([("id", ids), ("note", notes)]).unwrap(), 2);
}

fn job(shop: &Workshop, rest: &str) {
    let text = format!("[old]\npath = \"old.parquet\"\n[new]\npath = \"new.parquet\"\n[compare]\nkey = \"id\"\n{rest}");
    fs::write(shop.path("job.toml"), text).unwrap();
}

/// Writes rows 1 to 4 of old, and the given rows of new.
fn night(shop: &Workshop, new: &[(i64, &str)]) -> (i32, Value, String) {
    write(shop, "old.parquet", &[(1, "a"), (2, "b"), (3, "c"), (4, "d")]);
    write(shop, "new.parquet", new);
    run(shop, &[])
}

fn classes(mismatch: u64, missing: u64, extra: u64) -> Value {
    json!({ "mismatch": mismatch, "missing": missing, "extra": extra, "duplicate_keys": 0 })
}

#[test]
fn thirty_nights_tell_their_story() {
    let shop = Workshop::new();
    let demo = shop.run(&["demo", "--history", "story"]);
    let said = String::from_utf8(demo.stderr).unwrap();
    assert_eq!(demo.status.code(), Some(0), "{said}");
    // the demo has compared every report with the record; these are the most important ones
    let listed = shop.run(&["history", "story", "--format", "json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let runs = listed["jobs"][0]["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 31);
    let verdicts: String = runs.iter().map(|run| &run["verdict"].as_str().unwrap()[..1]).collect();
    assert_eq!(verdicts, "aaaaaaaaaaadddddaaaaddauaaaaaaa");
    assert!(runs[23]["input_failures"][0].as_str().unwrap().contains("must change"));
    // the retry has the same result as the first run
    assert_eq!(runs[25]["new"], runs[26]["new"]);
    let record: Value = serde_json::from_str(&fs::read_to_string(shop.path("story/record.json")).unwrap()).unwrap();
    assert_eq!(record[16]["resolved"]["mismatch"], 25);
    let reports = walkdir::WalkDir::new(shop.path("story")).into_iter().flatten();
    let reports: Vec<_> = reports.filter(|entry| entry.file_name() == "report.md").collect();
    assert!(reports.len() > 25, "{}", reports.len());
    for report in reports {
        require_renders(&fs::read_to_string(report.path()).unwrap());
    }
}

/// Every line that looks like part of a table is parsed as part of one, and no other line is.
fn require_renders(markdown: &str) {
    let parsed = pulldown_cmark::Parser::new_ext(markdown, pulldown_cmark::Options::ENABLE_TABLES).into_offset_iter();
    let mut in_tables = vec![];
    for (event, span) in parsed {
        if matches!(event, pulldown_cmark::Event::Start(pulldown_cmark::Tag::Table(_))) {
            in_tables.push(span);
        }
    }
    let mut at = 0;
    for line in markdown.split_inclusive('\n') {
        let is_in_table = in_tables.iter().any(|table| table.contains(&at));
        assert_eq!(is_in_table, line.starts_with('|'), "{line}in\n{markdown}");
        at += line.len();
    }
}

#[test]
fn a_discrepancy_is_new_then_persists_is_resolved_and_comes_back() {
    let shop = Workshop::new();
    job(&shop, "");
    let (code, first, _) = night(&shop, &[(1, "x"), (2, "b"), (3, "c")]);
    assert_eq!((code, &first["history"]["new"]), (1, &classes(1, 1, 0)));
    assert_eq!(first["history"]["previous"], Value::Null);
    // another value in the same place is a change, and not a new discrepancy; 4 has come with another value
    let (_, second, _) = night(&shop, &[(1, "y"), (2, "b"), (3, "c"), (4, "e")]);
    let history = &second["history"];
    assert_eq!(history["previous"], first["run"]["id"]);
    assert_eq!((&history["new"], &history["persisting"]), (&classes(0, 0, 0), &classes(2, 0, 0)));
    assert_eq!((&history["changed"], &history["oldest"]["age"]), (&json!(2), &json!(2)));
    assert_eq!(history["oldest"]["first_run"], first["run"]["id"]);
    let (_, third, _) = night(&shop, &[(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "z")]);
    assert_eq!((&third["history"]["resolved"], &third["history"]["new"]), (&classes(2, 0, 0), &classes(0, 0, 1)));
    let (_, fourth, _) = night(&shop, &[(1, "x"), (2, "b"), (3, "c"), (4, "d"), (5, "z")]);
    assert_eq!(
        (&fourth["history"]["flapping"], &fourth["history"]["persisting"]),
        (&classes(1, 0, 0), &classes(0, 0, 1))
    );
    let example = &fourth["examples"][0];
    assert_eq!((&example["standing"], &example["age"]), (&json!("flapping"), &json!(1)));
    // a retry adds nothing
    let (_, retry, _) = run(&shop, &[]);
    assert_eq!(retry["history"]["retry_of"], fourth["run"]["id"]);
    assert_eq!(retry["history"]["previous"], third["run"]["id"]);
    assert_eq!(retry["history"]["flapping"], fourth["history"]["flapping"]);
}

#[test]
fn keys_of_past_pairs_come_from_one_run_after_the_other() {
    let shop = Workshop::new();
    job(&shop, "");
    for new in [[(1, "x"), (2, "b"), (3, "c")], [(1, "x"), (3, "c"), (4, "d")], [(2, "z"), (3, "c"), (4, "d")]] {
        assert_eq!(night(&shop, &new).0, 1);
    }
    let file = JobFile::read(&shop.path("job.toml"), &[]).unwrap();
    let job = file.job.unwrap();
    let runs = file.runs.join(&job.name);
    let engine = || Engine::start(Limits::default(), &shop.path("."), Arc::default(), Progress::quiet()).unwrap();
    let unclean = |wanted: usize| -> Option<Vec<KeyDigest>> {
        let engine = engine();
        let file =
            past_unclean(&engine, &job, Some(&runs), &Privacy::default(), &shop.path("elsewhere"), wanted).unwrap()?;
        let batches = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(file).unwrap()).unwrap().build().unwrap();
        let batches: Vec<RecordBatch> = batches.map(Result::unwrap).collect();
        let keys = batches.iter().flat_map(|batch| batch.column(0).as_fixed_size_binary().iter().flatten());
        let mut keys: Vec<KeyDigest> = keys.map(|key| key.try_into().unwrap()).collect();
        keys.sort_unstable();
        Some(keys)
    };
    let digests = |ids: &[&str]| {
        let mut digests: Vec<KeyDigest> = ids.iter().map(|id| key_digest([Some(*id)].into_iter())).collect();
        digests.sort_unstable();
        Some(digests)
    };
    // what a later run only remembers is not among them
    assert_eq!(unclean(1), digests(&["1", "2"]));
    assert_eq!(unclean(2), digests(&["1", "2", "1", "2"]));
    assert_eq!(unclean(3), digests(&["1", "2", "1", "2", "1", "4"]));
    assert_eq!(unclean(4), None);
    // it takes no memory for what is known
    let narrow = Limits { working: Some(600), ..Limits::default() };
    let engine = Engine::start(narrow, &shop.path("."), Arc::default(), Progress::quiet()).unwrap();
    assert!(
        past_unclean(&engine, &job, Some(&runs), &Privacy::default(), &shop.path("elsewhere"), 3).unwrap().is_some()
    );
}

#[test]
fn ways_threads_and_integer_widths_do_not_change_what_a_discrepancy_is() {
    let shop = Workshop::new();
    job(&shop, "");
    night(&shop, &[(1, "x"), (2, "b"), (4, "d")]);
    let ids: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3, 4]));
    let notes: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
    let narrow = RecordBatch::try_from_iter([("id", ids), ("note", notes)]).unwrap();
    write_parquet(&shop.path("old.parquet"), &narrow, 1);
    write(&shop, "new.parquet", &[(4, "d"), (2, "b"), (1, "x")]);
    let (_, report, _) = run(&shop, &["--strategy", "hashed", "--threads", "1"]);
    assert_eq!(report["history"]["persisting"], classes(1, 1, 0));
    assert_eq!((&report["history"]["changed"], &report["history"]["oldest"]["age"]), (&json!(0), &json!(2)));
}

#[test]
fn gates_speak_of_what_is_new_and_of_what_lasts() {
    let shop = Workshop::new();
    job(&shop, "[gate]\nnew_mismatch = 0\n");
    let (code, ..) = night(&shop, &[(1, "x"), (2, "b"), (3, "c"), (4, "d")]);
    assert_eq!(code, 1);
    let (code, report, _) = night(&shop, &[(1, "y"), (2, "b"), (3, "c"), (4, "d")]);
    assert_eq!((code, &report["verdict"]), (0, &json!("accepted")));
    let (code, report, _) = night(&shop, &[(1, "y"), (2, "z"), (3, "c"), (4, "d")]);
    assert_eq!((code, &report["gates"][0]["found"]), (1, &json!(1)));
    job(&shop, "[gate]\npersisting_for = 3\n[output]\ndir = \"others\"\n");
    let codes: Vec<i32> = ["u", "v", "w"].map(|note| night(&shop, &[(1, note), (2, "b"), (3, "c"), (4, "d")]).0).into();
    assert_eq!(codes, [0, 0, 1]);
}

#[test]
fn what_was_excused_counts_as_new_once_it_no_longer_is() {
    let shop = Workshop::new();
    let waiver = "[[waiver]]\nname = \"w\"\nlimit = 9\nowner = \"o\"\nreason = \"r\"\nexpires = 2999-01-01\n";
    let gate = "[gate]\nnew_mismatch = 0\n";
    let all = |note| [(1, note), (2, "b"), (3, "c"), (4, "d")];
    job(&shop, &[gate, waiver].concat());
    assert_eq!(night(&shop, &all("u")).0, 0);
    // the waiver is gone, and the difference is not new to the history, but to the gate
    job(&shop, gate);
    let (code, report, _) = night(&shop, &all("v"));
    assert_eq!((code, &report["history"]["persisting"]["mismatch"]), (1, &json!(1)));
    assert_eq!(night(&shop, &all("w")).0, 0);
    job(&shop, "[gate]\npersisting_for = 2\nnew_mismatch = 0\n[output]\ndir = \"others\"\n");
    assert_eq!([night(&shop, &all("u")).0, night(&shop, &all("v")).0, night(&shop, &all("w")).0], [0, 1, 0]);
}

#[test]
fn an_older_pair_again_says_what_it_said_the_first_time() {
    let shop = Workshop::new();
    job(&shop, "[gate]\nnew_mismatch = 0\n");
    let one = [(1, "x"), (2, "b"), (3, "c"), (4, "d")];
    let two = [(1, "x"), (2, "y"), (3, "c"), (4, "d")];
    let (_, first, _) = night(&shop, &one);
    let (_, second, _) = night(&shop, &two);
    let (code, again, _) = night(&shop, &one);
    assert_eq!((code, &again["history"]["retry_of"]), (1, &first["run"]["id"]));
    assert_eq!((&again["history"]["previous"], &again["history"]["new"]), (&Value::Null, &first["history"]["new"]));
    // and is not what the next night is compared with
    let (_, third, _) = night(&shop, &[(1, "z"), (2, "y"), (3, "c"), (4, "d")]);
    assert_eq!((&third["history"]["previous"], &third["history"]["oldest"]["age"]), (&second["run"]["id"], &json!(3)));
}

#[test]
fn what_breaks_a_history_is_told_and_passed_over() {
    let shop = Workshop::new();
    job(&shop, "");
    let (_, first, _) = night(&shop, &[(1, "x"), (2, "b"), (3, "c"), (4, "d")]);
    let (_, second, _) = night(&shop, &[(1, "y"), (2, "b"), (3, "c"), (4, "d")]);
    let dir = |report: &Value| std::path::PathBuf::from(report["run"]["out"].as_str().unwrap());
    let dir = |report: &Value| shop.path(dir(report).to_str().unwrap());
    fs::write(dir(&second).join("history.parquet"), "nothing").unwrap();
    let (_, third, _) = night(&shop, &[(1, "z"), (2, "b"), (3, "c"), (4, "d")]);
    assert_eq!(third["history"]["previous"], first["run"]["id"]);
    let reason = third["history"]["skipped"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("`history.parquet` has changed since the run wrote it"), "{reason}");
    // a damaged copy of a run does not matter
    let copy = shop.path("runs/job/0-copy");
    fs::create_dir(&copy).unwrap();
    for name in ["manifest.json", "report.json"] {
        fs::copy(dir(&third).join(name), copy.join(name)).unwrap();
    }
    let (_, next, _) = night(&shop, &[(1, "q"), (2, "b"), (3, "c"), (4, "d")]);
    assert_eq!(next["history"]["previous"], third["run"]["id"]);
    fs::remove_dir_all(copy).unwrap();
    fs::remove_dir_all(dir(&next)).unwrap();
    // a run that is no longer there
    fs::remove_dir_all(dir(&second)).unwrap();
    fs::remove_dir_all(dir(&first)).unwrap();
    let (_, fourth, _) = night(&shop, &[(1, "t"), (2, "b"), (3, "c"), (4, "d")]);
    assert_eq!(fourth["history"]["previous"], third["run"]["id"]);
    assert!(fourth["history"]["skipped"][0]["reason"].as_str().unwrap().contains("no longer exists"));
    // other rules are another question
    job(
        &shop,
        "ignore = \"nothing\"\n".replace("ignore = \"nothing\"", "[compare.columns.note]\ntrim = true").as_str(),
    );
    let (_, fifth, _) = night(&shop, &[(1, "s"), (2, "b"), (3, "c"), (4, "d")]);
    assert_eq!(fifth["history"]["previous"], Value::Null);
    assert!(fifth["history"]["new_baseline"].as_str().unwrap().contains("[compare]"));
    assert_eq!(shop.run(&["history", "nowhere"]).status.code(), Some(2));
}

#[test]
fn a_snapshot_that_is_not_what_it_should_be_verifies_nothing() {
    let shop = Workshop::new();
    let times = |side: &str, rest: &str| format!("[{side}]\npath = \"{side}.parquet\"\n{rest}\n");
    let compare = "[compare]\nkey = \"id\"\n";
    let with = |old: &str, new: &str| {
        fs::write(shop.path("job.toml"), [times("old", old), times("new", new), compare.into()].concat()).unwrap();
    };
    // half of new is gone
    with("", "");
    let all = [(1, "a"), (2, "b"), (3, "c"), (4, "d")];
    let (code, first, _) = night(&shop, &all);
    assert_eq!(code, 0);
    let (code, report, _) = night(&shop, &all[..2]);
    assert_eq!((code, &report["verdict"]), (2, &json!("unverified")));
    // old's files are the same again, which is reported
    assert_eq!(report["history"]["same_files"], json!({ "old": first["run"]["id"], "new": null }));
    assert!(report["input_failures"][0].as_str().unwrap().contains("max_drop is 20 %"));
    // whatever else keeps runs from being compared, rows are counted
    fs::write(shop.path("runs/job").join(first["run"]["id"].as_str().unwrap()).join("history.parquet"), "").unwrap();
    assert_eq!(night(&shop, &[(1, "a"), (2, "b")]).0, 2);
    // and running it once more does not make an export that did not come a retry
    with("", "must_change = true");
    write(&shop, "old.parquet", &[(1, "a"), (2, "b"), (3, "c"), (4, "changed")]);
    write(&shop, "new.parquet", &all);
    assert_eq!([run(&shop, &[]).0, run(&shop, &[]).0], [2, 2]);
    with("", "max_drop = \"50 %\"");
    assert_eq!(night(&shop, &[(1, "a"), (2, "x")]).1["verdict"], "discrepant");
    // an old snapshot
    with("taken_at = 2020-01-01T00:00:00Z\nmax_age = \"26h\"", "max_drop = \"50 %\"");
    let (code, report, _) = night(&shop, &all);
    assert_eq!(code, 2);
    assert!(report["input_failures"][0].as_str().unwrap().contains("max_age is 26h"));
    // one from the future
    with("taken_at = 2999-01-01T00:00:00Z", "");
    let (code, _, said) = night(&shop, &all);
    assert_eq!(code, 2);
    assert!(said.contains("is in the future"), "{said}");
    with("max_age = \"yesterday\"", "max_drop = 3");
    let (code, _, said) = night(&shop, &all);
    assert_eq!(code, 2);
    assert!(said.contains("the age of the snapshot is unknown") && said.contains("is not a duration"), "{said}");
    assert!(said.contains("a share of the rows"), "{said}");
}

#[test]
fn waivers_cover_what_they_name_and_no_more() {
    let shop = Workshop::new();
    let waiver = |rest: &str| {
        let expires = if rest.contains("expires") { "" } else { "expires = 2999-01-01\n" };
        format!("[[waiver]]\nname = \"known\"\nowner = \"pat\"\nreason = \"old importer\"\n{expires}{rest}")
    };
    let all = [(1, "x"), (2, "y"), (3, "c"), (4, "d")];
    let verdict = |rest: &str| {
        job(&shop, &waiver(rest));
        let (code, report, said) = night(&shop, &all);
        let problem = report["waivers"][0]["problem"].as_str().unwrap_or_default().to_string();
        (code, report["waivers"][0]["found"].as_u64().unwrap_or_default(), problem + &said)
    };
    assert_eq!(verdict("limit = 2\ncolumns = \"note\""), (0, 2, String::new()));
    assert_eq!(verdict("limit = 2\nwhere = \"new['note'] in ('x', 'y')\""), (0, 2, String::new()));
    assert_eq!(verdict("limit = 2\nwhere = \"key['id'] = 1\"").0, 1);
    fs::write(shop.path("ids.csv"), "id\n1\n2\n").unwrap();
    assert_eq!(verdict("limit = 2\nids = \"ids.csv\""), (0, 2, String::new()));
    let (code, found, problem) = verdict("limit = 1");
    assert_eq!((code, found), (1, 2));
    assert!(problem.contains("exceeded: 2 discrepancies, where 1"), "{problem}");
    let (code, _, problem) = verdict("limit = 1\nclasses = \"missing\"");
    assert_eq!(code, 1);
    assert!(problem.contains("no longer matches"), "{problem}");
    for (rest, words) in [
        ("limit = 1\ncolumns = \"nota\"", "no compared column is called `nota`"),
        ("limit = 1\nclasses = \"mismatches\"", "`mismatches` is not a class"),
        ("limit = 1\nwhere = \"nota = 1\"", "nota"),
        ("limit = 1\nexpires = \"2026-11-20T00:00:01\"", "is neither a day"),
        ("limit = 1\nwhere = \"old_rows\"", "a condition must be true or false"),
    ] {
        let (code, _, said) = verdict(rest);
        assert_eq!(code, 2, "{rest}");
        assert!(said.contains(words), "{said}");
    }
    fs::write(shop.path("ids.csv"), "note\n1\n").unwrap();
    assert!(verdict("limit = 2\nids = \"ids.csv\"").2.contains("its header is `note`; the key is `id`"));
    fs::write(shop.path("ids.csv"), "id\n1\n1\n").unwrap();
    assert!(verdict("limit = 2\nids = \"ids.csv\"").2.contains("line 3 repeats an ID"));
}

#[test]
fn version_columns_have_to_be_of_one_kind() {
    let shop = Workshop::new();
    let taken = "taken_at = 2026-01-01T00:00:00Z\n";
    let sides = format!("[old]\npath = \"old.parquet\"\n{taken}[new]\npath = \"new.parquet\"\n{taken}");
    let with = |rest: &str| {
        fs::write(shop.path("job.toml"), format!("{sides}[compare]\nkey = \"id\"\n[in_flight]\n{rest}")).unwrap();
        night(&shop, &[(1, "x"), (2, "b"), (3, "c"), (4, "d")])
    };
    for (rest, words) in [
        ("column = \"note\"", "expected a timestamp, a whole number, or text"),
        ("column = \"updated\"", "the old snapshot has no column `updated`"),
        ("lag = \"5m\"", "name the column with the write time of a row"),
        ("column = \"id\"\nlag = \"soon\"", "is not a duration"),
    ] {
        let (code, _, said) = with(rest);
        assert_eq!(code, 2, "{rest}");
        assert!(said.contains(words), "{said}");
    }
    // a counter gives the order of versions, but no times
    let (code, report, _) = with("column = \"id\"");
    assert_eq!((code, &report["in_flight"]["counts"]), (1, &classes(0, 0, 0)));
    // a waiver's condition sees the tags
    let versioned = |file: &str, version: i64| {
        let columns: [(&str, ArrayRef); 3] = [
            ("id", Arc::new(Int64Array::from(vec![1]))),
            ("note", Arc::new(StringArray::from(vec![file]))),
            ("version", Arc::new(Int64Array::from(vec![version]))),
        ];
        write_parquet(&shop.path(file), &RecordBatch::try_from_iter(columns).unwrap(), 2);
    };
    versioned("old.parquet", 2);
    versioned("new.parquet", 1);
    let waiver = "[[waiver]]\nname = \"w\"\nlimit = 1\nowner = \"o\"\nreason = \"r\"\nexpires = 2999-01-01\n";
    for (condition, code) in [("array_has(tags, 'lost_update')", 0), ("NOT array_has(tags, 'lost_update')", 1)] {
        let rest = format!(
            "{sides}[compare]\nkey = \"id\"\n[in_flight]\ncolumn = \"version\"\n{waiver}where = \"{condition}\"\n[output]\ndir = \"versions\"\n"
        );
        fs::write(shop.path("job.toml"), rest).unwrap();
        assert_eq!(run(&shop, &[]).0, code, "{condition}");
    }
}
