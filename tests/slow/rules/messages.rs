//! What prometheus/qlik.tmpl makes of alerts, rendered by amtool.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::{RUNBOOKS, run};
use crate::support::project::path;

/// A message that Alertmanager makes of so many users at the limit, and one who no longer is.
fn message(template: &str, users: usize) -> String {
    let alert = |status: &str, user: String| {
        json!({
            "status": status,
            "labels": { "alertname": "QlikUserAtSessionLimit", "site": "production", "severity": "warning" },
            "annotations": {
                "summary": format!("User LAB\\{user} has 5 open sessions"),
                "description": format!("Let the user log out.\nTo delete them:\nsessions delete --user='LAB\\{user}'"),
                "runbook_url": format!("{RUNBOOKS}QlikUserAtSessionLimit.md"),
            },
            "startsAt": "2026-11-25T01:00:00Z",
            "endsAt": "2026-11-25T01:10:00Z",
        })
    };
    let firing = (1..=users).map(|n| alert("firing", format!("<!u{n}&>")));
    let data = json!({
        "status": "firing",
        "alerts": firing.chain([alert("resolved", "ben".to_owned())]).collect::<Vec<_>>(),
        "groupLabels": { "alertname": "QlikUserAtSessionLimit", "site": "production" },
        "commonLabels": { "alertname": "QlikUserAtSessionLimit", "site": "production", "severity": "warning" },
        "commonAnnotations": { "runbook_url": format!("{RUNBOOKS}QlikUserAtSessionLimit.md") },
        "externalURL": "http://alertmanager:9093",
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data.json");
    fs::write(&file, data.to_string()).unwrap();
    run(Command::new("amtool")
        .args(["template", "render", "--template.glob"])
        .arg(path("prometheus/qlik.tmpl"))
        .args(["--template.text", &format!("{{{{ template \"{template}\" . }}}}")])
        .arg("--template.data")
        .arg(file))
}

#[test]
fn a_mail_names_every_user_and_what_to_do() {
    let title = message("qlik.title", 200);
    assert_eq!(title.trim(), "[200 WARNING] QlikUserAtSessionLimit on production");
    for template in ["qlik.mail.text", "qlik.mail.html"] {
        let mail = message(template, 200);
        for user in 1..=200 {
            assert_eq!(mail.matches(&format!("User LAB\\<!u{user}&> has 5")).count(), 1, "{template}");
            assert_eq!(mail.matches(&format!("delete --user='LAB\\<!u{user}&>'")).count(), 1, "{template}");
        }
        // What concerns all stands there once.
        for mail in [&mail, &message(template, 1)] {
            assert_eq!(mail.matches("Let the user log out.").count(), 1, "{template}");
        }
        let resolved = mail.split_once("Resolved:").unwrap().1;
        assert!(resolved.contains("User LAB\\ben has 5"), "{template}");
        assert_eq!(mail.matches(&format!("{RUNBOOKS}QlikUserAtSessionLimit.md")).count(), 1, "{template}");
    }
}

#[test]
fn a_chat_message_names_thirty_users_and_mentions_nobody() {
    let names = |text: &str| text.matches("User LAB").count();
    let [few, many] = [30, 200].map(|users| message("qlik.chat", users));
    assert!(few.contains("LAB\\&lt;!u30&amp;&gt; has 5") && !few.contains('<') && !few.contains("and more"));
    assert_eq!((names(&few), names(&many)), (31, 31));
    assert!(many.contains("… and more, 200 in all\n"), "{many}");
}
