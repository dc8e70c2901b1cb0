//! Known differences: which discrepancies each covers, and whether it still holds.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use certificate::id_list::{Form, IdList, Problem};
use jiff::Timestamp;

use super::GateCounts;
use crate::class::Class;
use crate::compare::discrepancy::{Layout, TableColumn};
use crate::error::{Error, Result};
use crate::history::{Digest, key_digest, key_digests};
use crate::job::Waiver;
use crate::regular_file;
use crate::runtime::engine::Engine;
use crate::sql::RowExpression;

/// A list of IDs is read through a buffer of this size.
const LIST_BUFFER_BYTES: usize = 1 << 20;

/// How the tags of waivers begin.
pub(crate) const TAG: &str = "waiver:";
/// And those of waivers that accept nothing any more.
const EXPIRED_TAG: &str = "expired_waiver:";

/// What has become of a waiver.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct WaiverReport {
    /// Its name, which is the tag of its discrepancies.
    pub name: String,
    /// How many discrepancies it covers.
    pub found: u64,
    /// How many it may cover.
    pub limit: u64,
    /// Who answers for it.
    pub owner: String,
    /// Why it was accepted.
    pub reason: String,
    /// Until when.
    pub expires: String,
    /// Why it does not hold, and its discrepancies count like all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The waivers of a job, at work.
#[derive(Default)]
pub(super) struct Waivers(Vec<ActiveWaiver>);

struct ActiveWaiver {
    waiver: Waiver,
    condition: Option<RowExpression>,
    ids: Option<HashSet<Digest>>,
    is_expired: bool,
    found: u64,
    weighed: GateCounts,
}

impl Waivers {
    /// Prepares the waivers for discrepancies of this schema. `now` is the time that their expiry is held against.
    ///
    /// # Errors
    /// If one names what is not there.
    pub(super) fn of(
        engine: &Engine,
        waivers: &[Waiver],
        layout: &Layout,
        schema: &SchemaRef,
        now: Timestamp,
    ) -> Result<Self> {
        let live = waivers.iter().map(|waiver| {
            for column in &waiver.columns {
                if !layout.columns().iter().any(|known| known.name == column.text) {
                    let known = layout.columns().iter().map(|known| known.name.as_str()).collect::<Vec<_>>();
                    return Err(Error::Contradiction(format!(
                        "{}: no compared column is called `{}`; known: {}",
                        column.place,
                        column.text,
                        known.join(", ")
                    )));
                }
            }
            let condition = waiver.condition.as_ref().map(|text| RowExpression::condition(engine, schema, text));
            let ids = waiver.ids.as_ref().map(|(path, place)| {
                let input = regular_file::open(path).map_err(Error::unreadable(path))?;
                ids(BufReader::with_capacity(LIST_BUFFER_BYTES, input), layout)
                    .map_err(|reason| Error::Contradiction(format!("{}: `{}`: {reason}", place.place, path.display())))
            });
            Ok(ActiveWaiver {
                condition: condition.transpose()?,
                ids: ids.transpose()?,
                is_expired: waiver.expires < now,
                found: 0,
                weighed: GateCounts::none(layout.columns().len()),
                waiver: waiver.clone(),
            })
        });
        Ok(Waivers(live.collect::<Result<_>>()?))
    }

    /// Whether the job has none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The waiver of each row of a piece: the first that covers it.
    pub(super) fn covering(&self, piece: &RecordBatch, classes: &[Class]) -> Result<Vec<Option<usize>>> {
        let mut covering = vec![None; piece.num_rows()];
        let has_ids = self.0.iter().any(|live| live.ids.is_some());
        let keys = if has_ids { key_digests(piece)? } else { vec![] };
        let changed = TableColumn::Changed.of(piece).as_list::<i32>();
        for (number, live) in self.0.iter().enumerate() {
            let holds = live.condition.as_ref().map(|condition| condition.holds(piece)).transpose()?;
            for row in 0..piece.num_rows() {
                let holds = holds.as_ref().is_none_or(|holds| holds.value(row));
                if covering[row].is_none()
                    && holds
                    && live.is_for(classes[row], || changed.value(row))
                    && live.ids.as_ref().is_none_or(|ids| ids.contains(&keys[row]))
                {
                    covering[row] = Some(number);
                }
            }
        }
        Ok(covering)
    }

    /// The tag of a waiver's discrepancies.
    pub(super) fn tag(&self, number: usize) -> String {
        let ActiveWaiver { waiver, is_expired, .. } = &self.0[number];
        let word = if *is_expired { EXPIRED_TAG } else { TAG };
        format!("{word}{}", waiver.name.text)
    }

    /// What a waiver's discrepancies would weigh.
    pub(super) fn take(&mut self, number: usize) -> &mut GateCounts {
        let live = &mut self.0[number];
        live.found += 1;
        &mut live.weighed
    }

    /// What has become of each, and what counts after all because its waiver does not hold.
    pub(super) fn finish(self) -> (Vec<WaiverReport>, Vec<GateCounts>) {
        let mut unheld = vec![];
        let reports = self.0.into_iter().map(|live| {
            let problem = live.problem();
            if problem.is_some() {
                unheld.push(live.weighed);
            }
            WaiverReport {
                name: live.waiver.name.text,
                found: live.found,
                limit: live.waiver.limit,
                owner: live.waiver.owner,
                reason: live.waiver.reason,
                expires: live.waiver.expires.to_string(),
                problem,
            }
        });
        (reports.collect(), unheld)
    }
}

impl ActiveWaiver {
    fn is_for(&self, class: Class, changed: impl Fn() -> ArrayRef) -> bool {
        let Waiver { classes, columns, .. } = &self.waiver;
        if !classes.is_empty() && !classes.contains(&class) {
            return false;
        }
        if columns.is_empty() {
            return true;
        }
        // columns are about mismatches, and all that differ have to be among them
        class == Class::Mismatch
            && changed().as_string::<i32>().iter().flatten().all(|name| columns.iter().any(|known| known.text == name))
    }

    fn problem(&self) -> Option<String> {
        let Waiver { limit, expires, .. } = &self.waiver;
        if self.is_expired {
            return Some(format!("it expired at {expires}"));
        }
        match self.found {
            0 => Some("it no longer matches anything; take it out of the job".into()),
            found if found > *limit => {
                Some(format!("it is exceeded: {found} discrepancies, where {limit} are accepted"))
            }
            _ => None,
        }
    }
}

/// The keys of an ID list.
fn ids(input: impl BufRead, layout: &Layout) -> std::result::Result<HashSet<Digest>, String> {
    let mut list = IdList::open(input, Form::Csv, "").map_err(refused)?;
    let (names, wanted) = (list.header().names().join(","), layout.key_names());
    let indices = list.header().indices(wanted.iter().copied()).map_err(|fault| match fault.is_repeated {
        true => format!("its header is `{names}`, with `{}` twice", fault.column),
        false => format!("its header is `{names}`; the key is `{}`", wanted.join(",")),
    })?;
    let mut ids = HashSet::new();
    while let Some(row) = list.next_row().map_err(refused)? {
        let id: Vec<Option<&str>> = row.fields().collect();
        if !ids.insert(key_digest(indices.iter().map(|at| id[*at]))) {
            return Err(format!("line {} repeats an ID", row.line));
        }
    }
    Ok(ids)
}

fn refused(problem: Problem) -> String {
    match problem {
        Problem::FieldCount { line, fields, columns } => {
            format!("line {line} has {fields} fields, the header {columns}")
        }
        problem => problem.to_string(),
    }
}
