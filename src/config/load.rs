//! The configuration of a process: files and folders read in order, values checked and typed once. Looking a value up
//! takes no lock and makes nothing. Not here: which options there are (`ALL`), and the report of `config check`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check;
use super::opt::Opt;
use super::parse::parse;
use super::sources::{Origin, Problem, Severity, Sources};
use super::substitute::substitute;
use super::value::Value;
use super::{ALL, BACKEND_SECTION, backend};
use crate::error::{Error, Result};

/// Every assignment to one name: the texts of a repeated option in order.
#[derive(Debug, Clone)]
pub(super) struct Assigned {
    pub(super) section: String,
    pub(super) name: String,
    pub(super) texts: Vec<String>,
    pub(super) origin: Origin,
}

/// A value, its text after substitution, and where it comes from.
#[derive(Debug, Clone)]
struct Setting {
    value: Value,
    texts: Vec<String>,
    origin: Origin,
}

static UNSET: Value = Value::Unset;

/// The configuration of a process. Never changes; reading it again makes another.
#[derive(Debug, Default, Clone)]
pub struct Config {
    settings: HashMap<(&'static str, &'static str), Setting>,
    /// Rows of `backend_defaults` as each backend's own section sets them; sections in lower case.
    backends: HashMap<String, HashMap<&'static str, Setting>>,
    problems: Vec<Problem>,
    files: Vec<PathBuf>,
}

impl Config {
    /// Reads the files, then the folders, then the environment variables `OS_<SECTION>__<NAME>`.
    ///
    /// # Errors
    /// `Invalid` with one line for each file that can not be read and each value that is not allowed.
    pub fn load(sources: &Sources) -> Result<Self> {
        Self::usable(Self::inspect(sources)?)
    }

    /// As [`Config::load`], but values that are not allowed are kept among [`Config::problems`] and count as not set.
    ///
    /// # Errors
    /// `Invalid` where a file can not be read.
    pub(super) fn inspect(sources: &Sources) -> Result<Self> {
        let mut texts = Vec::new();
        for path in sources.paths()? {
            let unreadable =
                |error| Error::invalid(format!("{}: the file can not be read", path.display())).because(error);
            let text = std::fs::read(&path).map_err(unreadable)?;
            let not_utf8 = |error| Error::invalid(format!("{}: the file is not UTF-8", path.display())).because(error);
            let text = String::from_utf8(text).map_err(not_utf8)?;
            texts.push((path, text));
        }
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Ok(Self::read(&texts, std::env::vars_os().filter_map(text)))
    }

