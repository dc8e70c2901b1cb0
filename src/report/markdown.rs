//! Pages for a pull request, a ticket or a chat, as Markdown.

use std::fmt::Write;

use super::count;
use super::page::{Block, Content, Finding, Format, Inline, ListKind, Page, Span, Table, Title};
use crate::equality::value_text::escaped;
use crate::lists::Change;
use crate::sides::Side;

/// A page as Markdown.
pub(crate) fn render(page: &Page) -> String {
    let mut out = String::new();
    for block in page.sections(Format::Markdown).flatten() {
        match block {
            Block::Title(title) => add_title(title, &mut out),
            Block::Heading(heading) => {
                let _ = writeln!(out, "## {}\n", prose(&heading.name));
            }
            Block::Paragraph(sentences) => {
                separate(&mut out);
                out.extend(sentences.iter().map(|sentence| format!("{}.\n", line(sentence))));
                out.push('\n');
            }
            Block::List(kind, items) => {
                out.extend(items.iter().map(|item| format!("- {}\n", line(item))));
                match kind {
                    ListKind::Reasons | ListKind::Details => out.push('\n'),
                    // what needs a blank line after remarks adds it
                    ListKind::Remarks => {}
                }
            }
            Block::Table(table) => add_table(table, &mut out),
            Block::Findings(findings) => add_findings(findings, &mut out),
        }
    }
    out.trim_end_matches('\n').to_string() + "\n"
}

fn add_title(title: &Title, out: &mut String) {
    let _ = writeln!(out, "# {}: {}\n", title.verdict, prose(&title.subject));
    if let Some(headline) = &title.headline {
        let _ = writeln!(out, "{}.\n", prose(headline));
    }
    if let Some(warning) = &title.warning {
        let _ = writeln!(out, "**{}**\n", prose(warning));
    }
}

fn add_table(table: &Table, out: &mut String) {
    let names = table.columns_for(Format::Markdown).map(|column| column.name.as_ref().map(line));
    let rows = table.rows_for(Format::Markdown).map(|row| row.map(line).collect());
    write_table(&names.collect::<Vec<_>>(), rows, out);
}

fn add_findings(findings: &[Finding], out: &mut String) {
    let names = ["key", "column", "old", "new"].map(|name| Some(name.to_string()));
    write_table(&names, findings.iter().flat_map(rows_of), out);
}

/// A row for each value of a finding, or one with the numbers of its rows.
fn rows_of(finding: &Finding) -> Vec<Vec<String>> {
    let key = finding.key.iter().map(|named| format!("{} = {}", named.column, named.value));
    let key = code(&key.collect::<Vec<_>>().join(", "));
    let shown = |change: &Change, side: Side| {
        let value = change.value(side).map(code).unwrap_or_default();
        if change.is_unreadable(side) { value + " (unreadable)" } else { value }
    };
    match finding.content {
        Content::Changes(values) | Content::Values(values, _) if !values.is_empty() => values
            .iter()
            .map(|change| vec![key.clone(), code(&change.column), shown(change, Side::Old), shown(change, Side::New)])
            .collect(),
        _ => {
            let rows = |side: Side| count(finding.rows[side], "row");
            vec![vec![key, String::new(), rows(Side::Old), rows(Side::New)]]
        }
    }
}

fn write_table(names: &[Option<String>], rows: impl Iterator<Item = Vec<String>>, out: &mut String) {
    separate(out);
    let header = names.iter().map(|name| name.as_ref().map_or(" |".into(), |name| format!(" {name} |")));
    let _ = writeln!(out, "|{}", header.collect::<String>());
    let _ = writeln!(out, "|{}", " --- |".repeat(names.len()));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out.push('\n');
}

/// Begins a block that would be part of the list or the paragraph that it follows directly.
fn separate(out: &mut String) {
    if !out.is_empty() && !out.ends_with("\n\n") {
        out.push('\n');
    }
}

/// Text within a line.
fn line(inline: &Inline) -> String {
    inline.render(|span| match span {
        Span::Prose(text) | Span::Type(text) => prose(text),
        Span::Verbatim(text) => text.clone(),
        Span::Markup(text) => escaped(text).replace('|', "\\|"),
        Span::Name(text) | Span::Value(text) => code(text),
        Span::Alarm(state) => state.to_string(),
        Span::Strong(state) => format!("**{state}**"),
    })
}

/// Text that Markdown and HTML leave alone.
fn prose(text: &str) -> String {
    let special = |c: char| matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '&');
    escaped(text).chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// A code span that may hold back quotes and be in a table.
