//! With a program that stands in for `trainyard`.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};

use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use trainyard_studio::Persisted;
use trainyard_studio::command::Command;
use trainyard_studio::document::Document;
use trainyard_studio::run::Program;

use crate::support::{
    Window, error, folder, open, perform, press, settle, use_program, window, window_with,
};

/// A program that answers as `trainyard devices`, `plan` and `measure` do, writes what they write,
/// and leaves the file `NAME ran` beside itself.
fn stand_in_called(folder: &Path, name: &str) -> Program {
    use std::os::unix::fs::PermissionsExt;
    let devices = r#"{"format":"trainyard-devices","version":1,"devices":[{"index":0,"adapter":"cpu","also":[],"name":"Eight cores","kind":"cpu","api":"cpu","driver":"","vendor":"","pci_bus_id":"","memory":{"total_bytes":17179869184,"free_bytes":8589934592,"source":"reported"},"max_buffer_bytes":1,"f16":false,"timestamps":false,"compute":{"result":"works"}}]}"#;
    let profile = folder.join("example.json");
    let example = Document::example().unwrap();
    fs::write(&profile, serde_json::to_string(example.profile().as_ref()).unwrap()).unwrap();
    let script = format!(
        r#"#!/bin/sh
touch "$0 ran"
case "$1" in
devices) echo '{devices}' ;;
plan)
    plan="$(dirname "$2")/plan.json"
    shift 2
    while [ $# -gt 0 ]; do
        case "$1" in
        --save-profile) cp '{}' "$2" ;;
        -o) plan="$2" ;;
        esac
        shift
    done
    echo a plan > "$plan" ;;
measure)
    [ "$3" = -o ] || exit 1
    case "$*" in
    *--force*) ;;
    *) [ ! -e "$4" ] || exit 2 ;;
    esac
    cp '{}' "$4"
    case "$*" in
    *--refresh*) ;;
    *) echo measured before ;;
    esac ;;
*) exit 1 ;;
esac
"#,
        profile.display(),
        profile.display()
    );
    let path = folder.join(name);
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    Program::find_in(None, Some(path.as_os_str()), None).unwrap()
}

fn stand_in(folder: &Path) -> Program {
    stand_in_called(folder, "trainyard")
}

#[test]
fn my_devices_are_listed_and_get_a_run_file() {
    let folder = folder();
    let mut window = window();
    use_program(&mut window, Ok(stand_in(folder.path())));
    window.run_ok();
    window.get_by_label("Use my devices…").click();
    settle(&mut window);
    window.get_by_label("Eight cores");
    window.get_by_label("16.0 GiB");
    let named = "A folder for run.toml, profile.json and plan.json:";
    let field = window.get_by_role_and_label(eframe::egui::Role::TextInput, named);
    field.focus();
    window.run_ok();
    press(&mut window, Modifiers::COMMAND, Key::A);
    let place = folder.path().join("mine");
    let field = window.get_by_role_and_label(eframe::egui::Role::TextInput, named);
    field.type_text(place.to_str().unwrap());
    window.run_ok();
    window.run_ok();
    window.get_by_label("Plan from estimates").click();
    window.run_ok();
    settle(&mut window);
    assert_eq!(error(&window), "");
    let text = fs::read_to_string(place.join("run.toml")).unwrap();
    assert!(text.contains("id = \"left\"\nadapter = \"cpu\""), "{text}");
    assert_eq!(window.state().document().run_file, Some(place.join("run.toml")));
}

/// Measures, and agrees that the profile is replaced.
fn measure_and_replace(window: &mut Window, command: Command) {
    perform(window, command);
    settle(window);
    window.get_by_label("Measure and replace it").click();
    window.step();
    settle(window);
    assert_eq!(error(window), "");
}

#[test]
fn measuring_replaces_a_profile_only_where_a_person_agrees() {
    let folder = folder();
    let profile = folder.path().join("profile.json");
    let by_hand = fs::read_to_string(&profile).unwrap() + "\n\n\n";
    fs::write(&profile, &by_hand).unwrap();
    let there = || fs::read_to_string(&profile).unwrap_or_default();
    let mut window = window();
    use_program(&mut window, Ok(stand_in(folder.path())));
    open(&mut window, &folder.path().join("run.toml"));
    for refuse in ["Cancel", "Close dialog"] {
        perform(&mut window, Command::Measure);
        settle(&mut window);
        window.get_by_label(profile.to_str().unwrap());
        window.get_by_label(refuse).click();
        window.step();
        settle(&mut window);
        window.get_by_label("Nothing was measured");
    }
    assert!(!folder.path().join("trainyard ran").exists());
    assert_eq!(there(), by_hand);
    measure_and_replace(&mut window, Command::Measure);
    assert!(!there().is_empty() && there() != by_hand);
    // Where nothing is replaced, nothing is asked.
    fs::remove_file(&profile).unwrap();
    perform(&mut window, Command::Measure);
    settle(&mut window);
    assert_eq!(error(&window), "");
    assert!(!there().is_empty());
}

