//! Waivers: which discrepancies each covers, and whether it still holds.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use certificate::id_list::{Form, IdList};
use jiff::Timestamp;

use super::GateCounts;
use crate::class::Class;
use crate::compare::discrepancy::{Layout, TableColumn};
use crate::error::{Error, Result};
use crate::history::{DiscrepancyDigest, key_digest, key_digests};
use crate::job::Waiver;
use crate::regular_file;
use crate::runtime::engine::Engine;
use crate::sql::RowExpression;

/// The size in bytes of the buffer for reading ID lists.
const LIST_BUFFER_BYTES: usize = 1 << 20;

/// The prefix of the tags of waivers.
pub(crate) const TAG: &str = "waiver:";
/// The prefix of the tags of expired waivers, which accept nothing.
const EXPIRED_TAG: &str = "expired_waiver:";

/// A waiver, and the discrepancies that it covers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct WaiverReport {
    /// The name of the waiver, which is part of the tag of its discrepancies.
    pub name: String,
    /// The number of discrepancies that it covers.
    pub found: u64,
    /// The number of discrepancies that it may cover.
    pub limit: u64,
    /// The person or team that is responsible for it.
    pub owner: String,
    /// The reason why the differences are accepted.
    pub reason: String,
    /// The time at which it expires.
    pub expires: String,
    /// The reason why it does not hold, so that its discrepancies count like all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The waivers of a job during a run.
#[derive(Default)]
pub(super) struct Waivers(Vec<ActiveWaiver>);

struct ActiveWaiver {
    waiver: Waiver,
    condition: Option<RowExpression>,
    ids: Option<HashSet<DiscrepancyDigest>>,
    is_expired: bool,
    found: u64,
    weighed: GateCounts,
}

impl Waivers {
    /// Prepares the waivers for discrepancies of this schema. A waiver whose expiry is before `now` has expired.
    ///
    /// # Errors
    /// If a waiver names an unknown column, or if its condition cannot be planned or its ID list cannot be read.
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
                    return Err(Error::request(
                        &column.origin,
                        format!("no compared column is called `{}`; known: {}", column.text, known.join(", ")),
                    ));
                }
            }
            let condition = waiver.condition.as_ref().map(|text| RowExpression::condition(engine, schema, text));
            let ids = waiver.ids.as_ref().map(|(path, setting)| {
                let input = regular_file::open(path).map_err(Error::unreadable(path))?;
                ids(BufReader::with_capacity(LIST_BUFFER_BYTES, input), layout)
                    .map_err(|reason| Error::request(&setting.origin, format!("`{}`: {reason}", path.display())))
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

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The index of the first waiver that covers each row of a piece.
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
        let prefix = if *is_expired { EXPIRED_TAG } else { TAG };
        format!("{prefix}{}", waiver.name.text)
    }

    /// Counts a discrepancy for a waiver. Returns the counts against the gates in case the waiver does not hold.
    pub(super) fn take(&mut self, number: usize) -> &mut GateCounts {
        let live = &mut self.0[number];
        live.found += 1;
        &mut live.weighed
    }

    /// The reports, and the discrepancies that count after all because their waiver does not hold.
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
        // with columns, a waiver covers only mismatches, and all changed columns must be among them
        class == Class::Mismatch
            && changed().as_string::<i32>().iter().flatten().all(|name| columns.iter().any(|known| known.text == name))
    }

    fn problem(&self) -> Option<String> {
        let Waiver { limit, expires, .. } = &self.waiver;
        if self.is_expired {
            return Some(format!("it expired at {expires}"));
        }
        match self.found {
            0 => Some("it no longer matches any discrepancy; remove it from the job".into()),
            found if found > *limit => {
                Some(format!("it is exceeded: {found} discrepancies, where {limit} are accepted"))
            }
            _ => None,
        }
    }
}

/// Reads the digests of the keys in an ID list.
fn ids(input: impl BufRead, layout: &Layout) -> std::result::Result<HashSet<DiscrepancyDigest>, String> {
    let mut list = IdList::open(input, Form::Csv, "").map_err(|problem| problem.to_string())?;
    let (names, wanted) = (list.header().names().join(","), layout.key_names());
    let indices = list.header().indices(wanted.iter().copied()).map_err(|fault| match fault.is_repeated {
        true => format!("its header is `{names}`, with `{}` twice", fault.column),
        false => format!("its header is `{names}`; the key is `{}`", wanted.join(",")),
    })?;
    let mut ids = HashSet::new();
    while let Some(row) = list.next_row().map_err(|problem| problem.to_string())? {
        let id: Vec<Option<&str>> = row.fields().collect();
        if !ids.insert(key_digest(indices.iter().map(|at| id[*at]))) {
            return Err(format!("line {} repeats an ID", row.line));
        }
    }
    Ok(ids)
}
