//! Writes a proposal as a job file.

use std::fmt::Write;

use arrow::datatypes::DataType;

use super::Proposal;
use super::columns::PairedColumns;
use super::explain::Suggestion;
use super::key::Tested;
use crate::equality::canonical::domain::Family;
use crate::equality::value_text::escaped;
use crate::job::rule::{ParseAs, quoted};
use crate::job::{Rule, RuleSettings, Source};
use crate::report::{count, grouped};
use crate::sides::Side;

/// The text of the job file.
pub(super) fn job_file(proposal: &Proposal) -> String {
    let mut out = String::new();
    let Proposal { sources, rows, .. } = proposal;
    let _ = writeln!(
        out,
        "# Proposed by countersign {} from {} of old and {} of new.",
        env!("CARGO_PKG_VERSION"),
        count(rows.old, "row"),
        count(rows.new, "row")
    );
    let status = match undecided(proposal).next() {
        None => "It can run as it is.",
        Some(_) => "Before it runs, decide on the columns below that cannot be compared.",
    };
    let _ =
        writeln!(out, "# {status} Lines with # directly before a setting are suggestions: remove the # to use one.\n");
    for pair in undecided(proposal) {
        let types = pair.types();
        let line = format!("`{}` cannot be compared: {} in old, {} in new.", pair.name, types.old, types.new);
        let _ = writeln!(out, "# {}\n# {}\n", escaped(&line), advice(pair));
    }
    for side in Side::BOTH {
        let Source { path, further_paths, format, .. } = &sources[side];
        let paths: Vec<String> = [path].into_iter().chain(further_paths).map(|path| quoted(&path.text)).collect();
        let _ = match paths.as_slice() {
            [path] => writeln!(out, "[{side}]\npath = {path}"),
            paths => writeln!(out, "[{side}]\npath = [{}]", paths.join(", ")),
        };
        if let Some(preset) = format.preset {
            let _ = writeln!(out, "preset = {}", quoted(preset.name()));
        }
        if !format.columns.is_empty() {
            let names: Vec<String> = format.columns.iter().map(|name| quoted(name)).collect();
            let _ = writeln!(out, "columns = [{}]", names.join(", "));
        }
        if let Some(time) = &proposal.taken_at[side] {
            let _ = writeln!(out, "taken_at = {}", quoted(time));
        }
        out.push('\n');
    }
    compare(proposal, &mut out);
    let shared = shared(proposal);
    for (rule, columns) in &shared {
        share_rule(rule, columns, &mut out);
    }
    for (pair, suggestion) in proposal.columns.pairs.iter().zip(&proposal.suggestions) {
        let is_shared = |(_, columns): &Shared| columns.iter().any(|(own, _)| own.name == pair.name);
        column(pair, suggestion, shared.iter().any(is_shared), &mut out);
    }
    for perhaps in &proposal.columns.perhaps {
        let _ = writeln!(out, "\n# {perhaps}");
    }
    for names in &proposal.columns.similar {
        let _ = writeln!(
            out,
            "\n# `{}` is only in old and `{}` is only in new; if they are the same column:\n\
             #[compare.columns.{}]\n#old = {}",
            escaped(&names.old),
            escaped(&names.new),
            key_of(&names.new),
            quoted(&names.old)
        );
    }
    out
}

