//! Measures what docs/performance.md and its goals say: the operator with many objects, beside a bare client that sends
//! the same requests in the same run. Only ratios are comparable: absolute times depend on the machine.

mod api_server;
mod bare;
mod phases;
mod portals;
mod sampler;
mod stage;
mod table;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use stage::Stage;
use table::Table;

/// Measures the operator against the bare client of the same requests.
#[derive(Parser)]
struct Args {
    /// The operator's program, as the image has it: what deploy/image/program prints.
    #[arg(long)]
    operator: PathBuf,
    /// Numbers of objects created at once; each begins with a new operator and a new namespace.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000")]
    objects: Vec<usize>,
    /// The file for the figures as JSON.
    #[arg(long, default_value = "target/bench/figures.json")]
    json: PathBuf,
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let mut table = Table::default();
    for size in &args.objects {
        let stage = Stage::new(*size, &args.operator).await;
        phases::all(stage, &mut table).await;
    }
    phases::compare(&args.objects, &mut table);
    if args.objects.len() > 1 {
        phases::shards(&args.operator, &mut table).await;
    }
    table.write(&args.json, &args.operator)?;
    print!("{}", table.text());
    eprintln!("as JSON: {}", args.json.display());
    Ok(if table.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
