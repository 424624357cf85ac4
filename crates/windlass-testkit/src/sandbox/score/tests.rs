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
];

/// Rows of the matrix that no test covers, and why.
pub const UNCOVERED: &[(&str, &str, &str)] = &[];
