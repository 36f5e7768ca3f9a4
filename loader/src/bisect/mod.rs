//! `vload bisect`: which part of vload makes a command behave otherwise than natively.
//!
//! The command runs natively, under all of vload, and then with parts of vload left off. `run` runs it
//! once, `outcome` is what a run leaves, `search` finds a smallest set in few runs, `print` says it.

mod outcome;
mod print;
mod run;
mod search;

use alloc::vec::Vec;

use runtime::sort;
use runtime::sys;
use runtime::trial::{Off, Place, Seen};

use crate::message::{USAGE, fail};
use crate::report::Out;
use crate::vectors::Vectors;
use outcome::{Difference, Outcome};
use run::{Runner, Setup};

/// What `vload bisect` is asked.
pub struct Ask {
    /// The index of the program in vload's own vector.
    pub first: usize,
    /// `--json`.
    pub json: bool,
    /// `--status`: output is not compared.
    pub status: bool,
    /// `--timeout`, in seconds.
    pub timeout: Option<u32>,
}

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Two native runs differ.
    Unsteady,
    /// The command does under vload what it does natively.
    Same,
    /// Some sites make it differ in the shapes that they have, and not with traps.
    Shape,
    /// Some sites do in whatever shape, and not without their stubs.
    Site,
    /// Some layers do.
    Layer,
    /// Watching code that cannot be proven does.
    Watch,
    /// An image of the cache on disk does.
    Cache,
    /// None of these does.
    Rest,
    /// The runs contradict one another.
    Unclear,
}

/// What is known so far.
struct Bisection<'r, 'a> {
    runner: &'r mut Runner<'a>,
    plain: Outcome,
    status: bool,
    /// Whether every call is taken in, to note where it comes from.
    records: bool,
    /// The layers that a run has: a bit each.
    layers: u32,
    /// What was executed in the last run that differs.
    seen: Vec<Seen>,
    /// In what the first run differs that does.
    difference: Option<Difference>,
    /// The smallest set of sites.
    sites: Vec<Seen>,
}

/// Runs the command until it is known, prints what was found, ends.
pub fn run(vectors: &Vectors, ask: &Ask) -> ! {
    let mut runner = Runner::new(vectors, ask);
    let plain = runner.run("natively", &Setup::NATIVE).0;
    let again = runner.run("natively again", &Setup::NATIVE).0;
    let difference = plain.compare(&again, ask.status);
    if plain.status.is_none() {
        fail(USAGE, format_args!("bisect: natively it does not end within the time of --timeout"));
    }
    runner.set_limit();
    let mut bisection = Bisection {
        layers: (1 << run::layers().count()) - 1,
        runner: &mut runner,
        plain,
        status: ask.status,
        records: true,
        seen: Vec::new(),
        difference,
        sites: Vec::new(),
    };
    let verdict = match difference {
        Some(_) => Verdict::Unsteady,
        None => bisection.judge(),
    };
    let mut out = Out::new(vectors);
    if ask.json {
        print::json(verdict, &bisection, out.text());
    } else {
        print::text(verdict, &bisection, &mut out);
    }
    out.end(match verdict {
        Verdict::Same => 0,
        Verdict::Unclear | Verdict::Unsteady => 2,
        _ => 1,
    })
}

impl Bisection<'_, '_> {
    /// Runs the command with some of vload; gives whether it differs, and what was executed.
    #[inline(never)]
    fn differs(&mut self, what: &str, setup: Setup<'_>) -> (bool, Vec<Seen>) {
        let (outcome, seen) = self.runner.run(what, &Setup { records: self.records, ..setup });
        let difference = self.plain.compare(&outcome, self.status);
        if difference.is_some()
            && self.difference.is_none()
            && let Some(said) = outcome.refusal()
        {
            // Nothing has run that could be at fault.
            run::report(format_args!("\n"));
            let shown = sys::write_all(2, said);
            debug_assert!(shown.is_ok());
            sys::exit(USAGE);
        }
        run::say(difference.as_ref());
        if difference.is_some() {
            self.seen.clone_from(&seen);
            self.difference = self.difference.or(difference);
        }
        (difference.is_some(), seen)
    }

