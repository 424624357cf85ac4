//! What processes use.

use std::collections::BTreeMap;

use crate::processes;

/// Memory and processor time of a process and all its descendants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::host) struct Usage {
    /// Resident memory, bytes. Shared pages count once for each process.
    pub(in crate::host) memory: u64,
    /// Processor time, milliseconds.
    pub(in crate::host) cpu_millis: u64,
}

/// All processes of the machine, read once.
pub(in crate::host) struct Processes {
    children: BTreeMap<i32, Vec<i32>>,
    usage: BTreeMap<i32, Usage>,
}

impl Processes {
    /// Looks at all of them.
    pub(in crate::host) fn read() -> Self {
        let mut all = Self { children: BTreeMap::new(), usage: BTreeMap::new() };
        let page = rustix::param::page_size() as u64;
        let tick = 1000 / rustix::param::clock_ticks_per_second().max(1);
        for pid in processes::all() {
            let Some(stat) = processes::stat(pid) else { continue };
            all.children.entry(stat.parent).or_default().push(pid);
            let usage = Usage { memory: stat.resident_pages * page, cpu_millis: stat.cpu_ticks * tick };
            all.usage.insert(pid, usage);
        }
        all
    }

    /// What a process and all its descendants use.
    pub(in crate::host) fn of(&self, pid: i32) -> Usage {
        let mut sum = Usage::default();
        let mut open = vec![pid];
        while let Some(pid) = open.pop() {
            let usage = self.usage.get(&pid).copied().unwrap_or_default();
            sum.memory += usage.memory;
            sum.cpu_millis += usage.cpu_millis;
            open.extend(self.children.get(&pid).into_iter().flatten());
        }
        sum
    }
}
