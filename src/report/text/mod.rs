//! Pages for a terminal.

mod table;
mod width;
mod fit;

use std::fmt::Write;

use anstyle::{AnsiColor, Effects};

use super::count;
use super::overview::JobOutcome;
use super::page::{
    Block, Column, ColumnKind, Content, Finding, Format, Headers, Inline, ListKind, Page, Span, Table, Title, Tone,
    tone_of,
};
use crate::equality::value_text::escaped;
use crate::lists::Change;
use crate::sides::Sides;
use width::{VALUE_WIDTH, cut, cut_beside};

pub(crate) use table::{indented, plain_table, right_align};

/// Where text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// In files and pipes.
    Plain,
    /// In a terminal with this many cells in a line.
    Terminal {
        /// The width.
        width: usize,
        /// Whether it shows colours.
        colours: bool,
    },
}

impl Style {
    /// A text in the colours that it has for something.
    pub(crate) fn paint(self, text: &str, colour: AnsiColor, effects: Effects) -> String {
        match self {
            Style::Terminal { colours: true, .. } => {
                let style = colour.on_default().effects(effects);
                format!("{style}{text}{style:#}")
            }
            _ => text.into(),
        }
    }

    /// How many characters of a value fit on its line after `before` other cells.
    fn value_width(self, before: usize) -> usize {
        match self {
            Style::Plain => VALUE_WIDTH,
            Style::Terminal { width, .. } => {
                VALUE_WIDTH.min(width.saturating_sub(before + LENGTH_WIDTH)).max(VALUE_WIDTH_MIN)
            }
        }
    }

    /// A value beside another one, in at most `width` characters. In a terminal, wide characters count twice.
    fn cut(self, value: &str, other: &str, width: usize) -> String {
        let mut characters = width;
        loop {
            let shown = cut_beside(value, other, characters);
            let wide = fit::display_width(&shown).saturating_sub(shown.chars().count());
            if self == Style::Plain || characters + wide <= width || characters <= VALUE_WIDTH_MIN {
                return shown;
            }
            characters = characters.saturating_sub((characters + wide - width).div_ceil(2)).max(VALUE_WIDTH_MIN);
        }
    }

    fn wrap(self, text: String) -> String {
        match self {
            Style::Plain => text,
            Style::Terminal { width, .. } => fit::wrap(&text, width),
        }
    }
}

/// Characters of a key that are shown: keys often differ at their ends.
const KEY_WIDTH: usize = 200;
/// What is added to a value that is cut: `…`, and `… (1234567 characters)`.
const LENGTH_WIDTH: usize = 24;
/// Characters of a value that are shown in the narrowest terminal.
const VALUE_WIDTH_MIN: usize = 16;
/// The lines of a terminal that the values of a missing or extra row take at most.
const ROW_LINES: usize = 3;

/// A page as text, with a blank line between sections.
pub(crate) fn render(page: &Page, style: Style) -> String {
    let sections = page.sections(Format::Text).map(|blocks| {
        let mut out = String::new();
        for block in blocks {
            if begins_apart(block) && !out.is_empty() {
                out.push('\n');
            }
            out += &render_block(block, style);
        }
        out.trim_end().to_string()
    });
    let sections: Vec<String> = sections.filter(|section| !section.is_empty()).collect();
    sections.join("\n\n") + "\n"
}

/// Whether a blank line separates a block from the one before it in its section.
fn begins_apart(block: &Block) -> bool {
    match block {
        Block::Heading(_) => true,
        Block::Table(table) => table.title.is_some(),
        Block::Title(_) | Block::Paragraph(_) | Block::List(..) | Block::Findings(_) => false,
    }
}

fn render_block(block: &Block, style: Style) -> String {
    match block {
        Block::Title(title) => render_title(title, style),
        Block::Heading(heading) => style.wrap(match &heading.extent {
            Some(extent) => format!("  {} ({})\n", escaped(&heading.name), escaped(extent)),
            None => format!("  {}\n", escaped(&heading.name)),
        }),
        Block::Paragraph(sentences) => {
            style.wrap(sentences.iter().map(|sentence| format!("  {}\n", line(sentence))).collect())
        }
        Block::List(kind, items) => {
            let indent = match kind {
                ListKind::Reasons => "  - ",
                ListKind::Remarks => "  ",
                ListKind::Details => "    ",
            };
            style.wrap(items.iter().map(|item| format!("{indent}{}\n", line(item))).collect())
        }
        Block::Table(table) => render_table(table, style),
        Block::Findings(findings) => findings.iter().map(|finding| render_finding(finding, style)).collect(),
    }
}

