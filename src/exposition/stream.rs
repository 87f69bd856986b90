//! Sends an exposition in pieces while it is encoded, so that the whole text is never in memory.
//!
//! The encoder runs on a thread for blocking work and sends pieces through a short channel to the response's body. It
//! stops when the reader does not take a piece in time or disconnects. It stops earlier when others wait for its
//! permit, so that slow readers do not delay fast ones. A reader is slow when it takes less than a piece a second: a
//! scraper on a slow link takes that much, and more when it requested gzip.

use std::cmp::Reverse;
use std::fmt::{self, Write};
use std::io;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::format::Format;
use crate::permits::{Acquire, Permit, PrioritySemaphore};

/// Bytes of a piece. Each piece wakes its reader: with half the size a scrape takes 6 % more CPU, with twice the size
/// no less.
const PIECE: usize = 128 * 1024;

/// The time limits of readers.
const PATIENCE: Patience = Patience {
    piece: Duration::from_secs(5),
    contended: Duration::from_secs(2),
    per_piece: Duration::from_secs(1),
    poll: Duration::from_millis(100),
};

/// Concurrent encoders: each has the users of its sites and some pieces in memory. Host names are resolved on the same
/// threads, which slow readers must not exhaust.
const ENCODERS: NonZeroUsize = match NonZeroUsize::new(8) {
    Some(encoders) => encoders,
    None => NonZeroUsize::MIN,
};

/// The time of arrival, newest first. Under overload, the scrapes that have waited longest are the next to time out, and
/// clients that read slowly on purpose arrived before the scrapers that matter.
type Arrival = Reverse<Instant>;

/// The time limits of a reader.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// The time to take one piece.
    piece: Duration,
    /// The total delay that is allowed while others wait for the encoder's permit.
    contended: Duration,
    /// The time by which each piece taken reduces the delay. The delay is never negative: the first pieces fill the
    /// sockets' buffers, however slow the reader is.
    per_piece: Duration,
    /// The interval at which the encoder checks whether others wait.
    poll: Duration,
}

/// Limits the concurrent encoders. Clones share the limit.
#[derive(Debug, Clone)]
pub struct Encoders {
    permits: PrioritySemaphore<Arrival>,
    patience: Patience,
}

impl Default for Encoders {
    fn default() -> Self {
        Self { permits: PrioritySemaphore::new(ENCODERS), patience: PATIENCE }
    }
}

impl Encoders {
    fn permit(&self) -> Acquire<Arrival> {
        self.permits.acquire(Reverse(Instant::now()))
    }

    /// Encodes a registry into pieces of text. A stream that is cut off ends with an error, so that the reader does not
    /// accept it as the whole text. Returns `None` when no permit becomes free by `until`.
    pub async fn encode(
        &self,
        registry: Registry,
        format: Format,
        until: Instant,
    ) -> Option<impl Stream<Item = io::Result<Bytes>> + Send + use<>> {
        let permit = timeout_at(until, self.permit()).await.ok()?;
        let (sender, pieces) = mpsc::channel(1);
        let writer = Pieces {
            text: String::with_capacity(PIECE),
            sender,
            delay: Duration::ZERO,
            patience: self.patience,
            permit,
            runtime: Handle::current(),
        };
        tokio::task::spawn_blocking(move || run(&registry, format, writer));
        let pieces = futures::stream::unfold(Some(pieces), |pieces| async {
            let mut pieces = pieces?;
            match pieces.recv().await {
                Some(Piece::Text(text)) => Some((Ok(text), Some(pieces))),
                Some(Piece::Last(text)) => Some((Ok(text), None)),
                None => Some((Err(io::Error::other("the exposition was cut off")), None)),
            }
        });
        // The compression layer polls again after the end.
        Some(pieces.fuse())
    }

    /// Runs other work over all users on a thread for blocking work, with one of the permits. Returns `None` when no
    /// permit becomes free by `until`.
    pub async fn run<T: Send + 'static>(
        &self,
        until: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let permit = timeout_at(until, self.permit()).await.ok()?;
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        work.await.ok()
    }
}

enum Piece {
    Text(Bytes),
    /// The last piece.
    Last(Bytes),
}

/// Returns a registry as text, for a few samples that need no permit.
pub fn encode_few(registry: &Registry, format: Format) -> String {
    let mut text = String::new();
    // Writing to memory cannot fail.
    let _ = write(&mut text, registry, format);
    text
}

fn write(writer: &mut impl Write, registry: &Registry, format: Format) -> fmt::Result {
    match format {
        Format::Classic => prometheus_text::encode(writer, registry),
        Format::OpenMetrics => text::encode(writer, registry),
    }
}

fn run(registry: &Registry, format: Format, mut writer: Pieces) {
    if write(&mut writer, registry, format).is_ok() {
        let rest = std::mem::take(&mut writer.text);
        // An error means that the reader has disconnected.
        let _ = writer.send(Piece::Last(rest.into()));
    }
}

/// Collects text and sends it in pieces.
struct Pieces {
    text: String,
    sender: mpsc::Sender<Piece>,
    /// How far the reader is behind a piece a second.
    delay: Duration,
    patience: Patience,
    permit: Permit<Arrival>,
    runtime: Handle,
}

impl Pieces {
    fn send(&mut self, piece: Piece) -> fmt::Result {
        let runtime = self.runtime.clone();
        runtime.block_on(self.send_async(piece))
    }

