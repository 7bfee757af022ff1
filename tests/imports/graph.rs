//! The files of `src`, and which of them import which.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A file without its tests.
pub struct Source {
    /// Its path from the repository's root.
    pub file: String,
    /// Its text, without comments and unit tests.
    pub code: String,
}

/// Every Rust file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The library's files, but for those of unit tests.
pub fn sources() -> Vec<Source> {
    let of_tests = |file: &String| file.contains("/tests/") || file.ends_with("/tests.rs");
    let outside = |file: &String| file == "src/main.rs" || file == "src/lib.rs";
    let files = files(Path::new("src")).into_iter();
    files
        .map(|path| path.to_string_lossy().into_owned())
        .filter(|file| !of_tests(file) && !outside(file))
        .map(|file| Source {
            code: code(&fs::read_to_string(&file).expect("source is text")),
            file,
        })
        .collect()
}

fn code(text: &str) -> String {
    let (text, _) = text.split_once("#[cfg(test)]\nmod tests {").unwrap_or((text, ""));
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.fold(String::new(), |code, line| code + line + "\n")
}

impl Source {
    /// The module that the file is.
    fn module(&self) -> String {
        let path = self.file.trim_start_matches("src/").trim_end_matches(".rs");
        format!("crate::{}", path.trim_end_matches("/mod").replace('/', "::"))
    }

    /// Every path that it imports or writes out, from the crate's root.
    pub fn imports(&self) -> Vec<String> {
        let uses = self.uses(false);
        let children = self.children();
        uses.into_iter()
            .chain(self.written_out())
            .chain(children)
            .collect()
    }

    /// The modules that it declares and names in its code.
    fn children(&self) -> Vec<String> {
        let declared = self.code.lines().filter_map(|line| {
            let line = line.trim_start_matches("pub ");
            line.strip_prefix("mod ")?.strip_suffix(';')
        });
        let body = self.body();
        let named = |child: &&str| {
            let path = format!("{child}::");
            let part_of_another =
                |before: &str| before.ends_with(|c: char| c == ':' || c == '_' || c.is_alphanumeric());
            body.match_indices(&path)
                .any(|(at, _)| !part_of_another(&body[..at]))
        };
        declared
            .filter(named)
            .map(|child| format!("{}::{child}", self.module()))
            .collect()
    }

    /// Its code without imports.
    fn body(&self) -> String {
        let (mut body, mut importing) = (String::new(), false);
        for line in self.code.lines() {
            importing |= line.starts_with("use ") || line.starts_with("pub use ");
            if !importing {
                body = body + line + "\n";
            }
            importing &= !line.ends_with(';');
        }
        body
    }

    /// What it imports, or what it exports again.
    fn uses(&self, exported: bool) -> Vec<String> {
        let statements = self.code.split("use ").zip(self.code.split("use ").skip(1));
        let statements = statements.filter(|(before, _)| {
            let line = before.rsplit('\n').next().unwrap_or_default().trim();
            if exported {
                line.starts_with("pub")
            } else {
                line.is_empty()
            }
        });
        statements
            .filter_map(|(_, after)| after.split_once(';'))
            .flat_map(|(tree, _)| leaves("", &tree.replace('\n', " ")))
            .map(|path| self.absolute(&path))
            .collect()
    }

    /// `crate::…` in its code.
    fn written_out(&self) -> Vec<String> {
        let paths = self.code.split("crate::").zip(self.code.split("crate::").skip(1));
        let paths = paths.filter(|(before, _)| !before.trim_end().ends_with("use"));
        let paths = paths.map(|(_, path)| path);
        let end = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
        paths
            .filter_map(|path| path.split(end).next())
            .filter(|path| !path.is_empty())
            .map(|path| format!("crate::{}", path.trim_end_matches(':')))
            .collect()
    }

    fn absolute(&self, path: &str) -> String {
        let mut module = self.module();
        let mut rest = path;
        if let Some(path) = rest.strip_prefix("self::") {
            return format!("{module}::{path}");
        }
        while let Some(path) = rest.strip_prefix("super::") {
            module = module
                .rsplit_once("::")
                .map_or(String::new(), |(parent, _)| parent.into());
            rest = path;
        }
        if rest == path {
            path.into()
        } else {
            format!("{module}::{rest}")
        }
    }
}

/// The paths of a use tree.
fn leaves(before: &str, tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        return vec![format!("{before}{path}").trim_end_matches("::self").into()];
    };
    let group = group.trim_end().trim_end_matches('}');
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    let before = format!("{before}{}", head.trim());
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| leaves(&before, part)).collect()
}

/// Which file imports which.
pub struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    /// An arrow leads to the file that defines what is imported, also where another one exports it again.
    pub fn of(sources: &[Source]) -> Self {
        let files: BTreeMap<_, _> = sources
            .iter()
            .map(|source| (source.module(), source.file.clone()))
            .collect();
        let exports: BTreeMap<_, _> = sources
            .iter()
            .flat_map(|source| {
                let name = |path: &String| path.rsplit("::").next().unwrap_or_default().to_owned();
                let module = source.module();
                let paths = source.uses(true).into_iter();
                paths.map(move |path| (format!("{module}::{}", name(&path)), path))
            })
            .collect();
        let file_of = |path: &str| {
            let mut path = path.to_owned();
            // An export of an export, and so on.
            for _ in 0..8 {
                match exports.get(&path) {
                    Some(target) => path.clone_from(target),
                    None => break,
                }
            }
            let mut module = path.as_str();
            loop {
                if let Some(file) = files.get(module) {
                    return Some(file.clone());
                }
                module = module.rsplit_once("::")?.0;
            }
        };
        let arrows = sources.iter().map(|source| {
            let imports = source.imports();
            let mut targets: BTreeSet<_> = imports.iter().filter_map(|path| file_of(path)).collect();
            targets.remove(&source.file);
            (source.file.clone(), targets)
        });
        Self(arrows.collect())
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Who imports whom.
    pub fn arrows(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0
            .iter()
            .flat_map(|(from, targets)| targets.iter().map(move |to| (from, to)))
    }

    /// Files of which each imports the next, and the last the first.
    pub fn circle(&self) -> Option<Vec<&String>> {
        let mut done = BTreeSet::new();
        self.0
            .keys()
            .find_map(|file| self.circle_from(file, &mut Vec::new(), &mut done))
    }

    fn circle_from<'a>(
        &'a self,
        file: &'a String,
        path: &mut Vec<&'a String>,
        done: &mut BTreeSet<&'a String>,
    ) -> Option<Vec<&'a String>> {
        if let Some(at) = path.iter().position(|earlier| *earlier == file) {
            return Some(path[at..].to_vec());
        }
        if !done.insert(file) {
            return None;
        }
        path.push(file);
        let targets = self.0.get(file).into_iter().flatten();
        let circle = targets
            .into_iter()
            .find_map(|target| self.circle_from(target, path, done));
        path.pop();
        circle
    }
}
