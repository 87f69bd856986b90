//! User ids that try to break an exposition.

pub fn hostile_ids() -> Vec<String> {
    let written = [
        "",
        " ",
        " leading and trailing ",
        "with \"quotes\"",
        "\"",
        "back\\slash",
        "ends with a backslash\\",
        "not a line break: \\n",
        "line\nbreak",
        "carriage\rreturn",
        "both\r\n",
        "# HELP qlik_user_sessions forged",
        "x\"} 999\nqlik_user_sessions{user_id=\"forged",
        "# EOF",
        "{a=\"b\",c=\"d\"}",
        "nul\0",
        "escape\u{1b}[31m",
        "delete\u{7f}",
        "next line\u{85}",
        "line separator\u{2028}",
        "right to left \u{202e}gnp.exe",
        "isolate \u{2067}x\u{2069}",
        "\u{feff}byte order mark",
        "zero\u{200b}width",
        "noncharacter\u{ffff}",
        "Åsa Öberg",
        "A\u{30a}sa, decomposed",
        "日本語",
        "עברית",
        "العربية",
        "हिन्दी",
        "👩‍👩‍👧‍👦",
    ];
    let mut ids: Vec<String> = written.map(str::to_owned).into();
    ids.extend(('\u{1}'..'\u{20}').map(|control| format!("control {control}.")));
    ids.push("x".repeat(300));
    ids.push("\u{1f600}".repeat(300));
    ids
}
