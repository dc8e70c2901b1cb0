//! `countersign waves`.

use std::path::PathBuf;

use clap::Args;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::limits::MachineArgs;
use super::{signal, write_out};
use crate::error::Result;
use crate::output::run_dir::RunDir;
use crate::report::{count, grouped};
use crate::runtime::engine::Engine;
use crate::runtime::log::{self, Level};
use crate::waves::manifest::{WaveFile, WavesManifest};
use crate::waves::parameters::{KeyType, ListFormat, Order};
use crate::waves::request::{Overrides, WavesRequest};
use crate::waves::sizes::Size;
use crate::waves::{cut, publish, require_apart};

/// Cut an ID list into waves and shards
///
/// A list is a file that a run writes, such as missing.csv, or has one bare ID per line (.txt) or one JSON object per
/// line (.ndjson, .jsonl), or is a Parquet file. The same lists and options give the same files, byte for byte. See
/// docs/waves.md.
#[derive(Debug, Args)]
pub(super) struct Waves {
    /// The lists; several are cut as one list
    #[arg(required = true, value_name = "LIST")]
    lists: Vec<PathBuf>,

    /// Write the files to this directory, which must be empty or not exist
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,

    /// The end of each wave, such as 100,1000,10%,rest: IDs from the beginning of the list, or groups with --group-by;
    /// +N counts from the end of the previous wave [default: rest]
    #[arg(long, value_name = "SIZE,…", value_delimiter = ',')]
    sizes: Vec<Size>,

    /// Keep IDs with equal values in these columns in the same wave and shard
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    group_by: Vec<String>,

    /// The number of files that each wave is divided into
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    shards: Option<u32>,

    /// The order of IDs: shuffle, key, or a column as COLUMN, COLUMN:desc, COLUMN:number, or COLUMN:number:desc; a
    /// group has the position of its first ID [default: shuffle]
    #[arg(long, value_name = "ORDER")]
    order: Option<Order>,

    /// The seed of the shuffle [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Give shards equal sums of this integer column instead of equal numbers of IDs; a shuffle also spreads the sums
    /// evenly over the waves
    #[arg(long, value_name = "COLUMN")]
    balance: Option<String>,

    /// The columns of the ID [default: the key of the run or cut that wrote the list, otherwise the first column]
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    key: Vec<String>,

    /// The type of the IDs: one type, or one for each column of the ID [default: text]
    #[arg(long, value_name = "TYPE,…", value_enum, value_delimiter = ',')]
    key_type: Vec<KeyType>,

    /// Cut only IDs for which this SQL condition is true; all columns are text
    #[arg(long = "where", value_name = "SQL")]
    condition: Option<String>,

    /// Remove these finished IDs after the cut; all other IDs keep their waves
    #[arg(long, value_name = "LIST", num_args = 1..)]
    done: Vec<PathBuf>,

    /// Keep every ID in its wave and shard of an earlier cut; new IDs join the last wave
    #[arg(long, value_name = "DIR/waves.json")]
    previous: Option<PathBuf>,

    /// Write the complete rows of the IDs beside each file, from the discrepancies of this run: the old row of a
    /// missing row or a mismatch, the new row of an extra row
    #[arg(long, value_name = "RUN")]
    rows: Option<PathBuf>,

    /// The format of the files [default: csv]
    #[arg(long, short, value_enum)]
    format: Option<ListFormat>,

    #[command(flatten)]
    machine: MachineArgs,
}

impl Waves {
    pub(super) fn run(self) -> Result<u8> {
        let request = WavesRequest {
            lists: self.lists,
            done: self.done,
            previous: self.previous,
            rows: self.rows,
            choices: Overrides {
                key: self.key,
                key_type: self.key_type,
                sizes: self.sizes,
                group_by: self.group_by,
                shards: self.shards,
                order: self.order,
                seed: self.seed,
                balance: self.balance,
                condition: self.condition,
                format: self.format,
            },
        };
        let stop = signal::on_signal();
        let dir = RunDir::claim(&self.out)?;
        require_apart(&request, &dir)?;
        let spill = self.machine.temp.clone().unwrap_or_else(|| dir.spill_dir());
        let mut engine = Engine::start(self.machine.limits(), &spill, stop, self.machine.progress())?;
        let document = cut(&mut engine, &request, &dir)?;
        publish(&engine, dir, &document)?;
        engine.progress.finish();
        notes(&document).iter().for_each(|note| log::log(Level::Info, note));
        write_out(&summary(&document))?;
        Ok(0)
    }
}

/// Notes to the user that the summary does not contain.
fn notes(document: &WavesManifest) -> Vec<String> {
    let totals = &document.totals;
    let mut notes = vec![];
    let mut note = |number: u64, noun: &str, rest: String| {
        if number > 0 {
            notes.push(format!("{} {rest}", count(number, noun)));
        }
    };
    note(totals.excluded, "ID", "left out by --where".into());
    note(totals.left_over, "ID", "in no wave, because --sizes ends before the list; see left_over.parquet".into());
    let requested = document.parameters.sizes.len() as u64;
    let is_first_cut = document.previous.is_none();
    let empty = if is_first_cut && totals.ids > 0 { requested.saturating_sub(document.waves.into()) } else { 0 };
    note(empty, "wave", "not written, because the list ends earlier".into());
    note(totals.finished, "ID", "finished and removed; see finished.parquet for their waves".into());
    note(totals.finished_unknown, "finished ID", "not in the list".into());
    note(totals.added, "ID", format!("new since the previous cut; added to wave {}, the last", document.waves));
    note(totals.gone, "ID", "of the previous cut no longer in the list".into());
    if totals.ids == 0 {
        notes.push("the list has no IDs; the wave is empty".into());
    }
    if let Some(rows) = document.rows.as_ref().filter(|rows| !rows.columns_not_included.is_empty()) {
        let columns = rows.columns_not_included.join(", ");
        notes.push(format!("the rows lack columns that the run did not compare: {columns}"));
    }
    notes
}

/// A table with one row per wave.
fn summary(document: &WavesManifest) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["wave", "IDs", "groups", "weight", "per shard", "shards"]);
    for files in document.files.chunk_by(|a, b| a.wave == b.wave) {
        let sum = |of: fn(&WaveFile) -> u64| files.iter().map(of).sum::<u64>();
        let groups = document.totals.groups.map(|_| grouped(sum(|file| file.groups.unwrap_or(0))));
        let weights = files.iter().map(|file| file.weight);
        let (least, most) = (weights.clone().min().unwrap_or(0), weights.max().unwrap_or(0));
        let is_sharded = document.parameters.shards.is_some();
        table.add_row([
            files[0].wave.to_string(),
            grouped(sum(|file| file.ids)),
            groups.unwrap_or_else(|| "-".into()),
            grouped(sum(|file| file.weight)),
            if is_sharded { format!("{}–{}", grouped(least), grouped(most)) } else { "-".into() },
            if is_sharded { grouped(files.len() as u64) } else { "-".into() },
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{}\n", table.trim_fmt())
}
