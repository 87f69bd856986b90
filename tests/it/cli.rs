//! The command line: help, version, wrong usage, and the commands that need no configuration.

use std::collections::BTreeSet;

use crate::support::exporter::{Exporter, command, listening, run};
use crate::support::program::Program;

#[tokio::test]
async fn help_lists_what_is_built_and_nothing_else() {
    let ended = run(&["--help"], &[]).await;

    ended.assert().code(0).stderr_is_empty();
    let commands = ended.stdout.iter().skip_while(|line| *line != "Commands:").skip(1);
    let commands: BTreeSet<_> = commands
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(commands, ["check", "demo", "help", "serve", "sessions", "simulate"].into());
}

#[tokio::test]
async fn flags_are_dotted_as_other_exporters_have_them() {
    let help = run(&["serve", "--help"], &[]).await.stdout.join("\n");
    for flag in [
        "--config.file",
        "--config.check",
        "--log.level",
        "--log.format",
        "--log.file",
        "--web.listen-address",
        "--web.telemetry-path",
    ] {
        assert!(help.contains(flag), "{flag}: {help}");
    }
}

#[tokio::test]
async fn the_version_is_the_packages() {
    let ended = run(&["--version"], &[]).await;

    ended.assert().code(0).stderr_is_empty();
    let version = concat!("qlik-session-exporter ", env!("CARGO_PKG_VERSION"));
    ended.assert().stdout_starts_with(version);
}

#[tokio::test]
async fn wrong_usage_is_reported_on_standard_error_with_exit_code_2() {
    for args in [
        &["--no-such-flag"][..],
        &["no-such-command"],
        &["--log.level", "loud"],
        &["--log.format", "xml"],
        &["--web.listen-address", "nonsense"],
        &["demo", "--web.telemetry-path", "no-slash"],
        &["simulate", "--certs", "certs", "--nodes", "0"],
        &["simulate", "--certs", "certs", "--latency", "soon"],
    ] {
        run(args, &[]).await.assert().code(2).stdout_is_empty().stderr_contains("error: ");
    }
}

#[tokio::test]
async fn arguments_are_escaped_when_they_are_printed() {
    let (wrong, file) = ("a\u{1b}]0;title\u{7}\u{202e}", "no-such-folder/\u{1b}[31m.log");
    for args in [
        &["--log.level", wrong][..],
        &[wrong],
        &["sessions", "list", "--virtual-proxy", wrong],
        &["sessions", "delete", "--user", wrong],
        &["serve", "--log.file", file],
    ] {
        let ended = run(args, &[]).await;
        ended.assert().code(2).stdout_is_empty();
        let reported = ended.stderr_text();
        assert!(
            !reported.contains(|c: char| c == '\u{202e}' || (c.is_control() && c != '\n')),
            "{reported:?}"
        );
        assert!(reported.contains(r"\u{1b}"), "{reported}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn outputs_that_cannot_be_written_change_no_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    for (args, code) in [
        (&["--no-such-flag"][..], 2),
        (&["--version"], 0),
        (&["serve", "--config.file", "no-such-file"], 2),
        (&["serve", "--log.file", "no-such-folder/log"], 2),
        (&["sessions", "list", "--config.file", "no-such-file"], 2),
        (&["check", "--config.file", "a", "--repository", "b"], 2),
    ] {
        let plain = command(args, &[], folder.path());
        for outputs in [">/dev/full 2>&1", ">&- 2>&-"] {
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", &format!("exec \"$0\" \"$@\" {outputs}")]);
            shell.arg(plain.get_program()).args(plain.get_args()).current_dir(folder.path());
            Program::start(&mut shell).ended().await.assert().code(code);
        }
    }
}

