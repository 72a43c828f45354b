fn main() -> std::process::ExitCode {
    kmsd::cli::main()
}
