//! Whether rows matched in earlier pairs of snapshots.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, FixedSizeBinaryArray};
use arrow::datatypes::{DataType, Fields};
use datafusion::logical_expr::Expr;

use super::SignOffContext;
use super::decide::{RequirementCheck, Requires};
use crate::columns::DIGEST_BYTES;
use crate::compare::discrepancy::TableColumn;
use crate::error::{Error, Result};
use crate::history::{known_digests, past_unclean};
use crate::report::count;
use crate::sides::Side;
use crate::snapshot::Snapshot;
use crate::sql::{column, row_function};

/// The keys that differed in one of the last pairs of snapshots, as the digests that runs record; `None` if too few
/// pairs are known. `run` is the directory of the run that the sign-off is based on.
pub(super) fn unclean(context: &SignOffContext, run: &Path) -> Result<(Option<Arc<Snapshot>>, RequirementCheck)> {
    let wanted = context.terms.clean_runs as usize - 1;
    let path = past_unclean(context.engine, context.job, context.history, context.privacy, run, wanted)?;
    let pairs = count(wanted as u64, "pair");
    let found = match &path {
        Some(_) => format!("known: {pairs} before this one"),
        None => format!("known: fewer than {pairs} before this one"),
    };
    let requirement = RequirementCheck { requires: Requires::CleanRuns, holds: path.is_some(), description: found };
    let open = |path: PathBuf| Snapshot::open_table("unclean", &path.display().to_string()).map(Arc::new);
    Ok((path.map(open).transpose()?, requirement))
}

/// The digest by which runs know the keys of one side's table.
pub(super) fn known_key(context: &SignOffContext, side: Side) -> Expr {
    let layout = context.layout.clone();
    let function = row_function("known_key", DataType::FixedSizeBinary(DIGEST_BYTES), move |columns| {
        digests(&layout.key_columns(columns, side)?, &layout.fields(TableColumn::Key))
    });
    function.call(context.keys.columns(side))
}

/// The same for keys as the table of discrepancies holds them, in one column.
pub(super) fn known_key_of(keys: &str) -> Expr {
    let function = row_function("known_key_of", DataType::FixedSizeBinary(DIGEST_BYTES), |keys| {
        let keys = keys[0].as_struct();
        digests(keys.columns(), keys.fields())
    });
    function.call(vec![column(keys)])
}

fn digests(keys: &[ArrayRef], fields: &Fields) -> Result<ArrayRef> {
    let digests = known_digests(keys, fields)?;
    let bytes: Vec<u8> = digests.concat();
    Ok(Arc::new(FixedSizeBinaryArray::try_new(DIGEST_BYTES, bytes.into(), None).map_err(Error::internal)?))
}
