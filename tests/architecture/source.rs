//! Who may import whom, where SQL, programs, `unsafe` and panics may stand, and how long a file may be.
//!
//! Source is read as text. What stands behind `#[cfg(test)]` may import whatever it likes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A part of the tree and what it may import besides itself, its own parts, and what [`EVERYBODY`] may import. The row
/// with the longest name that fits a file is the one that counts; a folder without a row may import nothing else.
struct Layer {
    name: &'static str,
    may: &'static [&'static str],
}

/// What everything may import: the domain error, the crate's own `Result`, and time.
const EVERYBODY: &[&str] = &["error", "time", "Error", "Kind", "Result"];

const LAYERS: &[Layer] = &[
    Layer { name: "", may: &["operate", "roles"] },
    Layer { name: "error", may: &[] },
    Layer { name: "time", may: &[] },
    Layer { name: "sys", may: &[] },
    Layer { name: "config", may: &["service", "sys"] },
    Layer { name: "service", may: &["config", "sys", "gateway"] },
    Layer { name: "gateway", may: &["service", "sys"] },
    Layer { name: "database", may: &["config", "service", "sys"] },
    Layer { name: "messaging", may: &["config", "database", "service", "sys"] },
    Layer { name: "identity", may: &["config", "service", "sys", "gateway"] },
    Layer { name: "rest", may: &["gateway", "identity", "config", "service"] },
    Layer { name: "block_storage", may: PLATFORM },
    Layer { name: "block_storage::model", may: &[] },
    Layer { name: "block_storage::policies", may: &["identity::policy"] },
    Layer { name: "block_storage::compute", may: &["config", "identity", "service"] },
    Layer { name: "block_storage::glance", may: &["block_storage::model", "config", "identity", "service"] },
    Layer {
        name: "block_storage::key_store",
        may: &["block_storage::model", "block_storage::store", "identity", "database", "config", "service"],
    },
    Layer {
        name: "block_storage::api",
        may: &[
            "block_storage::BlockStorage",
            "block_storage::control",
            "block_storage::model",
            "block_storage::policies",
            "rest",
            "identity",
            "config",
            "gateway::Request",
        ],
    },
    Layer {
        name: "block_storage::control",
        may: &[
            "block_storage::BlockStorage",
            "block_storage::store",
            "block_storage::rpc",
            "block_storage::model",
            "block_storage::policies",
            "block_storage::scheduler",
            "block_storage::compute",
            "block_storage::key_store",
            "block_storage::notices",
            "block_storage::glance",
            "identity",
            "database",
            "messaging",
            "config",
            "rest::python",
        ],
    },
    Layer {
        name: "block_storage::notices",
        may: &[
            "block_storage::model",
            "block_storage::store",
            "block_storage::scheduler",
            "database",
            "identity::Context",
            "identity::Secret",
            "messaging",
            "rest::python",
        ],
    },
    Layer { name: "block_storage::store", may: &["block_storage::model", "database"] },
    Layer { name: "block_storage::scheduler", may: &["block_storage::model", "block_storage::store", "database"] },
    Layer {
        name: "block_storage::rpc",
        may: &["block_storage::model", "block_storage::store", "database", "messaging", "config", "service"],
    },
    Layer { name: "block_storage::volume", may: BEHIND_BLOCK_STORAGE },
    // Backups are copied from and to where volumes lie.
    Layer { name: "block_storage::backup", may: BACKUP },
    Layer { name: "telemetry", may: PLATFORM },
    Layer { name: "telemetry::model", may: &[] },
    Layer { name: "telemetry::policy", may: &["identity::policy"] },
    Layer {
        name: "telemetry::api",
        may: &[
            "telemetry::Telemetry",
            "telemetry::control",
            "telemetry::model",
            "telemetry::policy",
            "rest",
            "identity",
            "config",
            "gateway::Request",
        ],
    },
    Layer {
        name: "telemetry::control",
        may: &[
            "service::fault",
            "telemetry::Telemetry",
            "telemetry::definitions",
            "telemetry::notices",
            "telemetry::store",
            "telemetry::model",
            "telemetry::policy",
            "identity",
            "database",
            "config",
        ],
    },
    // How the service talks is a value of the platform's, which has the answers of an unknown URL in it.
    Layer { name: "telemetry::api::dialect", may: TELEMETRY_DIALECT },
    Layer {
        name: "telemetry::api::xml",
        may: &["gateway::Request", "gateway::Response", "gateway::ResponseBody", "gateway::Spool"],
    },
    // Who may publish without a token is decided before there is a caller.
    Layer { name: "telemetry::api::publishers", may: PLATFORM },
    Layer { name: "telemetry::store", may: &["telemetry::model", "database", "messaging", "service"] },
    Layer { name: "telemetry::notices", may: &["telemetry::store", "messaging", "config"] },
    Layer {
        name: "telemetry::ingest",
        may: &[
            "telemetry::notices",
            "telemetry::store",
            "telemetry::model",
            "telemetry::definitions",
            "rest::python",
            "messaging",
            "service",
            "database",
            "config",
        ],
    },
    Layer { name: "telemetry::definitions", may: &["telemetry::model", "config", "rest::python"] },
    Layer {
        name: "telemetry::alarms",
        may: &[
            "telemetry::notices",
            "telemetry::store",
            "telemetry::model",
            // What a query means in a rule is what it means in a request.
            "telemetry::control::simple_query",
            "telemetry::control::alarms::rules",
            "rest::python",
            "rest::query",
            "service",
            "database",
            "identity",
            "config",
        ],
    },
    Layer { name: "roles", may: SERVICES },
    Layer { name: "operate", may: SERVICES },
    Layer { name: "main", may: &["operate", "roles", "config", "service"] },
];

