//! The `domesday` binary: an exit code from the command line, nothing else.

fn main() -> std::process::ExitCode {
    domesday::cli::run()
}
