//! The program `trainyard-studio`: reads its arguments, then opens the window.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use eframe::egui::ThemePreference;
use trainyard_studio::{Options, Screenshot, open_window};

const HELP: &str = "\
Trainyard's desktop application.

Usage: trainyard-studio [OPTIONS] [FILE]

Arguments:
  [FILE]  A run file, profile, plan, trace or run directory; the built-in example without one

Options:
      --screenshot PICTURE.png  Write a picture of the window and quit
      --size WIDTHxHEIGHT       The picture's size in points [default: 1360x860]
      --scale SCALE             Pixels a point [default: 1]
      --theme dark|light        Its theme [default: dark]
  -h, --help                    Print help
  -V, --version                 Print version

Environment:
  TRAINYARD_PROGRAM         Where the program trainyard is
  TRAINYARD_STUDIO_TIMING   When set, say after how long the first frame was drawn

Training is done with `trainyard`; see `trainyard --help`.";

/// Exit codes as in the whole project: 0 done, 1 failed, 2 wrong usage.
fn main() -> ExitCode {
    let started = Instant::now();
    match read(std::env::args_os().skip(1)) {
        Ok(Asked::Say(text)) => {
            // A reader that has seen enough (`… --help | head`) is not an error.
            let _heard = writeln!(std::io::stdout(), "{text}").is_ok();
            ExitCode::SUCCESS
        }
        Ok(Asked::Open(options)) => {
            match open_window(Options { started: Some(started), ..options }) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("error: {error}");
                    ExitCode::FAILURE
                }
            }
        }
        Err(reason) => {
            eprintln!("error: {reason}; see `trainyard-studio --help` for what it takes");
            ExitCode::from(2)
        }
    }
}

/// What the arguments ask for.
enum Asked {
    Say(String),
    Open(Options),
}

fn read(arguments: impl Iterator<Item = OsString>) -> Result<Asked, String> {
    let mut arguments = arguments;
    let mut options = Options::default();
    let mut picture: Option<PathBuf> = None;
    let mut looks = Screenshot {
        file: PathBuf::new(),
        size: [1360.0, 860.0],
        scale: 1.0,
        theme: ThemePreference::Dark,
    };
    let mut only_files = false;
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy().into_owned();
        let mut value = || {
            let value = arguments.next().ok_or_else(|| format!("{text} needs a value"));
            value.map(|value| value.to_string_lossy().into_owned())
        };
        match text.as_str() {
            "-h" | "--help" if !only_files => return Ok(Asked::Say(HELP.to_owned())),
            "-V" | "--version" if !only_files => {
                let version = concat!("trainyard-studio ", env!("CARGO_PKG_VERSION"));
                return Ok(Asked::Say(version.to_owned()));
            }
            "--screenshot" if !only_files => picture = Some(value()?.into()),
            "--size" if !only_files => looks.size = size(&value()?)?,
            "--scale" if !only_files => looks.scale = scale(&value()?)?,
            "--theme" if !only_files => looks.theme = theme(&value()?)?,
            "--" if !only_files => only_files = true,
            option if option.starts_with('-') && !only_files => {
                return Err(format!("unexpected argument '{option}'"));
            }
            _ if options.file.is_some() => {
                return Err(format!("unexpected argument '{text}': one file is opened at a time"));
            }
            _ => options.file = Some(argument.into()),
        }
    }
    options.screenshot = picture.map(|file| Screenshot { file, ..looks });
    Ok(Asked::Open(options))
}

fn size(text: &str) -> Result<[f32; 2], String> {
    let sides = text.split_once('x').and_then(|(width, height)| {
        Some([width.parse::<u16>().ok()?, height.parse::<u16>().ok()?])
    });
    match sides {
        Some([width, height]) if width >= 640 && height >= 400 => {
            Ok([f32::from(width), f32::from(height)])
        }
        _ => Err(format!("--size is '{text}', but must be such as 1360x860, and 640x400 or more")),
    }
}

fn scale(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(scale) if (0.5..=4.0).contains(&scale) => Ok(scale),
        _ => Err(format!("--scale is '{text}', but must be a number from 0.5 to 4")),
    }
}

fn theme(text: &str) -> Result<ThemePreference, String> {
    match text {
        "dark" => Ok(ThemePreference::Dark),
        "light" => Ok(ThemePreference::Light),
        _ => Err(format!("--theme is '{text}', but must be dark or light")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> Result<Asked, String> {
        read(arguments.iter().map(OsString::from))
    }

    #[test]
    fn a_picture_is_described_by_options() {
        let arguments = [
            "--screenshot",
            "a.png",
            "--size",
            "1024x640",
            "--scale",
            "2",
            "--theme",
            "light",
            "b.json",
        ];
        let Ok(Asked::Open(options)) = asked(&arguments) else { panic!("it opens a window") };
        assert_eq!(options.file, Some("b.json".into()));
        let picture = options.screenshot.unwrap();
        assert_eq!((picture.size, picture.scale), ([1024.0, 640.0], 2.0));
        assert_eq!(picture.theme, ThemePreference::Light);
    }

    #[test]
    fn wrong_arguments_are_refused_in_words() {
        for (arguments, part) in [
            (vec!["--screenshot"], "needs a value"),
            (vec!["--size", "big"], "'big'"),
            (vec!["--scale", "900"], "'900'"),
            (vec!["--theme", "pink"], "'pink'"),
            (vec!["--what"], "'--what'"),
            (vec!["a", "b"], "one file"),
        ] {
            let error = asked(&arguments).err().unwrap();
            assert!(error.contains(part), "{error}");
        }
        assert!(matches!(asked(&["--", "--file"]), Ok(Asked::Open(_))));
    }
}
