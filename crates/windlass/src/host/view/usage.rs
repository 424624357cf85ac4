//! What processes use, from `/proc`.

use std::collections::BTreeMap;

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
    /// Reads `/proc`.
    pub(in crate::host) fn read() -> Self {
        let mut all = Self { children: BTreeMap::new(), usage: BTreeMap::new() };
        let page = rustix::param::page_size() as u64;
        let tick = 1000 / rustix::param::clock_ticks_per_second().max(1);
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
            // The name in brackets may hold anything, so fields are counted from its end.
            let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
            let fields: Vec<&str> = rest.split(' ').collect();
            let number = |n: usize| fields.get(n).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
            let parent = i32::try_from(number(1)).unwrap_or(0);
            all.children.entry(parent).or_default().push(pid);
            let usage = Usage { memory: number(21) * page, cpu_millis: (number(11) + number(12)) * tick };
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
