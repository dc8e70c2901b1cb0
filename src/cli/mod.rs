//! The command line: one file per command. The doc comments of the arguments are the manual.

mod history;
mod keygen;
mod limits;
mod exports;
mod outcome;
mod plan;
mod metrics;
mod junit;
mod signal;
mod demo;
mod diff;
mod init;
mod inspect;
mod load;
mod query;
mod run;
mod validate;
mod signoff;
mod verify;
mod waves;

use std::io::{self, IsTerminal, Write};
use std::panic;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use clap::{Parser, Subcommand, ValueEnum};

use crate::error::{Error, Result};
use crate::report::{Report, Style, Verdict, json};
use crate::runtime::log::{self, Level};

/// Compare two exports of the same data, exactly
///
/// countersign joins an old and a new snapshot by key and reports which rows are missing, which are
/// extra, and which differ and in which columns. It reads files and does not change them.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, max_term_width = 100, help_expected = true)]
#[command(after_help = "Exit codes:\n  \
    0    match: nothing differs\n  \
    1    discrepant: the report says what differs\n  \
    2    could not verify: bad input, bad usage, or something that could not be compared\n  \
    130  interrupted")]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// The format of notes, warnings, and errors on standard error
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum LogFormat {
    /// Human-readable
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    Diff(diff::Diff),
    Init(init::Init),
    Inspect(inspect::Inspect),
    Load(load::Load),
    Run(run::Run),
    #[command(name = "signoff")]
    SignOff(signoff::SignOff),
    #[command(alias = "check")]
    Validate(validate::Validate),
    History(history::History),
    Query(query::Query),
    Waves(waves::Waves),
    Keygen(keygen::Keygen),
    Verify(verify::Verify),
    Demo(demo::Demo),
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// Human-readable
    #[default]
    Text,
    /// Machine-readable; see schemas/report.v1.json
    Json,
    /// For tickets and chat messages
    Markdown,
}

/// Verification failed. clap uses the same code for bad usage.
const COULD_NOT_VERIFY: u8 = 2;
const INTERRUPTED: u8 = 130;

/// The stack size of the main thread, in bytes. The deepest SQL plan that is allowed needs more than the usual 8 MiB.
/// Only the part of a stack that is used takes memory.
const STACK_BYTES: usize = 64 << 20;

/// Runs the command line and returns its exit code.
pub fn main() -> ExitCode {
    let spawned = std::thread::Builder::new().name("main".into()).stack_size(STACK_BYTES).spawn(run);
    match spawned {
        // a panic has been reported where it was caught
        Ok(running) => running.join().unwrap_or(ExitCode::from(COULD_NOT_VERIFY)),
        Err(_) => run(),
    }
}

fn run() -> ExitCode {
    let cli = Cli::parse();
    log::speak(match cli.log_format {
        LogFormat::Text => log::Style::Text,
        LogFormat::Json => log::Style::Json,
    });
    // stored and not printed, because the panic of a library that cannot read a file may be caught
    let panicked: Arc<Mutex<String>> = Arc::default();
    let last = panicked.clone();
    panic::set_hook(Box::new(move |panic| {
        if let Ok(mut last) = last.lock() {
            *last = panic.to_string();
        }
    }));
    let outcome = panic::catch_unwind(|| match cli.command {
        Command::Diff(diff) => diff.run().map(Verdict::exit_code),
        Command::Init(init) => init.run(),
        Command::Inspect(inspect) => inspect.run().map(Verdict::exit_code),
        Command::Load(load) => load.run(),
        Command::Run(run) => run.run(),
        Command::SignOff(signoff) => signoff.run(),
        Command::Validate(validate) => validate.run(),
        Command::History(history) => history.run(),
        Command::Query(query) => query.run(),
        Command::Waves(waves) => waves.run(),
        Command::Keygen(keygen) => keygen.run(),
        Command::Verify(verify) => verify.run(),
        Command::Demo(demo) => demo.run().map(Verdict::exit_code),
    });
    let code = match outcome {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => fail(&error),
        Err(_) => fail(&Error::Internal(panicked.lock().map(|last| last.clone()).unwrap_or_default())),
    };
    ExitCode::from(code)
}

/// Logs the error and returns the exit code for it.
fn fail(error: &Error) -> u8 {
    log::log(Level::Error, &error.to_string());
    if matches!(error, Error::Interrupted) { INTERRUPTED } else { COULD_NOT_VERIFY }
}

/// Writes the report to standard output.
fn print(report: &Report, format: Format) -> Result<Verdict> {
    let rendered = match format {
        Format::Text => report.to_text(style()),
        Format::Json => json::render(report),
        Format::Markdown => report.to_markdown(),
    };
    write_out(&rendered)?;
    Ok(report.verdict)
}

/// The width that is assumed of a terminal that does not say its own, and the least that anything is fitted to.
const WIDTH_UNKNOWN: usize = 100;
const WIDTH_MIN: usize = 60;

/// Lines fit a terminal, with colours unless `NO_COLOR` is set. Files and pipes get whole lines.
fn style() -> Style {
    if !io::stdout().is_terminal() {
        return Style::Plain;
    }
    let width = terminal_size::terminal_size().map_or(WIDTH_UNKNOWN, |(width, _)| usize::from(width.0));
    let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Style::Terminal { width: width.max(WIDTH_MIN), colours: !declined }
}

/// Writes to standard output. A closed pipe is not an error.
fn write_out(rendered: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(rendered.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Unwritable { path: "standard output".into(), source: error })
        }
        _ => Ok(()),
    }
}
