//! The command line: names, arguments and their help. What a command does stands in `roles/` and `operate/`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::config::Sources;

/// OpenStack Block Storage and Telemetry APIs behind Apache or nginx.
///
/// Without a command it finds out how it was started: a listening socket on file descriptor 0 makes it a FastCGI responder
/// (mod_fcgid, spawn-fcgi, systemd), GATEWAY_INTERFACE in the environment a CGI program.
#[derive(Debug, Parser)]
#[command(name = "hearth", version)]
pub struct Cli {
    /// Where the configuration is read from.
    #[command(flatten)]
    pub sources: SourceArgs,
    /// What to do; without it, be a responder on the socket that was handed over.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Prints the help to standard error, where there is neither a command nor a web server.
pub fn help() -> ExitCode {
    eprint!("{}", Cli::command().render_help());
    ExitCode::from(2)
}

/// Where the configuration is read from.
#[derive(Debug, Default, Args)]
pub struct SourceArgs {
    /// A configuration file; may be given more than once [default: $HEARTH_CONFIG, /etc/hearth/hearth.conf,
    /// /etc/cinder/cinder.conf]
    #[arg(long, global = true, value_name = "FILE")]
    pub config_file: Vec<PathBuf>,
    /// A folder whose *.conf files are read after the files
    #[arg(long, global = true, value_name = "FOLDER")]
    pub config_dir: Vec<PathBuf>,
}

impl SourceArgs {
    /// The sources that the command line names, else the environment, else the usual places.
    pub fn sources(&self) -> Sources {
        let mut files = self.config_file.clone();
        if files.is_empty() && self.config_dir.is_empty() {
            let named = std::env::var_os("HEARTH_CONFIG").unwrap_or_default();
            files = std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()).collect();
        }
        Sources { files, dirs: self.config_dir.clone() }.or_default()
    }
}

/// A service of the executable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServiceName {
    /// Block Storage v3.
    BlockStorage,
    /// Telemetry v2: meters, samples, resources, statistics.
    Metering,
    /// Alarms v2.
    Alarming,
}

impl ServiceName {
    /// Its name as the services themselves know it.
    pub fn word(self) -> &'static str {
        match self {
            Self::BlockStorage => "block-storage",
            Self::Metering => "metering",
            Self::Alarming => "alarming",
        }
    }
}

/// The way in which requests arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// FastCGI on the socket at file descriptor 0, or on those that systemd handed over.
    Fastcgi,
    /// One request from the environment and standard input.
    Cgi,
    /// HTTP/1.1.
    Http,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve both APIs over HTTP/1.1 on loopback, with every role in this process (development, simple testing)
    Serve {
        /// Addresses or paths of unix sockets to listen on
        #[arg(long, value_name = "ADDRESS")]
        listen: Vec<String>,
        /// Leave the volume service to another process
        #[arg(long)]
        without_volume_service: bool,
        /// Leave the backup service to another process
        #[arg(long)]
        without_backup_service: bool,
        /// Leave the alarm service to another process
        #[arg(long)]
        without_alarm_service: bool,
    },
    /// Be a FastCGI responder, on the sockets that were handed over or on those that the option listen of section hearth names
    Api {
        /// Addresses or paths of unix sockets to listen on
        #[arg(long, value_name = "ADDRESS")]
        listen: Vec<String>,
        /// How requests arrive, instead of finding out
        #[arg(long, value_enum)]
        way: Option<Way>,
    },
    /// Be the volume service of a storage host
    Volume,
    /// Be the backup service of a storage host
    Backup,
    /// Evaluate alarms and call whom they tell
    Alarms,
    /// Take samples and events by UDP and from RabbitMQ
    Collector,
    /// Deliver notifications, on a host without a volume or a backup service
    Notify,
    /// Tell listeners of notifications what there was in the last period, for billing
    Audit {
        /// Beginning of the period, such as "2026-01-31 00:00:00" in UTC
        #[arg(long, alias = "start_time")]
        start_time: Option<String>,
        /// End of the period
        #[arg(long, alias = "end_time")]
        end_time: Option<String>,
        /// Tell the creations and deletions of the period again
        #[arg(long, alias = "send_actions")]
        send_actions: bool,
    },
    /// Make, check or thin out the database
    #[command(subcommand)]
    Db(DbCommand),
    /// Show, explain or check the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show or explain the policy
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Compare quota usage with the rows that it counts
    #[command(subcommand)]
    Quota(QuotaCommand),
    /// Take care of Telemetry's samples and events
    #[command(subcommand)]
    Telemetry(TelemetryCommand),
    /// Make a master key, or show a key that it seals (`backend = local` of `[key_manager]`)
    #[command(subcommand)]
    Key(KeyCommand),
    /// Print the routes of a service as tab-separated values
    Routes {
        /// The service
        #[arg(long, value_enum)]
        service: ServiceName,
    },
    /// Print the OpenAPI 3.1 document of a service
    Openapi {
        /// The service
        #[arg(long, value_enum)]
        service: ServiceName,
        /// The version that it describes [default: the highest]
        #[arg(long)]
        microversion: Option<String>,
    },
    /// Look for what is stuck, orphaned or down, and say what to do
    Doctor,
    /// Put a bounded load on an HTTP server on this machine
    Bench(crate::operate::bench::Arguments),
}

/// `hearth db`.
#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Make what is missing: all tables in an empty database, Hearth's own in one that cinder-manage made
    Sync,
    /// Print the schema's revision
    Version,
    /// Report what is broken
    Check,
    /// Remove rows that were deleted so many days ago, in small steps
    Purge {
        /// Age in days
        age_in_days: u32,
    },
}

/// `hearth config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print what is in force and where it comes from; secrets are masked
    Show {
        /// Options that nothing sets too
        #[arg(long)]
        all: bool,
    },
    /// Print every option with its default and meaning
    Sample,
    /// Report unknown options and wrong values with file and line
    Check,
}

/// `hearth policy`.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Print every rule that is in force and where it comes from
    Show,
    /// Print a policy.yaml with every default as a comment
    Sample,
    /// Print which persona each rule allows
    Matrix,
}

/// `hearth telemetry`.
#[derive(Debug, Subcommand)]
pub enum TelemetryCommand {
    /// Remove samples, events and history of alarms that are older than metering_time_to_live, meter_time_to_live,
    /// event_time_to_live and alarm_history_time_to_live say, and put samples older than raw_time_to_live and
    /// meter_raw_time_to_live together by the hour, in small steps
    Expire {
        /// Do so again and again, with so many seconds between, until told to stop
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
        every: Option<u32>,
    },
}

/// `hearth key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make the file of a master key, which its owner alone may read
    Master {
        /// The file, which must not be there
        file: std::path::PathBuf,
    },
    /// Print the key of a volume in hexadecimal digits, for who attaches it by hand
    Show {
        /// The key's id (encryption_key_id)
        key_id: String,
    },
}

/// `hearth quota`.
#[derive(Debug, Subcommand)]
pub enum QuotaCommand {
    /// Report differences
    Check {
        /// One project only
        #[arg(long)]
        project_id: Option<String>,
    },
    /// Put the usage right
    Sync {
        /// One project only
        #[arg(long)]
        project_id: Option<String>,
    },
}