const PLATFORM: &[&str] =
    &["config", "service", "database", "messaging", "identity", "rest", "gateway::Request", "gateway::Response"];

const TELEMETRY_DIALECT: &[&str] = &[
    "telemetry::api::publishers",
    "telemetry::api::xml",
    "config",
    "service",
    "database",
    "messaging",
    "identity",
    "rest",
    "gateway::Request",
    "gateway::Response",
];

const SERVICES: &[&str] = &[
    "block_storage",
    "telemetry",
    "config",
    "service",
    "sys",
    "gateway",
    "database",
    "messaging",
    "identity",
    "rest",
    "roles",
    "operate",
];

const BEHIND_BLOCK_STORAGE: &[&str] = &[
    "gateway::running",
    "block_storage::store",
    "block_storage::model",
    "block_storage::scheduler",
    "block_storage::rpc",
    "block_storage::glance",
    // The volume service removes the keys of volumes that are gone.
    "block_storage::key_store",
    "block_storage::notices",
    // It tells servers that their volumes have grown.
    "block_storage::compute",
    "messaging",
    "service",
    "database",
    "config",
];

const BACKUP: &[&str] = &[
    "gateway::running",
    "block_storage::store",
    "block_storage::model",
    "block_storage::rpc",
    "block_storage::volume::drivers",
    "block_storage::volume::Place",
    "block_storage::volume::format_of",
    "block_storage::volume::places",
    "block_storage::notices",
    "messaging",
    "service",
    "database",
    "config",
];

/// Files longer than 600 lines, with the reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Code that may panic, with the reason why it can not.
const MAY_PANIC: &[(&str, &str, &str)] = &[];

