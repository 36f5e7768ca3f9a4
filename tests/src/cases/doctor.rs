//! `vload doctor`: each thing that is taken away shows up in its line, and in no other.

use crate::arch::Arch;
use crate::case::Case;
use crate::execute::{Bench, Host, Outcome};
use crate::needs::Need;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;

/// The cases.
pub fn cases() -> Vec<Case> {
    // What a confinement takes, doctor says: each case brings its own.
    let case =
        |name: &str| Case::new(format!("doctor/{name}")).plain_only().run(&[]).never_confined();
    vec![
        case("denials").check(denials),
        case("limits").check(limits),
        case("cache").check(cache),
        case("no-proc").needs_program("bwrap").needs(Need::UserNamespaces).check(no_proc),
        case("text").check(text),
        case("emulator").on(&[Arch::Aarch64, Arch::Riscv64]).check(emulator),
    ]
}

/// The probes by name, with what JSON says of each, run with these words before vload's own.
fn doctor(bench: &Bench<'_>, within: &[&str]) -> Result<(Outcome, BTreeMap<String, Value>)> {
    let vload = bench.machine.vload.display().to_string();
    let mut words = within.to_vec();
    words.extend([vload.as_str(), "doctor", "--json"]);
    let outcome = bench.run_command(Host::Words(&words), &[])?;
    let found: Value = serde_json::from_slice(&outcome.stdout).with_context(|| {
        format!("{within:?}: {}: {:?}, {:?}", outcome.end, outcome.text(), outcome.error_text())
    })?;
    ensure!(found["status"].as_i64() == outcome.code().map(i64::from), "{found}");
    let mut probes = BTreeMap::new();
    for probe in found["probes"].as_array().context("no array of probes")? {
        let name = probe["name"].as_str().context("a probe without a name")?;
        let good = probe["state"] == "ok";
        ensure!(probe["fix"].is_null() == good && probe["means"].is_null() == good, "{probe}");
        let twice = probes.insert(name.to_owned(), probe.clone());
        ensure!(twice.is_none(), "{name} is there twice");
    }
    Ok((outcome, probes))
}

/// The probes whose state is not what it is without a restriction, with their states.
fn changed<'a>(
    free: &BTreeMap<String, Value>,
    confined: &'a BTreeMap<String, Value>,
) -> BTreeMap<&'a str, &'a str> {
    let state = |probes: &'a BTreeMap<String, Value>, name: &str| {
        probes.get(name).and_then(|probe| probe["state"].as_str())
    };
    let differs = |name: &&str| {
        free.get(*name).and_then(|probe| probe["state"].as_str()) != state(confined, name)
    };
    let names = confined.keys().map(String::as_str).filter(differs);
    names.map(|name| (name, state(confined, name).unwrap_or("?"))).collect()
}

fn denials(bench: &Bench<'_>) -> Result<()> {
    // A filter needs no_new_privs, and is one itself.
    const FILTER: [(&str, &str); 2] = [("seccomp", "limited"), ("privileges", "limited")];
    let (outcome, free) = doctor(bench, &[])?;
    ensure!(outcome.success(), "something is missing here: {free:?}");
    for (restriction, filter, lines) in [
        ("mdwe", false, &[("executable memory", "limited")][..]),
        ("no-new-privs", false, &[("privileges", "limited")]),
        ("docker", true, &[]),
        ("deny-ptrace", true, &[("ptrace", "limited")]),
        ("deny-memfd", true, &[("memory files", "limited")]),
        ("deny-personality", true, &[("personality", "limited")]),
        (
            "deny-user-dispatch",
            true,
            &[("user dispatch", "missing"), ("inclusive dispatch", "limited")],
        ),
        (
            "kill-user-dispatch",
            true,
            &[("user dispatch", "missing"), ("inclusive dispatch", "limited")],
        ),
        ("no-inclusive-dispatch", true, &[("inclusive dispatch", "limited")]),
        ("deny-memory-map", true, &[("memory map", "limited")]),
        ("deny-execveat", true, &[("exec check", "limited")]),
    ] {
        let (outcome, confined) = doctor(bench, &["{confine}", restriction])?;
        let mut expected: BTreeMap<&str, &str> = lines.iter().copied().collect();
        if filter {
            expected.extend(FILTER);
        }
        let found = changed(&free, &confined);
        ensure!(found == expected, "{restriction}: {found:?}, not {expected:?}");
        let missing = lines.iter().any(|line| line.1 == "missing");
        ensure!(outcome.code() == Some(i32::from(missing)), "{restriction}: {}", outcome.end);
    }
    Ok(())
}