fn render_title(title: &Title, style: Style) -> String {
    let headline = match &title.headline {
        Some(headline) => escaped(headline),
        None => format!("{}: {}", title.verdict, escaped(&title.subject)),
    };
    let headline = style.wrap(format!("{headline}\n"));
    let colour = colour_of(title.tone);
    let headline = match headline.strip_prefix(title.verdict) {
        Some(rest) => style.paint(title.verdict, colour, Effects::BOLD) + rest,
        None => headline,
    };
    match &title.warning {
        Some(warning) => format!("{}\n{headline}", style.wrap(format!("{}\n", escaped(warning)))),
        None => headline,
    }
}

fn colour_of(tone: Tone) -> AnsiColor {
    match tone {
        Tone::Good => AnsiColor::Green,
        Tone::Bad => AnsiColor::Red,
        Tone::Open => AnsiColor::Yellow,
    }
}

fn render_table(table: &Table, style: Style) -> String {
    let columns: Vec<&Column> = table.columns_for(Format::Text).collect();
    let mut rows: Vec<Vec<String>> = vec![];
    if table.headers == Headers::Needed {
        rows.push(columns.iter().map(|column| column.name.as_ref().map_or(String::new(), line)).collect());
    }
    rows.extend(table.rows_for(Format::Text).map(|row| row.map(line).collect()));
    let indent = if table.title.is_some() { 4 } else { 2 };
    if let Style::Terminal { width, .. } = style {
        cut_cells(&mut rows, &columns, width.saturating_sub(indent));
    }
    let mut lines = plain_table();
    let mut rows = rows.into_iter();
    if table.headers == Headers::Needed {
        lines.set_header(rows.next().unwrap_or_default());
    }
    for row in rows {
        lines.add_row(row);
    }
    let numbers = columns.iter().enumerate().filter(|(_, column)| column.kind == ColumnKind::Number);
    right_align(&mut lines, &numbers.map(|(index, _)| index).collect::<Vec<_>>());
    let lines = paint_verdicts(&table::indented_by(indent, &lines), style);
    match &table.title {
        Some(title) => format!("  {}\n{lines}", line(title)),
        None => lines,
    }
}

/// Cuts cells of text so that the table fits.
fn cut_cells(rows: &mut [Vec<String>], columns: &[&Column], width: usize) {
    let widest = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| fit::display_width(cell)).max();
    let natural: Vec<usize> = (0..columns.len()).map(|at| widest(at).unwrap_or(0)).collect();
    let may_be_cut: Vec<bool> = columns.iter().map(|column| column.kind == ColumnKind::Text).collect();
    let widths = fit::column_widths(&natural, &may_be_cut, width);
    for row in rows {
        for (cell, (own, width)) in row.iter_mut().zip(natural.iter().zip(&widths)) {
            if width < own {
                *cell = fit::shorten(cell, *width);
            }
        }
    }
}

/// Colours the verdicts with which lines begin.
fn paint_verdicts(lines: &str, style: Style) -> String {
    let paint = |line: &str| {
        let outcome = JobOutcome::ALL.into_iter().find(|outcome| line.trim_start().starts_with(outcome.word()));
        match outcome {
            Some(outcome) => {
                let painted = style.paint(outcome.word(), colour_of(tone_of(outcome)), Effects::BOLD);
                line.replacen(outcome.word(), &painted, 1) + "\n"
            }
            None => format!("{line}\n"),
        }
    };
    lines.lines().map(paint).collect()
}

/// Text within a line, safe for a terminal.
fn line(inline: &Inline) -> String {
    inline.render(|span| match span {
        Span::Prose(text) | Span::Markup(text) | Span::Name(text) => escaped(text),
        Span::Verbatim(text) => text.clone(),
        Span::Value(text) | Span::Type(text) => cut(&escaped(text)),
        Span::Alarm(state) => state.to_uppercase(),
        Span::Strong(state) => state.to_string(),
    })
}

