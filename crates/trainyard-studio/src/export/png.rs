//! A part of the window as PNG.

use std::io::Cursor;

use eframe::egui::{ColorImage, Rect};
use image::{ImageEncoder, codecs::png::PngEncoder};

use super::ExportError;

/// The part of a screenshot that shows a panel. `panel` is in points; what of it lies outside the
/// screenshot is left out.
///
/// # Errors
/// [`ExportError::EmptyPicture`] where nothing is left; [`ExportError::Encode`].
pub fn of_panel(
    screenshot: &ColorImage,
    panel: Rect,
    pixels_per_point: f32,
) -> Result<Vec<u8>, ExportError> {
    let [width, height] = screenshot.size;
    // Casts of floats saturate, and of NaN give 0.
    let pixel = |points: f32, most: usize| ((points * pixels_per_point).round() as usize).min(most);
    let (left, right) = (pixel(panel.left(), width), pixel(panel.right(), width));
    let (top, bottom) = (pixel(panel.top(), height), pixel(panel.bottom(), height));
    if left >= right || top >= bottom || screenshot.pixels.len() < width * height {
        return Err(ExportError::EmptyPicture);
    }
    let rows = screenshot.pixels.chunks_exact(width).skip(top).take(bottom - top);
    let pixels = rows.flat_map(|row| row.get(left..right).unwrap_or_default());
    // A window is opaque, so what its colours are multiplied with does not matter.
    let rgb: Vec<u8> = pixels.flat_map(|pixel| [pixel.r(), pixel.g(), pixel.b()]).collect();
    encode(&rgb, right - left, bottom - top)
}

fn encode(rgb: &[u8], width: usize, height: usize) -> Result<Vec<u8>, ExportError> {
    let mut png = Vec::new();
    let encoder = PngEncoder::new(Cursor::new(&mut png));
    let colour = image::ExtendedColorType::Rgb8;
    encoder
        .write_image(rgb, width as u32, height as u32, colour)
        .map_err(|error| ExportError::Encode { width, height, reason: error.to_string() })?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    use eframe::egui::{Color32, pos2};

    use super::*;

    /// 8×6 pixels whose red is x and whose green is y.
    fn screenshot() -> ColorImage {
        let pixel = |index| Color32::from_rgb((index % 8) as u8, (index / 8) as u8, 0);
        ColorImage::new([8, 6], (0..48).map(pixel).collect())
    }

    fn rect(left: f32, top: f32, right: f32, bottom: f32) -> Rect {
        Rect::from_min_max(pos2(left, top), pos2(right, bottom))
    }

    #[test]
    fn the_panel_is_cut_out_in_pixels() {
        let png = of_panel(&screenshot(), rect(1.0, 0.5, 3.0, 2.5), 2.0).unwrap();
        let image = image::load_from_memory(&png).unwrap().to_rgb8();
        assert_eq!(image.dimensions(), (4, 4));
        assert_eq!(image.get_pixel(0, 0).0, [2, 1, 0]);
        assert_eq!(image.get_pixel(3, 3).0, [5, 4, 0]);
    }

    #[test]
    fn what_lies_outside_is_left_out() {
        let png = of_panel(&screenshot(), rect(-5.0, 4.0, f32::INFINITY, 1e9), 1.0).unwrap();
        let image = image::load_from_memory(&png).unwrap();
        assert_eq!((image.width(), image.height()), (8, 2));
    }

    #[test]
    fn nothing_is_refused() {
        for panel in [Rect::NOTHING, Rect::NAN, rect(9.0, 0.0, 12.0, 3.0), rect(1.0, 1.0, 1.0, 3.0)]
        {
            let error = of_panel(&screenshot(), panel, 1.0).unwrap_err();
            assert!(matches!(error, ExportError::EmptyPicture));
        }
    }
}
