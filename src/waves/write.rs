//! WRITE: writes one file per wave or shard, one at a time, and separate files for the IDs that are in no wave file.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;

use super::assign::Assigned;
use super::columns::UnitColumns;
use super::entries::{Entries, EntrySchema, Member};
use super::files::{ListFile, ParquetFile};
use super::manifest::{AsideFile, WaveFile};
use super::parameters::ListFormat;
use crate::error::{Error, Result};
use crate::id_list::schema;
use crate::output::run_dir::{FileAccess, OutputFile, RunDir};

/// The file of finished IDs.
const FINISHED: &str = "finished.parquet";
/// The file of IDs in no wave.
const LEFT_OVER: &str = "left_over.parquet";

/// Which files are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WavePlan {
    pub waves: u32,
    /// Shards per wave; `None` if waves are not divided.
    pub shards: Option<u32>,
    pub format: ListFormat,
    /// Who may read the files.
    pub readers: FileAccess,
}

#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Every file of a wave, in order.
    pub files: Vec<WaveFile>,
    /// The finished IDs.
    pub finished: Option<AsideFile>,
    /// The IDs in no wave.
    pub left_over: Option<AsideFile>,
    /// The weight of all IDs.
    pub weight: u64,
    pub units: u64,
}

impl WavePlan {
    /// All waves and shards in file order.
    fn members(self) -> impl Iterator<Item = Member> {
        let shards = self.shards.unwrap_or(1);
        (1..=self.waves).flat_map(move |wave| (1..=shards).map(move |shard| Member { wave, shard }))
    }

    /// A file name without its extension. Numbers are zero-padded to the width of the largest, so that names sort in
    /// order.
    fn stem(self, member: Member) -> String {
        let width = |number: u32, least: usize| number.to_string().len().max(least);
        let wave = format!("wave-{:0width$}", member.wave, width = width(self.waves, 2));
        match self.shards {
            None => wave,
            Some(shards) => format!("{wave}/shard-{:0width$}", member.shard, width = width(shards, 3)),
        }
    }
}

/// Writes the entries, which come in file order. `advance` receives the rows of each batch, and can stop the work.
pub(crate) fn write(
    dir: &RunDir,
    columns: &UnitColumns,
    shape: &EntrySchema,
    plan: WavePlan,
    entries: Entries,
    advance: impl Fn(u64) -> Result<()>,
) -> Result<Written> {
    let mut members = plan.members();
    let mut writer = WaveWriter { dir, columns, shape, plan, open: None, written: Written::default() };
    let (mut finished, mut left_over) =
        (SideFile::of(FINISHED, columns, true), SideFile::of(LEFT_OVER, columns, false));
    for batch in entries {
        let batch = batch?;
        advance(batch.num_rows() as u64)?;
        let assigned: Vec<Assigned> = shape.key(&batch).iter().flatten().map(Assigned::of).collect();
        let create = |name: &str| dir.create_for(plan.readers, name);
        finished.add(create, shape, &batch, &assigned, |row| shape.finished(&batch).value(row))?;
        let is_left = |row: usize| assigned[row].member.wave == 0 && !shape.finished(&batch).value(row);
        left_over.add(create, shape, &batch, &assigned, is_left)?;
        let mut start = 0;
        for run in assigned.chunk_by(|a, b| a.member == b.member) {
            let rows = batch.slice(start, run.len());
            start += run.len();
            writer.count(&rows, run);
            if run[0].member.wave > 0 {
                writer.reach(&mut members, run[0].member)?;
                writer.add(&rows, run)?;
            }
        }
    }
    // files without IDs are also created
    for member in members {
        writer.begin(member)?;
    }
    writer.close()?;
    Ok(Written { finished: finished.finish()?, left_over: left_over.finish()?, ..writer.written })
}

struct WaveWriter<'a> {
    dir: &'a RunDir,
    columns: &'a UnitColumns,
    shape: &'a EntrySchema,
    plan: WavePlan,
    open: Option<OpenFile>,
    written: Written,
}

/// The current file.
struct OpenFile {
    list: ListFile,
    rows: Option<ParquetFile>,
    entry: WaveFile,
    last_unit: Option<u64>,
}

