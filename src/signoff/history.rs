//! Whether rows matched in earlier pairs of snapshots.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, FixedSizeBinaryArray};
use arrow::datatypes::{DataType, Fields};
use datafusion::logical_expr::ScalarUDF;

use super::SignOffContext;
use super::decide::Requires;
use super::requirements::RequirementCheck;
use crate::columns::DIGEST_BYTES;
use crate::compare::discrepancy::TableColumn;
use crate::error::{Error, Result};
use crate::history::{known_digests, past_unclean};
use crate::report::count;
use crate::sides::Side;
use crate::snapshot::Snapshot;
use crate::sql::row_function;

/// The keys that differed in one of the last pairs of snapshots, as the digests that runs record; `None` if too few
/// pairs are known. `run` is the directory of the run that the sign-off is based on.
pub(super) fn unclean(context: &SignOffContext, run: &Path) -> Result<(Option<Arc<Snapshot>>, RequirementCheck)> {
    let wanted = context.terms.clean_runs as usize - 1;
    let path = past_unclean(context.engine, context.job, context.history, context.privacy, run, wanted)?;
    let pairs = count(wanted as u64, "pair");
    let found = match &path {
        Some(_) => format!("the {pairs} before this one are known"),
        None => format!("fewer than {pairs} before this one are known"),
    };
    let requirement = RequirementCheck { requires: Requires::CleanRuns, holds: path.is_some(), words: found };
    let open = |path: PathBuf| Snapshot::open_table("unclean", &path.display().to_string(), true).map(Arc::new);
    Ok((path.map(open).transpose()?, requirement))
}

/// An SQL function that computes the digest that runs record for a key of one side.
pub(super) fn known_function(name: &str, context: &SignOffContext, side: Side) -> ScalarUDF {
    let layout = context.layout.clone();
    row_function(name, DataType::FixedSizeBinary(DIGEST_BYTES), move |columns| {
        digests(&layout.key_columns(columns, side)?, &layout.fields(TableColumn::Key))
    })
}

/// The same for keys from the table of discrepancies.
pub(super) fn other_known_function(name: &str) -> ScalarUDF {
    row_function(name, DataType::FixedSizeBinary(DIGEST_BYTES), |keys| {
        let keys = keys[0].as_struct();
        digests(keys.columns(), keys.fields())
    })
}

fn digests(keys: &[ArrayRef], fields: &Fields) -> Result<ArrayRef> {
    let digests = known_digests(keys, fields)?;
    let bytes: Vec<u8> = digests.concat();
    Ok(Arc::new(FixedSizeBinaryArray::try_new(DIGEST_BYTES, bytes.into(), None).map_err(Error::internal)?))
}