fn code(text: &str) -> String {
    let text = escaped(text).replace('|', "\\|");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::NamedValue;
    use crate::report::page::{Column, Tone};
    use crate::sides::Sides;

    fn rendered(block: Block) -> String {
        let mut page = Page::default();
        page.section().add(block);
        render(&page)
    }

    fn shown(span: Span) -> String {
        line(&span.into())
    }

    #[test]
    fn each_span_escapes_what_would_be_markup_in_it() {
        let text = || "a|b `c` *d* <e>".to_string();
        assert_eq!(shown(Span::Prose(text())), "a\\|b \\`c\\` \\*d\\* \\<e\\>");
        assert_eq!(shown(Span::Type(text())), shown(Span::Prose(text())));
        assert_eq!(shown(Span::Verbatim(text())), text());
        assert_eq!(shown(Span::Markup(text())), "a\\|b `c` *d* <e>");
        assert_eq!(shown(Span::Name(text())), "``a\\|b `c` *d* <e>``");
        assert_eq!(shown(Span::Value(text())), shown(Span::Name(text())));
        assert_eq!((shown(Span::Alarm("fails")), shown(Span::Strong("fails"))), ("fails".into(), "**fails**".into()));
    }

    #[test]
    fn a_code_span_holds_any_back_quotes() {
        assert_eq!(code("plain"), "`plain`");
        assert_eq!(code(""), "`  `");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("a``b`"), "``` a``b` ```");
    }

    #[test]
    fn no_text_breaks_its_line() {
        for span in [Span::Prose, Span::Markup, Span::Name, Span::Value, Span::Type] {
            let line = shown(span("a\nb\r\u{1b}[2Jc\u{202e}d".into()));
            assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
        }
    }

    #[test]
    fn a_name_that_is_empty_takes_more_room_than_none() {
        let mut table = Table::new([Column::text("a|b"), Column::unnamed(), Column::text("")]);
        table.row(["1|2".into(), Inline::default(), "3".into()]);
        assert_eq!(rendered(table.into()), "| a\\|b | |  |\n| --- | --- | --- |\n| 1\\|2 |  | 3 |\n");
    }

    #[test]
    fn a_table_without_rows_still_has_its_header_and_no_title() {
        let table = Table::new([Column::number("count")]).titled("by class");
        assert_eq!(rendered(table.into()), "| count |\n| --- |\n");
    }

    #[test]
    fn what_only_text_shows_is_left_out() {
        let mut table = Table::new([Column::text("a"), Column::text("b").only(Format::Text), Column::text("c")]);
        table.row(["1".into(), "2".into(), "3".into()]);
        table.row_for(Format::Text, ["4".into()]);
        table.row_for(Format::Markdown, ["5".into(), "6".into(), "7".into()]);
        let mut page = Page::default();
        page.section().add_for(Format::Text, Block::sentence("8")).add(table);
        assert_eq!(render(&page), "| a | c |\n| --- | --- |\n| 1 | 3 |\n| 5 | 7 |\n");
    }

    #[test]
    fn a_table_is_no_part_of_the_remarks_before_it() {
        let mut page = Page::default();
        page.section()
            .add(Block::List(ListKind::Reasons, vec!["one".into()]))
            .add(Block::List(ListKind::Remarks, vec!["two".into()]))
            .add(Table::new([Column::text("three")]))
            .add(Block::Paragraph(vec!["four".into(), "five".into()]));
        assert_eq!(render(&page), "- one\n\n- two\n\n| three |\n| --- |\n\nfour.\nfive.\n");
    }

    #[test]
    fn a_title_names_the_verdict_then_explains_it_and_warns() {
        let title = |headline: Option<&str>, warning: Option<&str>| {
            rendered(Block::Title(Title {
                verdict: "MATCH",
                tone: Tone::Good,
                subject: "my_job".into(),
                headline: headline.map(String::from),
                warning: warning.map(String::from),
            }))
        };
        assert_eq!(title(None, None), "# MATCH: my\\_job\n");
        assert_eq!(title(Some("MATCH in all"), Some("a*")), "# MATCH: my\\_job\n\nMATCH in all.\n\n**a\\***\n");
    }

    #[test]
    fn a_finding_has_a_row_for_each_value_or_one_with_its_numbers() {
        let key = [NamedValue { column: "id".into(), value: "\"a|b\"".into() }];
        let change =
            Change { column: "n".into(), old: Some("1".into()), new: Some("x".into()), unreadable: vec!["new".into()] };
        let changes = [change];
        let finding = |content| Finding { key: &key, notes: vec![], rows: Sides { old: 1, new: 2 }, content };
        let findings = vec![
            finding(Content::Changes(&changes)),
            finding(Content::Values(&[], 0)),
            finding(Content::Rows),
            finding(Content::Nothing),
        ];
        let numbers = "| `id = \"a\\|b\"` |  | 1 row | 2 rows |\n";
        assert_eq!(
            rendered(Block::Findings(findings)),
            format!(
                "| key | column | old | new |\n| --- | --- | --- | --- |\n\
                 | `id = \"a\\|b\"` | `n` | `1` | `x` (unreadable) |\n{numbers}{numbers}{numbers}"
            )
        );
    }
}
