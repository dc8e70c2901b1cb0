//! Classifies errors: whether they are about the request, or about the data and the machine.

use super::{AdmissionError, Error, MemoryError, RequestError};

impl Error {
    /// Replaces text that may quote the data, for jobs with private columns.
    pub fn without_values(mut self) -> Self {
        const WITHHELD: &str = "details are withheld, because they may quote private values";
        match &mut self {
            Error::ValueOutOfType { reason, .. }
            | Error::Admission(AdmissionError::FilesDoNotFit { value: reason, .. })
            | Error::Admission(AdmissionError::Record { what: reason, .. })
            | Error::ExpressionFailed { reason, .. }
            | Error::Damaged { reason, .. }
            | Error::Memory(MemoryError::RanOut { reason })
            | Error::Internal(reason)
            | Error::Certificate(certificate::Error::Internal(reason)) => *reason = WITHHELD.into(),
            Error::Request { problem, .. } => match &mut **problem {
                RequestError::QueryFailed(reason) => *reason = WITHHELD.into(),
                RequestError::NotAKey { found, .. } => {
                    *found = "some values occur more than once or are NULL".into();
                }
                _ => {}
            },
            _ => {}
        }
        self
    }

    /// Whether the error is about the request, not about the data or the machine.
    pub fn is_about_the_job(&self) -> bool {
        if let Error::Several(errors) = self {
            return errors.iter().all(Error::is_about_the_job);
        }
        matches!(
            self,
            Error::Request { .. }
                | Error::ListedInBoth { .. }
                | Error::NoSuchPath { .. }
                | Error::NoFiles { .. }
                | Error::BadPattern { .. }
                | Error::DifferentFamilies { .. }
                | Error::ZoneUnknown { .. }
                | Error::IncomparableKey { .. }
                | Error::NothingToCompare
        )
    }
}
