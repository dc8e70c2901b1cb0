//! What is said on standard error besides the data on standard output: notes, warnings and errors, in words or as JSON
//! for a collector of logs.

use std::io::Write;
use std::sync::OnceLock;

use certificate::wording::visible;
use serde_json::json;

/// How it is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Style {
    /// In words.
    #[default]
    Text,
    /// One JSON object a line: time, level, message.
    Json,
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Good to know.
    Info,
    /// Something did not work, and the answer is right all the same.
    Warning,
    /// There is no answer.
    Error,
}

/// One for the process: standard error is one, too.
static FORM: OnceLock<Style> = OnceLock::new();

/// Chooses the form, once.
pub(crate) fn speak(form: Style) {
    let _ = FORM.set(form);
}

/// The form that was chosen.
pub(crate) fn form() -> Style {
    FORM.get().copied().unwrap_or_default()
}

/// Says something. Nobody listening is no failure.
pub(crate) fn log(level: Level, text: &str) {
    // a path or a name may hold anything; the line breaks are ours
    let text = text.lines().map(escaped).collect::<Vec<_>>().join("\n");
    let word = match level {
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    let line = match (form(), level) {
        (Style::Text, Level::Info) => text,
        (Style::Text, _) => format!("{word}: {text}"),
        (Style::Json, _) => {
            let time = format!("{:.3}", jiff::Timestamp::now());
            json!({ "time": time, "level": word, "message": text }).to_string()
        }
    };
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Text on one line of a terminal: what could move a cursor or hide becomes an escape.
pub(crate) fn escaped(text: &str) -> String {
    text.chars().map(visible).collect()
}
