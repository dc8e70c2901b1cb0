//! What an error is about: the user's words, or the data and the machine.

use super::{AdmissionError, Error, MemoryError};

impl Error {
    /// Where the user said what is wrong, for errors that begin with it.
    pub fn place(&self) -> Option<String> {
        match self {
            Error::NoSuchColumn { option: place, .. }
            | Error::RuleDoesNotFit { place, .. }
            | Error::BadQuery { place, .. }
            | Error::QueryFailed { place, .. }
            | Error::EmptyQuery { place, .. }
            | Error::BadExpression { place, .. }
            | Error::BadCondition { place, .. } => Some(place.clone()),
            Error::Contradiction(words) => {
                let (place, _) = words.split_once(": ")?;
                Some(place.into())
            }
            _ => None,
        }
    }

    /// The same without what it may quote of the data, for jobs with private columns.
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
                *reason = "what went wrong may quote private values, and is not shown".into()
            }
            _ => {}
        }
        self
    }

    /// Whether it is about what the user asked for, rather than about the data or the machine.
    pub fn is_about_the_job(&self) -> bool {
        self.place().is_some()
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
