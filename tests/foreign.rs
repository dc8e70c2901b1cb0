//! Malicious or damaged input must not cause a crash, a hang or excessive memory use: footers, job files, SQL, pipes
//! and devices. Each case ends with exit code 2 and a message that names the file, and never with an internal error.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use countersign::sides::Side;
use countersign::testing::Snapshot;
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnChunkMetaDataBuilder, FileMetaData, ParquetMetaData, ParquetMetaDataBuilder,
    ParquetMetaDataReader, ParquetMetaDataWriter, RowGroupMetaData,
};

use crate::support::{Workshop, run, trial, write_parquet};

const ROWS: i64 = 100;

fn shop() -> Workshop {
    let shop = Workshop::new();
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("text {}", row % 7))));
    let batch = RecordBatch::try_from_iter([("id", ids), ("text", texts)]).unwrap();
    write_parquet(&shop.path("old.parquet"), &batch, 50);
    write_parquet(&shop.path("new.parquet"), &batch, 50);
    fs::write(shop.path("job.toml"), JOB).unwrap();
    shop
}

const JOB: &str = "[old]\npath = \"old.parquet\"\n[new]\npath = \"new.parquet\"\n[compare]\nkey = \"id\"\n";

/// Runs the binary, which has to refuse its input quickly; returns the error message.
fn refused(shop: &Workshop, args: &[&str]) -> String {
    let began = Instant::now();
    let output = Command::new("timeout")
        .args(["-s", "KILL", "60"])
        .arg(assert_cmd::cargo::cargo_bin("countersign"))
        .args(args)
        .current_dir(shop.path(""))
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    // the findings of `inspect` are in its report
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!(output.status.code(), Some(2), "{args:?} after {:?}: {said}", began.elapsed());
    assert!(!said.contains("internal error"), "{args:?}: {said}");
    said
}

// footers

/// Unsigned numbers in the encoding of Thrift's compact protocol.
fn varint(mut number: u64) -> Vec<u8> {
    let mut out = vec![];
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

/// A list of structs.
fn structs(elements: u64, content: &[u8]) -> Vec<u8> {
    [&[0xfc], varint(elements).as_slice(), content].concat()
}

/// A schema element: required, with a name of one letter, and either a type or a number of children.
fn element(children: Option<u64>) -> Vec<u8> {
    match children {
        None => [&[0x15, 2, 0x25, 0, 0x18, 1], b"x".as_slice(), &[0]].concat(),
        Some(children) => [&[0x35, 0, 0x18, 1], b"g".as_slice(), &[0x15], &varint(children * 2), &[0]].concat(),
    }
}

/// A Parquet file without rows whose footer has these lists of schema elements and row groups.
fn footer(schema: &[u8], row_groups: &[u8]) -> Vec<u8> {
    let metadata = [&[0x15, 2, 0x19], schema, &[0x16, 0, 0x19], row_groups, &[0]].concat();
    let length = (metadata.len() as u32).to_le_bytes();
    [b"PAR1", metadata.as_slice(), &length, b"PAR1"].concat()
}

/// A file with a single column that is nested in `levels` groups.
fn nested(levels: u64) -> Vec<u8> {
    let content = [element(Some(1)).repeat(levels as usize), element(None)].concat();
    footer(&structs(levels + 1, &content), &structs(0, &[]))
}

#[test]
fn a_schema_that_is_nested_too_deep_is_refused_wherever_it_is_read() {
    let shop = shop();
    fs::write(shop.path("deep.parquet"), nested(256)).unwrap();
    assert_eq!(run(&shop, &["inspect", "deep.parquet"]).0, 0);
    assert_eq!(run(&shop, &["diff", "deep.parquet", "deep.parquet", "--no-key", "--allow-empty"]).0, 0);
    for levels in [257, 20_000, 2_000_000] {
        fs::write(shop.path("deep.parquet"), nested(levels)).unwrap();
        for args in [
            ["inspect", "deep.parquet"].as_slice(),
            &["diff", "deep.parquet", "new.parquet", "--key", "id"],
            &["init", "old.parquet", "deep.parquet"],
            &["waves", "deep.parquet", "--out", "cut"],
        ] {
            let said = refused(&shop, args);
            assert!(said.contains("deep.parquet") && said.contains("nested more than 256 levels deep"), "{said}");
        }
    }
}

#[test]
fn a_footer_that_promises_more_than_it_holds_takes_no_memory() {
    let shop = shop();
    let column = [element(Some(1)), element(None)].concat();
    for (name, bytes) in [
        ("children", footer(&structs(2, &[element(Some(1 << 30)), element(None)].concat()), &structs(0, &[]))),
        ("elements", footer(&structs(1 << 30, &column), &structs(0, &[]))),
        ("row groups", footer(&structs(2, &column), &structs((1 << 31) - 1, &[]))),
    ] {
        fs::write(shop.path("liar.parquet"), bytes).unwrap();
        let said = refused(&shop, &["diff", "liar.parquet", "new.parquet", "--key", "id"]);
        assert!(said.contains("`liar.parquet` has a damaged Parquet footer"), "{name}: {said}");
    }
}

fn metadata(path: &Path) -> ParquetMetaData {
    ParquetMetaDataReader::new().parse_and_finish(&File::open(path).unwrap()).unwrap()
}

/// Copies a Parquet file with another footer.
fn with_footer(from: &Path, to: &Path, metadata: &ParquetMetaData) {
    let bytes = fs::read(from).unwrap();
    let length = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap());
    let mut out = bytes[..bytes.len() - 8 - length as usize].to_vec();
    ParquetMetaDataWriter::new(&mut out, metadata).finish().unwrap();
    fs::write(to, out).unwrap();
}

