//! Simulates one provider until the process is killed: `cargo run -p fb-sim --example simulate -- anthropic 39102`.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use fb_sim::{Dialect, Sim};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dialect: Dialect = arguments.next().as_deref().unwrap_or("openai").parse()?;
    let port: u16 = arguments.next().as_deref().unwrap_or("0").parse()?;

    let sim = Sim::start_on(dialect, SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    #[expect(clippy::print_stdout, reason = "an example prints to its user")]
    {
        println!("simulating {dialect} at {}", sim.base_url());
        println!("break it: curl -X POST http://{}/sim/fault -d 'status=503'", sim.addr());
    }
    std::future::pending().await
}
