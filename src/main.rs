//! Arguments -> `cli`, and nothing else.

fn main() -> std::process::ExitCode {
    baton::cli::main()
}