type ChangeChunk = fn(ColumnChunkMetaDataBuilder) -> ColumnChunkMetaDataBuilder;

/// The metadata with a change to column `text` of the second row group.
fn with_chunk(metadata: ParquetMetaData, change: ChangeChunk) -> ParquetMetaData {
    let mut builder = metadata.into_builder();
    let mut groups = builder.take_row_groups();
    let mut columns: Vec<ColumnChunkMetaData> = groups[1].columns().to_vec();
    columns[1] = change(columns[1].clone().into_builder()).build().unwrap();
    groups[1] = groups[1].clone().into_builder().set_column_metadata(columns).build().unwrap();
    builder.set_row_groups(groups).build()
}

#[test]
fn a_column_chunk_that_cannot_be_is_named() {
    let shop = shop();
    let changes: [(&str, ChangeChunk); 12] = [
        ("-1 bytes of pages", |chunk| chunk.set_total_compressed_size(-1)),
        ("decompressed size of -1 bytes", |chunk| chunk.set_total_uncompressed_size(-1)),
        ("decompressed size of 9223372036854775807 bytes", |chunk| chunk.set_total_uncompressed_size(i64::MAX)),
        ("of pages at byte -4", |chunk| chunk.set_data_page_offset(-4).set_dictionary_page_offset(None)),
        ("of data pages at byte -4", |chunk| chunk.set_data_page_offset(-4)),
        ("of pages at byte -9", |chunk| chunk.set_dictionary_page_offset(Some(-9))),
        ("of pages at byte 9223372036854775807", |chunk| chunk.set_dictionary_page_offset(Some(i64::MAX))),
        ("1099511627776 bytes of pages", |chunk| chunk.set_total_compressed_size(1 << 40)),
        ("column index at byte -1", |chunk| chunk.set_column_index_offset(Some(-1)).set_column_index_length(Some(1))),
        ("-1 bytes of offset index", |chunk| chunk.set_offset_index_offset(Some(4)).set_offset_index_length(Some(-1))),
        ("51 values for the 50 rows", |chunk| chunk.set_num_values(51)),
        ("-50 values for the 50 rows", |chunk| chunk.set_num_values(-50)),
    ];
    for (reason, change) in changes {
        let changed = with_chunk(metadata(&shop.path("old.parquet")), change);
        with_footer(&shop.path("old.parquet"), &shop.path("bad.parquet"), &changed);
        for args in [["diff", "bad.parquet", "new.parquet", "--key", "id"].as_slice(), &["inspect", "bad.parquet"]] {
            let said = refused(&shop, args);
            let place = "`bad.parquet` is damaged in row group 1, column `text`";
            assert!(said.contains(place) && said.contains(reason), "{reason}: {said}");
        }
        let said = refused(&shop, &["waves", "bad.parquet", "--out", "cut"]);
        assert!(said.contains("row group 1, column `text`") && said.contains(reason), "{reason}: {said}");
    }
}

