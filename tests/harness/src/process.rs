//! What a process takes, from /proc.

use std::{collections::HashSet, error::Error, fs};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A running process.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

/// Open connections of a process, by where they lead.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connections {
    /// To the API server.
    pub api_server: usize,
    /// To portals.
    pub portals: usize,
}

impl Process {
    fn read(self, file: &str) -> Result<String> {
        Ok(fs::read_to_string(format!("/proc/{}/{file}", self.0))?)
    }

    /// Whether it is still there.
    pub fn runs(self) -> bool {
        fs::exists(format!("/proc/{}/exe", self.0)).unwrap_or(false)
    }

    /// CPU time so far, in seconds.
    ///
    /// # Errors
    /// The process is gone.
    pub fn cpu(self) -> Result<f64> {
        const TICKS_A_SECOND: f64 = 100.0;
        let stat = self.read("stat")?;
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        // Fields 14 and 15 of proc(5), utime and stime; the state is the third.
        let ticks: Vec<f64> = fields
            .skip(11)
            .take(2)
            .map(str::parse)
            .collect::<std::result::Result<_, _>>()?;
        Ok(ticks.iter().sum::<f64>() / TICKS_A_SECOND)
    }

    /// Resident memory, in MiB.
    ///
    /// # Errors
    /// The process is gone.
    pub fn resident(self) -> Result<f64> {
        self.memory("VmRSS:")
    }

    /// The most memory that was resident since the start or [`Process::forget_peak`], in MiB.
    ///
    /// # Errors
    /// The process is gone.
    pub fn peak(self) -> Result<f64> {
        self.memory("VmHWM:")
    }

    fn memory(self, field: &str) -> Result<f64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib: f64 = line
            .ok_or_else(|| format!("no {field}"))?
            .trim()
            .trim_end_matches(" kB")
            .parse()?;
        Ok(kib / 1024.0)
    }

    /// Lets the peak begin anew.
    ///
    /// # Errors
    /// The process is gone.
    pub fn forget_peak(self) -> Result<()> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.0), "5")?)
    }

    /// The number of open file descriptors.
    ///
    /// # Errors
    /// The process is gone.
    pub fn descriptors(self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.0))?.count())
    }

    /// The established connections to these two ports.
    ///
    /// # Errors
    /// The process is gone.
    pub fn connections(self, api_server: u16, portals: u16) -> Result<Connections> {
        const ESTABLISHED: &str = "01";
        let own: HashSet<String> = fs::read_dir(format!("/proc/{}/fd", self.0))?
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .filter_map(|link| {
                let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
                Some(inode.to_owned())
            })
            .collect();
        let mut found = Connections::default();
        for line in self.read("net/tcp")?.lines().skip(1) {
            let fields: Vec<_> = line.split_whitespace().collect();
            let [_, _, remote, ESTABLISHED, _, _, _, _, _, inode, ..] = fields[..] else {
                continue;
            };
            let port = remote.rsplit(':').next();
            let port = port.and_then(|port| u16::from_str_radix(port, 16).ok());
            if !own.contains(inode) {
                continue;
            }
            if port == Some(api_server) {
                found.api_server += 1;
            } else if port == Some(portals) {
                found.portals += 1;
            }
        }
        Ok(found)
    }
}
