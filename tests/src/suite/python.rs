//! CPython's own tests, a module at a time.

use super::{Piece, Suite};
use anyhow::Result;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The suite.
pub const SUITE: Suite =
    Suite { name: "python", packages: &["libpython3.11-testsuite", "python3.11"], pieces };

/// The modules, and which are in the share.
const MODULES: [(&str, bool); 23] = [
    ("test_os", true),
    ("test_posix", true),
    ("test_signal", false),
    ("test_subprocess", false),
    ("test_threading", true),
    ("test_thread", true),
    ("test_mmap", true),
    ("test_fcntl", true),
    ("test_selectors", false),
    ("test_select", true),
    ("test_asyncio", false),
    ("test_multiprocessing_fork", false),
    ("test_multiprocessing_spawn", false),
    ("test_pty", true),
    ("test_faulthandler", false),
    ("test_time", false),
    ("test_resource", true),
    ("test_wait3", false),
    ("test_wait4", false),
    ("test_fork1", false),
    ("test_shutil", true),
    ("test_tempfile", true),
    ("test_eintr", false),
];

fn pieces(_: &Path) -> Result<Vec<Piece>> {
    let piece = |(module, share): (&str, bool)| Piece {
        name: module.into(),
        command: [
            "/usr/bin/python3.11",
            "-m",
            "test",
            "-v",
            "--junit-xml",
            "{dir}/results",
            module,
        ]
        .map(String::from)
        .to_vec(),
        folder: None,
        variables: Vec::new(),
        unprivileged: false,
        limit: Duration::from_secs(1200),
        passed: |_, dir| passed(&fs::read_to_string(dir.join("results")).unwrap_or_default()),
        share,
        limited: None,
        prepare: None,
    };
    Ok(MODULES.map(piece).into())
}

/// The cases of a JUnit file that were run to their end and neither failed nor were skipped.
fn passed(xml: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for case in xml.split("<testcase ").skip(1) {
        let case = case.split("</testcase>").next().unwrap_or(case);
        let ended = case.contains("result=\"completed\"");
        let bad = ["<failure", "<error", "<skipped"].iter().any(|mark| case.contains(mark));
        let name = case.strip_prefix("name=\"").and_then(|rest| rest.split('"').next());
        if let (true, false, Some(name)) = (ended, bad, name) {
            names.insert(name.into());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_failed_or_was_skipped_has_not_passed() {
        let xml = r#"<testsuites><testsuite tests="4"><testcase name="a.b" status="run" result="completed" time="1" /><testcase name="a.c" status="run" result="completed" time="1"><skipped>why</skipped></testcase><testcase name="a.d" status="run" result="completed"><failure type="x">text</failure></testcase><testcase name="a.e" status="run" result="completed" time="0"><system-out>x</system-out></testcase></testsuite></testsuites>"#;
        let names: Vec<_> = super::passed(xml).into_iter().collect();
        assert_eq!(names, ["a.b", "a.e"]);
    }
}
