//! kmsd and other programs as processes of their own, ended when a test ends.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that does not outlive the test.
pub struct Process {
    pub child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    errors: Option<Receiver<String>>,
}

impl Process {
    /// Starts a program whose output the test reads.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().map(BufReader::new);
        // Read on to its end whether or not the test looks, so that it never waits for us.
        let errors = child.stderr.take().map(|stderr| {
            let (send, errors) = channel();
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    let _ = send.send(line);
                }
            });
            errors
        });
        Self {
            child,
            stdout,
            errors,
        }
    }

    /// The lines that it prints, up to the first that holds `last`.
    pub fn lines_until(&mut self, last: &str) -> Vec<String> {
        let stdout = self.stdout.as_mut().expect("its output is piped");
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let read = stdout.read_line(&mut line).unwrap();
            assert!(read > 0, "it ended without saying {last:?}: {lines:?}");
            let done = line.contains(last);
            lines.push(line.trim_end().to_owned());
            if done {
                return lines;
            }
        }
    }

    /// The first line on its standard error, which must be piped, that holds `wanted`.
    pub fn error_line_with(&mut self, wanted: &str) -> String {
        let errors = self.errors.as_ref().expect("its standard error is piped");
        loop {
            let line = errors
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|error| panic!("it did not say {wanted:?}: {error}"));
            if line.contains(wanted) {
                return line;
            }
        }
    }

    /// Asks it to end, and waits; gives its exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        let id = i32::try_from(self.child.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The kmsd under test, with no settings of the caller's own.
pub fn kmsd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kmsd"));
    for (name, _) in std::env::vars() {
        if name.starts_with("KMSD_") || name == "DATABASE_URL" {
            command.env_remove(name);
        }
    }
    command
}

/// What `export NAME='value'` lines say.
pub fn exports(lines: &[String]) -> Vec<(String, String)> {
    lines
        .iter()
        .filter_map(|line| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('\'').to_owned()))
        })
        .collect()
}

/// Runs a program to its end; gives whether it succeeded and all that it said.
pub fn run(command: &mut Command) -> (bool, String) {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut errors = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = errors.read_to_string(&mut text);
        text
    });
    let mut said = String::new();
    let _ = child.stdout.take().unwrap().read_to_string(&mut said);
    let succeeded = child.wait().unwrap().success();
    said.push_str(&reader.join().unwrap());
    (succeeded, said)
}
