//! CSV in which NULL and the empty string are two things: NULL is an unquoted empty field, the empty
//! string is `""`. General CSV writers cannot say that per field, which is why this one exists.

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

#[cfg(test)]
mod tests {
    use super::record;

    #[test]
    fn null_the_empty_string_and_the_word_null_differ() {
        let mut out = String::new();
        record(&mut out, [None, Some(""), Some("NULL"), Some("a,\"b\"\n")]);
        assert_eq!(out, ",\"\",NULL,\"a,\"\"b\"\"\n\"\n");
    }
}
