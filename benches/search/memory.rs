//! Peak memory of this process.

/// Forgets the peak so far, so that the next one is that of what comes; whether the system could.
pub fn forget_peak() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The most bytes that were resident at once, where the system tells.
pub fn peak_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<f64>().ok());
    kib.map(|kib| kib * 1024.0)
}
