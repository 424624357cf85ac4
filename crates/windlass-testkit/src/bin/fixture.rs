//! The application that the tests of the real program deploy: `fixture WHAT ARGUMENTS`; and what watches over a test.

fn main() -> std::process::ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args == [windlass_testkit::watchdog::VERB] {
        return windlass_testkit::watchdog::main();
    }
    windlass_testkit::sandbox::application::main(&args)
}
