//! The house rules that a machine can check: files and functions stay short, modules are listed in dependency order
//! without circles, and every word has one meaning.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A longer file holds two nouns.
const LINES_MAX: usize = 500;

/// A longer function does two things.
const FUNCTION_LINES_MAX: usize = 70;

/// Words and phrases of a private dialect, with what to write instead. See `docs/glossary.md`.
const BANNED: [(&str, &str); 16] = [
    ("told", "reported, given"),
    ("words", "text, message, description"),
    ("at hand", "current"),
    ("stands in", "is in"),
    ("stands on", "is on"),
    ("stands at", "is at"),
    ("stands beside", "is beside"),
    ("held against", "compared with"),
    ("takes down", "records"),
    ("taken down", "recorded"),
    ("is none", "is not a"),
    ("are none", "are not"),
    ("so many", "the name of the number"),
    ("what became of", "the result of"),
    ("what came of", "the result of"),
    ("desk", "catalog"),
];

/// Where words are parts of a name or of memory, and not a text.
const WORDS: [&str; 8] = [
    "src/compare/matching/unresolved.rs",
    "src/equality/canonical/row_hash.rs",
    "src/tools/init/candidates.rs",
    "src/tools/init/codes.rs",
    "src/tools/init/load_time.rs",
    "src/tools/init/readings.rs",
    "crates/certificate/src/statement.rs",
    "src/explain/misplaced/report.rs",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below some directories that have this extension, with their text.
fn files(dirs: &[&str], extension: &str) -> Vec<(PathBuf, String)> {
    let all = dirs.iter().flat_map(|dir| walkdir::WalkDir::new(root().join(dir)));
    let paths = all.map(|entry| entry.unwrap().into_path());
    paths
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| (path.strip_prefix(root()).unwrap().to_path_buf(), fs::read_to_string(&path).unwrap()))
        .collect()
}

fn sources() -> Vec<(PathBuf, String)> {
    let sources = files(&["src", "crates"], "rs");
    assert!(sources.len() > 100);
    sources
}

#[test]
fn no_file_is_too_long() {
    let all = sources().into_iter();
    let long: Vec<_> = all.filter(|(_, text)| text.lines().count() > LINES_MAX).collect();
    assert!(long.is_empty(), "{:?}", long.iter().map(|(path, _)| path).collect::<Vec<_>>());
}

#[test]
fn no_function_is_too_long() {
    let mut long = vec![];
    for (path, text) in sources() {
        let lines: Vec<&str> = text.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            let indent = &line[..line.len() - code.len()];
            let is_function = code.split("fn ").next().is_some_and(|before| {
                code.contains("fn ")
                    && before
                        .split_whitespace()
                        .all(|word| word.starts_with("pub") || word == "async" || word == "const")
            });
            // formatted code ends a function with a brace at its own indentation
            let end = lines[start..].iter().position(|line| *line == format!("{indent}}}"));
            let has_body = lines[start..].iter().take(30).find(|line| line.ends_with('{') || line.ends_with(';'));
            if let (true, Some(length), true) = (is_function, end, has_body.is_some_and(|line| line.ends_with('{')))
                && length >= FUNCTION_LINES_MAX
            {
                long.push(format!("{}:{} has {} lines", path.display(), start + 1, length + 1));
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

/// The paths that a file names, from the root of its crate: `crate::job::file` as `["job", "file"]`. `module` is the path
/// of the file's own module.
fn paths_named(module: &[String], text: &str) -> Vec<Vec<String>> {
    let mut found = vec![];
    for start in ["crate::", "super::"] {
        for (index, _) in text.match_indices(start) {
            let is_part = text[..index].ends_with(|before: char| before.is_alphanumeric() || "_:".contains(before));
            if is_part {
                continue;
            }
            let end =
                |rest: &str| rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(rest.len());
            let path = &text[index..index + end(&text[index..])];
            let steps: Vec<&str> = path.split("::").filter(|step| !step.is_empty()).collect();
            let ups = steps.iter().take_while(|step| **step == "super").count();
            let base = if start == "crate::" { &[] } else { &module[..module.len().saturating_sub(ups)] };
            let below = steps.iter().skip(ups.max(1)).map(|step| step.to_string());
            let absolute: Vec<String> = base.iter().cloned().chain(below).collect();
            let rest = &text[index + path.len()..];
            match rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
                // of a list of names, each first step
                Some((names, _)) if path.ends_with("::") => found.extend(names.split(',').map(|name| {
                    let name = name.trim().split([':', ' ', '{']).next().unwrap_or_default().to_string();
                    absolute.iter().cloned().chain([name]).collect()
                })),
                _ => found.push(absolute),
            }
        }
    }
    found
}

#[test]
fn a_module_uses_only_modules_listed_before_it() {
    let sources: Vec<_> = files(&["src"], "rs");
    let module_of = |path: &Path| -> Vec<String> {
        let steps = path.with_extension("");
        let steps = steps.components().skip(1).map(|step| step.as_os_str().to_string_lossy().into_owned());
        steps.filter(|step| !["mod", "lib", "main"].contains(&step.as_str())).collect()
    };
    let mut lists: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for (path, text) in &sources {
        let listed = text.lines().filter_map(|line| {
            let line =
                line.trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ").trim_start_matches("pub ");
            line.strip_prefix("mod ")?.strip_suffix(';').map(String::from)
        });
        lists.entry(module_of(path)).or_default().extend(listed);
    }
    assert!(lists[&vec![]].len() > 10);
    let mut wrong = BTreeSet::new();
    for (path, text) in &sources {
        let module = module_of(path);
        for used in paths_named(&module, text) {
            // the room that both are in decides their order
            let shared = module.iter().zip(&used).take_while(|(own, used)| own == used).count();
            let (Some(own), Some(used), Some(list)) =
                (module.get(shared), used.get(shared), lists.get(&module[..shared]))
            else {
                continue;
            };
            let index = |name: &String| list.iter().position(|listed| listed == name);
            if let (Some(own_index), Some(used_index)) = (index(own), index(used))
                && used_index > own_index
            {
                wrong.insert(format!("{}: {own} uses {used}, which is listed after it", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_word_has_one_meaning() {
    let docs = files(&["docs", "fixtures", "benches"], "md").into_iter().chain(
        ["README.md", "CONTRIBUTING.md"].map(|name| (name.into(), fs::read_to_string(root().join(name)).unwrap())),
    );
    let mut wrong = vec![];
    for (path, text) in sources().into_iter().chain(docs).chain(files(&["queries"], "sql")) {
        for (number, line) in text.lines().enumerate() {
            let lower = line.to_lowercase();
            for (word, instead) in BANNED {
                let is_word = |index: usize| {
                    let outside = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
                    outside(lower[..index].chars().next_back()) && outside(lower[index + word.len()..].chars().next())
                };
                let is_named = word == "words" && WORDS.iter().any(|file| path == Path::new(file));
                // "there is none" is English
                let is_english = |index: usize| lower[..index].trim_end().ends_with("there");
                if !is_named && lower.match_indices(word).any(|(index, _)| is_word(index) && !is_english(index)) {
                    wrong.push(format!("{}:{}: `{word}`; write {instead}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} places:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    for (path, text) in sources().into_iter() {
        for word in ["todo!", "unimplemented!", "dbg!", "#[ignore"] {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}
