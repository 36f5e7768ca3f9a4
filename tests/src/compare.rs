//! Judging two runs.

use crate::case::Rule;
use crate::execute::Outcome;
use regex_lite::Regex;

/// What `hosted` has that `native` has not; nothing when they agree.
pub fn difference(rules: &[Rule], native: &Outcome, hosted: &Outcome) -> Option<String> {
    let mut found = Vec::new();
    if native.end != hosted.end {
        found.push(format!("natively {}, under vload {}", native.end, hosted.end));
    }
    let mut compare = |what: &str, native: &[u8], hosted: &[u8]| {
        let (native, hosted) = (normalised(rules, native), normalised(rules, hosted));
        if native != hosted {
            found.push(format!("{what} differs\n{}", lines_that_differ(&native, &hosted)));
        }
    };
    compare("standard output", &native.stdout, &hosted.stdout);
    if !rules.iter().any(|rule| matches!(rule, Rule::IgnoreStderr)) {
        compare("standard error", &native.stderr, &hosted.stderr);
    }
    for ((name, native), (_, hosted)) in native.files.iter().zip(&hosted.files) {
        match (native, hosted) {
            (Some(native), Some(hosted)) => compare(name, native, hosted),
            (Some(_), None) => compare(name, b"there", b"missing"),
            (None, Some(_)) => compare(name, b"missing", b"there"),
            (None, None) => {}
        }
    }
    (!found.is_empty()).then(|| found.join("\n"))
}

/// `bytes` as text, with what differs by nature taken out.
fn normalised(rules: &[Rule], bytes: &[u8]) -> String {
    // A byte that is no UTF-8 keeps its value in the comparison.
    let mut text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.escape_ascii().to_string(),
    };
    for rule in rules {
        text = match rule {
            Rule::Replace(pattern, with) => match Regex::new(pattern) {
                Ok(pattern) => pattern.replace_all(&text, *with).into_owned(),
                Err(error) => format!("bad pattern: {error}"),
            },
            Rule::Without(part) => keep_lines(&text, |line| !line.contains(part)),
            Rule::Sorted => {
                let mut lines: Vec<_> = text.lines().collect();
                lines.sort_unstable();
                lines.join("\n")
            }
            Rule::IgnoreStderr | Rule::Unsteady | Rule::Varies(_) => text,
        };
    }
    text
}

fn keep_lines(text: &str, keep: impl Fn(&str) -> bool) -> String {
    text.lines().filter(|line| keep(line)).map(|line| format!("{line}\n")).collect()
}

/// The first lines that differ, ours marked `+` and the native ones `-`.
fn lines_that_differ(native: &str, hosted: &str) -> String {
    const SHOWN: usize = 12;
    let (native, hosted): (Vec<_>, Vec<_>) = (native.lines().collect(), hosted.lines().collect());
    let same = native.iter().zip(&hosted).take_while(|(a, b)| a == b).count();
    let tail = native.iter().rev().zip(hosted.iter().rev());
    let same_at_end = tail.take_while(|(a, b)| a == b).count();
    let part = |lines: &[&str], mark: char| {
        let end = lines.len().saturating_sub(same_at_end).max(same);
        let part = lines.get(same..end).unwrap_or_default().iter().take(SHOWN);
        part.map(|line| format!("    {mark} {}\n", shortened(line))).collect::<String>()
    };
    format!("    at line {}\n{}{}", same + 1, part(&native, '-'), part(&hosted, '+'))
}

fn shortened(line: &str) -> String {
    const WIDTH: usize = 300;
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or(line)),
        None => line.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::difference;
    use crate::case::Rule;
    use crate::execute::{End, Outcome};
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    fn outcome(stdout: &str) -> Outcome {
        Outcome {
            end: End::Status(ExitStatus::from_raw(0)),
            stdout: stdout.into(),
            stderr: Vec::new(),
            files: Vec::new(),
        }
    }

    #[test]
    fn sees_each_part() {
        let same = outcome("one\n");
        assert_eq!(difference(&[], &same, &same), None);
        let status = Outcome { end: End::Status(ExitStatus::from_raw(11)), ..same.clone() };
        let stderr = Outcome { stderr: b"oh\n".to_vec(), ..same.clone() };
        let gone = Outcome { files: vec![("f".into(), None)], ..same.clone() };
        let there = Outcome { files: vec![("f".into(), Some(Vec::new()))], ..same.clone() };
        for (native, hosted) in
            [(&same, &status), (&same, &stderr), (&gone, &there), (&same, &outcome("two\n"))]
        {
            assert!(difference(&[], native, hosted).is_some(), "{hosted:?}");
        }
    }

    #[test]
    fn takes_out_only_what_the_rules_name() {
        let rules = [Rule::Replace(r"pid \d+", "pid N"), Rule::Sorted];
        let native = outcome("pid 12\nb\n");
        assert_eq!(difference(&rules, &native, &outcome("b\npid 34\n")), None);
        assert!(difference(&rules, &native, &outcome("c\npid 34\n")).is_some());
        let without = [Rule::Without("b")];
        assert_eq!(difference(&without, &native, &outcome("pid 12\nabc\n")), None);
    }
}