/// Some old writers left the row count in the footer at 0, and readers stop there.
#[test]
fn rows_are_those_of_the_row_groups() {
    let shop = shop();
    let metadata = metadata(&shop.path("old.parquet"));
    let file = metadata.file_metadata();
    let file = FileMetaData::new(file.version(), 0, None, None, file.schema_descr_ptr(), None);
    let groups = metadata.row_groups().to_vec();
    let changed = ParquetMetaDataBuilder::new(file).set_row_groups(groups).build();
    with_footer(&shop.path("old.parquet"), &shop.path("none.parquet"), &changed);
    for way in ["ordered", "hashed"] {
        let (code, out, said) =
            run(&shop, &["diff", "none.parquet", "old.parquet", "--key", "id", "--strategy", way, "--quiet"]);
        assert!(code == 0 && out.starts_with("MATCH"), "{out}{said}");
    }
}

#[test]
fn a_row_group_that_cannot_be_is_named() {
    let shop = shop();
    type Change = fn(&RowGroupMetaData) -> RowGroupMetaData;
    let changes: [(&str, Change); 3] = [
        ("row group 1 specifies -1 rows", |group| group.clone().into_builder().set_num_rows(-1).build().unwrap()),
        ("row group 1 specifies 1125899906842624 rows", |group| {
            group.clone().into_builder().set_num_rows(1 << 50).build().unwrap()
        }),
        ("row group 1 has -7 bytes", |group| group.clone().into_builder().set_total_byte_size(-7).build().unwrap()),
    ];
    for (reason, change) in changes {
        let mut builder = metadata(&shop.path("old.parquet")).into_builder();
        let mut groups = builder.take_row_groups();
        groups[1] = change(&groups[1]);
        let changed = builder.set_row_groups(groups).build();
        with_footer(&shop.path("old.parquet"), &shop.path("bad.parquet"), &changed);
        let said = refused(&shop, &["diff", "bad.parquet", "new.parquet", "--key", "id"]);
        assert!(said.contains("`bad.parquet` has a damaged Parquet footer") && said.contains(reason), "{said}");
    }
}

/// A footer whose numbers are consistent with each other but not with the pages.
#[test]
fn rows_that_do_not_come_are_missed() {
    let shop = shop();
    for rows in [49, 51] {
        let mut builder = metadata(&shop.path("old.parquet")).into_builder();
        let mut groups = builder.take_row_groups();
        let change = |chunk: &ColumnChunkMetaData| chunk.clone().into_builder().set_num_values(rows).build().unwrap();
        let columns = groups[1].columns().iter().map(change).collect();
        groups[1] = groups[1].clone().into_builder().set_num_rows(rows).set_column_metadata(columns).build().unwrap();
        let changed = builder.set_row_groups(groups).build();
        with_footer(&shop.path("old.parquet"), &shop.path("bad.parquet"), &changed);
        let said = refused(&shop, &["diff", "bad.parquet", "new.parquet", "--key", "id"]);
        let place = "`bad.parquet` is damaged in row group 1, column `id`";
        assert!(said.contains(place) && said.contains(&format!("the footer specifies {rows}")), "{said}");
    }
}

/// Changes every byte of a footer in turn: the result is an error or a report, never a panic.
#[test]
fn a_damaged_footer_never_panics() {
    let shop = shop();
    let whole = fs::read(shop.path("old.parquet")).unwrap();
    let length = u32::from_le_bytes(whole[whole.len() - 8..whole.len() - 4].try_into().unwrap()) as usize;
    let begin = whole.len() - 8 - length;
    fs::create_dir(shop.path("damaged")).unwrap();
    let file = shop.path("damaged/file.parquet");
    let (mut admitted, mut refused) = (0, 0);
    for at in begin..whole.len() - 8 {
        for change in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            fs::write(&file, &bytes).unwrap();
            let opened = std::panic::catch_unwind(|| Snapshot::open(Side::Old, &file.display().to_string()));
            match opened.unwrap_or_else(|_| panic!("byte {at} ^ {change:#x}")) {
                Ok(_) => admitted += 1,
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().contains("file.parquet"), "byte {at} ^ {change:#x}: {error}");
                    continue;
                }
            }
            if at % 5 != 0 {
                continue;
            }
            // files that are admitted are also read
            let mut trial = trial(&shop, &["id"]);
            trial.job.sources.old.path.text = shop.path("damaged").display().to_string();
            trial.job.sources.new.path.text = shop.path("new.parquet").display().to_string();
            let verified = std::panic::catch_unwind(|| trial.compare());
            if let Err(error) = verified.unwrap_or_else(|_| panic!("byte {at} ^ {change:#x} read")) {
                assert!(!error.to_string().contains("internal error"), "byte {at} ^ {change:#x}: {error}");
            }
        }
    }
    assert!(admitted > 100 && refused > 100, "{admitted} {refused}");
}

