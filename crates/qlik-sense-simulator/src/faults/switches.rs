//! Which faults of a service are set.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::Fault;

/// The faults of one service, each for one virtual proxy or for everything.
#[derive(Default)]
pub(crate) struct Switches {
    /// By prefix; `None`: for everything that has none of its own.
    set: RwLock<BTreeMap<Option<String>, Active>>,
}

struct Active {
    fault: Fault,
    /// That it has been met by so far.
    requests: AtomicU64,
}

impl Switches {
    /// Sets or clears the fault of a virtual proxy, or of the whole service. False when there was none to
    /// clear.
    pub fn set(&self, prefix: Option<&str>, fault: Option<Fault>) -> bool {
        let (mut set, key) = (self.set.write(), prefix.map(str::to_owned));
        match fault {
            Some(fault) => {
                set.insert(key, Active { fault, requests: AtomicU64::default() });
                true
            }
            None => set.remove(&key).is_some(),
        }
    }

    pub fn clear(&self) {
        self.set.write().clear();
    }

    /// What is set, with the prefix or `None` for the whole service.
    pub fn all(&self) -> Vec<(Option<String>, Fault)> {
        self.set.read().iter().map(|(prefix, active)| (prefix.clone(), active.fault)).collect()
    }

    /// The fault of the whole service.
    pub fn of_all(&self) -> Option<Fault> {
        self.set.read().get(&None).map(|active| active.fault)
    }

    /// What a request meets that is for this virtual proxy, or for none.
    pub fn meet(&self, prefix: Option<&str>) -> Option<Fault> {
        let set = self.set.read();
        let own = prefix.and_then(|prefix| set.get(&Some(prefix.to_owned())));
        let active = own.or_else(|| set.get(&None))?;
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
    fn a_virtual_proxys_own_fault_goes_before_the_whole_services() {
        let switches = Switches::default();
        switches.set(None, Some(Fault::Hang));
        switches.set(Some("sales"), Some(Fault::Html));
        assert_eq!(switches.meet(Some("sales")), Some(Fault::Html));
        assert_eq!(switches.meet(Some("")), Some(Fault::Hang));
        assert_eq!(switches.meet(None), Some(Fault::Hang));
        assert!(switches.set(None, None));
        assert!(!switches.set(None, None));
        assert_eq!(switches.meet(Some("")), None);
    }

    #[test]
    fn every_second_request_is_counted_from_when_the_fault_is_set() {
        let switches = Switches::default();
        for _ in 0..2 {
            switches.set(None, Some(Fault::EverySecond));
            let met = [(); 3].map(|()| switches.meet(None));
            assert_eq!(met, [Some(Fault::Hang), None, Some(Fault::Hang)]);
        }
    }
}
