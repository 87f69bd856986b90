//! Writes to the terminal. Names come from files and from the network: they must not add lines, move the cursor, change
//! the direction of the text or be invisible.

use std::fmt::Display;
use std::io::{self, Write as _};

use anstream::{AutoStream, ColorChoice};

/// Returns whether standard output is a terminal that shows colors, unless `NO_COLOR` or `TERM=dumb` disables them.
pub fn stdout_has_colors() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// Returns whether the terminal's font probably has rare signs: `✓`, `✗` and block elements of every eighth. The fonts of
/// the old Windows console show the same box for all of them; Windows Terminal sets `WT_SESSION`.
#[expect(clippy::disallowed_methods, reason = "about the terminal, and no setting")]
pub fn has_rare_signs() -> bool {
    !cfg!(windows) || std::env::var_os("WT_SESSION").is_some()
}

/// The marks of successes and failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    pub good: char,
    pub bad: char,
}

impl Marks {
    /// Returns the marks; `rare` allows [rare signs](has_rare_signs).
    pub fn new(rare: bool) -> Self {
        match rare {
            true => Self { good: '✓', bad: '✗' },
            false => Self { good: '√', bad: '×' },
        }
    }
}

/// Prints a line on standard error, escaped. Ignores that it cannot be written: that must not end the command.
pub fn report(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", escaped(&text.to_string()));
}

/// Prints text on standard output, unescaped. Ignores that it cannot be written.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Returns the text as one line, with control characters, direction marks and invisible characters escaped.
pub fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match is_hidden(c) {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    line
}

/// Escapes the same characters in JSON, as JSON escapes. Line breaks between its tokens stay.
pub fn escaped_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c != '\n' && is_hidden(c) {
            // JSON escapes characters beyond U+FFFF as two surrogates.
            true => {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|half| text.push_str(&format!("\\u{half:04x}")))
            }
            false => text.push(c),
        }
    }
    text
}

/// A compact format of serde_json that escapes like [`escaped_json`] while it writes.
pub struct EscapedJson;

impl serde_json::ser::Formatter for EscapedJson {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        // Nearly every text is ASCII, of which JSON leaves only this control character unescaped.
        match text.bytes().all(|byte| byte.is_ascii() && byte != 0x7f) {
            true => out.write_all(text.as_bytes()),
            false => out.write_all(escaped_json(text).as_bytes()),
        }
    }
}

/// Returns whether a terminal would act on this character or show nothing, so that two names could look the same.
fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}') || is_ignorable(c)
}

/// Returns Unicode's property Default_Ignorable_Code_Point (DerivedCoreProperties.txt of Unicode 17), which includes
/// direction marks.
fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(
            escaped("a\n\u{1b}[2J\u{9b}x\u{202e}y\u{2028}\\Ä 日本"),
            r"a\n\u{1b}[2J\u{9b}x\u{202e}y\u{2028}\Ä 日本"
        );
    }

    #[test]
    fn names_that_differ_do_not_look_the_same() {
        for hidden in
            ['\u{ad}', '\u{200b}', '\u{200d}', '\u{2064}', '\u{3164}', '\u{fe0f}', '\u{feff}', '\u{e0100}']
        {
            let name = escaped(&format!("an{hidden}na"));
            assert_eq!(name, format!("an{}na", hidden.escape_unicode()));
        }
        assert_eq!(escaped("آنا Жанна क्षमा ぱぱ e\u{301}"), "آنا Жанна क्षमा ぱぱ e\u{301}");
    }

    #[test]
    fn escaped_json_has_the_same_value() {
        let value = serde_json::json!({ "a\u{202e}": "\u{1b}\u{9b}\n\u{7f}\u{2069}\u{e0100}\\" });
        let text = escaped_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(text.chars().all(|c| c == '\n' || !is_hidden(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);

        let mut written = Vec::new();
        value.serialize(&mut serde_json::Serializer::with_formatter(&mut written, EscapedJson)).unwrap();
        assert_eq!(written, escaped_json(&value.to_string()).as_bytes());
    }
}
