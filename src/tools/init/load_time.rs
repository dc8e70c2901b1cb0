//! Detects columns that record when a row was loaded, by whole words in their names and by types that can contain
//! times.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, TimeUnit};

use super::columns::PairedColumns;
use super::readings::chain;
use crate::equality::canonical::domain::{Family, family};
use crate::job::RuleSettings;
use crate::job::rule::ParseAs;
use crate::sides::{Side, Sides};

/// Words that exporters and loaders use in names.
const WORDS: [&str; 39] = [
    "etl",
    "elt",
    "load",
    "loaded",
    "loading",
    "loader",
    "loadtime",
    "ingest",
    "ingested",
    "ingestion",
    "import",
    "imported",
    "importer",
    "export",
    "exported",
    "exporter",
    "extract",
    "extracted",
    "extraction",
    "sync",
    "synced",
    "syncing",
    "synchronized",
    "batch",
    "batched",
    "snapshot",
    "copied",
    "replicated",
    "replication",
    "dbt",
    "airbyte",
    "fivetran",
    "stitch",
    "sdc",
    "dms",
    "cdc",
    "debezium",
    "dwh",
    "staged",
];
/// 2000-01-01 and 2100-01-01, in seconds since 1970.
const EPOCH: std::ops::Range<i64> = 946_684_800..4_102_444_800;

/// Whether a column has the name of a load time and contains times.
pub(super) fn is_load_time(pair: &PairedColumns) -> bool {
    let named =
        [&pair.name, &pair.old].iter().any(|name| split_name(name).iter().any(|word| WORDS.contains(&word.as_str())));
    named && Side::BOTH.iter().all(|&side| holds_times(&pair.fields[side], &pair.sample[side]))
}

/// The words of a name, in lower case. It is split at characters other than letters and digits, and where case changes.
pub(super) fn split_name(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let (mut words, mut word) = (vec![], String::new());
    for (index, &letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| letters[index]);
        let starts = match before {
            _ if !letter.is_alphanumeric() => true,
            Some(before) if letter.is_uppercase() => {
                // `loadedAt`, and `ETLLoaded` after its L
                !before.is_uppercase() || letters.get(index + 1).is_some_and(|next| next.is_lowercase())
            }
            _ => false,
        };
        if starts && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if letter.is_alphanumeric() {
            word.extend(letter.to_lowercase());
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

fn holds_times(field: &Field, cells: &ArrayRef) -> bool {
    match family(field) {
        Some(Family::Date | Family::NaiveTimestamp | Family::ZonedTimestamp) => true,
        Some(Family::Number) => field.data_type().is_integer() && counts_since_1970(cells),
        Some(Family::Text) => says_times(field, cells),
        // a column with only NULLs takes the type of the other side
        None => field.data_type() == &DataType::Null,
        _ => false,
    }
}

/// Whether all numbers are times of this century, in seconds, milliseconds, microseconds, or nanoseconds since 1970.
fn counts_since_1970(cells: &ArrayRef) -> bool {
    let Ok(numbers) = cast(cells, &DataType::Int64) else { return false };
    let numbers = numbers.as_primitive::<Int64Type>();
    let fits = |unit: i64| numbers.iter().flatten().all(|number| EPOCH.contains(&(number / unit)));
    numbers.null_count() < numbers.len() && [1, 1_000, 1_000_000, 1_000_000_000].into_iter().any(fits)
}

/// Whether nearly all texts are times.
fn says_times(field: &Field, cells: &ArrayRef) -> bool {
    let other = Field::new("", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true);
    let fields = Sides { old: field.clone(), new: other };
    let rules =
        RuleSettings { reading: Some(ParseAs::Timestamp), assume_tz: Some("UTC".into()), ..RuleSettings::default() };
    let Some(form) = chain("", &fields, &rules).and_then(|chain| chain.full(cells, Side::Old).ok()) else {
        return false;
    };
    let read = form.value.len() - form.value.null_count();
    let lost = form.unreadable.map_or(0, |texts| texts.len() - texts.null_count());
    read > 0 && lost * 100 <= read
}

#[cfg(test)]
mod tests {
    use super::split_name;

    #[test]
    fn names_are_split_into_words() {
        assert_eq!(split_name("etl_loaded_at"), ["etl", "loaded", "at"]);
        assert_eq!(split_name("ETLLoadedAt"), ["etl", "loaded", "at"]);
        assert_eq!(split_name("dateLoad-2"), ["date", "load", "2"]);
        assert_eq!(split_name("_SYNC"), ["sync"]);
        assert_eq!(split_name("payload"), ["payload"]);
        assert_eq!(split_name("Überlädt"), ["überlädt"]);
        assert!(split_name("__").is_empty());
    }
}
