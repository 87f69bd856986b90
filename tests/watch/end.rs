//! How it ends, and what the terminal is like then.

use std::process::Command;

use crate::support::exporter::command;
use crate::support::terminal::{Left, Terminal};
use crate::view::{site, watch};

/// That the terminal is as it was.
fn is_restored(left: &Left) -> bool {
    !left.alternate && !left.hidden_cursor && left.written.contains("\x1b[?1049l")
}

#[tokio::test(flavor = "multi_thread")]
async fn q_and_control_c_and_signals_end_it_and_the_terminal_is_as_it_was() {
    let site = site().await;
    for how in ["q", "\x03", "TERM", "INT", "HUP"] {
        let mut terminal = watch(&site, (24, 80), &[]);
        terminal.shows("10 sessions").await;
        match how {
            "q" | "\x03" => terminal.press(how).await,
            signal => terminal.send(signal),
        }
        let left = terminal.ended().await;
        assert_eq!(left.status.code(), Some(0), "{how:?}: {}", left.written);
        assert!(is_restored(&left), "{how:?}: {:?}", left.written);
        assert_eq!(left.screen.trim(), "", "{how:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_reads_lines_again() {
    let site = site().await;
    let config = site.discovery_config("", "");
    let program = command(&[], &[], config.parent().unwrap());
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "stty -a > before; \"$0\" \"$@\"; stty -a > after; cmp before after && echo as it was"])
        .arg(program.get_program())
        .args(["sessions", "watch", "--config.file", config.to_str().unwrap()]);
    let mut terminal = Terminal::run(&shell, config.parent().unwrap(), (24, 80));
    terminal.shows("10 sessions").await;
    terminal.press("q").await;
    terminal.shows("as it was").await;
    assert!(is_restored(&terminal.ended().await));
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_before_the_screen_is_taken() {
    let site = site().await;
    let config = site.write_config("nonsense = 1\n");
    let args = ["sessions", "watch", "--config.file", config.to_str().unwrap()];
    let left = Terminal::start(&args, config.parent().unwrap(), (24, 80)).ended().await;
    assert_eq!(left.status.code(), Some(2));
    assert!(left.screen.contains("nonsense") && !left.written.contains("\x1b[?1049h"), "{:?}", left.written);
}
