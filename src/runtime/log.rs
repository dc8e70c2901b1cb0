//! Output on standard error: notes, warnings and errors, as text or as JSON for a log collector.

use std::io::Write;
use std::sync::OnceLock;

use certificate::wording::visible;
use serde_json::json;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Style {
    #[default]
    Text,
    /// One JSON object per line: time, level, message.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Info,
    /// Something failed, and the result is still correct.
    Warning,
    /// There is no result.
    Error,
}

/// One for the process, because there is one standard error.
static FORM: OnceLock<Style> = OnceLock::new();

/// Sets the style. Only the first call counts.
pub(crate) fn speak(form: Style) {
    let _ = FORM.set(form);
}

pub(crate) fn form() -> Style {
    FORM.get().copied().unwrap_or_default()
}

/// Writes a message. A closed standard error is ignored.
pub(crate) fn log(level: Level, text: &str) {
    // a path or a name may contain any character; only the line breaks of the message itself are kept
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

/// Escapes everything that could move the cursor or be invisible on a terminal.
pub(crate) fn escaped(text: &str) -> String {
    text.chars().map(visible).collect()
}