fn limits(bench: &Bench<'_>) -> Result<()> {
    let (_, free) = doctor(bench, &[])?;
    for (limit, script) in [
        ("descriptors", "ulimit -n 8; exec \"$@\""),
        ("memory", "ulimit -v 30000; exec \"$@\""),
        // The output is a file, which nothing could be written to.
        ("files", "set -o pipefail; (ulimit -f 0; exec \"$@\") | cat"),
    ] {
        let (_, confined) = doctor(bench, &["/bin/bash", "-c", script, "bash"])?;
        let found = changed(&free, &confined);
        ensure!(found.get("limits") == Some(&"limited"), "{limit}: {found:?}");
    }
    Ok(())
}

fn cache(bench: &Bench<'_>) -> Result<()> {
    for (prepare, state) in [
        ("XDG_CACHE_HOME=$PWD", "ok"),
        ("mkdir -m 777 vload; chmod 777 vload; XDG_CACHE_HOME=$PWD", "limited"),
        (": > vload; XDG_CACHE_HOME=$PWD", "limited"),
        ("unset HOME XDG_CACHE_HOME", "limited"),
    ] {
        let script = format!("{prepare}; exec \"$@\"");
        let (_, probes) = doctor(bench, &["/bin/sh", "-c", &script, "sh"])?;
        ensure!(probes["cache"]["state"] == state, "{prepare}: {}", probes["cache"]);
    }
    Ok(())
}

fn no_proc(bench: &Bench<'_>) -> Result<()> {
    let within = ["bwrap", "--unshare-user", "--bind", "/", "/", "--tmpfs", "/proc", "--"];
    let (_, probes) = doctor(bench, &within)?;
    ensure!(probes["/proc"]["state"] == "limited", "{}", probes["/proc"]);
    Ok(())
}

/// One line for each probe, that begins with its state.
fn text(bench: &Bench<'_>) -> Result<()> {
    let (_, probes) = doctor(bench, &["{confine}", "deny-user-dispatch"])?;
    let vload = bench.machine.vload.display().to_string();
    let words = ["{confine}", "deny-user-dispatch", vload.as_str(), "doctor"];
    let outcome = bench.run_command(Host::Words(&words), &[])?;
    let lines = outcome.text();
    ensure!(lines.lines().count() == probes.len() && outcome.code() == Some(1), "{lines}");
    for line in lines.lines() {
        let (state, rest) = line.split_once(' ').context("a line of one word")?;
        let name = rest.trim_start().split(':').next().unwrap_or_default();
        let probe = probes.get(name).with_context(|| format!("no probe {name}"))?;
        ensure!(probe["state"] == state, "{line}");
        let fixed = state == "ok" || line.contains("; to change it: ");
        ensure!(fixed, "no way to change it: {line}");
    }
    let outcome = bench.run_command(Host::Words(&[&vload, "doctor", "word"]), &[])?;
    ensure!(outcome.code() == Some(125) && outcome.stdout.is_empty(), "{}", outcome.end);
    Ok(())
}

/// Under qemu-user there is no watch, and doctor says why.
fn emulator(bench: &Bench<'_>) -> Result<()> {
    let (outcome, probes) = doctor(bench, &[])?;
    ensure!(outcome.code() == Some(1), "{}", outcome.end);
    ensure!(probes["user dispatch"]["state"] == "missing", "{}", probes["user dispatch"]);
    let kernel = &probes["kernel"];
    let said = kernel["found"].as_str().is_some_and(|found| found.contains("emulator"));
    ensure!(kernel["state"] == "limited" && said, "{kernel}");
    Ok(())
}
