//! A certificate that was written is verified, and nothing else is.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use assert_cmd::Command as Binary;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::certificate::statement::{
    Approved, Canary, Cleanup, Counts, Coverage, Moment, PREDICATE_TYPE, Requirement, SnapshotSeen, Snapshots, Store,
    Tool,
};
use countersign::certificate::{
    CERTIFICATE, Certificate, Check, Outcome, Predicate, PrivateKey, PublicKey, Request, Result, Role, Statement,
    Subject, Verdict, digests_of, verify,
};
use countersign::job::TakenAt;
use countersign::sides::Side;
use jiff::{SignedDuration, Timestamp};

use crate::support::{self, Workshop, run};

/// A sign-off of a few customers, with its files.
struct SignOff {
    shop: Workshop,
    key: PrivateKey,
}

fn now() -> Timestamp {
    Timestamp::now()
}

impl SignOff {
    fn new() -> Self {
        let shop = Workshop::new();
        let key = PrivateKey::generate().unwrap();
        key.write(&shop.path("team")).unwrap();
        for (name, content) in [
            ("data/old.parquet", "old rows"),
            ("data/new.parquet", "new rows"),
            ("data/job.toml", "the job"),
            ("out/approved.csv", "id,region,note\n1,eu,a\n2,,b\n2,\"\",c\n\"3,4\",us,\n"),
            ("out/blocked.csv", "id,region,reason\n9,eu,missing\n"),
        ] {
            fs::create_dir_all(shop.path(name).parent().unwrap()).unwrap();
            fs::write(shop.path(name), content).unwrap();
        }
        SignOff { shop, key }
    }

    fn path(&self) -> PathBuf {
        self.shop.path("out").join(CERTIFICATE)
    }

    fn statement(&self) -> Statement {
        let subject =
            |role: &Role, path: &str, file: &str| Subject::of(role, path, digests_of(&self.shop.path(file)).unwrap());
        let subjects = vec![
            subject(&Role::Side(Side::Old), "old.parquet", "data/old.parquet"),
            subject(&Role::Side(Side::New), "/nowhere/on/this/machine/new.parquet", "data/new.parquet"),
            subject(&Role::Job, self.shop.path("data/job.toml").to_str().unwrap(), "data/job.toml"),
            subject(&Role::Output, "approved.csv", "out/approved.csv"),
            subject(&Role::Output, "blocked.csv", "out/blocked.csv"),
        ];
        let seen = |path: &str| SnapshotSeen {
            path: path.into(),
            taken_at: Some(TakenAt { from: "2026-11-20T02:00:00Z".into(), to: "2026-11-20T02:10:00Z".into() }),
            rows: 5,
        };
        let predicate = Predicate {
            tool: Tool::this(),
            job: "customers".into(),
            verdict: Verdict::PartlyApproved,
            delete_from: Store::from(Side::Old),
            cleanup: Cleanup::Column { column: "blob".into(), becomes: "blanks of equal width".into() },
            key: vec!["id".into(), "region".into()],
            counts: Counts { candidates: 5, approved: 4, blocked: 1 },
            approved: Approved { file: "output:approved.csv".into(), ids: 4 },
            requirements: vec![Requirement {
                name: "in new".into(),
                holds: false,
                figures: BTreeMap::from([("missing".into(), 1), ("checked".into(), 5)]),
                description: "1 of 5 is not in new — “say so”".into(),
            }],
            blocked_by: BTreeMap::from([("missing".into(), 1)]),
            coverage: Coverage { compared: vec!["amount".into()], ..Coverage::default() },
            canaries: vec![Canary { name: "missing".into(), injected: 3, caught: 3 }],
            evidence: None,
            writes_stopped: None,
            snapshots: Snapshots { old: seen("old.parquet"), new: SnapshotSeen { taken_at: None, ..seen("new") } },
            signed_at: Moment::of(now()),
            expires: Moment::of(now() + SignedDuration::from_hours(24)),
        };
        Statement::of(subjects, predicate)
    }

