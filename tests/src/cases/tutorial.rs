//! `docs/modules.md` as somebody follows it: each file is written, each command is typed, and prints what is printed there.

use super::authors;
use crate::case::Case;
use crate::execute::{Bench, Host};
use crate::needs::PATH;
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;

const TUTORIAL: &str = include_str!("../../../docs/modules.md");

/// The cases.
pub fn cases() -> Vec<Case> {
    let case = Case::new("authors/tutorial").plain_only().run(&["{vload}"]).needs_program("g++");
    vec![authors::rust(case).seconds(600).check(follow)]
}

/// What a block of the text is for.
#[derive(Debug, PartialEq)]
enum Block<'a> {
    /// A file: its name and what is in it.
    File(&'a str, String),
    /// A command, and what it prints.
    Command(&'a str, String),
}

/// The blocks between fences. One that is neither a file nor typed would not be checked, and is an error.
fn blocks(text: &str) -> Result<Vec<Block<'_>>> {
    let mut all = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let whole =
            |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        match kind.split_once(' ') {
            Some((_, name)) => all.push(Block::File(name, whole(&block))),
            None if kind == "console" => {
                let starts: Vec<usize> =
                    (0..block.len()).filter(|&at| block[at].starts_with("$ ")).collect();
                ensure!(starts.first() == Some(&0), "nothing is typed in {block:?}");
                let ends = starts.iter().skip(1).copied().chain([block.len()]);
                for (&start, end) in starts.iter().zip(ends) {
                    all.push(Block::Command(&block[start][2..], whole(&block[start + 1..end])));
                }
            }
            None => bail!("a block {kind:?} that nobody checks: {block:?}"),
        }
    }
    Ok(all)
}

/// What stands before what a command prints. No command prints it.
const MARK: &str = "@@@ next @@@";

/// One shell's work.
fn script(blocks: &[Block<'_>]) -> String {
    let one = |block: &Block<'_>| match block {
        Block::File(name, text) => format!("cat >{name} <<'@@@'\n{text}@@@\n"),
        Block::Command(line, _) => format!("echo '{MARK}'\n{line}\n"),
    };
    format!("exec 2>&1\n{}", blocks.iter().map(one).collect::<String>())
}

/// Whether a text is as it is written down, where `…` stands for the rest of a line.
fn agrees(written: &str, printed: &str) -> bool {
    let mut lines = printed.lines();
    let same = written.lines().all(|line| match (line.split_once('…'), lines.next()) {
        (Some((start, _)), Some(printed)) => printed.starts_with(start),
        (None, Some(printed)) => printed == line,
        (_, None) => false,
    });
    same && lines.next().is_none()
}

fn follow(bench: &Bench<'_>) -> Result<()> {
    let blocks = blocks(TUTORIAL)?;
    let languages = ["src/lib.rs", "days.c", "awake.c", "powers.cc"];
    let has = |wanted: &str| {
        blocks.iter().any(|block| matches!(block, Block::File(name, _) if *name == wanted))
    };
    ensure!(languages.into_iter().all(has), "a language is missing");
    let tools = Path::new(env!("CARGO")).parent().context("cargo is in a folder")?;
    let path =
        format!("PATH={}:{}:{PATH}", bench.machine.work.join("bin").display(), tools.display());
    let typed = script(&blocks);
    let outcome = bench.run_command(Host::Native, &["env", &path, "/bin/sh", "-c", &typed])?;
    let text = outcome.text();
    let mark = format!("{MARK}\n");
    let mut printed = text.split(&mark).skip(1);
    for block in &blocks {
        let Block::Command(line, written) = block else { continue };
        let printed = printed.next().with_context(|| format!("not typed: {line}"))?;
        ensure!(agrees(written, printed), "$ {line}\n{printed}and not\n{written}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Block, agrees, blocks};

    #[test]
    fn blocks_are_files_and_commands() {
        let text = "words\n```c a.c\nint x;\n```\n```console\n$ one\n1\n2\n$ two\n```\n";
        let command = |line, text: &str| Block::Command(line, text.into());
        let found = blocks(text).expect("blocks");
        assert_eq!(
            found,
            [Block::File("a.c", "int x;\n".into()), command("one", "1\n2\n"), command("two", "")]
        );
        assert!(blocks("```sh\nls\n```\n").is_err(), "nobody checks it");
        assert!(blocks("```console\nls\n```\n").is_err(), "nothing is typed");
    }

    #[test]
    fn what_is_printed_must_be_what_is_written() {
        assert!(agrees("", "") && agrees("a\nb\n", "a\nb\n") && agrees("in …\n", "in 3 s\n"));
        assert!(!agrees("", "error\n") && !agrees("a\n", "") && !agrees("a\n", "a\nb\n"));
        assert!(!agrees("in …\n", "out\n") && !agrees("a\n", "b\n"));
    }
}
