//! The binary in a terminal of its own: what is typed into it, and what its screen shows.

use std::num::NonZeroU16;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex};

use pty_process::{OwnedWritePty, Size};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::task::JoinHandle;

use super::exporter::command;
use super::wait::eventually;

pub struct Terminal {
    child: Child,
    keys: OwnedWritePty,
    seen: Arc<Mutex<Seen>>,
    reader: JoinHandle<()>,
}

/// What came out of the program.
struct Seen {
    /// Every byte.
    written: Vec<u8>,
    /// What a terminal makes of it.
    screen: vt100::Parser,
}

/// What a program in a terminal left behind.
pub struct Left {
    pub status: ExitStatus,
    /// What the screen showed in the end.
    pub screen: String,
    /// Whether that was still the alternate screen.
    pub alternate: bool,
    /// Whether the cursor is still hidden.
    pub hidden_cursor: bool,
    /// Every byte that came.
    pub written: String,
}

impl Left {
    #[track_caller]
    pub fn assert_code(&self, code: i32) {
        assert_eq!(self.status.code(), Some(code), "{}", self.screen);
    }
}

impl Terminal {
    /// Starts the binary in a terminal of so many rows and columns; none: it has no size.
    pub fn start(args: &[&str], directory: &Path, size: (u16, u16)) -> Self {
        Self::run(&command(args, &[], directory), directory, size)
    }

    /// Starts any program.
    pub fn run(plain: &Command, directory: &Path, (rows, columns): (u16, u16)) -> Self {
        let mut command = pty_process::Command::new(plain.get_program())
            .args(plain.get_args())
            .current_dir(directory)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .kill_on_drop(true);
        for (name, value) in plain.get_envs() {
            command = match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let (pty, inside) = pty_process::open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let child = command.spawn(inside).unwrap();
        let (mut output, keys) = pty.into_split();
        let (rows, columns) = if rows == 0 { (24, 80) } else { (rows, columns) };
        let seen = Arc::new(Mutex::new(Seen {
            written: Vec::new(),
            screen: vt100::Parser::new(some(rows), some(columns), 0),
        }));
        let reader = tokio::spawn({
            let seen = seen.clone();
            async move {
                let mut piece = [0; 4096];
                // It ends with an error when the program has ended.
                while let Ok(length @ 1..) = output.read(&mut piece).await {
                    let mut seen = seen.lock().unwrap();
                    seen.written.extend_from_slice(&piece[..length]);
                    seen.screen.process(&piece[..length]);
                }
            }
        });
        Self { child, keys, seen, reader }
    }

    /// What the screen shows now, a line for each row.
    pub fn screen(&self) -> String {
        self.seen.lock().unwrap().screen.screen().contents()
    }

    /// Waits until the screen shows this text.
    pub async fn shows(&self, text: &str) {
        eventually(&format!("{text:?} on the screen"), async || self.screen().contains(text).then_some(()))
            .await;
    }

    /// Waits until this was written, whether it is still on the screen or not.
    pub async fn has_written(&self, text: &str) {
        let has = || String::from_utf8_lossy(&self.seen.lock().unwrap().written).contains(text);
        eventually(&format!("{text:?} written"), async || has().then_some(())).await;
    }

    /// Presses these keys; `\r` is Enter, `\x03` Ctrl-C.
    pub async fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).await.unwrap();
    }

    /// The terminal has another size from now on.
    pub fn resize(&self, rows: u16, columns: u16) {
        self.keys.resize(Size::new(rows, columns)).unwrap();
        self.seen.lock().unwrap().screen.screen_mut().set_size(some(rows), some(columns));
    }

    /// Waits until the screen does not show this text any more.
    pub async fn hides(&self, text: &str) {
        let what = format!("{text:?} gone from the screen");
        eventually(&what, async || (!self.screen().contains(text)).then_some(())).await;
    }

    /// Whether the program has the alternate screen.
    pub fn is_alternate(&self) -> bool {
        self.seen.lock().unwrap().screen.screen().alternate_screen()
    }

    /// The number of the program's process.
    pub fn id(&self) -> String {
        self.child.id().unwrap().to_string()
    }

    /// Waits until the program ends by itself.
    pub async fn ended(mut self) -> Left {
        let status = eventually("the program ends", async || self.child.try_wait().unwrap()).await;
        let _ = (&mut self.reader).await;
        let seen = self.seen.lock().unwrap();
        let screen = seen.screen.screen();
        Left {
            status,
            screen: screen.contents(),
            alternate: screen.alternate_screen(),
            hidden_cursor: screen.hide_cursor(),
            written: String::from_utf8_lossy(&seen.written).into_owned(),
        }
    }
}

fn some(length: u16) -> NonZeroU16 {
    NonZeroU16::new(length).unwrap()
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.reader.abort();
        if std::thread::panicking() {
            eprintln!("--- the screen:\n{}", self.screen());
        }
    }
}
