//! The page of `mote convert --report`: what stands in it, that it needs nothing else, and, where there is a Chromium, that
//! a browser shows all of it in the width of a phone.

use std::path::{Path, PathBuf};
use std::process::Command;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models").join(name)
}

/// The page about the example network.
fn page(folder: &Path) -> (PathBuf, String) {
    let page = folder.join("page.html");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mote"));
    command.arg("convert").arg(example("fashion.onnx")).arg("-o").arg(folder.join("net.mote"));
    command.arg("--calib").arg(example("fashion_calib.npz")).args(["--scale", "1/255"]);
    command.arg("--labels").arg(example("fashion_labels.txt"));
    command.arg("--sensitivity").arg("--report").arg(&page).arg("--eval").arg(example("fashion_test.npz"));
    let done = command.output().expect("mote starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = std::fs::read_to_string(&page).expect("a page");
    (page, text)
}

/// Chromium under one of its names.
fn chromium() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok())
}

#[test]
fn a_page_that_needs_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, text) = page(folder.path());
    for part in [
        "Accuracy",
        "What is taken for what",
        "Layers",
        "if float dB",
        "before and after",
        "Graph",
        "Memory over time",
        "conv2d",
        "shirt",
    ] {
        assert!(text.to_lowercase().contains(&part.to_lowercase()), "{part}");
    }
    let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
    for word in ["http", "<script", "src=", "<link", "@import"] {
        assert!(!elsewhere.contains(word), "{word}");
    }
    for tag in ["table", "svg", "div", "tr", "td"] {
        let opened = text.matches(&format!("<{tag}>")).count() + text.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, text.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    in_a_browser(folder.path(), &path);
}

/// A frame as wide as a phone says how wide its content is.
fn in_a_browser(folder: &Path, page: &Path) {
    let Some(chromium) = chromium() else {
        println!("left out: no chromium to open the page in");
        return;
    };
    let frame = folder.join("frame.html");
    let script = "onload=()=>{let d=document.querySelector('iframe').contentDocument;document.title=\
                  [d.documentElement.scrollWidth,d.querySelectorAll('h2').length,d.querySelectorAll('rect').length].join(' ')}";
    let name = page.file_name().expect("a name").to_string_lossy();
    let html = format!(
        "<title></title><iframe src=\"{name}\" width=\"390\" height=\"800\"></iframe><script>{script}</script>"
    );
    std::fs::write(&frame, html).expect("room");
    let mut command = Command::new(chromium);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--allow-file-access-from-files",
        "--dump-dom",
    ]);
    command.arg(format!("--user-data-dir={}", folder.join("profile").display()));
    let done = command.arg(format!("file://{}", frame.display())).output().expect("chromium starts");
    let dom = String::from_utf8_lossy(&done.stdout);
    let title =
        dom.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).map_or("", |t| t.0);
    let numbers: Vec<usize> = title.split(' ').filter_map(|n| n.parse().ok()).collect();
    let [width, headings, rectangles] = numbers[..] else { panic!("no answer from {chromium}: {dom}") };
    assert!(width <= 394, "{width} pixels wide on a phone of 390");
    assert!(headings >= 5 && rectangles >= 30, "{headings} headings, {rectangles} rectangles");
}
