//! The exporter's own metrics: cache, build, configuration and process.

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

/// The state of the exporter at one moment.
#[derive(Debug)]
pub struct ExporterMetrics {
    pub cache_requests: u64,
    pub cache_hits: u64,
    /// When the configuration in use was read.
    pub configured_at: SystemTime,
    /// Whether the configuration was valid when it was last read.
    pub last_reload_successful: bool,
}

impl Collector for ExporterMetrics {
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

/// Writes the standard process metrics that the operating system provides.
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
    encoder.gauge(&metric::PROCESS_VIRTUAL_MEMORY, known(process.virtual_memory()))?;
    encoder.gauge(&metric::PROCESS_START_TIME, [(NONE, process.start_time())])?;
    encoder.gauge(&metric::PROCESS_OPEN_FDS, known(process.open_files().unwrap_or_default() as u64))?;
    // Windows limits only the files of the C library, not handles.
    let limit = if cfg!(windows) { None } else { process.open_files_limit() };
    encoder.gauge(&metric::PROCESS_MAX_FDS, known(limit.unwrap_or_default() as u64))
}

/// Returns a sample, or none for 0: the operating system does not provide the number then.
fn known(number: u64) -> Option<([&'static str; 0], u64)> {
    (number > 0).then_some((NONE, number))
}
