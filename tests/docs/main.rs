//! The documentation, compared with the code: tables, links, citations, the picture and the tree.

mod citations;
mod links;
mod picture;
mod tables;
mod tree;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A path of the repository.
fn path(relative: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// The text of a file of the repository.
fn read(relative: impl AsRef<Path>) -> String {
    let path = path(relative);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a folder that `wanted` accepts, relative to the repository, in order. It also decides about folders.
fn files(folder: &str, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::from(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(path(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let relative = folder.join(entry.file_name());
            if !wanted(&relative) {
                continue;
            }
            match entry.file_type().expect("a type") {
                kind if kind.is_dir() => folders.push(relative),
                kind if kind.is_file() => found.push(relative),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// Whether a file or folder has this extension; folders have none.
fn has_extension(file: &Path, extension: &str) -> bool {
    path(file).is_dir() || file.extension().is_some_and(|is| is == extension)
}

/// The pages: every Markdown file.
fn pages() -> Vec<PathBuf> {
    files("", |file| {
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        !name.starts_with('.') && name != "target" && has_extension(file, "md")
    })
}

/// What stands between the fences of the first block of code after this text.
fn block_after<'a>(page: &'a str, text: &str) -> &'a str {
    let (_, after) = page.split_once(text).unwrap_or_else(|| panic!("no {text}"));
    let (_, block) = after.split_once("```").expect("a block of code");
    let (_, block) = block.split_once('\n').expect("its first line");
    block.split_once("```").expect("its end").0
}

/// The variants of an enum without fields.
fn variants(file: &str, name: &str) -> Vec<String> {
    let source = read(file);
    let start = format!("pub enum {name} {{\n");
    let (_, after) = source
        .split_once(&start)
        .unwrap_or_else(|| panic!("{file} has no {start}"));
    let (body, _) = after.split_once("\n}").expect("the enum ends");
    let lines = body.lines().map(str::trim);
    let variants: Vec<_> = lines
        .filter_map(|line| line.strip_suffix(','))
        .map(Into::into)
        .collect();
    assert!(variants.len() > 10, "{file}: {variants:?}");
    variants
}
