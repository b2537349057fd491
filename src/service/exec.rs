//! The only place that starts programs (qemu-img, lvs, rbd): by their arguments, never through a shell, with an end in
//! time, output of bounded length, and no remains when this process ends. Not here: what the programs are asked for.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::log::masked;
use super::threads::about_to_wait;
use crate::error::{Error, Kind, Result};

/// Debian packages of the programs that Hearth runs, for who lacks one.
const PACKAGES: [(&str, &str); 9] = [
    ("qemu-img", "qemu-utils"),
    ("qemu-nbd", "qemu-utils"),
    ("lvs", "lvm2"),
    ("lvcreate", "lvm2"),
    ("vgs", "lvm2"),
    ("rbd", "ceph-common"),
    ("ceph", "ceph-common"),
    ("tgtadm", "tgt"),
    ("targetcli", "targetcli-fb"),
];

/// Longest run where nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Most bytes of each output that are kept where nothing else is said.
const OUTPUT_LIMIT: usize = 4 << 20;

/// Bytes of the program's complaint that go into an error.
const COMPLAINT: usize = 1000;

/// A program with its arguments, not yet running.
#[derive(Debug, Clone)]
pub struct Program {
    name: &'static str,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    input: Vec<u8>,
    timeout: Duration,
    output_limit: usize,
}

/// What a program that ended left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its standard output, as much as the limit allows.
    pub stdout: Vec<u8>,
    /// Its standard error, as much as the limit allows; what is not UTF-8 is replaced.
    pub stderr: String,
}

impl Program {
    /// The program of this name, which is looked for in `PATH`.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            arguments: Vec::new(),
            environment: Vec::new(),
            input: Vec::new(),
            timeout: TIMEOUT,
            output_limit: OUTPUT_LIMIT,
        }
    }

    /// The same program with one more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// The same program with more arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// The same program with a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The same program with what it reads from its standard input; without, that is empty.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// The same program with a time after which it is killed; 60 seconds where nothing is said.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same program with the most bytes of each output that are kept; what comes after them is read and dropped.
    #[must_use]
    pub fn output_limit(mut self, bytes: usize) -> Self {
        self.output_limit = bytes;
        self
    }

    /// Runs the program and gives what it left, if it ended with code 0.
    ///
    /// # Errors
    /// `Unavailable` where the program is not installed or did not end in time, `Internal` where it could not be
    /// started or failed; the cause says what it complained of.
    pub fn run(&self) -> Result<Output> {
        let output = self.run_to_end()?;
        if output.code == Some(0) {
            return Ok(output);
        }
        let end = match (output.code, output.signal) {
            (Some(code), _) => format!("ended with code {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended without a code".to_owned(),
        };
        Err(Error::internal(format!("{} {end}: {}", self.shown(), complaint(&output.stderr))))
    }

    /// Runs the program and gives what it left, whatever its exit code.
    ///
    /// # Errors
    /// As [`Program::run`], without the last.
    pub fn run_to_end(&self) -> Result<Output> {
        about_to_wait();
        let started = Instant::now();
        let mut child = self.start()?;
        let output = self.attend(&mut child, started + self.timeout);
        if output.is_err() {
            end(&mut child);
        }
        let output = output?;
        log::debug!("{} ended after {} ms with {:?}", self.shown(), started.elapsed().as_millis(), output.code);
        Ok(output)
    }

    fn start(&self) -> Result<Child> {
        let mut command = std::process::Command::new(self.name);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that a time-out ends what it started too, and messages that can be compared.
        command.process_group(0).env("LC_ALL", "C");
        // A CGI process has the request's headers in its environment; no program shall act on them.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"HTTP_")) {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        crate::sys::child::die_with_parent(&mut command);
        command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => missing(self.name),
            _ => Error::internal(format!("{} can not be started: {error}", self.shown())),
        })
    }

    /// Feeds the program, keeps what it says, and waits for its end.
    fn attend(&self, child: &mut Child, deadline: Instant) -> Result<Output> {
        let failed = |error: io::Error| Error::internal(format!("{}: {error}", self.shown()));
        let process = Pid::from_child(child);
        let ended = pidfd_open(process, PidfdFlags::empty()).map_err(|error| failed(error.into()))?;
        let mut stdin = child.stdin.take().filter(|_| !self.input.is_empty());
        let mut unwritten = self.input.as_slice();
        let mut outputs = [
            child.stdout.take().map(|pipe| Capture::new(pipe.into(), self.output_limit)),
            child.stderr.take().map(|pipe| Capture::new(pipe.into(), self.output_limit)),
        ];
        for pipe in outputs.iter().flatten().map(|capture| capture.pipe.as_fd()).chain(stdin.as_ref().map(AsFd::as_fd))
        {
            rustix::io::ioctl_fionbio(pipe, true).map_err(|error| failed(error.into()))?;
        }
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let text = format!("{} did not end within {:?}", self.shown(), self.timeout);
                return Err(Error::unavailable(format!("{} took too long.", self.name), text));
            }
            let has_ended = wait(&ended, &outputs, stdin.as_ref().map(AsFd::as_fd), left).map_err(failed)?;
            for capture in outputs.iter_mut().flatten() {
                capture.read().map_err(failed)?;
            }
            if has_ended {
                // What it started itself may hold the pipes open; its own words are in them already.
                break;
            }
            if let Some(pipe) = &mut stdin {
                match pipe.write(unwritten) {
                    Ok(written) => unwritten = unwritten.get(written..).unwrap_or(&[]),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    // Not every program reads all that it is given.
                    Err(_) => unwritten = &[],
                }
                if unwritten.is_empty() {
                    stdin = None;
                }
            }
        }
        let status = child.wait().map_err(failed)?;
        let [stdout, stderr] = outputs.map(|capture| capture.map(|capture| capture.kept).unwrap_or_default());
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        Ok(Output { code: status.code(), signal: status.signal(), stdout, stderr })
    }

    /// The command as a log shows it.
    fn shown(&self) -> String {
        let mut line = self.name.to_owned();
        for argument in &self.arguments {
            line.push(' ');
            line.push_str(&argument.to_string_lossy());
        }
        masked(&line).into_owned()
    }
}

