//! Errors from DataFusion and from Parquet writers, which may wrap errors of this program.

use std::io;
use std::path::Path;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use parquet::errors::ParquetError;

use super::{Error, MemoryError};

impl Error {
    /// The error of a Parquet writer: an I/O error of the system, or else an internal error.
    pub fn of_parquet(path: &Path, error: ParquetError) -> Error {
        match io_error(&error) {
            Some(source) => {
                Error::Unwritable { path: path.into(), source: io::Error::new(source.kind(), source.to_string()) }
            }
            None => Error::internal(error),
        }
    }

    /// The error of reading back a file that this program wrote.
    pub fn of_reading(path: &Path, error: &dyn std::fmt::Display) -> Error {
        Error::Unreadable { path: path.into(), source: io::Error::other(error.to_string()) }
    }

    /// The error of a plan: the wrapped error of this program, if there is one; too little memory; an I/O error of
    /// working files, which are in `spill_dir`; or else the result of `otherwise`.
    pub fn of_plan(
        error: DataFusionError,
        spill_dir: &Path,
        otherwise: impl FnOnce(DataFusionError) -> Error,
    ) -> Error {
        // our own operators report input errors themselves; all other I/O in a plan is on working files
        let spilling = |source: &io::Error| Error::Spill { dir: spill_dir.into(), reason: source.to_string() };
        match error {
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
                Self::of_plan(*inner, spill_dir, otherwise)
            }
            DataFusionError::ResourcesExhausted(reason) => MemoryError::RanOut { reason }.into(),
            DataFusionError::External(inner) => match inner.downcast::<Error>() {
                Ok(own) => *own,
                Err(inner) => match io_error(inner.as_ref()) {
                    Some(source) => spilling(source),
                    None => otherwise(DataFusionError::External(inner)),
                },
            },
            DataFusionError::ArrowError(inner, trace) => match *inner {
                ArrowError::ExternalError(inner) => match inner.downcast::<DataFusionError>() {
                    Ok(inner) => Self::of_plan(*inner, spill_dir, otherwise),
                    Err(inner) => Self::of_plan(DataFusionError::External(inner), spill_dir, otherwise),
                },
                inner => match io_error(&inner) {
                    Some(source) => spilling(source),
                    None => otherwise(DataFusionError::ArrowError(inner.into(), trace)),
                },
            },
            other => match io_error(&other) {
                Some(source) => spilling(source),
                None => otherwise(other),
            },
        }
    }
}

/// The I/O error at the root of an error, if there is one.
pub(crate) fn io_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a io::Error> {
    if let Some(found) = error.downcast_ref::<io::Error>() {
        return Some(found);
    }
    // these types do not return the wrapped error as their source
    match error.downcast_ref::<ArrowError>() {
        Some(ArrowError::IoError(_, found)) => return Some(found),
        Some(ArrowError::ExternalError(inner)) => return io_error(inner.as_ref()),
        _ => {}
    }
    if let Some(ParquetError::External(inner)) = error.downcast_ref::<ParquetError>() {
        return io_error(inner.as_ref());
    }
    match error.downcast_ref::<DataFusionError>() {
        Some(DataFusionError::IoError(found)) => Some(found),
        Some(DataFusionError::ArrowError(inner, _)) => io_error(inner.as_ref()),
        Some(DataFusionError::ParquetError(inner)) => io_error(inner.as_ref()),
        Some(DataFusionError::External(inner)) => io_error(inner.as_ref()),
        Some(DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner)) => io_error(inner.as_ref()),
        Some(DataFusionError::Shared(inner)) => io_error(inner.as_ref()),
        Some(DataFusionError::Collection(all)) => all.iter().find_map(|inner| io_error(inner)),
        _ => error.source().and_then(io_error),
    }
}

impl From<ArrowError> for Error {
    /// Arrow kernels are called on inputs that were checked before, so a failure is an internal error.
    fn from(error: ArrowError) -> Self {
        Error::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn full() -> io::Error {
        io::ErrorKind::StorageFull.into()
    }

    #[test]
    fn a_full_disk_is_told_as_one_wherever_it_is_wrapped() {
        let arrow = || ArrowError::IoError("write failed".into(), full());
        let chains = [
            DataFusionError::IoError(full()),
            DataFusionError::ArrowError(arrow().into(), None),
            DataFusionError::External(full().into()),
            DataFusionError::External(Box::new(DataFusionError::IoError(full()))),
            DataFusionError::ParquetError(Box::new(ParquetError::External(full().into()))),
            DataFusionError::Context(
                "sorting".into(),
                Box::new(DataFusionError::Shared(Arc::new(DataFusionError::IoError(full())))),
            ),
            DataFusionError::Collection(vec![DataFusionError::Plan("x".into()), DataFusionError::IoError(full())]),
            DataFusionError::ArrowError(Box::new(ArrowError::ExternalError(Box::new(arrow()))), None),
        ];
        for chain in chains {
            let said = chain.to_string();
            let error = Error::of_plan(chain, Path::new("spill"), Error::internal);
            assert!(matches!(error, Error::Spill { .. }), "{said}: {error}");
        }
        let own = DataFusionError::External(Box::new(Error::Interrupted));
        assert!(matches!(Error::of_plan(own, Path::new("spill"), Error::internal), Error::Interrupted));
        let other = DataFusionError::Execution("division by zero".into());
        assert!(matches!(Error::of_plan(other, Path::new("spill"), Error::internal), Error::Internal(_)));
    }
}