    /// Reads one text as if it were a file of the name `text`; no environment.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_text(text: &str) -> Result<Self> {
        Self::usable(Self::read(&[(PathBuf::from("text"), text.to_owned())], std::iter::empty()))
    }

    /// Reads whatever can be read, and keeps what is wrong among [`Config::problems`].
    pub(super) fn read(texts: &[(PathBuf, String)], environment: impl Iterator<Item = (String, String)>) -> Self {
        let mut problems = Vec::new();
        let mut assigned: Vec<Assigned> = Vec::new();
        for (path, text) in texts {
            let (assignments, faults) = parse(text);
            problems.extend(faults.into_iter().map(|fault| Problem {
                severity: Severity::Error,
                origin: Origin::File(path.clone(), fault.line),
                text: fault.text,
            }));
            for assignment in assignments {
                let origin = Origin::File(path.clone(), assignment.line);
                assign(&mut assigned, &assignment.section, &assignment.name, assignment.value, origin);
            }
        }
        for (name, value) in environment {
            if let Some((section, option)) = name.strip_prefix("OS_").and_then(|rest| rest.split_once("__")) {
                let (section, option) = (section.to_ascii_lowercase(), option.to_ascii_lowercase());
                // Many programs read variables of this form: take those alone that name an option of ours.
                if let Some(opt) = rows().find(|opt| same_section(opt.section, &section) && opt.name == option) {
                    assigned.retain(|other| !(same_section(&other.section, opt.section) && other.name == opt.name));
                    assign(&mut assigned, opt.section, opt.name, value, Origin::Environment(name.clone()));
                }
            }
        }
        let mut config = Self { files: texts.iter().map(|(path, _)| path.clone()).collect(), ..Self::default() };
        for opt in rows() {
            let setting = setting(opt, opt.section, &assigned, &mut problems);
            config.settings.insert((opt.section, opt.name), setting);
        }
        let names = config.list(&backend::ENABLED_BACKENDS).to_vec();
        for name in &names {
            let mut own = HashMap::new();
            for opt in rows().filter(|opt| opt.section == BACKEND_SECTION) {
                let setting = setting(opt, name, &assigned, &mut problems);
                if setting.origin != Origin::Default {
                    own.insert(opt.name, setting);
                }
            }
            config.backends.insert(name.to_ascii_lowercase(), own);
        }
        problems.extend(check::names(&assigned, &names));
        config.problems = problems;
        config
    }

    /// The same with these texts for options of one section, as an address that an option holds carries them, and the names
    /// of those that are no option.
    ///
    /// # Errors
    /// `Invalid` for a text that is not allowed.
    pub fn with_options(&self, section: &str, texts: &[(String, String)], from: &Opt) -> Result<(Self, Vec<String>)> {
        let (mut config, mut unknown) = (self.clone(), Vec::new());
        for (name, text) in texts {
            let Some(opt) = rows().find(|opt| same_section(opt.section, section) && opt.name == *name) else {
                unknown.push(name.clone());
                continue;
            };
            let (texts, origin) = (vec![text.clone()], self.origin(from).clone());
            let value = Value::read(&opt.kind, &texts)
                .map_err(|wrong| Error::invalid(format!("[{}] {}: {name} {wrong}", from.section, from.name)))?;
            config.settings.insert((opt.section, opt.name), Setting { value, texts, origin });
        }
        Ok((config, unknown))
    }

    fn usable(config: Self) -> Result<Self> {
        let errors: Vec<String> = config
            .problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .map(Problem::to_string)
            .collect();
        if errors.is_empty() { Ok(config) } else { Err(Error::invalid(errors.join("\n"))) }
    }

    /// What is wrong with the files, in the order of the files for unknown names.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The files that were read, in order.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Finds a file of a relative name beside the configuration files, as oslo.config does: first beside each file
    /// that was read, then in `/etc/hearth` and `/etc/cinder`.
    pub fn find_file(&self, name: &str) -> Option<PathBuf> {
        let name = Path::new(name);
        if name.is_absolute() {
            return name.exists().then(|| name.to_owned());
        }
        let beside = self.files.iter().filter_map(|file| file.parent());
        let usual = ["/etc/hearth", "/etc/cinder"].map(Path::new);
        beside.chain(usual).map(|dir| dir.join(name)).find(|path| path.exists())
    }

    fn setting(&self, opt: &Opt) -> Option<&Setting> {
        let found = self.settings.get(&(opt.section, opt.name));
        debug_assert!(found.is_some(), "[{}] {} is not among the rows of config::ALL", opt.section, opt.name);
        found
    }

    fn value(&self, opt: &Opt) -> &Value {
        self.setting(opt).map_or(&UNSET, |setting| &setting.value)
    }

    /// Value in the section of one backend: its own, else that of `[backend_defaults]`, else the default.
    fn value_in(&self, section: &str, opt: &Opt) -> &Value {
        let own = match self.backends.get(section) {
            Some(own) => Some(own),
            None => self.backends.iter().find(|(name, _)| name.eq_ignore_ascii_case(section)).map(|(_, own)| own),
        };
        own.and_then(|own| own.get(opt.name)).map_or_else(|| self.value(opt), |setting| &setting.value)
    }

    /// A text; empty where it is not set.
    pub fn text(&self, opt: &Opt) -> &str {
        text(self.value(opt)).unwrap_or("")
    }

    /// A text that may be not set.
    pub fn opt_text(&self, opt: &Opt) -> Option<&str> {
        text(self.value(opt))
    }

    /// A whole number; 0 where it is not set.
    pub fn integer(&self, opt: &Opt) -> i64 {
        self.opt_integer(opt).unwrap_or(0)
    }

    /// A whole number that may be not set.
    pub fn opt_integer(&self, opt: &Opt) -> Option<i64> {
        integer(self.value(opt))
    }

    /// A number; 0 where it is not set.
    pub fn float(&self, opt: &Opt) -> f64 {
        float(self.value(opt))
    }

    /// On or off; off where it is not set.
    pub fn boolean(&self, opt: &Opt) -> bool {
        matches!(self.value(opt), Value::Boolean(true))
    }

    /// Texts of a list or of a repeated option.
    pub fn list(&self, opt: &Opt) -> &[String] {
        list(self.value(opt))
    }

    /// A time span; zero where it is not set.
    pub fn seconds(&self, opt: &Opt) -> Duration {
        seconds(self.value(opt))
    }

    /// As [`Config::text`], for a row of `backend_defaults` in the section of one backend.
    pub fn text_in(&self, section: &str, opt: &Opt) -> &str {
        text(self.value_in(section, opt)).unwrap_or("")
    }

    /// As [`Config::opt_text`], in the section of one backend.
    pub fn opt_text_in(&self, section: &str, opt: &Opt) -> Option<&str> {
        text(self.value_in(section, opt))
    }

    /// As [`Config::integer`], in the section of one backend.
    pub fn integer_in(&self, section: &str, opt: &Opt) -> i64 {
        integer(self.value_in(section, opt)).unwrap_or(0)
    }

    /// As [`Config::float`], in the section of one backend.
    pub fn float_in(&self, section: &str, opt: &Opt) -> f64 {
        float(self.value_in(section, opt))
    }

    /// As [`Config::boolean`], in the section of one backend.
    pub fn boolean_in(&self, section: &str, opt: &Opt) -> bool {
        matches!(self.value_in(section, opt), Value::Boolean(true))
    }

    /// As [`Config::list`], in the section of one backend.
    pub fn list_in(&self, section: &str, opt: &Opt) -> &[String] {
        list(self.value_in(section, opt))
    }

    /// As [`Config::seconds`], in the section of one backend.
    pub fn seconds_in(&self, section: &str, opt: &Opt) -> Duration {
        seconds(self.value_in(section, opt))
    }

    /// Where the value of an option comes from.
    pub fn origin(&self, opt: &Opt) -> &Origin {
        self.setting(opt).map_or(&Origin::Default, |setting| &setting.origin)
    }

    /// The value as a file would hold it, one text for each repetition. A secret is shown as `****`.
    pub fn shown(&self, opt: &Opt) -> Vec<String> {
        shown(opt, self.setting(opt))
    }

    /// What the section of one backend sets itself: rows, values as a file would hold them, and where they come from.
    pub fn shown_in(&self, section: &str) -> Vec<(&'static Opt, Vec<String>, &Origin)> {
        let own = self.backends.get(&section.to_ascii_lowercase());
        let row = |opt: &'static Opt| {
            let setting = own?.get(opt.name)?;
            Some((opt, shown(opt, Some(setting)), &setting.origin))
        };
        rows().filter(|opt| opt.section == BACKEND_SECTION).filter_map(row).collect()
    }

    /// The rows whose values differ in `newer`.
    pub fn changes(&self, newer: &Self) -> Vec<&'static Opt> {
        rows().filter(|opt| self.value(opt) != newer.value(opt)).collect()
    }
}