impl WaveWriter<'_> {
    fn count(&mut self, rows: &RecordBatch, assigned: &[Assigned]) {
        let texts = self.shape.texts(rows);
        self.written.weight += (0..rows.num_rows()).map(|row| self.columns.weight(&texts, row)).sum::<u64>();
        let units = assigned.iter().map(|assigned| assigned.unit).max();
        self.written.units = self.written.units.max(units.unwrap_or(0));
    }

    /// Begins files up to the file of `member`.
    fn reach(&mut self, members: &mut impl Iterator<Item = Member>, member: Member) -> Result<()> {
        let is = |open: &OpenFile| open.entry.wave == member.wave && open.entry.shard.unwrap_or(1) == member.shard;
        while !self.open.as_ref().is_some_and(is) {
            match members.next() {
                Some(next) => self.begin(next)?,
                None => return Err(Error::Internal(format!("no file for {member:?}"))),
            }
        }
        Ok(())
    }

    fn create(&self, name: &str) -> Result<OutputFile> {
        self.dir.create_for(self.plan.readers, name)
    }

    fn begin(&mut self, member: Member) -> Result<()> {
        self.close()?;
        let stem = self.plan.stem(member);
        let name = format!("{stem}.{}", self.plan.format.extension());
        let list = ListFile::begin(self.create(&name)?, self.plan.format, &self.columns.names, self.columns.key[0])?;
        let rows = match self.shape.row_schema() {
            Some(schema) => Some(ParquetFile::begin(self.create(&format!("{stem}.rows.parquet"))?, schema)?),
            None => None,
        };
        let entry = WaveFile {
            file: name,
            wave: member.wave,
            shard: self.plan.shards.map(|_| member.shard),
            ids: 0,
            finished: 0,
            groups: self.columns.is_grouped().then_some(0),
            weight: 0,
            bytes: 0,
            blake3: String::new(),
            first: None,
            last: None,
            rows: None,
        };
        self.open = Some(OpenFile { list, rows, entry, last_unit: None });
        Ok(())
    }

    /// Adds the rows of one member, except those that are finished.
    fn add(&mut self, rows: &RecordBatch, assigned: &[Assigned]) -> Result<()> {
        let (columns, shape) = (self.columns, self.shape);
        let Some(OpenFile { list, rows: file, entry, last_unit }) = &mut self.open else { return Ok(()) };
        let (texts, finished) = (shape.texts(rows), shape.finished(rows));
        for (row, assigned) in assigned.iter().enumerate() {
            if finished.value(row) {
                entry.finished += 1;
                continue;
            }
            entry.ids += 1;
            entry.weight += columns.weight(&texts, row);
            entry.first.get_or_insert(assigned.number);
            entry.last = Some(assigned.number);
            if let Some(groups) = entry.groups.as_mut().filter(|_| *last_unit != Some(assigned.unit)) {
                *groups += 1;
                *last_unit = Some(assigned.unit);
            }
        }
        let remaining: BooleanArray = finished.iter().map(|finished| Some(finished != Some(true))).collect();
        let rows = match remaining.true_count() == rows.num_rows() {
            true => rows.clone(),
            false => filter_record_batch(rows, &remaining)?,
        };
        list.write(&shape.listed(&rows)?)?;
        match (file, shape.rows(&rows)?) {
            (Some(file), Some(rows)) => file.write(&rows),
            _ => Ok(()),
        }
    }

    fn close(&mut self) -> Result<()> {
        let Some(OpenFile { list, rows, mut entry, .. }) = self.open.take() else { return Ok(()) };
        let digest = list.finish()?;
        (entry.bytes, entry.blake3) = (digest.bytes, digest.blake3);
        entry.rows = rows.map(ParquetFile::finish).transpose()?;
        self.written.files.push(entry);
        Ok(())
    }
}

/// IDs that are in no wave file, with their groups. The file is created for the first of them.
struct SideFile {
    name: &'static str,
    indices: Vec<usize>,
    schema: SchemaRef,
    tells_member: bool,
    file: Option<ParquetFile>,
    ids: u64,
}

impl SideFile {
    fn of(name: &'static str, columns: &UnitColumns, tells_member: bool) -> Self {
        let more = columns.group.iter().filter(|group| !columns.key.contains(group));
        let indices: Vec<usize> = columns.key.iter().chain(more).copied().collect();
        let mut names: Vec<String> = indices.iter().map(|index| columns.names[*index].clone()).collect();
        for name in ["wave", "shard"].into_iter().filter(|_| tells_member) {
            // a list may have a column of that name
            let taken = names.iter().filter(|other| other.trim_end_matches('_') == name).count();
            names.push(format!("{name}{}", "_".repeat(taken)));
        }
        SideFile { name, indices, schema: schema(&names), tells_member, file: None, ids: 0 }
    }

    fn add(
        &mut self,
        create: impl Fn(&str) -> Result<OutputFile>,
        shape: &EntrySchema,
        batch: &RecordBatch,
        assigned: &[Assigned],
        belongs: impl Fn(usize) -> bool,
    ) -> Result<()> {
        let mask: BooleanArray = (0..batch.num_rows()).map(|row| Some(belongs(row))).collect();
        if mask.true_count() == 0 {
            return Ok(());
        }
        let mut columns: Vec<ArrayRef> = shape.listed(batch)?.project(&self.indices)?.columns().to_vec();
        if self.tells_member {
            let text = |number: u32| (number > 0).then(|| number.to_string());
            let waves: StringArray = assigned.iter().map(|assigned| text(assigned.member.wave)).collect();
            let shards: StringArray = assigned.iter().map(|assigned| text(assigned.member.shard)).collect();
            columns.extend([Arc::new(waves) as ArrayRef, Arc::new(shards) as ArrayRef]);
        }
        let rows = filter_record_batch(&RecordBatch::try_new(self.schema.clone(), columns)?, &mask)?;
        self.ids += rows.num_rows() as u64;
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(ParquetFile::begin(create(self.name)?, self.schema.clone())?),
        };
        file.write(&rows)
    }

    fn finish(self) -> Result<Option<AsideFile>> {
        let file = self.file.map(ParquetFile::finish).transpose()?;
        Ok(file.map(|file| AsideFile { file, ids: self.ids }))
    }
}
