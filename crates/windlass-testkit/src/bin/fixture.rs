//! The application that the tests of the real program deploy: `fixture WHAT ARGUMENTS`.

fn main() -> std::process::ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    windlass_testkit::sandbox::application::main(&args)
}