fn compare(proposal: &Proposal, out: &mut String) {
    out.push_str("[compare]\n");
    let Proposal { key, columns, suggestions, tally, .. } = proposal;
    for tested in &key.tested {
        let _ = writeln!(out, "# {}", describe(tested));
    }
    match key.columns.as_slice() {
        [] => {
            out.push_str(
                "# no combination of up to three columns identifies (nearly) every row on both sides; \
                 if you know the key, name it here\n",
            );
            out.push_str("no_key = true\n");
        }
        names => {
            let chosen = key.tested.iter().find(|tested| tested.columns == names);
            if chosen.is_some_and(|chosen| chosen.duplicate_keys + chosen.nulls > 0) {
                out.push_str("# these few may be errors in the data: they are reported as duplicate keys\n");
            }
            for pair in columns.pairs.iter().filter(|pair| names.contains(&pair.name) && pair.has_floats()) {
                let line = format!(
                    "`{}` is a float on a side, and floats above 2^53 (9,007,199,254,740,992) do not represent every \
                     whole number: export it as an integer or as text; with as = \"float\", more keys match, but \
                     adjacent IDs become equal",
                    pair.name
                );
                let _ = writeln!(out, "# {}", escaped(&line));
            }
            let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            let _ = writeln!(out, "key = [{}]", names.join(", "));
        }
    }
    let mut items: Vec<String> = vec![];
    for pair in undecided(proposal) {
        let types = pair.types();
        let why = format!("{} in old, {} in new: no rule makes them comparable", types.old, types.new);
        items.push(format!("#    {},  # {}", quoted(&pair.name), escaped(&why)));
    }
    let paired = tally.matched() + tally.mismatch;
    for (pair, suggestion) in columns.pairs.iter().zip(suggestions) {
        if suggestion.noise {
            let differs = format!(
                "looks like a load time: differs in {} of {} pairs",
                grouped(suggestion.mismatches),
                grouped(paired)
            );
            items.push(format!("#    {},  # {differs}", quoted(&pair.name)));
        } else if suggestion.load_time && suggestion.mismatches > 0 {
            items.push(format!("#    {},  # has the name of a load time", quoted(&pair.name)));
        }
    }
    for side in Side::BOTH {
        for name in &columns.left[side] {
            items.push(format!("#    {},  # only in {side}", quoted(name)));
        }
    }
    if !items.is_empty() {
        let _ = writeln!(out, "ignore = [\n{}\n]", items.join("\n"));
    }
}

fn describe(tested: &Tested) -> String {
    let names = escaped(&tested.columns.join(", "));
    let repeats = match tested.duplicate_keys {
        0 => "unique on both sides".to_string(),
        keys => format!(
            "{} on a side",
            if keys == 1 { "1 key repeats".into() } else { format!("{} keys repeat", grouped(keys)) }
        ),
    };
    let nulls = match tested.nulls {
        0 => "never NULL".to_string(),
        rows => format!("NULL in {}", count(rows, "row")),
    };
    let rules = lines(&tested.rules);
    let under = if rules.is_empty() { String::new() } else { format!(" with {}", rules.join(", ")) };
    format!(
        "key candidate {names}{under}: {repeats}, {nulls}, {} paired ({:.1} %)",
        grouped(tested.paired),
        tested.overlap * 100.0
    )
}

/// The pairs that neither a rule nor an expression makes comparable.
pub(super) fn undecided(proposal: &Proposal) -> impl Iterator<Item = &PairedColumns> {
    proposal.columns.pairs.iter().filter(|pair| !pair.comparable && pair.expression.is_none())
}

/// What can be done about a pair that cannot be compared.
fn advice(pair: &PairedColumns) -> String {
    let families = pair.families();
    let is = |wanted: &[Family]| families.iter().any(|family| family.is_some_and(|family| wanted.contains(&family)));
    let name = escaped(&pair.name);
    let nested = [Family::Struct, Family::Map, Family::List];
    if is(&[Family::Text]) && is(&nested) {
        return format!(
            "Export it as text on both sides (PostgreSQL: {name}::text, DuckDB: to_json({name})) and set as = \"json\","
        ) + " or ignore it below.";
    }
    if is(&nested) {
        return "Convert one side with old_expr, new_expr, or a query, or ignore it below.".into();
    }
    "Convert one side with old_expr or new_expr, or ignore it below.".into()
}

/// A rule, and the columns that need only this rule.
type Shared<'a> = (&'a RuleSettings, Vec<(&'a PairedColumns, &'a Suggestion)>);

/// Rules that are all that several columns need, mostly for padding.
fn shared(proposal: &Proposal) -> Vec<Shared<'_>> {
    let mut shared: Vec<Shared> = vec![];
    for (pair, suggestion) in proposal.columns.pairs.iter().zip(&proposal.suggestions) {
        let [(rule, _)] = suggestion.rules.as_slice() else { continue };
        let is_bare = pair.offers.is_empty()
            && pair.comparable
            && pair.named_rules() == RuleSettings::default()
            && !pair.is_renamed();
        // a `*` in a name would be a pattern
        if !is_bare || rule.values.is_some() || pair.name.contains('*') {
            continue;
        }
        match shared.iter_mut().find(|(own, _)| *own == rule) {
            Some((_, columns)) => columns.push((pair, suggestion)),
            None => shared.push((rule, vec![(pair, suggestion)])),
        }
    }
    shared.retain(|(_, columns)| columns.len() > 1);
    shared
}

