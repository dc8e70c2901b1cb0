//! Waves: every ID is in exactly one wave, groups are whole, shards are balanced, and the next cut keeps the waves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use walkdir::WalkDir;

use crate::support::{Workshop, lines, write_parquet};

/// Runs the command in a workshop, and returns the exit code, standard output, and standard error.
pub fn waves(shop: &Workshop, args: &str) -> (i32, String, String) {
    let args: Vec<&str> = ["waves"].into_iter().chain(args.split_whitespace()).collect();
    let output = shop.run(&args);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The same for a command that must succeed; returns the notes.
pub fn cut(shop: &Workshop, args: &str) -> String {
    let (code, out, said) = waves(shop, args);
    assert_eq!(code, 0, "{args}: {said}");
    assert!(out.starts_with(" wave"), "{out}");
    said
}

fn document(shop: &Workshop, dir: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(shop.path(dir).join("waves.json")).unwrap()).unwrap()
}

/// Every file below a directory, with its bytes.
fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = WalkDir::new(dir).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    let name = |path: &Path| path.strip_prefix(dir).unwrap().display().to_string();
    files.map(|file| (name(file.path()), fs::read(file.path()).unwrap())).collect()
}

/// IDs 1 to `ids`, their accounts (few of them large), and amounts.
fn accounts(shop: &Workshop, file: &str, ids: impl Iterator<Item = u64>) {
    let mut text = String::from("id,account,amount\n");
    for id in ids {
        // every fourth ID is of one of ten large accounts
        let account = if id % 4 == 0 { id / 4 % 10 } else { 10 + id * 7 % 400 };
        text += &format!("{id},a{account},{}\n", id * 31 % 97);
    }
    fs::write(shop.path(file), text).unwrap();
}

/// The lines of every CSV file of a cut, by wave and shard.
fn members(shop: &Workshop, dir: &str) -> BTreeMap<(u64, u64), Vec<String>> {
    let document = document(shop, dir);
    let files = document["files"].as_array().unwrap();
    let of = |file: &Value| {
        let lines = lines(&shop.path(dir).join(file["file"].as_str().unwrap()));
        assert_eq!(file["ids"], lines.len());
        ((file["wave"].as_u64().unwrap(), file["shard"].as_u64().unwrap_or(0)), lines)
    };
    files.iter().map(of).collect()
}

/// The wave and shard of each ID.
fn places(shop: &Workshop, dir: &str) -> BTreeMap<String, (u64, u64)> {
    let members = members(shop, dir).into_iter();
    let ids = members.flat_map(|(place, lines)| {
        lines.into_iter().map(move |line| (line.split(',').next().unwrap().to_string(), place))
    });
    ids.collect()
}

#[test]
fn every_id_is_in_one_wave_and_files_are_the_same_each_time() {
    let shop = Workshop::new();
    accounts(&shop, "list.csv", 1..=20_000);
    for (name, options) in [
        ("plain", "--sizes 100,1000,10%,+1,rest"),
        ("sharded", "--sizes 100,50%,rest --shards 7"),
        ("grouped", "--sizes 10,50%,rest --shards 3 --group-by account"),
        ("balanced", "--sizes 10%,rest --shards 4 --balance amount"),
        ("both", "--sizes 5,+20,rest --shards 4 --balance amount --group-by account --seed 3"),
        ("column", "--sizes 10,rest --order amount:number:desc --group-by account"),
        ("key", "--sizes 10,rest --order key --key-type integer"),
        ("parquet", "--sizes 10,rest --format parquet --shards 2"),
    ] {
        let options = match name {
            "plain" => options.replace("10%", "2000"),
            _ => options.into(),
        };
        cut(&shop, &format!("list.csv --out {name} {options}"));
        let first = content(&shop.path(name));
        if name != "parquet" {
            let all: Vec<String> = members(&shop, name).into_values().flatten().collect();
            assert_eq!(all.len(), 20_000, "{name}");
            let all: BTreeSet<String> = all.into_iter().collect();
            assert_eq!(all, lines(&shop.path("list.csv")).into_iter().collect(), "{name}");
        }
        for file in document(&shop, name)["files"].as_array().unwrap() {
            let bytes = &first[file["file"].as_str().unwrap()];
            assert_eq!(file["blake3"], blake3::hash(bytes).to_hex().as_str());
            assert_eq!(file["bytes"], bytes.len());
        }
        for (number, how) in ["--threads 1", "--threads 2 --memory 150MiB --temp .", "--threads 7"].iter().enumerate() {
            let again = format!("{name}-{number}");
            cut(&shop, &format!("list.csv --out {again} {options} {how}"));
            assert!(content(&shop.path(&again)) == first, "{name} {how}");
        }
    }
    // the order of the rows and their spread over lists is nothing to a shuffle
    let all = lines(&shop.path("list.csv"));
    let (one, two) = all.split_at(7_000);
    for (file, rows) in [("one.csv", two), ("two.csv", one)] {
        let rows: Vec<_> = rows.iter().rev().cloned().collect();
        fs::write(shop.path(file), format!("id,account,amount\n{}\n", rows.join("\n"))).unwrap();
    }
    cut(&shop, "one.csv two.csv --out two --sizes 5,+20,rest --shards 4 --balance amount --group-by account --seed 3");
    let (mut one, mut two) = (content(&shop.path("both")), content(&shop.path("two")));
    assert!(one.remove("waves.json") != two.remove("waves.json") && one == two);
    cut(&shop, "list.csv --out other --sizes 5,+20,rest --shards 4 --balance amount --group-by account --seed 4");
    assert_ne!(places(&shop, "both"), places(&shop, "other"));
}

