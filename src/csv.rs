//! CSV in which NULL and the empty string are two things: NULL is an unquoted empty field, the empty
//! string is `""`. General CSV writers and readers cannot say that per field, which is why this one exists.

/// Appends one record.
pub fn record<'a>(out: &mut String, fields: impl IntoIterator<Item = Option<&'a str>>) {
    for (at, field) in fields.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        match field {
            None => {}
            Some(text) if text.is_empty() || text.contains([',', '"', '\n', '\r']) => {
                out.push('"');
                out.push_str(&text.replace('"', "\"\""));
                out.push('"');
            }
            Some(text) => out.push_str(text),
        }
    }
    out.push('\n');
}

/// A record with the number of the line on which it begins.
pub type Record = (usize, Vec<Option<String>>);

/// Reads all records of a text; lines may end as Windows ends them.
///
/// # Errors
/// In words, with the line, if a quoted field does not end or is followed by anything but a comma.
pub fn records(text: &str) -> Result<Vec<Record>, String> {
    let (mut records, mut fields) = (vec![], vec![]);
    let (mut rest, mut line, mut first_line) = (text, 1, 1);
    while !rest.is_empty() {
        let field = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (field, after) = unquote(quoted).ok_or(format!("line {line}: a quoted field does not end"))?;
                line += field.matches('\n').count();
                rest = after;
                Some(field)
            }
            None => {
                let (field, after) = rest.split_at(rest.find([',', '\n']).unwrap_or(rest.len()));
                rest = after;
                let field = if rest.starts_with(',') { field } else { field.strip_suffix('\r').unwrap_or(field) };
                (!field.is_empty()).then(|| field.to_string())
            }
        };
        fields.push(field);
        let ended = rest.strip_prefix("\r\n").or(rest.strip_prefix('\n'));
        match (rest.strip_prefix(','), ended) {
            (Some(more), _) => {
                rest = more;
                // a comma at the very end still begins a field
                if rest.is_empty() {
                    fields.push(None);
                }
            }
            (None, None) if !rest.is_empty() => {
                return Err(format!("line {line}: there is more after a quoted field"));
            }
            (None, next) => {
                records.push((first_line, std::mem::take(&mut fields)));
                rest = next.unwrap_or_default();
                line += 1;
                first_line = line;
            }
        }
    }
    if !fields.is_empty() {
        records.push((first_line, fields));
    }
    Ok(records)
}

/// What stands between quotes, and what comes after them.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_the_empty_string_and_the_word_null_differ() {
        let mut out = String::new();
        let fields = [None, Some(""), Some("NULL"), Some("a,\"b\"\n")];
        record(&mut out, fields);
        assert_eq!(out, ",\"\",NULL,\"a,\"\"b\"\"\n\"\n");
        record(&mut out, [Some("x"), None]);
        let read = records(&out).unwrap();
        assert_eq!(read[0], (1, fields.map(|field| field.map(String::from)).to_vec()));
        assert_eq!(read[1], (3, vec![Some("x".into()), None]));
        // a list of one column has a line for NULL
        assert_eq!(
            records("id\r\n\n7").unwrap(),
            [(1, vec![Some("id".into())]), (2, vec![None]), (3, vec![Some("7".into())])]
        );
        assert!(records("a,\"b").unwrap_err().contains("line 1"));
        assert!(records("a\n\"b\"c").unwrap_err().contains("line 2"));
    }
}
