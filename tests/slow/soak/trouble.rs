//! What goes wrong next, out of a seed.

use std::collections::BTreeMap;

use fastrand::Rng;
use qlik_sense_simulator::Fault;

use super::checker::Checker;
use crate::support::faults::SPECIFICATION;
use crate::support::site::{Pair, Site};

/// Faults that are set at once.
const AT_ONCE: usize = 6;

/// Where a fault is: on a node's virtual proxy, or on its whole proxy service.
type Place = (usize, Option<&'static str>);

pub struct Trouble {
    rng: Rng,
    pairs: Vec<Pair>,
    set: BTreeMap<Place, Fault>,
    repository: bool,
    /// Set so far.
    pub faults: u64,
}

impl Trouble {
    pub fn new(site: &Site, seed: u64) -> Self {
        let (rng, pairs) = (Rng::with_seed(seed), site.pairs());
        Self { rng, pairs, set: BTreeMap::new(), repository: false, faults: 0 }
    }

    /// True once in so many times.
    pub fn chance(&mut self, one_in: u32) -> bool {
        self.rng.u32(..one_in) == 0
    }

    pub fn between(&mut self, least: u32, most: u32) -> u32 {
        self.rng.u32(least..=most)
    }

    /// Some faults come, some go.
    pub async fn next(&mut self, site: &Site, checker: &mut Checker) {
        for _ in 0..self.between(1, 3) {
            let goes = self.set.len() >= AT_ONCE || self.chance(3);
            let place = if goes { self.rng.choice(self.set.keys().copied()) } else { None };
            match place {
                Some(place) => {
                    site.simulator.clear_fault(place.0, place.1).await.unwrap();
                    let was = self.set.remove(&place);
                    self.inform(checker, place, was);
                }
                None => self.add(site, checker).await,
            }
        }
        if self.chance(12) {
            self.repository = !self.repository;
            let fault = self.repository.then(|| self.any_fault());
            // Two proxy services of one name would get other labels.
            let fault = fault.filter(|fault| *fault != Fault::DuplicateIds);
            self.faults += u64::from(self.repository);
            site.simulator.set_repository_fault(fault).await.unwrap();
        }
    }

    /// All goes right again.
    pub async fn clear(&mut self, site: &Site, checker: &mut Checker) {
        site.simulator.clear_faults().await.unwrap();
        self.repository = false;
        for (place, fault) in std::mem::take(&mut self.set) {
            self.inform(checker, place, Some(fault));
        }
    }

    async fn add(&mut self, site: &Site, checker: &mut Checker) {
        let fault = self.any_fault();
        let (node, prefix) = self.pairs[self.rng.usize(..self.pairs.len())];
        let whole = fault.is_of_whole_node() || self.chance(8);
        let place = (node, (!whole).then_some(prefix));
        site.simulator.set_fault(node, place.1, fault).await.unwrap();
        let was = self.set.insert(place, fault);
        self.faults += 1;
        self.inform(checker, place, was);
    }

    fn any_fault(&mut self) -> Fault {
        SPECIFICATION[self.rng.usize(..SPECIFICATION.len())].0.parse().unwrap()
    }

    /// Informs the checker of what has changed at a place where this was before.
    fn inform(&self, checker: &mut Checker, place: Place, was: Option<Fault>) {
        let handshake = |fault: Option<&Fault>| fault.is_some_and(|fault| fault.is_of_whole_node());
        let cut = handshake(was.as_ref()) || handshake(self.set.get(&place));
        for pair in self.pairs.iter().filter(|pair| pair.0 == place.0) {
            checker.set(*pair, self.of(*pair), cut);
        }
    }

    /// What a request for this pair meets.
    fn of(&self, (node, prefix): Pair) -> Option<Fault> {
        let own = self.set.get(&(node, Some(prefix)));
        match self.set.get(&(node, None)) {
            Some(whole) if own.is_none() || whole.is_of_whole_node() => Some(*whole),
            _ => own.copied(),
        }
    }
}
