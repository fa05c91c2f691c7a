//! The program `trainyard-studio`: reads its arguments, then opens the window.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use eframe::egui::ThemePreference;
use trainyard_studio::{Options, Screenshot, open_window};

/// Trainyard's desktop application.
#[derive(Debug, Parser)]
#[command(name = "trainyard-studio", version, max_term_width = 100, after_help = AFTER)]
struct Arguments {
    /// A run file, profile, plan, trace, run directory or model (its folder or .gguf file); the built-in
    /// example without one
    file: Option<PathBuf>,
    /// Write a picture of the window and quit
    #[arg(long, value_name = "PICTURE.png", value_parser = picture)]
    screenshot: Option<PathBuf>,
    /// The picture's size in points
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "1360x860", value_parser = size)]
    size: [f32; 2],
    /// Pixels a point
    #[arg(long, default_value_t = 1.0, value_parser = scale)]
    scale: f32,
    /// The picture's theme
    #[arg(long, value_enum, default_value_t = Theme::Dark)]
    theme: Theme,
}

const AFTER: &str = "\
Environment:
  TRAINYARD_PROGRAM         Where the program trainyard is
  TRAINYARD_STUDIO_TIMING   When set, say after how long the first frame was drawn

Training is done with `trainyard`; see `trainyard --help`.
Exit codes: 0 done, 1 failed, 2 wrong usage";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Theme {
    Dark,
    Light,
}

fn main() -> ExitCode {
    let started = Some(Instant::now());
    let Arguments { file, screenshot, size, scale, theme } = Arguments::parse();
    let theme = match theme {
        Theme::Dark => ThemePreference::Dark,
        Theme::Light => ThemePreference::Light,
    };
    let screenshot = screenshot.map(|file| Screenshot { file, size, scale, theme });
    match open_window(Options { file, screenshot, started }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn picture(text: &str) -> Result<PathBuf, String> {
    let file = PathBuf::from(text);
    if file.extension().is_some_and(|it| it.eq_ignore_ascii_case("png")) {
        Ok(file)
    } else {
        Err("pictures are written as PNG: the name must end in .png".to_owned())
    }
}

fn size(text: &str) -> Result<[f32; 2], String> {
    let sides = text.split_once('x').and_then(|(width, height)| {
        Some([width.parse::<u16>().ok()?, height.parse::<u16>().ok()?])
    });
    match sides {
        Some([width, height]) if width >= 640 && height >= 400 => {
            Ok([f32::from(width), f32::from(height)])
        }
        _ => Err("it must be such as 1360x860, and 640x400 or more".to_owned()),
    }
}

fn scale(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(scale) if (0.5..=4.0).contains(&scale) => Ok(scale),
        _ => Err("it must be a number from 0.5 to 4".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &str) -> Result<Arguments, String> {
        let words = std::iter::once("trainyard-studio").chain(arguments.split_whitespace());
        Arguments::try_parse_from(words).map_err(|error| error.to_string())
    }

    #[test]
    fn a_picture_is_described_by_options() {
        let all = "--screenshot a.png --size 1024x640 --scale 2 --theme light b.json";
        let read = read(all).unwrap();
        assert_eq!(read.file, Some("b.json".into()));
        assert_eq!(read.screenshot, Some("a.png".into()));
        assert_eq!((read.size, read.scale), ([1024.0, 640.0], 2.0));
        assert!(matches!(read.theme, Theme::Light));
    }

    #[test]
    fn wrong_arguments_are_refused_in_words() {
        for (arguments, part) in [
            ("--screenshot", "a value is required"),
            ("--screenshot a.jpg", "must end in .png"),
            ("--screenshot png", "must end in .png"),
            ("--size big", "such as 1360x860"),
            ("--size 10x10", "640x400 or more"),
            ("--scale 900", "from 0.5 to 4"),
            ("--theme pink", "'pink'"),
            ("--what", "'--what'"),
            ("a b", "'b'"),
        ] {
            let error = read(arguments).err().unwrap();
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(read("-- --file").unwrap().file, Some("--file".into()));
    }
}
