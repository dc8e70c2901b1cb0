//! Admits one Parquet file: reads its footer, or reports exactly what is wrong with it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::common::ScalarValue;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::file::metadata::{FileMetaData, ParquetMetaData};

use super::bounds::{FooterFlaw, Loaded, ROW_GROUPS_MAX, load, with_file};
use super::file::Prepared;
use super::load::LoadedFile;
use super::{absolute, annotations, foreign, int96, types};
use crate::error::{AdmissionError, Error, Result};
use crate::runtime::file_identity::InputFile;

/// An admitted data file.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// The path as listed.
    pub path: PathBuf,
    /// The absolute path.
    pub absolute_path: PathBuf,
    /// The size in bytes.
    pub size: u64,
    /// The identity of the file when it was admitted.
    input: InputFile,
    pub metadata: Arc<ParquetMetaData>,
    /// The reader's metadata for the footer.
    pub(super) prepared: Prepared,
    /// The same with the positions of all pages, for reads that skip some.
    pub(super) prepared_pages: Prepared,
    /// The columns of the file with the types of its writer.
    pub schema: SchemaRef,
    /// The columns of the file with the types that readers return.
    pub(super) decoded: SchemaRef,
    /// INT96 columns that cannot be read exactly: the top-level column, and the path to the values.
    pub(super) inexact: Vec<(String, String)>,
    /// The values of the partition columns for all rows of the file, with the names of the columns.
    partitions: Vec<(String, ScalarValue)>,
    /// Set if the file is not Parquet, so that its rows are read from a working file.
    pub(super) loaded: Option<LoadedFile>,
}

impl DataFile {
    /// Reads the footer of a file.
    ///
    /// `among` is the number of files that were listed.
    pub fn admit(path: PathBuf, partitions: Vec<(String, ScalarValue)>, among: usize) -> Result<Self> {
        // opening a pipe would block until a process writes to it
        let meta = std::fs::metadata(&path).map_err(Error::unreadable(&path))?;
        if !meta.is_file() {
            return Err(Error::NotParquet { path, among, reason: "is not a regular file".into() });
        }
        let absolute_path = absolute(&path)?;
        require_plain_name(&absolute_path)?;
        let opened = InputFile::open(path.clone(), absolute_path.clone());
        let (input, file) = opened.map_err(Error::unreadable(&path))?;
        let size = input.identity().size();
        let loaded = load(&file, size).map_err(|flaw| refused(flaw, &file, size, &path, among))?;
        let Loaded { footer, stored } = loaded;
        let parquet = footer.metadata().file_metadata().schema_descr();
        let schema = types::readable(footer.schema(), &stored);
        if let Some(column) = types::map_with_optional_key(stored.root_schema()) {
            let what = format!("has a map with nullable keys, `{column}`, which the format forbids");
            return Err(AdmissionError::Unsupported { path, what, remedy: foreign::EXPORT_AGAIN.into() }.into());
        }
        if let Some(column) = types::name_twice("", schema.fields()) {
            return Err(Error::ColumnTwice { column, path });
        }
        let (decoded, inexact) = int96::settle_units(&path, &file, schema, parquet)?;
        let schema = annotations::meant(&decoded, &stored);
        Ok(DataFile {
            absolute_path,
            size,
            input,
            metadata: without_notes(footer),
            prepared: Prepared::default(),
            prepared_pages: Prepared::default(),
            schema,
            decoded,
            inexact,
            partitions,
            loaded: None,
            path,
        })
    }

    /// Makes a working file stand for the file that it was loaded from. `loaded` takes the working file and its size.
    pub(super) fn standing_for(self, input: InputFile, loaded: impl FnOnce(InputFile, u64) -> LoadedFile) -> Self {
        let loaded = loaded(self.input, self.size);
        DataFile {
            path: input.path.clone(),
            absolute_path: input.location.clone(),
            size: input.identity().size(),
            loaded: Some(loaded),
            input,
            ..self
        }
    }

    /// The size in bytes of the Parquet file that its rows are read from.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.loaded.as_ref().map_or(self.size, |loaded| loaded.working_bytes)
    }

    /// The number of rows according to the footer.
    pub fn rows(&self) -> u64 {
        self.metadata.row_groups().iter().map(|group| group.num_rows() as u64).sum()
    }

    /// The values of the partition columns, in the order of the partition fields of the snapshot.
    pub fn partition_values(&self) -> Vec<ScalarValue> {
        self.partitions.iter().map(|(_, value)| value.clone()).collect()
    }

    /// Drops the partition columns that the snapshot does not have.
    pub(super) fn keep_partitions(&mut self, fields: &[FieldRef]) {
        self.partitions.retain(|(name, _)| fields.iter().any(|field| field.name() == name));
    }

    /// Opens the Parquet file again that its rows are read from.
    ///
    /// # Errors
    /// If it is not the file that was admitted.
    pub fn open(&self) -> Result<File> {
        self.loaded.as_ref().map_or(&self.input, |loaded| &loaded.working).reopen()
    }

    /// Opens the file that the user gave again.
    ///
    /// # Errors
    /// If it is not the file that was admitted.
    pub(crate) fn open_input(&self) -> Result<File> {
        self.input.reopen()
    }

    /// Checks that the file is still the one that was admitted.
    pub fn require_unchanged(&self) -> Result<()> {
        self.input.require_unchanged()
    }
}

/// Refuses a path that the object store would interpret differently.
fn require_plain_name(path: &Path) -> Result<()> {
    let bad = |reason: &str| Err(Error::BadFileName { path: path.into(), reason: reason.into() });
    let Some(text) = path.to_str() else { return bad("its path is not UTF-8") };
    if text.chars().any(char::is_control) {
        return bad("its path has a control character");
    }
    match text.rsplit_once('#') {
        Some((_, end)) if !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit()) => {
            bad("its name ends in `#` and a number")
        }
        _ => Ok(()),
    }
}

/// The error for a file that is not admitted.
fn refused(flaw: FooterFlaw, file: &File, size: u64, path: &Path, among: usize) -> Error {
    let path = path.to_path_buf();
    match flaw {
        FooterFlaw::Footer(reason) => {
            Error::NotParquet { reason: format!("has a damaged Parquet footer: {reason}"), path, among }
        }
        FooterFlaw::Unreadable(reason) => foreign::refusal(file, size, reason, path, among),
        FooterFlaw::RowGroups(number) => {
            let what = format!(
                "has {number} row groups, but at most {ROW_GROUPS_MAX} can be read; the file may still be intact"
            );
            AdmissionError::Unsupported { path, what, remedy: foreign::REWRITE.into() }.into()
        }
        FooterFlaw::Encrypted => {
            let what = "has encrypted columns, which are not supported".into();
            AdmissionError::Unsupported { path, what, remedy: "export it without encryption".into() }.into()
        }
        FooterFlaw::Chunk { row_group, column, reason } => Error::Damaged { path, row_group, column, reason },
    }
}

/// The footer without key-value metadata: the schema in it has been read already, and the rest may be large.
fn without_notes(footer: ArrowReaderMetadata) -> Arc<ParquetMetaData> {
    let metadata = footer.metadata().clone();
    drop(footer);
    if metadata.file_metadata().key_value_metadata().is_none() {
        return metadata;
    }
    let file = metadata.file_metadata();
    let (version, rows, writer) = (file.version(), file.num_rows(), file.created_by().map(str::to_string));
    let (schema, orders) = (file.schema_descr_ptr(), file.column_orders().cloned());
    let file = FileMetaData::new(version, rows, writer, None, schema, orders);
    with_file(Arc::unwrap_or_clone(metadata), file).into()
}