/// Every row.
pub(super) fn rows() -> impl Iterator<Item = &'static Opt> {
    ALL.iter().copied().flatten()
}

/// oslo.config takes section names in any case.
pub(super) fn same_section(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

fn assign(assigned: &mut Vec<Assigned>, section: &str, name: &str, text: String, origin: Origin) {
    match assigned.iter_mut().find(|other| same_section(&other.section, section) && other.name == name) {
        Some(earlier) => {
            // A later file takes the place of an earlier one; a repetition in the same file adds a text.
            let same_file =
                matches!((&earlier.origin, &origin), (Origin::File(one, _), Origin::File(other, _)) if one == other);
            if !same_file {
                earlier.texts.clear();
            }
            earlier.texts.push(text);
            earlier.origin = origin;
        }
        None => {
            let (section, name) = (section.to_owned(), name.to_owned());
            assigned.push(Assigned { section, name, texts: vec![text], origin });
        }
    }
}

/// The value of one row in one section, which is not the row's own where a backend is asked.
fn setting(opt: &Opt, section: &str, assigned: &[Assigned], problems: &mut Vec<Problem>) -> Setting {
    let find = |section: &str, name: &str| {
        assigned.iter().find(|candidate| candidate.name == name && same_section(&candidate.section, section))
    };
    let mut found = find(section, opt.name);
    if found.is_none() {
        // A former name in the row's own section is meant for the section that is asked.
        let former = |&(old, name): &(&str, &str)| find(if old == opt.section { section } else { old }, name);
        found = opt.deprecated.iter().find_map(former);
        if let Some(found) = found {
            problems.push(Problem {
                severity: Severity::Warning,
                origin: found.origin.clone(),
                text: format!("[{}] {} is now called [{section}] {}", found.section, found.name, opt.name),
            });
        }
    }
    let (texts, origin) = match found {
        Some(found) => (found.texts.clone(), found.origin.clone()),
        None => (vec![opt.default_text().into_owned()], Origin::Default),
    };
    let mut report = |text: String| {
        let text = format!("[{section}] {} {text}", opt.name);
        problems.push(Problem { severity: Severity::Error, origin: origin.clone(), text });
    };
    let mut plain = Vec::with_capacity(texts.len());
    for text in texts {
        match substitute(&text, section, assigned) {
            Ok(text) => plain.push(text),
            Err(_) if opt.secret => report("holds a dollar sign before what is no option; write $$ for it".to_owned()),
            Err(reason) => report(reason),
        }
    }
    let value = Value::read(&opt.kind, &plain).unwrap_or_else(|reason| {
        report(reason);
        Value::Unset
    });
    Setting { value, texts: plain, origin }
}

fn shown(opt: &Opt, setting: Option<&Setting>) -> Vec<String> {
    let Some(setting) = setting else { return Vec::new() };
    if matches!(setting.value, Value::Unset) {
        Vec::new()
    } else if opt.secret {
        vec!["****".to_owned()]
    } else if matches!(opt.kind, super::OptKind::MultiText | super::OptKind::MultiChoice(_)) {
        setting.texts.clone()
    } else {
        setting.texts.last().cloned().into_iter().collect()
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        _ => None,
    }
}

fn float(value: &Value) -> f64 {
    match value {
        Value::Float(number) => *number,
        _ => 0.0,
    }
}

fn list(value: &Value) -> &[String] {
    match value {
        Value::List(texts) => texts,
        _ => &[],
    }
}

fn seconds(value: &Value) -> Duration {
    match value {
        Value::Seconds(span) => *span,
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{database, default, keystone_authtoken, oslo_policy, quota};

    /// A folder with files, removed when it goes out of use.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let folder = Self(std::env::temp_dir().join(format!("hearth-config-{}-{name}", std::process::id())));
            let _ = std::fs::remove_dir_all(&folder.0);
            for (name, text) in files {
                let path = folder.path(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            folder
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn later_files_and_then_the_files_of_folders_go_before() {
        let folder = Folder::new(
            "order",
            &[
                ("a.conf", "osapi_max_limit = 1\nquota_volumes = 1\nquota_groups = 1\nhost = a"),
                ("b.conf", "osapi_max_limit = 2\nquota_volumes = 2"),
                ("d/2.conf", "quota_groups = 3"),
                ("d/1.conf", "quota_volumes = 3\nquota_groups = 9"),
                ("d/ignored", "host = b"),
            ],
        );
        let files = vec![folder.path("a.conf"), folder.path("b.conf")];
        let config = Config::load(&Sources { files, dirs: vec![folder.path("d")] }).unwrap();
        assert_eq!(config.integer(&default::OSAPI_MAX_LIMIT), 2);
        assert_eq!((config.integer(&quota::QUOTA_VOLUMES), config.integer(&quota::QUOTA_GROUPS)), (3, 3));
        assert_eq!(config.text(&default::HOST), "a");
        assert_eq!(*config.origin(&default::OSAPI_MAX_LIMIT), Origin::File(folder.path("b.conf"), 1));
        assert_eq!(config.files().len(), 4);
        assert_eq!(config.find_file("d/ignored"), Some(folder.path("d/ignored")));
        assert_eq!(config.find_file("nowhere.yaml"), None);
        let missing =
            Config::load(&Sources { files: vec![folder.path("missing.conf")], dirs: Vec::new() }).unwrap_err();
        assert!(missing.public().ends_with("missing.conf: the file can not be read"), "{missing}");
    }

    #[test]
    fn repeated_options_add_up_in_one_file_and_start_anew_in_the_next() {
        let texts = ["policy_dirs = a\npolicy_dirs = b", "policy_dirs = c"]
            .map(|text| (PathBuf::from(text), format!("[oslo_policy]\n{text}")));
        let read =
            |count: usize| Config::read(&texts[..count], std::iter::empty()).list(&oslo_policy::POLICY_DIRS).to_vec();
        assert_eq!(read(1), ["a", "b"]);
        assert_eq!(read(2), ["c"]);
        assert_eq!(Config::from_text("host = a\nhost = b").unwrap().text(&default::HOST), "b");
    }

    #[test]
    fn sections_may_be_written_in_any_case() {
        let config = Config::from_text("[Database]\npool_timeout = 7\n[default]\nhost = h").unwrap();
        assert_eq!(
            (config.seconds(&database::POOL_TIMEOUT), config.text(&default::HOST)),
            (Duration::from_secs(7), "h")
        );
    }

    #[test]
    fn environment_variables_go_before_files() {
        let file = [(PathBuf::from("f"), "osapi_max_limit = 5\n[database]\npool_timeout = 6".to_owned())];
        let environment = [("OS_DATABASE__POOL_TIMEOUT", "9"), ("OS_DEFAULT__UNKNOWN", "1"), ("OS_AUTH_URL", "x")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::read(&file, environment.into_iter());
        assert_eq!(
            (config.seconds(&database::POOL_TIMEOUT), config.integer(&default::OSAPI_MAX_LIMIT)),
            (Duration::from_secs(9), 5)
        );
        assert_eq!(
            config.origin(&database::POOL_TIMEOUT).to_string(),
            "environment variable OS_DATABASE__POOL_TIMEOUT"
        );
        assert_eq!(config.problems(), []);
    }

    #[test]
    fn every_wrong_value_is_told_with_place_and_remedy_but_not_with_itself() {
        let text = "[database]\nconnection = mysql://u:$geheim@h/d\npool_timeout = geheim\n[DEFAULT]\nauth_strategy = geheim\n[x";
        let error = Config::from_text(text).unwrap_err();
        assert!(!error.public().contains("geheim"), "{error}");
        let mut lines: Vec<&str> = error.public().lines().collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "text:2: error: [database] connection holds a dollar sign before what is no option; write $$ for it",
                "text:3: error: [database] pool_timeout is not a number of seconds, 0 or more",
                "text:5: error: [DEFAULT] auth_strategy is not one of noauth, noauth_include_project_id, keystone",
                "text:6: error: a section must end with ']'",
            ]
        );
    }

    #[test]
    fn former_names_are_read_with_a_warning_unless_the_new_one_is_there() {
        let config =
            Config::from_text("[keystone_authtoken]\nauth_uri = http://k\nadmin_user = a\nusername = b").unwrap();
        assert_eq!(config.text(&keystone_authtoken::WWW_AUTHENTICATE_URI), "http://k");
        assert_eq!(config.text(&keystone_authtoken::USERNAME), "b");
        let problems: Vec<String> = config.problems().iter().map(Problem::to_string).collect();
        let expected =
            "text:2: warning: [keystone_authtoken] auth_uri is now called [keystone_authtoken] www_authenticate_uri";
        assert_eq!(problems, [expected]);
    }

    #[test]
    fn a_backend_has_its_own_values_then_those_of_all_backends_then_the_defaults() {
        let config = Config::from_text(
            "enabled_backends = One, two\n[backend_defaults]\nreserved_percentage = 5\nbackend_host = all\n\
             [one]\nreserved_percentage = 7\nvolume_backend_name = $host-x\n[DEFAULT]\nhost = h",
        )
        .unwrap();
        let reserved = |section| config.integer_in(section, &backend::RESERVED_PERCENTAGE);
        assert_eq!((reserved("One"), reserved("one"), reserved("two"), reserved("other")), (7, 7, 5, 5));
        assert_eq!(config.text_in("two", &backend::BACKEND_HOST), "all");
        assert_eq!(config.text_in("one", &backend::VOLUME_BACKEND_NAME), "h-x");
        assert_eq!(config.opt_text_in("two", &backend::VOLUME_BACKEND_NAME), None);
        assert_eq!(config.text_in("two", &backend::VOLUME_DRIVER), "file");
    }

    #[test]
    fn defaults_of_every_kind_are_read_as_if_a_file_set_them() {
        let config = Config::from_text("").unwrap();
        assert_eq!(config.seconds(&default::SERVICE_DOWN_TIME), Duration::from_secs(60));
        assert_eq!(config.list(&keystone_authtoken::SERVICE_TOKEN_ROLES), ["service"]);
        assert!(
            config.boolean(&default::CLONED_VOLUME_SAME_AZ) && config.opt_text(&default::PUBLIC_ENDPOINT).is_none()
        );
        assert!(
            !config.text(&default::HOST).is_empty() && config.text(&default::MY_IP).parse::<std::net::IpAddr>().is_ok()
        );
        assert_eq!(config.text(&database::CONNECTION), "sqlite:////var/lib/cinder/hearth.sqlite");
    }

    #[test]
    fn changes_between_two_readings_are_told_by_row() {
        let read = |text: &str| Config::from_text(text).unwrap();
        let names: Vec<&str> = read("host = h\ndebug = true")
            .changes(&read("host = h\nquota_volumes = 3"))
            .iter()
            .map(|opt| opt.name)
            .collect();
        assert_eq!(names, ["debug", "quota_volumes"]);
    }
}