    /// All of vload, with the layers that are needed.
    fn all(&self) -> Setup<'static> {
        Setup { layers: self.layers, ..Setup::ALL }
    }

    fn judge(&mut self) -> Verdict {
        let (differs, seen) = self.differs("with all of vload", self.all());
        if !differs {
            // To take in every call may hide it. What was executed is known.
            self.records = false;
            self.seen = seen;
            if !self.differs("as it is", Setup { cache: true, ..self.all() }).0 {
                return Verdict::Same;
            }
            if !self.differs("without the cache", self.all()).0 {
                return Verdict::Cache;
            }
        }
        let before = self.seen.clone();
        // Layers first: they change the meaning of calls.
        if self.layers != 0 {
            let (differs, executed) =
                self.differs("without layers", Setup { layers: 0, ..self.all() });
            if !differs {
                return self.narrow_layers(&before, &executed);
            }
            self.layers = 0;
        }
        let mut executed = Vec::new();
        for (off, what, verdict) in [
            (Off::Shape, "with traps alone", Verdict::Shape),
            (Off::Stub, "without stubs", Verdict::Site),
        ] {
            let (differs, seen) = self.differs(what, Setup { off, ..self.all() });
            executed.extend(seen);
            if !differs {
                return self.narrow_sites(off, &before, &executed, verdict);
            }
        }
        match self.differs("unwatched", Setup { watch: false, ..self.all() }).0 {
            false => Verdict::Watch,
            true => Verdict::Rest,
        }
    }

    fn narrow_layers(&mut self, before: &[Seen], executed: &[Seen]) -> Verdict {
        let count = run::layers().count();
        let found = search::smallest(count, &|_| 1, &mut |is_in| {
            let layers = mask(count, is_in);
            self.differs("with some layers", Setup { layers, ..self.all() }).0
        });
        let Some(found) = found else { return Verdict::Unclear };
        self.layers = mask(count, &|index| found.contains(&index));
        match self.records {
            true => self.narrow_sites(Off::Layers, before, executed, Verdict::Layer),
            false => Verdict::Layer,
        }
    }

    /// It does not differ with all sites off, when `executed` was seen; `before` was when it did.
    fn narrow_sites(
        &mut self,
        off: Off,
        before: &[Seen],
        executed: &[Seen],
        verdict: Verdict,
    ) -> Verdict {
        let mut sites = [executed, before].concat();
        sites.retain(|seen| seen.place.vaddr != Place::FILE);
        for site in &mut sites {
            // A call of a shape that is at fault may come with another number, or not at all.
            if let Some(known) = find(before, site.place) {
                site.shape = known.shape;
            }
            if let Some(known) = find(executed, site.place) {
                site.number = known.number;
            }
        }
        // A file, then a site: each half is of as few files as can be.
        sort::by_key(&mut sites, |seen| seen.place);
        sites.dedup_by_key(|seen| seen.place);
        let weight = |index: usize| weight(sites[index].place, before, executed);
        let found = search::smallest(sites.len(), &weight, &mut |is_in| {
            let setup = Setup { off, sites: &sites, is_on: is_in, ..self.all() };
            self.differs("with some sites", setup).0
        });
        let Some(found) = found else { return Verdict::Unclear };
        for index in found {
            let mut site = sites[index];
            if let Some(known) = find(&self.seen, site.place).filter(|_| off == Off::Shape) {
                site.shape = known.shape;
            }
            self.sites.push(site);
        }
        verdict
    }
}

/// A bit for each part that is in.
fn mask(count: usize, is_in: &dyn Fn(usize) -> bool) -> u32 {
    (0..count).fold(0, |mask, index| mask | u32::from(is_in(index)) << index)
}

fn find(seen: &[Seen], place: Place) -> Option<&Seen> {
    seen.iter().find(|seen| seen.place == place)
}

/// How likely a site is to be what makes the command differ: `before` was executed when it did, `after`
/// when it did not.
fn weight(place: Place, before: &[Seen], after: &[Seen]) -> u64 {
    let Some(known) = find(before, place) else { return 1 };
    let newer = before.iter().filter(|seen| seen.last > known.last).count();
    // What was executed last before the end, and what failed in another way.
    let recent = if newer < 5 { 64 >> newer } else { 0 };
    let failed = find(after, place).is_some_and(|after| after.error != known.error);
    4 + recent + if failed { 64 } else { 0 }
}
