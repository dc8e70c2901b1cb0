//! Which columns belong together, and which rules their types need.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::Field;

use crate::canonical::Domain;
use crate::canonical::domain::{Family, Nested, NoDomain, family, pair_names};
use crate::engine::Engine;
use crate::error::Result;
use crate::job::rule::Reading;
use crate::job::{ColumnSettings, Place, RuleSettings, Word};
use crate::rules::Chain;
use crate::sides::{Side, Sides};
use crate::snapshot::{FileRead, Snapshot, type_name};

/// Rows of each side that are looked at before anything is compared.
const SAMPLE_ROWS: usize = 20_000;
/// Above this, two names are taken for one that was written differently.
const SIMILAR: f64 = 0.75;

/// Two columns that belong together.
pub struct Pair {
    /// New's name.
    pub name: String,
    /// Old's name.
    pub old: String,
    /// The stored columns.
    pub fields: Sides<Field>,
    /// What the types need to be compared.
    pub rules: RuleSettings,
    /// Whether the columns can be compared, with these rules.
    pub comparable: bool,
    /// A few of each side's cells.
    pub sample: Sides<ArrayRef>,
}

/// The columns of both sides.
pub struct Columns {
    /// Those that belong together, in the order of new.
    pub pairs: Vec<Pair>,
    /// Those that only one side has.
    pub left: Sides<Vec<String>>,
    /// Names of both sides that are much alike.
    pub similar: Vec<Sides<String>>,
}

impl Columns {
    /// Pairs the columns by name, and finds out how each pair can be compared.
    pub fn of(engine: &Engine, sides: &Sides<Snapshot>) -> Result<Self> {
        let names = sides
            .as_ref()
            .map(|side| -> Vec<&str> { side.schema.fields().iter().map(|field| field.name().as_str()).collect() });
        let (places, left) = pair_names(&names);
        let samples = Sides::try_from_fn(|side| sample(engine, &sides[side]))?;
        let mut pairs = vec![];
        for at in places {
            let fields =
                Sides { old: sides.old.schema.field(at.old).clone(), new: sides.new.schema.field(at.new).clone() };
            let sample = Sides { old: samples.old.column(at.old).clone(), new: samples.new.column(at.new).clone() };
            let agreed = sides.old.require_agreement(names.old[at.old]).is_ok()
                && sides.new.require_agreement(names.new[at.new]).is_ok();
            let rules = if agreed { bridge(&fields, &sample) } else { None };
            pairs.push(Pair {
                name: names.new[at.new].into(),
                old: names.old[at.old].into(),
                comparable: rules.is_some(),
                rules: rules.unwrap_or_default(),
                fields,
                sample,
            });
        }
        let similar = similar(&left);
        Ok(Columns { pairs, left: left.map(|names| names.into_iter().map(String::from).collect()), similar })
    }

    /// Columns that a first comparison has to leave out.
    pub fn left_out(&self) -> impl Iterator<Item = &String> {
        let pairs = self.pairs.iter().filter(|pair| !pair.comparable).map(|pair| &pair.name);
        pairs.chain(&self.left.old).chain(&self.left.new)
    }
}

impl Pair {
    /// The settings of a job for this pair, if it needs some.
    pub fn settings(&self, place: Place) -> Option<ColumnSettings> {
        (self.comparable && self.rules != RuleSettings::default()).then(|| ColumnSettings {
            names: vec![Word { text: self.name.clone(), place: place.clone() }],
            old: None,
            expressions: Sides::default(),
            rules: self.rules.clone(),
            place,
        })
    }

    /// The chain of some rules over these columns.
    pub fn chain(&self, rules: &RuleSettings) -> Option<Chain> {
        chain(&self.name, &self.fields, rules)
    }

    /// The types of both sides, in words.
    pub fn types(&self) -> Sides<String> {
        self.fields.as_ref().map(type_name)
    }

    /// The kinds of value of both sides; an all-NULL column has the other's.
    pub fn families(&self) -> Sides<Option<Family>> {
        let own = self.fields.as_ref().map(family);
        Sides { old: own.old.or(own.new), new: own.new.or(own.old) }
    }
}

/// The chain of some rules over two columns; `None` if they do not fit.
pub fn chain(name: &str, fields: &Sides<Field>, rules: &RuleSettings) -> Option<Chain> {
    let natural = Domain::of(name, fields.as_ref(), &mut |_| false, &mut Nested::default());
    Chain::of(name, fields.as_ref(), rules.rules().ok()?, natural).ok()
}

