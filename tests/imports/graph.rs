//! The files of `src`, and which of them import which.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A file without its comments and unit tests.
pub struct Source {
    /// Its path from the repository's root.
    pub file: String,
    /// Its code without imports.
    pub body: String,
    /// The trees of what it imports.
    uses: Vec<String>,
    /// The trees of what it exports again.
    exports: Vec<String>,
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
        .map(|file| {
            let text = fs::read_to_string(&file).expect("source is text");
            Source::new(file, &text)
        })
        .collect()
}

impl Source {
    fn new(file: String, text: &str) -> Self {
        let (text, _) = text.split_once("#[cfg(test)]\nmod tests {").unwrap_or((text, ""));
        let (mut body, mut uses, mut exports) = (String::new(), Vec::new(), Vec::new());
        let code = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        let mut lines = code.into_iter();
        while let Some(line) = lines.next() {
            let (trees, tree) = match line.split_once("use ") {
                Some(("", tree)) => (&mut uses, tree),
                Some((before, tree)) if before.starts_with("pub") => (&mut exports, tree),
                _ => {
                    body = body + line + "\n";
                    continue;
                }
            };
            let mut tree = tree.to_owned();
            while !tree.ends_with(';') {
                tree += lines.next().expect("an import ends");
            }
            trees.push(tree.trim_end_matches(';').into());
        }
        Self {
            file,
            body,
            uses,
            exports,
        }
    }

    /// The module that the file is.
    fn module(&self) -> String {
        let path = self.file.trim_start_matches("src/").trim_end_matches(".rs");
        format!("crate::{}", path.trim_end_matches("/mod").replace('/', "::"))
    }

    /// Every path that it imports or writes out, from the crate's root.
    pub fn imports(&self) -> Vec<String> {
        let uses = self.absolute_leaves(&self.uses);
        let written_out = self.paths("crate::").map(|rest| format!("crate::{rest}"));
        uses.chain(written_out).chain(self.children()).collect()
    }

    /// The modules that it declares and names in its body.
    fn children(&self) -> impl Iterator<Item = String> {
        let declared = self.body.lines().filter_map(|line| {
            let line = line.trim_start_matches("pub ");
            line.strip_prefix("mod ")?.strip_suffix(';')
        });
        let named = declared.filter(|child| self.paths(&format!("{child}::")).next().is_some());
        named.map(|child| format!("{}::{child}", self.module()))
    }

    /// What follows each place of the body where a path begins so.
    fn paths(&self, start: &str) -> impl Iterator<Item = &str> {
        let is_of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let places = self
            .body
            .match_indices(start)
            .map(|(at, _)| (at, at + start.len()));
        let beginnings = places.filter(move |(at, _)| !self.body[..*at].ends_with(is_of_path));
        beginnings.filter_map(move |(_, end)| {
            let rest = self.body[end..].split(|c: char| !is_of_path(c)).next()?;
            Some(rest.trim_end_matches(':')).filter(|rest| !rest.is_empty())
        })
    }

    fn absolute_leaves(&self, trees: &[String]) -> impl Iterator<Item = String> {
        let leaves = trees.iter().flat_map(|tree| leaves("", tree));
        leaves.map(|path| self.absolute(&path))
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
                let paths = source.absolute_leaves(&source.exports);
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
