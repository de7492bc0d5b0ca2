//! `simulate`: runs seeds of the simulator, as many as asked for, and tells what they exercised.
//!
//! `simulate --seeds 2000 [--from N] [--seconds S]`, or `simulate --run "seed=7 crash=0"` for one run with options of its
//! own. Ends with status 1 at the first seed that fails, telling how to run it again.

#![expect(clippy::print_stdout, reason = "a command answers on its output")]
#![expect(clippy::disallowed_types, reason = "a command may be told how long to go on")]

use std::process::ExitCode;
use std::time::Instant;

use treaty_testkit::sim::{Options, Statistics, run};

/// What the command line asks for.
struct Request {
    from: u64,
    seed_count: u64,
    seconds_max: u64,
    single: Option<String>,
}

fn main() -> ExitCode {
    match request() {
        Ok(Request { single: Some(text), .. }) => single(&text),
        Ok(request) => many(&request),
        Err(fault) => {
            println!(
                "{fault}\nsimulate [--seeds COUNT] [--from SEED] [--seconds LIMIT] | --run \"seed=SEED option=VALUE ...\""
            );
            ExitCode::from(2)
        }
    }
}

fn request() -> Result<Request, String> {
    let mut request = Request { from: 0, seed_count: 200, seconds_max: u64::MAX, single: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} needs a number, not {value:?}"));
        match word.as_str() {
            "--from" => request.from = number()?,
            "--seeds" => request.seed_count = number()?,
            "--seconds" => request.seconds_max = number()?,
            "--run" => request.single = Some(value),
            _ => return Err(format!("there is no option {word}")),
        }
    }
    Ok(request)
}

fn single(text: &str) -> ExitCode {
    let options = match Options::read(text) {
        Ok(options) => options,
        Err(fault) => {
            println!("{fault}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(report) => {
            println!("{options}\n{}", report.statistics.table(1));
            ExitCode::SUCCESS
        }
        Err(failed) => {
            println!("{failed}");
            ExitCode::FAILURE
        }
    }
}

fn many(request: &Request) -> ExitCode {
    let start = Instant::now();
    let (mut statistics, mut run_count) = (Statistics::default(), 0);
    for seed in request.from..request.from.saturating_add(request.seed_count) {
        if start.elapsed().as_secs() >= request.seconds_max {
            break;
        }
        match run(&Options::drawn(seed)) {
            Ok(report) => statistics.join(&report.statistics),
            Err(failed) => {
                println!("{failed}\nagain: simulate --run \"{}\"", failed.options.told());
                return ExitCode::FAILURE;
            }
        }
        run_count += 1;
        if run_count % 100 == 0 {
            println!("{run_count} seeds, the last {seed}, {} s", start.elapsed().as_secs());
        }
    }
    print!("{}", statistics.table(run_count));
    println!("{run_count} seeds from {} in {:.1} s: all well", request.from, start.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}
