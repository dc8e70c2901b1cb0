//! `countersign validate`.

use std::path::PathBuf;

use clap::Args;

use super::plan::plan;
use super::{fail, write_out};
use crate::equality::value_text::escaped;
use crate::error::Result;
use crate::job::Rule;
use crate::job::file::{JobFile, refusal};
use crate::prepare::{ComparedColumn, examine};
use crate::report::text::{indented, plain_table};

/// Report every error in job files, without reading data
///
/// Checks the settings, the files that they name, the footers of these files, the SQL, and whether every
/// column can be compared. The exit code is 2 if there is an error.
#[derive(Debug, Args)]
pub(super) struct Validate {
    /// The job files, and directories of job files
    #[arg(required = true, value_name = "JOB.toml|DIR")]
    jobs: Vec<PathBuf>,

    /// Override a setting of the job files, such as compare.key=id
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Print the columns that each job compares, with their types and rules
    #[arg(long)]
    explain: bool,
}

impl Validate {
    /// Validates every job; 0 if all are valid.
    pub(super) fn run(self) -> Result<u8> {
        let mut worst = 0;
        for planned in plan(&self.jobs, &self.set)? {
            let file = &planned.file;
            let checked = planned.contents.and_then(|JobFile { job, mistakes, .. }| {
                let (mistakes, columns) = examine(job.as_ref(), mistakes)?;
                match job {
                    Some(job) if mistakes.is_empty() => Ok((job, columns)),
                    _ => Err(refusal(file, mistakes)),
                }
            });
            match checked {
                Ok((job, columns)) => {
                    write_out(&format!("{}: job `{}` is valid\n", file.display(), escaped(&job.name)))?;
                    if self.explain {
                        write_out(&explanation(&columns))?;
                    }
                }
                Err(error) => worst = worst.max(fail(&error)),
            }
        }
        Ok(worst)
    }
}

/// A line for each pair of columns. What rules files of other formats imply is only known once they were read.
fn explanation(columns: &[ComparedColumn]) -> String {
    let mut table = plain_table();
    table.set_header(["column", "old", "new", "rules"]);
    for column in columns {
        let mut rules: Vec<String> = column.rules.iter().map(Rule::to_string).collect();
        rules.extend(column.is_key.then(|| "key".into()));
        table
            .add_row([&column.name, &column.types.old, &column.types.new, &rules.join(", ")].map(|cell| escaped(cell)));
    }
    indented(&table) + "\n"
}
