//! A delete job that uses only this crate: signs and verifies a statement, and looks up IDs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::PathBuf;

use certificate::statement::{Approved, Cleanup, Counts, Coverage, Moment, SnapshotSeen, Snapshots, Store, Tool};
use certificate::{
    CERTIFICATE, Certificate, Predicate, PrivateKey, Request, Role, Side, Statement, Subject, TakenAt, Verdict,
    Verified, digests_of,
};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

struct SignOff {
    dir: TempDir,
    key: PrivateKey,
}

impl SignOff {
    /// A certificate for a list of three IDs of two columns, one of them with a NULL.
    fn new() -> Self {
        let sign_off = SignOff { dir: tempfile::tempdir().unwrap(), key: PrivateKey::generate().unwrap() };
        fs::write(sign_off.path("approved.csv"), "id,region,note\n1,eu,a\n2,,b\n\"3,4\",\"\",\n").unwrap();
        fs::write(sign_off.path("old.parquet"), "rows").unwrap();
        let text = Certificate::of(sign_off.statement(), Some(&sign_off.key)).unwrap().to_text().unwrap();
        fs::write(sign_off.path(CERTIFICATE), text).unwrap();
        sign_off
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn statement(&self) -> Statement {
        let subject = |role, name: &str| Subject::of(&role, name, digests_of(&self.path(name)).unwrap());
        let at = "2026-11-20T02:00:00Z".to_string();
        let seen =
            SnapshotSeen { path: "old.parquet".into(), taken_at: Some(TakenAt { from: at.clone(), to: at }), rows: 3 };
        let predicate = Predicate {
            tool: Tool::this(),
            job: "customers".into(),
            verdict: Verdict::Approved,
            delete_from: Store::from(Side::Old),
            cleanup: Cleanup::Row,
            key: vec!["id".into(), "region".into()],
            counts: Counts { candidates: 3, approved: 3, blocked: 0 },
            approved: Approved { file: "output:approved.csv".into(), ids: 3 },
            requirements: vec![],
            blocked_by: Default::default(),
            coverage: Coverage::default(),
            canaries: vec![],
            evidence: None,
            writes_stopped: None,
            snapshots: Snapshots { old: seen.clone(), new: seen },
            signed_at: Moment::of(Timestamp::now()),
            expires: Moment::of(Timestamp::now() + SignedDuration::from_hours(1)),
        };
        let subjects = [subject(Role::Side(Side::Old), "old.parquet"), subject(Role::Output, "approved.csv")];
        Statement::of(subjects.into(), predicate)
    }

    fn verified(&self, key: &PrivateKey) -> certificate::Result<Verified> {
        Verified::of(&Request {
            certificate: &self.path(CERTIFICATE),
            key: &key.public(),
            list: None,
            inputs: Some(self.dir.path()),
            now: Timestamp::now(),
        })
    }
}

#[test]
fn a_signed_statement_is_verified_and_says_which_ids_are_approved() {
    let sign_off = SignOff::new();
    let verified = sign_off.verified(&sign_off.key).unwrap();
    assert_eq!((verified.statement.predicate.job.as_str(), verified.approved.len()), ("customers", 3));
    let contains = |id: &[Option<&str>]| verified.approved.contains(id);
    assert!(contains(&[Some("1"), Some("eu")]) && contains(&[Some("2"), None]) && contains(&[Some("3,4"), Some("")]));
    for other in [[Some("1"), Some("us")], [Some("2"), Some("")], [Some("3,4"), None], [Some("eu"), Some("1")]] {
        assert!(!contains(&other), "{other:?}");
    }
    assert!(!contains(&[Some("1")]));
    fs::write(sign_off.path("ids.csv"), "region,id\n,2\neu,1\n").unwrap();
    let key = ["id".to_string(), "region".to_string()];
    assert_eq!(verified.approved.require_all(&sign_off.path("ids.csv"), &key).unwrap(), 2);
    fs::write(sign_off.path("ids.csv"), "region,id\n,2\nus,1\n").unwrap();
    let error = verified.approved.require_all(&sign_off.path("ids.csv"), &key).unwrap_err().to_string();
    assert!(error.contains("ids.csv`, line 3: ID \"1\", \"us\" is not approved"), "{error}");
}

#[test]
fn another_key_or_another_list_verifies_nothing() {
    let sign_off = SignOff::new();
    let error = |key| sign_off.verified(key).err().map(|error| error.to_string()).unwrap_or_default();
    let other = PrivateKey::generate().unwrap();
    assert!(error(&other).contains("is signed with key"));
    fs::write(sign_off.path("approved.csv"), "id,region,note\n1,eu,a\n2,,b\n5,\"\",\n").unwrap();
    assert!(error(&sign_off.key).contains("is not the approved list that was signed"));
    fs::remove_file(sign_off.path("approved.csv")).unwrap();
    assert!(error(&sign_off.key).contains("must be next to the certificate"));
}
