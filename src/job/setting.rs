//! A word of the user's and where it was said, so that an error can point at it.

use std::fmt;
use std::path::PathBuf;

/// A word, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What was said.
    pub text: String,
    /// Where.
    pub place: Origin,
}

/// Where a word stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// On the command line, under this option.
    Flag(&'static str),
    /// In a job file.
    Line {
        /// The file, as the user named it.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The setting.
        key: String,
    },
    /// In a value that `--set` gave to this setting.
    Set(String),
    /// Nowhere: the types of a side's files call for it.
    Files,
}

impl Setting {
    /// Words of an option of the command line.
    pub fn flags(option: &'static str, texts: &[String]) -> Vec<Setting> {
        texts.iter().map(|text| Setting { text: text.clone(), place: Origin::Flag(option) }).collect()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(option) => f.write_str(option),
            Origin::Line { file, line, key } if key.is_empty() => write!(f, "{}:{line}", file.display()),
            Origin::Line { file, line, key } => write!(f, "{}:{line}: {key}", file.display()),
            Origin::Files => f.write_str("the types of its files"),
            Origin::Set(key) => write!(f, "--set {key}"),
        }
    }
}
