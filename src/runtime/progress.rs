//! Progress on stderr: a bar on a terminal, otherwise a line every 15 seconds, and nothing with `--quiet`.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::runtime::log::{self, Level};

/// Interval between progress lines when stderr is not a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(15);

/// A counter of rows that draws itself. Clones share one counter; any thread may advance it.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
    lines: Option<Arc<Mutex<Lines>>>,
}

#[derive(Debug)]
struct Lines {
    stage: &'static str,
    began: Instant,
    last: Instant,
}

impl Progress {
    /// Draws nothing.
    pub fn quiet() -> Self {
        Progress { bar: ProgressBar::hidden(), lines: None }
    }

    /// Draws to stderr: a bar on a terminal, otherwise a line every 15 seconds.
    pub fn stderr() -> Self {
        if std::io::stderr().is_terminal() && log::form() == log::Style::Text {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
            return Progress { bar, lines: None };
        }
        let now = Instant::now();
        let lines = Lines { stage: "reading", began: now, last: now };
        Progress { bar: ProgressBar::hidden(), lines: Some(Arc::new(Mutex::new(lines))) }
    }

    /// Begins a stage over `rows` rows; 0 if the number is unknown.
    pub fn begin(&self, stage: &'static str, rows: u64) {
        let style = ProgressStyle::with_template(match rows {
            0 => "{msg:<10} {spinner:.dim}  {human_pos} rows  {rate:.dim}",
            _ => "{msg:<10} {wide_bar:.dim} {percent:>3} %  {human_pos} of {human_len} rows  {rate:.dim}  {eta} left",
        });
        let rate = |state: &ProgressState, out: &mut dyn Write| {
            let _ = write!(out, "{} rows/s", HumanCount(state.per_sec() as u64));
        };
        self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).with_key("rate", rate));
        self.bar.set_message(stage);
        self.bar.reset();
        self.bar.set_length(rows);
        if let Some(lines) = &self.lines {
            let now = Instant::now();
            *lines.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Lines { stage, began: now, last: now };
        }
    }

    /// Counts `rows` more rows.
    pub fn advance(&self, rows: u64) {
        self.bar.inc(rows);
        let Some(lines) = &self.lines else { return };
        let Ok(mut lines) = lines.try_lock() else { return };
        if lines.last.elapsed() < LINE_INTERVAL {
            return;
        }
        lines.last = Instant::now();
        let (done, all) = (self.bar.position(), self.bar.length().unwrap_or(0));
        let rate = done as f64 / lines.began.elapsed().as_secs_f64();
        let left = all.saturating_sub(done) as f64 / rate.max(1.0);
        let stage = lines.stage;
        let message = match all {
            0 => format!("{stage}: {done} rows, {rate:.0} rows/s"),
            _ => format!("{stage}: {done} of {all} rows, {rate:.0} rows/s, about {left:.0} s left"),
        };
        log::log(Level::Info, &message);
    }

    /// Shows a note to the user during the run.
    pub fn note(&self, text: &str) {
        match &self.lines {
            Some(_) => log::log(Level::Info, text),
            None => self.bar.println(text),
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