#[test]
fn what_was_measured_before_can_be_measured_anew() {
    let folder = folder();
    let mut window = window();
    use_program(&mut window, Ok(stand_in(folder.path())));
    open(&mut window, &folder.path().join("run.toml"));
    measure_and_replace(&mut window, Command::Measure);
    window.get_by_label("These times were measured before; Measure anew measures again");
    measure_and_replace(&mut window, Command::MeasureAnew);
    window.get_by_label("The measured times are the profile now");
}

#[test]
fn running_the_example_offers_a_small_training() {
    let folder = folder();
    let mut window = window();
    use_program(&mut window, Ok(stand_in(folder.path())));
    window.run_ok();
    press(&mut window, Modifiers::NONE, Key::F5);
    window.get_by_label("There is nothing to train yet");
    window.get_by_label("Train the small one");
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(window.query_by_label("Train the small one").is_none());
}

/// A folder with nothing but what its tests write.
fn empty() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn opening_a_run_file_writes_nothing_beside_it() {
    let (programs, folder) = (empty(), empty());
    let run_file = folder.path().join("run.toml");
    fs::write(&run_file, "[model]\nkind = \"gpt\"\n").unwrap();
    // As somebody left it who edits plans by hand.
    let example = Document::example().unwrap();
    let by_hand = serde_json::to_string_pretty(&example.present().plan).unwrap() + "\n\n\n";
    let plan = folder.path().join("plan.json");
    fs::write(&plan, &by_hand).unwrap();
    let mut window = window();
    use_program(&mut window, Ok(stand_in(programs.path())));
    open(&mut window, &run_file);
    assert_eq!(error(&window), "");
    assert!(programs.path().join("trainyard ran").exists());
    assert_eq!(fs::read_to_string(&plan).unwrap(), by_hand);
    assert_eq!(names_in(folder.path()), ["plan.json", "run.toml"]);
    // It is open, with the plan beside it.
    assert_eq!(window.state().document().run_file.as_deref(), Some(run_file.as_path()));
    assert_eq!(window.state().document().file.as_deref(), Some(plan.as_path()));
}

/// A run file that names the program `mine` beside it, and both programs.
struct Naming {
    folder: tempfile::TempDir,
    default: Program,
    run_file: PathBuf,
    mine: PathBuf,
}

impl Naming {
    fn new() -> Self {
        let folder = empty();
        let default = stand_in(folder.path());
        let mine = stand_in_called(folder.path(), "mine").path().to_owned();
        let run_file = folder.path().join("stranger.toml");
        fs::write(&run_file, "[model]\nkind = \"own\"\n[run]\nprogram = \"mine\"\n").unwrap();
        Self { folder, default, run_file, mine }
    }

    fn ran(&self, name: &str) -> bool {
        self.folder.path().join(format!("{name} ran")).exists()
    }

    fn window(&self, persisted: &str) -> Window<'static> {
        let mut window = window_with(Persisted::from_text(persisted));
        use_program(&mut window, Ok(self.default.clone()));
        open(&mut window, &self.run_file);
        window
    }

    fn asks(&self, window: &Window) -> bool {
        let path = self.mine.to_str().unwrap();
        let title = "Start the program that this run file names?";
        window.query_by_label(title).is_some() && window.query_by_label(path).is_some()
    }
}

#[test]
fn a_program_that_a_run_file_names_is_started_only_after_it_was_allowed() {
    let naming = Naming::new();
    let mut window = naming.window("");
    assert!(naming.asks(&window));
    assert!(!naming.ran("mine") && !naming.ran("trainyard"));
    window.get_by_label("Start it").click();
    window.step();
    settle(&mut window);
    assert_eq!(error(&window), "");
    assert!(naming.ran("mine") && !naming.ran("trainyard"));
    assert_eq!(window.state().document().run_file.as_deref(), Some(naming.run_file.as_path()));
    // The answer is kept, for the program as it is.
    let kept = window.state().state().preferences.to_text();
    fs::remove_file(naming.folder.path().join("mine ran")).unwrap();
    assert!(!naming.asks(&naming.window(&kept)));
    assert!(naming.ran("mine") && !naming.ran("trainyard"));
    fs::remove_file(naming.folder.path().join("mine ran")).unwrap();
    let mut script = fs::read_to_string(&naming.mine).unwrap();
    script.push_str("# changed\n");
    fs::write(&naming.mine, script).unwrap();
    assert!(naming.asks(&naming.window(&kept)));
    assert!(!naming.ran("mine") && !naming.ran("trainyard"));
}