// job files and SQL

fn job_with(shop: &Workshop, more: &str) {
    fs::write(shop.path("job.toml"), format!("{JOB}{more}")).unwrap();
}

#[test]
fn numbers_beyond_reason_are_refused_with_their_line() {
    let shop = shop();
    let in_flight = "[in_flight]\ncolumn = \"text\"\nlag = ";
    let sign_off = "[signoff]\ndelete_from = \"old\"\n";
    for (more, said_so) in [
        (
            format!("{in_flight}\"3000000000h\"\n"),
            "job.toml:9: in_flight.lag: `3000000000h` is more than a hundred years",
        ),
        (format!("{sign_off}expires = \"3000000000h\"\n"), "job.toml:9: signoff.expires: `3000000000h` is more than"),
        (format!("{sign_off}clean_runs = 5000000000\n"), "job.toml:9: `signoff.clean_runs` is 5000000000; it must be"),
        (format!("{sign_off}accept_tiers = []\n"), "job.toml:9: signoff.accept_tiers: the list is empty"),
        ("[compare.columns.id]\ntolerance = \"1e999999999\"\n".into(), "job.toml:7: compare.columns.id: `tolerance`"),
        ("[compare.columns.id]\ntolerance = \"1e-999999999\"\n".into(), "job.toml:7: compare.columns.id: `tolerance`"),
        ("[compare.columns.id]\nround = 300\n".into(), "job.toml:8: `compare.columns.id.round` is 300; it must be"),
        ("[gate]\nmissing = \"1e-999999999 %\"\n".into(), "job.toml:8: gate.missing: expected a number of rows"),
        ("[gate]\nmissing = 99999999999999999999\n".into(), "job.toml:8: gate.missing: expected a number of rows"),
    ] {
        job_with(&shop, &more);
        let said = refused(&shop, &["validate", "job.toml"]);
        assert!(said.contains(said_so), "{more}: {said}");
    }
}

#[test]
fn a_name_that_is_no_directory_is_refused_with_its_line() {
    let shop = shop();
    for name in ["", " ", " a", "a ", ".", ".a", "-a", "a/b", "a\\\\b", "a\\nb", "latest", "groups", "a\\u0000b"] {
        fs::write(shop.path("job.toml"), format!("[job]\nname = \"{name}\"\n{JOB}")).unwrap();
        let said = refused(&shop, &["run", "job.toml"]);
        assert!(
            said.contains("job.toml:2: job.name: ") && said.contains("cannot be the name of a directory"),
            "{name:?}: {said}"
        );
        assert_eq!(shop.names("runs"), [""; 0], "{name:?}");
    }
    fs::write(shop.path("job.toml"), format!("[job]\nname = \"naïve_1.2 b-c\"\n{JOB}")).unwrap();
    assert_eq!(run(&shop, &["run", "job.toml", "--quiet"]).0, 0);
}

#[test]
fn what_is_nested_without_end_is_refused() {
    let shop = shop();
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    for more in [
        format!("x = {}\n", deep("[", "]")),
        format!("x = {}\n", deep("{a = ", "1}")),
        format!("[{}]\n", vec!["a"; 100_000].join(".")),
        format!("{} = 1\n", vec!["a"; 100_000].join(".")),
    ] {
        job_with(&shop, &more);
        assert!(refused(&shop, &["check", "job.toml"]).contains("invalid TOML"));
    }
    assert_eq!(run(&shop, &["keygen", "--out", "lead"]).0, 0);
    fs::write(shop.path("certificate.json"), deep("[", "]")).unwrap();
    let said = refused(&shop, &["verify", "certificate.json", "--key", "lead.pub"]);
    assert!(said.contains("`certificate.json` is not a certificate"), "{said}");
    fs::write(shop.path("list.ndjson"), format!("{{\"id\":{}}}\n", deep("[", "]"))).unwrap();
    assert!(refused(&shop, &["waves", "list.ndjson", "--out", "cut"]).contains("`list.ndjson`, line 1"));
}

