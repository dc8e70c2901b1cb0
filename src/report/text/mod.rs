//! Pages for a terminal.

mod table;
mod width;

use std::fmt::Write;

use anstyle::{AnsiColor, Effects};

use super::count;
use super::page::{
    Block, ColumnKind, Content, Finding, Format, Headers, Inline, ListKind, Page, Span, Table, Title, Tone,
};
use crate::equality::value_text::escaped;
use crate::lists::Change;
use crate::sides::Sides;
use width::{cut, cut_beside};

pub(crate) use table::{indented, plain_table, right_align};

/// Whether text may carry colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For files and pipes.
    Plain,
    /// For terminals.
    Coloured,
}

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
        Block::Heading(heading) => match &heading.extent {
            Some(extent) => format!("  {} ({})\n", escaped(&heading.name), escaped(extent)),
            None => format!("  {}\n", escaped(&heading.name)),
        },
        Block::Paragraph(sentences) => sentences.iter().map(|sentence| format!("  {}\n", line(sentence))).collect(),
        Block::List(kind, items) => {
            let indent = match kind {
                ListKind::Reasons => "  - ",
                ListKind::Remarks => "  ",
                ListKind::Details => "    ",
            };
            items.iter().map(|item| format!("{indent}{}\n", line(item))).collect()
        }
        Block::Table(table) => render_table(table),
        Block::Findings(findings) => findings.iter().map(render_finding).collect(),
    }
}

fn render_title(title: &Title, style: Style) -> String {
    let headline = match &title.headline {
        Some(headline) => escaped(headline),
        None => format!("{}: {}", title.verdict, escaped(&title.subject)),
    };
    let headline = match (style, headline.strip_prefix(title.verdict)) {
        (Style::Coloured, Some(rest)) => {
            let colour = match title.tone {
                Tone::Good => AnsiColor::Green,
                Tone::Bad => AnsiColor::Red,
                Tone::Open => AnsiColor::Yellow,
            };
            let style = colour.on_default().effects(Effects::BOLD);
            format!("{style}{}{style:#}{rest}", title.verdict)
        }
        _ => headline,
    };
    match &title.warning {
        Some(warning) => format!("{}\n\n{headline}\n", escaped(warning)),
        None => format!("{headline}\n"),
    }
}

fn render_table(table: &Table) -> String {
    let mut lines = plain_table();
    if table.headers == Headers::Needed {
        lines
            .set_header(table.columns_for(Format::Text).map(|column| column.name.as_ref().map_or(String::new(), line)));
    }
    for row in table.rows_for(Format::Text) {
        lines.add_row(row.map(line));
    }
    let columns = table.columns_for(Format::Text).enumerate();
    let numbers = columns.filter(|(_, column)| column.kind == ColumnKind::Number).map(|(index, _)| index);
    right_align(&mut lines, &numbers.collect::<Vec<_>>());
    match &table.title {
        Some(title) => format!("  {}\n{}", line(title), table::indented_by(4, &lines)),
        None => indented(&lines),
    }
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
fn render_finding(finding: &Finding) -> String {
    let key = finding.key.iter().map(|named| format!("{} = {}", escaped(&named.column), cut(&named.value)));
    let notes = match finding.notes.as_slice() {
        [] => String::new(),
        notes => format!("  ({})", escaped(&notes.join(", "))),
    };
    let mut out = format!("    {}{notes}\n", key.collect::<Vec<_>>().join(", "));
    match &finding.content {
        Content::Rows => {
            let Sides { old, new } = finding.rows;
            let _ = writeln!(out, "      {} in old, {} in new", count(old, "row"), count(new, "row"));
        }
        Content::Changes(changes) => out += &render_changes(changes),
        Content::Values([]) | Content::Nothing => {}
        Content::Values(values) => {
            let values = values.iter().map(|change| {
                let value = change.old.as_deref().or(change.new.as_deref()).unwrap_or_default();
                format!("{} = {}", escaped(&change.column), cut(value))
            });
            let _ = writeln!(out, "      {}", values.collect::<Vec<_>>().join(", "));
        }
    }
    out
}

fn render_changes(changes: &[Change]) -> String {
    let mut table = plain_table();
    for change in changes {
        let values = Sides::from_fn(|side| change.value(side).unwrap_or("(private)"));
        let cells = Sides::from_fn(|side| {
            let unreadable = if change.is_unreadable(side) { " (unreadable)" } else { "" };
            format!("{side} {}{unreadable}", cut_beside(values[side], values[side.other()]))
        });
        table.add_row([escaped(&change.column), cells.old, cells.new]);
    }
    table::indented_by(6, &table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::NamedValue;
    use crate::report::page::{Column, Heading};

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
            assert_eq!(title(tone, Some("MATCH in all"), Style::Coloured), expected);
        }
        // a headline that does not begin with the verdict has nothing to colour
        assert_eq!(title(Tone::Bad, Some("no MATCH"), Style::Coloured), "a warning\n\nno MATCH\n");
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
        assert_eq!(finding(Content::Values(&[]), &["new", "waived"]), "    id = 7  (new, waived)\n");
        assert_eq!(finding(Content::Rows, &[]), "    id = 7\n      1 row in old, 2 rows in new\n");
        assert_eq!(finding(Content::Values(&values), &[]), "    id = 7\n      n = 2, n =\n");
        assert_eq!(
            finding(Content::Changes(&changes), &[]),
            "    id = 7\n      n  old 1  new (private) (unreadable)\n"
        );
    }
}
