//! The memory of what DataFusion runs: each sort has its own to itself, and the rest of a plan shares a pool in which
//! what can spill leaves room for what cannot.
//!
//! With DataFusion's own pools, a sort can fail in the middle, however much memory there is. A sort has two consumers:
//! the sorter, which can spill, and the merge of its runs, which cannot, and which fails where the pool has nothing
//! left. `FairSpillPool` lets sorters fill the pool to the last byte: it holds a limit against each reservation, and a
//! sorter that spills splits its own into several; and it divides anew when a sort begins, while those before it keep
//! what they have. What a merge sets aside beforehand is given back in between, for other sorts to take.
//!
//! So each partition of each sort gets a pool of its own, and the sum of all of them is known before the first begins.
//! In it, a sorter and its merge come out by these numbers, of `bytes` for the partition and `aside`, a quarter of them:
//!
//! * While rows come in, the merge holds `aside`, and the sorter fills `bytes - 3/2 aside` (five eighths). It reckons
//!   every batch twice, so that is a sorted and an unsorted copy of what it holds.
//! * When it sorts what it holds, each batch becomes one sorted run, whose second copy is given back; the merge takes the
//!   batches over (one copy) and makes keys of them (less than another). That fits into what they were reckoned at.
//! * The output gathers as long as half of `aside` stays free, and is written out then.
//! * When the input has ended, the sorter holds nothing, and the merge of what was written out has all of `bytes`. It
//!   takes two runs at least, with two copies of a batch of each: four batches. [`SORT_BATCHES`] of them are granted.

mod pool;
mod runs_with;
mod shares;

pub(crate) use pool::SpillingPool;
pub(crate) use runs_with::RunsWith;
pub(crate) use shares::{SortShares, spilled_bytes};

/// How many batches one partition of a sort has room for, at least.
pub(crate) const SORT_BATCHES: u64 = 12;
