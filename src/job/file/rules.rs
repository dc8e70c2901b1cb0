//! Rules without a job: those of `diff --rule` and `diff --rules`.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::document::{Document, JobMistake};
use super::form::RulesForm;
use super::{FormReader, check, refusal};
use crate::error::{Error, Result};
use crate::job::{ColumnSettings, Origin};
use crate::regular_file::{self, TEXT_BYTES_MAX};

/// The name of the option, for messages.
const OPTION: &str = "--rule";

/// A file with rules: the sections of a job about them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RulesFile {
    #[serde(default)]
    compare: RulesForm,
}

/// Reads the rules of a file, and adds those of options such as `amount: as=decimal, round=2`.
///
/// # Errors
/// If the file cannot be read, or with everything that is wrong in it and in the options.
pub(crate) fn read_rules(file: Option<&Path>, options: &[String]) -> Result<Vec<ColumnSettings>> {
    let text = match file {
        Some(file) => regular_file::read_text(file, TEXT_BYTES_MAX).map_err(Error::unreadable(file))?,
        None => String::new(),
    };
    let file = file.unwrap_or(Path::new(OPTION));
    let mut document = Document::parse(file, &text).map_err(|mistakes| refusal(file, mistakes))?;
    for option in options {
        add(&mut document, option).map_err(|reason| Error::request(Origin::RuleFlag(option.clone()), reason))?;
    }
    let (mistakes, sound) = check::check(&document, schemars::schema_for!(RulesFile).as_value());
    let dir = file.parent().unwrap_or(Path::new(""));
    let mut reader = FormReader { document: &document, file, dir, mistakes };
    let form: RulesFile = match serde_json::from_value(sound.to_json()) {
        Ok(form) => form,
        Err(error) if reader.mistakes.is_empty() => {
            let mistake = JobMistake { origin: file.display().to_string(), message: error.to_string() };
            return Err(refusal(file, vec![mistake]));
        }
        Err(_) => RulesFile::default(),
    };
    let RulesForm { types, rules, columns } = form.compare;
    let settings = reader.columns(types, rules, columns);
    match reader.mistakes.is_empty() {
        true => Ok(settings),
        false => Err(refusal(file, reader.mistakes)),
    }
}

/// Adds `COLUMN: RULE=VALUE, …` to the settings of the column.
fn add(document: &mut Document, option: &str) -> Result<(), String> {
    let expected = "expected COLUMN: RULE=VALUE, such as 'amount: as=decimal'";
    let (column, rules) = option.split_once(':').ok_or(expected)?;
    for rule in split(rules) {
        let (name, value) = rule.split_once('=').ok_or(expected)?;
        let origin = Origin::RuleFlag(option.into());
        document.put_text(&["compare", "columns", column.trim(), name.trim()], value.trim(), origin)?;
    }
    Ok(())
}

/// Splits at commas outside of quotes and brackets.
fn split(rules: &str) -> Vec<&str> {
    let (mut depth, mut quote, mut start) = (0_i32, None, 0);
    let mut parts = vec![];
    for (at, c) in rules.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(&rules[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&rules[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Rule, RuleSettings};

    fn rules(options: &[&str]) -> Result<Vec<(String, Vec<String>)>, String> {
        let options: Vec<String> = options.iter().map(|option| option.to_string()).collect();
        let settings = read_rules(None, &options).map_err(|error| error.to_string())?;
        let lines = |rules: &RuleSettings| rules.rules().unwrap().iter().map(Rule::to_string).collect();
        Ok(settings.iter().map(|own| (own.names[0].text.clone(), lines(&own.rules))).collect())
    }

    #[test]
    fn options_are_rules_as_in_a_job() {
        let expected = vec![
            ("a.b c".to_string(), vec!["trim = true".to_string(), "as = \"decimal\"".into(), "round = 2".into()]),
            ("s".into(), vec!["values = { \"A\" = \"a,b\", \"B\" = \"c\" }".into()]),
            ("t".into(), vec!["tolerance = \"5s\"".into()]),
        ];
        let options = [
            "a.b c: as=decimal, round=2",
            "a.b c:trim=true",
            "s: values={ A = \"a,b\", B = \"c\" }",
            "t: tolerance=5s",
        ];
        assert_eq!(rules(&options).unwrap(), expected);
        for (option, reason) in [
            ("amount", "expected COLUMN: RULE=VALUE"),
            ("amount: round", "expected COLUMN: RULE=VALUE"),
            ("amount: rond=2", "unknown key `rond`; did you mean `round`?"),
            (
                "amount: as=decimals",
                "--rule 'amount: as=decimals': `compare.columns.amount.as` is \"decimals\"; did you mean",
            ),
        ] {
            let message = rules(&[option]).unwrap_err();
            assert!(message.contains(reason), "{option}: {message}");
        }
    }
}
