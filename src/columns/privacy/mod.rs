//! KEEP: which columns are private. Everything that writes, shows, digests or asks asks here, and nowhere else is a name of
//! `[private]` compared with anything.
//!
//! Privacy belongs to stored columns and not to names: a column may be named as either side calls it, as the pair is called,
//! or by a path to one of its fields, and whatever is made of it is private, too. Where a field of a column is private, the
//! values of the whole column are.

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
    /// The key of the digests: the job's, or else one of this run alone.
    key: [u8; 32],
    sides: Sides<SideColumns>,
    /// The compared pairs, in the pairing's order.
    pairs: Vec<PrivatePair>,
    /// How many of them, from the front, identify a row.
    key_len: usize,
    hides_versions: bool,
    /// The names of private columns wherever they stand.
    everywhere: BTreeSet<String>,
}

struct PrivatePair {
    name: String,
    private_by: Option<WordNumber>,
}

impl Privacy {
    /// The private columns of a comparison. `snapshots` are the sides as they were opened: what is made of what is known of
    /// them alone, and of no working copy.
    ///
    /// # Errors
    /// If a name under `[private]` is that of no column, or if the values of a private column are names of directories.
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

    /// The private columns of old alone.
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
        // what a side calls it, a further table may call it, too
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

    /// Whether the job has private columns at all, compared or not.
    pub fn is_asked(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a compared pair is private, by its number in the pairing.
    pub fn hides(&self, pair: usize) -> bool {
        self.inner().is_some_and(|inner| inner.pairs.get(pair).is_none_or(|pair| pair.private_by.is_some()))
    }

    /// Whether a compared pair is private, by the name that reports give it; a name that is no pair's is, where it is that
    /// of a private column of either side.
    pub fn hides_pair(&self, name: &str) -> bool {
        self.inner().is_some_and(|inner| match inner.pairs.iter().find(|pair| pair.name == name) {
            Some(pair) => pair.private_by.is_some(),
            None => inner.everywhere.contains(name),
        })
    }

    /// The first private column among those that identify a row; all columns do where rows have no key.
    pub fn private_key(&self) -> Option<&str> {
        let inner = self.inner()?;
        let key = inner.pairs.iter().take(inner.key_len).find(|pair| pair.private_by.is_some());
        key.map(|pair| pair.name.as_str())
    }

    /// The first private column among those that are compared.
    pub fn private_value(&self) -> Option<&str> {
        let inner = self.inner()?;
        inner.pairs.iter().find(|pair| pair.private_by.is_some()).map(|pair| pair.name.as_str())
    }

    /// Whether a column of a side is private, by its position in the side's schema.
    pub fn hides_column(&self, side: Side, column: usize) -> bool {
        self.inner().is_some_and(|inner| inner.sides[side].private_by(column).is_some())
    }

    /// Whether a column of a side is private, by its name: of the side as it is shaped, of its files, or of what its query read.
    pub fn hides_stored(&self, side: Side, name: &str) -> bool {
        self.inner().is_some_and(|inner| inner.sides[side].hides(name))
    }

    /// Whether the versions of rows are private; those of both sides are, or of neither.
    pub fn hides_versions(&self) -> bool {
        self.inner().is_some_and(|inner| inner.hides_versions)
    }

    /// Whether a column is private that a question in SQL calls so. Of a table without a name, nothing but the column's is known.
    pub fn hides_in_sql(&self, table: &str, column: &str) -> bool {
        self.inner().is_some_and(|inner| match table {
            "old" => inner.sides.old.hides(column),
            "new" => inner.sides.new.hides(column),
            // digests stand there already
            "discrepancies" => false,
            _ => inner.everywhere.contains(column),
        })
    }

    /// Where the job says that a compared pair is private, and by which name.
    pub fn origin(&self, pair: &str) -> Option<String> {
        let inner = self.inner()?;
        let own = inner.pairs.iter().find(|own| own.name == pair)?;
        let word = &inner.private.columns[own.private_by?];
        Some(match word.text == pair {
            true => word.place.to_string(),
            false => format!("{}: with `{}`, `{pair}` is private", word.place, word.text),
        })
    }

    /// What stands in the place of a value.
    pub fn mode(&self) -> Mode {
        self.inner().map_or(Mode::default(), |inner| inner.private.mode)
    }

    /// Whether ID lists hold private values all the same, readable by their owner only.
    pub fn has_plain_lists(&self) -> bool {
        self.inner().is_some_and(|inner| inner.private.plain_lists)
    }

    /// Whether digests of one value are the same in other runs: the job gives a key.
    pub fn digests_last(&self) -> bool {
        self.inner().is_some_and(|inner| inner.private.key.is_some())
    }

    /// The names under which values are hidden: the pairs', and those that the job says.
    pub fn names(&self) -> Vec<String> {
        let names = self.inner().map(|inner| {
            let pairs = inner.pairs.iter().filter(|pair| pair.private_by.is_some()).map(|pair| pair.name.clone());
            let words = inner.private.columns.iter().map(|word| word.text.clone());
            pairs.chain(words).collect::<BTreeSet<String>>()
        });
        names.unwrap_or_default().into_iter().collect()
    }

    /// The digest that stands in the place of a private value: 128 bits, in hexadecimal.
    pub fn digest(&self, text: &str) -> Option<String> {
        let inner = self.inner()?;
        Some(blake3::keyed_hash(&inner.key, text.as_bytes()).to_hex()[..DIGEST_DIGITS].to_string())
    }

    /// What hashes whole rows: with the job's key where a compared column is private, since few possible values could be
    /// tried out otherwise.
    ///
    /// # Errors
    /// If that key is one of this run alone: no later look could make anything of such a hash.
    pub fn row_hasher(&self) -> Result<blake3::Hasher> {
        const CONTEXT: &str = "countersign 2026 hashes of rows with private values";
        let (Some(inner), Some(name)) = (self.inner(), self.private_value()) else { return Ok(blake3::Hasher::new()) };
        match inner.private.key {
            Some(key) => Ok(blake3::Hasher::new_keyed(&blake3::derive_key(CONTEXT, &key))),
            None => Err(Error::Contradiction(format!(
                "{}: `{name}` is private, so hashes of rows are made with the key of the digests, and nothing could be \
                 checked by one of this run alone\n  \
                 give a key that lasts, in COUNTERSIGN_PRIVATE_KEY or with key_file: `openssl rand -hex 32` writes one",
                inner.place()
            ))),
        }
    }

    /// The digest of what rows are recognised by in later runs: of nothing secret, unless the key is private; then of the
    /// key of its digests. `None` if that is of this run alone, so that they cannot be.
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

/// Digits of 128 bits in hexadecimal.
const DIGEST_DIGITS: usize = 32;

impl Inner {
    fn place(&self) -> String {
        self.private.columns.first().map(|word| word.place.to_string()).unwrap_or_default()
    }
}

fn random_key() -> Result<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(Error::internal)?;
    Ok(key)
}
