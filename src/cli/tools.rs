//! The flags of the commands for people: `check` and `import`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::{
    cli::{OriginArgs, PortalArgs},
    dns_name::{LONGEST_SUBDOMAIN, is_label, is_subdomain},
};

/// The flags of `check`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("object").args(["names", "file"]).required(true))]
pub struct CheckArgs {
    /// Names of objects of the cluster.
    #[arg(value_name = "NAME", value_parser = object_name)]
    pub names: Vec<String>,

    /// Manifests to check as if they were applied; - for the standard input.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Namespace of the objects; a manifest may not name another one. Default: that of the manifest, or of the current
    /// kubeconfig context.
    #[arg(short, long, value_name = "NAME", value_parser = namespace)]
    pub namespace: Option<String>,

    /// Objects of all namespaces may own a portal's schedule, as for an operator that watches all; otherwise those of the
    /// object's namespace only.
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,

    /// File with the API key, instead of the one in the object's Secret.
    #[arg(long, value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,

    /// Output format.
    #[arg(short, long, value_enum, default_value = "text")]
    pub output: Output,

    /// Where Secrets may be sent.
    #[command(flatten)]
    pub origins: OriginArgs,

    /// How portals are called.
    #[command(flatten)]
    pub portals: PortalArgs,
}

/// Output format of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A line for each fact.
    Text,
    /// A JSON array with an object for each checked object.
    Json,
}

/// The flags of `import`.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// Address of the portal, as spec.portal.url.
    #[arg(long, value_name = "URL")]
    pub url: String,

    /// Host header to send, as spec.portal.hostHeader. Default: the host of the URL.
    #[arg(long, value_name = "HOST")]
    pub host_header: Option<String>,

    /// File with the API key.
    #[arg(long, value_name = "FILE")]
    pub api_key_file: PathBuf,

    /// File with the PEM certificates of a private CA. Default: the public CAs.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// Name of the object; those of the Secrets begin with it.
    #[arg(long, value_name = "NAME", default_value = "docspace-backup", value_parser = imported_name)]
    pub name: String,

    /// Namespace to write into the manifests. Default: none.
    #[arg(short, long, value_name = "NAME", value_parser = namespace)]
    pub namespace: Option<String>,

    /// How portals are called.
    #[command(flatten)]
    pub portals: PortalArgs,
}

/// The longest name of an imported object, in characters: that of a Secret is longer by `-dump-storage`.
const LONGEST_IMPORTED: usize = LONGEST_SUBDOMAIN - 13;

fn imported_name(text: &str) -> Result<String, String> {
    if text.len() <= LONGEST_IMPORTED {
        object_name(text)
    } else {
        Err(format!("must have at most {LONGEST_IMPORTED} characters"))
    }
}

fn object_name(text: &str) -> Result<String, String> {
    let said = "must be the name of an object: lower-case letters, digits, '-' and '.'; each part starts and ends with a \
                letter or digit";
    is_subdomain(text).then(|| text.into()).ok_or_else(|| said.into())
}

fn namespace(text: &str) -> Result<String, String> {
    let said = "must be the name of a namespace: at most 63 lower-case letters, digits and '-'; it starts and ends with a \
                letter or digit";
    is_label(text).then(|| text.into()).ok_or_else(|| said.into())
}