    fn certificate(&self) -> Certificate {
        Certificate::of(self.statement(), Some(&self.key)).unwrap()
    }

    fn write(&self, bytes: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path(), bytes).unwrap();
        self
    }

    /// Writes the certificate of a statement that was changed before it was signed.
    fn signed(change: impl FnOnce(&mut Statement)) -> Self {
        let sign_off = SignOff::new();
        let mut statement = sign_off.statement();
        change(&mut statement);
        let certificate = Certificate::of(statement, Some(&sign_off.key)).unwrap();
        sign_off.write(certificate.to_text().unwrap());
        sign_off
    }

    /// Writes a correctly signed envelope around any bytes.
    fn sealed(&self, payload: &str) -> String {
        let kind = "application/vnd.in-toto+json";
        let signed = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
        let (signature, id) = (STANDARD.encode(self.key.sign(signed.as_bytes())), self.key.public().id());
        let payload = STANDARD.encode(payload);
        format!(
            "{{\"payload\":\"{payload}\",\"payloadType\":\"{kind}\",\"signatures\":[{{\"keyid\":\"{id}\",\"sig\":\"{signature}\"}}]}}\n"
        )
    }

    fn check(&self, list: Option<&str>, inputs: Option<&str>) -> Result<Vec<Check>> {
        let (list, inputs) = (list.map(|path| self.shop.path(path)), inputs.map(|path| self.shop.path(path)));
        verify(&Request {
            certificate: &self.path(),
            key: &self.key.public(),
            list: list.as_deref(),
            inputs: inputs.as_deref(),
            now: now(),
        })
    }

    fn refusal(&self) -> String {
        self.check(None, None).unwrap_err().to_string()
    }

    fn refusal_of_list(&self, list: &str) -> String {
        fs::write(self.shop.path("ids.csv"), list).unwrap();
        self.check(Some("ids.csv"), None).unwrap_err().to_string()
    }
}

/// Whether these bytes are a certificate that was signed with this key.
fn holds(bytes: &[u8], key: &PublicKey) -> bool {
    let file = Path::new("certificate.json");
    Certificate::parse(bytes, file).is_ok_and(|certificate| certificate.require_signed_by(key, file).is_ok())
}

fn assert_says(words: &str, part: &str) {
    assert!(words.contains(part), "{words:?} does not say {part:?}");
}

#[test]
fn what_is_written_verifies_and_says_what_was_checked() {
    let sign_off = SignOff::signed(|_| {});
    let (certificate, bytes) = (sign_off.certificate(), fs::read(sign_off.path()).unwrap());
    assert_eq!(Certificate::parse(&bytes, &sign_off.path()).unwrap().statement.subject, certificate.statement.subject);
    fs::write(sign_off.shop.path("ids.csv"), "comment,region,id\r\nx,eu,1\r\n,,2\r\n").unwrap();
    let checks = sign_off.check(Some("ids.csv"), Some("data")).unwrap();
    let names: Vec<_> = checks.iter().map(|check| (check.name, check.outcome == Outcome::Holds)).collect();
    let all = ["form", "signature", "expiry", "verdict", "approved", "list", "inputs"].map(|name| (name, true));
    assert_eq!(names, [&all[..], &[("outputs", false)]].concat());

    let (code, out, said) = run(&sign_off.shop, &["verify", "out/certificate.json", "--key", "team.pub"]);
    assert_eq!((code, said.as_str()), (0, ""));
    assert_says(&out, "verdict    ok           partly_approved: 4 of 5 candidates of job customers\n");
    assert_says(&out, "approved   ok           4 IDs in approved.csv, unchanged\n");
    assert_says(&out, "list       not checked  use --list ids.csv\n");
    assert_says(&out, "inputs     not checked  use --inputs DIR\n");
    let args = ["verify", "out/certificate.json", "-k", "team.pub", "--list", "ids.csv", "--inputs", "data"];
    let (code, out, _) = run(&sign_off.shop, &args);
    assert_eq!(code, 0);
    assert_says(&out, "list       ok           all of 2 IDs in ");
    assert_says(&out, "inputs     ok           3 files unchanged\n");
}

