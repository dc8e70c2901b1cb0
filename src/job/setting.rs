//! A setting of the user together with its origin, so that an error can point at it.

use std::fmt;
use std::path::PathBuf;

/// The text of a setting, and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The text as written.
    pub text: String,
    /// The position of the setting.
    pub origin: Origin,
}

/// The position of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// On the command line, under this option.
    Flag(&'static str),
    /// A rule on the command line, with its text.
    RuleFlag(String),
    /// In a job file.
    Line {
        /// The file, as the user named it.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The path of the key.
        key: String,
    },
    /// In the value of `--set` for this key.
    Set(String),
    /// Implied by the types of a side's files.
    Files,
    /// Implied by the texts of a side's files.
    Texts,
}

impl Setting {
    /// Wraps the values of a command-line option.
    pub fn flags(option: &'static str, texts: &[String]) -> Vec<Setting> {
        texts.iter().map(|text| Setting { text: text.clone(), origin: Origin::Flag(option) }).collect()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(option) => f.write_str(option),
            Origin::RuleFlag(text) => write!(f, "--rule '{text}'"),
            Origin::Line { file, line, key } if key.is_empty() => write!(f, "{}:{line}", file.display()),
            Origin::Line { file, line, key } => write!(f, "{}:{line}: {key}", file.display()),
            Origin::Files => f.write_str("the types of its files"),
            Origin::Texts => f.write_str("the texts of its files"),
            Origin::Set(key) => write!(f, "--set {key}"),
        }
    }
}
