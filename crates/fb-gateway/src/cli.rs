use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::commands::{
    backtest::{self, BacktestArgs},
    check, demo,
    drill::{self, DrillArgs},
    eval::{self, EvalArgs},
    explain,
    plan::{self, PlanArgs},
    savings::{self, SavingsArgs},
    serve,
};

/// Keeps LLM calls alive: a gateway that retries, fails over and says what it did.
#[derive(Debug, Parser)]
#[command(name = "fb", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `fb` can do.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Run the gateway.
    Serve {
        /// The config file; without it, providers are taken from the environment.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Where to listen, instead of what the config says.
        #[arg(long)]
        listen: Option<SocketAddr>,
    },
    /// Break simulated providers in front of a gateway and show how requests survive; no keys, no network.
    Demo {
        /// Exit after the show instead of staying up for `curl`.
        #[arg(long)]
        once: bool,
        /// Where the gateway listens; a free port when this one is taken.
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
    },
    /// Say what a running gateway decided for one request, and why.
    Explain {
        /// The request's id: the answer's header `x-request-id`.
        id: String,
        /// The gateway's operators' listener, such as `http://127.0.0.1:9090`.
        #[arg(long)]
        admin: String,
    },
    /// Check a config file and name every error with its place.
    Check {
        /// The config file.
        file: PathBuf,
    },
    /// Show where a request would go: its route, its class, who is asked in which order, who is refused and why.
    /// Nobody is called, and no key is needed.
    Plan(PlanArgs),
    /// Reckon what requests cost where their classes send them, beside what they cost at the best model.
    Savings(SavingsArgs),
    /// Break every target of a config on paper and show who answers then. No provider is called, and no key is needed.
    Drill(DrillArgs),
    /// Play recorded requests through another config and show what would have come of them. No provider is called, and
    /// no key is needed.
    Backtest(BacktestArgs),
    /// Ask every target of a route the same golden cases and show who answers them as expected. It calls providers.
    Eval(EvalArgs),
}

/// Runs a command to its end: 0 fine, 1 the thing failed.
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Serve { config, listen } => serve::serve(config.as_deref(), listen),
        Command::Demo { once, listen } => demo::demo(once, listen),
        Command::Explain { id, admin } => explain::explain(&id, &admin),
        Command::Check { file } => check::check(&file),
        Command::Plan(args) => plan::plan(&args),
        Command::Savings(args) => savings::savings(&args),
        Command::Drill(args) => drill::drill(&args),
        Command::Backtest(args) => backtest::backtest(&args),
        Command::Eval(args) => eval::eval(&args),
    };
    match done {
        Ok(code) => code,
        Err(message) => {
            say_error(&message);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a command line speaks on its standard error")]
fn say_error(message: &str) {
    eprintln!("fb: {message}");
}
