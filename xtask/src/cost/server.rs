//! Running programs of a measurement.

use std::{
    net::TcpListener,
    ops::Range,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

use super::{
    client,
    path::{Path, Target},
};
use crate::process::run;

/// A running program that is killed at the end.
pub(super) struct Server {
    pub(super) child: Child,
    pub(super) port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

impl Server {
    pub(super) fn start(command: &mut Command, port: u16) -> Result<Self> {
        command.stdout(Stdio::null()).env("FB_COST_KEY", "sk-cost");
        let child =
            command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let mut server = Self { child, port };
        client::wait_for(&mut server.child, port)?;
        Ok(server)
    }

    /// Sends the requests of a path with these numbers.
    pub(super) fn request(&self, path: Path, numbers: Range<u32>) -> Result<()> {
        let requests = numbers.map(|number| match path.target {
            Target::Metrics => client::metrics(),
            Target::AsFloor | Target::Gateway => client::chat(&path.body(number)),
        });
        client::send(self.port, requests).with_context(|| path.name)
    }

    /// Ends the program as an operator would, so that it and valgrind finish.
    pub(super) fn stop(mut self) -> Result<()> {
        run(Command::new("kill").args(["-TERM", &self.child.id().to_string()]))?;
        self.child.wait()?;
        Ok(())
    }
}

pub(super) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
