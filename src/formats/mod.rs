//! FORMATS: reads files that are not Parquet as blocks of whole records, and parses each block into columns.
//!
//! Text formats become text columns, exactly as the cells are written; what a cell means is decided when it is compared.
//! A cell that is not what its column should be is therefore kept, with its file and line. Binary formats keep their
//! types.

mod compressed;
mod encoding;
mod layout;
mod blocks;
mod lines;
mod strict_json;
mod notations;
mod shapes;
mod cells;
mod escaped;
mod delimited;
mod raw_json;
mod extended;
mod documents;
mod records;
mod avro;
mod typed;

pub(crate) use blocks::{Block, Blocks};
pub(crate) use cells::{Columns, Kind, Parsed, Problem, shapes_of_any};
pub(crate) use compressed::decompressed;
pub(crate) use encoding::as_utf8;
pub(crate) use extended::plain_json;
pub(crate) use layout::{Layout, resolve};
pub(crate) use lines::LineIndex;
pub(crate) use notations::Digits;
pub(crate) use records::Records;
pub(crate) use shapes::{Shape, Shapes};
pub(crate) use typed::{is_typed, open_typed};
