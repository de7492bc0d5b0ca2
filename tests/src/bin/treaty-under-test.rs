//! The product's program, built so that the tests of this crate can find it. It is `treaty`, whole and unchanged.

fn main() -> std::process::ExitCode {
    treaty::cli::main()
}
