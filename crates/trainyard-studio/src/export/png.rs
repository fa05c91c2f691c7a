//! Pictures as PNG: of a drawing, which the graphics card paints, or of the window.

use std::io::Cursor;
use std::time::Duration;

use eframe::egui::epaint::textures::TexturesDelta;
use eframe::egui::{ColorImage, Context, Ui, Vec2};
use eframe::egui_wgpu::{RenderState, Renderer, RendererOptions, ScreenDescriptor};
use eframe::wgpu;
use image::{ImageEncoder, codecs::png::PngEncoder};

use super::drawing::Drawing;
use super::error::ExportError;

/// Pixels a point, so that small writing stays sharp when the picture is enlarged.
const PIXELS_PER_POINT: f32 = 2.0;

/// Software adapters take long for large pictures, but not so long.
const PATIENCE: Duration = Duration::from_mins(1);

const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// Draws a user interface of that size (points) as [`Drawing::new`] does, at two pixels a point, or
/// at as many as the graphics card has room for.
///
/// # Errors
/// [`ExportError::Paint`], [`ExportError::Encode`].
pub fn draw(
    like: &Context,
    size: Vec2,
    graphics: &RenderState,
    show: impl FnMut(&mut Ui),
) -> Result<Vec<u8>, ExportError> {
    let most = graphics.device.limits().max_texture_dimension_2d as f32;
    let scale = PIXELS_PER_POINT.min(most / size.max_elem().max(1.0));
    let mut drawing = Drawing::new(like, size, scale, show);
    let size = [size.x, size.y].map(|side| ((side * scale).floor() as u32).clamp(1, most as u32));
    let rgb = paint(&mut drawing, size, graphics)?;
    encode(&rgb, size.map(|side| side as usize))
}

/// A picture of the whole window.
///
/// # Errors
/// [`ExportError::Encode`].
pub fn of_window(screenshot: &ColorImage) -> Result<Vec<u8>, ExportError> {
    // A window is opaque, so what its colours are multiplied with does not matter.
    let rgb: Vec<u8> =
        screenshot.pixels.iter().flat_map(|pixel| [pixel.r(), pixel.g(), pixel.b()]).collect();
    encode(&rgb, screenshot.size)
}

/// Has the card paint a drawing, and waits for its pixels: rows of red, green and blue.
fn paint(
    drawing: &mut Drawing,
    [width, height]: [u32; 2],
    graphics: &RenderState,
) -> Result<Vec<u8>, ExportError> {
    let (device, queue) = (&graphics.device, &graphics.queue);
    // Errors are reported instead of ending the program.
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let usage = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let texture = device.create_texture(&wgpu::TextureDescriptor {
        label: Some("exported picture"),
        size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: FORMAT,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    });
    let row = (4 * width).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("exported pixels"),
        size: u64::from(row) * u64::from(height),
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let uploads = render(drawing, [width, height], graphics, &texture, &mut encoder);
    let layout =
        wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: None };
    let into = wgpu::TexelCopyBufferInfo { buffer: &buffer, layout };
    encoder.copy_texture_to_buffer(texture.as_image_copy(), into, texture.size());
    queue.submit(uploads.into_iter().chain([encoder.finish()]));
    let (send, mapped) = crossbeam_channel::bounded(1);
    buffer.map_async(wgpu::MapMode::Read, .., move |result| {
        // The receiver waits below.
        let _sent = send.send(result).is_ok();
    });
    let wait = wgpu::PollType::Wait { submission_index: None, timeout: Some(PATIENCE) };
    let polled = device.poll(wait);
    let errors = [usage, memory].map(|scope| pollster::block_on(scope.pop()));
    if let Some(error) = errors.into_iter().flatten().next() {
        return Err(refused(&error));
    }
    polled.map_err(|error| refused(&error))?;
    match mapped.try_recv() {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(refused(&error)),
        Err(error) => return Err(refused(&error)),
    }
    let bytes = buffer.get_mapped_range(..).map_err(|error| refused(&error))?;
    let rows = bytes.chunks_exact(row as usize);
    let pixels = rows.flat_map(|row| row.chunks_exact(4).take(width as usize));
    Ok(pixels.flat_map(|pixel| pixel.iter().take(3)).copied().collect())
}

/// Records how a drawing is painted onto a texture. The buffers are to be submitted before.
fn render(
    drawing: &mut Drawing,
    size_in_pixels: [u32; 2],
    graphics: &RenderState,
    texture: &wgpu::Texture,
    encoder: &mut wgpu::CommandEncoder,
) -> Vec<wgpu::CommandBuffer> {
    let (device, queue) = (&graphics.device, &graphics.queue);
    let pixels_per_point = drawing.pixels_per_point;
    let screen = ScreenDescriptor { size_in_pixels, pixels_per_point };
    // A renderer of its own: the window's knows other textures by the same names.
    let mut renderer = Renderer::new(device, FORMAT, RendererOptions::PREDICTABLE);
    upload(&mut renderer, &mut drawing.textures, graphics);
    let shapes = std::mem::take(&mut drawing.shapes);
    let triangles = drawing.context.tessellate(shapes, pixels_per_point);
    let uploads = renderer.update_buffers(device, queue, encoder, &triangles, &screen);
    let background = drawing.context.global_style().visuals.panel_fill;
    let [r, g, b, _] = background.to_array().map(|channel| f64::from(channel) / 255.0);
    let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
    let clear = wgpu::Operations {
        load: wgpu::LoadOp::Clear(wgpu::Color { r, g, b, a: 1.0 }),
        store: wgpu::StoreOp::Store,
    };
    let target = wgpu::RenderPassColorAttachment {
        view: &view,
        resolve_target: None,
        ops: clear,
        depth_slice: None,
    };
    let pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        color_attachments: &[Some(target)],
        ..wgpu::RenderPassDescriptor::default()
    });
    renderer.render(&mut pass.forget_lifetime(), &triangles, &screen);
    uploads
}

fn upload(renderer: &mut Renderer, textures: &mut TexturesDelta, graphics: &RenderState) {
    let set: std::collections::BTreeMap<_, _> = textures.set.drain().collect();
    for (id, image) in set.iter().flat_map(|(id, images)| images.iter().map(move |it| (id, it))) {
        renderer.update_texture(&graphics.device, &graphics.queue, *id, image);
    }
}

fn refused(error: &dyn std::error::Error) -> ExportError {
    ExportError::Paint { reason: error.to_string() }
}

fn encode(rgb: &[u8], [width, height]: [usize; 2]) -> Result<Vec<u8>, ExportError> {
    let mut png = Vec::new();
    PngEncoder::new(Cursor::new(&mut png))
        .write_image(rgb, width as u32, height as u32, image::ExtendedColorType::Rgb8)
        .map_err(|error| ExportError::Encode { width, height, reason: error.to_string() })?;
    Ok(png)
}
