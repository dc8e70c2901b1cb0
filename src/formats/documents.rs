//! Reads JSON documents as rows: one document after the other, on one line or several, or an array of documents.

use super::blocks::Block;
use super::cells::{Cells, Columns, Kind, Problem};
use super::extended::{self, Cell};
use super::layout::Documents;
use super::raw_json::{Member, Members, Value};

/// The columns of the documents in a block.
pub(super) fn columns(style: Documents, block: &Block) -> Result<Columns, Problem> {
    let mut columns = Columns::default();
    each_document(style, block, |_, members| {
        for (name, value) in members {
            let (cell, _) = extended::cell(style, value)?;
            columns.add(name, if matches!(cell, Cell::Nested(_)) { Kind::Json } else { Kind::Text });
        }
        Ok(Ok(()))
    })?;
    Ok(columns)
}

/// Parses the documents of a block. A member that a document lacks is NULL.
pub(super) fn parse(style: Documents, block: &Block, columns: &Columns, cells: &mut Cells) -> Result<(), Problem> {
    each_document(style, block, |line, members| {
        // most documents have their members in the order of the columns
        let mut next = 0;
        for (column, (name, kind)) in columns.names.iter().zip(&columns.kinds).enumerate() {
            let at = match members.get(next) {
                Some((own, _)) if own == name => Some(next),
                _ => members.iter().position(|(own, _)| own == name),
            };
            let Some(at) = at else {
                cells.push(column, None);
                continue;
            };
            next = at + 1;
            let (cell, is_text) = extended::cell(style, members[at].1)?;
            let text = match (cell, kind) {
                (Cell::Null, _) => None,
                (cell, Kind::Json) => cell.into_json(is_text),
                (Cell::Plain(text) | Cell::Nested(text), _) => Some(text),
            };
            cells.push(column, text.as_deref().map(str::as_bytes));
        }
        Ok(cells.end_row(line, columns.names.len()))
    })
}

/// Calls `work` with the line and the members of each document.
fn each_document<'a>(
    style: Documents,
    block: &'a Block,
    mut work: impl FnMut(u64, &[Member<'a>]) -> serde_json::Result<Result<(), Problem>>,
) -> Result<(), Problem> {
    let bytes = &block.bytes[..];
    let (mut at, mut line) = (0, block.first_line);
    loop {
        // white space, and what separates and surrounds the documents of an array
        let skipped = bytes[at..].iter().take_while(|byte| b" \t\r\n,[]".contains(byte)).count();
        line += memchr::memchr_iter(b'\n', &bytes[at..at + skipped]).count() as u64;
        at += skipped;
        if at == bytes.len() {
            let reason = "the array of documents does not end: the file is cut short".to_string();
            return if block.is_cut { Err(Problem::NotADocument { line, reason }) } else { Ok(()) };
        }
        let wrong = |error: serde_json::Error| {
            // the position in the message is that in the block
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or(&text);
            Problem::NotADocument { line, reason: format!("is not a JSON document: {reason}") }
        };
        let mut documents = serde_json::Deserializer::from_slice(&bytes[at..]).into_iter::<Members>();
        let Some(document) = documents.next() else { return Ok(()) };
        let Members(members) = document.map_err(wrong)?;
        let read = documents.byte_offset();
        match item(style, &members).map_err(wrong)? {
            Some(item) => work(line, &item),
            None => work(line, &members),
        }
        .map_err(wrong)??;
        line += memchr::memchr_iter(b'\n', &bytes[at..at + read]).count() as u64;
        at += read;
    }
}

/// The attributes of an item in an export of DynamoDB, which wraps each of them.
fn item<'a>(style: Documents, members: &[Member<'a>]) -> serde_json::Result<Option<Vec<Member<'a>>>> {
    match members {
        [(name, item)] if style == Documents::Attributes && name == "Item" => match Value::of(item)? {
            Value::Object(members) => Ok(Some(members)),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}