#[test]
fn where_the_named_program_is_refused_the_default_one_is_used_which_is_said() {
    let naming = Naming::new();
    let mut window = naming.window("");
    window.get_by_label("Use the other program").click();
    window.step();
    settle(&mut window);
    assert_eq!(error(&window), "");
    assert!(!naming.ran("mine") && naming.ran("trainyard"));
    window.get_by_label_contains("names a program of its own, but ");
    assert_eq!(window.state().document().run_file.as_deref(), Some(naming.run_file.as_path()));
    // Measuring, which needs a program too, does not ask again.
    perform(&mut window, Command::Measure);
    settle(&mut window);
    assert!(!naming.asks(&window) && !naming.ran("mine"));
}

#[test]
fn without_an_answer_nothing_is_started() {
    let naming = Naming::new();
    let mut window = naming.window("");
    press(&mut window, Modifiers::NONE, Key::Escape);
    settle(&mut window);
    assert!(!naming.asks(&window));
    assert!(!naming.ran("mine") && !naming.ran("trainyard"));
    window.get_by_label("Nothing was started");
}

#[test]
fn a_named_program_that_is_not_there_is_said() {
    let naming = Naming::new();
    fs::remove_file(&naming.mine).unwrap();
    let window = naming.window("");
    assert!(!naming.asks(&window) && naming.ran("trainyard"));
    window.get_by_label_contains("mine is not there; ");
}

/// A program that refuses every run file in these words.
fn refusing(folder: &Path, words: &str, code: i32) -> Program {
    use std::os::unix::fs::PermissionsExt;
    let (path, said) = (folder.join("refusing"), folder.join("said"));
    fs::write(&said, words).unwrap();
    fs::write(&path, format!("#!/bin/sh\ncat '{}' >&2\nexit {code}\n", said.display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    Program::find_in(None, Some(path.as_os_str()), None).unwrap()
}

#[test]
fn a_run_file_that_is_refused_is_not_said_to_be_open() {
    let run_file_in = |folder: &Path| {
        let run_file = folder.join("mine.toml");
        fs::write(&run_file, "[model]\nkind = \"gpt\"\n").unwrap();
        run_file
    };
    for (words, title, text) in [
        (
            "  × mine.toml:2:8 is not TOML: one '=' is enough\n   ╭─[mine.toml:2:8]\n",
            "/mine.toml",
            "mine.toml:2:8 is not TOML: one '=' is enough",
        ),
        (
            "  × mine.toml:3:1: no adapter matches 'vulkan:X'; name one\n",
            "/mine.toml: this machine lacks one of its devices",
            "no adapter matches 'vulkan:X'",
        ),
    ] {
        let folder = empty();
        let run_file = run_file_in(folder.path());
        let mut window = window();
        use_program(&mut window, Ok(refusing(folder.path(), words, 2)));
        assert!(Command::Run.unavailable(&window.state().facts()).is_none());
        open(&mut window, &run_file);
        let said = window.state().errors().next().unwrap().clone();
        assert!(said.title.starts_with("Cannot open ") && said.title.ends_with(title), "{said:?}");
        assert!(said.text.contains(text) && !said.text.contains('╭'), "{said:?}");
        let line = format!("trainyard plan {}", run_file.display());
        assert!(said.remedy.ends_with(&line), "{said:?}");
        // The example is still there, which the window says, and F5 does not train it unasked.
        assert!(window.state().state().document.is_example());
        window.get_by_label("OK").click();
        window.run_ok();
        assert_eq!(window.state().state().view.status(), said.title);
        assert!(window.query_by_label_contains("mine.toml is not open").is_some());
        assert!(Command::Run.unavailable(&window.state().facts()).is_some());
        window.get_by_label("Close notice").click();
        window.run_ok();
        assert!(window.query_by_label_contains("mine.toml is not open").is_none());
        assert!(Command::Run.unavailable(&window.state().facts()).is_none());
    }
}

#[test]
fn what_does_not_open_is_told_until_something_does() {
    let (folder, other) = (folder(), empty());
    let mut window = window();
    use_program(&mut window, Ok(stand_in(other.path())));
    let refused = other.path().join("notes.txt");
    fs::write(&refused, "hello").unwrap();
    open(&mut window, &refused);
    assert!(window.state().facts().not_opened);
    assert!(window.state().state().view.status().starts_with("Cannot open "));
    open(&mut window, &folder.path().join("profile.json"));
    assert!(!window.state().facts().not_opened);
    assert!(window.state().state().view.status().starts_with("Opened "));
}
