//! The house of `src/`: files stay small, and a module uses only what stands before it in `lib.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Past this a file holds two nouns.
const LINES_MAX: usize = 500;

fn sources() -> Vec<(PathBuf, String)> {
    sources_of("src")
}

fn sources_of(src: &str) -> Vec<(PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join(src);
    let files = walkdir::WalkDir::new(&src).into_iter().map(|entry| entry.unwrap().into_path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| (path.strip_prefix(&src).unwrap().to_path_buf(), fs::read_to_string(&path).unwrap()))
        .collect()
}

#[test]
fn no_file_is_too_long() {
    let all = sources().into_iter().chain(sources_of("crates/certificate/src"));
    let long: Vec<_> = all.filter(|(_, text)| text.lines().count() > LINES_MAX).collect();
    assert!(long.is_empty(), "{:?}", long.iter().map(|(path, _)| path).collect::<Vec<_>>());
}

#[test]
fn a_module_uses_only_what_stands_before_it() {
    let sources = sources();
    let (_, map) = sources.iter().find(|(path, _)| path == Path::new("lib.rs")).unwrap();
    let modules = map.lines().filter_map(|line| {
        line.trim_start_matches("pub(crate) ").trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')
    });
    let place: BTreeMap<&str, usize> = modules.enumerate().map(|(place, name)| (name, place)).collect();
    assert!(place.len() > 10);
    let mut wrong = vec![];
    for (path, text) in &sources {
        let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
        let own = first.trim_end_matches(".rs");
        let Some(&own_place) = place.get(own) else { continue };
        for used in text.split("crate::").skip(1) {
            let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if place.get(used.as_str()).is_some_and(|&used_place| used_place > own_place) {
                wrong.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_is_left_for_later() {
    for (path, text) in sources().into_iter().chain(sources_of("crates/certificate/src")) {
        for word in ["todo!", "unimplemented!", "dbg!", "#[ignore"] {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}
