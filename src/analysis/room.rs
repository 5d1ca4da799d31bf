//! Room for an answer where its request stood: text of megabytes takes the memory of the body that was read before, so that the
//! two never stand side by side, and no page of it is asked of the system twice.

use std::cell::Cell;

/// A buffer with more than twice the room that is needed, and this much more, is not taken: the answer holds it until it is sent.
const SLACK: usize = 64 << 10;

thread_local! {
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What was lent, until this is dropped.
#[derive(Debug)]
pub struct Lent(());

impl Drop for Lent {
    fn drop(&mut self) {
        ROOM.take();
    }
}

/// Let the next answer that this thread writes be written into this buffer, if it is of the right size.
#[must_use]
pub fn lend(room: Vec<u8>) -> Lent {
    ROOM.set(room);
    Lent(())
}

/// An empty buffer with room for so many bytes: the one that was lent, or a new one.
pub(super) fn of(bytes: usize) -> Vec<u8> {
    let mut room = ROOM.take();
    if (bytes..=2 * bytes + SLACK).contains(&room.capacity()) {
        room.clear();
        return room;
    }
    drop(room);
    Vec::with_capacity(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_taken_once_and_only_where_it_fits() {
        let check = |lent: usize, wanted: usize, taken: bool| {
            let until = lend(vec![1; lent]);
            let room = of(wanted);
            assert!(room.is_empty() && room.capacity() >= wanted);
            assert_eq!(room.capacity() == lent, taken, "{wanted} bytes");
            assert_eq!(ROOM.take().capacity(), 0, "it is lent once");
            drop(until);
        };
        check(1 << 20, (1 << 20) - 1, true);
        check(1 << 20, 600 << 10, true);
        check(1 << 20, (1 << 20) + 1, false);
        check(1 << 20, 100 << 10, false);
        check(0, 100, false);
        let lent = lend(vec![1; 100]);
        drop(lent);
        assert_eq!(ROOM.take().capacity(), 0, "what nobody took is gone");
    }
}