#[tokio::test]
async fn a_flag_that_a_command_does_not_use_is_refused() {
    let config = "--config.file cannot be used with demo and simulate: they read no configuration";
    let web = "--web.* and --config.check can only be used with serve and demo";
    for (args, reported) in [
        (&["demo", "--config.file", "x.toml"][..], config),
        (&["--config.file", "x.toml", "demo"], config),
        (&["simulate", "--certs", "certs", "--config.file", "x.toml"], config),
        (&["--web.listen-address", ":0", "check"], web),
        (&["--config.check", "simulate", "--certs", "certs"], web),
    ] {
        run(args, &[]).await.assert().code(2).stdout_is_empty().stderr_is(&[format!("error: {reported}")]);
    }
}

#[tokio::test]
async fn simulate_reports_a_bad_value_with_what_it_expects() {
    for (flag, value, expected) in [
        ("--churn", "-1", "--churn: found -1, expected 0 to 100000 sessions per second"),
        ("--host", "sense1", "expected an IP address of this host, such as 127.0.0.1"),
    ] {
        run(&["simulate", "--certs", "certs", flag, value], &[])
            .await
            .assert()
            .code(2)
            .stderr_contains(expected);
    }
}

#[tokio::test]
async fn a_bad_duration_is_reported_in_one_sentence() {
    let interval = "'abc' for '--interval <DURATION>': expected a duration from 100ms to 1day, such as 5s";
    let latency = "'abc' for '--latency <DURATION>': expected a duration, such as 500ms or 3s";
    for (args, reported) in [
        (&["sessions", "watch", "--interval"][..], interval),
        (&["simulate", "--certs", "certs", "--latency"], latency),
    ] {
        run(&[args, &["abc"]].concat(), &[])
            .await
            .assert()
            .code(2)
            .stderr_starts_with(format!("error: invalid value {reported}\n"));
    }
    let too_often = run(&["sessions", "watch", "--interval", "1ms"], &[]).await;
    too_often.assert().stderr_contains("expected a duration from 100ms");
}

#[tokio::test]
async fn simulate_reports_once_why_it_cannot_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();

    let ended = run(&["simulate", "--certs", "certs", "--qrs-port", &port, "--qps-port", "0"], &[]).await;

    ended.assert().code(1);
    assert_eq!(ended.stderr_text().matches("(os error").count(), 1, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_is_the_default_command() {
    let named = run(&["serve"], &[]).await;
    let unnamed = run(&[], &[]).await;

    named.assert().code(2).stderr_contains("config.toml");
    unnamed.assert().code(2).stderr_contains("config.toml");
}

#[tokio::test(flavor = "multi_thread")]
async fn simulate_writes_a_configuration_with_which_serve_works() {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        &["simulate", "--certs", "site", "--nodes", "2", "--qrs-port", "0", "--qps-port", "0"][..],
        &["--virtual-proxies", ",sales", "--sessions", "40", "--users", "10", "--churn", "0", "--seed", "7"],
    ]
    .concat();
    let mut simulate = Program::start(&mut command(&args, &[], folder.path()));
    for name in ["qrs", "qps-1", "qps-2"] {
        assert_eq!(listening(&mut simulate, name).await.scheme(), "https", "{name}");
    }

    let exporter = Exporter::with_config(&folder.path().join("site").join("config.toml"), &[]).await;

    let scrape = exporter.scrape().await;
    assert_eq!(scrape.sum("qlik_proxy_up", &[]), 4.0);
    assert_eq!(scrape.sum("qlik_proxy_sessions", &[]), 40.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_prints_where_to_look() {
    let mut exporter = Exporter::start(&["demo"], &[]).await;
    let scrape = exporter.scrape().await;
    assert_eq!(scrape.sum("qlik_proxy_up", &[]), 6.0);
    assert_eq!(scrape.label_values("qlik_proxy_sessions", "virtual_proxy").len(), 3);

    let authority = exporter.authority().to_owned();
    for what in [format!("http://{authority}/metrics"), "scrape_configs:".to_owned()] {
        exporter.program.printed(&what, |line| line.contains(&what).then_some(())).await;
    }
}
