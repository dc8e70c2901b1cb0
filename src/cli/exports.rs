//! Arguments about how the files of the two sides are written.

use clap::Args;

use crate::job::{FormatSettings, Origin, Preset, Setting, Source};
use crate::sides::{Side, Sides};

/// How the files of the two sides are written, if they do not say so.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The program that wrote OLD
    #[arg(long, value_enum, value_name = "PRESET", hide_possible_values = true)]
    preset_old: Option<Preset>,

    /// The program that wrote NEW; see docs/exporting.md for the presets
    #[arg(long, value_enum, value_name = "PRESET", hide_possible_values = true)]
    preset_new: Option<Preset>,

    /// The names of OLD's columns, if it is text without a header
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    columns_old: Vec<String>,

    /// The names of NEW's columns, if it is text without a header
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    columns_new: Vec<String>,
}

impl ExportArgs {
    /// The programs that wrote the sides.
    pub(super) fn presets(&self) -> Sides<Option<Preset>> {
        Sides { old: self.preset_old, new: self.preset_new }
    }

    /// A side at a path.
    pub(super) fn source(&self, side: Side, path: &str, origin: Origin) -> Source {
        let columns = Sides { old: &self.columns_old, new: &self.columns_new };
        let preset = self.presets()[side];
        let format = FormatSettings { preset, columns: columns[side].clone(), ..FormatSettings::none(origin.clone()) };
        Source { format, ..Source::of(Setting { text: path.into(), origin }) }
    }
}
