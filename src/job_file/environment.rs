//! `${VAR}` in a job file.

/// Puts the values of variables in their places: `${VAR}`, which has to be set, and `${VAR:-default}`.
pub fn expand(text: &str, value_of: impl Fn(&str) -> Option<String>) -> Result<String, String> {
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
            (Some(value), _) => out += &value,
            (None, Some(default)) => out += default,
            (None, None) => {
                return Err(format!("the variable {name} is not set; set it, or give a default: ${{{name}:-…}}"));
            }
        }
        rest = behind;
    }
    Ok(out + rest)
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn variables_are_put_in_their_places() {
        let value_of = |name: &str| (name == "DAY").then(|| "2026-11-20".to_string());
        assert_eq!(expand("a/${DAY}/b", value_of).unwrap(), "a/2026-11-20/b");
        assert_eq!(expand("${X:-y}${DAY:-z}", value_of).unwrap(), "y2026-11-20");
        assert_eq!(expand("$DAY 5$", value_of).unwrap(), "$DAY 5$");
        assert!(expand("${X}", value_of).unwrap_err().contains("X is not set"));
        assert!(expand("${X", value_of).is_err());
    }
}
