//! The few system calls that no safe interface covers, and how memory is copied: the only `unsafe` of this crate.
//!
//! All of it but two hints to the kernel, the taking over of sockets and a child that only answers serves the keeper,
//! which has one thread; that is what makes `fork` sound there.
#![allow(unsafe_code)]

#[cfg(all(target_arch = "x86_64", any(test, target_env = "musl")))]
mod memory;

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Signal};

/// Closes every descriptor from 3 on: a keeper must hold nothing of whoever started it.
///
/// Call it first in a process's life, before anything owns a descriptor.
pub(crate) fn close_inherited() {
    // SAFETY: no Rust value owns a descriptor yet (the caller's promise), so none is closed twice.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    if closed != 0 {
        for descriptor in 3..1024 {
            // SAFETY: as above; a number that is not open is refused by the kernel.
            unsafe { libc::close(descriptor) };
        }
    }
}

/// Has the kernel begin to write a file's data to the disk, and does not wait. A hint only: whoever
/// needs to know that it is there syncs the file.
pub(crate) fn begin_writeback(file: &std::fs::File) {
    // SAFETY: a kernel call on a descriptor that lives as long as the borrow, with no memory of ours.
    let _a_hint = unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
}

/// How a System V segment of shared memory begins that this process made and nobody has any more; `None` where it is
/// another's, is in use, is shorter, or may not be read.
pub(crate) fn left_memory<const LENGTH: usize>(id: i32, maker: i32) -> Option<[u8; LENGTH]> {
    let mut about = std::mem::MaybeUninit::<libc::shmid_ds>::uninit();
    // SAFETY: the kernel fills all of it where it answers 0, and only then is it read.
    let about =
        unsafe { (libc::shmctl(id, libc::IPC_STAT, about.as_mut_ptr()) == 0).then(|| about.assume_init()) }?;
    if about.shm_cpid != maker || about.shm_nattch != 0 || about.shm_segsz < LENGTH {
        return None;
    }
    let mut begin = [0; LENGTH];
    // SAFETY: a segment that is attached where the kernel likes overlaps nothing of ours; it is as long as what is
    // copied, and let go of once.
    unsafe {
        let at = libc::shmat(id, std::ptr::null(), libc::SHM_RDONLY);
        if at.addr() == usize::MAX {
            return None;
        }
        std::ptr::copy_nonoverlapping(at.cast::<u8>(), begin.as_mut_ptr(), LENGTH);
        libc::shmdt(at);
    }
    Some(begin)
}

/// Removes a System V segment, of which nobody asks any more.
pub(crate) fn remove_memory(id: i32) {
    // SAFETY: a kernel call without memory of ours.
    let _gone_or_anothers = unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) };
}

/// A descriptor that whoever started this process handed on by its number, if it is open. Call it once for
/// each, before anything else opens files.
pub(crate) fn inherited(number: RawFd) -> Option<OwnedFd> {
    std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).ok()?;
    // SAFETY: the number is open, and by the protocol of LISTEN_FDS it belongs to this process and to nobody
    // else within it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Unmaps the program's own code, which lies in the kernel's cache: each page comes back when it is needed
/// next. What a run needed once is then no longer counted as this process's memory, and the kernel can use
/// it for others without asking first.
pub(crate) fn release_code() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, end) in maps.lines().filter_map(code) {
        // SAFETY: a private mapping of a file that cannot be written through and never was (code has no
        // relocations): a page that is dropped is read from the file again, and is the same.
        let _a_hint = unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
    }
}

/// Where a line of `/proc/self/maps` has code of a file: `START-END r-xp OFFSET DEVICE INODE PATH`.
fn code(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, access, inode) = (fields.next()?, fields.next()?, fields.nth(2)?);
    let (start, end) = range.split_once('-')?;
    let of_a_file = access == "r-xp" && inode != "0";
    of_a_file.then_some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

/// Signals as a descriptor to poll.
pub(crate) struct Signals(OwnedFd);

impl Signals {
    /// Undoes what was inherited (ignored signals stay ignored over `exec`, and a child would get
    /// them so), then directs the signals to the descriptor.
    ///
    /// # Errors
    /// When the kernel refuses; it does not in practice.
    pub(crate) fn listen(signals: &[Signal]) -> io::Result<Self> {
        // SAFETY: only kernel calls on a set that lives on this stack; SIG_DFL is no function of
        // ours. SIGPIPE stays ignored: writing to a watcher that is gone is an error, no death.
        unsafe {
            for signal in (1..=64).filter(|signal| *signal != libc::SIGPIPE) {
                // Not `sigaction`: the library keeps 32 and 33 for itself and refuses them. All
                // zeros is the default disposition in the kernel's layout of any architecture.
                let default = [0_u64; 8];
                libc::syscall(
                    libc::SYS_rt_sigaction,
                    signal,
                    default.as_ptr(),
                    std::ptr::null_mut::<u8>(),
                    8,
                );
            }
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in signals {
                libc::sigaddset(&raw mut set, signal.as_raw());
            }
            if libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
            let descriptor = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            if descriptor < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Self(OwnedFd::from_raw_fd(descriptor)))
        }
    }

    /// The next signal that has arrived, if one has.
    pub(crate) fn next(&self) -> Option<i32> {
        let mut record = [0_u8; 128];
        let read = rustix::io::read(&self.0, &mut record).ok()?;
        // The number is the first field of signalfd_siginfo, 32 bits.
        let number = record.get(..4).filter(|_| read == record.len())?;
        Some(i32::from_ne_bytes(number.try_into().ok()?))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What the kernel (`struct pidfd_info`, first version) tells of a process.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    /// Numbers and accounts.
    ids: [u32; 11],
    exit_code: i32,
}