#[test]
fn no_byte_can_be_changed_taken_away_or_put_in() {
    let sign_off = SignOff::new();
    let key = sign_off.key.public();
    let bytes = sign_off.certificate().to_text().unwrap().into_bytes();
    assert!(holds(&bytes, &key));
    let refused = |changed: &[u8], what: &str| assert!(!holds(changed, &key), "{what}");
    let mut changed = bytes.clone();
    for at in 0..bytes.len() {
        changed[at] ^= 1 << (at % 8);
        refused(&changed, &format!("bit {} of byte {at}", at % 8));
        changed[at] = bytes[at];
    }
    // every other value: a sample of the payload, and all that is around it
    let last = bytes.len() - 1;
    for at in (0..16).chain((16..last - 300).step_by(509)).chain((last - 300..=last).step_by(5)).chain([last]) {
        for value in (0..=255).filter(|value| *value != bytes[at]) {
            changed[at] = value;
            refused(&changed, &format!("byte {at} as {value}"));
        }
        changed[at] = bytes[at];
    }
    for at in (0..bytes.len()).step_by(17).chain(last - 200..=last) {
        let without = [&bytes[..at], &bytes[at + 1..]].concat();
        refused(&without, &format!("without byte {at}"));
        refused(&bytes[..at], &format!("cut off at {at}"));
        for value in [b' ', b'\n', b'"', b'A', b'=', 0] {
            refused(&[&bytes[..at], &[value], &bytes[at..]].concat(), &format!("{value} put in at {at}"));
        }
    }
    refused(&[&bytes[..], b"\n"].concat(), "a line more");
    refused(&[], "nothing");
}

