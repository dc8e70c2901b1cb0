//! Every command on the pages of the migrations works as written, in order, in a copy of the folder.
//!
//! A command follows `$ ` in a block of ```` ```console ````, with its output below it. It exits with code 0 unless it
//! is marked `# exit N`. `UPDATE=1` writes the actual output to the pages; read the diff before you commit it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Workshop;

const COUNTERSIGN: &str = env!("CARGO_BIN_EXE_countersign");

fn migrations() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/migrations");
    let mut folders: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    folders
}

/// The contents of a page: prose, and commands with their output.
enum Part {
    Line(String),
    Command { line: String, output: String },
}

fn parts(page: &str) -> Vec<Part> {
    let (mut parts, mut in_console) = (vec![], false);
    for line in page.lines() {
        match (in_console, line.strip_prefix("$ "), parts.last_mut()) {
            (true, Some(command), _) => parts.push(Part::Command { line: command.into(), output: String::new() }),
            (true, None, Some(Part::Command { output, .. })) if line != "```" => *output += &format!("{line}\n"),
            _ => parts.push(Part::Line(line.into())),
        }
        in_console = if in_console { line != "```" } else { line == "```console" };
    }
    parts
}

/// The output of a command without what changes from run to run.
fn run(dir: &Path, command: &str) -> String {
    let bin = Path::new(COUNTERSIGN).parent().unwrap().display().to_string();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    let output = Command::new("bash").args(["-c", command]).current_dir(dir).env("PATH", path).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let wanted = command.split_once("# exit ").map_or(0, |(_, code)| code.trim().parse().unwrap());
    assert_eq!(output.status.code(), Some(wanted), "{}: {command}\n{said}", dir.display());
    let settled: Vec<String> = said.lines().map(settled).collect();
    settled.iter().map(|line| format!("{line}\n")).collect()
}

/// A line without run IDs, current times, and the cost of the work.
fn settled(line: &str) -> String {
    let is_id = |text: &str| {
        let bytes = text.as_bytes();
        let shape = |at: usize, byte: u8| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            16 => byte == b'-',
            17.. => byte.is_ascii_hexdigit(),
            _ => byte.is_ascii_digit(),
        };
        bytes.len() == 25 && bytes.iter().enumerate().all(|(at, &byte)| shape(at, byte))
    };
    let (mut out, mut rest) = (String::new(), line);
    while !rest.is_empty() {
        match rest.get(..25).filter(|start| is_id(start)) {
            Some(_) => {
                out += "RUN";
                rest = &rest[25..];
            }
            None => {
                let next = rest.chars().next().unwrap();
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    if out.starts_with("  cost ") { "  cost   …".into() } else { without_times(out.trim_end()) }
}

/// Replaces times such as `0.5 s` of an overview: at the end of a line, and before a comma.
fn without_times(line: &str) -> String {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if let Some((before, number)) = line.strip_suffix(" s").and_then(|line| line.rsplit_once(' '))
        && is_number(number)
    {
        return format!("{}  … s", before.trim_end());
    }
    match line.split_once(" in ").and_then(|(start, rest)| Some((start, rest.split_once(" s, ")?))) {
        Some((start, (number, rest))) if is_number(number) => format!("{start} in … s, {rest}"),
        _ => line.into(),
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).into_iter().map(|entry| entry.unwrap()) {
        let place = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(place).unwrap();
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

fn the_page_runs_as_it_is_written(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/migrations").join(name);
    let file = folder.join("README.md");
    let page = fs::read_to_string(&file).unwrap();
    let shop = Workshop::new();
    let dir = shop.path("page");
    copy(&folder, &dir);
    let (mut out, mut commands) = (String::new(), 0);
    for part in parts(&page) {
        match part {
            Part::Line(line) => out += &format!("{line}\n"),
            Part::Command { line, output: _ } => {
                out += &format!("$ {line}\n{}", run(&dir, &line));
                commands += 1;
            }
        }
    }
    assert!(commands > 3, "{name}");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, out).unwrap();
    } else if out != page {
        let first = out.lines().zip(page.lines()).find(|(now, then)| now != then);
        panic!("{name}: the page says otherwise than the commands; first difference (now, page): {first:#?}\n{out}");
    }
}

#[test]
fn balance_service() {
    the_page_runs_as_it_is_written("balance-service");
}

#[test]
fn embedded_list() {
    the_page_runs_as_it_is_written("embedded-list");
}

#[test]
fn invoicing_rebuild() {
    the_page_runs_as_it_is_written("invoicing-rebuild");
}

#[test]
fn payment_instruments() {
    the_page_runs_as_it_is_written("payment-instruments");
}

#[test]
fn subscription_platform() {
    the_page_runs_as_it_is_written("subscription-platform");
}

#[test]
fn every_migration_has_its_test_and_its_snapshots_are_those_that_are_generated() {
    let tests = include_str!("pages.rs");
    for folder in migrations() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        assert!(tests.contains(&format!("the_page_runs_as_it_is_written({name:?})")), "{name}");
        let shop = Workshop::new();
        let output = shop.run(&["demo", "again", "--migration", &folder.display().to_string()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let files = String::from_utf8(output.stdout).unwrap();
        let files: Vec<&str> = files.lines().map(|line| line.split("  ").next().unwrap()).collect();
        assert!(!files.is_empty());
        for file in files {
            let same = fs::read(folder.join(file)).unwrap() == fs::read(shop.path("again").join(file)).unwrap();
            assert!(
                same,
                "{name}/{file} is not what generate.sql writes; run: countersign demo {name} --migration {name}"
            );
        }
    }
}
