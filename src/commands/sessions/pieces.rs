//! Text that all cores make, in pieces that leave in their order.

use std::io::{self, Write};
use std::num::NonZero;
use std::sync::mpsc::sync_channel;
use std::thread;

/// How many threads can work at the same time.
pub fn threads() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Writes what `text` makes of each piece. Few of them are in memory at a time: each thread makes every so many,
/// and waits until what it made is on its way.
pub fn write<P>(
    out: &mut impl Write,
    pieces: impl Iterator<Item = P> + Clone + Send,
    text: impl Fn(P) -> io::Result<Vec<u8>> + Sync,
) -> io::Result<()> {
    let (threads, text) = (threads(), &text);
    thread::scope(|scope| {
        let make = |first| {
            let pieces = pieces.clone().skip(first).step_by(threads);
            let (made, taken) = sync_channel(1);
            // Nobody takes it any more where writing has failed.
            scope.spawn(move || pieces.map(text).try_for_each(|text| made.send(text)));
            taken
        };
        let made: Vec<_> = (0..threads).map(make).collect();
        // In turns: the first thread that has no more is the one selection turn the end is.
        made.iter().cycle().map_while(|made| made.recv().ok()).try_for_each(|text| out.write_all(&text?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u32) -> io::Result<Vec<u8>> {
        Ok(format!("{number} ").into_bytes())
    }

    #[test]
    fn pieces_leave_in_their_order() {
        for count in [0, 1, 2, 3, 100] {
            let mut out = Vec::new();
            write(&mut out, 0..count, number).unwrap();
            let all: Vec<u8> = (0..count).flat_map(|piece| number(piece).unwrap()).collect();
            assert_eq!(out, all, "{count}");
        }
    }

    #[test]
    fn a_failure_ends_it_where_it_is() {
        let mut out = Vec::new();
        let third_fails = |piece| if piece == 2 { Err(io::Error::other("no")) } else { number(piece) };
        assert_eq!(write(&mut out, 0..1000, third_fails).unwrap_err().to_string(), "no");
        assert_eq!(out, b"0 1 ");
    }
}
