//! The rules that clean text.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, StringViewArray, StringViewBuilder};
use unicase::UniCase;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::job::Rule;

/// Applies a rule to a text; `None` is NULL.
pub(super) fn clean<'a>(text: Cow<'a, str>, rule: &Rule) -> Option<Cow<'a, str>> {
    Some(match rule {
        Rule::Trim => part(text, str::trim),
        Rule::Rtrim => part(text, trim_end),
        Rule::Squeeze if is_squeezed(&text) => text,
        Rule::Squeeze => Cow::Owned(squeezed(&text)),
        Rule::Nfc => match is_nfc_quick(text.chars()) {
            IsNormalized::Yes => text,
            IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
        },
        Rule::Casefold => Cow::Owned(UniCase::new(text.as_ref()).to_folded_case()),
        Rule::EmptyIsNull if text.is_empty() => return None,
        _ => text,
    })
}

fn part<'a>(text: Cow<'a, str>, cut: fn(&str) -> &str) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(cut(text)),
        Cow::Owned(text) => Cow::Owned(cut(&text).to_owned()),
    }
}

/// Like [`str::trim_end`], without decoding what is ASCII.
fn trim_end(text: &str) -> &str {
    let is_blank = |byte: &u8| matches!(byte, b'\t'..=b'\r' | b' ');
    let end = text.len() - text.bytes().rev().take_while(is_blank).count();
    let text = &text[..end];
    match text.as_bytes().last() {
        Some(last) if !last.is_ascii() => text.trim_end(),
        _ => text,
    }
}

/// Whether all white space in a text is single blanks.
fn is_squeezed(text: &str) -> bool {
    !text.contains("  ") && text.chars().all(|c| c == ' ' || !c.is_whitespace())
}

/// Replaces each run of white space by one blank.
fn squeezed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_whitespace() {
            true if out.ends_with(' ') => {}
            true => out.push(' '),
            false => out.push(c),
        }
    }
    out
}

/// Applies all rules to a text, one after the other.
pub(super) fn clean_all<'a>(text: &'a str, rules: &[&Rule]) -> Option<Cow<'a, str>> {
    rules.iter().try_fold(Cow::Borrowed(text), |text, rule| clean(text, rule))
}

/// The translation of codes, with the codes cleaned like the text that is looked up.
pub(super) fn clean_values<'a>(
    values: impl IntoIterator<Item = (&'a String, &'a String)>,
    rules: &[&Rule],
) -> HashMap<String, String> {
    let clean = |text: &'a String| clean_all(text, rules).map(Cow::into_owned);
    values.into_iter().filter_map(|(old, new)| Some((clean(old)?, clean(new)?))).collect()
}

/// A code with two values once the codes are cleaned.
pub(super) fn ambiguous_code<'a>(values: &'a BTreeMap<String, String>, rules: &[&Rule]) -> Option<&'a str> {
    let cleaned = clean_values(values, rules);
    let differs = |(code, word): &(&String, &String)| {
        let clean = |text| clean_all(text, rules).map(Cow::into_owned);
        matches!((clean(code), clean(word)), (Some(code), Some(word)) if cleaned.get(&code) != Some(&word))
    };
    values.iter().find(differs).map(|(code, _)| code.as_str())
}

/// Replaces every text in a column; NULL stays NULL. A column in which nothing changes is not copied.
pub(super) fn map(texts: &StringViewArray, change: impl Fn(&str) -> Option<Cow<'_, str>>) -> StringViewArray {
    let is_same = |text: &str| matches!(change(text), Some(Cow::Borrowed(same)) if same.len() == text.len());
    let Some(first) = texts.iter().position(|text| text.is_some_and(|text| !is_same(text))) else {
        return texts.clone();
    };
    let mut builder = StringViewBuilder::with_capacity(texts.len());
    texts.iter().take(first).for_each(|text| builder.append_option(text));
    texts.iter().skip(first).for_each(|text| builder.append_option(text.and_then(&change)));
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(text: &str, rule: Rule) -> Option<String> {
        clean(text.into(), &rule).map(Cow::into_owned)
    }

    #[test]
    fn a_column_is_replaced_from_its_first_change_on() {
        let texts = |all: &[Option<&str>]| StringViewArray::from_iter(all.iter().copied());
        let trimmed = |all: &[Option<&str>]| map(&texts(all), |text| clean(text.into(), &Rule::Rtrim));
        let same = [None, Some("a"), Some("longer than twelve bytes"), None];
        assert_eq!(trimmed(&same), texts(&same));
        let mixed = [None, Some("a"), Some("b "), None, Some("longer than twelve bytes  "), Some("")];
        assert_eq!(trimmed(&mixed), texts(&mixed.map(|text| text.map(str::trim_end))));
        assert_eq!(
            map(&texts(&[Some("x"), Some("")]), |text| clean(text.into(), &Rule::EmptyIsNull)),
            texts(&[Some("x"), None])
        );
    }

    #[test]
    fn texts_are_cleaned() {
        assert_eq!(cleaned("\t a b ", Rule::Trim).as_deref(), Some("a b"));
        assert_eq!(cleaned(" a  ", Rule::Rtrim).as_deref(), Some(" a"));
        // all that Unicode calls white space, in any order, and nothing else
        for text in ["", " ", "a", "a\u{a0} ", "é\u{2003}\t\u{85}", "a\u{1f}", "a\u{200b} ", " \u{3000}"] {
            assert_eq!(cleaned(text, Rule::Rtrim).as_deref(), Some(text.trim_end()), "{text:?}");
        }
        for (text, squeezed) in
            [("a  b", "a b"), ("a\t\u{a0}\r\nb", "a b"), ("  a ", " a "), ("a b", "a b"), ("\u{3000}", " "), ("", "")]
        {
            assert_eq!(cleaned(text, Rule::Squeeze).as_deref(), Some(squeezed), "{text:?}");
        }
        assert_eq!(cleaned("e\u{301}", Rule::Nfc).as_deref(), Some("é"));
        assert_eq!(cleaned("STRASSE", Rule::Casefold), cleaned("straße", Rule::Casefold));
        assert_ne!(cleaned("İ", Rule::Casefold), cleaned("i", Rule::Casefold));
        assert_eq!(cleaned("", Rule::EmptyIsNull), None);
        assert_eq!(cleaned(" ", Rule::EmptyIsNull).as_deref(), Some(" "));
    }
}
