//! Programs that behave badly, as one binary: `hostile WHAT ARGUMENTS`.

fn main() -> std::process::ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    windlass_testkit::hostile::main(&args)
}
