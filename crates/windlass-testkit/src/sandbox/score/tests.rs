//! The lines of the table: one for each test in `crates/windlass/tests/faults`, and for those in
//! `tests/deploy` that deploy what is no good or change their mind.

/// A line of the table.
#[derive(Debug)]
pub struct Line {
    /// The rows of the fault matrix.
    pub row: &'static str,
    /// What is done to Windlass.
    pub fault: &'static str,
    /// What must hold all the same: exactly what the test looks for.
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
        "I1 I2 I3 I4 I6 I10",
        "kill -9 of the host side before, in and after each step of a deploy: all in one run whose controller goes on, or \
         is killed too each time and somebody resumes; and one alone, then somebody aborts or deploys again",
    ),
    line(
        "1, 2",
        "the_host_side_dies_at_every_step_back",
        "I1 I2 I3 I4 I6 I10",
        "the same on the way back of a release that fails its smoke test",
    ),
    line(
        "1, 2",
        "the_host_side_dies_at_every_step_of_a_first_deploy",
        "I1 I4 I6 I10",
        "the same of a first deploy, which ends whole or leaves nothing",
    ),
    line(
        "1, 2",
        "the_host_side_dies_at_every_step_of_a_rollback",
        "I1 I2 I3 I4 I10",
        "the same of `rollback`",
    ),
    line(
        "1, 2",
        "the_host_side_dies_at_every_step_of_a_restart_of_scaling_and_of_a_stop",
        "I1 I2 I3 I4 I10",
        "the same of `restart`, `scale` (up and down) and `stop` of a worker",
    ),
    line(
        "1, 2",
        "the_controller_is_killed_at_every_step",
        "I1 I2 I3 I4 I6 I10",
        "kill -9 of `windlass deploy` when a step has begun or is done",
    ),
    line(
        "1, 2, 24",
        "each_who_takes_part_is_killed_at_each_kind_of_step",
        "I1 I2 I3 I4 I6 I10",
        "kill -9 of the command line, the host side or the proxy at a step of each kind, doing and undoing, in plans \
         with a private server and a migration that is undone, of a rolling deploy, with a singleton and a worker",
    ),
    line("1", "a_host_side_that_is_asked_to_end_comes_back", "I5", "kill (not -9) of the host side"),
    line(
        "1",
        "another_build_looks_without_replacing_the_host_side",
        "I4 I5 I10",
        "another build of Windlass looks at everything, and asks for a change while a run is under way",
    ),
    line(
        "1, 14",
        "a_job_that_is_to_run_once_does_so_though_nobody_saw_its_end",
        "I1 I4 I6 I10",
        "the controller and the host side are killed while a job of `when = \"once\"` runs, which then ends",
    ),
    line(
        "1, 3",
        "after_a_reboot_nobody_waits_for_an_interrupted_run",
        "I1 I4 I10",
        "everything is killed in the bake of a release, and the machine's boot is another one after it",
    ),
    line(
        "1",
        "a_copy_without_its_keeper_is_stopped_like_any_other",
        "I4 I10",
        "kill -9 of a keeper, and `stop` in the same instant",
    ),
    line(
        "1, 14",
        "the_keeper_of_a_migration_is_killed",
        "I1 I2 I3 I4 I6 I10",
        "kill -9 of the keeper of a migration that runs",
    ),
    line(
        "1",
        "the_host_side_is_killed_while_a_cron_job_runs",
        "I5",
        "kill -9 of the host side while a cron job runs, which then fails",
    ),
    line(
        "1",
        "a_process_that_writes_over_its_environment_is_started_again_with_it",
        "",
        "kill -9 of the keeper of a process that shows a title in `ps` where its environment was, then of itself",
    ),
    line(
        "17, 18",
        "the_release_that_serves_is_looked_after_during_a_long_migration",
        "I4 I6 I10",
        "the copy that serves is killed with its keeper, and hangs, while a migration runs",
    ),
    line(
        "17",
        "a_release_that_is_not_alive_goes_back",
        "I1 I2 I3 I4 I10",
        "the new release answers requests, and its liveness check fails in the bake",
    ),
    line("1", "the_proxy_freezes_and_wakes", "I4 I8 I10", "the proxy is stopped by a signal, and let go on"),
    line(
        "3, 9",
        "the_power_goes",
        "I1 I4 I6 I10",
        "the disk (ext4) is left as it is beside each write of the journal of a first deploy, of a deploy with a job and of \
         its way back, and beside other durable writes (a job's outcome, settings, what releases share, seal, traffic, \
         the proxy's table, `current`), with every process killed; then `resume`, `deploy` or `abort` is the first \
         command after the boot",
    ),
    line(
        "3, 9, 14",
        "the_power_goes_while_a_migration_runs",
        "I1 I4 I6 I10",
        "ext4 is shut down, and every process killed, while a migration is under way; then the same",
    ),
    line(
        "8",
        "the_file_system_turns_read_only",
        "I1 I2 I3 I4 I8 I10",
        "the kernel finds an error on an ext4 and makes it read-only, at rest and under a running deploy; then the proxy \
         and all copies are killed",
    ),
    line(
        "12",
        "the_clock_jumps",
        "I1 I2 I3 I4 I7 I10",
        "the time of day of the host side and of all commands jumps (libfaketime), between deploys, in a bake, \
         in an interrupted run's lease",
    ),
    line(
        "12",
        "a_cron_job_goes_by_its_zone_and_makes_up_once_for_what_nobody_watched",
        "I8",
        "the host side is away while cron jobs of two time zones are due (libfaketime)",
    ),
    line(
        "13, 23",
        "the_release_to_go_back_to_is_damaged",
        "I1 I2 I3 I4 I7 I10",
        "files of an earlier release are deleted, cut, changed by a bit or in mode, then `rollback`; the same \
         before a deploy that would run from them",
    ),
    line(
        "23",
        "the_release_that_a_deploy_would_go_back_to_is_damaged",
        "I1 I2 I3 I4 I6 I10",
        "files of the active release or its seal are emptied, cut or deleted, then `deploy` of another",
    ),
    line(
        "13",
        "a_program_for_another_machine_is_refused",
        "I1 I2 I3 I4 I7 I10",
        "a program of the release is built for another processor or system, cut short, or not linked",
    ),
    line(
        "14",
        "a_migration_waits_for_a_lock",
        "I1 I3 I6 I8",
        "PostgreSQL: another session holds the lock that a migration needs",
    ),
    line(
        "14",
        "a_migration_leaves_a_half",
        "I1 I3 I6",
        "PostgreSQL: a migration without a transaction fails in the middle",
    ),
    line(
        "15",
        "the_private_database_goes_away_around_a_migration",
        "I1 I3 I4 I6 I10",
        "Windlass's own PostgreSQL is frozen before, killed during (with and without the host side) and after \
         a migration",
    ),
    line(
        "15",
        "an_external_database_goes_away_around_a_migration",
        "I1 I3 I4 I6 I10",
        "an external PostgreSQL is killed before, during and after a migration",
    ),
    line(
        "20",
        "a_request_of_29_seconds_and_a_websocket_outlast_a_switch",
        "I1 I2 I3 I4 I10",
        "a request of 29 s and a WebSocket over a deploy",
    ),
    line(
        "11",
        "a_deployer_that_sleeps_beyond_its_lease_is_refused",
        "I1 I2 I3 I4 I5 I6 I10",
        "SIGSTOP of `windlass deploy` and kill -9 of the host side; the lease passes or another deployer acts; \
         SIGCONT",
    ),
    line(
        "26",
        "an_interrupted_run_of_an_earlier_program_is_resumed",
        "I1 I2 I3 I4 I6 I10",
        "a journal with an interrupted run that an earlier build of the program wrote (kept in the repository)",
    ),
    line(
        "26",
        "an_interrupted_run_of_another_format_is_refused",
        "I1 I2 I3 I4 I6 I7 I10",
        "the plan in an interrupted run's journal is of another format",
    ),
    line(
        "7",
        "the_disk_is_full_before_a_deploy",
        "I1 I2 I3 I4 I6 I7 I10",
        "a file system without a free byte",
    ),
    line(
        "7",
        "the_disk_fills_up_in_a_deploy",
        "I1 I2 I3 I4 I6 I7 I10",
        "the build, or a migration, uses the last byte, or somebody else while the new release is watched",
    ),
    line(
        "7",
        "a_rollback_on_a_disk_without_a_free_byte",
        "I1 I2 I3 I4 I6 I10",
        "the disk is filled to the last byte, then `rollback`",
    ),
    line(
        "7",
        "the_inodes_are_used_up",
        "I1 I2 I3 I4 I6 I7 I10",
        "a file system without a free inode, at a deploy; the logs are gone, and a copy and the proxy killed",
    ),
    line(
        "1",
        "whoever_takes_part_is_killed_at_fsync_and_rename",
        "I1 I2 I3 I4 I6 I10",
        "strace: kill -9 of the host side, the proxy or a keeper at each of their calls of fsync and rename in a deploy and \
         on its way back after the switch; of the command line and all that it starts in a first deploy",
    ),
    line(
        "8",
        "the_disk_fails_the_host_side_at_a_write",
        "I1 I2 I3 I4 I6 I10",
        "strace: EIO or ENOSPC at the n-th fsync or rename of the host side",
    ),
    line(
        "8",
        "the_proxys_writes_to_disk_fail",
        "I1 I2 I3 I4 I6 I10",
        "strace: EIO and ENOSPC at the proxy's fsync, rename and the writes of its log",
    ),
    line(
        "9",
        "everything_is_killed_at_once_as_by_a_reboot",
        "I1 I4 I6 I10",
        "kill -9 of all processes, the application's too, between deploys and in a bake",
    ),
    line(
        "10",
        "many_deployers_at_once",
        "I1 I2 I3 I4 I5 I6 I8 I10",
        "2 and 8 deploys of the same change at the same moment",
    ),
    line(
        "10",
        "those_who_change_something_race",
        "I1 I2 I3 I4 I5 I8 I10",
        "2 to 8 commands that change something, begun at moments that a seed says",
    ),
    line(
        "11",
        "the_host_side_freezes_and_wakes",
        "I1 I2 I3 I4 I5 I6 I8 I10",
        "SIGSTOP of the host side in a bake, then SIGCONT, or SIGKILL as the message says",
    ),
    line(
        "23",
        "the_release_to_go_back_to_is_gone",
        "I1 I2 I3 I4 I7 I10",
        "the earlier release's files are deleted, then `rollback`",
    ),
    line(
        "24",
        "the_proxy_is_killed_at_every_step_and_between",
        "I1 I2 I4 I6 I10",
        "kill -9 of the proxy when a step has begun or is done, and between deploys",
    ),
    line(
        "24",
        "keepers_are_killed",
        "I1 I2 I3 I4 I6 I10",
        "kill -9 of every keeper at once, then of new copies' in a deploy: before they are ready, and in the bake",
    ),
    line(
        "7",
        "a_service_forks_what_outlives_it_and_floods_its_log",
        "I1 I2 I3 I4 I6 I10",
        "daemons that a service leaves in sessions of their own, and hundreds of megabytes in its log, in two deploys",
    ),
    line(
        "24, 25",
        "the_proxys_table_is_damaged",
        "I1 I4 I6 I10",
        "its files emptied, cut, bits flipped, then kill -9 of the proxy",
    ),
    line(
        "25",
        "the_journal_is_damaged",
        "I1 I2 I3 I4 I6 I10",
        "its files emptied, cut, bits flipped, removed",
    ),
    line(
        "25",
        "an_instances_files_are_damaged",
        "I1 I2 I3 I4 I6 I10",
        "the same for what stands beside the keepers, then a deploy",
    ),
    line(
        "25",
        "the_note_of_the_traffic_is_damaged",
        "I1 I2 I3 I4 I6 I10",
        "the same for the note of what was switched, then a deploy",
    ),
    line(
        "26",
        "the_journal_is_of_a_newer_version",
        "I1 I2 I3 I4 I7 I10",
        "the version in the journal is raised",
    ),
    line(
        "T18",
        "a_record_of_the_journal_is_altered",
        "I1 I2 I3",
        "a record of an interrupted run is edited, then `resume`",
    ),
    line(
        "T18",
        "what_is_on_record_of_past_runs_is_altered",
        "I1 I2 I3",
        "of runs that have ended who asked, when, the plan, the outcome or a step is edited, or one is removed",
    ),
    line(
        "T1",
        "hostile_text_is_deployed_and_comes_through_whole",
        "",
        "shell, option, path and format tricks in every place of the manifest where text is free, deployed",
    ),
    line("T1", "text_in_the_manifest_is_never_run", "", "the same in every place that holds text, planned"),
    line(
        "T2",
        "only_what_is_declared_a_shell_line_is_one",
        "",
        "hostile values beside a declared shell line",
    ),
    line(
        "T3",
        "what_other_programs_read_says_what_was_meant",
        "",
        "quotes, commands and format tricks in the path of it all, in a database's name and in servers' options",
    ),
    line(
        "T4",
        "secrets_stay_where_they_belong",
        "I9",
        "a secret that is looked for in everything written, printed or run",
    ),
    line(
        "T4",
        "no_verb_leaks_a_secret_of_any_source",
        "I9",
        "secrets of every source, in every form, looked for after every verb, with an application, a build \
         and a migration that print them",
    ),
    line(
        "T4",
        "credentials_are_exchanged_without_losing_a_request",
        "I1 I2 I3",
        "`secrets rotate` of PostgreSQL and Redis, with an application that signs in for every request",
    ),
    line(
        "T4",
        "a_rotation_that_fails_leaves_the_old_credential",
        "I1 I2 I3 I4 I10",
        "copies that are never ready, crash or answer wrongly with the new credential",
    ),
    line(
        "T4",
        "a_credential_that_could_not_be_revoked_is_told_until_it_is",
        "I4 I10",
        "a credential that a rotation replaced and could not revoke",
    ),
    line(
        "1, 2",
        "the_host_side_dies_at_every_step_of_a_rotation",
        "I1 I2 I3 I4 I10",
        "kill -9 of the host side before, in and after each step of `secrets rotate` of PostgreSQL, Redis and RabbitMQ",
    ),
    line(
        "T4",
        "a_setting_is_exchanged_at_its_source_without_losing_a_request",
        "I1 I2 I3 I9",
        "`secrets rotate` of a setting with commands of its own, with an application that signs in for every request",
    ),
    line(
        "T4",
        "a_rotation_of_a_setting_that_fails_leaves_the_old_value",
        "I1 I2 I3 I4 I10",
        "commands that fail or lie, copies that are never ready or crash, and an old value that is not revoked",
    ),
    line(
        "T4",
        "a_rotation_of_a_setting_that_cannot_be_is_refused",
        "I4 I10",
        "`secrets rotate` of what is kept, put together or deployed otherwise",
    ),
    line(
        "1, 2",
        "whatever_dies_in_the_rotation_of_a_setting_one_value_holds",
        "I1 I2 I3 I4 I10",
        "kill -9 at each step of `secrets rotate` of a setting, and beside each durable write of both sides",
    ),
    line(
        "T4",
        "what_runs_on_remembers_no_secret_that_it_does_not_use",
        "I9",
        "the memory of the host side, the proxy and the keepers is read after two deploys",
    ),
    line(
        "T4",
        "each_kind_of_step_of_a_rotation_fails_and_one_value_holds",
        "I4",
        "a failure before and after each kind of step of `secrets rotate` of a setting, forward and back",
    ),
    line(
        "T4",
        "a_rotation_that_is_called_off_at_each_kind_of_step_leaves_one_value",
        "I4",
        "`abort` at each kind of step of `secrets rotate` of a setting",
    ),
    line(
        "T4",
        "each_file_that_a_rotation_writes_is_not_written_and_one_value_holds",
        "I4",
        "no room for one file after another that is written in `secrets rotate` of a setting",
    ),
    line(
        "T4",
        "a_role_of_an_outside_postgres_is_exchanged_without_losing_a_request",
        "I1 I2 I3 I9",
        "`secrets rotate` of the URL of a PostgreSQL that is not Windlass's own, with an application that signs in for every request",
    ),
    line(
        "T4",
        "a_rotation_at_an_outside_postgres_that_fails_leaves_the_old_role",
        "I1 I2 I3 I4 I10",
        "copies that are never ready or crash, administrators that cannot, and a server that lets nobody new in",
    ),
    line(
        "1, 2",
        "whatever_dies_in_a_rotation_at_an_outside_postgres_one_role_holds",
        "I1 I2 I3 I4 I10",
        "kill -9 of the host side before, in and after each step of `secrets rotate` that tells an outside PostgreSQL",
    ),
    line(
        "T4",
        "a_password_of_an_outside_redis_is_exchanged_and_kept",
        "I1 I2 I3 I9",
        "the same of a Redis, which is started again afterwards",
    ),
    line(
        "T4",
        "a_rotation_at_an_outside_redis_that_fails_leaves_the_old_password",
        "I1 I2 I3 I4 I10",
        "copies that are never ready or crash, administrators that cannot, and another server than the application's",
    ),
    line(
        "1, 2",
        "whatever_dies_in_a_rotation_at_an_outside_redis_one_password_holds",
        "I1 I2 I3 I4 I10",
        "kill -9 of the host side before, in and after each step of `secrets rotate` that tells an outside Redis",
    ),
    line(
        "T4",
        "a_user_of_an_outside_rabbitmq_is_exchanged_with_its_rights",
        "I1 I2 I3 I4 I9 I10",
        "the same of a RabbitMQ; copies that are never ready or crash, and administrators that cannot",
    ),
    line(
        "1, 2",
        "whatever_dies_in_a_rotation_at_an_outside_rabbitmq_one_user_holds",
        "I1 I2 I3 I4 I10",
        "kill -9 of the host side before, in and after each step of `secrets rotate` that tells an outside RabbitMQ",
    ),
    line(
        "T5",
        "files_are_closed_whatever_the_umask",
        "I9",
        "deploys with umask 077 and 000, a link where a file is to be written",
    ),
    line(
        "T6",
        "what_is_odd_in_the_source_becomes_plain_files_or_stays_out",
        "I4 I10",
        "pipes, devices, sockets, links, modes, names and paths in the source, and what a build leaves in what is carried \
         over to the next",
    ),
    line(
        "T11",
        "a_hostile_host_side_answers",
        "I8",
        "frames of 4 GB, no JSON, escapes, forged lines, silence, from the socket of the host side",
    ),
    line(
        "T11",
        "escapes_in_the_applications_log_do_not_reach_the_terminal",
        "",
        "a build, a job and a service whose arguments and output hold escapes, C1 and bidirectional controls, and forged \
         lines",
    ),
    line("17", "a_release_that_is_never_ready", "I1 I2 I3 I4 I6 I7 I8 I10", "a release that is never ready"),
    line(
        "17",
        "a_release_that_accepts_and_never_answers",
        "I1 I2 I3 I4 I7 I8 I10",
        "a release that accepts connections and never answers",
    ),
    line(
        "19",
        "a_web_service_that_crashes_at_once",
        "I1 I2 I3 I4 I6 I7 I8 I10",
        "the web service crashes at its start",
    ),
    line(
        "19",
        "a_worker_that_crashes_beside_a_healthy_web_service",
        "I1 I2 I3 I4 I6 I7 I8 I10",
        "a worker crashes while the web service is well",
    ),
    line(
        "19",
        "a_singleton_that_crashes",
        "I1 I2 I3 I4 I6 I7 I8 I10",
        "a singleton crashes; the old one was stopped before",
    ),
    line(
        "19",
        "a_worker_that_crashes_while_the_release_is_watched",
        "I1 I2 I4 I6 I7 I8 I10",
        "a worker crashes in the bake",
    ),
    line(
        "16",
        "a_release_that_turns_bad_while_it_is_watched",
        "I1 I2 I4 I6 I7 I8 I10",
        "every answer is 500 soon after the switch (requests answered 500 meanwhile are the release's own)",
    ),
    line(
        "16",
        "a_release_whose_health_flaps",
        "I1 I2 I3 I4 I6 I7 I8 I10",
        "the health check fails every other time",
    ),
    line(
        "18",
        "a_release_that_uses_up_its_memory",
        "I1 I2 I3 I4 I10",
        "a process grows beyond its memory limit: while it starts, after the switch, and when it is live",
    ),
    line(
        "16",
        "a_smoke_test_that_fails",
        "I1 I2 I3 I4 I6 I7 I8 I10",
        "the release answers a smoke test wrongly",
    ),
    line("14", "a_migration_that_fails", "I1 I2 I3 I4 I6 I7 I8 I10", "a migration exits with 4"),
    line(
        "27",
        "a_backup_that_fails_before_a_migration",
        "I1 I2 I3 I4 I6 I10",
        "a backup, as a job that comes before the migration, exits with 1, hangs, or has lost its credential",
    ),
    line("14", "a_migration_that_hangs", "I1 I2 I3 I4 I6 I7 I8 I10", "a migration never ends"),
    line("14", "a_build_that_fails", "I1 I2 I3 I4 I6 I7 I8 I10", "a build step fails"),
    line("14", "a_build_that_hangs", "I1 I2 I3 I4 I6 I7 I8 I10", "a build step never ends"),
    line(
        "20",
        "a_process_that_ignores_sigterm_is_killed_after_its_grace",
        "I1 I2 I3 I4 I8 I10",
        "an old copy ignores SIGTERM, and a request that it answers never ends",
    ),
    line(
        "16",
        "a_copy_that_is_not_alive_is_started_again",
        "I8",
        "a copy answers requests and fails its liveness check",
    ),
    line(
        "17",
        "a_slow_start_is_waited_for_and_no_longer_than_it_may_take",
        "I1 I2 I3 I4 I8 I10",
        "a release that listens after 1.5 s, and one that does so after ten minutes",
    ),
    line("29", "a_signal_turns_the_run_back", "I1 I2 I3 I4 I6 I10", "SIGINT or SIGTERM in the bake"),
    line(
        "29",
        "a_terminal_that_goes_away_ends_the_command_and_not_the_run",
        "I1 I2 I3 I4 I6 I10",
        "SIGHUP in the bake, with nohup and without",
    ),
    line(
        "29",
        "a_second_signal_leaves_the_run_alone_and_it_still_goes_back",
        "I1 I2 I3 I4 I6 I10",
        "two signals, after which the controller leaves at once",
    ),
    line(
        "29",
        "abort_from_elsewhere_turns_the_run_back",
        "I1 I2 I3 I4 I6 I10",
        "`abort` from another terminal",
    ),
    line(
        "29",
        "a_signal_during_the_build_leaves_nothing_behind",
        "I1 I2 I3 I4 I6 I10",
        "SIGINT in the build",
    ),
    line(
        "1",
        "a_killed_controller_does_not_stop_its_run",
        "I1 I2 I3 I4 I6 I10",
        "kill -9 of the controller in the bake",
    ),
    line(
        "29",
        "a_reader_that_goes_away_is_no_failure",
        "I4 I6 I10",
        "the pipe that is printed to is closed, as by `head -1`",
    ),
    line(
        "28",
        "those_who_asked_are_told_and_no_run_waits_for_them",
        "I8",
        "those who are told hang, answer 500, refuse, or redirect",
    ),
];

