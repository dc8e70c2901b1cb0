//! Text within a line, by what it means. Each format escapes and marks up every part in its own way.

/// Parts of a line, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Inline(Vec<Span>);

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Span {
    /// A sentence or a number. No format may misread any of it.
    Prose(String),
    /// Text that no format changes, not even to escape it.
    Verbatim(String),
    /// Prose in which Markdown may find markup. Only what would break a terminal or a table is escaped.
    Markup(String),
    /// The name of a column, a file, or the like.
    Name(String),
    /// A value or a rule, which may be long.
    Value(String),
    /// The name of a type, which may be long.
    Type(String),
    /// A state that somebody has to act on.
    Alarm(&'static str),
    /// A state that must not be missed.
    Strong(&'static str),
}

impl Inline {
    /// Names, separated by commas.
    pub(crate) fn names(names: &[String]) -> Self {
        Inline::listed(names.iter().map(|name| Span::Name(name.clone()).into()))
    }

    /// Items, separated by commas.
    pub(crate) fn listed(items: impl IntoIterator<Item = Inline>) -> Self {
        let comma = |index: usize| (index > 0).then(|| Span::Prose(", ".into()));
        Inline(items.into_iter().enumerate().flat_map(|(index, item)| comma(index).into_iter().chain(item.0)).collect())
    }

    /// These parts, one after the other.
    pub(crate) fn joined(parts: impl IntoIterator<Item = Inline>) -> Self {
        Inline(parts.into_iter().flat_map(|part| part.0).collect())
    }

    /// A value, or NULL.
    pub(crate) fn value(value: Option<&str>) -> Self {
        match value {
            Some(value) => Span::Value(value.into()).into(),
            None => "NULL".into(),
        }
    }

    /// The parts as a format writes them.
    pub(crate) fn render(&self, format: impl Fn(&Span) -> String) -> String {
        self.0.iter().map(format).collect()
    }
}

impl From<Span> for Inline {
    fn from(span: Span) -> Self {
        Inline(vec![span])
    }
}

impl From<String> for Inline {
    fn from(prose: String) -> Self {
        Span::Prose(prose).into()
    }
}

impl From<&str> for Inline {
    fn from(prose: &str) -> Self {
        Span::Prose(prose.into()).into()
    }
}
