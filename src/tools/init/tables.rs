//! Finds the tables in the exports of two databases, and pairs them by name.
//!
//! In an export, a table is a file, several files whose names differ in the number of a part, or a directory. A directory
//! of directories, or of files with several names, is a schema. Beside the files of `mysqldump --tab`, the definition of
//! each table names the columns.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::job::{FormatSettings, Origin, Preset, Setting, Source};
use crate::sides::{Side, Sides};

/// A table in an export.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FoundTable {
    /// Its name with its schema, as the export has it.
    pub name: String,
    pub source: Source,
}

/// The tables of two exports.
#[derive(Debug, Default)]
pub(crate) struct PairedTables {
    pub pairs: Vec<Sides<FoundTable>>,
    /// Tables of one side whose names are the singular and the plural of one word.
    pub similar: Vec<Sides<FoundTable>>,
    /// Tables without a partner.
    pub alone: Sides<Vec<FoundTable>>,
    /// Files that are no table, by their names.
    pub ignored: Sides<Vec<PathBuf>>,
}

/// The tables of one export, and files that are no table by their names.
#[derive(Debug, Default)]
pub(crate) struct FoundTables {
    pub tables: Vec<FoundTable>,
    ignored: Vec<PathBuf>,
}

/// What follows the name of a table in the names of its files, without the dot before it.
const DATA_SUFFIXES: [&str; 17] = [
    "pq", "parquet", "csv", "tsv", "tab", "json", "jsonl", "ndjson", "avro", "arrow", "arrows", "feather", "ipc",
    "orc", "txt", "dat", "parq",
];
const COMPRESSED_SUFFIXES: [&str; 8] = ["gz", "zst", "bz2", "xz", "snappy", "gzip", "zstd", "lz4"];

/// The tables below a directory; `None` if the path is one table.
pub(crate) fn tables_in(path: &str, preset: Option<Preset>) -> Result<Option<FoundTables>> {
    let root = Path::new(path);
    if !root.is_dir() {
        return Ok(None);
    }
    let entries = Entries::of(root)?;
    if entries.are_parts() || entries.dirs.is_empty() && entries.files_are_one_table() {
        return Ok(None);
    }
    let mut found = FoundTables::default();
    add_files(root, "", &entries, preset, &mut found)?;
    for dir in &entries.dirs {
        add_dir(dir, "", preset, &mut found)?;
    }
    found.tables.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Some(found))
}

/// Pairs tables: by equal names, then by names that differ in capitals, then without their schemas. A name that a side
/// has twice pairs nothing.
pub(crate) fn pair(found: Sides<FoundTables>) -> PairedTables {
    let ignored = found.as_ref().map(|found| found.ignored.clone());
    let mut paired = PairedTables { alone: found.map(|found| found.tables), ignored, ..PairedTables::default() };
    let exact = |name: &str| name.to_string();
    let lower = |name: &str| name.to_lowercase();
    let short = |name: &str| name.rsplit('.').next().unwrap_or(name).to_lowercase();
    let singular = |name: &str| singular(&short(name));
    for form in [&exact as &dyn Fn(&str) -> String, &lower, &short] {
        let found = take_pairs(&mut paired.alone, form);
        paired.pairs.extend(found);
    }
    paired.similar = take_pairs(&mut paired.alone, &singular);
    paired.pairs.sort_by(|one, other| one.new.name.cmp(&other.new.name));
    paired
}

/// Removes the tables that have the same form of a name as one of the other side.
fn take_pairs(alone: &mut Sides<Vec<FoundTable>>, form: &dyn Fn(&str) -> String) -> Vec<Sides<FoundTable>> {
    let forms = Sides::from_fn(|side| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        alone[side].iter().for_each(|table| *counts.entry(form(&table.name)).or_default() += 1);
        counts.into_iter().filter(|(_, count)| *count == 1).map(|(form, _)| form).collect::<BTreeSet<String>>()
    });
    let take = |tables: &mut Vec<FoundTable>, wanted: &str| {
        let at = tables.iter().position(|table| form(&table.name) == *wanted)?;
        Some(tables.remove(at))
    };
    let both = forms.old.intersection(&forms.new);
    both.filter_map(|name| Some(Sides { old: take(&mut alone.old, name)?, new: take(&mut alone.new, name)? })).collect()
}