#[test]
fn one_certificate_has_one_form() {
    let sign_off = SignOff::new();
    let key = sign_off.key.public();
    let text = sign_off.certificate().to_text().unwrap();
    let payload = String::from_utf8(serde_json::to_vec(&sign_off.certificate().statement).unwrap()).unwrap();
    assert!(holds(sign_off.sealed(&payload).as_bytes(), &key), "the test seals as the library does");
    let refused = |changed: String, why: &str| {
        let words = Certificate::parse(changed.as_bytes(), "c.json".as_ref()).unwrap_err().to_string();
        assert_says(&words, why);
    };
    let form = "the exact byte format";
    // the envelope: white space, order, repetition, unknown fields, escapes, a second signature, other base64
    refused(text.replace("\",\"payloadType", "\", \"payloadType"), form);
    refused(text.trim_end().into(), form);
    refused(text.replace('\n', "\r\n"), form);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (body, signatures) = (&value["payload"], &value["signatures"]);
    let kind = "\"payloadType\":\"application/vnd.in-toto+json\"";
    refused(format!("{{{kind},\"payload\":{body},\"signatures\":{signatures}}}\n"), form);
    refused(text.replace(kind, &format!("{kind},{kind}")), "duplicate field");
    refused(text.replace(kind, &format!("{kind},\"more\":1")), "unknown field");
    refused(text.replace("\"keyid\"", "\"more\":1,\"keyid\""), "unknown field");
    refused(text.replace("vnd.in", "vnd\\u002ein"), form);
    let signature = &signatures[0];
    refused(text.replace("}]", &format!("}},{signature}]")), "2 signatures");
    let sig = signature["sig"].as_str().unwrap();
    // 64 bytes leave 4 bits of the last character without a meaning
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (at, last) = (sig.len() - 3, digits.find(sig.as_bytes()[sig.len() - 3] as char).unwrap());
    for bits in 1..16 {
        let other = digits.as_bytes()[last | bits] as char;
        refused(text.replace(sig, &format!("{}{other}==", &sig[..at])), "its signature");
    }
    refused(text.replace(sig, sig.trim_end_matches('=')), "its signature");
    refused(text.replace(sig, &format!(" {sig}")), "its signature");
    refused(text.replace(sig, &STANDARD.encode([0; 63])), "not 64 bytes");
    // the payload, with a signature that holds
    let sealed = |payload: String| sign_off.sealed(&payload);
    refused(sealed(payload.replace("\"job\":", "\"job\": ")), form);
    refused(sealed(format!("{payload}\n")), form);
    refused(sealed(payload.replace("customers", "customer\\u0073")), form);
    refused(sealed(payload.replace("\"missing\":1}", "\"missing\":1,\"missing\":1}")), form);
    refused(sealed(payload.replace("\"job\":", "\"more\":1,\"job\":")), "unknown field `more`");
    refused(sealed(payload.replace("\"job\":", "\"job\":\"x\",\"job\":")), "duplicate field `job`");
    refused(sealed(payload.replace("\"from\":", "\"more\":1,\"from\":")), form);
    refused(sealed(payload.replace("{\"column\":{", "{\"column\":{\"more\":1,")), "unknown field");
    refused(sealed(payload.replace("\"candidates\":5", "\"candidates\":6")), "counts do not add up");
    refused(sealed(payload.replace("output:approved.csv", "output:../approved.csv")), "not one of its outputs");
    refused(sealed(payload.replace("\"caught\":3", "\"caught\":2")), "canary");
    refused(sealed(payload.replace("\"partly_approved\"", "\"approved\"")), "some are blocked");
    refused(sealed(payload.replace("Z\",\"expires", ".5Z\",\"expires")), "not a time such as");
    // other versions are named as such, whatever else is in them
    refused(sealed(payload.replace(PREDICATE_TYPE, "urn:countersign:signoff:v2")), "`urn:countersign:signoff:v2`");
    refused(
        sealed("{\"_type\":\"https://in-toto.io/Statement/v2\",\"predicateType\":\"x\"}".into()),
        "another version",
    );
    refused(text.replace("in-toto+json", "other+json"), "another version");
}

#[test]
fn a_statement_that_contradicts_itself_is_not_signed() {
    let sign_off = SignOff::new();
    let mut statement = sign_off.statement();
    statement.predicate.approved.ids = 3;
    let error = Certificate::of(statement, Some(&sign_off.key)).unwrap_err().to_string();
    assert_says(&error, "contradicts itself: the length of its approved list differs");
    let mut statement = sign_off.statement();
    statement.subject.push(statement.subject[0].clone());
    assert!(Certificate::of(statement, None).is_err());
}

