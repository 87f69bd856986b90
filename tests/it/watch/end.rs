//! How it ends, and what the terminal is like then.

use std::path::Path;
use std::process::Command;

use super::view::site;
use crate::support::exporter::command;
use crate::support::signal::send;
use crate::support::terminal::{Left, Terminal};
use crate::support::wait::eventually;

/// That the terminal is as it was.
fn is_restored(left: &Left) -> bool {
    !left.alternate && !left.hidden_cursor && left.written.contains("\x1b[?1049l")
}

/// The view in a shell that looks at the terminal before and after. The view's number is in the file `id`; its output
/// may go elsewhere.
fn watch_from_a_shell(config: &Path, flags: &[&str], output: &str) -> Terminal {
    let program = command(&[], &[], config.parent().unwrap());
    let script = format!(
        "stty -a > before; sh -c 'echo $$ > id; exec \"$0\" \"$@\"' \"$0\" \"$@\" {output}; \
         echo \"ended with $?\"; stty -a > after; cmp before after && echo as it was"
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).arg(program.get_program());
    shell
        .args(["sessions", "watch", "--config.file", config.to_str().unwrap(), "--interval", "100ms"])
        .args(flags);
    Terminal::run(&shell, config.parent().unwrap(), (24, 80))
}

#[tokio::test(flavor = "multi_thread")]
async fn q_control_c_and_signals_end_it_and_restore_the_terminal() {
    let site = site().await;
    let config = site.discovery_config("", "");
    for how in ["q", "\x03", "TERM", "INT", "HUP"] {
        let mut terminal = watch_from_a_shell(&config, &[], "");
        terminal.shows("10 sessions").await;
        match how {
            "q" | "\x03" => terminal.press(how).await,
            signal => send(signal, &std::fs::read_to_string(config.with_file_name("id")).unwrap()),
        }
        let left = terminal.ended().await;
        assert!(is_restored(&left), "{how:?}: {:?}", left.written);
        assert_eq!(left.screen.trim(), "ended with 0\nas it was", "{how:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_drawing_ends_it_and_restores_the_terminal() {
    let site = site().await;
    let config = site.discovery_config("", "");
    // The picture goes to another terminal than the keys come from, and that one goes.
    let mut waits = Command::new("sh");
    waits.args(["-c", "tty > other; read line"]);
    let other = Terminal::run(&waits, config.parent().unwrap(), (24, 80));
    let path = config.with_file_name("other");
    let named = || std::fs::read_to_string(&path).is_ok_and(|name| name.ends_with('\n'));
    eventually("the other terminal's name", async || named().then_some(())).await;
    let terminal = watch_from_a_shell(&config, &[], "> \"$(cat other)\"");
    other.shows("10 sessions").await;
    drop(other);
    terminal.shows("as it was").await;
    let screen = terminal.screen();
    assert!(screen.contains("error: ") && screen.contains("ended with 1"), "{screen}");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_is_reported_at_the_end() {
    let site = site().await;
    let config = site.discovery_config("", "");
    let mut terminal = watch_from_a_shell(&config, &["--log.level", "debug", "--log.file", "/dev/full"], "");
    terminal.shows("10 sessions").await;
    site.simulator.set_fault(2, None, "refuse".parse().unwrap()).await.unwrap();
    terminal.shows("down since").await;
    terminal.press("q").await;
    let written = terminal.ended().await.written;
    let (_, shown) = written.split_once("\x1b[?1049h").unwrap();
    let (view, after) = shown.split_once("\x1b[?1049l").unwrap();
    let reported = "a log line cannot be written";
    assert!(!view.contains(reported) && after.contains(reported), "{written:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn config_errors_are_reported_before_the_screen_is_taken() {
    let site = site().await;
    let config = site.write_config("nonsense = 1\n");
    let args = ["sessions", "watch", "--config.file", config.to_str().unwrap()];
    let left = Terminal::start(&args, config.parent().unwrap(), (24, 80)).ended().await;
    left.assert_code(2);
    assert!(left.screen.contains("nonsense") && !left.written.contains("\x1b[?1049h"), "{:?}", left.written);
}