/// Rows of the matrix that no test covers, and why.
pub const UNCOVERED: &[(&str, &str, &str)] = &[
    (
        "2, 4, 5, 6",
        "the connection to a remote host is cut or blackholed",
        "Windlass deploys to the machine it runs on; there is no remote transport yet",
    ),
    (
        "13",
        "an artifact that was corrupted on its way",
        "releases are built where they run: nothing is sent yet; a tree that was damaged after it was built is row 23",
    ),
    (
        "26",
        "a journal of an older format is resumed",
        "format 1, which an earlier build wrote, is; there is none older, and newer ones are refused",
    ),
    (
        "9",
        "a reboot of the machine",
        "killing every process and cutting the power of a file system stand for it",
    ),
    ("21, 22", "several hosts", "one host only"),
    ("27", "a backup of Windlass's own fails", "there are none yet: a backup is a job of the manifest"),
    ("30", "a host key changes", "there is no remote transport yet"),
    (
        "T3",
        "units and crontab lines; RabbitMQ's configuration",
        "tested beside their writers: units by systemd's own programs. Their paths may hold nothing that means something to \
         either; nginx, compose files and workflows are not written",
    ),
    (
        "T7, T12 to T17",
        "artifacts, hardened units, database roles, backups, supply chain",
        "not covered by these tests",
    ),
    (
        "T4",
        "secrets that the application itself prints",
        "they stand in its own log file (0600) as it wrote them, and are masked when the log is shown",
    ),
    ("T6, T8 to T10", "archives, host keys, SSH restrictions, network API", "there are none yet"),
];