#[test]
fn only_the_given_key_is_believed() {
    let sign_off = SignOff::new();
    let other = PrivateKey::generate().unwrap();
    sign_off.write(Certificate::of(sign_off.statement(), Some(&other)).unwrap().to_text().unwrap());
    let words = sign_off.refusal();
    assert_says(&words, &format!("signed with key {}", other.public().id()));
    // a forger names the right key
    let forged = fs::read_to_string(sign_off.path()).unwrap();
    sign_off.write(forged.replace(&other.public().id(), &sign_off.key.public().id()));
    assert_says(&sign_off.refusal(), "the signature of");
    sign_off.write(Certificate::of(sign_off.statement(), None).unwrap().to_text().unwrap());
    assert_says(&sign_off.refusal(), "is not signed, so it proves nothing");
    // nothing is said to be verified
    let (code, out, said) = run(&sign_off.shop, &["verify", "out/certificate.json", "--key", "team.pub"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert_says(&said, "is not signed");
}

#[test]
fn the_key_comes_from_the_user_and_never_from_the_certificate() {
    let sign_off = SignOff::signed(|_| {});
    let verify = |key: Option<&str>| {
        let mut command = Binary::cargo_bin("countersign").unwrap();
        command.current_dir(sign_off.shop.path("")).args(["verify", "out/certificate.json"]);
        command.env_remove("COUNTERSIGN_PUBLIC_KEY");
        if let Some(key) = key {
            command.env("COUNTERSIGN_PUBLIC_KEY", key);
        }
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for none in [None, Some("")] {
        let (code, said) = verify(none);
        assert_eq!(code, 2);
        assert_says(&said, "no public key was given");
    }
    assert_eq!(verify(Some("team.pub")).0, 0);
    assert_eq!(verify(Some(&fs::read_to_string(sign_off.shop.path("team.pub")).unwrap())).0, 0);
    for wrong in ["team.key", "out/approved.csv"] {
        let (code, said) = verify(Some(wrong));
        assert_eq!(code, 2);
        assert_says(&said, "is not an Ed25519 public key");
    }
}

#[test]
fn time_and_verdict_are_checked() {
    let hours = SignedDuration::from_hours;
    let signed = |after: SignedDuration| {
        SignOff::signed(|statement| {
            statement.predicate.signed_at = Moment::of(now() + after);
            statement.predicate.expires = Moment::of(now() + after + hours(2));
        })
    };
    assert_says(&signed(hours(-3)).refusal(), " expired at ");
    assert_says(&signed(SignedDuration::from_mins(6)).refusal(), "the clock of this machine shows");
    assert!(signed(SignedDuration::from_mins(4)).check(None, None).is_ok());
    let unverified = SignOff::signed(|statement| statement.predicate.verdict = Verdict::Unverified);
    let words = unverified.refusal();
    assert_says(&words, "belongs to an unverified sign-off, so it approves nothing\n  in new: 1 of 5");
}

#[test]
fn the_approved_list_is_the_one_that_was_signed() {
    let sign_off = SignOff::signed(|_| {});
    let list = sign_off.shop.path("out/approved.csv");
    let bytes = fs::read(&list).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        fs::write(&list, changed).unwrap();
        assert_says(&sign_off.refusal(), "is not the approved list that was signed");
    }
    fs::write(&list, [&bytes[..], b"7,eu,\n"].concat()).unwrap();
    assert_says(&sign_off.refusal(), "is not the approved list that was signed");
    fs::remove_file(&list).unwrap();
    assert_says(&sign_off.refusal(), "must be next to the certificate");
}

#[test]
fn every_id_of_a_list_has_to_be_approved() {
    let sign_off = SignOff::signed(|_| {});
    let words = sign_off.refusal_of_list("id,region\n1,eu\n\"3,4\",us\n9,eu\n8,eu\n");
    assert_says(&words, "ids.csv`, line 4: ID \"9\", \"eu\" is not approved");
    assert_says(&sign_off.refusal_of_list("id,region\n1,eu\n1,eu\n"), "line 3: ID \"1\", \"eu\" is a duplicate");
    // NULL and the empty text are two IDs, both approved of 2 and neither of 1
    assert_says(&sign_off.refusal_of_list("id,region\n2,\n2,\"\"\n1,\n"), "line 4: ID \"1\", NULL is not approved");
    assert_says(&sign_off.refusal_of_list("id,region\n1,\"\"\n"), "line 2: ID \"1\", \"\" is not approved");
    // parts of a key do not run into each other
    assert_says(&sign_off.refusal_of_list("id,region\n3,\"4,us\"\n"), "is not approved");
    assert_says(&sign_off.refusal_of_list("id\n1\n"), "key column `region` is not in it");
    assert_says(&sign_off.refusal_of_list("1,eu\n"), "line 1: the header is 1, eu, but key column `id` is not in it");
    assert_says(&sign_off.refusal_of_list("id,region,id\n1,eu,2\n"), "`id` is several times in it");
    assert_says(&sign_off.refusal_of_list("id,region\n1\n"), "line 2: 1 fields, but the header has 2");
    assert_says(&sign_off.refusal_of_list("id,region\n1,\"eu\n"), "line 2: a quoted field is not closed");
    assert_says(&sign_off.refusal_of_list(""), "is empty");
    assert_says(&sign_off.check(Some("nowhere.csv"), None).unwrap_err().to_string(), "nowhere.csv");
    fs::write(sign_off.shop.path("ids.csv"), "id,region\n").unwrap();
    assert!(sign_off.check(Some("ids.csv"), None).is_ok(), "a list of nothing is approved");
}

#[test]
fn every_changed_input_is_named() {
    let sign_off = SignOff::signed(|_| {});
    fs::write(sign_off.shop.path("data/old.parquet"), "old row$").unwrap();
    fs::remove_file(sign_off.shop.path("data/new.parquet")).unwrap();
    let words = sign_off.check(None, Some("data")).unwrap_err().to_string();
    assert_says(&words, "old:old.parquet (`");
    assert_says(&words, "it has changed");
    assert_says(&words, "new:/nowhere/on/this/machine/new.parquet (`");
    assert_says(&words, "it does not exist");
    assert!(!words.contains("job:"), "{words}");
    assert!(sign_off.check(None, None).is_ok(), "they are not looked at unasked");
    assert_says(&sign_off.check(None, Some("nowhere")).unwrap_err().to_string(), "is not a directory");
}

#[test]
fn keys_are_made_once_and_guarded() {
    let shop = Workshop::new();
    let (code, out, said) = run(&shop, &["keygen", "--out", "team"]);
    assert_eq!((code, said.as_str()), (0, ""));
    let mode = |name: &str| fs::metadata(shop.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("team.key"), 0o600);
    let key = PrivateKey::read(&shop.path("team.key")).unwrap();
    assert_eq!(PublicKey::read(&shop.path("team.pub")).unwrap(), key.public());
    assert_says(&out, &key.public().id());
    let text = |name: &str| fs::read_to_string(shop.path(name)).unwrap();
    let (private, public) = (text("team.key"), text("team.pub"));
    assert!(private.starts_with("-----BEGIN PRIVATE KEY-----\n") && public.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    let secret = private.lines().nth(1).unwrap().to_string();
    assert!(!format!("{key:?}{out}").contains(&secret[22..]) && format!("{key:?}").contains(&key.public().id()));

    let (code, _, said) = run(&shop, &["keygen", "--out", "team"]);
    assert_eq!(code, 2);
    assert_says(&said, "`team.key` already exists, and a key is never overwritten");
    // an existing public key or a dangling link is also refused, and no half of a key pair is left
    fs::write(shop.path("half.pub"), "mine").unwrap();
    symlink("nowhere", shop.path("link.key")).unwrap();
    assert_eq!(run(&shop, &["keygen", "--out", "half"]).0, 2);
    assert_eq!(run(&shop, &["keygen", "--out", "link"]).0, 2);
    assert_eq!(shop.names(""), ["half.pub", "link.key", "team.key", "team.pub"]);
    assert_eq!((text("team.key"), text("team.pub"), text("half.pub")), (private, public, "mine".into()));

    for mode in [0o640, 0o604, 0o620, 0o601, 0o644] {
        fs::set_permissions(shop.path("team.key"), fs::Permissions::from_mode(mode)).unwrap();
        let words = PrivateKey::read(&shop.path("team.key")).unwrap_err().to_string();
        assert_says(&words, "chmod 600");
        assert_says(&words, &format!("{mode:03o}"));
        assert!(!words.contains(&secret[22..]));
    }
    fs::set_permissions(shop.path("team.key"), fs::Permissions::from_mode(0o400)).unwrap();
    assert!(PrivateKey::read(&shop.path("team.key")).is_ok());
    fs::write(shop.path("wrong.key"), "no key, and a secret").unwrap();
    fs::set_permissions(shop.path("wrong.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let words = PrivateKey::read(&shop.path("wrong.key")).unwrap_err().to_string();
    assert!(words.contains("is not an Ed25519 private key") && !words.contains("secret"), "{words}");
}

#[test]
fn a_million_ids_are_verified_in_time() {
    const IDS: u64 = 1_000_000;
    let list = |order: &mut dyn Iterator<Item = u64>| {
        order.fold(String::from("id,region\n"), |list, id| list + &format!("{id},eu\n"))
    };
    let sign_off = SignOff::new();
    fs::write(sign_off.shop.path("out/approved.csv"), list(&mut (0..IDS))).unwrap();
    let mut statement = sign_off.statement();
    statement.predicate.counts = Counts { candidates: IDS + 1, approved: IDS, blocked: 1 };
    statement.predicate.approved.ids = IDS;
    sign_off.write(Certificate::of(statement, Some(&sign_off.key)).unwrap().to_text().unwrap());
    fs::write(sign_off.shop.path("ids.csv"), list(&mut (0..IDS).rev())).unwrap();
    let started = Instant::now();
    sign_off.check(Some("ids.csv"), None).unwrap();
    let limit = if cfg!(debug_assertions) { Duration::from_secs(60) } else { Duration::from_secs(1) };
    assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    fs::write(sign_off.shop.path("ids.csv"), list(&mut (1..=IDS))).unwrap();
    let words = sign_off.check(Some("ids.csv"), None).unwrap_err().to_string();
    assert_says(&words, "line 1000001: ID \"1000000\", \"eu\" is not approved");
}

/// Another implementation of DSSE in a separate Python environment, which is installed once and must be available.
fn python() -> PathBuf {
    const PACKAGES: [&str; 2] = ["securesystemslib==1.3.0", "cryptography==50.0.2"];
    support::python("dsse-1.3.0-50.0.2", &PACKAGES)
}

const VERIFY_IN_PYTHON: &str = "
import hashlib, json, sys
from cryptography.hazmat.primitives import serialization
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

certificate, public = sys.argv[1:]
public = serialization.load_pem_public_key(open(public, 'rb').read())
raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
key = SSlibKey.from_crypto(public, keyid=hashlib.sha256(raw).hexdigest())
envelope = Envelope.from_dict(json.load(open(certificate)))
try:
    envelope.verify([key], 1)
except VerificationError as error:
    sys.exit(f'refused: {error}')
statement = json.loads(envelope.payload)
print(envelope.payload_type, statement['_type'], statement['predicate']['job'])
";

#[test]
fn another_implementation_verifies_what_the_binary_made() {
    let shop = Workshop::new();
    assert_eq!(run(&shop, &["keygen", "--out", "made"]).0, 0);
    let mut sign_off = SignOff::new();
    sign_off.key = PrivateKey::read(&shop.path("made.key")).unwrap();
    let text = sign_off.certificate().to_text().unwrap();
    sign_off.write(&text);
    assert!(sign_off.check(None, None).is_ok());
    let verify = || {
        let args = [sign_off.path(), shop.path("made.pub")];
        let output = Command::new(python()).args(["-c", VERIFY_IN_PYTHON]).args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let (is_verified, out, said) = verify();
    assert!(is_verified, "{said}");
    assert_eq!(out, "application/vnd.in-toto+json https://in-toto.io/Statement/v1 customers\n");
    // the same envelope around a statement that was changed
    let mut tampered: serde_json::Value = serde_json::from_str(&text).unwrap();
    let payload = STANDARD.decode(tampered["payload"].as_str().unwrap()).unwrap();
    let payload = String::from_utf8(payload).unwrap().replace("customers", "everybody");
    tampered["payload"] = STANDARD.encode(payload).into();
    sign_off.write(tampered.to_string());
    let (is_verified, out, said) = verify();
    assert!(!is_verified && out.is_empty());
    assert_says(&said, "refused: ");
}
