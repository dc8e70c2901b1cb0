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
/// Lists are what a run writes (missing.csv and the like), or one bare ID a line (.txt), one JSON object a line
/// (.ndjson, .jsonl) or Parquet. The same lists and options give the same files, byte for byte. See docs/waves.md.
#[derive(Debug, Args)]
pub(super) struct Waves {
    /// The lists; several are cut as one
    #[arg(required = true, value_name = "LIST")]
    lists: Vec<PathBuf>,

    /// Write the files to this directory, which does not exist or is empty
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,

    /// How far each wave goes, such as 100,1000,10%,rest: counted from the beginning of the list, in groups with
    /// --group-by; +N adds to the wave before [default: rest]
    #[arg(long, value_name = "SIZE,…", value_delimiter = ',')]
    sizes: Vec<Size>,

    /// Keep IDs with equal values in these columns together, in one wave and one shard
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    group_by: Vec<String>,

    /// Cut each wave into so many files
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    shards: Option<u32>,

    /// In which order IDs come: shuffle, key, or a column as COLUMN, COLUMN:desc, COLUMN:number or COLUMN:number:desc;
    /// a group stands where its first ID stands [default: shuffle]
    #[arg(long, value_name = "ORDER")]
    order: Option<Order>,

    /// Another number is another shuffle [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Give shards equal sums of this column of whole numbers instead of equally many IDs; a shuffle spreads what is
    /// heavy evenly over the waves
    #[arg(long, value_name = "COLUMN")]
    balance: Option<String>,

    /// The columns of the ID [default: the key of the run or the cut beside the list, or else the first column]
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    key: Vec<String>,

    /// What IDs have to look like: one type, or one for each column of the ID [default: text]
    #[arg(long, value_name = "TYPE,…", value_enum, value_delimiter = ',')]
    key_type: Vec<KeyType>,

    /// Cut only IDs for which this condition in SQL holds; all columns are text
    #[arg(long = "where", value_name = "SQL")]
    condition: Option<String>,

    /// Take these IDs out after the cut: they are finished, and nobody else changes wave
    #[arg(long, value_name = "LIST", num_args = 1..)]
    done: Vec<PathBuf>,

    /// Keep every ID in the wave and the shard of an earlier cut; new ones join the last wave
    #[arg(long, value_name = "DIR/waves.json")]
    previous: Option<PathBuf>,

    /// Write the complete rows of the IDs beside each file, from a run's discrepancies: old's rows of what is missing or
    /// differs, new's of what is extra
    #[arg(long, value_name = "RUN")]
    rows: Option<PathBuf>,

    /// What the files are [default: csv]
    #[arg(long, short, value_enum)]
    format: Option<ListFormat>,

    #[command(flatten)]
    machine: MachineArgs,
}

impl Waves {
    /// Cuts the lists.
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

/// What the user should know besides the numbers.
fn notes(document: &WavesManifest) -> Vec<String> {
    let totals = &document.totals;
    let mut notes = vec![];
    let mut note = |number: u64, noun: &str, rest: String| {
        if number > 0 {
            notes.push(format!("{} {rest}", count(number, noun)));
        }
    };
    note(totals.excluded, "ID", "left out by --where".into());
    note(totals.left_over, "ID", "in no wave: --sizes ends before the list does; see left_over.parquet".into());
    let asked = document.parameters.sizes.len() as u64;
    let is_first_cut = document.previous.is_none();
    let empty = if is_first_cut && totals.ids > 0 { asked.saturating_sub(document.waves.into()) } else { 0 };
    note(empty, "wave", "not written, because the list ends before".into());
    note(totals.finished, "ID", "finished and taken out; their waves are in finished.parquet".into());
    note(totals.finished_unknown, "finished ID", "not in the list".into());
    note(totals.added, "ID", format!("new since the cut before; wave {} is the last", document.waves));
    note(totals.gone, "ID", "of the cut before no longer in the list".into());
    if totals.ids == 0 {
        notes.push("the list has no IDs; the wave is empty".into());
    }
    if let Some(rows) = document.rows.as_ref().filter(|rows| !rows.columns_not_included.is_empty()) {
        let columns = rows.columns_not_included.join(", ");
        notes.push(format!("rows are without columns that the run did not compare: {columns}"));
    }
    notes
}

/// One line for each wave.
fn summary(document: &WavesManifest) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["wave", "IDs", "groups", "weight", "per shard", "shards"]);
    for files in document.files.chunk_by(|one, two| one.wave == two.wave) {
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
