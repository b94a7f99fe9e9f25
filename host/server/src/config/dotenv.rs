//! The `.env` file.

use std::{collections::HashMap, path::Path};

use super::{ConfigError, variables::VARIABLES};

/// How unlike a known name may be to be taken for a slip, from 0 (nothing in common) to 1 (equal).
const LIKENESS: f64 = 0.9;

/// Reads a `.env` file; none is as good as an empty one. The process's environment stays as it is.
pub(super) fn read(path: &Path) -> Result<HashMap<String, String>, ConfigError> {
    let entries = match dotenvy::from_path_iter(path) {
        Ok(entries) => entries,
        Err(error) if error.not_found() => return Ok(HashMap::new()),
        Err(error) => return Err(ConfigError::one(format!("{}: {error}", path.display()))),
    };
    let mut values = HashMap::new();
    let mut faults = Vec::new();
    for entry in entries {
        match entry {
            Ok((name, value)) => {
                faults.extend(slip(&name));
                values.insert(name, value);
            }
            // The message of dotenvy repeats the line, which may hold a secret.
            Err(dotenvy::Error::LineParse(line, at)) => {
                let name = line.split('=').next().unwrap_or_default().trim();
                faults.push(format!("{}: the line of {name} is malformed at character {at}", path.display()));
            }
            Err(error) => faults.push(format!("{}: {error}", path.display())),
        }
    }
    if faults.is_empty() { Ok(values) } else { Err(ConfigError::of(faults)) }
}

/// What to say of a name that looks like one of ours and is none. Other programs' variables may be in the file too.
fn slip(name: &str) -> Option<String> {
    if VARIABLES.iter().any(|variable| variable.name == name) {
        return None;
    }
    let nearest = VARIABLES
        .iter()
        .map(|variable| (strsim::jaro_winkler(variable.name, &name.to_uppercase()), variable.name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, known)) if likeness >= LIKENESS => Some(format!("{name} is unknown: did you mean {known}?")),
        _ if name.starts_with("WHATSAPP_") || name.starts_with("CHATBOOST_") => Some(format!("{name} is unknown")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_told_from_other_programs_variables() {
        assert_eq!(slip("WHATSAPP_ACCESS_TOKEN"), None);
        assert_eq!(slip("POSTGRES_PASSWORD"), None);
        assert_eq!(
            slip("WHATSAPP_ACCES_TOKEN").as_deref(),
            Some("WHATSAPP_ACCES_TOKEN is unknown: did you mean WHATSAPP_ACCESS_TOKEN?")
        );
        assert_eq!(slip("SECRET_KEYS").as_deref(), Some("SECRET_KEYS is unknown: did you mean SECRET_KEY?"));
        assert!(slip("CHATBOOST_COLOUR").is_some());
    }

    #[test]
    fn a_malformed_line_is_named_without_its_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        std::fs::write(&path, "PORT=80\nSECRET_KEY='hunter2\nWHATSAPP_PONE_NUMBER_ID=1\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("SECRET_KEY") && !error.contains("hunter2"), "{error}");
        assert!(read(&folder.path().join("none")).unwrap().is_empty());
    }
}
