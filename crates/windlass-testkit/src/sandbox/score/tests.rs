//! The lines of the table: one for each test in `crates/windlass/tests/faults`.

/// A line of the table.
#[derive(Debug)]
pub struct Line {
    /// The rows of the fault matrix.
    pub row: &'static str,
    /// What is done to Windlass.
    pub fault: &'static str,
    /// What must hold all the same.
    pub invariants: &'static str,
    /// The test's name.
    pub test: &'static str,
}

const fn line(row: &'static str, test: &'static str, invariants: &'static str, fault: &'static str) -> Line {
    Line { row, fault, invariants, test }
}

/// One line for each test.
pub const TESTS: &[Line] = &[
    line(
        "1, 2",
        "the_host_side_dies_at_every_step_forward",
        "I1 I3 I4 I6 I10",
        "kill -9 of the host side before, in and after each step of a deploy; then the controller goes on, \
         or somebody resumes, aborts or deploys again",
    ),
    line(
        "1, 2",
        "the_host_side_dies_at_every_step_back",
        "I1 I2 I3 I4 I10",
        "the same on the way back of a release that fails its smoke test",
    ),
    line(
        "1, 2",
        "the_controller_is_killed_at_any_moment",
        "I3 I4 I10",
        "kill -9 of `windlass deploy` at nine moments",
    ),
    line(
        "3, 9",
        "the_power_goes",
        "I1 I4 I6",
        "ext4 is shut down at boundaries of steps and every process killed, then the first command after the boot",
    ),
    line("7", "the_disk_is_full_before_a_deploy", "I3 I7 I10", "a file system without a free byte"),
    line("7", "the_disk_fills_up_in_a_deploy", "I3 I4 I7", "the build, or a migration, uses the last byte"),
    line("7", "the_inodes_are_used_up", "I3 I7", "a file system without a free inode"),
    line(
        "1, 8",
        "the_host_side_dies_or_fails_at_a_write_to_disk",
        "I1 I3 I4",
        "strace: kill -9, EIO or ENOSPC at the n-th fsync or rename of the host side",
    ),
    line(
        "9",
        "everything_is_killed_at_once_as_by_a_reboot",
        "I1 I4",
        "kill -9 of all processes, the application's too, between deploys and in a bake",
    ),
    line("10", "many_deployers_at_once", "I3 I5 I8", "2 and 8 deploys of the same change at the same moment"),
    line(
        "11",
        "the_host_side_freezes_and_wakes",
        "I3 I5 I8",
        "SIGSTOP of the host side in a bake, SIGCONT later",
    ),
    line(
        "23",
        "the_release_to_go_back_to_is_gone",
        "I3 I7",
        "the earlier release's files are deleted, then `rollback`",
    ),
    line(
        "24",
        "the_proxy_is_killed_in_a_deploy_and_between",
        "I1 I4",
        "kill -9 of the proxy at five moments",
    ),
    line("24", "keepers_are_killed", "I3 I4", "kill -9 of every keeper at once, then a deploy"),
    line(
        "24, 25",
        "the_proxys_table_is_damaged",
        "I1",
        "its files emptied, cut, bits flipped, then kill -9 of the proxy",
    ),
    line("25", "the_journal_is_damaged", "I3", "its files emptied, cut, bits flipped, removed"),
    line(
        "25",
        "an_instances_files_are_damaged",
        "I3 I4",
        "the same for what stands beside the keepers, then a deploy",
    ),
    line(
        "25",
        "the_note_of_the_traffic_is_damaged",
        "I3 I4",
        "the same for the note of what was switched, then a deploy",
    ),
    line("26", "the_journal_is_of_a_newer_version", "I3 I7", "the version in the journal is raised"),
    line(
        "T18",
        "a_record_of_the_journal_is_altered",
        "I3 I4",
        "a record of an interrupted run is edited, then `resume`",
    ),
    line(
        "T1",
        "text_in_the_manifest_is_never_run",
        "",
        "shell, option, path and format tricks in every text of the manifest",
    ),
    line(
        "T2",
        "only_what_is_declared_a_shell_line_is_one",
        "",
        "hostile values beside a declared shell line",
    ),
    line(
        "T4",
        "secrets_stay_where_they_belong",
        "I9",
        "a secret that is looked for in everything written, printed or run",
    ),
    line("T5", "files_are_closed_whatever_the_umask", "I9", "deploys with umask 000"),
    line(
        "T11",
        "a_hostile_host_side_answers",
        "I8",
        "frames of 4 GB, no JSON, escapes, silence, from the socket of the host side",
    ),
    line(
        "T11",
        "escapes_in_the_applications_log_do_not_reach_the_terminal",
        "",
        "an application that prints escape sequences",
    ),
];

/// Rows of the matrix that no test covers, and why.
pub const UNCOVERED: &[(&str, &str, &str)] = &[];