fn share_rule(rule: &RuleSettings, columns: &[(&PairedColumns, &Suggestion)], out: &mut String) {
    out.push('\n');
    for (pair, suggestion) in columns {
        let explained = suggestion.rules.first().map_or(0, |(_, explained)| *explained);
        let _ = writeln!(out, "# `{}`: {}", escaped(&pair.name), explains(suggestion, explained));
    }
    let names: Vec<String> = columns.iter().map(|(pair, _)| quoted(&pair.name)).collect();
    let _ = writeln!(out, "#[[compare.rules]]\n#columns = [{}]", names.join(", "));
    lines(rule).iter().for_each(|line| {
        let _ = writeln!(out, "#{line}");
    });
}

/// The share of the mismatches that rules explain, as text.
fn explains(suggestion: &Suggestion, explained: usize) -> String {
    let share = explained as f64 / suggestion.sampled.max(1) as f64 * 100.0;
    let all = grouped(suggestion.mismatches);
    match suggestion.mismatches as usize == suggestion.sampled {
        true => format!("explains {share:.1} % of {all} mismatches"),
        false => {
            format!("explains {share:.1} % of a sample of {} of {all} mismatches", grouped(suggestion.sampled as u64))
        }
    }
}

/// Whether 64-bit floats lose digits of the other side's numbers.
fn lost_digits(pair: &PairedColumns, suggestion: &Suggestion) -> bool {
    let is_exact = |own: &DataType| matches!(own, DataType::Int64 | DataType::UInt64) || own.is_decimal();
    pair.has_floats()
        && pair.fields.iter().any(|field| is_exact(field.data_type()))
        && suggestion.rules.iter().any(|(rule, _)| rule.reading == Some(ParseAs::Float))
}

fn column(pair: &PairedColumns, suggestion: &Suggestion, is_shared: bool, out: &mut String) {
    let rules = lines(&pair.named_rules());
    let renamed = pair.is_renamed();
    let is_settled = pair.comparable || pair.expression.is_some();
    let is_active = !rules.is_empty() || renamed || pair.expression.is_some();
    if !is_settled || !is_active && suggestion.rules.is_empty() && pair.offers.is_empty() || is_shared {
        for objection in &suggestion.objections {
            let _ = writeln!(out, "\n# `{}`: {}", escaped(&pair.name), escaped(objection));
        }
        return;
    }
    let types = pair.types();
    let off = if is_active { "" } else { "#" };
    let _ = writeln!(
        out,
        "\n{off}[compare.columns.{}]  # {} in old, {} in new",
        key_of(&pair.name),
        escaped(&types.old),
        escaped(&types.new)
    );
    for note in &pair.notes {
        let _ = writeln!(out, "# {note}");
    }
    if renamed && pair.expression.is_none() {
        let _ = writeln!(out, "old = {}", quoted(&pair.old));
    }
    if let Some((side, expression)) = &pair.expression {
        let _ = writeln!(out, "{}", Rule::Expression(*side, expression.clone()));
    }
    for rule in rules {
        let _ = writeln!(out, "{rule}");
    }
    for offer in &pair.offers {
        let _ = writeln!(out, "#{offer}");
    }
    if lost_digits(pair, suggestion) {
        let _ = writeln!(
            out,
            "# a float has 15 to 17 significant digits, and only these can be compared: export longer numbers as text"
        );
    }
    let active = names(&pair.named_rules());
    for (rule, explained) in &suggestion.rules {
        let explained = explains(suggestion, *explained);
        let so_far = if suggestion.rules.len() > 1 { " up to here" } else { "" };
        // TOML does not allow a setting twice
        let again = names(rule).iter().any(|name| active.contains(name));
        for line in lines(rule) {
            let _ = match again {
                true => writeln!(out, "# {line} instead of the line above {explained}{so_far}"),
                false => writeln!(out, "#{line}  # {explained}{so_far}"),
            };
        }
    }
    for objection in &suggestion.objections {
        let _ = writeln!(out, "# {}", escaped(objection));
    }
}

fn names(rules: &RuleSettings) -> Vec<&'static str> {
    rules.rules().unwrap_or_default().iter().map(Rule::name).collect()
}

/// The settings as lines of a job file.
fn lines(rules: &RuleSettings) -> Vec<String> {
    rules.rules().unwrap_or_default().iter().map(Rule::to_string).collect()
}

fn key_of(name: &str) -> String {
    match !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        true => name.into(),
        false => quoted(name),
    }
}
