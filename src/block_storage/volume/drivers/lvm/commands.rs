//! The commands of lvm2, and what they report. Not here: which are asked for (`mod.rs`).

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::service::exec::Program;

/// A logical volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Logical {
    pub(super) name: String,
    pub(super) bytes: u64,
    /// The pool whose space it takes; empty for what is no thin volume.
    pub(super) pool: String,
    /// Hundredths of a percent of it that hold data, where it is a pool.
    pub(super) used: u64,
}

/// Who carries out a command: lvm2, or a test that remembers it.
pub(super) trait Commands: Send + Sync {
    /// Runs one to its end; what it printed.
    fn run(&self, name: &'static str, arguments: &[&str]) -> Result<String>;
}

/// The real ones.
pub(super) struct Lvm2;

impl Commands for Lvm2 {
    fn run(&self, name: &'static str, arguments: &[&str]) -> Result<String> {
        // It complains of descriptors that it has not opened itself.
        let program = Program::new(name).args(arguments).env("LVM_SUPPRESS_FD_WARNINGS", "1");
        let output = program.run_to_end()?;
        if output.code == Some(0) {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let told = output.stderr.trim();
        let public = match told {
            _ if told.contains("insufficient free space") || told.contains("out of data space") => {
                "The backend has no space left."
            }
            _ if told.contains("in use") => "The volume is in use on its storage host.",
            _ => "The backend's volume group can not do this.",
        };
        Err(Error::unavailable(public, format!("{name} {} failed: {told}", arguments.join(" "))))
    }
}

/// The columns that [`parse`] reads.
pub(super) const COLUMNS: &str = "lv_name,lv_size,pool_lv,data_percent";

/// What `lvs --reportformat json --units b --nosuffix` printed.
///
/// # Errors
/// `Internal` where it is something else.
pub(super) fn parse(text: &str) -> Result<Vec<Logical>> {
    let report: Json = serde_json::from_str(text).map_err(|error| Error::internal(format!("lvs: {error}")))?;
    let rows = report.pointer("/report/0/lv").and_then(Json::as_array);
    let rows = rows.ok_or_else(|| Error::internal("lvs reports no volumes"))?;
    let read = |row: &Json| {
        let text = |key: &str| row.get(key).and_then(Json::as_str).unwrap_or_default();
        let bytes = text("lv_size").parse().map_err(|error| Error::internal(format!("lvs: lv_size: {error}")))?;
        let percent: f64 = text("data_percent").parse().unwrap_or(0.0);
        // Between 0 and 10,000.
        let used = (percent.clamp(0.0, 100.0) * 100.0).round() as u64;
        Ok(Logical { name: text("lv_name").to_owned(), bytes, pool: text("pool_lv").to_owned(), used })
    };
    rows.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_volumes_and_how_full_their_pool_is() {
        let text = r#"{"report": [{"lv": [
            {"lv_name": "pool", "lv_size": "10737418240", "pool_lv": "", "data_percent": "12.34"},
            {"lv_name": "volume-a", "lv_size": "1073741824", "pool_lv": "pool", "data_percent": ""}
        ]}]}"#;
        let expected = [
            Logical { name: "pool".to_owned(), bytes: 10 << 30, pool: String::new(), used: 1234 },
            Logical { name: "volume-a".to_owned(), bytes: 1 << 30, pool: "pool".to_owned(), used: 0 },
        ];
        assert_eq!(parse(text).unwrap(), expected);
        for broken in ["", "{}", r#"{"report": [{"lv": [{"lv_name": "a", "lv_size": "1g"}]}]}"#] {
            parse(broken).unwrap_err();
        }
    }
}
