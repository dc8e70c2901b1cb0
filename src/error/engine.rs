//! What comes out of DataFusion and Parquet's writers, where some of our own parts work inside of them.

use std::path::Path;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use parquet::errors::ParquetError;

use super::{Error, MemoryError};

impl Error {
    /// What a Parquet writer failed with: the system's words, where it was the system.
    pub fn of_parquet(place: &Path, error: ParquetError) -> Error {
        match error {
            ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
                Ok(source) => Error::Unwritable { path: place.into(), source: *source },
                Err(other) => Error::internal(other),
            },
            other => Error::internal(other),
        }
    }

    /// The error that a plan failed with: our own, if one of our parts failed; too little memory; or else what
    /// `otherwise` makes of it.
    pub fn of_plan(error: DataFusionError, otherwise: impl FnOnce(DataFusionError) -> Error) -> Error {
        match error {
            DataFusionError::Context(_, inner) => Self::of_plan(*inner, otherwise),
            DataFusionError::ResourcesExhausted(reason) => MemoryError::RanOut { reason }.into(),
            DataFusionError::External(inner) => match inner.downcast::<Error>() {
                Ok(own) => *own,
                Err(inner) => otherwise(DataFusionError::External(inner)),
            },
            DataFusionError::ArrowError(inner, trace) => match *inner {
                ArrowError::ExternalError(inner) => match inner.downcast::<DataFusionError>() {
                    Ok(inner) => Self::of_plan(*inner, otherwise),
                    Err(inner) => Self::of_plan(DataFusionError::External(inner), otherwise),
                },
                inner => otherwise(DataFusionError::ArrowError(inner.into(), trace)),
            },
            other => otherwise(other),
        }
    }
}

impl From<ArrowError> for Error {
    /// Arrow kernels are called on shapes that were checked before; a failure there is ours.
    fn from(error: ArrowError) -> Self {
        Error::internal(error)
    }
}
