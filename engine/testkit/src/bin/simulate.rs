//! `simulate`: runs seeds of the simulator, as many as asked for, and tells what they exercised.
//!
//! `simulate --seeds 2000 [--from N] [--seconds S]`, or `simulate --run "seed=7 crash=0"` for one run with options of its
//! own; with `--survey` it counts the seeds that fail. Ends with status 1 at the first seed that fails, once it is told, made small, and kept for the tests to replay.

#![expect(clippy::print_stdout, reason = "a command answers on its output")]
#![expect(clippy::disallowed_types, reason = "a command may be told how long to go on")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use treaty_testkit::sim::{
    FailedRun, Failure, Options, Statistics, fewer_steps, read_run, run, run_steps, smallest_tale,
};

/// What the command line asks for.
struct Request {
    from: u64,
    seed_count: u64,
    seconds_max: u64,
    single: Option<String>,
    /// Goes on after failures, and makes none of them smaller.
    is_survey: bool,
}

fn main() -> ExitCode {
    match request() {
        Ok(Request { single: Some(text), .. }) => single(&text),
        Ok(request) => many(&request),
        Err(fault) => {
            println!(
                "{fault}\nsimulate [--seeds COUNT] [--from SEED] [--seconds LIMIT] [--survey] | --run \"seed=SEED option=VALUE ...\""
            );
            ExitCode::from(2)
        }
    }
}

fn request() -> Result<Request, String> {
    let mut request = Request { from: 0, seed_count: 200, seconds_max: u64::MAX, single: None, is_survey: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--survey" {
            request.is_survey = true;
            continue;
        }
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
    let (options, steps) = match read_run(text) {
        Ok(read) => read,
        Err(fault) => {
            println!("{fault}");
            return ExitCode::from(2);
        }
    };
    match run_steps(&options, &steps) {
        Ok(report) => {
            println!("{options}\n{}", report.statistics.table(1));
            ExitCode::SUCCESS
        }
        Err(failed) => {
            tell(&failed);
            ExitCode::FAILURE
        }
    }
}

/// Tells a failed run, then a smaller one, and keeps the smallest that was found.
fn tell(failed: &FailedRun) {
    println!("{failed}\nmaking it smaller ...");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let seed = failed.options.seed;
    let fewer = fewer_steps(failed);
    println!("{fewer}");
    let remark = |failure: &Failure| failure.to_string().replace('\n', "\n# ");
    let (name, text) = match smallest_tale(&fewer) {
        Some((tale, failure)) => {
            (format!("seed-{seed}.tale"), format!("# Seed {seed}.\n# {}\n{tale}", remark(&failure)))
        }
        None => (format!("seed-{seed}.run"), format!("# {}\n{}\n", remark(&fewer.failure), fewer.told())),
    };
    println!("{text}");
    match std::fs::write(folder.join(&name), text) {
        Ok(()) => println!("kept as {}: replayed by the tests from now on", folder.join(name).display()),
        Err(fault) => println!("not kept: {fault}"),
    }
}

fn many(request: &Request) -> ExitCode {
    let start = Instant::now();
    let (mut statistics, mut run_count, mut failure_count) = (Statistics::default(), 0, 0);
    for seed in request.from..request.from.saturating_add(request.seed_count) {
        if start.elapsed().as_secs() >= request.seconds_max {
            break;
        }
        match run(&Options::drawn(seed)) {
            Ok(report) => statistics.join(&report.statistics),
            Err(failed) if request.is_survey => {
                println!("seed {seed} fails: {}", failed.failure.to_string().lines().next().unwrap_or_default());
                failure_count += 1;
            }
            Err(failed) => {
                tell(&failed);
                println!("again: simulate --run \"{}\"", failed.options.told());
                return ExitCode::FAILURE;
            }
        }
        run_count += 1;
        if run_count % 100 == 0 {
            println!("{run_count} seeds, the last {seed}, {} s", start.elapsed().as_secs());
        }
    }
    print!("{}", statistics.table(run_count));
    let seconds = start.elapsed().as_secs_f64();
    if failure_count > 0 {
        println!("{run_count} seeds from {} in {seconds:.1} s: {failure_count} fail", request.from);
        return ExitCode::FAILURE;
    }
    println!("{run_count} seeds from {} in {seconds:.1} s: all well", request.from);
    ExitCode::SUCCESS
}