#[test]
fn each_layer_imports_only_what_it_may() {
    let mut wrong = String::new();
    for file in sources() {
        let layer = layer_of(&file.module);
        for import in &file.imports {
            let own = layer.name.is_empty() || below(import, layer.name);
            let allowed = own
                || EVERYBODY.iter().any(|name| below(import, name))
                || layer.may.iter().any(|name| below(import, name));
            if !allowed {
                let _ = writeln!(wrong, "{} ({}) imports crate::{import}", file.name, layer.name);
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the layers:\n{wrong}");
}

#[test]
fn the_two_services_never_import_each_other() {
    for file in sources() {
        let other = match file.module.split("::").next() {
            Some("block_storage") => "telemetry",
            Some("telemetry") => "block_storage",
            _ => continue,
        };
        let strange: Vec<&String> = file.imports.iter().filter(|import| below(import, other)).collect();
        assert!(strange.is_empty(), "{} imports {strange:?}", file.name);
    }
}

#[test]
fn sql_stands_only_in_store_and_database() {
    let words = ["SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE", "DROP TABLE", "ALTER TABLE"];
    refuse("SQL", |file, line| {
        let home = file.name.contains("/store/") || file.name.starts_with("src/database/");
        let update = line.contains("UPDATE ") && line.contains(" SET ");
        !home && line.contains('"') && (update || words.iter().any(|word| line.contains(word)))
    });
}

#[test]
fn programs_are_started_only_in_one_file() {
    refuse("a program is started", |file, line| {
        let starts = ["process::Command", "Command::new(", "posix_spawn", "execv", "fork("];
        // What the system wants of a child before it runs is unsafe, so a part of `service/exec.rs` stands in `sys/`.
        !["src/service/exec.rs", "src/sys/child.rs"].contains(&file.name.as_str())
            && starts.iter().any(|word| line.contains(word))
    });
}

#[test]
fn unsafe_code_stands_only_in_sys() {
    refuse("unsafe code", |file, line| !file.name.starts_with("src/sys/") && words(line).any(|word| word == "unsafe"));
}

#[test]
fn nothing_panics_on_purpose() {
    refuse("a panic", |file, line| {
        let panics = [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!(", "unreachable!("];
        let excused = MAY_PANIC.iter().any(|(name, text, _)| *name == file.name && line.contains(text));
        !excused && panics.iter().any(|word| line.contains(word))
    });
}

#[test]
fn files_are_short_and_say_what_they_are() {
    for file in sources() {
        let excused = LONG_FILES.iter().any(|(name, _)| *name == file.name);
        let limit = if excused { 1_000 } else { 600 };
        assert!(file.lines <= limit, "{} has {} lines", file.name, file.lines);
        assert!(file.text.starts_with("//!"), "{} does not say what it is", file.name);
    }
    for name in LONG_FILES.iter().map(|(name, _)| *name).chain(MAY_PANIC.iter().map(|(name, ..)| *name)) {
        assert!(Path::new(name).exists(), "the exception for {name} is of no use");
    }
}

/// One file of source.
pub(super) struct Source {
    /// `src/rest/route.rs`.
    pub(super) name: String,
    /// `rest::route`; `rest` for `src/rest/mod.rs`; nothing for `src/lib.rs`.
    module: String,
    /// As it is.
    text: String,
    /// Its lines, all of them.
    lines: usize,
    /// Lines of code outside of tests, without comments.
    pub(super) code: Vec<String>,
    /// What it imports from this crate: `rest::route::Route`.
    imports: Vec<String>,
}

/// Every file under `src`.
pub(super) fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    walk(Path::new("src"), &mut paths);
    assert!(paths.len() > 20, "the tests are not run in the project's folder");
    paths.iter().map(|path| read(path)).collect()
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn read(path: &Path) -> Source {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.to_str().unwrap().to_owned();
    let module = name.trim_start_matches("src/").trim_end_matches(".rs").replace('/', "::");
    let module = module.trim_end_matches("::mod").to_owned();
    let module = if module == "lib" { String::new() } else { module };
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: Vec<String> = text
        .lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .filter(is_code)
        .map(|line| line.split(" // ").next().unwrap().to_owned())
        .collect();
    let imports = imports(&code.join("\n"), &module);
    Source { name, module, lines: text.lines().count(), text, code, imports }
}

/// The paths that start with `crate::` or `super::`, as paths from the crate's root.
fn imports(code: &str, module: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if !code[..at].ends_with(|letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '$' | ':')) {
            expand("", &code[at + "crate::".len()..], &mut found);
        }
    }
    for (at, _) in code.match_indices("super::") {
        if code[..at].ends_with("super::") || code[..at].ends_with("pub(in ") {
            continue;
        }
        let mut rest = &code[at..];
        let mut parts: Vec<&str> = module.split("::").collect();
        while let Some(after) = rest.strip_prefix("super::") {
            parts.pop();
            rest = after;
        }
        let base = parts.iter().map(|part| format!("{part}::")).collect::<String>();
        expand(&base, rest, &mut found);
    }
    found
}

/// The paths of a use tree such as `a::{b, c::{d, e}}` that follows `base`.
fn expand(base: &str, tree: &str, found: &mut Vec<String>) {
    let end = tree.find(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | ':' | '#')));
    let (path, rest) = tree.split_at(end.unwrap_or(tree.len()));
    let Some(inner) = rest.strip_prefix('{').filter(|_| path.is_empty() || path.ends_with("::")) else {
        found.push([base, path].concat().trim_end_matches(':').to_owned());
        return;
    };
    let mut depth = 0_usize;
    let mut start = 0;
    for (at, letter) in inner.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let branch = inner[start..at].trim();
                if !branch.is_empty() {
                    expand(&[base, path].concat(), branch, found);
                }
                start = at + 1;
                if letter == '}' {
                    return;
                }
            }
            _ => {}
        }
    }
}

/// The row of the longest name that holds `module`.
fn layer_of(module: &str) -> &'static Layer {
    let fitting = LAYERS.iter().filter(|layer| layer.name.is_empty() || below(module, layer.name));
    let found = fitting.max_by_key(|layer| layer.name.len()).unwrap();
    assert!(!found.name.is_empty() || module.is_empty(), "{module} belongs to no layer");
    found
}

/// Whether `path` is `name` or stands below it.
fn below(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
}

/// Fails with every line of code for which `wrong` holds.
fn refuse(what: &str, wrong: impl Fn(&Source, &str) -> bool) {
    let mut found = String::new();
    for file in sources() {
        for line in file.code.iter().filter(|line| wrong(&file, line)) {
            let _ = writeln!(found, "{}: {}", file.name, line.trim());
        }
    }
    assert!(found.is_empty(), "{what} where it must not be:\n{found}");
}

#[test]
fn the_reader_of_imports_sees_every_form() {
    let code = "use crate::a::{self, b::C, d};\nlet x = crate::e::f(); use super::g; use super::super::{h, i::j};";
    let found = imports(code, "p::q::r");
    assert_eq!(found, ["a::self", "a::b::C", "a::d", "e::f", "p::q::g", "p::h", "p::i::j"]);
    assert_eq!(imports("use super::x;", "p"), ["x"]);
}
