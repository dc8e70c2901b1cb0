//! Parses the header of a query, the comments at its start:
//!
//! ```sql
//! -- Question:   which items have been in progress for too long?
//! -- Parameters: $state text, the state; $older_than duration, how long is too long
//! ```
//!
//! A declaration consists of a name, a type, and an optional description. Several declarations are separated by line
//! breaks or semicolons.

use crate::job::LiteralType;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueryHeader {
    /// What the query checks, in plain English.
    pub question: Option<String>,
    /// The tables and columns that the query reads, in plain English.
    pub inputs: Option<String>,
    pub parameters: Vec<(String, LiteralType)>,
}

impl QueryHeader {
    /// Parses the header of a query.
    ///
    /// # Errors
    /// Fails with a message if a parameter is declared with an unknown type, or twice.
    pub(super) fn of(sql: &str) -> Result<Self, String> {
        let lines = sql.lines().map(str::trim).take_while(|line| line.is_empty() || line.starts_with("--"));
        let comments: Vec<&str> = lines.map(|line| line.trim_start_matches('-').trim()).collect();
        let mut parameters: Vec<(String, LiteralType)> = vec![];
        for declared in comments.iter().flat_map(|line| line.split(';')) {
            let declared = declared.trim();
            let declared = declared.strip_prefix("Parameters:").unwrap_or(declared).trim();
            let Some(declared) = declared.strip_prefix('$') else { continue };
            let mut tokens = declared.split(|c: char| c.is_whitespace() || c == ',');
            let name = tokens.next().unwrap_or_default().to_string();
            let word = tokens.next().unwrap_or_default();
            let known = LiteralType::ALL.into_iter().find(|(_, known, _)| *known == word);
            let Some((data_type, ..)) = known else {
                let known = LiteralType::ALL.map(|(_, name, _)| name).join(", ");
                return Err(format!("parameter `${name}` is declared as `{word}`; known types: {known}"));
            };
            if parameters.iter().any(|(other, _)| *other == name) {
                return Err(format!("parameter `${name}` is declared twice"));
            }
            parameters.push((name, data_type));
        }
        Ok(QueryHeader {
            question: comment_text(&comments, "Question:"),
            inputs: comment_text(&comments, "Inputs:"),
            parameters,
        })
    }
}

/// Returns the text after a title, up to the next line that begins with a title.
fn comment_text(comments: &[&str], title: &str) -> Option<String> {
    let begins = |line: &&str| {
        let first = line.split_whitespace().next();
        first.is_some_and(|word| word.ends_with(':') && word.starts_with(char::is_uppercase))
    };
    let index = comments.iter().position(|line| line.starts_with(title))?;
    let first = comments[index].strip_prefix(title)?.trim();
    let rest = &comments[index + 1..];
    let rest = rest.iter().take_while(|line| !begins(line) && !line.is_empty() && !line.starts_with('$'));
    Some([first].into_iter().chain(rest.copied()).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_declares_the_question_and_the_parameters() {
        let sql = "-- Question:   which items\n--             are stuck?\n-- Inputs:     item(id, state)\n\
                   -- Parameters: $state text, what it is called; $after duration\n--   $most integer\nSELECT $other";
        let header = QueryHeader::of(sql).unwrap();
        assert_eq!(header.question.as_deref(), Some("which items are stuck?"));
        assert_eq!(header.inputs.as_deref(), Some("item(id, state)"));
        let names: Vec<_> = header.parameters.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["state", "after", "most"]);
        assert_eq!(header.parameters[1].1, LiteralType::Duration);
        assert!(QueryHeader::of("-- $x number").unwrap_err().contains("known types: text, integer"));
        assert!(QueryHeader::of("-- $x text; $x text").unwrap_err().contains("twice"));
    }
}
