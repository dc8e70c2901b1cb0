//! What a query says of itself in the comments at its head:
//!
//! ```sql
//! -- Question:   which items have been in progress for too long?
//! -- Parameters: $state text, the state; $older_than duration, how long is too long
//! ```
//!
//! A parameter is declared by its name, its type, and words if need be; several stand in lines of their own, or after a
//! semicolon.

use crate::job::LiteralType;

/// The head of a query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueryHeader {
    /// What the query asks, in words.
    pub question: Option<String>,
    /// What it reads, in words.
    pub inputs: Option<String>,
    /// Its parameters.
    pub parameters: Vec<(String, LiteralType)>,
}

impl QueryHeader {
    /// Reads the head of a query.
    ///
    /// # Errors
    /// In words, if a parameter is declared with a type that there is not, or twice.
    pub(super) fn of(sql: &str) -> Result<Self, String> {
        let lines = sql.lines().map(str::trim).take_while(|line| line.is_empty() || line.starts_with("--"));
        let comments: Vec<&str> = lines.map(|line| line.trim_start_matches('-').trim()).collect();
        let mut parameters: Vec<(String, LiteralType)> = vec![];
        for declared in comments.iter().flat_map(|line| line.split(';')) {
            let declared = declared.trim();
            let declared = declared.strip_prefix("Parameters:").unwrap_or(declared).trim();
            let Some(declared) = declared.strip_prefix('$') else { continue };
            let mut words = declared.split(|c: char| c.is_whitespace() || c == ',');
            let name = words.next().unwrap_or_default().to_string();
            let word = words.next().unwrap_or_default();
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
        Ok(QueryHeader { question: words(&comments, "Question:"), inputs: words(&comments, "Inputs:"), parameters })
    }
}

/// The words after a title, to the next line that begins with a word and a colon.
fn words(comments: &[&str], title: &str) -> Option<String> {
    let begins = |line: &&str| {
        let first = line.split_whitespace().next();
        first.is_some_and(|word| word.ends_with(':') && word.starts_with(char::is_uppercase))
    };
    let at = comments.iter().position(|line| line.starts_with(title))?;
    let first = comments[at].strip_prefix(title)?.trim();
    let rest = comments[at + 1..].iter().take_while(|line| !begins(line) && !line.is_empty() && !line.starts_with('$'));
    Some([first].into_iter().chain(rest.copied()).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_tells_the_question_and_the_parameters() {
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
