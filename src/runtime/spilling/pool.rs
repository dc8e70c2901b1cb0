//! The memory pool of one sort partition, or of the rest of a plan.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytesize::ByteSize;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool, MemoryReservation};

/// The fraction (1/4) of a pool that is set aside for consumers that cannot spill.
const ASIDE_PART: usize = 4;

/// A pool in which consumers that can spill leave room for those that cannot.
#[derive(Debug)]
pub(crate) struct SpillingPool {
    bytes: usize,
    limit: Limit,
    state: Mutex<PoolState>,
}

/// How consumers that can spill are limited.
#[derive(Debug, Clone, Copy)]
enum Limit {
    /// All together: they are one sorter, however it splits its reservation.
    OfSort,
    /// Each reservation, to an even share: an aggregate that has spilled merges its runs beside its groups.
    OfShare {
        /// The number of consumers that share the pool.
        spillers: usize,
    },
}

#[derive(Debug, Default)]
struct PoolState {
    spillable: usize,
    unspillable: usize,
}

impl SpillingPool {
    /// The pool of one partition of a sort.
    pub(crate) fn of_sort(bytes: u64) -> Self {
        SpillingPool::new(bytes, Limit::OfSort)
    }

    /// A pool shared by `spillers` consumers that can spill, and by others that cannot.
    pub(crate) fn shared(bytes: u64, spillers: usize) -> Self {
        SpillingPool::new(bytes, Limit::OfShare { spillers: spillers.max(1) })
    }

    fn new(bytes: u64, limit: Limit) -> Self {
        SpillingPool { bytes: usize::try_from(bytes).unwrap_or(usize::MAX), limit, state: Mutex::default() }
    }

    /// Bytes that are set aside for consumers that cannot spill.
    pub(super) fn aside(&self) -> usize {
        self.bytes / ASIDE_PART
    }

    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many more bytes a reservation may take now.
    fn left_to(&self, reservation: &MemoryReservation, state: &PoolState) -> usize {
        let free = self.bytes.saturating_sub(state.spillable + state.unspillable);
        if !reservation.consumer().can_spill() {
            return free;
        }
        let aside = self.aside().max(state.unspillable + self.aside() / 2);
        let room = self.bytes.saturating_sub(aside);
        let left = match (self.limit, reservation.size()) {
            (Limit::OfSort, _) => room.saturating_sub(state.spillable),
            // it has spilled everything and cannot continue without this
            (Limit::OfShare { .. }, 0) => room,
            (Limit::OfShare { spillers }, size) => (room / spillers).saturating_sub(size),
        };
        left.min(free)
    }
}

impl MemoryPool for SpillingPool {
    fn name(&self) -> &str {
        "spilling"
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        *self.state().of(reservation) += additional;
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        *self.state().of(reservation) -= shrink;
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut state = self.state();
        let left = self.left_to(reservation, &state);
        if additional > left {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} wants {} more, and {} of {} are left to it",
                reservation.consumer().name(),
                ByteSize(additional as u64),
                ByteSize(left as u64),
                ByteSize(self.bytes as u64)
            )));
        }
        *state.of(reservation) += additional;
        Ok(())
    }

    fn reserved(&self) -> usize {
        let state = self.state();
        state.spillable + state.unspillable
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes)
    }
}

impl PoolState {
    fn of(&mut self, reservation: &MemoryReservation) -> &mut usize {
        match reservation.consumer().can_spill() {
            true => &mut self.spillable,
            false => &mut self.unspillable,
        }
    }
}

impl fmt::Display for SpillingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(pool_size: {})", self.name(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::execution::memory_pool::MemoryConsumer;

    use super::*;

    fn reservations(pool: SpillingPool) -> (Arc<dyn MemoryPool>, impl Fn(bool) -> MemoryReservation) {
        let pool: Arc<dyn MemoryPool> = Arc::new(pool);
        let register = {
            let pool = pool.clone();
            move |can_spill| MemoryConsumer::new("consumer").with_can_spill(can_spill).register(&pool)
        };
        (pool, register)
    }

    #[test]
    fn a_sorter_leaves_room_for_its_merge() {
        let (pool, register) = reservations(SpillingPool::of_sort(800));
        let (sorter, merge) = (register(true), register(false));
        // while the merge holds what is set aside, the sorter has five eighths
        merge.try_grow(200).unwrap();
        sorter.try_grow(500).unwrap();
        sorter.try_grow(1).unwrap_err();
        // however it splits its reservation, it is one sorter; the merge takes over what it releases
        merge.free();
        let runs = sorter.split(400);
        sorter.try_grow(101).unwrap_err();
        merge.try_grow(300).unwrap();
        drop(runs);
        merge.try_grow(200).unwrap();
        // the output that it collects leaves half of the set-aside bytes to the merge
        assert_eq!(pool.reserved(), 600);
        sorter.try_grow(101).unwrap_err();
        sorter.try_grow(100).unwrap();
        merge.try_grow(100).unwrap();
        merge.try_grow(1).unwrap_err();
        drop((sorter, merge));
        assert_eq!(pool.reserved(), 0);
    }

    #[test]
    fn what_shares_a_pool_has_even_shares_and_leaves_room_for_what_cannot_spill() {
        let (pool, register) = reservations(SpillingPool::shared(800, 2));
        let (a, b, other) = (register(true), register(true), register(false));
        a.try_grow(300).unwrap();
        a.try_grow(1).unwrap_err();
        b.try_grow(300).unwrap();
        other.try_grow(200).unwrap();
        other.try_grow(1).unwrap_err();
        b.free();
        // a consumer that has spilled everything continues with a batch larger than its share
        other.free();
        b.try_grow(500).unwrap();
        b.try_grow(1).unwrap_err();
        assert_eq!(pool.reserved(), 800);
    }
}