/// A cell that is nested more deeply than parsers allow cannot be read as JSON, and is a mismatch like all unreadable
/// cells.
#[test]
fn cells_that_are_nested_without_end_are_no_json() {
    let shop = Workshop::new();
    let deep = |middle: &str| format!("{}{middle}{}", "[".repeat(200_000), "]".repeat(200_000));
    let write = |file: &str, cells: [String; 2]| {
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let cells: ArrayRef = Arc::new(StringArray::from(cells.to_vec()));
        write_parquet(&shop.path(file), &RecordBatch::try_from_iter([("id", ids), ("cell", cells)]).unwrap(), 5);
    };
    write("old.parquet", [deep("1"), "[1]".into()]);
    write("new.parquet", [deep("1.0"), "[1.0]".into()]);
    fs::write(shop.path("job.toml"), format!("{JOB}[compare.columns.cell]\nas = \"json\"\n")).unwrap();
    let (code, out, said) = run(&shop, &["run", "job.toml", "--quiet", "--format", "json"]);
    assert_eq!(code, 1, "{said}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["counts"]["mismatch"], 1);
}

#[test]
fn sql_that_is_nested_without_end_is_refused_with_its_place() {
    let shop = shop();
    let row = |part: &str, by: &str, times: usize| vec![part; times].join(by);
    let tables: Vec<String> = (1..2_000).map(|at| format!("t{at} AS (SELECT * FROM t{})", at - 1)).collect();
    for query in [
        format!("SELECT id, text FROM snapshot WHERE {}", row("id = 1", " OR ", 20_000)),
        format!("SELECT id, text FROM snapshot WHERE {}", row("id = 1", " OR ", 1_000_000)),
        format!("SELECT id, {} AS text FROM snapshot", row("text", " || ", 20_000)),
        format!("SELECT id, {}text{} AS text FROM snapshot", "(".repeat(100_000), ")".repeat(100_000)),
        format!("SELECT id, {}text AS text FROM snapshot", "- ".repeat(100_000)),
        row("SELECT * FROM snapshot", " UNION ALL ", 2_000),
        format!("WITH t0 AS (SELECT * FROM snapshot), {} SELECT * FROM t1999", tables.join(", ")),
    ] {
        fs::write(shop.path("query.sql"), &query).unwrap();
        job_with(&shop, "");
        let said = refused(&shop, &["run", "job.toml", "--set", "old.query=query.sql"]);
        assert!(said.contains("old.query") && said.contains("cannot be planned"), "{query:.80}: {said:.800}");
    }
    let long = row("id", " + ", 20_000);
    for more in [
        format!("[compare.columns.text]\nold_expr = \"{long}\"\n"),
        format!("[segments]\nby = \"{long}\"\n"),
        format!("[[check]]\nname = \"c\"\nsql = \"SELECT {long} AS id FROM old\"\n"),
        format!(
            "[[waiver]]\nname = \"w\"\nlimit = 1\nowner = \"o\"\nreason = \"r\"\nexpires = 2100-01-01\nwhere = \"{}\"\n",
            row("age = 1", " OR ", 20_000)
        ),
    ] {
        job_with(&shop, &more);
        let said = refused(&shop, &["run", "job.toml"]);
        assert!(said.contains("job.toml:") && said.contains("in a row"), "{more:.80}: {said:.800}");
    }
    assert!(refused(&shop, &["query", "job.toml", &format!("SELECT {long} FROM old")]).contains("in a row"));
    // a query just below the limit is planned and evaluated
    let most = format!("SELECT id, text FROM snapshot WHERE {}", row("id >= 0", " AND ", 499));
    fs::write(shop.path("query.sql"), most).unwrap();
    job_with(&shop, "");
    assert_eq!(run(&shop, &["run", "job.toml", "--quiet", "--set", "old.query=query.sql"]).0, 0);
    job_with(&shop, &format!("[compare.columns.sum]\nold_expr = \"{0}\"\nnew_expr = \"{0}\"\n", row("id", " + ", 999)));
    assert_eq!(run(&shop, &["run", "job.toml", "--quiet"]).0, 0);
}

/// A job file with a hundred thousand settings is checked in seconds, even in a build without optimization.
#[test]
fn long_job_files_are_read_in_time() {
    let shop = shop();
    let many = |each: &dyn Fn(usize) -> String| (0..100_000).map(each).collect::<String>();
    let compare = |more: &str| format!("{JOB}{more}");
    for (name, text, code) in [
        ("rules", compare(&many(&|_| "[[compare.rules]]\ncolumns = \"text\"\ntrim = true\n".into())), 0),
        ("patterns", compare(&many(&|_| "[[compare.rules]]\ncolumns = \"*e*t\"\ntrim = true\n".into())), 0),
        ("ignored", compare(&format!("ignore = [{}]\n", many(&|at| format!("\"c{at}\",")))), 2),
        ("ignored paths", compare(&format!("ignore = [{}]\n", many(&|at| format!("\"text.c{at}\",")))), 2),
        ("columns", compare(&many(&|at| format!("[compare.columns.c{at}]\ntrim = true\n"))), 2),
        ("unknown keys", compare(&many(&|at| format!("c{at} = 1\n"))), 2),
        ("gates", compare(&format!("[gate.columns]\n{}", many(&|at| format!("c{at} = 1\n")))), 2),
        ("private", compare(&format!("[private]\ncolumns = [{}]\n", many(&|at| format!("\"c{at}\",")))), 2),
    ] {
        fs::write(shop.path("job.toml"), text).unwrap();
        let began = Instant::now();
        let output = Command::new("timeout")
            .args(["-s", "KILL", "120"])
            .arg(assert_cmd::cargo::cargo_bin("countersign"))
            .args(["validate", "job.toml"])
            .current_dir(shop.path(""))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{name} after {:?}: {said:.500}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(60), "{name}: {:?}", began.elapsed());
    }
}

