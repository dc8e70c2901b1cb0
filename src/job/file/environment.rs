//! Expands `${VAR}` in a job file.

use crate::job;

/// Substitutes variables: `${VAR}`, which must be set, and `${VAR:-default}`.
pub(super) fn expand(text: &str, value_of: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    fill(text, value_of, |out, value| *out += value)
}

/// Returns the part of a path that is the same every night. Values of variables may vary, unless they choose among
/// files.
pub(super) fn layout(path: &str) -> String {
    layout_by(path, |name| std::env::var(name).ok())
}

fn layout_by(path: &str, value_of: impl Fn(&str) -> Option<String>) -> String {
    let settled = fill(path, value_of, |out, value| match job::decides(value) {
        true => *out += value,
        false => out.push(job::VARIES),
    });
    // a path with an unset variable is an error, and nothing is read from it
    job::layout(settled.as_deref().unwrap_or(path))
}

fn fill(
    text: &str,
    value_of: impl Fn(&str) -> Option<String>,
    put: impl Fn(&mut String, &str),
) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out += before;
        let (inner, behind) = after.split_once('}').ok_or_else(|| format!("`${{{after}` has no closing brace"))?;
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        match (value_of(name).filter(|value| !value.is_empty()), default) {
            (Some(value), _) => put(&mut out, &value),
            (None, Some(default)) => put(&mut out, default),
            (None, None) => {
                return Err(format!(
                    "environment variable {name} is not set; set it, or add a default: ${{{name}:-…}}"
                ));
            }
        }
        rest = behind;
    }
    Ok(out + rest)
}

#[cfg(test)]
mod tests {
    use super::{expand, layout_by};

    #[test]
    fn variables_are_substituted() {
        let value_of = |name: &str| (name == "DAY").then(|| "2026-11-20".to_string());
        assert_eq!(expand("a/${DAY}/b", value_of).unwrap(), "a/2026-11-20/b");
        assert_eq!(expand("${X:-y}${DAY:-z}", value_of).unwrap(), "y2026-11-20");
        assert_eq!(expand("$DAY 5$", value_of).unwrap(), "$DAY 5$");
        assert!(expand("${X}", value_of).unwrap_err().contains("X is not set"));
        assert!(expand("${X", value_of).is_err());
    }

    #[test]
    fn a_variable_decides_only_where_its_value_chooses_files() {
        let layout =
            |path: &str, value: &str| layout_by(path, |_| Some(value.to_string()).filter(|text| !text.is_empty()));
        assert_eq!(layout("exports/${NIGHT}/old", "monday"), layout("exports/${NIGHT}/old", "2026-11-27"));
        assert_eq!(layout("exports/${NIGHT:-first}/old", ""), layout("exports/${NIGHT:-first}/old", "second"));
        assert_eq!(layout("exports/${NIGHT}/old", "monday"), layout("exports/2026-11-27/old", ""));
        assert_ne!(layout("exports/${PART}", "a*.parquet"), layout("exports/${PART}", "*.parquet"));
        assert_ne!(layout("exports/${PART}", "region=1"), layout("exports/${PART}", "region=2"));
    }
}