#[test]
fn waves_have_the_sizes_that_were_asked_for() {
    let shop = Workshop::new();
    accounts(&shop, "list.csv", 1..=1000);
    cut(&shop, "list.csv --out out --sizes 10,+15,10%,rest");
    let document = document(&shop, "out");
    let files = document["files"].as_array().unwrap();
    let told = |name: &str| files.iter().map(|file| file[name].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!(told("ids"), [10, 15, 75, 900]);
    assert_eq!((told("first"), told("last")), (vec![1, 11, 26, 101], vec![10, 25, 100, 1000]));
    assert_eq!(shop.names("out"), ["wave-01.csv", "wave-02.csv", "wave-03.csv", "wave-04.csv", "waves.json"]);
    // what goes beyond the end is the end, and what is left over is said
    let said = cut(&shop, "list.csv --out beyond --sizes 10,2000,3000,rest");
    assert_eq!(shop.names("beyond"), ["wave-01.csv", "wave-02.csv", "waves.json"]);
    assert!(said.contains("2 waves not written"), "{said}");
    let said = cut(&shop, "list.csv --out part --sizes 10,20");
    assert!(said.contains("980 IDs in no wave"), "{said}");
    assert_eq!(self::document(&shop, "part")["totals"]["left_over"], 980);
    // what only its owner can read stays so
    let mode = |file: &str| fs::metadata(shop.path(file)).unwrap().permissions().mode();
    assert_eq!(mode("part/wave-01.csv"), mode("list.csv"));
    fs::set_permissions(shop.path("list.csv"), fs::Permissions::from_mode(0o600)).unwrap();
    cut(&shop, "list.csv --out private --sizes 10,20");
    for file in ["wave-01.csv", "wave-02.csv", "left_over.parquet"] {
        assert_eq!(mode(&format!("private/{file}")) & 0o777, 0o600, "{file}");
    }
    // groups are counted as one
    cut(&shop, "list.csv --out groups --sizes 3,rest --group-by account");
    assert_eq!(self::document(&shop, "groups")["files"][0]["groups"], 3);
    // names sort in order
    cut(&shop, "list.csv --out many --shards 1001");
    let names = shop.names("many/wave-01");
    assert_eq!((names.len(), names[0].as_str(), names[1000].as_str()), (1001, "shard-0001.csv", "shard-1001.csv"));
}

#[test]
fn groups_stay_whole_and_shards_are_balanced() {
    let shop = Workshop::new();
    accounts(&shop, "list.csv", 1..=8_000);
    for order in ["shuffle", "key", "amount:number:desc"] {
        let dir = order.replace(':', "-");
        let options = "--sizes 20,50%,rest --shards 5 --group-by account --balance amount";
        cut(&shop, &format!("list.csv --out {dir} {options} --order {order}"));
        let mut place_of = BTreeMap::new();
        let mut weights: BTreeMap<(u64, u64), u64> = BTreeMap::new();
        let mut units: BTreeMap<String, u64> = BTreeMap::new();
        for (place, lines) in members(&shop, &dir) {
            weights.entry(place).or_default();
            for line in lines {
                let [_, account, amount] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
                assert_eq!(*place_of.entry(account.to_string()).or_insert(place), place, "{account}");
                *weights.entry(place).or_default() += amount.parse::<u64>().unwrap();
                *units.entry(account.to_string()).or_default() += amount.parse::<u64>().unwrap();
            }
        }
        for wave in 1..=3 {
            let loads: Vec<u64> = weights.iter().filter(|((of, _), _)| *of == wave).map(|(_, load)| *load).collect();
            let heaviest = units.iter().filter(|(unit, _)| place_of[*unit].0 == wave).map(|(_, weight)| *weight).max();
            assert_eq!(loads.len(), 5);
            assert!(
                loads.iter().max().unwrap() - loads.iter().min().unwrap() <= heaviest.unwrap(),
                "{order} {loads:?}"
            );
        }
    }
}

#[test]
fn heavy_groups_are_spread_over_the_waves() {
    let shop = Workshop::new();
    accounts(&shop, "list.csv", 1..=8_000);
    for seed in 0..5 {
        let dir = format!("out-{seed}");
        cut(&shop, &format!("list.csv --out {dir} --sizes 20%,40%,60%,80%,rest --group-by account --seed {seed}"));
        let document = document(&shop, &dir);
        let ids: Vec<u64> =
            document["files"].as_array().unwrap().iter().map(|file| file["ids"].as_u64().unwrap()).collect();
        // ten groups of 200 IDs and 400 groups of 15: two large ones in every wave
        assert!(ids.iter().all(|ids| (1_300..=1_900).contains(ids)), "{ids:?}");
    }
}

#[test]
fn orders() {
    let shop = Workshop::new();
    fs::write(shop.path("list.csv"), "id,n,g\n10,-2,x\n9,10.5,y\n-1,9,x\n100,,z\n2,10.50,w\n").unwrap();
    let ids = |order: &str| {
        let dir = order.replace([':', ' '], "-");
        cut(&shop, &format!("list.csv --out {dir} --order {order}"));
        places(&shop, &dir);
        let lines = lines(&shop.path(&dir).join("wave-01.csv"));
        lines.iter().map(|line| line.split(',').next().unwrap().to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids("key"), "-1 10 100 2 9");
    assert_eq!(ids("key --key-type integer"), "-1 2 9 10 100");
    assert_eq!(ids("n"), "10 9 2 -1 100");
    assert_eq!(ids("n:desc"), "-1 2 9 10 100");
    let by_number = ids("n:number");
    assert!(["10 -1 9 2 100", "10 -1 2 9 100"].contains(&by_number.as_str()), "{by_number}");
    // a group has the position of its first member
    assert_eq!(ids("n:number:desc --group-by g").split(' ').skip(2).collect::<Vec<_>>(), ["-1", "10", "100"]);
}

#[test]
fn finished_ids_go_and_nobody_else_moves() {
    let shop = Workshop::new();
    accounts(&shop, "list.csv", 1..=3_000);
    let options = "--sizes 5,rest --shards 3 --group-by account --balance amount";
    cut(&shop, &format!("list.csv --out before {options}"));
    let before = places(&shop, "before");
    // a whole file and some more, and one that is not in the list
    let done: Vec<_> = before.iter().filter(|(id, place)| **place == (1, 2) || id.ends_with('7')).collect();
    let ids: String = done.iter().map(|(id, _)| format!("{id}\n")).collect();
    fs::write(shop.path("done.txt"), format!("{ids}4711\n4711\n")).unwrap();
    let said = cut(&shop, &format!("list.csv --out after {options} --done done.txt"));
    assert!(said.contains("1 finished ID not in the list"), "{said}");
    let after = places(&shop, "after");
    let wanted: BTreeMap<_, _> = before.clone().into_iter().filter(|(id, _)| !done.iter().any(|d| d.0 == id)).collect();
    assert_eq!(after, wanted);
    assert_eq!(fs::read_to_string(shop.path("after/wave-01/shard-002.csv")).unwrap(), "id,account,amount\n");
    let document = document(&shop, "after");
    assert_eq!(document["totals"]["finished"], done.len());
    assert_eq!(document["finished"]["ids"], done.len());
    // a wave file is a list of finished IDs as it is
    cut(&shop, &format!("list.csv --out again {options} --done before/wave-01/shard-002.csv done.txt"));
    assert_eq!(places(&shop, "again"), wanted);
}

#[test]
fn a_changed_list_keeps_its_waves() {
    let shop = Workshop::new();
    accounts(&shop, "list.csv", 1..=3_000);
    for (name, options, format) in [
        ("plain", "--sizes 100,1000,rest --order key", "csv"),
        ("shards", "--sizes 100,rest --shards 4 --balance amount", "parquet"),
        ("groups", "--sizes 10,rest --shards 3 --group-by account", "ndjson"),
        ("ended", "--sizes 100,1000", "csv"),
    ] {
        let csv = format!("{name}-csv");
        cut(&shop, &format!("list.csv --out {csv} {options}"));
        let before = places(&shop, &csv);
        let done: String = before.keys().filter(|id| id.ends_with("11")).map(|id| format!("{id}\n")).collect();
        fs::write(shop.path("done.txt"), &done).unwrap();
        cut(&shop, &format!("list.csv --out {name} {options} --format {format} --done done.txt"));
        // the first 500 are gone, and 600 are new, some of them of accounts that are known
        accounts(&shop, "changed.csv", 501..=3_600);
        let later = format!("{name}-later");
        let said = cut(&shop, &format!("changed.csv --out {later} --previous {name}/waves.json --format csv"));
        assert!(said.contains("600 IDs new") && said.contains("500 IDs of the previous cut"), "{said}");
        let after = places(&shop, &later);
        let last = before.values().map(|place| place.0).max().unwrap();
        let account = |file: &str| -> BTreeMap<String, String> {
            let split = |line: String| {
                let mut fields = line.split(',').map(String::from);
                (fields.next().unwrap(), fields.next().unwrap())
            };
            lines(&shop.path(file)).into_iter().map(split).collect()
        };
        let (old_accounts, accounts) = (account("list.csv"), account("changed.csv"));
        let home: BTreeMap<&String, (u64, u64)> =
            before.iter().map(|(id, place)| (&old_accounts[id], *place)).collect();
        for (id, place) in &after {
            match before.get(id) {
                Some(known) => assert_eq!(place, known, "{name} {id}"),
                None if name == "groups" => match home.get(&accounts[id]) {
                    Some(known) => assert_eq!(place, known, "{id}"),
                    None => assert_eq!(place.0, last),
                },
                None => assert_eq!(place.0, last, "{name} {id}"),
            }
        }
        // what was left over stays so
        let kept = after.keys().filter(|id| before.contains_key(*id)).count();
        assert_eq!(kept, before.keys().filter(|id| id.parse::<u64>().unwrap() > 500).count(), "{name}");
        assert_eq!(after.len() - kept, 600, "{name}");
        let document = document(&shop, &later);
        assert_eq!((&document["totals"]["added"], &document["totals"]["gone"]), (&600.into(), &500.into()));
        // the cut of a cut also keeps the waves
        cut(&shop, &format!("changed.csv --out {name}-last --previous {later} --format csv"));
        assert_eq!(places(&shop, &format!("{name}-last")), after);
    }
}

/// All rows of a Parquet file.
fn table(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

#[test]
fn every_format_is_written_and_read_back() {
    let shop = Workshop::new();
    let odd = "id,note\n7,\n8,\"\"\n\"a,\"\"b\"\"\n\",x\n,NULL\n\"\",y\n";
    fs::write(shop.path("odd.csv"), odd).unwrap();
    let rows = |file: &str| {
        let text = fs::read_to_string(shop.path(file)).unwrap();
        countersign::testing::records(&text).unwrap().into_iter().map(|(_, fields)| fields).collect::<BTreeSet<_>>()
    };
    for (format, ending) in [("csv", "csv"), ("ndjson", "ndjson"), ("parquet", "parquet")] {
        cut(&shop, &format!("odd.csv --out {format} --format {format}"));
        cut(&shop, &format!("{format}/wave-01.{ending} --out {format}-back --key id"));
        assert_eq!(rows(&format!("{format}-back/wave-01.csv")), rows("odd.csv"), "{format}");
    }
    let table = table(&shop.path("parquet/wave-01.parquet"));
    assert!(table.schema().fields().iter().all(|field| field.data_type() == &DataType::Utf8));
    fs::write(shop.path("bare.txt"), "b,1\r\na\n").unwrap();
    cut(&shop, "bare.txt --out text --format text --order key");
    assert_eq!(fs::read_to_string(shop.path("text/wave-01.txt")).unwrap(), "a\nb,1\n");
    cut(&shop, "text/wave-01.txt --out named --key customer");
    assert!(fs::read_to_string(shop.path("named/wave-01.csv")).unwrap().starts_with("customer\n"));
    fs::write(
        shop.path("numbers.ndjson"),
        "{\"id\": 12345678901234567890123, \"ok\": true}\n{\"ok\": null, \"id\": 1}\n",
    )
    .unwrap();
    cut(&shop, "numbers.ndjson --out numbers --order key");
    assert_eq!(
        fs::read_to_string(shop.path("numbers/wave-01.csv")).unwrap(),
        "id,ok\n1,\n12345678901234567890123,true\n"
    );
    // values of Parquet are written as a run's lists write them
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![3, 20]));
    write_parquet(&shop.path("ids.parquet"), &RecordBatch::try_from_iter([("id", ids)]).unwrap(), 10);
    cut(&shop, "ids.parquet --out ids --order key --key-type integer --where id='20'");
    assert_eq!(fs::read_to_string(shop.path("ids/wave-01.csv")).unwrap(), "id\n20\n");
    assert_eq!(document(&shop, "ids")["totals"]["excluded"], 1);
    // a list without IDs is one empty wave
    fs::write(shop.path("none.csv"), "id,note\n").unwrap();
    let said = cut(&shop, "none.csv --out none --sizes 10,10%,rest");
    assert!(said.contains("no IDs"), "{said}");
    assert_eq!(shop.names("none"), ["wave-01.csv", "waves.json"]);
    assert_eq!(fs::read_to_string(shop.path("none/wave-01.csv")).unwrap(), "id,note\n");
}

/// Two sides with discrepancies of each class: mismatches, missing and extra rows, and a duplicate key.
fn run_of(shop: &Workshop, job: &str) {
    let side = |ids: &[i64], mark: &str| {
        let texts: StringArray = ids.iter().map(|id| Some(format!("{mark}{id}"))).collect();
        let columns: [(&str, ArrayRef); 3] = [
            ("id", Arc::new(Int64Array::from(ids.to_vec()))),
            ("note", Arc::new(texts.clone())),
            ("loaded", Arc::new(texts)),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    write_parquet(&shop.path("old.parquet"), &side(&(1..=40).chain([90, 90]).collect::<Vec<_>>(), "old"), 100);
    write_parquet(&shop.path("new.parquet"), &side(&(31..=60).chain([90]).collect::<Vec<_>>(), "new"), 100);
    let sides = "[old]\npath = \"old.parquet\"\n[new]\npath = \"new.parquet\"\n";
    fs::write(shop.path("job.toml"), format!("{sides}[compare]\nkey = \"id\"\nignore = [\"loaded\"]\n{job}")).unwrap();
    assert_eq!(shop.run(&["run", "job.toml", "--quiet"]).status.code(), Some(1));
}

#[test]
fn rows_are_written_beside_the_ids() {
    let shop = Workshop::new();
    run_of(&shop, "");
    let run = "runs/job/latest";
    let lists = format!("{run}/missing.csv {run}/mismatch.csv");
    let said = cut(&shop, &format!("{lists} --out backfill --rows {run} --sizes 4,rest --shards 3"));
    assert!(said.contains("did not compare: loaded"), "{said}");
    cut(&shop, &format!("{run}/extra.csv --out rollback --rows {run} --order key --key-type integer"));
    let mut seen = 0;
    for (dir, mark) in [("backfill", "old"), ("rollback", "new")] {
        let document = document(&shop, dir);
        assert_eq!(document["rows"]["side"], mark);
        assert_eq!(document["rows"]["columns_not_included"], serde_json::json!(["loaded"]));
        for file in document["files"].as_array().unwrap() {
            let ids = lines(&shop.path(dir).join(file["file"].as_str().unwrap()));
            let path = file["rows"]["path"].as_str().unwrap();
            assert_eq!(path, file["file"].as_str().unwrap().replace(".csv", ".rows.parquet"));
            let rows = table(&shop.path(dir).join(path));
            assert_eq!(
                rows.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(),
                ["id", "note"]
            );
            let written: Vec<String> =
                rows.column(0).as_primitive::<Int64Type>().values().iter().map(|id| id.to_string()).collect();
            assert_eq!(written, ids);
            let notes = rows.column(1).as_string::<i32>();
            assert!(ids.iter().enumerate().all(|(row, id)| notes.value(row) == format!("{mark}{id}")));
            seen += rows.num_rows();
        }
    }
    assert_eq!(seen, 30 + 10 + 20);
    // rows come from one side only, and there is one for every ID
    for (lists, words) in [
        (format!("{run}/extra.csv {run}/missing.csv"), "separately from lists of extra rows"),
        (format!("{run}/duplicate_keys.csv"), "is a duplicate key"),
        ("other.csv".to_string(), "is not a discrepancy of the run"),
    ] {
        fs::write(shop.path("other.csv"), "id\n4711\n").unwrap();
        let (code, _, said) = waves(&shop, &format!("{lists} --out wrong --rows {run}"));
        assert!(code == 2 && said.contains(words) && !shop.path("wrong").exists(), "{said}");
    }
    run_of(&shop, "[private]\ncolumns = \"note\"\n");
    let (code, _, said) = waves(&shop, &format!("{run}/missing.csv --out wrong --rows {run}"));
    assert!(code == 2 && said.contains("private columns") && !shop.path("wrong").exists(), "{said}");
}
