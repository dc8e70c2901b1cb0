//! The command line: one file per command; the doc comments are the manual.

mod history;
mod keygen;
mod limits;
mod outcome;
mod metrics;
mod signal;
mod demo;
mod diff;
mod init;
mod inspect;
mod query;
mod run;
mod signoff;
mod verify;
mod waves;

use std::io::{self, IsTerminal, Write};
use std::panic;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use clap::{Parser, Subcommand, ValueEnum};

use crate::error::{Error, Result};
use crate::report::{Report, Verdict, json, markdown, text};
use crate::runtime::log::{self, Level};

/// Compare two exports of the same data, exactly
///
/// countersign joins an old and a new snapshot by key and says which rows are missing, which are
/// extra, which differ and in what. It reads files and changes nothing.
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

    /// How notes, warnings and errors are written to standard error
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormat,
}

/// How standard error is written.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    Diff(diff::Diff),
    Init(init::Init),
    Inspect(inspect::Inspect),
    Run(run::Run),
    #[command(name = "signoff")]
    SignOff(signoff::SignOff),
    #[command(alias = "check")]
    Validate(run::Validate),
    History(history::History),
    Query(query::Query),
    Waves(waves::Waves),
    Keygen(keygen::Keygen),
    Verify(verify::Verify),
    Demo(demo::Demo),
}

/// How the report is written to standard output.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For programs; described by schemas/report.v1.json
    Json,
    /// For tickets and chats
    Markdown,
}

/// Could not verify: the same code that clap uses for bad usage.
const COULD_NOT_VERIFY: u8 = 2;
const INTERRUPTED: u8 = 130;

/// The stack of the thread that everything begins on. Plans of SQL are trees, and the deepest that a query may have takes
/// more than the 8 MiB that are usual; only what is used of it takes memory.
const STACK_BYTES: usize = 64 << 20;

/// Runs the command line and says how it went.
pub fn main() -> ExitCode {
    let spawned = std::thread::Builder::new().name("main".into()).stack_size(STACK_BYTES).spawn(run);
    match spawned {
        // a panic has been said where it was caught
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
    // kept, not printed: a library's panic over a file that it cannot read may be caught on the way
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

/// Says what went wrong, and returns the exit code for it.
fn fail(error: &Error) -> u8 {
    log::log(Level::Error, &error.to_string());
    if matches!(error, Error::Interrupted) { INTERRUPTED } else { COULD_NOT_VERIFY }
}

/// Writes the report to standard output.
fn print(report: &Report, format: Format) -> Result<Verdict> {
    let rendered = match format {
        Format::Text => text::render(report, style()),
        Format::Json => json::render(report),
        Format::Markdown => markdown::render(report),
    };
    write_out(&rendered)?;
    Ok(report.verdict)
}

/// Colour is for terminals whose user has not declined it.
fn style() -> text::Style {
    let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if io::stdout().is_terminal() && !declined { text::Style::Coloured } else { text::Style::Plain }
}

/// Writes to standard output. A reader that has gone away is not a failure.
fn write_out(rendered: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(rendered.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Unwritable { path: "standard output".into(), source: error })
        }
        _ => Ok(()),
    }
}
