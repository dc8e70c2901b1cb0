//! What the nightly report redacts, and its output for machines.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use walkdir::WalkDir;

use crate::support::{Workshop, run, write_parquet};

fn job(shop: &Workshop, rest: &str) {
    let sides = "[old]\npath = \"old.parquet\"\n[new]\npath = \"new.parquet\"\n[compare]\nkey = \"id\"\n";
    fs::write(shop.path("job.toml"), [sides, rest].concat()).unwrap();
}

/// Cards: a private number, a private mail address, and a region.
fn cards(shop: &Workshop, file: &str, rows: &[(i64, &str, &str, &str)]) {
    let text = |place: usize| -> ArrayRef {
        Arc::new(
            rows.iter().map(|(_, card, mail, region)| Some([*card, *mail, *region][place])).collect::<StringArray>(),
        )
    };
    let ids: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>());
    let updated: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0; rows.len()]).with_timezone("UTC"));
    let batch = RecordBatch::try_from_iter([
        ("id", ids),
        ("card", text(0)),
        ("mail", text(1)),
        ("region", text(2)),
        ("updated", updated),
    ]);
    write_parquet(&shop.path(file), &batch.unwrap(), 2);
}

const SECRETS: [&str; 6] = ["SECRET-4000", "SECRET-4001", "SECRET-4002", "ann@secret", "bob@secret", "eve@secret"];

fn snapshots(shop: &Workshop) {
    cards(
        shop,
        "old.parquet",
        &[(1, "SECRET-4000", "ann@secret", "eu"), (2, "SECRET-4001", "bob@secret", "us"), (3, "x", "y", "eu")],
    );
    cards(
        shop,
        "new.parquet",
        &[
            (1, "SECRET-4002", "ann@secret", "eu"),
            (2, "SECRET-4001", "eve@secret", "us"),
            (4, "SECRET-4002", "eve@secret", "us"),
        ],
    );
}

