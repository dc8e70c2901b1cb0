//! The columns of both sides, as they are paired so far.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Field;

use crate::job::RuleSettings;
use crate::sides::{Side, Sides};

/// Two columns that are paired.
pub(super) struct PairedColumns {
    /// New's name.
    pub name: String,
    /// Old's name.
    pub old: String,
    pub fields: Sides<Field>,
    /// The rules that the types need.
    pub rules: RuleSettings,
    /// Those of them that a comparison implies, so that the job need not name them.
    pub implied: RuleSettings,
    /// Whether the columns can be compared with these rules.
    pub comparable: bool,
    /// An expression that makes one side's column comparable, and that side.
    pub expression: Option<(Side, String)>,
    /// Reasons for or against the choice: comments of the job file.
    pub notes: Vec<String>,
    /// Settings that could follow the active ones, with their reasons. They are written commented out.
    pub offers: Vec<String>,
    /// Sampled cells of each side.
    pub sample: Sides<ArrayRef>,
}

/// The columns of both sides.
pub(super) struct Columns {
    /// The pairs, in new's column order.
    pub pairs: Vec<PairedColumns>,
    /// Columns that only one side has.
    pub left: Sides<Vec<String>>,
    /// Unpaired columns with similar names.
    pub similar: Vec<Sides<String>>,
    /// Pairs that the values suggest but do not prove: comments of the job file.
    pub perhaps: Vec<String>,
    /// Sampled rows of each side.
    pub samples: Sides<RecordBatch>,
}
