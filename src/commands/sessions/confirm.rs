//! Asks a person before sessions end.

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result};
use crossterm::cursor::Show;
use crossterm::event::DisableBracketedPaste;
use inquire::{Confirm, InquireError, Text};

use crate::commands::signals::Signals;
use crate::terminal::{escaped, tell};
use qlik_sense::VirtualProxy;

/// Whether there is somebody to ask: questions go to standard error, answers come from standard input.
pub fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// What is to be typed before sessions end.
pub enum Question {
    /// Yes or no.
    Yes(String),
    /// A virtual proxy's name, so that nobody ends all its sessions by habit.
    Name { question: String, name: VirtualProxy },
}

/// Asks. No answer, as by Ctrl-C or Escape, is no, and so is a signal. A name that was not expected is told.
pub async fn confirmed(question: Question, signals: &mut Signals) -> Result<bool> {
    let asked = tokio::task::spawn_blocking(move || match question {
        Question::Yes(question) => Confirm::new(&escaped(&question)).with_default(false).prompt(),
        Question::Name { question, name } => {
            let typed = Text::new(&escaped(&question)).prompt();
            typed.map(|typed| is_name(&typed, &name))
        }
    });
    let answer = tokio::select! {
        answer = asked => answer?,
        _ = signals.next() => {
            // The question still waits for a key, and ends with the program.
            give_back_terminal();
            return Ok(false);
        }
    };
    match answer {
        Ok(answer) => Ok(answer),
        Err(InquireError::OperationCanceled | InquireError::OperationInterrupted) => Ok(false),
        Err(error) => Err(error).context("nobody could be asked; --yes does not ask"),
    }
}

/// Whether this names the virtual proxy, in any of the ways people write it; else that is told.
fn is_name(typed: &str, name: &VirtualProxy) -> bool {
    let typed = typed.trim();
    // Nothing at all would be a name of the default one, and typed by habit.
    let is_it = !typed.is_empty() && VirtualProxy::parse(typed).is_ok_and(|typed| typed == *name);
    if !is_it {
        tell(format_args!("expected {name}, found {typed:?}"));
    }
    is_it
}

/// As it was before the question. Each step is tried, whatever became of the one before.
fn give_back_terminal() {
    let _ = crossterm::execute!(io::stderr(), DisableBracketedPaste, Show);
    let _ = crossterm::terminal::disable_raw_mode();
    let _ = writeln!(io::stderr());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_proxy_is_named_as_anywhere_but_not_by_nothing() {
        let is_it = |typed: &str, name: &str| is_name(typed, &VirtualProxy::parse(name).unwrap());
        for typed in ["/sales", "sales", " sales/ ", "/Sales"] {
            assert!(is_it(typed, "sales"), "{typed:?}");
        }
        for typed in ["", "/", "y", "yes", "sale", "/sales2", "sa les"] {
            assert!(!is_it(typed, "sales"), "{typed:?}");
        }
        assert!(is_it("/", ""));
        for typed in ["", " ", "y", "sales"] {
            assert!(!is_it(typed, ""), "{typed:?}");
        }
    }
}
