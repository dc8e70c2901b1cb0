//! The kinds of types that rules can be chosen for, such as all timestamps.

/// A kind of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeFamily {
    /// Integers, decimals, and floats.
    Number,
    /// Text.
    Text,
    /// Booleans.
    Boolean,
    /// Bytes.
    Binary,
    /// UUIDs.
    Uuid,
    /// JSON documents.
    Json,
    /// Days.
    Date,
    /// Times of day.
    Time,
    /// Timestamps, with and without a zone.
    Timestamp,
    /// Durations.
    Duration,
    /// Lists.
    List,
    /// Structs.
    Struct,
    /// Maps.
    Map,
}

impl TypeFamily {
    /// The name in a job file.
    pub fn name(self) -> &'static str {
        match self {
            TypeFamily::Number => "number",
            TypeFamily::Text => "text",
            TypeFamily::Boolean => "boolean",
            TypeFamily::Binary => "binary",
            TypeFamily::Uuid => "uuid",
            TypeFamily::Json => "json",
            TypeFamily::Date => "date",
            TypeFamily::Time => "time",
            TypeFamily::Timestamp => "timestamp",
            TypeFamily::Duration => "duration",
            TypeFamily::List => "list",
            TypeFamily::Struct => "struct",
            TypeFamily::Map => "map",
        }
    }
}
