//! `octet_length`, `bit_length`, and `length` for text and binary. DataFusion's functions support only text, and treat
//! binary values as badly encoded text.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

pub(super) fn functions() -> [ScalarUDF; 3] {
    [Unit::Octets, Unit::Bits, Unit::Own].map(|unit| ScalarUDF::from(LengthFunction { unit, signature: any_one() }))
}

fn any_one() -> Signature {
    Signature::any(1, Volatility::Immutable)
}

/// The unit of a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Unit {
    Octets,
    Bits,
    /// Characters of text, bytes of binary.
    Own,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct LengthFunction {
    unit: Unit,
    signature: Signature,
}

impl ScalarUDFImpl for LengthFunction {
    fn name(&self) -> &str {
        match self.unit {
            Unit::Octets => "octet_length",
            Unit::Bits => "bit_length",
            Unit::Own => "length",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [DataType::Null] => Ok(DataType::Int64),
            [data_type] if is_text(data_type) || is_binary(data_type) => Ok(DataType::Int64),
            [other] => Err(DataFusionError::Plan(format!("{} is for text and binary, not for {other}", self.name()))),
            _ => Err(DataFusionError::Plan(format!("{} takes one value", self.name()))),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let values = args.args[0].to_array(args.number_rows)?;
        let lengths: Int64Array = match is_binary(values.data_type()) {
            true => {
                let bytes = cast(&values, &DataType::BinaryView)?;
                bytes.as_binary_view().iter().map(|bytes| bytes.map(|bytes| self.of_bytes(bytes))).collect()
            }
            false => {
                let texts = cast(&values, &DataType::Utf8View)?;
                let length = |text: &str| match self.unit {
                    Unit::Own => text.chars().count() as i64,
                    Unit::Octets | Unit::Bits => self.of_bytes(text.as_bytes()),
                };
                texts.as_string_view().iter().map(|text| text.map(length)).collect()
            }
        };
        Ok(ColumnarValue::Array(Arc::new(lengths) as ArrayRef))
    }
}

impl LengthFunction {
    fn of_bytes(&self, bytes: &[u8]) -> i64 {
        let octets = bytes.len() as i64;
        if self.unit == Unit::Bits { 8 * octets } else { octets }
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_text(value),
        other => matches!(other, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}

fn is_binary(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_binary(value),
        other => matches!(
            other,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)
        ),
    }
}