/// The singular of an English plural, as far as its ending shows it.
fn singular(name: &str) -> String {
    match name {
        name if name.ends_with("ies") => format!("{}y", &name[..name.len() - 3]),
        name if ["ses", "xes", "ches", "shes"].iter().any(|end| name.ends_with(end)) => name[..name.len() - 2].into(),
        name if name.ends_with('s') && !name.ends_with("ss") && !name.ends_with("us") => name[..name.len() - 1].into(),
        name => name.into(),
    }
}

/// What a directory contains, without hidden entries and files that are no data.
struct Entries {
    files: Vec<PathBuf>,
    dirs: Vec<PathBuf>,
    /// Other files.
    ignored: Vec<PathBuf>,
}

impl Entries {
    fn of(dir: &Path) -> Result<Self> {
        let (mut files, mut dirs, mut ignored) = (vec![], vec![], vec![]);
        for entry in std::fs::read_dir(dir).map_err(Error::unreadable(dir))? {
            let path = entry.map_err(Error::unreadable(dir))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // how exporters mark what is no data, such as `_SUCCESS`
            if name.starts_with(['.', '_']) {
                ignored.extend(Some(path).filter(|path| path.is_dir() || is_data(&name)));
                continue;
            }
            match path.is_dir() {
                true => dirs.push(path),
                false if is_data(&name) => files.push(path),
                false => ignored.push(path),
            }
        }
        files.sort();
        dirs.sort();
        ignored.sort();
        Ok(Entries { files, dirs, ignored })
    }

    /// Whether its directories divide the rows of one table: as partitions, or by number.
    fn are_parts(&self) -> bool {
        let is_part = |dir: &PathBuf| {
            let name = name_of(dir);
            name.contains('=') || name.bytes().all(|byte| byte.is_ascii_digit())
        };
        !self.dirs.is_empty() && self.dirs.iter().all(is_part)
    }

    /// Whether its files are parts of one table, by their names.
    fn files_are_one_table(&self) -> bool {
        let tables = self.files_by_table();
        tables.len() < 2 || tables.keys().all(|(name, _)| looks_generated(name))
    }

