//! The process as the kernel sees it, read at the moment that someone asks: the same names as in Prometheus's clients.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Reads `/proc`. Where there is none, there are no such metrics.
#[derive(Debug)]
pub(super) struct Process;

/// What the kernel says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reading {
    cpu_seconds: f64,
    start_seconds: f64,
    resident_bytes: u64,
    virtual_bytes: u64,
    open_fds: u64,
    max_fds: u64,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(reading) = read() else { return Ok(()) };
        let cpu = ConstCounter::new(reading.cpu_seconds);
        let help = "User and system CPU time spent";
        cpu.encode(encoder.encode_descriptor("process_cpu", help, Some(&Unit::Seconds), cpu.metric_type())?)?;
        let start = ConstGauge::new(reading.start_seconds);
        let help = "When the process started, since the Unix epoch";
        start.encode(encoder.encode_descriptor(
            "process_start_time",
            help,
            Some(&Unit::Seconds),
            start.metric_type(),
        )?)?;
        let gauges = [
            ("process_resident_memory", "Memory that is in RAM", Some(Unit::Bytes), reading.resident_bytes),
            ("process_virtual_memory", "Memory that is mapped", Some(Unit::Bytes), reading.virtual_bytes),
            ("process_open_fds", "Open file descriptors", None, reading.open_fds),
            ("process_max_fds", "How many file descriptors may be open", None, reading.max_fds),
        ];
        for (name, help, unit, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, unit.as_ref(), gauge.metric_type())?)?;
        }
        Ok(())
    }
}

fn read() -> Option<Reading> {
    let text = |path: &str| fs::read_to_string(path).ok();
    parse(
        &text("/proc/self/stat")?,
        &text("/proc/stat")?,
        &text("/proc/self/limits")?,
        u64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()?,
        (rustix::param::clock_ticks_per_second(), u64::try_from(rustix::param::page_size()).ok()?),
    )
}

#[expect(clippy::cast_precision_loss, reason = "ticks and seconds far below 2^52")]
fn parse(own: &str, all: &str, limits: &str, open_fds: u64, (hertz, page): (u64, u64)) -> Option<Reading> {
    // The command's name, in parentheses, may hold anything.
    let fields: Vec<&str> = own.rsplit_once(')')?.1.split_whitespace().collect();
    // Counted as proc(5) does, whose third is our first.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let booted: u64 = all.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let max_fds = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    Some(Reading {
        cpu_seconds: (field(14)? + field(15)?) as f64 / hertz as f64,
        start_seconds: booted as f64 + field(22)? as f64 / hertz as f64,
        resident_bytes: field(24)? * page,
        virtual_bytes: field(23)?,
        open_fds,
        // `unlimited` is no number.
        max_fds: max_fds.split_whitespace().next()?.parse().unwrap_or(u64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let own = "4242 (a) ( b) S 1 4242 4242 0 -1 4194560 900 0 1 0 250 150 0 0 20 0 5 0 600 104857600 2560 1";
        let all = "cpu  1 2 3\nbtime 1764000000\nprocesses 5\n";
        let limits = "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024         4096  files\n";
        let expected = Reading {
            cpu_seconds: 4.0,
            start_seconds: 1_764_000_006.0,
            resident_bytes: 2560 * 4096,
            virtual_bytes: 104_857_600,
            open_fds: 7,
            max_fds: 1024,
        };
        assert_eq!(parse(own, all, limits, 7, (100, 4096)), Some(expected));
        assert_eq!(parse("", all, limits, 7, (100, 4096)), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let reading = read().unwrap();
        assert!(reading.resident_bytes > 1 << 20 && reading.open_fds > 2, "{reading:?}");
    }
}
