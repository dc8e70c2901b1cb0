//! Classifies errors: whether they are about the request, or about the data and the machine.

use super::{AdmissionError, Error, MemoryError};

impl Error {
    /// The position in the request (option or line) that the error message begins with, if it does.
    pub fn origin(&self) -> Option<String> {
        match self {
            Error::NoSuchColumn { option: place, .. }
            | Error::RuleDoesNotFit { place, .. }
            | Error::BadQuery { place, .. }
            | Error::QueryFailed { place, .. }
            | Error::EmptyQuery { place, .. }
            | Error::BadExpression { place, .. }
            | Error::BadCondition { place, .. } => Some(place.clone()),
            Error::Contradiction(text) => {
                let (place, _) = text.split_once(": ")?;
                Some(place.into())
            }
            _ => None,
        }
    }

    /// Replaces text that may quote the data, for jobs with private columns.
    pub fn without_values(mut self) -> Self {
        match &mut self {
            Error::ValueOutOfType { reason, .. }
            | Error::Admission(AdmissionError::FilesDoNotFit { value: reason, .. })
            | Error::ExpressionFailed { reason, .. }
            | Error::QueryFailed { reason, .. }
            | Error::Damaged { reason, .. }
            | Error::Memory(MemoryError::RanOut { reason })
            | Error::Internal(reason)
            | Error::Certificate(certificate::Error::Internal(reason)) => {
                *reason = "details are withheld, because they may quote private values".into();
            }
            _ => {}
        }
        self
    }

    /// Whether the error is about the request, not about the data or the machine.
    pub fn is_about_the_job(&self) -> bool {
        self.origin().is_some()
            || matches!(
                self,
                Error::NoSuchPath { .. }
                    | Error::NoFiles { .. }
                    | Error::BadPattern { .. }
                    | Error::DifferentFamilies { .. }
                    | Error::IncomparableKey { .. }
                    | Error::NothingToCompare
            )
    }
}