/// The rules without which two columns do not compare; `None` if no rule helps.
///
/// Where several readings are possible, the sample decides: the one that reads the most cells.
fn bridge(fields: &Sides<Field>, sample: &Sides<ArrayRef>) -> Option<RuleSettings> {
    let natural = Domain::of("", fields.as_ref(), &mut |_| false, &mut Nested::default());
    let families = match natural {
        // what has no defined equality is told by the report itself
        Ok(_) | Err(NoDomain::Undefined) => return Some(RuleSettings::default()),
        Err(NoDomain::Families { families, path }) if path.is_empty() => families,
        Err(NoDomain::Families { .. }) => return None,
    };
    let whole = fields.iter().any(|field| field.data_type().is_integer());
    let readings = readings(families, whole);
    let read = |rules: &RuleSettings| {
        let chain = chain("", fields, rules)?;
        // a blank around a number is for a rule to explain, not for the choice of the reading
        let cleaned = chain_with_trim(fields, rules).unwrap_or(chain);
        let lost = |side: Side| {
            let form = cleaned.full(&sample[side], side).ok()?;
            Some(form.unreadable.map_or(0, |texts| texts.len() - texts.null_count()))
        };
        Some(lost(Side::Old)? + lost(Side::New)?)
    };
    let tried = readings.into_iter().filter_map(|rules| Some((read(&rules)?, rules)));
    tried.min_by_key(|(lost, _)| *lost).map(|(_, rules)| rules)
}

fn chain_with_trim(fields: &Sides<Field>, rules: &RuleSettings) -> Option<Chain> {
    chain("", fields, &RuleSettings { trim: Some(true), ..rules.clone() })
}

/// The readings that could bridge two kinds of value, the likeliest first.
fn readings(families: Sides<Family>, whole: bool) -> Vec<RuleSettings> {
    use Family::{Binary, Boolean, Date, Json, NaiveTimestamp, Number, Text, Time, Uuid, ZonedTimestamp};
    let reads = |reading: Reading| RuleSettings { reading: Some(reading), ..RuleSettings::default() };
    let utc = |rules: RuleSettings| RuleSettings { assume_tz: Some("UTC".into()), ..rules };
    let other = if families.old == Text { families.new } else { families.old };
    match (families.old, families.new) {
        (ZonedTimestamp, NaiveTimestamp) | (NaiveTimestamp, ZonedTimestamp) => vec![utc(RuleSettings::default())],
        (Text, _) | (_, Text) => match other {
            Number if whole => vec![reads(Reading::Integer), reads(Reading::Decimal)],
            Number => vec![reads(Reading::Decimal)],
            Boolean => vec![reads(Reading::Boolean)],
            Binary => vec![reads(Reading::Hex), reads(Reading::Base64)],
            Uuid => vec![reads(Reading::Uuid)],
            Json => vec![reads(Reading::Json)],
            Date => vec![reads(Reading::Date)],
            ZonedTimestamp => vec![reads(Reading::Timestamp), utc(reads(Reading::Timestamp))],
            NaiveTimestamp => vec![reads(Reading::Timestamp), utc(reads(Reading::Timestamp))],
            Time => vec![reads(Reading::Text)],
            _ => vec![],
        },
        (Uuid, Binary) | (Binary, Uuid) => vec![reads(Reading::Uuid)],
        (Date, ZonedTimestamp | NaiveTimestamp) | (ZonedTimestamp | NaiveTimestamp, Date) => vec![reads(Reading::Date)],
        (Boolean, Number) | (Number, Boolean) => vec![reads(Reading::Boolean)],
        _ => vec![],
    }
}

/// Names of both sides that are much alike and belong to nobody else.
fn similar(left: &Sides<Vec<&str>>) -> Vec<Sides<String>> {
    let plain = |name: &str| name.to_lowercase().replace(['_', '-', ' '], "");
    let mut alike: Vec<(f64, Sides<&str>)> = vec![];
    for old in &left.old {
        for new in &left.new {
            let likeness = strsim::normalized_damerau_levenshtein(&plain(old), &plain(new));
            let (old_plain, new_plain) = (plain(old), plain(new));
            let within = old_plain.len().min(new_plain.len()) >= 4
                && (old_plain.ends_with(&new_plain) || new_plain.ends_with(&old_plain));
            if likeness >= SIMILAR || within {
                alike.push((likeness, Sides { old, new }));
            }
        }
    }
    alike.sort_by(|(one, _), (two, _)| two.total_cmp(one));
    let mut taken: Vec<Sides<String>> = vec![];
    for (_, names) in alike {
        if !taken.iter().any(|pair| pair.old == names.old || pair.new == names.new) {
            taken.push(names.map(String::from));
        }
    }
    taken
}

/// Rows from the beginning, the middle and the end of a snapshot, with all columns that can be read.
fn sample(engine: &Engine, snapshot: &Snapshot) -> Result<RecordBatch> {
    let groups: Vec<_> = snapshot.row_groups().filter(|(_, _, rows)| *rows > 0).collect();
    let all: Vec<usize> = (0..snapshot.schema.fields().len()).collect();
    let mut places: Vec<usize> = [0, groups.len() / 2, groups.len().saturating_sub(1)].into();
    places.dedup();
    let mut batches = vec![];
    for place in &places {
        let Some(&(file, group, _)) = groups.get(*place) else { continue };
        let mut scan = snapshot.scan(engine, vec![FileRead::whole(file, [group])], &all)?;
        let mut rows = 0;
        while let Some(batch) = scan.next_batch()? {
            rows += batch.num_rows();
            batches.push(batch);
            if rows >= SAMPLE_ROWS / places.len() {
                break;
            }
        }
    }
    Ok(concat_batches(&snapshot.scan_schema(&all), &batches)?)
}