/// The values of a finding were made safe for a terminal when they were formatted.
fn render_finding(finding: &Finding, style: Style) -> String {
    let key = finding
        .key
        .iter()
        .map(|named| format!("{} = {}", escaped(&named.column), cut_beside(&named.value, &named.value, KEY_WIDTH)));
    let notes = match finding.notes.as_slice() {
        [] => String::new(),
        notes => format!("  ({})", escaped(&notes.join(", "))),
    };
    let mut out = style.wrap(format!("    {}{notes}\n", key.collect::<Vec<_>>().join(", ")));
    match &finding.content {
        Content::Rows => {
            let Sides { old, new } = finding.rows;
            let _ = writeln!(out, "      {} in old, {} in new", count(old, "row"), count(new, "row"));
        }
        Content::Changes(changes) => out += &render_changes(changes, style),
        Content::Values([], _) | Content::Nothing => {}
        Content::Values(values, more) => {
            let values = values.iter().map(|change| {
                let value = change.old.as_deref().or(change.new.as_deref()).unwrap_or_default();
                let name = escaped(&change.column);
                let width = style.value_width(6 + fit::display_width(&name) + 3);
                format!("{name} = {}", style.cut(value, value, width))
            });
            let values: Vec<String> = values.collect();
            match style {
                Style::Plain => {
                    let more =
                        if *more > 0 { format!(", … and {}", fit::more_columns(*more)) } else { String::new() };
                    out += &format!("      {}{more}\n", values.join(", "));
                }
                Style::Terminal { width, .. } => out += &fit::fill(&values, 6, width, ROW_LINES, *more),
            }
        }
    }
    out
}

