//! Memory for DataFusion plans: each sort has a pool to itself. The rest of a plan shares one pool, in which consumers
//! that can spill leave room for those that cannot.
//!
//! With DataFusion's own pools, a sort can fail halfway, however much memory there is. A sort has two consumers: the
//! sorter, which can spill, and the merge of its runs, which cannot and fails if the pool is exhausted. `FairSpillPool`
//! lets sorters fill the pool to the last byte: it limits each reservation, and a sorter that spills splits its
//! reservation into several. It also computes new shares when a sort begins, while earlier sorts keep what they have.
//! What a merge reserves in advance is released in between, for other sorts to take.
//!
//! So each partition of each sort gets its own pool, and the sum of all pools is known before the first sort begins.
//! With `bytes` for the partition, a quarter of them set `aside`, a sorter and its merge fit:
//!
//! * While rows come in, the merge holds `aside`, and the sorter fills `bytes - 3/2 aside` (five eighths). It counts
//!   every batch twice: an unsorted and a sorted copy.
//! * When the sorter sorts what it holds, each batch becomes one sorted run, and its second copy is released. The merge
//!   takes over the batches (one copy) and converts them to keys (less than another copy). That fits into what was
//!   counted for them.
//! * The sorter collects output as long as half of `aside` stays free, and then writes it out.
//! * When the input has ended, the sorter holds nothing, and the merge of the spilled runs has all of `bytes`. It needs
//!   at least two runs with two copies of a batch each: four batches. [`SORT_BATCHES`] batches are granted.

mod pool;
mod runs_with;
mod shares;

pub(crate) use pool::SpillingPool;
pub(crate) use runs_with::RunsWith;
pub(crate) use shares::{SortShares, spilled_bytes};

/// The minimum number of batches for which one partition of a sort has room.
pub(crate) const SORT_BATCHES: u64 = 12;
