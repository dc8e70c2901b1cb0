//! Decides which columns are private. All code that writes, shows, or digests values, or runs SQL, uses this module,
//! and no other module compares a name in `[private]` with anything.
//!
//! Stored columns are private, not names. A column may be named as either side or the pair is called, or by a path to
//! one of its fields, and everything computed from it is also private. If a field of a column is private, all values of
//! the column are.

mod paths;
mod resolve;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Pairing;
use super::names::ColumnNames;
use crate::error::{Error, Result};
use crate::job::private::Mode;
use crate::job::{Job, Private};
use crate::sides::{Side, Sides};
use crate::snapshot::Snapshot;
use crate::sql::Tables;
use resolve::{NameScope, SideColumns, WordNumber};

/// The private columns of a job, and the key of their digests. Cheap to clone.
#[derive(Clone, Default)]
pub struct Privacy(Option<Arc<Inner>>);

struct Inner {
    private: Private,
    /// The key of the digests: that of the job, or else a random key for this run.
    key: [u8; 32],
    sides: Sides<SideColumns>,
    /// The compared pairs, in the order of the pairing.
    pairs: Vec<PrivatePair>,
    /// The number of key columns, which are the first pairs.
    key_len: usize,
    hides_versions: bool,
    /// The names of private columns in any table.
    everywhere: BTreeSet<String>,
}

struct PrivatePair {
    name: String,
    private_by: Option<WordNumber>,
}

impl Privacy {
    /// Resolves the private columns of a comparison. `snapshots` must be the sides as they were opened, not working
    /// copies, because only these have lineage.
    ///
    /// # Errors
    /// If a name in `[private]` does not exist, or if the values of a private column are in directory names.
    pub fn of(job: &Job, snapshots: &Sides<Snapshot>, pairing: &Pairing, tables: &Tables) -> Result<Self> {
        let Some(private) = &job.private else { return Ok(Privacy(None)) };
        let names = ColumnNames::of(snapshots, job)?;
        let known = NameScope {
            sides: snapshots.as_ref().map(Some),
            pairs: &names.pairs,
            links: pairing.version.iter().map(|version| version.at).collect(),
            tables,
        };
        Self::resolve(private, &known, Some(pairing))
    }

    /// Resolves the private columns of old without new.
    ///
    /// # Errors
    /// As those of [`Privacy::of`].
    pub fn of_old(job: &Job, old: &Snapshot, tables: &Tables) -> Result<Self> {
        let Some(private) = &job.private else { return Ok(Privacy(None)) };
        let known = NameScope { sides: Sides { old: Some(old), new: None }, pairs: &[], links: vec![], tables };
        Self::resolve(private, &known, None)
    }

    fn resolve(private: &Private, known: &NameScope, pairing: Option<&Pairing>) -> Result<Self> {
        let sides = known.resolve(private)?;
        let is_private = |side: Side, at: usize| sides[side].private_by(at);
        let columns = pairing.iter().flat_map(|pairing| &pairing.columns);
        let pairs: Vec<PrivatePair> = columns
            .map(|column| PrivatePair {
                name: column.name.clone(),
                private_by: Side::BOTH.iter().find_map(|side| is_private(*side, column.at[*side])),
            })
            .collect();
        let version = pairing.and_then(|pairing| pairing.version.as_ref());
        let hides_versions =
            version.is_some_and(|version| Side::BOTH.iter().any(|side| is_private(*side, version.at[*side]).is_some()));
        // an additional table may use the same name as a side
        let named = private.columns.iter().map(|word| word.text.as_str());
        let of_fields = private.columns.iter().flat_map(|word| known.tables_columns(&word.text));
        let of_pairs = pairs.iter().filter(|pair| pair.private_by.is_some()).map(|pair| pair.name.as_str());
        let of_sides = sides.iter().flat_map(SideColumns::private_names);
        let everywhere = named.chain(of_fields).chain(of_pairs).chain(of_sides).map(String::from).collect();
        Ok(Privacy(Some(Arc::new(Inner {
            private: private.clone(),
            key: private.key.map_or_else(random_key, Ok)?,
            sides,
            pairs,
            key_len: pairing.map_or(0, |pairing| pairing.key_len),
            hides_versions,
            everywhere,
        }))))
    }

    fn inner(&self) -> Option<&Inner> {
        self.0.as_deref()
    }

