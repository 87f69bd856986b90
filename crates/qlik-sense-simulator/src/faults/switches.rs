//! The faults of a service that are set.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::Fault;

/// The faults of one service, each for one virtual proxy or for the whole service.
#[derive(Default)]
pub(crate) struct Switches {
    /// By prefix; `None` is for requests to virtual proxies without a fault of their own.
    faults: RwLock<BTreeMap<Option<String>, Active>>,
}

struct Active {
    fault: Fault,
    /// The number of requests that it affected so far.
    requests: AtomicU64,
}

impl Switches {
    /// Sets or clears the fault of a virtual proxy, or of the whole service. Returns false if there was none to clear.
    pub fn set(&self, prefix: Option<&str>, fault: Option<Fault>) -> bool {
        let (mut faults, key) = (self.faults.write(), prefix.map(str::to_owned));
        match fault {
            Some(fault) => {
                faults.insert(key, Active { fault, requests: AtomicU64::default() });
                true
            }
            None => faults.remove(&key).is_some(),
        }
    }

    /// Clears all faults.
    pub fn clear(&self) {
        self.faults.write().clear();
    }

    /// Returns all faults, each with its prefix, or `None` for the whole service.
    pub fn all(&self) -> Vec<(Option<String>, Fault)> {
        self.faults.read().iter().map(|(prefix, active)| (prefix.clone(), active.fault)).collect()
    }

    /// Returns the fault of the whole service.
    pub fn of_service(&self) -> Option<Fault> {
        self.faults.read().get(&None).map(|active| active.fault)
    }

    /// Counts a request to a virtual proxy, or to none, and returns the fault that affects it.
    pub fn next(&self, prefix: Option<&str>) -> Option<Fault> {
        let faults = self.faults.read();
        let own = prefix.and_then(|prefix| faults.get(&Some(prefix.to_owned())));
        let active = own.or_else(|| faults.get(&None))?;
        let before = active.requests.fetch_add(1, Ordering::Relaxed);
        match active.fault {
            Fault::EverySecond => before.is_multiple_of(2).then_some(Fault::Hang),
            fault => Some(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_proxys_own_fault_takes_precedence() {
        let switches = Switches::default();
        switches.set(None, Some(Fault::Hang));
        switches.set(Some("sales"), Some(Fault::Html));
        assert_eq!(switches.next(Some("sales")), Some(Fault::Html));
        assert_eq!(switches.next(Some("")), Some(Fault::Hang));
        assert_eq!(switches.next(None), Some(Fault::Hang));
        assert!(switches.set(None, None));
        assert!(!switches.set(None, None));
        assert_eq!(switches.next(Some("")), None);
    }

    #[test]
    fn every_second_request_is_counted_from_the_start_of_the_fault() {
        let switches = Switches::default();
        for _ in 0..2 {
            switches.set(None, Some(Fault::EverySecond));
            let faults = [(); 3].map(|()| switches.next(None));
            assert_eq!(faults, [Some(Fault::Hang), None, Some(Fault::Hang)]);
        }
    }
}
