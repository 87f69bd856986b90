//! What a running exporter takes of the machine, as far as the operating system reports it.

use super::exporter::Exporter;

const MIB: f64 = 1024.0 * 1024.0;

/// Resident memory and open files at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Footprint {
    pub memory_mib: f64,
    pub files: f64,
}

impl Exporter {
    /// By its own metrics; 0 where the operating system does not report it.
    pub async fn footprint(&self) -> Footprint {
        let own = self.scrape_path("/metrics?collect[]=exporter").await;
        let value = |name| own.value(name, &[]).unwrap_or_default();
        Footprint {
            memory_mib: value("process_resident_memory_bytes") / MIB,
            files: value("process_open_fds"),
        }
    }

    /// The most resident memory that it had so far; 0 where it is not Linux.
    pub fn peak_memory_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.program.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kib.unwrap_or_default() / 1024.0
    }
}
