//! The timeline's rectangles on the GPU: `shaders/timeline.wgsl` as a paint callback of egui's.

use std::collections::BTreeMap;

use eframe::egui::{PaintCallbackInfo, Rect, Shape};
use eframe::egui_wgpu::{
    self, CallbackResources, CallbackTrait, RenderState, ScreenDescriptor, wgpu,
};

use super::quad::{Look, Quad};

const SHADER: &str = include_str!("../../../../shaders/timeline.wgsl");

/// Makes egui's renderer able to draw timelines. Called once for a window.
pub fn install(state: &RenderState) {
    let pipeline = Pipeline::new(&state.device, state.target_format);
    state.renderer.write().callback_resources.insert(pipeline);
}

/// A shape of rectangles. `key` tells one timeline of a window from another.
pub fn shape(rect: Rect, key: u64, quads: Vec<Quad>, look: Look) -> Shape {
    Shape::Callback(egui_wgpu::Callback::new_paint_callback(rect, Picture { key, quads, look }))
}

/// The pipeline, and each timeline's buffers.
struct Pipeline {
    render: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    buffers: BTreeMap<u64, Buffers>,
}

/// What one timeline draws in this frame.
struct Buffers {
    quads: wgpu::Buffer,
    look: wgpu::Buffer,
    group: wgpu::BindGroup,
    count: u32,
}

impl Pipeline {
    fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Self {
        let label = Some("timeline");
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label,
            source: wgpu::ShaderSource::Wgsl(SHADER.into()),
        });
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label,
            entries: &[wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::VERTEX_FRAGMENT,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Uniform,
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            }],
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let render = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("corner"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                buffers: &[Some(wgpu::VertexBufferLayout {
                    array_stride: size_of::<Quad>() as u64,
                    step_mode: wgpu::VertexStepMode::Instance,
                    attributes: &wgpu::vertex_attr_array![
                        0 => Float32x4, 1 => Unorm8x4, 2 => Unorm8x4, 3 => Uint32
                    ],
                })],
            },
            primitive: wgpu::PrimitiveState::default(),
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some(if format.is_srgb() { "linear_target" } else { "gamma_target" }),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                targets: &[Some(wgpu::ColorTargetState {
                    format,
                    blend: Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
                    write_mask: wgpu::ColorWrites::ALL,
                })],
            }),
            multiview_mask: None,
            cache: None,
        });
        Self { render, layout, buffers: BTreeMap::new() }
    }

    fn upload(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        key: u64,
        quads: &[Quad],
        look: &Look,
    ) {
        let bytes: &[u8] = bytemuck::cast_slice(quads);
        let too_small = |buffers: &Buffers| buffers.quads.size() < bytes.len() as u64;
        if self.buffers.get(&key).is_none_or(too_small) {
            let buffers = self.buffers(device, bytes.len() as u64);
            self.buffers.insert(key, buffers);
        }
        if let Some(buffers) = self.buffers.get_mut(&key) {
            queue.write_buffer(&buffers.quads, 0, bytes);
            queue.write_buffer(&buffers.look, 0, bytemuck::bytes_of(look));
            buffers.count = quads.len() as u32;
        }
    }

    fn buffers(&self, device: &wgpu::Device, bytes: u64) -> Buffers {
        let buffer = |size: u64, usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("timeline"),
                size,
                usage: usage | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        // With room to grow, so that zooming does not make a new one every frame.
        let quads = buffer(bytes.next_power_of_two().max(1 << 14), wgpu::BufferUsages::VERTEX);
        let look = buffer(size_of::<Look>() as u64, wgpu::BufferUsages::UNIFORM);
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("timeline"),
            layout: &self.layout,
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: look.as_entire_binding() }],
        });
        Buffers { quads, look, group, count: 0 }
    }

    fn paint(&self, pass: &mut wgpu::RenderPass<'static>, key: u64) {
        let Some(buffers) = self.buffers.get(&key).filter(|buffers| buffers.count > 0) else {
            return;
        };
        pass.set_pipeline(&self.render);
        pass.set_bind_group(0, &buffers.group, &[]);
        pass.set_vertex_buffer(0, buffers.quads.slice(..));
        pass.draw(0..6, 0..buffers.count);
    }
}

/// One timeline's rectangles in one frame.
struct Picture {
    key: u64,
    quads: Vec<Quad>,
    look: Look,
}

impl CallbackTrait for Picture {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(pipeline) = resources.get_mut::<Pipeline>() {
            let look = Look { screen: screen.size_in_pixels.map(|size| size as f32), ..self.look };
            pipeline.upload(device, queue, self.key, &self.quads, &look);
        }
        Vec::new()
    }

    fn paint(
        &self,
        info: PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        // Rectangles are placed on the whole screen; the scissor that egui has set cuts them.
        let [width, height] = info.screen_size_px.map(|size| size as f32);
        pass.set_viewport(0.0, 0.0, width, height, 0.0, 1.0);
        if let Some(pipeline) = resources.get::<Pipeline>() {
            pipeline.paint(pass, self.key);
        }
    }
}