/// How a process ended, as `wait` tells a parent, also who is none: once the parent has taken notice. `None`
/// before that, and from a kernel before 6.15.
///
/// # Errors
/// `SRCH` where a process is gone and the kernel tells no more of it; any other where the kernel (before 6.13)
/// tells nothing at all.
pub(crate) fn exit_status(pidfd: &OwnedFd) -> rustix::io::Result<Option<i32>> {
    use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

    const GET_INFO: Opcode = opcode::read_write::<PidfdInfo>(0xff, 11);
    const EXIT: u64 = 1 << 3;
    let mut info = PidfdInfo { mask: EXIT, ..PidfdInfo::default() };
    // SAFETY: the number is that of PIDFD_GET_INFO for a structure of this size, which the kernel fills up to
    // that size; any bits in it are a valid value.
    unsafe { ioctl(pidfd, Updater::<GET_INFO, _>::new(&mut info)) }?;
    Ok((info.mask & EXIT != 0).then_some(info.exit_code))
}

/// Splits the process in two: `Some(child)` in the old one, `None` in the new.
///
/// # Errors
/// When the system has no room for another process.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: a keeper has one thread, so the copy holds no lock of another one and may go on as
    // any process does.
    match unsafe { libc::fork() } {
        0 => Ok(None),
        pid if pid > 0 => Ok(Pid::from_raw(pid)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets all signals through again; a new program inherits which are held back.
pub(crate) fn unblock_signals() {
    // SAFETY: as in `Signals::listen`.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}

/// Has a command asked to end when the process that starts it dies.
pub(crate) fn end_with_its_parent(command: &mut Command) {
    // SAFETY: one kernel call, which is async-signal-safe, with no memory of ours.
    unsafe {
        command.pre_exec(|| Ok(rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?));
    }
}

/// Has `prepare` run in the new process, before it becomes the program. Where there are other threads it must only call
/// the kernel, with what was made ready before.
pub(crate) fn before_exec<F>(command: &mut Command, prepare: F)
where
    F: FnMut() -> io::Result<()> + Send + Sync + 'static,
{
    // SAFETY: between fork and exec only async-signal-safe functions are sound in a process with
    // threads, by the caller's promise; a keeper has one thread, so no lock can be held by another.
    unsafe { command.pre_exec(prepare) };
}

/// What `ask` answers in a child process, which is gone then: what it does to itself changes nothing here. It must only
/// call the kernel, with what was made ready before, and answer 0 or more.
///
/// # Errors
/// Those of `ask`, and when there can be no child.
pub(crate) fn answer_of_a_child<F>(mut ask: F) -> io::Result<i32>
where
    F: FnMut() -> io::Result<i32> + Send + Sync + 'static,
{
    // An error is what a child can tell before it becomes a program, which this one never does. Those of the kernel are
    // above 0.
    let mut command = Command::new("/");
    let answers = move || Err(io::Error::from_raw_os_error(-1 - ask()?));
    // SAFETY: by the caller's promise nothing is called but the kernel, and nothing is allocated or freed: the child of
    // a process with threads may do that.
    unsafe { command.pre_exec(answers) };
    let answer = match command.spawn() {
        Err(error) => error,
        Ok(mut child) => {
            let _there_is_none = child.wait();
            io::Error::other("a child became a program")
        }
    };
    match answer.raw_os_error() {
        Some(number @ ..0) => Ok(-1 - number),
        _ => Err(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_answers_and_changes_only_itself() {
        let here = std::env::current_dir().unwrap();
        let answer = answer_of_a_child(|| {
            rustix::process::chdir(c"/")?;
            Ok(7)
        });
        assert_eq!(answer.unwrap(), 7);
        assert_eq!(std::env::current_dir().unwrap(), here);
        let failed = answer_of_a_child(|| Ok(rustix::process::chdir(c"/no/such/place").map(|()| 0)?));
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn only_code_of_files_is_released() {
        let line = "7f5c8c000000-7f5c8c02a000 r-xp 00001000 fe:01 4711   /usr/bin/windlass";
        assert_eq!(code(line), Some((0x7f5c_8c00_0000, 0x7f5c_8c02_a000)));
        for access in ["r--p", "rw-p", "rwxp", "---p"] {
            assert_eq!(code(&line.replace("r-xp", access)), None, "{access}");
        }
        assert_eq!(code("7ffd1b7f6000-7ffd1b7f8000 r-xp 00000000 00:00 0    [vdso]"), None);
        // What is released comes back.
        release_code();
        assert!(code(line).is_some());
    }
}