/// The columns that differ: a line each, or three where a terminal is too narrow for both values.
fn render_changes(changes: &[Change], style: Style) -> String {
    let cells = |change: &Change, width: usize| {
        let values = Sides::from_fn(|side| change.value(side).unwrap_or("(private)"));
        Sides::from_fn(|side| {
            let unreadable = if change.is_unreadable(side) { " (unreadable)" } else { "" };
            format!("{side} {}{unreadable}", style.cut(values[side], values[side.other()], width))
        })
    };
    let rows: Vec<[String; 3]> = changes
        .iter()
        .map(|change| {
            let Sides { old, new } = cells(change, VALUE_WIDTH);
            [escaped(&change.column), old, new]
        })
        .collect();
    let widest = |at: usize| rows.iter().map(|row| fit::display_width(&row[at])).max().unwrap_or(0);
    let room = match style {
        Style::Plain => usize::MAX,
        Style::Terminal { width, .. } => width,
    };
    if 6 + widest(0) + 2 + widest(1) + 2 + widest(2) <= room {
        let mut table = plain_table();
        for row in rows {
            table.add_row(row);
        }
        return table::indented_by(6, &table);
    }
    let width = style.value_width(8 + 4);
    let mut out = String::new();
    for change in changes {
        let Sides { old, new } = cells(change, width);
        let _ = writeln!(out, "      {}\n        {old}\n        {new}", escaped(&change.column));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::NamedValue;
    use crate::report::page::Heading;

    fn rendered(block: Block) -> String {
        let mut page = Page::default();
        page.section().add(block);
        render(&page, Style::Plain)
    }

    fn shown(span: Span) -> String {
        line(&span.into())
    }

    #[test]
    fn only_what_a_terminal_would_obey_is_escaped() {
        let text = "a|b `c` *d* <e>";
        for span in [Span::Prose, Span::Verbatim, Span::Markup, Span::Name, Span::Value, Span::Type] {
            assert_eq!(shown(span(text.into())), text);
        }
        for span in [Span::Prose, Span::Markup, Span::Name, Span::Value, Span::Type] {
            let line = shown(span("a\nb\r\u{1b}[2Jc\u{202e}d".into()));
            assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
        }
        assert_eq!((shown(Span::Alarm("fails")), shown(Span::Strong("fails"))), ("FAILS".into(), "fails".into()));
    }

    #[test]
    fn names_are_whole_and_values_are_cut() {
        let long = "x".repeat(100);
        assert_eq!(shown(Span::Name(long.clone())), long);
        for span in [Span::Value, Span::Type] {
            assert_eq!(shown(span(long.clone())), format!("{}… (100 characters)", &long[..60]));
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table =
            Table::new([Column::text("name"), Column::number("count"), Column::text("").only(Format::Text)]);
        table.row(["ä".into(), "1".into(), "x".into()]);
        // a Chinese character is as wide as two others
        table.row(["表表".into(), "1,000".into()]);
        assert_eq!(rendered(table.into()), "  ä         1  x\n  表表  1,000\n");
    }

    #[test]
    fn a_header_is_shown_where_it_is_needed() {
        let table = |headers| {
            let columns = [Column::text("a"), Column::unnamed(), Column::number("")];
            let mut table = Table { headers, ..Table::new(columns) };
            table.row(["1".into(), "2".into(), "3".into()]);
            rendered(table.into())
        };
        assert_eq!(table(Headers::Obvious), "  1  2  3\n");
        assert_eq!(table(Headers::Needed), "  a\n  1  2  3\n");
    }

    #[test]
    fn what_only_markdown_shows_is_left_out() {
        let mut table = Table::new([Column::text("a"), Column::text("b").only(Format::Markdown)]);
        table.row(["1".into(), "2".into()]);
        table.row_for(Format::Markdown, ["3".into(), "4".into()]);
        let mut page = Page::default();
        page.section().add_for(Format::Markdown, Block::sentence("5"));
        page.section().add(table);
        assert_eq!(render(&page, Style::Plain), "  1\n");
    }

    #[test]
    fn blank_lines_are_between_sections_and_before_what_has_a_name() {
        let titled = || {
            let mut table = Table::new([Column::text("")]).titled("by class");
            table.row(["row".into()]);
            table
        };
        let heading = |name: &str| Block::Heading(Heading { name: name.into(), extent: Some("all of 1".into()) });
        let mut page = Page::default();
        page.section().add(Block::Paragraph(vec!["one".into(), "two".into()])).add(titled()).add(titled());
        page.section().add(heading("extra")).add(Block::List(ListKind::Details, vec!["three".into()]));
        page.section();
        page.section()
            .add(Block::List(ListKind::Reasons, vec!["four".into()]))
            .add(Block::List(ListKind::Remarks, vec!["five".into()]))
            .add(Block::heading("six"));
        assert_eq!(
            render(&page, Style::Plain),
            "  one\n  two\n\n  by class\n    row\n\n  by class\n    row\n\n  extra (all of 1)\n    three\n\n  - four\n  \
             five\n\n  six\n"
        );
    }

    #[test]
    fn only_the_verdict_is_coloured() {
        let coloured = Style::Terminal { width: 80, colours: true };
        let title = |tone, headline: Option<&str>, style| {
            let mut page = Page::default();
            page.section().add(Title {
                verdict: "MATCH",
                tone,
                subject: "job".into(),
                headline: headline.map(String::from),
                warning: Some("a warning".into()),
            });
            render(&page, style)
        };
        assert_eq!(title(Tone::Good, Some("MATCH in all"), Style::Plain), "a warning\n\nMATCH in all\n");
        assert_eq!(title(Tone::Good, None, Style::Plain), "a warning\n\nMATCH: job\n");
        for (tone, code) in [(Tone::Good, 32), (Tone::Bad, 31), (Tone::Open, 33)] {
            let expected = format!("a warning\n\n\u{1b}[1m\u{1b}[{code}mMATCH\u{1b}[0m in all\n");
            assert_eq!(title(tone, Some("MATCH in all"), coloured), expected);
        }
        // a headline that does not begin with the verdict has nothing to colour
        assert_eq!(title(Tone::Bad, Some("no MATCH"), coloured), "a warning\n\nno MATCH\n");
    }

    #[test]
    fn a_finding_shows_what_its_kind_has() {
        let key = [NamedValue { column: "id".into(), value: "7".into() }];
        let change = |old: Option<&str>, new: Option<&str>| Change {
            column: "n".into(),
            old: old.map(String::from),
            new: new.map(String::from),
            unreadable: vec!["new".into()],
        };
        let (changes, values) = ([change(Some("1"), None)], [change(None, Some("2")), change(None, None)]);
        let finding = |content, notes: &[&str]| {
            let notes = notes.iter().map(|note| note.to_string()).collect();
            rendered(Block::Findings(vec![Finding { key: &key, notes, rows: Sides { old: 1, new: 2 }, content }]))
        };
        assert_eq!(finding(Content::Nothing, &[]), "    id = 7\n");
        assert_eq!(finding(Content::Values(&[], 0), &["new", "waived"]), "    id = 7  (new, waived)\n");
        assert_eq!(finding(Content::Rows, &[]), "    id = 7\n      1 row in old, 2 rows in new\n");
        assert_eq!(finding(Content::Values(&values, 0), &[]), "    id = 7\n      n = 2, n =\n");
        assert_eq!(
            finding(Content::Changes(&changes), &[]),
            "    id = 7\n      n  old 1  new (private) (unreadable)\n"
        );
    }
}