    /// Files by the names of their tables and their suffixes.
    fn files_by_table(&self) -> BTreeMap<(String, String), Vec<&PathBuf>> {
        let mut tables: BTreeMap<(String, String), Vec<&PathBuf>> = BTreeMap::new();
        for file in &self.files {
            let name = name_of(file);
            tables.entry((table_of(&name), split(&name).1.into())).or_default().push(file);
        }
        // beside a file without a number, the others are tables of their own
        let mut apart: BTreeMap<(String, String), Vec<&PathBuf>> = BTreeMap::new();
        for ((table, suffix), files) in tables {
            match files.iter().any(|file| split(&name_of(file)).0 == table) {
                true => apart.extend(
                    files.into_iter().map(|file| ((split(&name_of(file)).0.to_string(), suffix.clone()), vec![file])),
                ),
                false => drop(apart.insert((table, suffix), files)),
            }
        }
        apart
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The parts of a file name: the name without suffixes, and the suffixes.
fn split(name: &str) -> (&str, &str) {
    let mut stem = name;
    while let Some((before, suffix)) = stem.rsplit_once('.') {
        let suffix = suffix.to_ascii_lowercase();
        if !DATA_SUFFIXES.contains(&suffix.as_str()) && !COMPRESSED_SUFFIXES.contains(&suffix.as_str()) {
            break;
        }
        stem = before;
    }
    (stem, &name[stem.len()..])
}

fn is_data(name: &str) -> bool {
    !split(name).1.is_empty()
}

/// The name of the table of a file: `orders-000.csv.gz`, `orders.00001.csv.gz`, and `orders_0_3_0.parquet` are parts of
/// `orders`, but `orders_2025.csv` is a table.
fn table_of(name: &str) -> String {
    let (stem, _) = split(name);
    let without = |separators: &[char], stem: &str| -> Option<usize> {
        let (before, part) = stem.rsplit_once(separators)?;
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        (is_number && !before.is_empty()).then_some(before.len())
    };
    if let Some(end) = without(&['-', '.'], stem) {
        return stem[..end].into();
    }
    let third = without(&['_'], stem)
        .and_then(|second| without(&['_'], &stem[..second]))
        .and_then(|first| without(&['_'], &stem[..first]));
    stem[..third.unwrap_or(stem.len())].into()
}

/// Whether a program made up a name: `part-00000-2f1c…`, an ID, or a number.
fn looks_generated(stem: &str) -> bool {
    let mut tokens = stem.split(['-', '_', '.']);
    let is_id = |token: &str| {
        token.len() >= 8
            && token.bytes().all(|byte| byte.is_ascii_hexdigit())
            && token.bytes().any(|byte| byte.is_ascii_digit())
    };
    stem.bytes().all(|byte| byte.is_ascii_digit())
        || ["part", "data", "chunk", "export"].iter().any(|word| stem == *word || stem.starts_with(&format!("{word}-")))
        || tokens.any(is_id)
}

/// Adds the tables that are files of a directory.
fn add_files(
    dir: &Path,
    schema: &str,
    entries: &Entries,
    preset: Option<Preset>,
    found: &mut FoundTables,
) -> Result<()> {
    found.ignored.extend(entries.ignored.iter().filter(|file| !is_definition(file, entries)).cloned());
    for ((name, suffix), files) in entries.files_by_table() {
        let mut further = vec![];
        let path = match files.as_slice() {
            [file] => file.display().to_string(),
            [first, others @ ..] => match pattern(dir, &name, &suffix, &files) {
                Some(pattern) => pattern,
                None => {
                    further.extend(others.iter().map(|file| file.display().to_string()));
                    first.display().to_string()
                }
            },
            [] => continue,
        };
        let origin = Origin::Flag("PATH");
        let mut format = FormatSettings { preset, ..FormatSettings::none(origin.clone()) };
        let definition = dir.join(format!("{name}.sql"));
        let is_dump = path.ends_with(".txt") && definition.is_file();
        if is_dump && preset.is_none_or(|preset| preset == Preset::MysqlTab) {
            format.columns = columns_of(&definition)?;
            format.preset = Some(Preset::MysqlTab);
        }
        let further_paths = further.into_iter().map(|text| Setting { text, origin: origin.clone() }).collect();
        let source = Source { format, further_paths, ..Source::of(Setting { text: path, origin: origin.clone() }) };
        found.tables.push(FoundTable { name: format!("{schema}{name}"), source });
    }
    Ok(())
}

/// A pattern that matches these files and no others, also on other nights; `None` if there is none.
fn pattern(dir: &Path, name: &str, suffix: &str, files: &[&PathBuf]) -> Option<String> {
    let literal = |text: &str| glob::Pattern::escape(text);
    let dir = literal(&dir.display().to_string());
    let patterns = ["[-.][0-9]*", "_[0-9]*_[0-9]*_[0-9]*"];
    let mut patterns = patterns.iter().map(|part| format!("{dir}/{}{part}{}", literal(name), literal(suffix)));
    patterns.find(|pattern| {
        let matched = glob::glob(pattern).map(|found| found.flatten().collect::<Vec<_>>()).unwrap_or_default();
        matched.len() == files.len() && matched.iter().zip(files).all(|(one, other)| one == *other)
    })
}

/// Whether a file defines the table of another one.
fn is_definition(file: &Path, entries: &Entries) -> bool {
    file.extension().is_some_and(|extension| extension == "sql")
        && entries.files.iter().any(|data| data.with_extension("sql") == *file)
}

/// Adds the table that a directory is, or the tables in it.
fn add_dir(dir: &Path, schema: &str, preset: Option<Preset>, found: &mut FoundTables) -> Result<()> {
    let entries = Entries::of(dir)?;
    let name = format!("{schema}{}", name_of(dir));
    let has_dirs = !entries.dirs.is_empty() && !entries.are_parts();
    if has_dirs || !entries.files_are_one_table() {
        let schema = format!("{name}.");
        add_files(dir, &schema, &entries, preset, found)?;
        return entries.dirs.iter().try_for_each(|below| add_dir(below, &schema, preset, found));
    }
    let origin = Origin::Flag("PATH");
    let format = FormatSettings { preset, ..FormatSettings::none(origin.clone()) };
    let suffixes: BTreeSet<String> = entries.files.iter().map(|file| split(&name_of(file)).1.to_string()).collect();
    // a directory without data is a table whose export is empty
    let text = match (entries.ignored.is_empty(), suffixes.first(), suffixes.len()) {
        (false, Some(suffix), 1) if entries.dirs.is_empty() => {
            dir.join(format!("*{}", glob::Pattern::escape(suffix))).display().to_string()
        }
        _ => dir.display().to_string(),
    };
    found.ignored.extend(entries.ignored);
    let source = Source { format, ..Source::of(Setting { text, origin }) };
    found.tables.push(FoundTable { name, source });
    Ok(())
}

/// The columns of the table that a file of `mysqldump --tab` defines, a line each: "  `id` bigint NOT NULL,".
fn columns_of(definition: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(definition).map_err(Error::unreadable(definition))?;
    let lines = text.lines().skip_while(|line| !line.starts_with("CREATE TABLE")).skip(1);
    let columns = lines.take_while(|line| !line.starts_with(')')).filter_map(|line| {
        let rest = line.trim_start().strip_prefix('`')?;
        // a backtick in a name is doubled
        let end = rest.replace("``", "\0\0").find('`')?;
        Some(rest[..end].replace("``", "`"))
    });
    Ok(columns.collect())
}

/// The path that leads from a directory to a file or a pattern. Absolute paths stay as they are.
pub(crate) fn path_from(dir: &Path, path: &str) -> Result<String> {
    if Path::new(path).is_absolute() {
        return Ok(path.into());
    }
    let absolute = |path: &Path| std::path::absolute(Path::new(".").join(path)).map_err(Error::unreadable(path));
    let (dir, target) = (absolute(dir)?, absolute(Path::new(path))?);
    let shared = dir.components().zip(target.components()).take_while(|(one, other)| one == other).count();
    let up = dir.components().skip(shared).map(|_| OsStr::new(".."));
    let down: Vec<_> = target.components().skip(shared).collect();
    let relative: PathBuf = up.chain(down.iter().map(|part| part.as_os_str())).collect();
    Ok(relative.display().to_string())
}

impl PairedTables {
    /// What has no partner, for `unpaired.md`; `None` if everything has one.
    pub(crate) fn unpaired(&self, jobs: &Path) -> Option<String> {
        let is_nothing = |side: &Side| self.alone[*side].is_empty() && self.ignored[*side].is_empty();
        if self.similar.is_empty() && Side::BOTH.iter().all(is_nothing) {
            return None;
        }
        let mut out = String::from("# Tables without a partner\n");
        if !self.similar.is_empty() {
            out.push_str("\nThese may be the same tables. If they are, propose a job for each:\n\n```sh\n");
            for pair in &self.similar {
                let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
                let [old, new] = [&pair.old, &pair.new].map(|table| quoted(&table.source.path.text));
                let job = quoted(&jobs.join(format!("{}.toml", pair.new.name)).display().to_string());
                out.push_str(&format!("countersign init {old} {new} --out {job}\n"));
            }
            out.push_str("```\n");
        }
        for side in Side::BOTH {
            if self.alone[side].is_empty() {
                continue;
            }
            out.push_str(&format!("\nOnly in {side}:\n\n"));
            for table in &self.alone[side] {
                out.push_str(&format!("- `{}`: `{}`\n", table.name, table.source.path.text));
            }
        }
        for side in Side::BOTH.into_iter().filter(|side| !self.ignored[*side].is_empty()) {
            out.push_str(&format!("\nFiles in {side} that are no table by their names:\n\n"));
            for file in &self.ignored[side] {
                out.push_str(&format!("- `{}`\n", file.display()));
            }
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_belong_to_one_table() {
        for (file, table) in [
            ("orders.csv", "orders"),
            ("orders-000.csv.gz", "orders"),
            ("shop.orders.00000.dat", "shop.orders"),
            ("orders_0_12_3.snappy.parquet", "orders"),
            ("orders_2025.csv", "orders_2025"),
            ("orders_1_2.csv", "orders_1_2"),
            ("v2.parquet", "v2"),
            ("orders-1-2.csv", "orders-1"),
            ("2024.csv", "2024"),
            ("part-0.parquet", "part"),
        ] {
            assert_eq!(table_of(file), table, "{file}");
        }
        for name in ["part-00000-2f1cab12-c000", "0001", "20231122_072335_00012_abcde", "data"] {
            assert!(looks_generated(name), "{name}");
        }
        assert!(!["orders", "partners", "deadbeef", "t2024", "data_sources"].iter().any(|name| looks_generated(name)));
        assert!(!is_data("orders.sql") && !is_data("README.md") && is_data("a.JSON"));
    }

    #[test]
    fn tables_pair_by_the_closest_form_of_their_names() {
        let table = |name: &&str| FoundTable {
            name: name.to_string(),
            source: Source::of(Setting { text: name.to_string(), origin: Origin::Flag("PATH") }),
        };
        let tables = |names: &[&str]| names.iter().map(table).collect::<Vec<_>>();
        let old = tables(&["a.orders", "b.orders", "Users", "entry", "status", "old_only"]);
        let new = tables(&["a.orders", "public.users", "entries", "statuses", "public.orders"]);
        let found = |tables| FoundTables { tables, ignored: vec![] };
        let PairedTables { pairs, similar, alone, .. } = pair(Sides { old: found(old), new: found(new) });
        let names = |pairs: &[Sides<FoundTable>]| -> Vec<[String; 2]> {
            pairs.iter().map(|pair| [pair.old.name.clone(), pair.new.name.clone()]).collect()
        };
        let expected = [["a.orders", "a.orders"], ["b.orders", "public.orders"], ["Users", "public.users"]];
        assert_eq!(names(&pairs), expected.map(|pair| pair.map(String::from)));
        let expected = [["entry", "entries"], ["status", "statuses"]];
        assert_eq!(names(&similar), expected.map(|pair| pair.map(String::from)));
        assert_eq!(alone.map(|tables| tables.len()), Sides { old: 1, new: 0 });
    }

    #[test]
    fn paths_lead_out_of_the_directory_of_the_jobs() {
        assert_eq!(path_from(Path::new("jobs"), "old/a.csv").unwrap(), "../old/a.csv");
        assert_eq!(path_from(Path::new("x/jobs"), "./old/a*.csv").unwrap(), "../../old/a*.csv");
        assert_eq!(path_from(Path::new("jobs"), "jobs/a.csv").unwrap(), "a.csv");
        assert_eq!(path_from(Path::new("jobs"), "/data/a.csv").unwrap(), "/data/a.csv");
    }
}
