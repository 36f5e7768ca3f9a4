//! `vload check --json`. The manual page describes it; what a reader relies on stays, and
//! `SCHEMA` counts what would break one.

use alloc::string::String;

use runtime::abi::{self, Table};
use runtime::patch::{Entry, FixedCall, Refused, ShapeSet, Site};
use runtime::watch::Unwatched;

use super::{Findings, Form, Judged, Role, Sites, Verdict, Way};
use crate::report::Json;

const SCHEMA: u64 = 2;

pub fn write(findings: &Findings, form: Form, out: &mut String) {
    let mut json = Json::new(out);
    json.object(|json| {
        json.key("schema").number(SCHEMA);
        json.key("version").string(env!("CARGO_PKG_VERSION"));
        json.key("machine").string(Table::NATIVE.name());
        json.key("files").array(|json| {
            for file in &findings.files {
                json.object(|json| one(json, findings, file, form));
            }
        });
        json.key("summary").object(|json| {
            json.key("files").number(findings.files.len() as u64);
            json.key("unreadable").number(findings.faults().count() as u64);
            json.key("patched").number(findings.sum(Sites::patched) as u64);
            json.key("watched").number(findings.sum(Sites::watched) as u64);
            json.key("uncovered").number(findings.sum(Sites::uncovered) as u64);
            json.key("no_calls").number(findings.sum(Sites::no_calls) as u64);
            json.key("watch").string(match findings.watch {
                Ok(()) => "offered",
                Err(Unwatched::Never) => "never",
                Err(Unwatched::Processor) => "processor",
                Err(Unwatched::Refused(_)) => "refused",
            });
            json.key("status").number(findings.status() as u64);
        });
    });
    json.finish();
}

fn one(json: &mut Json<'_>, findings: &Findings, file: &Judged, form: Form) {
    json.key("path").bytes(file.path.to_bytes());
    json.key("role").string(match file.role {
        Role::Named => "named",
        Role::Interpreter => "interpreter",
        Role::Interp => "interp",
        Role::Library => "library",
    });
    let by = file.by.and_then(|by| findings.files.get(by));
    json.key("by").optional(by, |json, by| json.bytes(by.path.to_bytes()));
    match &file.verdict {
        Verdict::Mapped(found) => {
            json.key("state").string("mapped");
            sites(json, found, form);
        }
        Verdict::Handed => json.key("state").string("interpreted"),
        Verdict::Not(fault) => {
            json.key("state").string("unreadable");
            json.key("errno").string(fault.errno.name().unwrap_or("?"));
            let mut why = String::new();
            let put = core::fmt::Write::write_fmt(&mut why, format_args!("{fault}"));
            debug_assert!(put.is_ok());
            json.key("why").string(&why);
        }
    }
}

fn sites(json: &mut Json<'_>, found: &Sites, form: Form) {
    json.key("patched").number(found.patched() as u64);
    json.key("watched").number(found.watched() as u64);
    json.key("uncovered").number(found.uncovered() as u64);
    json.key("no_calls").number(found.no_calls() as u64);
    json.key("shapes").object(|json| {
        for shape in ShapeSet::default().iter() {
            json.key(shape.name()).number(found.of_shape(shape).count() as u64);
        }
        json.key("load").number(found.loads().count() as u64);
    });
    json.key("writable").array(|json| found.open().for_each(|(name, _)| json.string(name)));
    if form.count {
        return;
    }
    json.key("sites").array(|json| {
        let mut refused = found.refused.iter().peekable();
        for site in &found.patched {
            while let Some(before) = refused.next_if(|refused| refused.vaddr < site.vaddr) {
                json.object(|json| candidate(json, before, found));
            }
            json.object(|json| proven(json, site, found));
        }
        refused.for_each(|refused| json.object(|json| candidate(json, refused, found)));
        found.fixed.iter().for_each(|call| json.object(|json| fixed(json, call, found)));
    });
}

fn head(json: &mut Json<'_>, address: u64, entry: Entry) {
    json.key("address").address(address);
    json.key("entry").string(entry.name());
}

fn proven(json: &mut Json<'_>, site: &Site, found: &Sites) {
    head(json, site.vaddr, site.entry);
    json.key("state").string(found.of_site().name());
    if found.out_of_reach {
        json.key("reason").string("out-of-reach");
    } else {
        json.key("shape").string(site.shape.name());
    }
    json.key("number").optional(site.number, |json, number| json.number(number.into()));
    let call = site.number.and_then(|number| call(site.entry, number));
    json.key("call").optional(call, |json, call| json.string(call.name()));
}

fn fixed(json: &mut Json<'_>, found: &FixedCall, all: &Sites) {
    json.key("address").address(found.vaddr);
    json.key("entry").string("vsyscall");
    let way = all.of_fixed(found);
    json.key("state").string(way.name());
    if way == Way::Patched {
        json.key("shape").string("load");
    } else {
        json.key("reason").string("vsyscall");
    }
    let number = found.load.map(|load| load.number);
    json.key("number").optional(number, |json, number| json.number(number.into()));
    let call = number.and_then(|number| call(Entry::Syscall, number));
    json.key("call").optional(call, |json, call| json.string(call.name()));
}

fn candidate(json: &mut Json<'_>, refused: &Refused, found: &Sites) {
    head(json, refused.vaddr, refused.entry);
    json.key("state").string(found.of_refused(refused).name());
    json.key("reason").string(refused.reason.name());
}

/// The call that a site makes.
fn call(entry: Entry, number: u32) -> Option<&'static abi::Call> {
    let entry = match entry {
        Entry::Int80 if Table::COMPAT.is_some() => abi::Entry::Compat,
        _ => abi::Entry::native(number as usize),
    };
    entry.call(number as usize)
}
