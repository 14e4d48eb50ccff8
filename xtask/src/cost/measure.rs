//! Running the gateway and the floor under callgrind.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path as FilePath, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use super::{
    baseline::Baseline,
    path::{FEATURES, NOTHING, PATHS, Path, Ports, Target, config},
    server::{Server, free_port},
    tls,
};
use crate::{
    apt,
    process::{cargo, read, run, succeeds, target_dir},
};

/// The measured cost is the difference between these numbers of requests. The first requests fill pools, caches and the table of known names.
const FEW: u32 = 200;
const MANY: u32 = 1_000;

/// The programs, the simulators and the folder of a measurement.
pub(super) struct Rig {
    folder: PathBuf,
    fb: PathBuf,
    floor: PathBuf,
    openai: Server,
    anthropic: Server,
    tls: Option<tls::Terminator>,
}

impl Rig {
    /// Builds the programs, installs valgrind if it is missing, and starts the simulators.
    pub(super) fn prepare() -> Result<Self> {
        if !succeeds(Command::new("valgrind").arg("--version")) {
            apt::install(&["valgrind"], "valgrind counts the instructions")?;
        }
        run(&mut cargo("build --release -q --locked -p fb-gateway"))?;
        run(&mut cargo("build --release -q --locked -p fb-chaos --example floor"))?;
        run(&mut cargo("build --release -q --locked -p fb-sim --example simulate"))?;
        let release = target_dir()?.join("release");
        let simulate = |dialect: &str| -> Result<Server> {
            let port = free_port()?;
            let mut command = Command::new(release.join("examples/simulate"));
            Server::start(command.args([dialect, &port.to_string()]), port)
        };
        let folder = target_dir()?.join("cost");
        fs::create_dir_all(&folder)?;
        let (openai, anthropic) = (simulate("openai")?, simulate("anthropic")?);
        let (fb, floor) = (release.join("fb"), release.join("examples/floor"));
        Ok(Self { folder, fb, floor, openai, anthropic, tls: None })
    }

    pub(super) fn measure(&self) -> Result<Baseline> {
        let mut floors = BTreeMap::new();
        println!("instructions per request     gateway       floor");
        let mut ratios = BTreeMap::new();
        for path in PATHS {
            let floor = path.floor();
            if !floors.contains_key(floor.name) {
                floors.insert(floor.name, self.cost(floor, |port| Ok(self.floor(port)))?);
            }
            let (gateway, floor) = (self.cost(path, |port| self.gateway(path, port))?, floors[floor.name]);
            println!("{:24}{gateway:>12.0}{floor:>12.0}", path.name);
            ratios.insert(path.name.to_owned(), gateway / floor);
        }
        Ok(Baseline { ratios, idle_kb: self.idle()?, binary_kb: self.binary()? })
    }

    /// Prints what each feature costs when it is on.
    pub(super) fn measure_features(mut self) -> Result<()> {
        self.tls = Some(tls::Terminator::start(&self.folder, self.openai.port)?);
        let mut costs = BTreeMap::from([(NOTHING.name, 0.0)]);
        println!("instructions per request       with  without      more");
        for (with, without) in FEATURES {
            for path in [with, without] {
                if !costs.contains_key(path.name) {
                    costs.insert(path.name, self.cost_within(path)?);
                }
            }
            let [with_cost, without_cost] = [with, without].map(|path| costs[path.name]);
            let more = with_cost - without_cost;
            println!("{:24}{with_cost:>10.0} {without_cost:>8.0} {more:>+9.0}", with.name);
        }
        Ok(())
    }

    /// Returns the instructions of one request: the difference of two processes, so that no access to a running one is
    /// needed.
    fn cost(&self, path: Path, command: impl Fn(u16) -> Result<Command>) -> Result<f64> {
        let count = |requests| {
            let (server, out) = self.start(path, &command)?;
            server.request(path, 0..requests)?;
            server.stop()?;
            totals(&fs::read_to_string(&out)?)
        };
        let (few, many) = (count(FEW)?, count(MANY)?);
        let fewer = || format!("{}: {FEW} requests took {few} instructions, {MANY} took {many}", path.name);
        Ok(per_request(many.checked_sub(few).with_context(fewer)?, MANY - FEW))
    }

