//! The certificate as a file: a DSSE envelope around a statement.
//!
//! A certificate has exactly one byte representation. After parsing, the envelope and its statement are serialized
//! again, and a file that differs in any byte is refused: extra white space, another order of fields, another escape of
//! a character, or another base64 encoding.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::keys::{PrivateKey, PublicKey};
use crate::statement::{PREDICATE_TYPE, STATEMENT_TYPE, Statement};

/// The `payloadType` of an envelope.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A statement with its signature, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The signed statement.
    pub statement: Statement,
    /// The signature. It is not verified until [`Certificate::require_signed_by`].
    pub signature: Option<Signature>,
    /// The serialized statement, exactly as signed.
    payload: Vec<u8>,
}

/// A signature and the ID of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The key ID; see [`PublicKey::id`]. Not verified.
    pub key_id: String,
    bytes: [u8; 64],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeSignature {
    keyid: String,
    sig: String,
}

/// The fields that identify the version of a statement, parsed before all others.
#[derive(Deserialize)]
struct Kinds {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(rename = "predicateType")]
    predicate_type: String,
}

/// The bytes that are signed: DSSE's pre-authentication encoding of the payload.
fn pre_authentication_encoding(payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

impl Certificate {
    /// Creates a certificate from a statement, and signs it if a key is given.
    ///
    /// # Errors
    /// If the statement contradicts itself.
    pub fn of(statement: Statement, key: Option<&PrivateKey>) -> Result<Self> {
        if let Some(flaw) = statement.flaw() {
            return Err(Error::BadStatement(flaw));
        }
        let payload = serde_json::to_vec(&statement).map_err(Error::internal)?;
        let sign = |key: &PrivateKey| Signature {
            key_id: key.public().id(),
            bytes: key.sign(&pre_authentication_encoding(&payload)),
        };
        Ok(Certificate { signature: key.map(sign), statement, payload })
    }

    /// The content of the file.
    pub fn to_text(&self) -> Result<String> {
        let signatures = self.signature.iter().map(|signature| EnvelopeSignature {
            keyid: signature.key_id.clone(),
            sig: STANDARD.encode(signature.bytes),
        });
        let envelope = Envelope {
            payload: STANDARD.encode(&self.payload),
            payload_type: PAYLOAD_TYPE.into(),
            signatures: signatures.collect(),
        };
        Ok(serde_json::to_string(&envelope).map_err(Error::internal)? + "\n")
    }

    /// Parses the content of a file; `file` is its path in error messages. The signature is not verified.
    ///
    /// # Errors
    /// If the content differs from what [`Certificate::to_text`] writes, or if the statement has a flaw.
    pub fn parse(bytes: &[u8], file: &Path) -> Result<Self> {
        let wrong = |reason: String| Error::BadForm { file: file.into(), reason };
        let other_version = |field, found, known| Error::OtherVersion { file: file.into(), field, found, known };
        let envelope: Envelope = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(other_version("payloadType", envelope.payload_type, PAYLOAD_TYPE));
        }
        let payload = STANDARD.decode(&envelope.payload).map_err(|error| wrong(format!("its payload: {error}")))?;
        let of_payload = |error: serde_json::Error| wrong(format!("its payload: {error}"));
        let Kinds { kind, predicate_type } = serde_json::from_slice(&payload).map_err(of_payload)?;
        if kind != STATEMENT_TYPE {
            return Err(other_version("_type", kind, STATEMENT_TYPE));
        }
        if predicate_type != PREDICATE_TYPE {
            return Err(other_version("predicateType", predicate_type, PREDICATE_TYPE));
        }
        let statement: Statement = serde_json::from_slice(&payload).map_err(of_payload)?;
        let signature = match envelope.signatures.as_slice() {
            [] => None,
            [signature] => Some(Signature::parse(signature).map_err(wrong)?),
            several => return Err(wrong(format!("it has {} signatures instead of one", several.len()))),
        };
        if let Some(flaw) = statement.flaw() {
            return Err(wrong(flaw));
        }
        let certificate = Certificate { statement, signature, payload };
        match certificate.is_written_as(bytes) {
            true => Ok(certificate),
            false => Err(wrong("it differs from the exact byte format of a certificate".into())),
        }
    }

    fn is_written_as(&self, bytes: &[u8]) -> bool {
        let is_payload = serde_json::to_vec(&self.statement).is_ok_and(|payload| payload == self.payload);
        is_payload && self.to_text().is_ok_and(|text| text.as_bytes() == bytes)
    }

    /// Verifies that a key has signed this statement; `file` is the path in error messages.
    ///
    /// # Errors
    /// If there is no signature, if it names another key, or if it is not valid.
    pub fn require_signed_by(&self, key: &PublicKey, file: &Path) -> Result<()> {
        let file = file.to_path_buf();
        let Some(signature) = &self.signature else { return Err(Error::NotSigned { file }) };
        if signature.key_id != key.id() {
            return Err(Error::OtherKey { file, signed_by: signature.key_id.clone(), given: key.id() });
        }
        match key.has_signed(&pre_authentication_encoding(&self.payload), &signature.bytes) {
            true => Ok(()),
            false => Err(Error::BadSignature { file }),
        }
    }
}

impl Signature {
    fn parse(signature: &EnvelopeSignature) -> Result<Self, String> {
        let bytes = STANDARD.decode(&signature.sig).map_err(|error| format!("its signature: {error}"))?;
        let bytes = bytes.try_into().map_err(|_| "its signature is not 64 bytes long")?;
        Ok(Signature { key_id: signature.keyid.clone(), bytes })
    }
}
