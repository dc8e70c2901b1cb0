//! pyarrow, in a separate environment and a process that answers requests one by one.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::support;

const PACKAGE: &str = "pyarrow==26.0.1";

/// The Python of the environment, which is installed once and must be available.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| support::python(&PACKAGE.replace("==", "-"), &[PACKAGE]))
}

pub struct Oracle(Option<Process>);

struct Process {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    pub fn new() -> Self {
        Oracle(None)
    }

    /// The answer to a request. Damage may end the process, which counts as a refusal; the next request starts another.
    pub fn ask(&mut self, question: &Value) -> Value {
        let process = self.0.get_or_insert_with(Process::start);
        let asked = writeln!(process.questions, "{question}").and_then(|()| process.questions.flush());
        let mut line = String::new();
        let read = asked.and_then(|()| process.answers.read_line(&mut line));
        match read {
            Ok(bytes) if bytes > 0 => serde_json::from_str(&line).unwrap(),
            _ => {
                let status = process.child.wait().unwrap();
                self.0 = None;
                // an uncaught exception is a bug in the oracle, and not an answer
                assert_ne!(status.code(), Some(1), "{question}");
                json!({ "refused": format!("pyarrow ended with {status}") })
            }
        }
    }
}

impl Process {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pyarrow/oracle.py");
        let mut command = Command::new(python());
        // no bytecode beside the sources
        command.arg("-B").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (questions, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Process { child, questions, answers: BufReader::new(answers) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
