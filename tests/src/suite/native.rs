//! What passes natively, twice: kept for as long as the machine's packages and kernel stay.

use super::{Piece, Suite};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What a piece comes to natively.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Native {
    /// The cases that passed both times.
    pub passed: BTreeSet<String>,
    /// The exit code, where it was the same both times.
    pub code: Option<i32>,
}

/// What the result depends on: kernel, packages, and how the piece is run.
pub fn key(suite: &Suite, piece: &Piece) -> Result<String> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${Package}=${Version} "]).args(suite.packages).arg("libc6");
    let output = query.output().context("dpkg-query cannot be run")?;
    let packages = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(format!("{} {packages}{:?} {}", kernel.trim(), piece.command, piece.unprivileged))
}

/// What is kept under the key; none when it is not there, or was made under another.
pub fn kept(file: &Path, key: &str) -> Option<Native> {
    let text = fs::read_to_string(file).ok()?;
    let mut lines = text.lines();
    if lines.next() != Some(key) {
        return None;
    }
    let code = lines.next()?.strip_prefix("exit ")?.parse().ok();
    Some(Native { passed: lines.map(str::to_owned).collect(), code })
}

/// Keeps it.
pub fn keep(file: &Path, key: &str, native: &Native) -> Result<()> {
    let code = native.code.map_or("none".to_owned(), |code| code.to_string());
    let mut text = format!("{key}\nexit {code}\n");
    for name in &native.passed {
        text.push_str(name);
        text.push('\n');
    }
    fs::write(file, text).with_context(|| format!("{}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_under_its_key_only() {
        let file = std::env::temp_dir().join(format!("vload-native-{}", std::process::id()));
        let passed = BTreeSet::from(["a b".to_owned(), "c".to_owned()]);
        let native = Native { passed, code: Some(0) };
        assert!(keep(&file, "key 1", &native).is_ok());
        assert_eq!(kept(&file, "key 1"), Some(native));
        assert_eq!(kept(&file, "key 2"), None);
        assert!(fs::remove_file(&file).is_ok());
        assert_eq!(kept(&file, "key 1"), None);
    }
}