// files that are not regular files

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn pipes_and_devices_are_refused_and_nothing_waits_for_them() {
    let shop = shop();
    pipe(&shop.path("pipe"));
    assert_eq!(run(&shop, &["keygen", "--out", "lead"]).0, 0);
    fs::write(shop.path("list.csv"), "id\n1\n").unwrap();
    for (name, kind) in [("pipe", "it is a pipe"), ("/dev/zero", "it is a device"), (".", "it is a directory")] {
        let with = |more: &str| fs::write(shop.path("job.toml"), format!("{more}{JOB}")).unwrap();
        let says = |args: &[&str]| {
            let said = refused(&shop, args);
            assert!(said.contains(kind) && said.contains(name), "{args:?}: {said}");
        };
        with("");
        // a directory is one of jobs
        if name != "." {
            says(&["run", name]);
            says(&["validate", name]);
        }
        says(&["run", "job.toml", "--set", &format!("old.query={name}")]);
        says(&["verify", name, "--key", "lead.pub"]);
        says(&["verify", "list.csv", "--key", name]);
        says(&["signoff", "job.toml", "--candidates", "list.csv", "--out", "signed", "--key", name]);
        with(&format!("waivers = \"{name}\"\n"));
        says(&["validate", "job.toml"]);
        job_with(&shop, &format!("[private]\ncolumns = \"text\"\nkey_file = \"{name}\"\n"));
        says(&["validate", "job.toml"]);
        job_with(&shop, &format!("[[check]]\nname = \"c\"\nsql = \"{name}\"\n"));
        says(&["validate", "job.toml"]);
        let waiver = "[[waiver]]\nname = \"w\"\nlimit = 1\nowner = \"o\"\nreason = \"r\"\nexpires = 2100-01-01\n";
        job_with(&shop, &format!("{waiver}ids = \"{name}\"\n"));
        says(&["run", "job.toml"]);
        assert!(!refused(&shop, &["waves", name, "--out", "cut"]).is_empty());
        if name != "." {
            says(&["waves", "list.csv", "--out", "cut", "--previous", name]);
        }
        assert!(!shop.path("signed").exists() && !shop.path("cut").exists());
    }
}

#[test]
fn a_pipe_among_earlier_runs_is_passed_over_by_name() {
    let shop = shop();
    assert_eq!(run(&shop, &["run", "job.toml", "--quiet"]).0, 0);
    let first = shop.runs("runs/job").remove(0);
    for file in ["report.json", "history.parquet"] {
        let path = shop.path(&format!("runs/job/{first}/{file}"));
        let kept = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        pipe(&path);
        // the history is used only if the files differ
        let rows = ROWS + file.len() as i64;
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| row.to_string())));
        let batch = RecordBatch::try_from_iter([("id", ids), ("text", texts)]).unwrap();
        write_parquet(&shop.path("old.parquet"), &batch, 50);
        let (code, out, said) = run(&shop, &["run", "job.toml", "--quiet", "--format", "json"]);
        assert_eq!(code, 1, "{said}");
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        let skipped = report["history"]["skipped"][0].to_string();
        assert!(skipped.contains(&first) && skipped.contains("it is a pipe"), "{file}: {report}");
        assert_eq!(run(&shop, &["history", "."]).0, 0);
        fs::remove_file(&path).unwrap();
        fs::write(&path, kept).unwrap();
        for run in shop.runs("runs/job").into_iter().filter(|run| *run != first) {
            fs::remove_dir_all(shop.path(&format!("runs/job/{run}"))).unwrap();
        }
    }
}
