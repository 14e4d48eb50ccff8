//! The command line: its subcommands, and the dispatch to them.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::commands::{
    backtest::{self, BacktestArgs},
    check, demo,
    drill::{self, DrillArgs},
    env,
    eval::{self, EvalArgs},
    explain,
    plan::{self, PlanArgs},
    savings::{self, SavingsArgs},
    serve,
};

/// A gateway for LLM calls that retries, fails over and reports every decision.
#[derive(Debug, Parser)]
#[command(name = "fb", version)]
pub struct Cli {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands of `fb`.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Run the gateway.
    Serve {
        /// Config file [default: a route over the providers with an API key in the environment, and a local Ollama].
        #[arg(long)]
        config: Option<PathBuf>,
        /// Address to listen on; overrides `server.listen` of the config.
        #[arg(long)]
        listen: Option<SocketAddr>,
    },
    /// Break simulated providers behind a gateway and print every attempt. Needs no API keys and no network.
    Demo {
        /// Exit after the demo instead of keeping the gateway running.
        #[arg(long)]
        once: bool,
        /// Address of the gateway; if it is in use, a free port is taken.
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
    },
    /// Print the decisions of a running gateway for one request, with reasons. The environment variable `FB_ADMIN_TOKEN` has
    /// the admin token, if the gateway has one.
    Explain {
        /// Request ID: the response header `x-request-id`.
        id: String,
        /// URL of the gateway's admin listener, such as `http://127.0.0.1:9090`.
        #[arg(long)]
        admin: String,
    },
    /// Check a config file and print every error with its line and column.
    Check {
        /// Config file.
        file: PathBuf,
    },
    /// Print the environment variables that send OpenAI's and Anthropic's clients, and Claude Code, through the gateway.
    Env {
        /// Config file of the gateway [default: the default address, and the route `default`].
        #[arg(long)]
        config: Option<PathBuf>,
        /// Route that the clients use as their model [default: `default`, or the first one].
        #[arg(long)]
        route: Option<String>,
    },
    /// Print the route and class of a request, its targets in order, and the refused ones with reasons. Calls no
    /// provider and needs no API keys.
    Plan(PlanArgs),
    /// Compare the cost of routing requests by complexity class with that of sending all to one target. Calls no
    /// provider and needs no API keys.
    Savings(SavingsArgs),
    /// Simulate an outage of every target and print which target answers instead. Calls no provider and needs no API
    /// keys.
    Drill(DrillArgs),
    /// Replay recorded requests against another config and compare the results. Calls no provider and needs no API
    /// keys.
    Backtest(BacktestArgs),
    /// Send golden cases to every target of a route and judge the answers. Calls providers.
    Eval(EvalArgs),
}

/// Runs a command and returns its exit code: 0 for success, 1 for a negative result or an error, which is printed.
pub fn run(cli: Cli) -> ExitCode {
    let result = match cli.command {
        Command::Serve { config, listen } => serve::serve(config.as_deref(), listen),
        Command::Demo { once, listen } => demo::demo(once, listen),
        Command::Explain { id, admin } => explain::explain(&id, &admin),
        Command::Check { file } => check::check(&file),
        Command::Env { config, route } => env::env(config.as_deref(), route.as_deref()),
        Command::Plan(args) => plan::plan(&args),
        Command::Savings(args) => savings::savings(&args),
        Command::Drill(args) => drill::drill(&args),
        Command::Backtest(args) => backtest::backtest(&args),
        Command::Eval(args) => eval::eval(&args),
    };
    match result {
        Ok(code) => code,
        Err(message) => {
            print_error(&message);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "errors of a command go to standard error")]
fn print_error(message: &str) {
    eprintln!("fb: {message}");
}
