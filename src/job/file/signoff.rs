//! Reads `[signoff]`: what to delete, and the conditions for it.

use std::collections::BTreeMap;

use super::FormReader;
use super::signoff_form::{BackupForm, CleanupForm, SideForm, SignOffForm, StatusForm};
use crate::job::{Backup, CHECKS_MAX, Cleanup, Origin, Scope, Setting, SignOff, Source, Status, WritesStopped};
use crate::sides::{Side, Sides};

/// The default for the age of snapshots and for the validity of certificates.
const DAY: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

impl FormReader<'_> {
    pub(super) fn sign_off(
        &mut self,
        form: SignOffForm,
        scope: Scope,
        sources: &Sides<Source>,
        tables: &BTreeMap<String, Source>,
    ) -> Option<SignOff> {
        let document = self.document;
        let origin_of = |key: &str| document.origin(&["signoff", key]);
        let section = self.document.origin(&["signoff"]);
        let (age_origin, expires_origin, backup_origin) =
            (origin_of("max_age"), origin_of("expires"), origin_of("backup"));
        let (truth_origin, local_origin, cleanup_origin) =
            (origin_of("source_of_truth"), origin_of("local_status"), origin_of("cleanup"));
        if scope == Scope::OldAlone {
            self.wrong(&section, "a sign-off needs a comparison, but the job lacks the section [new]");
        }
        let delete_from = match form.delete_from {
            SideForm::Old => Side::Old,
            SideForm::New => Side::New,
        };
        let source_of_truth = form.source_of_truth.and_then(|form| self.status(form, &truth_origin, tables));
        let local_status = form.local_status.and_then(|form| self.status(form, &local_origin, tables));
        if delete_from == Side::New && source_of_truth.is_none() {
            self.wrong(&section, "deleting from new requires `source_of_truth`, which decides what may be deleted");
        }
        let cleanup = self.cleanup(form.cleanup, cleanup_origin);
        let candidate_key = self.settings(form.candidate_key, &["signoff", "candidate_key"]);
        let mut duration = |text: Option<String>, origin: &Origin| match text {
            Some(text) => self.duration(&text, origin),
            None => Some(DAY),
        };
        let (max_age, expires) = (duration(form.max_age, &age_origin)?, duration(form.expires, &expires_origin)?);
        let backup = match form.backup {
            Some(backup) => Some(self.backup(backup, backup_origin)?),
            None => None,
        };
        if form.accept_tiers.is_empty() {
            let message = "the list is empty, so no row could be approved; omit it for `exact`";
            self.wrong(&origin_of("accept_tiers"), message);
        }
        let stopped_origin = origin_of("writes_stopped");
        let writes_stopped = form.writes_stopped.and_then(|stopped| {
            let origin = Setting { text: stopped.text.clone(), origin: stopped_origin.clone() };
            Some(WritesStopped { instant: self.time(stopped.text, &stopped_origin)?, origin })
        });
        if form.check.len() > CHECKS_MAX {
            self.wrong(&section, format!("too many [[signoff.check]] sections; at most {CHECKS_MAX} are allowed"));
        }
        Some(SignOff {
            delete_from,
            cleanup,
            candidate_key,
            source_of_truth,
            local_status,
            accept_tiers: form.accept_tiers,
            writes_stopped,
            max_age,
            clean_runs: form.clean_runs,
            expires,
            backup,
            checks: self.checks(form.check, sources),
        })
    }

    fn cleanup(&mut self, form: CleanupForm, origin: Origin) -> Cleanup {
        match form {
            CleanupForm::Column { column, becomes } => {
                Cleanup::Column { column: Setting { text: column, origin }, becomes }
            }
            CleanupForm::Word(word) if word == "row" => Cleanup::Row,
            CleanupForm::Word(word) => {
                let expected = "expected \"row\" or { column = \"…\", becomes = \"null\" }";
                self.wrong(&origin, format!("unknown cleanup `{word}`; {expected}"));
                Cleanup::Row
            }
        }
    }

    fn backup(&mut self, form: BackupForm, origin: Origin) -> Option<Backup> {
        let path = self.expand(form.path, &origin);
        let path = self.dir.join(path).display().to_string();
        let max_age = self.duration(&form.max_age, &origin)?;
        Some(Backup { path: Setting { text: path, origin }, max_age })
    }

    fn status(&mut self, form: StatusForm, origin: &Origin, tables: &BTreeMap<String, Source>) -> Option<Status> {
        let StatusForm { table, key, column, must_be } = form;
        if !tables.contains_key(&table) {
            self.wrong(origin, format!("the job has no [tables.{table}]"));
            return None;
        }
        let word = |text: String| Setting { text, origin: origin.clone() };
        Some(Status { table: word(table), key: word(key), column: word(column), must_be: must_be.text })
    }
}
