//! The exporter's own metrics: its cache, its build, its configuration, its process.

use std::fmt;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::catalogue as metric;
use super::encoder::Encoder;
use super::sites::unix_seconds;

/// These metrics have no labels.
const NONE: [&str; 0] = [];

/// What is known of the exporter itself at one moment.
#[derive(Debug)]
pub struct Exporter {
    pub cache_requests: u64,
    pub cache_hits: u64,
    /// When the configuration in force was read.
    pub configured_at: SystemTime,
    /// Whether the configuration was good when it was read last.
    pub last_reload_successful: bool,
}

impl Collector for Exporter {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut encoder = Encoder(encoder);
        encoder.counter(&metric::CACHE_REQUESTS, [(NONE, self.cache_requests)])?;
        encoder.counter(&metric::CACHE_HITS, [(NONE, self.cache_hits)])?;
        let build = [env!("CARGO_PKG_VERSION"), env!("BUILD_REVISION"), env!("BUILD_RUSTC_VERSION")];
        encoder.info(&metric::BUILD_INFO, [build])?;
        let successful = u32::from(self.last_reload_successful);
        encoder.gauge(&metric::CONFIG_LAST_RELOAD_SUCCESSFUL, [(NONE, successful)])?;
        encoder.gauge(&metric::CONFIG_LAST_RELOAD_SUCCESS, [(NONE, unix_seconds(self.configured_at))])?;
        encode_process(&mut encoder)
    }
}

/// The standard process metrics, as far as the operating system tells them.
fn encode_process(encoder: &mut Encoder<'_>) -> fmt::Result {
    let pid = Pid::from_u32(std::process::id());
    let Ok(mut system) = System::new() else { return Ok(()) };
    let wanted = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, wanted);
    let Some(process) = system.process(pid) else { return Ok(()) };
    // Milliseconds, as the operating system's ticks are no finer.
    let cpu = process.accumulated_cpu_time() as f64 / 1000.0;
    encoder.counter(&metric::PROCESS_CPU, [(NONE, cpu)])?;
    encoder.gauge(&metric::PROCESS_RESIDENT_MEMORY, [(NONE, process.memory())])?;
    // What the operating system does not tell comes as 0, and would be a wrong number.
    let known = |number: u64| (number > 0).then_some((NONE, number));
    encoder.gauge(&metric::PROCESS_VIRTUAL_MEMORY, known(process.virtual_memory()))?;
    encoder.gauge(&metric::PROCESS_START_TIME, [(NONE, process.start_time())])?;
    let count = |number: Option<usize>| number.and_then(|number| known(number as u64));
    encoder.gauge(&metric::PROCESS_OPEN_FDS, count(process.open_files()))?;
    // Windows bounds the files of C's library only, and no handles.
    let limit = if cfg!(windows) { None } else { process.open_files_limit() };
    encoder.gauge(&metric::PROCESS_MAX_FDS, count(limit))
}
