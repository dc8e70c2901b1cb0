//! Finds the cells of loaded files that cannot be read as their columns say, with the file and the line of each.

use arrow::array::{Array, StringArray};
use serde::{Deserialize, Serialize};

use crate::columns::ColumnPair;
use crate::equality::plain_types;
use crate::equality::value_text;
use crate::error::Result;
use crate::job::Rule;
use crate::run::Run;
use crate::sides::Side;

/// Cells of one side that cannot be read as their column says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct UnreadableCells {
    /// The name of the pair of columns.
    pub column: String,
    /// The side, `old` or `new`.
    pub side: String,
    /// The type that the cells should have, as in a job file.
    pub reading: String,
    /// How many there are.
    pub cells: u64,
    /// The first few.
    pub first: Vec<UnreadableCell>,
}

/// A cell that cannot be read as its column says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct UnreadableCell {
    /// The file.
    pub file: String,
    /// The line, counted from 1, if the file is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The text of the cell; absent if the column is private.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// How many of them are listed.
const FIRST: usize = 3;

/// Reads the columns of loaded files in which some cells may be unreadable.
pub(crate) fn find(run: &Run) -> Result<Vec<UnreadableCells>> {
    let mut found = vec![];
    for (number, pair) in run.pairing.columns.iter().enumerate() {
        let Some(Rule::As(reading)) = pair.rules().iter().find(|rule| matches!(rule, Rule::As(_))) else { continue };
        for side in Side::BOTH {
            let may_fail = run.snapshots[side].shapes(pair.at[side]).is_some_and(|shapes| !shapes.fit(*reading));
            if may_fail {
                let cells = of_column(run, number, pair, side, reading.to_string())?;
                found.extend(Some(cells).filter(|cells| cells.cells > 0));
            }
        }
    }
    Ok(found)
}

fn of_column(run: &Run, number: usize, pair: &ColumnPair, side: Side, reading: String) -> Result<UnreadableCells> {
    let (engine, snapshot) = (&run.session.engine, &run.snapshots[side]);
    let mut found =
        UnreadableCells { column: pair.name.clone(), side: side.to_string(), reading, cells: 0, first: vec![] };
    let Some(chain) = &pair.chain else { return Ok(found) };
    let mut scan = snapshot.scan(engine, snapshot.all_reads(), &[pair.at[side]])?.uncounted();
    let mut before = 0;
    while let Some(batch) = scan.next_batch()? {
        let array = batch.column(0);
        if let Some(lost) = chain.full(array, side)?.is_lost() {
            found.cells += lost.count_set_bits() as u64;
            for row in lost.set_indices().take(FIRST - found.first.len()) {
                let Some((path, line)) = snapshot.line_of(before + row as u64) else { continue };
                let text = || -> Result<String> {
                    let plain = plain_types::array(&array.slice(row, 1))?;
                    let field = plain_types::field(&pair.name, snapshot.schema.field(pair.at[side]));
                    let texts: StringArray = value_text::column(&plain, &field)?;
                    Ok(texts.value(0).to_string())
                };
                let text = if run.privacy.hides(number) { None } else { Some(text()?) };
                found.first.push(UnreadableCell { file: path.display().to_string(), line, text });
            }
        }
        before += array.len() as u64;
    }
    Ok(found)
}