/// The contents of a file: its bytes, and for Parquet every value of every column.
pub fn content(path: &Path) -> String {
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

#[test]
fn no_private_value_is_in_any_output() {
    for mode in ["hash", "omit"] {
        let shop = Workshop::new();
        snapshots(&shop);
        let waiver = "[[waiver]]\nname = \"w\"\nwhere = \"old['card'] = new['card']\"\nlimit = 5\nowner = \"o\"\nreason = \"r\"\nexpires = 2999-01-01\n";
        job(
            &shop,
            &format!(
                "[private]\ncolumns = [\"card\", \"mail\"]\nmode = \"{mode}\"\n[segments]\nby = \"region\"\n{waiver}"
            ),
        );
        let mut said = String::new();
        for format in ["text", "json", "markdown"] {
            let args = ["run", "job.toml", "--format", format, "--metrics", "m.prom", "--notify", "cat > told.json"];
            let (code, out, err) = run(&shop, &args);
            assert_eq!(code, 1, "{err}");
            said += &(out + &err);
        }
        said += &run(&shop, &["query", "job.toml", "SELECT * FROM discrepancies", "--format", "json"]).1;
        let (code, _, refused) = run(&shop, &["query", "job.toml", "SELECT * FROM old"]);
        assert_eq!(code, 2);
        said += &refused;
        let outputs = WalkDir::new(shop.path("")).into_iter().flatten().filter(|entry| entry.file_type().is_file());
        let outputs: Vec<_> = outputs
            .filter(|entry| !["old.parquet", "new.parquet", "job.toml"].iter().any(|name| entry.file_name() == *name))
            .collect();
        assert!(outputs.len() > 30);
        for output in &outputs {
            said += &content(output.path());
        }
        for secret in SECRETS {
            assert!(!said.contains(secret), "{secret} ({mode})");
        }
        // the search does find what is not private
        assert!(said.contains("region") && said.contains("eu"));
        assert!(said.contains(if mode == "hash" { "shown as digests" } else { "left out" }));
    }
}

#[test]
fn digests_are_the_same_by_the_same_key() {
    let shop = Workshop::new();
    snapshots(&shop);
    let key = shop.path("key");
    fs::write(&key, "ab".repeat(32)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    job(&shop, "[private]\ncolumns = [\"card\"]\nkey_file = \"key\"\n");
    let digest = || -> String {
        let (_, out, _) = run(&shop, &["run", "job.toml", "--format", "json", "--quiet"]);
        let report: Value = serde_json::from_str(&out).unwrap();
        report["examples"][0]["values"][0]["old"].as_str().unwrap().into()
    };
    let wanted = &blake3::keyed_hash(&[0xab; 32], b"SECRET-4000").to_hex()[..32];
    assert_eq!(digest(), format!("\"{wanted}\""));
    assert_eq!(digest(), digest());
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(run(&shop, &["run", "job.toml"]).2.contains("is readable by other users"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, "ab").unwrap();
    assert!(run(&shop, &["validate", "job.toml"]).2.contains("64 hexadecimal digits"));
    job(&shop, "[private]\ncolumns = [\"card\"]\n");
    assert_ne!(digest(), digest());
}

#[test]
fn private_keys_make_lists_useless_unless_they_are_asked_for() {
    let shop = Workshop::new();
    snapshots(&shop);
    job(&shop, "[private]\ncolumns = [\"id\"]\n");
    let (code, _, said) = run(&shop, &["run", "job.toml"]);
    assert_eq!(code, 2);
    assert!(said.contains("lists = \"plain\""), "{said}");
    job(&shop, "[private]\ncolumns = [\"id\"]\nlists = \"plain\"\n");
    let (code, out, _) = run(&shop, &["run", "job.toml", "--format", "json", "--quiet"]);
    assert_eq!(code, 1);
    let report: Value = serde_json::from_str(&out).unwrap();
    let dir = shop.path(report["run"]["out"].as_str().unwrap());
    assert_eq!(fs::read_to_string(dir.join("missing.csv")).unwrap(), "id\n3\n");
    assert_eq!(fs::metadata(dir.join("missing.csv")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(report["examples"][0]["key"][0]["value"].as_str().unwrap().len(), 32);
    for (rest, words) in [
        ("[private]\ncolumns = [\"crad\"]\n", "no column is called `crad`"),
        ("[private]\ncolumns = [\"region\"]\n[segments]\nby = \"region\"\n", "is private"),
        ("[private]\ncolumns = [\"mail\"]\n[lists]\ncolumns = [\"mail\"]\n", "a backfill cannot use digests"),
        ("[segments]\nby = \"regoin\"\n", "regoin"),
    ] {
        job(&shop, rest);
        for command in ["validate", "run"] {
            let (code, _, said) = run(&shop, &[command, "job.toml"]);
            assert_eq!(code, 2, "{rest}");
            assert!(said.contains(words), "{said}");
        }
    }
}

#[test]
fn what_is_made_of_a_private_column_is_private() {
    let shop = Workshop::new();
    snapshots(&shop);
    let sides = "[old]\npath = \"old.parquet\"\ntaken_at = 2026-01-01T00:00:00Z\n[new]\npath = \"new.parquet\"\ntaken_at = 2026-01-01T00:00:00Z\n";
    let with = |rest: &str| {
        fs::write(shop.path("job.toml"), format!("{sides}[compare]\nkey = \"id\"\n{rest}")).unwrap();
        let (code, out, err) = run(&shop, &["run", "job.toml", "--format", "json"]);
        (code, out + &err)
    };
    let other = "[compare.columns.mail]\nold_expr = \"concat(card, '')\"\nnew_expr = \"concat(card, '!')\"\n";
    let (code, said) = with(&format!("{other}[private]\ncolumns = \"card\"\n"));
    assert!(
        code == 2 && said.contains("name `mail`, too") || !SECRETS.iter().any(|secret| said.contains(secret)),
        "{said}"
    );
    // the stored column's name is as good as the pair's
    let shaped =
        "[compare.columns.region]\nold_expr = \"card\"\nnew_expr = \"card\"\n[compare]\n".replace("[compare]\n", "");
    let (code, said) = with(&format!("{shaped}[private]\ncolumns = [\"card\", \"mail\"]\n"));
    assert_eq!(code, 1, "{said}");
    assert!(!SECRETS.iter().any(|secret| said.contains(secret)), "{said}");
    // an error would quote the value that could not be read
    let failing = "[compare.columns.card]\nold_expr = \"cast(card AS INT)\"\nnew_expr = \"cast(card AS INT)\"\n";
    let (code, said) = with(failing);
    assert!(code == 2 && said.contains("SECRET-4000"), "{said}");
    let (code, said) = with(&format!("{failing}[private]\ncolumns = \"card\"\n"));
    assert!(code == 2 && said.contains("may quote private values"), "{said}");
    assert!(!SECRETS.iter().any(|secret| said.contains(secret)), "{said}");
    // a private key is nothing to recognise rows by, unless its digests last
    let (code, said) = with("[gate]\npersisting_for = 2\n[private]\ncolumns = \"id\"\nlists = \"plain\"\n");
    assert!(code == 2 && said.contains("would excuse rows forever"), "{said}");
}

#[test]
fn segments_of_columns_that_are_expressions() {
    let shop = Workshop::new();
    snapshots(&shop);
    job(
        &shop,
        "[compare.columns.place]\nold_expr = \"upper(region)\"\nnew_expr = \"upper(region)\"\n[segments]\nby = \"place\"\n",
    );
    let (code, out, said) = run(&shop, &["run", "job.toml", "--format", "json", "--quiet"]);
    assert_eq!(code, 1, "{said}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let first = &report["segments"][0]["first"][0];
    assert_eq!((&first["value"], &first["rows"]), (&json!("EU"), &json!({ "old": 2, "new": 1 })));
}

#[test]
fn segments_say_where_discrepancies_are() {
    let shop = Workshop::new();
    let rows = |changed: bool| -> Vec<(i64, &str, &str, &str)> {
        let region = |id: i64| if id % 10 == 0 { "apac" } else { "eu" };
        (1..=400).map(|id| (id, if changed && id % 20 == 0 { "z" } else { "c" }, "m", region(id))).collect()
    };
    cards(&shop, "old.parquet", &rows(false));
    cards(&shop, "new.parquet", &rows(true));
    job(&shop, "[segments]\nby = [\"region\", \"id > 200\"]\n");
    let (_, out, _) = run(&shop, &["run", "job.toml", "--format", "json", "--quiet"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    let first = &report["segments"][0]["first"][0];
    assert_eq!((&first["value"], &first["stands_out"], &first["rate"]), (&json!("apac"), &json!(true), &json!(0.5)));
    assert_eq!((&first["rows"]["old"], &first["counts"]["mismatch"]), (&json!(40), &json!(20)));
    assert_eq!(report["segments"][1]["segments"], 2);
    let file = shop.path(report["run"]["out"].as_str().unwrap()).join("segments.csv");
    let file = fs::read_to_string(file).unwrap();
    assert!(file.contains("region,apac,40,40,20,0,0,0.5,true\nregion,eu,360,360,0,0,0,0,false\n"), "{file}");
}

#[test]
fn metrics_and_notifications_come_also_when_a_job_fails() {
    let shop = Workshop::new();
    snapshots(&shop);
    job(&shop, "[gate]\nmismatch = 9\nmissing = 9\nextra = 9\n");
    let args = ["run", "job.toml", "--quiet", "--metrics", "m.prom", "--notify", "cat > told.json"];
    assert_eq!(run(&shop, &args).0, 0);
    let metrics = fs::read_to_string(shop.path("m.prom")).unwrap();
    for line in [
        "countersign_verdict{job=\"job\",verdict=\"accepted\"} 1",
        "countersign_verdict{job=\"job\",verdict=\"failed\"} 0",
        "countersign_discrepancies{job=\"job\",class=\"mismatch\"} 2",
        "countersign_rows{job=\"job\",side=\"new\"} 3",
        "countersign_matched{job=\"job\",tier=\"by_reading\"} 0",
        "countersign_tagged{job=\"job\",tag=\"new\"} 4",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
    let good = |metrics: &str| {
        let line = metrics.lines().find(|line| line.starts_with("countersign_last_good_run_timestamp_seconds{"));
        line.map(|line| line.rsplit(' ').next().unwrap().to_string())
    };
    let last_good = good(&metrics);
    assert!(last_good.is_some());
    fs::write(shop.path("new.parquet"), "gone").unwrap();
    assert_eq!(run(&shop, &args).0, 2);
    let metrics = fs::read_to_string(shop.path("m.prom")).unwrap();
    assert!(metrics.contains("countersign_verdict{job=\"job\",verdict=\"failed\"} 1"));
    assert_eq!(good(&metrics), last_good);
    let told: Value = serde_json::from_str(&fs::read_to_string(shop.path("told.json")).unwrap()).unwrap();
    assert_eq!((&told["verdict"], &told["exit_code"]), (&json!("failed"), &json!(2)));
    assert!(told["error"].as_str().unwrap().contains("new.parquet"));
    // a job is called what it is called, and once
    let named = fs::read_to_string(shop.path("job.toml")).unwrap();
    fs::write(shop.path("job.toml"), format!("[job]\nname = \"cards\"\n{named}")).unwrap();
    assert_eq!(run(&shop, &["run", "job.toml", "job.toml", "--quiet", "--metrics", "m.prom"]).0, 2);
    let metrics = fs::read_to_string(shop.path("m.prom")).unwrap();
    assert_eq!(metrics.matches("countersign_verdict{job=\"cards\",verdict=\"failed\"} 1").count(), 1);
    fs::write(shop.path("job.toml"), named).unwrap();
    // a notification that fails is said, and changes nothing
    snapshots(&shop);
    let (code, _, said) = run(&shop, &["run", "job.toml", "--quiet", "--notify", "exit 3", "--log-format", "json"]);
    assert_eq!(code, 0);
    let line: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(line["level"], "warning");
    assert!(line["message"].as_str().unwrap().contains("exit status: 3"));
}

#[test]
fn questions_in_sql() {
    let shop = Workshop::new();
    snapshots(&shop);
    job(&shop, "");
    run(&shop, &["run", "job.toml", "--quiet"]);
    let ask = |of: &str, sql: &str, format: &str| run(&shop, &["query", of, sql, "--format", format]);
    let (code, out, said) =
        ask("job.toml", "SELECT class, count(*) AS n FROM discrepancies GROUP BY class ORDER BY class", "csv");
    assert_eq!((code, out.as_str()), (0, "class,n\nextra,1\nmismatch,2\nmissing,1\n"), "{said}");
    let (_, out, _) = ask("runs/job/latest", "SELECT mismatch, verdict FROM runs", "json");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), json!([{ "mismatch": 2, "verdict": "discrepant" }]));
    let (_, out, _) =
        ask("job.toml", "SELECT o.id FROM old o LEFT JOIN new n ON o.id = n.id WHERE n.id IS NULL", "table");
    assert_eq!(out, " id\n  3\n\n1 row\n");
    assert_eq!(
        run(
            &shop,
            &["query", "job.toml", "SELECT id FROM new ORDER BY id", "--format", "parquet", "--out", "answer.parquet"]
        )
        .0,
        0
    );
    assert!(content(&shop.path("answer.parquet")).ends_with("1\n2\n4\n"));
    let (code, _, said) = ask("job.toml", "SELECT * FROM discrepancy", "csv");
    assert_eq!(code, 2);
    assert!(said.contains("available tables: discrepancies, new, old, runs"), "{said}");
    assert_eq!(ask("job.toml", "DROP TABLE old", "csv").0, 2);
    assert!(ask("runs", "SELECT 1", "csv").2.contains("is not a run directory"));
}

#[test]
fn old_runs_lose_their_large_files_and_keep_what_they_counted() {
    let shop = Workshop::new();
    job(&shop, "[retain]\nwhole = 2\n");
    for night in ["a", "b", "c", "d"] {
        snapshots(&shop);
        cards(&shop, "new.parquet", &[(1, "SECRET-4002", night, "eu"), (2, "q", "r", "us"), (3, "x", "y", "eu")]);
        assert_eq!(run(&shop, &["run", "job.toml", "--quiet"]).0, 1);
    }
    // another job below it is not its business
    fs::create_dir_all(shop.path("runs/job/other/x")).unwrap();
    let runs = shop.runs("runs/job").into_iter().filter(|run| run != "other").collect::<Vec<_>>();
    let has = |run: &String, name: &str| shop.path(&format!("runs/job/{run}/{name}")).exists();
    let whole: Vec<bool> =
        runs.iter().map(|run| has(run, "discrepancies.parquet") && has(run, "mismatch.csv")).collect();
    assert_eq!(whole, [false, false, true, true]);
    assert!(runs.iter().all(|run| has(run, "history.parquet") && has(run, "report.json") && has(run, "manifest.json")));
    let (code, out, _) = run(&shop, &["history", "runs", "--format", "json"]);
    assert_eq!(code, 0);
    let listed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((listed["jobs"][0]["runs"].as_array().unwrap().len(), &listed["skipped"]), (4, &json!([])));
}

#[test]
fn waivers_may_stand_in_a_file_of_their_own() {
    let shop = Workshop::new();
    snapshots(&shop);
    let sides = "[old]\npath = \"old.parquet\"\n[new]\npath = \"new.parquet\"\n[compare]\nkey = \"id\"\n";
    fs::write(shop.path("job.toml"), format!("waivers = \"known.toml\"\n{sides}")).unwrap();
    let waiver = "[[waiver]]\nname = \"all\"\nlimit = 4\nowner = \"o\"\nreason = \"r\"\nexpires = 2999-01-01\n";
    fs::write(shop.path("known.toml"), waiver).unwrap();
    assert_eq!(run(&shop, &["run", "job.toml", "--quiet"]).0, 0);
    fs::write(shop.path("known.toml"), waiver.replace("owner", "onwer")).unwrap();
    let (code, _, said) = run(&shop, &["run", "job.toml", "--quiet"]);
    assert_eq!(code, 2);
    assert!(said.contains("known.toml:4") && said.contains("did you mean `owner`?"), "{said}");
}

/// Every command of the schedules in the documentation works.
#[test]
fn the_schedules_of_the_documentation_run() {
    let shop = Workshop::new();
    snapshots(&shop);
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schedules");
    let mut commands = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines().filter(|line| line.contains("countersign run ")) {
            let (_, command) = line.split_once("countersign run ").unwrap();
            let command = command.split([';', '>', '"']).next().unwrap().replace("/var/lib/node_exporter/", "");
            job(&shop, "");
            fs::rename(shop.path("job.toml"), shop.path("subscriptions.toml")).unwrap();
            let args: Vec<&str> = ["run"].into_iter().chain(command.split_whitespace()).collect();
            let (code, _, said) = run(&shop, &args);
            assert_eq!(code, 1, "{line}: {said}");
            commands += 1;
        }
    }
    assert_eq!(commands, 4);
}
