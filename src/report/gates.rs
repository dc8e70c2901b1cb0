//! What a job allows, against what was found.

use serde::{Deserialize, Serialize};

use super::grouped;
use crate::class::{ByClass, Class};
use crate::columns::Pairing;
use crate::compare::discrepancy::Tally;
use crate::explain::GateCounts;
use crate::job::{Allowance, Gate};

/// What was allowed, and what was found of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GateReport {
    /// The gate, as the job names it: a class, or `columns.` and a column.
    pub gate: String,
    /// How many are allowed: a number, or a share of the rows.
    pub allowed: String,
    /// How many were found.
    pub found: u64,
    /// Whether that is allowed.
    pub within: bool,
}

/// All gates of a run, named by the job or not.
pub(super) struct Gates(Vec<GateCheck>);

struct GateCheck {
    report: GateReport,
    named: bool,
    nouns: (String, String),
}

/// Holds what counts against the gates. A class without a gate is not allowed any; one that has only a gate for what is
/// new is judged by that alone.
///
/// Where the job names columns and no number for all mismatches, the columns speak for the class: one that is
/// not named is not allowed any.
pub(super) fn check(gate: &Gate, tally: &Tally, weighed: &GateCounts, pairing: &Pairing) -> Gates {
    let paired = tally.matched() + tally.mismatch;
    let rows = ByClass {
        mismatch: paired,
        missing: tally.rows.old,
        extra: tally.rows.new,
        duplicate_keys: tally.rows.old.max(tally.rows.new),
    };
    let mut gates = Gates(vec![]);
    for class in Class::ALL {
        let (allowance, new) = (&gate.classes[class], &gate.new[class]);
        let by_column = class == Class::Mismatch && !gate.columns.is_empty();
        if allowance.is_some() || (new.is_none() && !by_column) {
            let nouns = (class.label(1), class.label(2));
            gates.add(class.field_name(), allowance, weighed.counts[class], rows[class], nouns);
        }
        if new.is_some() {
            // `new` is a word of the history: what the run before did not have
            let nouns = [1, 2].map(|count| format!("{} that did not count before", class.label(count)));
            let [one, many] = &nouns;
            gates.add(&format!("new_{}", class.field_name()), new, weighed.new[class], rows[class], (one, many));
        }
        if !by_column {
            continue;
        }
        for (column, &found) in pairing.columns.iter().zip(&weighed.columns) {
            let named = gate.columns.iter().find(|(name, _)| name.text == column.name);
            let named = named.map(|(_, allowance)| allowance.clone());
            if named.is_some() || (allowance.is_none() && new.is_none()) {
                let nouns = [1, 2].map(|count| format!("{} in column {}", class.label(count), column.name));
                let [one, many] = &nouns;
                gates.add(&format!("columns.{}", column.name), &named, found, paired, (one, many));
            }
        }
    }
    gates
}

impl Gates {
    fn add(&mut self, gate: &str, allowance: &Option<Allowance>, found: u64, rows: u64, nouns: (&str, &str)) {
        let allowed = allowance.as_ref().unwrap_or(&Allowance::NONE);
        let within = allowed.allows(found, rows);
        let report = GateReport { gate: gate.into(), allowed: allowed.to_string(), found, within };
        self.0.push(GateCheck { report, named: allowance.is_some(), nouns: (nouns.0.into(), nouns.1.into()) });
    }

    /// Whether everything that was found is allowed.
    pub(super) fn all_within(&self) -> bool {
        self.0.iter().all(|gate| gate.report.within)
    }

    /// The gates that the job names.
    pub(super) fn named(&self) -> Vec<GateReport> {
        self.0.iter().filter(|gate| gate.named).map(|gate| gate.report.clone()).collect()
    }

    /// The findings: a line for everything without a gate, and one for each gate.
    pub(super) fn reasons(&self) -> Vec<String> {
        let found = self.0.iter().filter(|gate| gate.report.found > 0);
        let (named, unnamed): (Vec<_>, Vec<_>) = found.partition(|gate| gate.named);
        let plain: Vec<String> = unnamed.iter().map(|gate| gate.describe()).collect();
        let mut reasons = if plain.is_empty() { vec![] } else { vec![plain.join(", ")] };
        reasons.extend(named.iter().map(|gate| match gate.report.within {
            true => format!("accepted: {}, where {}", gate.describe(), gate.describe_allowed("")),
            false => format!("{}, where {}", gate.describe(), gate.describe_allowed("only ")),
        }));
        reasons
    }
}

impl GateCheck {
    fn describe_allowed(&self, only: &str) -> String {
        match self.report.allowed.as_str() {
            "1" => format!("{only}1 is allowed"),
            "0" => "none is allowed".into(),
            allowed => format!("{only}{allowed} are allowed"),
        }
    }

    fn describe(&self) -> String {
        let noun = if self.report.found == 1 { &self.nouns.0 } else { &self.nouns.1 };
        format!("{} {noun}", grouped(self.report.found))
    }
}
