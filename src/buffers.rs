//! Memory for fetched bytes that is used again and again: the system clears fresh memory before it hands it
//! over, which costs more than reading a file into it.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Buffers that nobody uses at the moment.
#[derive(Debug, Default)]
pub struct Buffers(Mutex<Vec<Vec<u8>>>);

/// Buffers are made in steps of this size, so that one fits for many columns.
const STEP_BYTES: usize = 256 << 10;
/// Idle buffers are kept up to this sum.
const IDLE_BYTES: usize = 128 << 20;

/// A buffer in use; it goes back when the last reference to its bytes is gone.
struct Lent {
    bytes: Vec<u8>,
    home: Arc<Buffers>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.put(std::mem::take(&mut self.bytes));
    }
}

impl Buffers {
    /// Bytes that `fill` puts into a buffer with room for as many as are wanted.
    pub fn fill<E>(
        self: &Arc<Self>,
        wanted: usize,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Bytes, E> {
        let mut lent = Lent { bytes: self.take(wanted), home: self.clone() };
        fill(&mut lent.bytes)?;
        Ok(Bytes::from_owner(lent))
    }

    /// The smallest idle buffer that is large enough, or a new one.
    fn take(&self, wanted: usize) -> Vec<u8> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // a small piece of a large buffer would keep all of it in use
        let fits = |buffer: &Vec<u8>| buffer.capacity() >= wanted && buffer.capacity() / 4 <= wanted.max(STEP_BYTES);
        let fitting = idle.iter().enumerate().filter(|(_, buffer)| fits(buffer));
        let best = fitting.min_by_key(|(_, buffer)| buffer.capacity()).map(|(at, _)| at);
        match best {
            Some(at) => idle.swap_remove(at),
            None => Vec::with_capacity(wanted.next_multiple_of(STEP_BYTES)),
        }
    }

    fn put(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held: usize = idle.iter().map(Vec::capacity).sum();
        if held + buffer.capacity() <= IDLE_BYTES {
            idle.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_buffer_is_used_again_once_nobody_reads_it() {
        let buffers = Arc::new(Buffers::default());
        let idle = || buffers.0.lock().unwrap().len();
        let filled = |byte: u8| {
            let filled = buffers.fill::<Infallible>(10, |buffer| {
                buffer.resize(10, byte);
                Ok(())
            });
            filled.unwrap()
        };
        let one = filled(1);
        let part = one.slice(2..4);
        drop(one);
        assert_eq!(idle(), 0, "a part is still in use");
        drop(part);
        assert_eq!(idle(), 1);
        assert_eq!(filled(2).as_ref(), [2; 10], "nothing of the first use is left");
        assert_eq!(idle(), 1);
    }
}
