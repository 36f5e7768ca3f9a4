//! Servers under a bounded load, and programs with a screen.

use crate::case::{Case, Rule};

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = |name: &str| Case::new(format!("server/{name}")).seconds(120).plain_only();
    vec![
        case("redis")
            .needs_program("redis-server")
            .needs_program("redis-benchmark")
            .run(&["sh", "{programs}/redis.sh"]),
        case("nginx")
            .needs_program("nginx")
            .needs_program("python3")
            .run(&["sh", "{programs}/nginx.sh", "{programs}/clients.py"])
            // Where a user cannot be changed, it says so with the time and its pid.
            .rule(Rule::Replace(r"[\d/]+ [\d:]+ \[emerg\] \d+#\d+", "TIME [emerg] PID")),
        case("xterm")
            .needs_program("Xvfb")
            .needs_program("xterm")
            .run(&[
                "sh",
                "{programs}/display.sh",
                "xterm",
                "-e",
                "sh",
                "-c",
                "stty size > seen; echo $TERM >> seen; ps -o comm= -p $PPID >> seen",
            ])
            .leaves("seen")
            // The machine's fonts and locales.
            .rule(Rule::IgnoreStderr),
        case("chromium")
            .needs_program("Xvfb")
            .needs_program("chromium")
            .run(&[
                "sh",
                "{programs}/display.sh",
                "chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--user-data-dir={dir}/profile",
                "--dump-dom",
                "file://{programs}/page.html",
            ])
            // Chromium reports the services that a container lacks.
            .rule(Rule::IgnoreStderr),
    ]
}
