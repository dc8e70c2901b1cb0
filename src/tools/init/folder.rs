//! Writes a job for each table of two exports to a new directory.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use super::tables::{FoundTable, PairedTables};
use super::{Proposal, propose};
use crate::error::{Error, Result};
use crate::output::destination::Destination;
use crate::report::count;
use crate::runtime::engine::Engine;
use crate::sides::{Side, Sides};

/// The file with the settings of all jobs.
const DEFAULTS: &str = "defaults.toml";
/// The file with what has no job.
const UNPAIRED: &str = "unpaired.md";

/// What was written.
pub(crate) struct JobFolder {
    /// Jobs that run as they are.
    pub ready: usize,
    /// Jobs with columns that the user has to decide on first.
    pub undecided: Vec<String>,
    /// Tables of which no job could be proposed, with the reasons.
    pub failed: Vec<(String, String)>,
    pub paired: PairedTables,
}

/// Proposes a job for each pair of tables. `shown` is the directory as the user named it.
pub(crate) fn write(
    engine: &Engine,
    paired: PairedTables,
    destination: Destination,
    shown: &Path,
) -> Result<JobFolder> {
    let staged = destination.staged();
    std::fs::create_dir_all(&staged).map_err(Error::unwritable(&staged))?;
    let mut folder = JobFolder { ready: 0, undecided: vec![], failed: vec![], paired };
    let mut names = BTreeSet::new();
    for pair in &folder.paired.pairs {
        engine.check_stop()?;
        let name = job_name(pair, &mut names);
        let sources = pair.as_ref().map(|table| table.source.clone());
        let proposal = match propose(engine, sources) {
            Ok(proposal) => proposal,
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(error) => {
                folder.failed.push((name, error.to_string()));
                continue;
            }
        };
        match proposal.is_undecided() {
            true => folder.undecided.push(name.clone()),
            false => folder.ready += 1,
        }
        let text = with_defaults(&proposal.into_toml_in(shown)?);
        write_file(&staged.join(format!("{name}.toml")), &text)?;
    }
    write_file(&staged.join(DEFAULTS), &defaults())?;
    if let Some(text) = folder.notes(shown) {
        write_file(&staged.join(UNPAIRED), &text)?;
    }
    destination.publish()?;
    Ok(folder)
}

/// The text of a job file in a directory. It names the defaults of that directory, if there are any.
pub(crate) fn job_text(proposal: Proposal, dir: &Path) -> Result<String> {
    let text = proposal.into_toml_in(dir)?;
    match dir.join(DEFAULTS).is_file() {
        true => Ok(with_defaults(&text)),
        false => Ok(text),
    }
}

fn with_defaults(job: &str) -> String {
    format!("defaults = \"{DEFAULTS}\"\n\n{job}")
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(Error::unwritable(path))
}

fn defaults() -> String {
    "# Settings of all jobs in this directory. A job overrides them.\n\n\
     [output]\n\
     dir = \"../runs\"\n\n\
     # the runs that keep their lists; without it, all of them do\n\
     #[retain]\n\
     #whole = 30\n"
        .into()
}

/// The name of new's table without its schema, or with it if another job has that name. A name for a directory.
fn job_name(pair: &Sides<FoundTable>, names: &mut BTreeSet<String>) -> String {
    let plain = |name: &str| -> String {
        let allowed = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
        let name: String = name.chars().map(allowed).collect();
        name.trim_start_matches(['.', '-']).to_string()
    };
    let full = plain(&pair.new.name);
    let short = full.rsplit('.').next().unwrap_or(&full).to_string();
    let numbered = (2..).map(|number| format!("{full}-{number}"));
    let mut all = [short, full.clone()].into_iter().chain(numbered);
    let mut is_free = |name: &String| {
        let is_reserved = ["defaults", "latest", "groups", ""].contains(&name.as_str());
        // on some file systems, names that differ in capitals are the same
        !is_reserved && names.insert(name.to_lowercase())
    };
    all.find(|name| is_free(name)).unwrap_or(full)
}

impl JobFolder {
    /// What has no job, and why; `None` if everything has one.
    fn notes(&self, shown: &Path) -> Option<String> {
        let mut out = self.paired.unpaired(shown).unwrap_or_default();
        if !self.failed.is_empty() {
            out.push_str("\n# Tables that could not be examined\n\n");
            for (name, reason) in &self.failed {
                let _ = writeln!(out, "- `{name}`: {}", reason.replace('\n', "\n  "));
            }
        }
        (!out.is_empty()).then(|| out.trim_start().to_string())
    }

    /// What was written, for the user.
    pub(crate) fn summary(&self, shown: &Path) -> String {
        let shown = shown.display();
        let mut out = String::new();
        let jobs = self.ready + self.undecided.len();
        let _ = match jobs {
            0 => writeln!(out, "No jobs were written; see {shown}/{UNPAIRED}"),
            jobs => writeln!(out, "Wrote {} to {shown}/", count(jobs as u64, "job")),
        };
        if !self.undecided.is_empty() {
            let _ = writeln!(out, "  decide on their columns first: {}", self.undecided.join(", "));
        }
        for (name, reason) in &self.failed {
            let _ = writeln!(out, "  no job for {name}: {}", reason.lines().next().unwrap_or_default());
        }
        let alone = Side::BOTH.map(|side| (side, self.paired.alone[side].len()));
        for (side, tables) in alone.iter().filter(|(_, tables)| *tables > 0) {
            let _ = writeln!(out, "  {} only in {side}: see {shown}/{UNPAIRED}", count(*tables as u64, "table"));
        }
        if !self.paired.similar.is_empty() {
            let pairs: Vec<String> =
                self.paired.similar.iter().map(|pair| format!("{} and {}", pair.old.name, pair.new.name)).collect();
            let _ = writeln!(out, "  possibly the same table: {}; see {shown}/{UNPAIRED}", pairs.join(", "));
        }
        let ignored = Side::BOTH.iter().map(|side| self.paired.ignored[*side].len() as u64).sum();
        if ignored > 0 {
            let _ =
                writeln!(out, "  {} that are no table by their names: see {shown}/{UNPAIRED}", count(ignored, "file"));
        }
        if jobs > 0 {
            let _ = writeln!(out, "\nReview the jobs, then run: countersign run {shown}/");
        }
        out
    }
}