    /// Whether the job configures private columns, compared or not.
    pub fn is_asked(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a compared pair is private, by its index in the pairing.
    pub fn hides(&self, pair: usize) -> bool {
        self.inner().is_some_and(|inner| inner.pairs.get(pair).is_none_or(|pair| pair.private_by.is_some()))
    }

    /// Whether a compared pair is private, by its name in reports. Another name is private if a private column of
    /// either side has it.
    pub fn hides_pair(&self, name: &str) -> bool {
        self.inner().is_some_and(|inner| match inner.pairs.iter().find(|pair| pair.name == name) {
            Some(pair) => pair.private_by.is_some(),
            None => inner.everywhere.contains(name),
        })
    }

    /// The first private key column. Without a key, all columns are key columns.
    pub fn private_key(&self) -> Option<&str> {
        let inner = self.inner()?;
        let key = inner.pairs.iter().take(inner.key_len).find(|pair| pair.private_by.is_some());
        key.map(|pair| pair.name.as_str())
    }

    /// The first private column that is compared.
    pub fn private_value(&self) -> Option<&str> {
        let inner = self.inner()?;
        inner.pairs.iter().find(|pair| pair.private_by.is_some()).map(|pair| pair.name.as_str())
    }

    /// Whether a column of a side is private, by its index in the schema of the side.
    pub fn hides_column(&self, side: Side, column: usize) -> bool {
        self.inner().is_some_and(|inner| inner.sides[side].private_by(column).is_some())
    }

    /// Whether a column of a side is private, by its name in the transformed side, in its files, or in the input of its
    /// query.
    pub fn hides_stored(&self, side: Side, name: &str) -> bool {
        self.inner().is_some_and(|inner| inner.sides[side].hides(name))
    }

    /// Whether the versions of rows are private. They are on both sides, or on neither.
    pub fn hides_versions(&self) -> bool {
        self.inner().is_some_and(|inner| inner.hides_versions)
    }

    /// Whether a column in an SQL query is private. Columns of additional tables are only known by name.
    pub fn hides_in_sql(&self, table: &str, column: &str) -> bool {
        self.inner().is_some_and(|inner| match table {
            "old" => inner.sides.old.hides(column),
            "new" => inner.sides.new.hides(column),
            // the values are already redacted there
            "discrepancies" => false,
            _ => inner.everywhere.contains(column),
        })
    }

    /// Returns where and by which name the job makes a compared pair private.
    pub fn origin(&self, pair: &str) -> Option<String> {
        let inner = self.inner()?;
        let own = inner.pairs.iter().find(|own| own.name == pair)?;
        let word = &inner.private.columns[own.private_by?];
        Some(match word.text == pair {
            true => word.origin.to_string(),
            false => format!("{}: `{pair}` is private because of `{}`", word.origin, word.text),
        })
    }

    /// What replaces a value.
    pub fn mode(&self) -> Mode {
        self.inner().map_or(Mode::default(), |inner| inner.private.mode)
    }

    /// Whether ID lists contain private values in plain text, in files that only their owner can read.
    pub fn has_plain_lists(&self) -> bool {
        self.inner().is_some_and(|inner| inner.private.plain_lists)
    }

    /// Whether digests of a value are the same in all runs, because the job has a key.
    pub fn digests_last(&self) -> bool {
        self.inner().is_some_and(|inner| inner.private.key.is_some())
    }

    /// The names of private columns: those of the pairs, and those in the job.
    pub fn names(&self) -> Vec<String> {
        let names = self.inner().map(|inner| {
            let pairs = inner.pairs.iter().filter(|pair| pair.private_by.is_some()).map(|pair| pair.name.clone());
            let names = inner.private.columns.iter().map(|word| word.text.clone());
            pairs.chain(names).collect::<BTreeSet<String>>()
        });
        names.unwrap_or_default().into_iter().collect()
    }

    /// Returns the digest that replaces a private value: 128 bits in hexadecimal.
    pub fn digest(&self, text: &str) -> Option<String> {
        let inner = self.inner()?;
        Some(blake3::keyed_hash(&inner.key, text.as_bytes()).to_hex()[..DIGEST_DIGITS].to_string())
    }

    /// Creates the hasher for whole rows. If a compared column is private, it uses the job's key, because otherwise a
    /// few possible values could be tried.
    ///
    /// # Errors
    /// If the job has no key: a hash with the random key of this run could not be checked later.
    pub fn row_hasher(&self) -> Result<blake3::Hasher> {
        const CONTEXT: &str = "countersign 2026 hashes of rows with private values";
        let (Some(inner), Some(name)) = (self.inner(), self.private_value()) else { return Ok(blake3::Hasher::new()) };
        match inner.private.key {
            Some(key) => Ok(blake3::Hasher::new_keyed(&blake3::derive_key(CONTEXT, &key))),
            None => Err(Error::request(
                inner.origin(),
                format!(
                    "`{name}` is private, so row hashes need a permanent key; hashes with the random key of this run \
                 could not be checked later\n  \
                 set COUNTERSIGN_PRIVATE_KEY or key_file; `openssl rand -hex 32` generates a key"
                ),
            )),
        }
    }

    /// Returns a digest that identifies how keys are recognized in later runs. If the key is private, it depends on the
    /// digests' key, and is `None` if that is random.
    pub fn recognition(&self) -> Option<String> {
        const CONTEXT: &str = "countersign 2026 what tells one key of private digests from another";
        match (self.inner(), self.private_key()) {
            (Some(inner), Some(_)) => {
                inner.private.key.map(|key| blake3::Hash::from(blake3::derive_key(CONTEXT, &key)).to_hex().to_string())
            }
            _ => Some(blake3::hash(b"").to_hex().to_string()),
        }
    }
}

/// The number of hexadecimal digits in 128 bits.
const DIGEST_DIGITS: usize = 32;

impl Inner {
    fn origin(&self) -> String {
        self.private.columns.first().map(|word| word.origin.to_string()).unwrap_or_default()
    }
}

fn random_key() -> Result<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(Error::internal)?;
    Ok(key)
}
