//! A whole job file, as serde reads it and as the JSON Schema describes it to editors.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::form::{
    CheckForm, CompareForm, GateForm, GroupForm, InFlightForm, JobSection, ListsForm, MisplacedForm, OutputForm,
    PrivateForm, RetainForm, SegmentsForm, SourceForm, WaiverForm,
};
use super::signoff_form::SignOffForm;

/// A countersign job: two snapshots, how to compare them, what is allowed, and what to write.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JobForm {
    /// A file with settings that this file does not have, such as those that all jobs share, relative to this file.
    #[serde(rename = "defaults")]
    pub _defaults: Option<String>,
    /// General settings of the job.
    #[serde(default)]
    pub job: JobSection,
    /// The snapshot of the store that is being left.
    pub old: SourceForm,
    /// The snapshot of the store that takes over. Without it nothing is compared, and only the checks run.
    pub new: Option<SourceForm>,
    /// Additional tables for queries, by table name.
    #[serde(default)]
    pub tables: BTreeMap<String, SourceForm>,
    /// How rows and columns are compared.
    pub compare: Option<CompareForm>,
    /// How many discrepancies are allowed. The limit of a class without a setting is 0.
    #[serde(default)]
    pub gate: GateForm,
    /// Which discrepancies the times of the snapshots explain.
    pub in_flight: Option<InFlightForm>,
    /// Search for values that are correct but under another key.
    pub misplaced: Option<MisplacedForm>,
    /// Known differences that are accepted until they expire.
    #[serde(default)]
    pub waiver: Vec<WaiverForm>,
    /// A file with more waivers, which several jobs may share.
    pub waivers: Option<String>,
    /// By which columns or expressions discrepancies are counted.
    #[serde(default)]
    pub segments: SegmentsForm,
    /// SQL assertions. The rows of their results are violations.
    #[serde(default)]
    pub check: Vec<CheckForm>,
    /// Rows that move as a whole.
    #[serde(default)]
    pub group: GroupForm,
    /// Columns whose values may not be in any output.
    pub private: Option<PrivateForm>,
    /// What may be deleted, and the conditions for it: `countersign signoff`.
    pub signoff: Option<SignOffForm>,
    /// The contents of the ID lists.
    #[serde(default)]
    pub lists: ListsForm,
    /// Where runs are written.
    #[serde(default)]
    pub output: OutputForm,
    /// What to keep of old runs. Defaults to everything.
    pub retain: Option<RetainForm>,
}
