//! The tests of Go's standard library, a package at a time, with cgo and static.

use super::{Piece, Suite};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The suite.
pub const SUITE: Suite =
    Suite { name: "go", packages: &["golang-1.19-go", "golang-1.19-src", "gcc"], pieces };

/// The packages, and which are in the share.
const PACKAGES: [(&str, bool); 10] = [
    ("os", true),
    ("os/exec", true),
    ("os/signal", false),
    ("os/user", true),
    ("syscall", true),
    ("net", false),
    ("runtime", false),
    ("runtime/pprof", false),
    ("time", false),
    ("internal/poll", true),
];

fn root() -> Result<PathBuf> {
    let output = Command::new("go").args(["env", "GOROOT"]).output().context("go cannot be run")?;
    let root = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    // Debian's GOROOT is made of links: the tests look for files by `..`.
    fs::canonicalize(root.join("src")).context("golang-src is not installed")
}

fn pieces(work: &Path) -> Result<Vec<Piece>> {
    let source = root()?;
    let mut pieces = Vec::new();
    for (cgo, kind) in [("1", "cgo"), ("0", "static")] {
        for (package, share) in PACKAGES {
            let name = format!("{}-{kind}", package.replace('/', "-"));
            let cache = work.join("go-cache");
            let version = fs::metadata(source.join(package))?.modified()?;
            let version = version.duration_since(std::time::UNIX_EPOCH)?.as_secs();
            let binary = work.join(format!("go-{name}-{version}.test"));
            let variables = vec![
                ("CGO_ENABLED", cgo.to_string()),
                ("GOCACHE", cache.display().to_string()),
                ("GOFLAGS", String::new()),
            ];
            pieces.push(Piece {
                name,
                command: vec![binary.display().to_string(), "-test.v".into(), "-test.short".into()],
                folder: Some(source.join(package)),
                variables,
                unprivileged: false,
                limit: Duration::from_secs(1200),
                passed: |text, _| passed(text),
                share,
                limited: None,
                prepare: Some(Box::new(move |piece: &Piece| compile(package, &binary, piece))),
            });
        }
    }
    Ok(pieces)
}

/// Compiles the tests of a package, natively.
fn compile(package: &str, binary: &Path, piece: &Piece) -> Result<()> {
    if binary.exists() {
        return Ok(());
    }
    let mut go = Command::new("go");
    // Debian's GOROOT lacks the time zones that the tests of `time` read from it.
    go.args(["test", "-c", "-tags", "timetzdata", "-o"]).arg(binary).arg(package);
    go.envs(piece.variables.iter().map(|(name, value)| (name, value)));
    go.current_dir(piece.folder.as_ref().context("a package has a folder")?);
    let output = go.output().context("go cannot be run")?;
    if !output.status.success() {
        bail!("{package}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Tests, their parts and examples: `--- PASS: Name (0.00s)`, perhaps behind what the test has printed.
fn passed(text: &str) -> BTreeSet<String> {
    let after = text.lines().filter_map(|line| line.split_once("--- PASS: "));
    after.filter_map(|(_, rest)| rest.split_once(" (")).map(|(name, _)| name.into()).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_test_may_have_printed_before() {
        let text = "=== RUN   TestA\n--- PASS: TestA (0.10s)\nhello--- PASS: TestB (0.00s)\n    \
                    --- PASS: TestB/part#1 (0.00s)\n--- FAIL: TestC (1.00s)\n--- SKIP: TestD (0.00s)\n";
        let names: Vec<_> = super::passed(text).into_iter().collect();
        assert_eq!(names, ["TestA", "TestB", "TestB/part#1"]);
    }
}
