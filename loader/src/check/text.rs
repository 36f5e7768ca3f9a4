//! `vload check` for a person.

use runtime::patch::{Entry, ShapeSet};

use super::{Findings, Form, Judged, Role, Sites, Verdict, Way};
use crate::message::Shown;
use crate::report::{Out, Style};

/// Columns of addresses.
const WIDTH: usize = 100;
/// Where they begin.
const INDENT: usize = 16;

pub fn write(findings: &Findings, form: Form, out: &mut Out) {
    for file in &findings.files {
        heading(findings, file, out);
        match &file.verdict {
            Verdict::Mapped(found) => sites(found, form, out),
            Verdict::Handed => out.put(format_args!("  its interpreter is run\n")),
            Verdict::Not(fault) => {
                out.styled(Style::Bad, format_args!("  cannot be judged"));
                out.put(format_args!(": {fault} ({})\n", fault.errno.name().unwrap_or("?")));
            }
        }
    }
    summary(findings, out);
}

fn heading(findings: &Findings, file: &Judged, out: &mut Out) {
    out.styled(Style::Bold, format_args!("{}", Shown(file.path.to_bytes())));
    let role = match file.role {
        Role::Named => "",
        Role::Interpreter => ", which runs ",
        Role::Interp => ", interp of ",
        Role::Library => ", needed by ",
    };
    let by = file.by.and_then(|by| findings.files.get(by));
    let by = by.map_or(&b""[..], |by| by.path.to_bytes());
    out.put(format_args!("{role}{}\n", Shown(by)));
}

fn sites(found: &Sites, form: Form, out: &mut Out) {
    if found.patched() + found.watched() + found.uncovered() == 0 {
        out.put(format_args!("  no sites\n"));
    }
    for shape in ShapeSet::default().iter() {
        let count = found.of_shape(shape).count();
        if count == 0 {
            continue;
        }
        out.styled(Style::Good, format_args!("  {:<8}", shape.name()));
        let addresses = found.of_shape(shape).map(|site| site.vaddr);
        list(count, addresses, form, out);
    }
    let loads = found.loads().count();
    if loads != 0 {
        out.styled(Style::Good, format_args!("  {:<8}", "load"));
        list(loads, found.loads().map(|call| call.vaddr), form, out);
    }
    for call in found.fixed.iter().filter(|call| call.load.is_none()) {
        word(Way::Uncovered, out);
        out.put(format_args!(
            ": vsyscall page at {:#x}: nothing is proven to be called by this address\n",
            call.vaddr
        ));
    }
    if found.out_of_reach {
        word(found.unproven(), out);
        out.put(format_args!(
            ": {} proven sites; no place for stubs is within their reach\n",
            found.patched.len()
        ));
        let loads = found.fixed.iter().filter(|call| call.load.is_some()).count();
        if loads != 0 {
            word(Way::Uncovered, out);
            out.put(format_args!(": {loads} calls into the vsyscall page, for the same reason\n"));
        }
    }
    for refused in &found.refused {
        let way = found.of_refused(refused);
        if way == Way::NoCall {
            continue;
        }
        word(way, out);
        let entry = match refused.entry {
            Entry::Syscall => "system call",
            Entry::Int80 => "int $0x80",
        };
        out.put(format_args!(": {entry} at {:#x}: {}\n", refused.vaddr, refused.reason.text()));
    }
    for (_, what) in found.open() {
        word(found.unproven(), out);
        out.put(format_args!(": code that the program writes: {what}\n"));
    }
    if found.no_calls() != 0 {
        out.put(format_args!("  no call "));
        let addresses =
            found.refused.iter().filter(|refused| found.of_refused(refused) == Way::NoCall);
        list(found.no_calls(), addresses.map(|refused| refused.vaddr), form, out);
    }
}

/// The beginning of a line about what is not patched.
fn word(way: Way, out: &mut Out) {
    match way {
        Way::Watched => out.styled(Style::Doubtful, format_args!("  watched")),
        _ => out.styled(Style::Bad, format_args!("  not covered")),
    }
}

/// A number, and the addresses in lines.
fn list(count: usize, addresses: impl Iterator<Item = u64>, form: Form, out: &mut Out) {
    out.put(format_args!("{count:>6}"));
    if !form.count {
        let mut column = INDENT;
        for address in addresses {
            let width = 1 + 2 + address.checked_ilog2().map_or(1, |bits| bits as usize / 4 + 1);
            if column + width > WIDTH {
                out.put(format_args!("\n{:INDENT$}", ""));
                column = INDENT;
            }
            out.put(format_args!(" {address:#x}"));
            column += width;
        }
    }
    out.put(format_args!("\n"));
}

/// What a run would do.
fn summary(findings: &Findings, out: &mut Out) {
    let [patched, watched, uncovered] =
        [Sites::patched, Sites::watched, Sites::uncovered].map(|of| findings.sum(of));
    let all = patched + watched + uncovered;
    out.put(format_args!("{} files, {all} sites: ", findings.files.len()));
    if patched == all {
        out.styled(Style::Good, format_args!("a run patches them all"));
    } else {
        out.put(format_args!("a run patches {patched}"));
    }
    if watched != 0 {
        out.put(format_args!(", "));
        out.styled(
            Style::Doubtful,
            format_args!("watches {watched}, whose calls cost a signal each"),
        );
    }
    if uncovered != 0 {
        out.put(format_args!(", "));
        out.styled(Style::Bad, format_args!("does not see the calls made at {uncovered}"));
    }
    if let Err(unwatched) = findings.watch {
        out.put(format_args!("; "));
        out.styled(Style::Bad, format_args!("code that is made as it runs is not seen"));
        out.put(format_args!(": {unwatched}"));
    }
    let faults = findings.faults().count();
    if faults != 0 {
        out.put(format_args!("; "));
        out.styled(Style::Bad, format_args!("{faults} files cannot be judged"));
    }
    out.put(format_args!("\n"));
}
