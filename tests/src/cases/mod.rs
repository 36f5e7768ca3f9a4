//! What is run, suite by suite.

mod adopt;
#[cfg(target_arch = "x86_64")]
mod audit;
mod calls;
mod check;
mod confined;
mod counts;
mod debuggers;
mod doctor;
mod edges;
mod exec;
mod i686;
mod identity;
mod layers;
mod options;
mod programs;
mod servers;
mod signals;
mod stack;
mod trace;
mod vdso;
#[cfg(target_arch = "x86_64")]
mod walk;
mod watch;

use crate::case::Case;

/// Every case.
pub fn all() -> Vec<Case> {
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "the others add none"))]
    let mut suites: Vec<fn() -> Vec<Case>> = vec![
        stack::cases,
        identity::cases,
        calls::cases,
        signals::cases,
        edges::cases,
        exec::cases,
        i686::cases,
        confined::cases,
        counts::cases,
        debuggers::cases,
        options::cases,
        check::cases,
        doctor::cases,
        trace::cases,
        watch::cases,
        layers::cases,
        vdso::cases,
        adopt::cases,
        programs::cases,
        servers::cases,
    ];
    #[cfg(target_arch = "x86_64")]
    suites.extend([audit::cases, walk::cases] as [fn() -> Vec<Case>; 2]);
    suites.into_iter().flat_map(|suite| suite()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn every_name_is_there_once() {
        let cases = super::all();
        let names: HashSet<_> = cases.iter().map(|case| &case.name).collect();
        assert_eq!(names.len(), cases.len());
        assert!(cases.iter().all(|case| case.name.contains('/')), "a name has a suite");
    }
}
