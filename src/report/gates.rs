//! What a job allows, against what was found.

use serde::{Deserialize, Serialize};

use super::grouped;
use crate::columns::Pairing;
use crate::discrepancy::Tally;
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
pub struct Gates(Vec<Checked>);

struct Checked {
    report: GateReport,
    named: bool,
    nouns: (String, String),
}

/// Holds what was found against the gates. A class without a gate is not allowed any.
///
/// Where the job names columns and no number for all mismatches, the columns speak for the class: one that is
/// not named is not allowed any.
pub fn check(gate: &Gate, tally: &Tally, pairing: &Pairing) -> Gates {
    let paired = tally.matched() + tally.mismatch;
    let mut gates = Gates(vec![]);
    let by_column = !gate.columns.is_empty();
    if gate.mismatch.is_some() || !by_column {
        gates.add("mismatch", &gate.mismatch, tally.mismatch, paired, ("mismatch", "mismatches"));
    }
    for (column, counts) in pairing.columns.iter().zip(&tally.columns).filter(|_| by_column) {
        let allowance = gate.columns.iter().find(|(name, _)| name.text == column.name);
        let allowance = allowance.map(|(_, allowance)| allowance.clone());
        if allowance.is_some() || gate.mismatch.is_none() {
            let nouns = ["mismatch", "mismatches"].map(|noun| format!("{noun} in column {}", column.name));
            let [one, many] = &nouns;
            gates.add(&format!("columns.{}", column.name), &allowance, counts.mismatches, paired, (one, many));
        }
    }
    gates.add("missing", &gate.missing, tally.missing, tally.rows.old, ("missing row", "missing rows"));
    gates.add("extra", &gate.extra, tally.extra, tally.rows.new, ("extra row", "extra rows"));
    let rows = tally.rows.old.max(tally.rows.new);
    gates.add("duplicate_keys", &gate.duplicate_keys, tally.duplicate_keys, rows, ("duplicate key", "duplicate keys"));
    gates
}

impl Gates {
    fn add(&mut self, gate: &str, allowance: &Option<Allowance>, found: u64, rows: u64, nouns: (&str, &str)) {
        let allowed = allowance.as_ref().unwrap_or(&Allowance::NONE);
        let within = allowed.allows(found, rows);
        let report = GateReport { gate: gate.into(), allowed: allowed.to_string(), found, within };
        self.0.push(Checked { report, named: allowance.is_some(), nouns: (nouns.0.into(), nouns.1.into()) });
    }

    /// Whether everything that was found is allowed.
    pub fn all_within(&self) -> bool {
        self.0.iter().all(|gate| gate.report.within)
    }

    /// The gates that the job names.
    pub fn named(&self) -> Vec<GateReport> {
        self.0.iter().filter(|gate| gate.named).map(|gate| gate.report.clone()).collect()
    }

    /// What was found, in words: one line for what no gate speaks of, and one for each gate.
    pub fn reasons(&self) -> Vec<String> {
        let found = self.0.iter().filter(|gate| gate.report.found > 0);
        let (named, unnamed): (Vec<_>, Vec<_>) = found.partition(|gate| gate.named);
        let plain: Vec<String> = unnamed.iter().map(|gate| gate.words()).collect();
        let mut reasons = if plain.is_empty() { vec![] } else { vec![plain.join(", ")] };
        reasons.extend(named.iter().map(|gate| match gate.report.within {
            true => format!("accepted: {}, where {}", gate.words(), gate.allowed_words("")),
            false => format!("{}, where {}", gate.words(), gate.allowed_words("only ")),
        }));
        reasons
    }
}

impl Checked {
    fn allowed_words(&self, only: &str) -> String {
        match self.report.allowed.as_str() {
            "1" => format!("{only}1 is allowed"),
            "0" => "none is allowed".into(),
            allowed => format!("{only}{allowed} are allowed"),
        }
    }

    fn words(&self) -> String {
        let noun = if self.report.found == 1 { &self.nouns.0 } else { &self.nouns.1 };
        format!("{} {noun}", grouped(self.report.found))
    }
}