    async fn send_async(&mut self, piece: Piece) -> fmt::Result {
        let begun = Instant::now();
        let mut taken = pin!(self.sender.send(piece));
        loop {
            let sent = timeout(self.patience.poll, &mut taken).await;
            let waited = begun.elapsed();
            match sent {
                Ok(sent) => {
                    self.delay = (self.delay + waited).saturating_sub(self.patience.per_piece);
                    return sent.map_err(|_| fmt::Error);
                }
                Err(_) if waited > self.patience.piece => return Err(fmt::Error),
                Err(_) if self.delay + waited > self.patience.contended && self.permit.has_waiters() => {
                    return Err(fmt::Error);
                }
                Err(_) => {}
            }
        }
    }
}

impl Write for Pieces {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !self.text.is_empty() && self.text.len() + text.len() > PIECE {
            let piece = std::mem::replace(&mut self.text, String::with_capacity(PIECE));
            self.send(Piece::Text(piece.into()))?;
        }
        self.text.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::DescriptorEncoder;
    use prometheus_client::metrics::MetricType;

    /// This many samples of about 30 bytes.
    #[derive(Debug)]
    struct Samples(usize);

    impl Collector for Samples {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let mut encoder = encoder.encode_descriptor("sample", "A sample.", None, MetricType::Gauge)?;
            for number in 0..self.0 {
                let labels = [("number", number.to_string())];
                encoder.encode_family(&labels)?.encode_gauge(&1u32)?;
            }
            Ok(())
        }
    }

    fn registry(samples: usize) -> Registry {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Samples(samples)));
        registry
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(600)
    }

    #[tokio::test]
    async fn pieces_join_to_the_whole_text() {
        let stream =
            Encoders::default().encode(registry(20_000), Format::OpenMetrics, later()).await.unwrap();
        let pieces: Vec<_> = stream.map(Result::unwrap).collect().await;
        assert!(pieces.len() > 2 && pieces.iter().all(|piece| piece.len() <= PIECE + 16 * 1024));
        let mut whole = String::new();
        text::encode(&mut whole, &registry(20_000)).unwrap();
        assert_eq!(pieces.concat(), whole.as_bytes());
    }

    /// Returns encoders with one permit and long time limits, changed by `patience`.
    fn encoders(patience: impl FnOnce(&mut Patience)) -> Encoders {
        let (long, short) = (Duration::from_secs(600), Duration::from_millis(1));
        let mut chosen = Patience { piece: long, contended: long, per_piece: Duration::ZERO, poll: short };
        patience(&mut chosen);
        Encoders { permits: PrioritySemaphore::new(NonZeroUsize::MIN), patience: chosen }
    }

    async fn is_cut_off(stream: impl Stream<Item = io::Result<Bytes>>) -> bool {
        let pieces: Vec<_> = stream.collect().await;
        pieces.len() < 4 && pieces.last().is_some_and(Result::is_err)
    }

    #[tokio::test]
    async fn a_reader_that_takes_no_piece_in_time_gets_an_error_at_the_end() {
        let encoders = encoders(|patience| patience.piece = Duration::from_millis(1));
        let stream = encoders.encode(registry(100_000), Format::Classic, later()).await.unwrap();
        // Waits for the only permit: it is free when the first encoder has given up.
        let _second = encoders.encode(registry(1), Format::Classic, later()).await.unwrap();
        assert!(is_cut_off(stream).await);
    }

    #[tokio::test]
    async fn slow_reader_is_cut_off_when_others_wait_for_its_permit() {
        let encoders = encoders(|patience| patience.contended = Duration::from_millis(1));
        let slow = encoders.encode(registry(100_000), Format::Classic, later()).await.unwrap();
        let quick = encoders.encode(registry(1), Format::Classic, later()).await.unwrap();
        assert!(quick.collect::<Vec<_>>().await.iter().all(Result::is_ok));
        assert!(is_cut_off(slow).await);
    }

    #[tokio::test]
    async fn slow_reader_has_its_time_when_no_other_waits_for_its_permit() {
        let encoders = encoders(|patience| patience.contended = Duration::ZERO);
        let mut slow = Box::pin(encoders.encode(registry(100_000), Format::Classic, later()).await.unwrap());
        while let Some(piece) = slow.next().await {
            // Longer than the interval at which the encoder checks whether others wait.
            tokio::time::sleep(Duration::from_millis(2)).await;
            assert!(piece.is_ok());
        }
    }

    #[tokio::test]
    async fn a_reader_that_keeps_up_is_not_cut_off_however_long_the_text_is() {
        let encoders = encoders(|patience| {
            patience.contended = Duration::from_millis(40);
            patience.per_piece = Duration::from_secs(1);
        });
        let mut steady =
            Box::pin(encoders.encode(registry(100_000), Format::Classic, later()).await.unwrap());
        let mut waiting = Box::pin(encoders.encode(registry(1), Format::Classic, later()));
        assert!((&mut waiting).now_or_never().is_none());
        let begun = Instant::now();
        while let Some(piece) = steady.next().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
            assert!(piece.is_ok());
        }
        assert!(begun.elapsed() > Duration::from_millis(40));
    }

    #[tokio::test(start_paused = true)]
    async fn encoding_waits_for_a_permit_until_the_deadline() {
        let encoders = encoders(|_| {});
        let _held = encoders.permit().await;
        let (begun, time) = (Instant::now(), Duration::from_secs(3));
        assert!(encoders.encode(registry(1), Format::Classic, begun + time).await.is_none());
        assert!((time..time * 2).contains(&begun.elapsed()));
    }
}