    /// Returns the instructions of one request, from the counts of one process. The setup of TLS takes a number of
    /// instructions that differs from start to start, by more than those of the requests.
    fn cost_within(&self, path: Path) -> Result<f64> {
        let (server, out) = self.start(path, |port| self.gateway(path, port))?;
        let control = |flag: &str| {
            let mut command = Command::new("callgrind_control");
            run(command
                .args([flag, &server.child.id().to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null()))
        };
        server.request(path, 0..FEW)?;
        control("--zero")?;
        server.request(path, FEW..FEW + MANY)?;
        control("--dump")?;
        let dump = fs::read_to_string(out.with_extension("out.1"))?;
        Ok(per_request(totals(&dump)?, MANY))
    }

    /// Starts a program under callgrind, and returns it with the file of its counts.
    fn start(&self, path: Path, command: impl Fn(u16) -> Result<Command>) -> Result<(Server, PathBuf)> {
        let (port, out) = (free_port()?, self.folder.join("callgrind.out"));
        let program = command(port)?;
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["-q", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", out.display()));
        valgrind.arg(program.get_program()).args(program.get_args());
        // One worker: the stealing of tasks depends on the machine.
        valgrind.env("TOKIO_WORKER_THREADS", "1").env("RUST_LOG", path.log);
        if path.log == "info" {
            valgrind.stderr(Stdio::null());
        }
        Ok((Server::start(&mut valgrind, port)?, out))
    }

    /// Returns the command of a gateway that listens for the requests of a path on this port.
    fn gateway(&self, path: Path, port: u16) -> Result<Command> {
        let file = self.folder.join("fb.toml");
        let (listen, admin) =
            if path.target == Target::Metrics { (free_port()?, port) } else { (port, free_port()?) };
        let (openai, anthropic) = (self.openai.port, self.anthropic.port);
        let tls = self.tls.as_ref().map(tls::Terminator::ports);
        let ports = Ports { listen, admin, openai, anthropic, tls };
        fs::write(&file, config(path, ports, &self.folder.display().to_string()))?;
        let mut command = Command::new(&self.fb);
        command.arg("serve").arg("--config").arg(file);
        Ok(command)
    }

    fn floor(&self, port: u16) -> Command {
        let mut command = Command::new(&self.floor);
        command.args([port.to_string(), format!("http://127.0.0.1:{}/v1", self.openai.port)]);
        command
    }

    /// Returns the resident memory of a gateway that has just started, in kB.
    fn idle(&self) -> Result<f64> {
        let port = free_port()?;
        let server = Server::start(&mut self.gateway(PATHS[0], port)?, port)?;
        let status = fs::read_to_string(format!("/proc/{}/status", server.child.id()))?;
        let resident =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        resident.context("no VmRSS")?.parse().context("VmRSS is no number")
    }

    /// Returns the size of the binary without its symbols, in kB.
    fn binary(&self) -> Result<f64> {
        let stripped = self.folder.join("fb-stripped");
        run(Command::new("strip").arg("-o").arg(&stripped).arg(&self.fb))?;
        size_kb(&stripped)
    }
}

fn per_request(instructions: u64, requests: u32) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let instructions = instructions as f64;
    instructions / f64::from(requests)
}

fn size_kb(file: &FilePath) -> Result<f64> {
    let size = read(Command::new("stat").args(["-c", "%s"]).arg(file))?;
    Ok(size.trim().parse::<f64>().context("no size")? / 1_024.0)
}

/// Returns the sum of all dumps of an output of callgrind.
fn totals(text: &str) -> Result<u64> {
    let totals = text.lines().filter_map(|line| line.strip_prefix("totals:"));
    let sum = totals.map(|total| total.trim().parse::<u64>()).sum::<Result<u64, _>>()?;
    ensure!(sum > 0, "callgrind counted nothing");
    Ok(sum)
}