/// The path of a program in `PATH`.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|candidate| rustix::fs::access(candidate, rustix::fs::Access::EXEC_OK).is_ok() && candidate.is_file())
}

fn missing(name: &str) -> Error {
    let package = PACKAGES.iter().find(|(program, _)| *program == name).map(|(_, package)| *package);
    let hint = package.map(|package| format!(" (on Debian: apt-get install {package})")).unwrap_or_default();
    Error::new(Kind::Unavailable, format!("The program {name} is not installed{hint}."))
}

/// One output of a program.
struct Capture {
    pipe: std::fs::File,
    kept: Vec<u8>,
    limit: usize,
    closed: bool,
}

impl Capture {
    fn new(pipe: OwnedFd, limit: usize) -> Self {
        Self { pipe: pipe.into(), kept: Vec::new(), limit, closed: false }
    }

    /// Reads what is there without waiting.
    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        while !self.closed {
            match self.pipe.read(&mut buffer) {
                Ok(0) => self.closed = true,
                Ok(length) => {
                    let wanted = length.min(self.limit.saturating_sub(self.kept.len()));
                    self.kept.extend_from_slice(buffer.get(..wanted).unwrap_or(&[]));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Waits until something can be read or written, the program ends, or the time is over. Whether the program has ended.
fn wait(
    ended: &OwnedFd,
    outputs: &[Option<Capture>],
    stdin: Option<BorrowedFd<'_>>,
    left: Duration,
) -> io::Result<bool> {
    let open = outputs.iter().flatten().filter(|capture| !capture.closed);
    let mut watched = vec![PollFd::new(ended, PollFlags::IN)];
    watched.extend(open.map(|capture| PollFd::new(&capture.pipe, PollFlags::IN)));
    watched.extend(stdin.map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::OUT)));
    let left = Timespec::try_from(left).map_err(io::Error::other)?;
    match poll(&mut watched, Some(&left)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(watched.first().is_some_and(|watched| !watched.revents().is_empty()))
}

/// Ends the program and everything that it started.
fn end(child: &mut Child) {
    // Where it has ended meanwhile there is nothing to kill.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.wait();
}

/// The end of what a program said on standard error, in one line.
fn complaint(stderr: &str) -> String {
    let text = stderr.trim();
    let start = text.len().saturating_sub(COMPLAINT);
    let start = (start..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let text = masked(text.get(start..).unwrap_or("")).replace('\n', "; ");
    if text.is_empty() { "it said nothing".to_owned() } else { text }
}

/// Starts this program again, with its own arguments and further variables, and descriptors that it inherits under their
/// numbers. It outlives this process. Answers its process id.
///
/// # Errors
/// Where the file can not be run.
pub fn start_successor(
    file: &std::path::Path,
    environment: &[(&str, String)],
    descriptors: Vec<OwnedFd>,
) -> io::Result<u32> {
    let mut command = std::process::Command::new(file);
    command.args(std::env::args_os().skip(1)).envs(environment.iter().map(|(name, value)| (name, value)));
    crate::sys::child::inherit(&mut command, descriptors);
    let mut child = command.spawn()?;
    let id = child.id();
    // Nobody else waits for it while this process lives.
    std::thread::Builder::new().name("successor".to_owned()).spawn(move || child.wait())?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::new("sh").args(["-c", script])
    }

    #[test]
    fn arguments_input_and_environment_reach_the_program_and_both_outputs_come_back() {
        let output = shell("cat; printf '%s' \"$1|$NAME|$LC_ALL\"; echo trouble >&2")
            .args(["sh", "a b; $(c)"])
            .env("NAME", "v")
            .input("in ")
            .run()
            .unwrap();
        assert_eq!(output.stdout, b"in a b; $(c)|v|C");
        assert_eq!((output.stderr.as_str(), output.code), ("trouble\n", Some(0)));
    }

    #[test]
    fn input_and_output_longer_than_any_pipe_do_not_stand_in_each_others_way() {
        let input = vec![b'x'; 3 << 20];
        assert_eq!(Program::new("cat").input(input.clone()).run().unwrap().stdout, input);
        let short = Program::new("cat").input(input).output_limit(10).run().unwrap();
        assert_eq!(short.stdout, b"xxxxxxxxxx");
    }

    #[test]
    fn a_failure_tells_command_code_and_complaint_without_secrets() {
        let error = shell("echo one >&2; echo two >&2; exit 3 # password=geheim").run().unwrap_err();
        assert_eq!(error.kind(), Kind::Internal);
        let cause = error.cause().unwrap();
        assert!(cause.contains("ended with code 3: one; two") && !cause.contains("geheim"), "{cause}");
        assert_eq!(shell("exit 3").run_to_end().unwrap().code, Some(3));
        let killed = shell("kill -9 $$").run_to_end().unwrap();
        assert_eq!((killed.code, killed.signal), (None, Some(9)));
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_with_all_that_it_started() {
        let marker = format!("{}.5{}", 1000, std::process::id());
        let error =
            shell(&format!("sleep {marker} & sleep {marker}")).timeout(Duration::from_millis(300)).run().unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        // The kernel ends them at its leisure.
        let deadline = Instant::now() + Duration::from_secs(10);
        while runs(&marker) {
            assert!(Instant::now() < deadline, "sleep {marker} still runs");
            std::thread::yield_now();
        }
    }

    /// Whether a process has an argument that is `marker`.
    fn runs(marker: &str) -> bool {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
        lines.into_iter().any(|line| line.split(|byte| *byte == 0).any(|argument| argument == marker.as_bytes()))
    }

    #[test]
    fn a_program_that_ends_is_not_waited_for_longer_because_of_what_it_leaves_running() {
        let output = shell("sleep 1000 & echo $!").run().unwrap();
        assert_eq!(output.code, Some(0));
        let process: String = String::from_utf8(output.stdout).unwrap();
        Program::new("kill").arg(process.trim()).run().unwrap();
    }

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let error = missing("qemu-img");
        assert!(error.public().contains("apt-get install qemu-utils"));
        let error = Program::new("no-such-program-here").run().unwrap_err();
        assert_eq!(
            (error.kind(), error.public()),
            (Kind::Unavailable, "The program no-such-program-here is not installed.")
        );
        assert!(find("sh").is_some() && find("no-such-program-here").is_none());
    }
}
