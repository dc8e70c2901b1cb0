//! User-defined functions that SQL queries can call.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::error::Result;

type Compute = dyn Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync;

/// A function that yields one value of type `yields` for each row of the columns that it is given.
///
/// In one query, different functions need different names: the optimizer takes two calls with the same name and the same
/// arguments for one column.
pub(crate) fn row_function(
    name: &str,
    yields: DataType,
    compute: impl Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync + 'static,
) -> ScalarUDF {
    let signature = Signature::variadic_any(Volatility::Immutable);
    ScalarUDF::from(RowFunction { name: name.into(), yields, compute: Arc::new(compute), signature })
}

struct RowFunction {
    name: String,
    yields: DataType,
    compute: Arc<Compute>,
    signature: Signature,
}

impl fmt::Debug for RowFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for RowFunction {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.compute, &other.compute)
    }
}

impl Eq for RowFunction {}

impl Hash for RowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for RowFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> datafusion::error::Result<DataType> {
        Ok(self.yields.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> datafusion::error::Result<ColumnarValue> {
        let columns = args.args.iter().map(|column| column.to_array(args.number_rows));
        let columns = columns.collect::<datafusion::error::Result<Vec<_>>>()?;
        let values = (self.compute)(&columns).map_err(|error| DataFusionError::External(error.into()))?;
        Ok(ColumnarValue::Array(values))
    }
}
